// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import LoopIO
internal import PolicyKit
internal import Scheduling

/// One step, as a replica's compute thread gets it.
nonisolated struct StepJob: Sendable {
    var number: Int
    /// Whether it was planned while the step before it was under way: it is withdrawn if that fails.
    var isAhead: Bool
    /// Whether there was work between the step before it and this one.
    var followsAtOnce = false
    var rows: [StepRow] = []
    var weights = Weights.base
    /// Why it cannot run, where that is so.
    var fault: InferenceError?

    enum Weights: Sendable {
        case base
        case merged(MergedModel)
        /// The merged copy is to be built first.
        case merging(AdapterID, PackedAdapter)
    }

    init(number: Int, isAhead: Bool) {
        self.number = number
        self.isAhead = isAhead
    }
}

/// One request's share of a step.
nonisolated struct StepRow: Sendable {
    var chunk: SequenceChunk
    var sampler: SequenceSampler
    /// Whether one more token follows those of the chunk: the one that the sampler drew last.
    var endsWithDrawn = false
    /// How many of the chunk's last tokens are a guess.
    var drafts = 0
}

/// What a step computed, with the tokens drawn from it.
nonisolated struct DrawnStep: Sendable {
    var times: StepTimes
    /// For each row of the job what was drawn; nil where nothing was wanted.
    var drawn: [Result<[DrawnToken], SamplingError>?]
    /// Rows that were left out, as their texts had ended.
    var dropped: [Int]
}

/// What a compute thread answers.
nonisolated struct StepResult: Sendable {
    var number: Int
    var output: Result<DrawnStep, InferenceError>
    /// The merged copy that was built for the step, and how long that took.
    var merged: (adapter: AdapterID, model: MergedModel)?
    var mergeTime: Duration = .zero
    /// From the end of the forward pass before to the beginning of this one, without a merge; zero
    /// where there was nothing to do in between.
    var overhead: Duration = .zero
}

/// The compute thread of one replica, seen from the loop.
final class ReplicaCompute {
    private let thread: JobThread<StepJob>
    /// The merged copy that the replica keeps: one, the last that was asked for.
    var merged: (adapter: AdapterID, model: MergedModel)?
    /// The step that the thread has, and the one that was planned ahead of its end.
    var plans: [StepPlan] = []
    /// The number of the last step that was to build a merged copy.
    var mergingStep: Int?
    /// Whether nothing could follow the last step at once.
    var wasIdle = true
    var mode = ReplicaMode.unmerged
    /// What metrics were last told of.
    var reportedPreemptions = 0
    var reportedWaste = 0

    var isBusy: Bool { !plans.isEmpty }

    init(
        index: Int, model: ServedModel, _ configuration: ExecutorConfiguration,
        inbox: LoopInbox<EngineMessage>
    ) {
        let packed = model.packed
        thread = JobThread(name: "replica-\(index)") { next in
            // The executor is made on the thread that uses it, so that its memory is near it.
            var worker = StepWorker(
                executor: Result { () throws(InferenceError) in
                    try Executor(model: packed, configuration: configuration)
                }, base: packed)
            while let job = next() {
                let result = worker.run(job) {
                    inbox.post(.nearlyStepped(replica: index, number: job.number))
                }
                inbox.post(.stepped(replica: index, result))
            }
        }
    }

    func start(_ plan: StepPlan, _ job: StepJob) {
        plans.append(plan)
        thread.post(job)
    }

    func close() { thread.close() }
}
