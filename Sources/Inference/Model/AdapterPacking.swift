// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading
internal import Synchronization

/// Lays out an adapter's factors in one allocation, in the order in which a step reads them; or
/// those of several adapters side by side, as the experts of a mixture.
///
/// The ranks of a group are stacked linear layer by linear layer, in each expert by expert. An
/// expert's ranks start at an even row: its columns of B are then whole pairs of the panels.
struct AdapterPacking {
    /// One expert's factors of one linear layer, and their first row among the group's rows of A.
    private struct Site {
        let factors: LoRAFactors
        let expert: Int
        let row: Int
    }

    /// A linear layer's second factors, side by side.
    private struct Part {
        let index: Int
        let sites: Range<Int>
        let row: Int
        let rank: Int
        let outputs: Int
        var bOffset = 0
    }

    /// The linear layers of one group and layer, and where their shared memory begins.
    private struct Group {
        var sites: [Site] = []
        var parts: [Part] = []
        var rank = 0
        var depth = 0
        var scalesOffset = 0
        var aOffset = 0
    }

    let name: String
    let experts: [AdapterWeights]
    let model: PackedModel
    let type: WeightType
    var memoryPlan: MemoryPlan
    /// `[layer * 4 + group]`
    private var groups: [Group] = []

    init(name: String, experts: [AdapterWeights], model: PackedModel) {
        self.name = name
        self.experts = experts
        self.model = model
        memoryPlan = MemoryPlan(for: "adapter \(name)")
        let isBrain = experts.allSatisfy {
            $0.sites.values.allSatisfy { $0.a.type == .bf16 && $0.b.type == .bf16 }
        }
        type = isBrain ? .bf16 : .f32
    }

    /// Checks every factor against the model's shape once more, since kernels check nothing.
    func check() throws(InferenceError) {
        let configuration = model.configuration
        for adapter in experts {
            for (site, factors) in adapter.sites {
                let outputs = configuration.outputSize(of: site.linear)
                let inputs = configuration.inputSize(of: site.linear)
                guard (0..<configuration.layerCount).contains(site.layer),
                    AdapterWeights.ranks.contains(factors.rank),
                    factors.a.shape == [factors.rank, inputs],
                    factors.b.shape == [outputs, factors.rank]
                else {
                    throw InferenceError(
                        .wrongModel,
                        "adapter \(adapter.name) does not fit this model at \(site.moduleName); "
                            + "load it for this model")
                }
            }
        }
    }

    mutating func reserve() throws(InferenceError) {
        let offset = model.nextAdapterOffset()
        _ = try memoryPlan.reserve(offset)
        for layer in 0..<model.configuration.layerCount {
            for group in LinearGroup.allCases { groups.append(try reserve(group, layer: layer)) }
        }
        // Adapters of the same shape take the same memory, so that one fits where another was.
        _ = try memoryPlan.reserve(PackedModel.largestAdapterOffset - offset)
    }

    private mutating func reserve(
        _ linears: LinearGroup, layer: Int
    ) throws(InferenceError) -> Group {
        var group = Group()
        for (index, kind) in linears.kinds.enumerated() {
            let site = AdapterSite(layer: layer, linear: kind)
            let (first, row) = (group.sites.count, group.rank)
            for (expert, adapter) in experts.enumerated() {
                guard let factors = adapter.sites[site] else { continue }
                group.sites.append(Site(factors: factors, expert: expert, row: group.rank))
                group.rank += factors.rank.roundedUp(to: 2)
            }
            guard group.sites.count > first, let last = group.sites.last else { continue }
            let rank = last.row + last.factors.rank - row
            guard AdapterWeights.ranks.contains(rank) else {
                throw InferenceError(
                    .invalidMixture,
                    "the experts of \(name) have \(rank) ranks together at \(site.moduleName); "
                        + "the limit is \(AdapterWeights.ranks.upperBound)")
            }
            group.parts.append(
                Part(
                    index: index, sites: first..<group.sites.count, row: row, rank: rank,
                    outputs: last.factors.b.shape[0]))
            group.depth = last.factors.a.shape[1].roundedUp(to: 32)
        }
        guard group.rank > 0 else { return group }
        let nowhere = UnsafeRawPointer(bitPattern: 64)!  // only sizes are asked for
        group.scalesOffset = try memoryPlan.reserve(group.rank, 4)
        group.aOffset = try memoryPlan.reserve(group.rank, group.depth, type.byteCount)
        for index in group.parts.indices {
            let size = matrix(group.parts[index], at: nowhere)
            group.parts[index].bOffset = try memoryPlan.reserve(size.panels, size.panelBytes)
        }
        return group
    }

    private func matrix(_ part: Part, at pointer: UnsafeRawPointer) -> PackedMatrix {
        PackedMatrix(weights: pointer, outputs: part.outputs, inputs: part.rank, type: type)
    }

    /// Whose ranks are whose, for each group in the order of a step.
    var rankSpans: [[RankSpan]] {
        groups.map { group in
            group.parts.flatMap { part in
                group.sites[part.sites].map {
                    RankSpan(
                        first: $0.row, count: $0.factors.rank, expert: $0.expert, part: part.index)
                }
            }
        }
    }

    /// Fills in the addresses, and touches no memory yet.
    func place(in memory: AlignedMemory) -> [AdapterGroup] {
        groups.map { group in
            var placed = AdapterGroup()
            guard group.rank > 0 else { return placed }
            placed.type = type
            placed.rank = group.rank
            placed.depth = group.depth
            placed.scales = UnsafePointer(scales(of: group, in: memory))
            placed.a = UnsafeRawPointer(memory.base + group.aOffset)
            for part in group.parts {
                placed.set(
                    AdapterPart(
                        weights: UnsafeRawPointer(memory.base + part.bOffset),
                        rankOffset: part.row, rank: part.rank, outputs: part.outputs),
                    at: part.index)
            }
            return placed
        }
    }

    private func scales(
        of group: Group, in memory: AlignedMemory
    ) -> UnsafeMutablePointer<Float> {
        (memory.base + group.scalesOffset).assumingMemoryBound(to: Float.self)
    }

    /// Reads the factors from where they are stored and writes them, with all padding that is read.
    func fill(_ memory: AlignedMemory, with team: ThreadTeam?) throws(InferenceError) {
        let parts = partsByPage()
        let buffers = (0..<(team?.memberCount ?? 1)).map { _ in ReadBuffer() }
        let failure = Mutex<InferenceError?>(nil)
        func fill(_ index: Int, _ member: Int) {
            do throws(ModelLoadingError) {
                for group in parts[index] { try pack(groups[group], memory, buffers[member]) }
            } catch {
                failure.withLock {
                    $0 = InferenceError(.unreadableAdapter, error.description)
                }
            }
        }
        if let team {
            team.parallel(parts.count, fill)
        } else {
            for index in parts.indices { fill(index, 0) }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Groups whose memory begins in the same large page: threads that write the same fresh page
    /// wait for each other while the system clears it.
    private func partsByPage() -> [Range<Int>] {
        let pageBytes = 2 << 20
        var parts: [Range<Int>] = []
        var start = 0
        for index in groups.indices
        where groups[index].aOffset / pageBytes > groups[start].aOffset / pageBytes {
            parts.append(start..<index)
            start = index
        }
        parts.append(start..<groups.count)
        return parts
    }

    private func pack(
        _ group: Group, _ memory: AlignedMemory, _ buffer: ReadBuffer
    ) throws(ModelLoadingError) {
        for part in group.parts {
            for site in group.sites[part.sites] {
                try packFirst(site, of: group, memory, buffer)
                try packSecond(site, of: part, memory, buffer)
            }
        }
    }

    /// The rows of A with their scales.
    private func packFirst(
        _ site: Site, of group: Group, _ memory: AlignedMemory, _ buffer: ReadBuffer
    ) throws(ModelLoadingError) {
        let rowBytes = group.depth * type.byteCount
        let scales = scales(of: group, in: memory)
        let a = site.factors.a
        (scales + site.row).update(repeating: site.factors.scale, count: site.factors.rank)
        if site.factors.rank % 2 != 0 {
            let last = site.row + site.factors.rank
            scales[last] = 0
            (memory.base + group.aOffset + last * rowBytes)
                .initializeMemory(as: UInt8.self, repeating: 0, count: rowBytes)
        }
        let target = memory.base + group.aOffset + site.row * rowBytes
        let columns = a.shape[1]
        try a.read(into: buffer) { rows, bytes in
            guard let base = bytes.baseAddress else { return }
            for (index, row) in rows.enumerated() {
                kernel_pack_shrink_row(
                    base + index * columns * a.type.byteCount, a.type.kernelType, columns,
                    group.depth, type.kernelType, target + row * rowBytes)
            }
        }
    }

    /// The columns of B: whole panels where the site has them for itself, else its pairs of each.
    private func packSecond(
        _ site: Site, of part: Part, _ memory: AlignedMemory, _ buffer: ReadBuffer
    ) throws(ModelLoadingError) {
        let b = site.factors.b
        let matrix = matrix(part, at: memory.base + part.bOffset)
        let pairs = (site.row - part.row) / 2 * 2 * PackedMatrix.panelWidth * type.byteCount
        let target = memory.base + part.bOffset + pairs
        let step = part.sites.count > 1 ? 1 : Int.max
        try b.read(by: PackedMatrix.panelWidth, into: buffer) { rows, bytes in
            let first = rows.lowerBound / PackedMatrix.panelWidth
            let count = rows.count.dividedUp(by: PackedMatrix.panelWidth)
            var panel = 0
            while panel < count {
                let panels = min(step, count - panel)
                kernel_pack(
                    bytes.baseAddress, b.type.kernelType, rows.count, site.factors.rank, panel,
                    panels, type.kernelType, target + (first + panel) * matrix.panelBytes)
                panel += panels
            }
        }
    }
}
