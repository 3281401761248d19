// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// The arithmetic of a merge: for each panel the update `A' * B'`, then the sum.
///
/// The update of one panel is `[inputs, 32]`, as the panel itself is laid out: the product of the
/// transposed A with the panel of B, which is left to the linear algebra library.
struct Merging {
    private struct Site {
        let source: PackedMatrix
        let target: PackedMatrix
        let group: AdapterGroup
        let part: AdapterPart
        /// Where its scaled, transposed A starts in `inputs`: `[inputs, depth of B]`.
        let inputsOffset: Int
    }

    private let kernels: KernelTable
    private let sites: [Site]
    private let inputs: AlignedMemory
    private let deltas: AlignedMemory
    private let deltaFloats: Int
    private let factorFloats: Int

    init(
        base: [PackedMatrix], target: [PackedMatrix], adapter: PackedAdapter, members: Int,
        kernels: KernelTable
    ) throws(InferenceError) {
        self.kernels = kernels
        var plan = MemoryPlan(for: "a merge")
        var sites: [Site] = []
        var depth = 0
        for site in adapter.sites {
            let index = MergedModel.index(site)
            let kind = LinearGroup.of(site.linear)
            let group = adapter.group(layer: site.layer, kind)
            let part = group.part(kind.kinds.firstIndex(of: site.linear) ?? 0)
            let offset = try plan.reserve(base[index].inputs, part.rank.roundedUp(to: 2), 4)
            depth = max(depth, base[index].depth)
            sites.append(
                Site(
                    source: base[index], target: target[index], group: group, part: part,
                    inputsOffset: offset))
        }
        self.sites = sites
        inputs = try plan.allocate()
        deltaFloats = depth * PackedMatrix.panelWidth
        factorFloats = adapter.maximumRank.roundedUp(to: 2) * PackedMatrix.panelWidth
        var scratch = MemoryPlan(for: "a merge")
        _ = try scratch.reserve(members, deltaFloats + factorFloats, 4)
        deltas = try scratch.allocate()
    }

    /// Writes the target's panels.
    func run(_ team: ThreadTeam) {
        team.parallel(sites.count) { index, _ in transpose(sites[index]) }
        var tasks: [(site: Int, panel: Int)] = []
        for (index, site) in sites.enumerated() {
            tasks += (0..<site.source.panels).map { (index, $0) }
        }
        team.parallel(tasks.count) { index, member in
            merge(sites[tasks[index].site], panel: tasks[index].panel, member: member)
        }
    }

    private func transposed(_ site: Site) -> UnsafeMutablePointer<Float> {
        (inputs.base + site.inputsOffset).assumingMemoryBound(to: Float.self)
    }

    private func transpose(_ site: Site) {
        guard let a = site.group.a, let scales = site.group.scales else { return }
        for rank in 0..<site.part.rank {
            let row = site.part.rankOffset + rank
            kernel_unpack_shrink_row(
                a + row * site.group.depth * site.group.type.byteCount,
                site.group.type.kernelType, site.source.inputs, scales[row],
                transposed(site) + rank, site.part.rank.roundedUp(to: 2))
        }
    }

    private func merge(_ site: Site, panel: Int, member: Int) {
        guard let b = site.part.matrix(type: site.group.type) else { return }
        let delta =
            deltas.base.assumingMemoryBound(to: Float.self)
            + member * (deltaFloats + factorFloats)
        let factor = delta + deltaFloats
        let width = PackedMatrix.panelWidth
        kernel_unpack_panel(
            b.weights + panel * b.panelBytes, b.type.kernelType, b.depth / 2, factor)
        BLAS.multiply(
            transposed(site), factor, into: delta,
            BLAS.Shape(rows: site.source.inputs, columns: width, depth: b.depth))
        // The input that pads an odd count has weight zero and keeps it.
        let padding = (site.source.depth - site.source.inputs) * width
        (delta + site.source.inputs * width).update(repeating: 0, count: padding)
        let offset = panel * site.source.panelBytes
        kernels.merge(
            site.source.weights + offset, delta, site.source.type.kernelType,
            site.source.depth / 2, UnsafeMutableRawPointer(mutating: site.target.weights + offset))
    }
}
