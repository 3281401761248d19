// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import LoopIO
internal import PolicyKit
internal import Scheduling

/// One step, as a replica's compute thread gets it.
nonisolated struct StepJob: Sendable {
    var number: Int
    var chunks: [SequenceChunk]
    var weights: Weights

    enum Weights: Sendable {
        case base
        case merged(MergedModel)
        /// The merged copy is to be built first.
        case merging(AdapterID, PackedAdapter)
    }
}

/// What a compute thread answers.
nonisolated struct StepResult: Sendable {
    var number: Int
    var output: Result<StepOutput, InferenceError>
    /// The merged copy that was built for the step, and how long that took.
    var merged: (adapter: AdapterID, model: MergedModel)?
    var mergeTime: Duration = .zero
}

/// The compute thread of one replica, seen from the loop.
final class ReplicaCompute {
    private let thread: JobThread<StepJob>
    /// The merged copy that the replica keeps: one, the last that was asked for.
    var merged: (adapter: AdapterID, model: MergedModel)?
    /// The step that the thread has.
    var plan: StepPlan?
    var isBusy = false
    /// When the last step's answer came; whether nothing could follow it at once; and what else
    /// the loop did until the step under way was handed over.
    var answered = Instant(nanoseconds: 0)
    var wasIdle = true
    var overhead = Duration.zero
    var mode = ReplicaMode.unmerged
    var reportedPreemptions = 0

    init(
        index: Int, model: ServedModel, _ configuration: ExecutorConfiguration,
        inbox: LoopInbox<EngineMessage>
    ) {
        let packed = model.packed
        thread = JobThread(name: "replica-\(index)") { next in
            // The executor is made on the thread that uses it, so that its memory is near it.
            let executor = Result { () throws(InferenceError) in
                try Executor(model: packed, configuration: configuration)
            }
            while let job = next() {
                let result = Self.run(job, on: executor, base: packed)
                inbox.post(.stepped(replica: index, result))
            }
        }
    }

    func start(_ job: StepJob) {
        isBusy = true
        thread.post(job)
    }

    func close() { thread.close() }

    /// On the compute thread.
    private nonisolated static func run(
        _ job: StepJob, on executor: Result<Executor, InferenceError>, base: PackedModel
    ) -> StepResult {
        var result = StepResult(
            number: job.number,
            output: .failure(InferenceError(.invalidStep, "the step was not run")))
        result.output = Result { () throws(InferenceError) in
            let executor = try executor.get()
            let weights: StepWeights
            switch job.weights {
            case .base: weights = .base
            case .merged(let model): weights = .merged(model)
            case .merging(let id, let adapter):
                let start = EventLoop.now
                let model = try MergedModel(
                    base: base, adapter: adapter, team: executor.team,
                    instructionSet: executor.instructionSet)
                result.merged = (id, model)
                result.mergeTime = .nanoseconds(Int64(clamping: EventLoop.now &- start))
                weights = .merged(model)
            }
            return try executor.run(ExecutorStep(weights: weights, chunks: job.chunks))
        }
        return result
    }
}
