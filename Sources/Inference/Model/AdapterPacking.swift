// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading
internal import Synchronization

/// Lays out an adapter's factors in one allocation, in the order in which a step reads them.
struct AdapterPacking {
    /// A site's factors and where they go.
    private struct Site {
        let factors: LoRAFactors
        let kind: LinearKind
        let part: Int
        /// Its first row among the group's stacked rows of A.
        let row: Int
        var bOffset = 0
    }

    /// The sites of one group and layer, and where their shared memory begins.
    private struct Group {
        var sites: [Site] = []
        var rank = 0
        var depth = 0
        var scalesOffset = 0
        var aOffset = 0
    }

    let adapter: AdapterWeights
    let model: PackedModel
    let type: WeightType
    var memoryPlan: MemoryPlan
    /// `[layer * 4 + group]`
    private var groups: [Group] = []

    init(adapter: AdapterWeights, model: PackedModel) {
        self.adapter = adapter
        self.model = model
        memoryPlan = MemoryPlan(for: "adapter \(adapter.name)")
        let isBrain = adapter.sites.values.allSatisfy { $0.a.type == .bf16 && $0.b.type == .bf16 }
        type = isBrain ? .bf16 : .f32
    }

    /// Checks every factor against the model's shape once more, since kernels check nothing.
    func check() throws(InferenceError) {
        let configuration = model.configuration
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
        for (part, kind) in linears.kinds.enumerated() {
            guard let factors = adapter.sites[AdapterSite(layer: layer, linear: kind)] else {
                continue
            }
            group.sites.append(Site(factors: factors, kind: kind, part: part, row: group.rank))
            group.rank += factors.rank.roundedUp(to: 2)
            group.depth = factors.a.shape[1].roundedUp(to: 32)
        }
        guard group.rank > 0 else { return group }
        let nowhere = UnsafeRawPointer(bitPattern: 64)!  // only sizes are asked for
        group.scalesOffset = try memoryPlan.reserve(group.rank, 4)
        group.aOffset = try memoryPlan.reserve(group.rank, group.depth, type.byteCount)
        for index in group.sites.indices {
            let size = matrix(group.sites[index].factors, at: nowhere)
            group.sites[index].bOffset = try memoryPlan.reserve(size.panels, size.panelBytes)
        }
        return group
    }

    private func matrix(_ factors: LoRAFactors, at pointer: UnsafeRawPointer) -> PackedMatrix {
        PackedMatrix(
            weights: pointer, outputs: factors.b.shape[0], inputs: factors.rank, type: type)
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
            for site in group.sites {
                let rank = site.factors.rank
                placed.set(
                    AdapterPart(
                        weights: UnsafeRawPointer(memory.base + site.bOffset),
                        rankOffset: site.row, rank: rank, outputs: site.factors.b.shape[0]),
                    at: site.part)
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
        let rowBytes = group.depth * type.byteCount
        let scales = scales(of: group, in: memory)
        for site in group.sites {
            let (a, b) = (site.factors.a, site.factors.b)
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
            let matrix = matrix(site.factors, at: memory.base + site.bOffset)
            try b.read(by: PackedMatrix.panelWidth, into: buffer) { rows, bytes in
                let first = rows.lowerBound / PackedMatrix.panelWidth
                kernel_pack(
                    bytes.baseAddress, b.type.kernelType, rows.count, matrix.inputs, 0,
                    rows.count.dividedUp(by: PackedMatrix.panelWidth), type.kernelType,
                    memory.base + site.bOffset + first * matrix.panelBytes)
            }
        }
    }
}
