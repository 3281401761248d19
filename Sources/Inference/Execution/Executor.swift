// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// Runs forward passes for one replica: owns its scratch and its threads, and its keys and values
/// unless it shares a pool of pages with others.
///
/// Belongs to one thread, the replica's compute thread. What it computes for a row in unmerged
/// mode does not depend, bit for bit, on the other rows of the step, on how the prompt was cut
/// into chunks, or on the number of threads.
package final class Executor {
    package let model: PackedModel
    package let configuration: ExecutorConfiguration
    package let instructionSet: InstructionSet
    /// The threads, for a merge between two steps.
    package let team: ThreadTeam

    let kernels: KernelTable
    let shape: StepShape
    let pool: KeyValuePool
    let gates = GateMemory()
    let scratch: StepScratch
    var splitStates: GrowingScratch
    var shrunk: GrowingScratch
    /// One for each member of the team.
    var samplingScratch: [SamplingScratch]
    let lists = LinearLists()
    /// Where steps are recorded while it has room; nil records nothing.
    package var timeline: StepTimeline?
    /// Where the weights of mixtures are recorded while it has room; nil records nothing.
    package var gateRecorder: GateRecorder?
    private var validation: StepValidation
    private var plan: StepPlan
    /// The pass of the base model that goes before a step, if it is needed.
    var scalingPass = ScalingPass()
    private var outputs: [LogitsBuffer] = []

    /// Allocates everything that steps within `configuration` need, but for the KV pages where it gets
    /// a pool; that has `configuration.pageCount` of them.
    package convenience init(
        model: PackedModel, configuration: ExecutorConfiguration, pool: KeyValuePool? = nil
    ) throws(InferenceError) {
        let set: InstructionSet
        if let given = configuration.instructionSet { set = given } else { set = try .chosen() }
        try self.init(
            model: model, configuration: configuration,
            kernels: ExecutorKernels(set: set, table: set.kernels()), pool: pool)
    }

    /// The same with these functions for those of the instruction set.
    init(
        model: PackedModel, configuration: ExecutorConfiguration, kernels: ExecutorKernels,
        pool: KeyValuePool? = nil
    ) throws(InferenceError) {
        try configuration.check(against: model.configuration)
        self.model = model
        self.configuration = configuration
        self.instructionSet = kernels.set
        self.kernels = kernels.table
        shape = StepShape(model.configuration)
        if let pool, pool.pageCount == configuration.pageCount {
            self.pool = pool
        } else {
            self.pool = try KeyValuePool(model: model.configuration, configuration: configuration)
        }
        scratch = try StepScratch(shape: shape, type: model.type, configuration: configuration)
        splitStates = GrowingScratch(for: "attention over long contexts")
        shrunk = GrowingScratch(for: "the activations of adapters")
        samplingScratch = Array(repeating: SamplingScratch(), count: configuration.threads)
        validation = StepValidation(model: model, configuration: configuration)
        plan = StepPlan(
            shape: shape, kvHeads: model.configuration.kvHeadCount, threads: configuration.threads)
        team = try ThreadTeam(
            members: configuration.threads, processors: configuration.processors)
    }

    /// Bytes of keys and values, and of what gates keep beside them.
    package var cacheBytes: Int { pool.byteCount }

    /// Computes all chunks of `step` in one forward pass.
    ///
    /// Throws before anything was computed or written. Keys and values of the chunks' tokens are
    /// in their pages afterwards. A gate that fails spoils the chunks of its mixture only, which the
    /// output then names. `beforeHead` is called when only the output head is left to do.
    package func run(
        _ step: ExecutorStep, beforeHead: () -> Void = {}
    ) throws(InferenceError) -> StepOutput {
        let clock = ContinuousClock()
        let start = clock.now
        try validation.check(step)
        plan.prepare(step)
        try splitStates.reserve(plan.stateCount, shape.stateFloats)
        try shrunk.reserve(plan.slots * plan.rowCount, plan.stackedRank.roundedUp(to: 32))
        scalingPass.cancel()
        if !plan.gating.isEmpty {
            try gates.prepare(plan.gating)
            try prepareScalingPass(for: step)
        }
        let logits = try takeLogits(rows: plan.wantedRows.count)
        logits.place(plan.chunks)

        var times = StepTimes()
        if plan.rowCount > 0 {
            withExtendedLifetime(step) {
                let before = runScalingPass()
                var pass = ForwardPass(
                    executor: self, step: step, plan: plan, cache: pool.cache, timeline: timeline)
                if let timeline {
                    timeline.record(rows: plan.rowCount) {
                        pass.run(logits: logits, beforeHead: beforeHead)
                    }
                } else {
                    pass.run(logits: logits, beforeHead: beforeHead)
                }
                times = pass.times
                times.scalingPass = before
            }
        }
        let summary =
            plan.gating.isEmpty
            ? nil : gates.summary(of: plan.gating, chunkCount: step.chunks.count)
        for failure in summary?.failures ?? [] {
            if let chunk = failure.chunk { logits.invalidate(chunk: chunk) }
        }
        times.total = clock.now - start
        return StepOutput(
            logits: logits, times: times, tokenCount: plan.rowCount, gates: summary)
    }

    /// A buffer that nobody else refers to any more, or a new one.
    private func takeLogits(rows: Int) throws(InferenceError) -> LogitsBuffer {
        for index in outputs.indices where outputs[index].capacity >= rows {
            if isKnownUniquelyReferenced(&outputs[index]) { return outputs[index] }
        }
        let buffer = try LogitsBuffer(
            rows: max(rows, min(configuration.maximumSequences, 16)),
            vocabularySize: model.configuration.vocabularySize)
        // Callers that keep every output do not make the executor keep them as well.
        if outputs.count >= 4 { outputs.removeFirst() }
        outputs.append(buffer)
        return buffer
    }
}

/// Scratch whose size depends on the step; grows to the largest seen.
struct GrowingScratch {
    private var memory: AlignedMemory?
    private let purpose: String

    init(for purpose: String) {
        self.purpose = purpose
    }

    /// Makes room for `count` times `floats` floats; what was there is lost.
    mutating func reserve(_ count: Int, _ floats: Int) throws(InferenceError) {
        let (total, overflow) = count.multipliedReportingOverflow(by: floats)
        if let memory, !overflow, total <= memory.byteCount / 4 { return }
        var plan = MemoryPlan(for: purpose)
        _ = try plan.reserve(count, floats, 4)
        memory = nil
        memory = try plan.allocate()
    }

    /// Valid until the next `reserve`.
    var base: UnsafeMutablePointer<Float> {
        guard let memory else { preconditionFailure("\(purpose): reserve first") }
        return memory.base.assumingMemoryBound(to: Float.self)
    }
}

/// An instruction set and the functions to use for its own.
struct ExecutorKernels {
    let set: InstructionSet
    let table: KernelTable
}
