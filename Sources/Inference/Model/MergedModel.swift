// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// A base model with one adapter added into its weights, beside the pristine ones.
///
/// Each weight is `W + s * B * A`, computed in f32 and then rounded to the model's type. Only the
/// linear layers that the adapter acts on are copied, so going back is using the base again.
///
/// Safety of the unchecked conformance: all memory is written in `init` only.
package final class MergedModel: @unchecked Sendable {
    package let base: PackedModel
    package let adapter: PackedAdapter
    /// Bytes in memory, beside those of the base.
    package let byteCount: Int
    /// `[layer * 7 + kind]`, those of the base where the adapter does not act.
    let linears: [PackedMatrix]
    private let memory: AlignedMemory

    /// Merges with all members of `team`; the calling thread takes part.
    package init(
        base: PackedModel, adapter: PackedAdapter, team: ThreadTeam,
        instructionSet: InstructionSet? = nil
    ) throws(InferenceError) {
        guard adapter.model === base else {
            throw InferenceError(
                .wrongModel, "adapter \(adapter.name) was packed for another base model")
        }
        let set: InstructionSet
        if let instructionSet { set = instructionSet } else { set = try .chosen() }
        var plan = MemoryPlan(for: "the merged weights of \(adapter.name)")
        var linears = base.linears
        var offsets: [Int] = []
        for site in adapter.sites {
            let matrix = linears[Self.index(site)]
            offsets.append(try plan.reserve(matrix.panels, matrix.panelBytes))
        }
        let memory = try plan.allocate()
        for (site, offset) in zip(adapter.sites, offsets) {
            linears[Self.index(site)].weights = UnsafeRawPointer(memory.base + offset)
        }
        let merging = try Merging(
            base: base.linears, target: linears, adapter: adapter, members: team.memberCount,
            kernels: try set.kernels())
        merging.run(team)
        self.base = base
        self.adapter = adapter
        self.memory = memory
        self.linears = linears
        byteCount = memory.byteCount
    }

    /// Merges with `threads` threads of its own; may be called on any thread.
    package convenience init(
        base: PackedModel, adapter: PackedAdapter, threads: Int
    ) throws(InferenceError) {
        let team = try ThreadTeam(members: threads)
        try self.init(base: base, adapter: adapter, team: team)
    }

    static func index(_ site: AdapterSite) -> Int {
        site.layer * LinearKind.allCases.count + site.linear.ordinal
    }
}
