// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// A base model with one adapter added into its weights, beside the pristine ones.
///
/// Each weight is `W + s * B * A`, computed in f32 and then rounded to the model's type. Only the
/// linear layers that the adapter acts on are copied, so going back is using the base again.
///
/// Safety of the unchecked conformance: all memory is written before a value is made.
package final class MergedModel: @unchecked Sendable {
    package let base: PackedModel
    package let adapter: PackedAdapter
    /// Bytes in memory, beside those of the base.
    package let byteCount: Int
    /// `[layer * 7 + kind]`, those of the base where the adapter does not act.
    let linears: [PackedMatrix]
    private let memory: AlignedMemory

    fileprivate init(_ build: MergedModelBuild) {
        base = build.base
        adapter = build.adapter
        memory = build.memory
        linears = build.linears
        byteCount = build.memory.byteCount
    }

    /// Merges with all members of `team`; the calling thread takes part.
    package static func build(
        base: PackedModel, adapter: PackedAdapter, team: ThreadTeam,
        instructionSet: InstructionSet? = nil
    ) throws(InferenceError) -> MergedModel {
        let build = try MergedModelBuild(
            base: base, adapter: adapter, members: team.memberCount,
            instructionSet: instructionSet)
        guard let model = build.advance(slices: .max, with: team) else {
            preconditionFailure("all \(build.remainingSlices) slices at once leave none")
        }
        return model
    }

    deinit {
        base.spareMergedMemory.give(memory)
    }

    static func index(_ site: AdapterSite) -> Int {
        site.layer * LinearKind.allCases.count + site.linear.ordinal
    }
}

/// A merged copy while it is built: some slices at a time, so that steps can run in between.
///
/// One thread owns it and lends it its team.
package final class MergedModelBuild {
    let base: PackedModel
    let adapter: PackedAdapter
    let linears: [PackedMatrix]
    let memory: AlignedMemory
    private let merging: Merging
    private var next = 0
    private var isDelivered = false

    /// Takes memory, that of an earlier copy where it fits; `members` is the size of the team.
    package init(
        base: PackedModel, adapter: PackedAdapter, members: Int,
        instructionSet: InstructionSet? = nil
    ) throws(InferenceError) {
        guard adapter.model === base else {
            throw InferenceError(
                .wrongModel, "adapter \(adapter.name) was packed for another base model")
        }
        guard !adapter.isMixture else {
            throw InferenceError(
                .notMergeable,
                "\(adapter.name) is a mixture, whose experts count differently for each token; "
                    + "serve it unmerged")
        }
        let set: InstructionSet
        if let instructionSet { set = instructionSet } else { set = try .chosen() }
        var plan = MemoryPlan(for: "the merged weights of \(adapter.name)")
        var linears = base.linears
        var offsets: [Int] = []
        for site in adapter.sites {
            let matrix = linears[MergedModel.index(site)]
            offsets.append(try plan.reserve(matrix.panels, matrix.panelBytes))
        }
        let memory = try base.spareMergedMemory.take(plan)
        for (site, offset) in zip(adapter.sites, offsets) {
            linears[MergedModel.index(site)].weights = UnsafeRawPointer(memory.base + offset)
        }
        merging = try Merging(
            base: base.linears, target: linears, adapter: adapter, members: members,
            kernels: try set.kernels())
        self.base = base
        self.adapter = adapter
        self.memory = memory
        self.linears = linears
    }

    /// Slices that are still to be done; one takes a fraction of a millisecond.
    package var remainingSlices: Int { merging.sliceCount - next }

    /// Builds at most `slices` more; the calling thread takes part.
    ///
    /// - Returns: the copy when it has become whole, once.
    package func advance(slices: Int, with team: ThreadTeam) -> MergedModel? {
        let first = next
        let count = min(remainingSlices, max(0, slices))
        team.parallel(count) { merging.run(first + $0, member: $1) }
        next += count
        guard remainingSlices == 0, !isDelivered else { return nil }
        isDelivered = true
        return MergedModel(self)
    }
}
