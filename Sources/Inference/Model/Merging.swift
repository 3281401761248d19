// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// The arithmetic of a merge, cut into slices of some panels of one linear layer each.
///
/// Slices are independent of each other: they may run in any order, and at the same time by
/// different members.
struct Merging {
    private struct Site {
        let source: PackedMatrix
        let target: PackedMatrix
        let group: AdapterGroup
        let part: AdapterPart
    }

    private struct Slice {
        let site: Int
        let panels: Range<Int>
    }

    /// Weights of one slice: enough that what all its panels share is prepared in no time beside
    /// them, little enough that a slice takes a fraction of a millisecond.
    private static let sliceBytes = 512 << 10

    private let kernels: KernelTable
    private let sites: [Site]
    private let slices: [Slice]
    private let scratch: AlignedMemory
    private let inputFloats: Int
    private let outputFloats: Int
    private let memberFloats: Int

    /// `target` has the memory of the sites of `adapter` filled in.
    init(
        base: [PackedMatrix], target: [PackedMatrix], adapter: PackedAdapter, members: Int,
        kernels: KernelTable
    ) throws(InferenceError) {
        self.kernels = kernels
        sites = adapter.sites.map { site in
            let index = MergedModel.index(site)
            let kind = LinearGroup.of(site.linear)
            let group = adapter.group(layer: site.layer, kind)
            return Site(
                source: base[index], target: target[index], group: group,
                part: group.part(kind.kinds.firstIndex(of: site.linear) ?? 0))
        }
        slices = sites.enumerated().flatMap { index, site in
            let count = max(1, Self.sliceBytes / max(1, site.source.panelBytes))
            return stride(from: 0, to: site.source.panels, by: count).map {
                Slice(site: index, panels: $0..<min(site.source.panels, $0 + count))
            }
        }
        let depth = sites.map(\.group.depth).max() ?? 0
        let rank = adapter.maximumRank.roundedUp(to: 2)
        inputFloats = try checkedProduct([depth, rank], for: "a merge")
        var plan = MemoryPlan(for: "a merge")
        outputFloats = rank * PackedMatrix.panelWidth
        let sumFloats = sites.contains { $0.source.type == .int8 } ? depth : 0
        memberFloats =
            (inputFloats + outputFloats + sumFloats * PackedMatrix.panelWidth)
            .roundedUp(to: 32)
        _ = try plan.reserve(members, memberFloats, 4)
        scratch = try plan.allocate()
    }

    var sliceCount: Int { slices.count }

    /// Writes the target's panels of one slice; `member` is below the count given at the start.
    func run(_ index: Int, member: Int) {
        let (site, panels) = (sites[slices[index].site], slices[index].panels)
        guard let a = site.group.a, let scales = site.group.scales,
            let b = site.part.matrix(type: site.group.type)
        else { return }
        let inputs = scratch.base.assumingMemoryBound(to: Float.self) + member * memberFloats
        let row = site.part.rankOffset
        kernels.merge_inputs(
            a + row * site.group.depth * site.group.type.byteCount, site.group.type.kernelType,
            site.group.depth, site.part.rank, scales + row, inputs)
        var merge = KernelMerge(
            weights: site.source.panel(panels.lowerBound),
            target: UnsafeMutableRawPointer(mutating: site.target.panel(panels.lowerBound)),
            panel_bytes: site.source.panelBytes, panels: panels.count,
            type: site.source.type.kernelType, depth: site.source.depth,
            b: b.panel(panels.lowerBound), b_panel_bytes: b.panelBytes,
            adapter_type: b.type.kernelType, rank: site.part.rank, inputs: inputs,
            outputs: inputs + inputFloats, sums: inputs + inputFloats + outputFloats)
        kernels.merge(&merge)
    }
}
