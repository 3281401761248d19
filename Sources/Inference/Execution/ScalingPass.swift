// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading

/// The pass of the base model over those chunks of a step whose gates read its final hidden states.
struct ScalingPass {
    /// The step and its plan; nil where no gate wants it.
    fileprivate var step: ExecutorStep?
    fileprivate var plan: StepPlan?

    /// Forgets what was planned for a step that did not run.
    mutating func cancel() { step = nil }
}

extension Executor {
    /// Plans the pass for `step`, or that there is none; makes room for what it leaves.
    func prepareScalingPass(for step: ExecutorStep) throws(InferenceError) {
        scalingPass.step = nil
        var chunks: [SequenceChunk] = []
        var row = 0
        for chunk in step.chunks {
            gates.placeHidden(at: row)
            guard chunk.readsFinalHidden else { continue }
            row += chunk.tokens.count
            chunks.append(
                SequenceChunk(
                    tokens: chunk.tokens, position: chunk.position, pages: chunk.pages,
                    logitRows: 0))
        }
        guard !chunks.isEmpty else { return }
        let base = ExecutorStep(chunks: chunks)
        // Taken out, so that its lists are filled anew and not copied.
        var plan =
            scalingPass.plan.take()
            ?? StepPlan(
                shape: shape, kvHeads: model.configuration.kvHeadCount,
                threads: configuration.threads)
        plan.prepare(base)
        try splitStates.reserve(plan.stateCount, shape.stateFloats)
        try gates.reserveHidden(
            rows: row, stride: RowBuffer.stride(for: model.configuration.hiddenSize))
        scalingPass.plan = plan
        scalingPass.step = base
    }

    /// Runs what was planned and returns how long it took.
    func runScalingPass() -> Duration {
        guard let step = scalingPass.step, let plan = scalingPass.plan,
            let scalingCache = pool.scalingCache
        else {
            return .zero
        }
        scalingPass.step = nil
        let start = ContinuousClock.now
        var pass = ForwardPass(
            executor: self, step: step, plan: plan, cache: scalingCache, timeline: nil)
        pass.runForGates()
        return ContinuousClock.now - start
    }
}

extension SequenceChunk {
    /// Whether a pass of the base model has to go before.
    var readsFinalHidden: Bool {
        adapters.contains { $0.adapter.mixture?.readsFinalHidden == true }
    }
}
