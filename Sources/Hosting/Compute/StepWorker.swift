// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import LoopIO

/// Runs the steps of one replica on its compute thread.
nonisolated struct StepWorker {
    let executor: Result<Executor, InferenceError>
    /// When the last forward pass ended.
    private var lastEnd: UInt64?
    private var lastFailed = false

    init(executor: Result<Executor, InferenceError>) {
        self.executor = executor
    }

    /// Computes a step and draws its tokens; `nearlyDone` is called when only the output head is
    /// left to do. A merge has held it up for `heldUp`.
    mutating func run(
        _ job: StepJob, heldUp: Duration = .zero, nearlyDone: () -> Void
    ) -> StepResult {
        var result = StepResult(number: job.number, output: .failure(.withdrawn))
        result.mergeTime = heldUp
        if !(job.isAhead && lastFailed) {
            do throws(InferenceError) {
                result.output = .success(try compute(job, &result, nearlyDone))
            } catch {
                result.output = .failure(error)
            }
        }
        if case .failure = result.output { lastFailed = true } else { lastFailed = false }
        return result
    }

    private mutating func compute(
        _ job: StepJob, _ result: inout StepResult, _ nearlyDone: () -> Void
    ) throws(InferenceError) -> DrawnStep {
        let executor = try executor.get()
        if let fault = job.fault { throw fault }
        var output = DrawnStep(
            times: StepTimes(), drawn: Array(repeating: nil, count: job.rows.count), dropped: [],
            gateMeans: Array(repeating: [], count: job.rows.count))
        var chunks: [SequenceChunk] = []
        chunks.reserveCapacity(job.rows.count)
        var indices: [Int] = []
        for (index, row) in job.rows.enumerated() {
            guard !row.sampler.isOver else {
                output.dropped.append(index)
                continue
            }
            var chunk = row.chunk
            if row.endsWithDrawn, let last = row.sampler.last { chunk.tokens.append(last) }
            chunks.append(chunk)
            indices.append(index)
        }
        let begin = EventLoop.now
        if job.followsAtOnce, let lastEnd {
            let gap = Duration.nanoseconds(Int64(clamping: begin &- lastEnd))
            result.overhead = max(.zero, gap - result.mergeTime)
        }
        let step = try executor.run(
            ExecutorStep(weights: job.weights, chunks: chunks), beforeHead: nearlyDone)
        lastEnd = EventLoop.now
        output.times = step.times
        for (chunk, index) in indices.enumerated() where job.rows[index].chunk.gating != nil {
            output.gateMeans[index] = step.gateMeans(ofChunk: chunk)
        }
        for fault in step.gateFailures {
            if let chunk = fault.chunk { output.gateFaults[indices[chunk]] = fault }
        }
        draw(from: step, for: indices, of: job, on: executor, into: &output)
        return output
    }

    private func draw(
        from step: StepOutput, for indices: [Int], of job: StepJob, on executor: Executor,
        into output: inout DrawnStep
    ) {
        var draws: [RowDraw] = []
        var targets: [Int] = []
        for (chunk, index) in indices.enumerated() {
            let rows = step.rows[chunk]
            if rows.isEmpty { continue }
            let row = job.rows[index]
            draws.append(
                RowDraw(
                    rows: rows, sampler: row.sampler,
                    drafts: row.chunk.tokens.suffix(row.drafts)))
            targets.append(index)
        }
        let drawn = executor.draw(draws, from: step.logits)
        for (index, result) in zip(targets, drawn) { output.drawn[index] = result }
    }
}

nonisolated extension InferenceError {
    /// A step that was planned ahead of one that failed.
    static let withdrawn = InferenceError(
        .invalidStep, "the step is withdrawn, as the one before it failed")

    /// Whether nothing is wrong with the step itself.
    var isWithdrawal: Bool { self == .withdrawn }
}
