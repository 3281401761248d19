// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import LoopIO
internal import PolicyKit
internal import Scheduling

/// What a compute thread is asked for.
nonisolated enum ComputeJob: Sendable {
    case step(StepJob)
    case merge(MergeJob)
}

/// One step, as a replica's compute thread gets it.
nonisolated struct StepJob: Sendable {
    var number: Int
    /// Whether it was planned while the step before it was under way: it is withdrawn if that fails.
    var isAhead: Bool
    /// Whether there was work between the step before it and this one.
    var followsAtOnce = false
    var rows: [StepRow] = []
    var weights = StepWeights.base
    /// Why it cannot run, where that is so.
    var fault: InferenceError?

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
    /// For each row of the job the mean weights of a mixture's experts; empty for all others.
    var gateMeans: [[Float]]
    /// Why the gates of rows of the job failed, by their indices.
    var gateFaults: [Int: InferenceError] = [:]
}

/// What a compute thread answers.
nonisolated struct StepResult: Sendable {
    var number: Int
    var output: Result<DrawnStep, InferenceError>
    /// How long building a merged copy held it up.
    var mergeTime: Duration = .zero
    /// From the end of the forward pass before to the beginning of this one, without a merge; zero
    /// where there was nothing to do in between.
    var overhead: Duration = .zero
}

/// A merged copy that is to be built.
nonisolated struct MergeJob: Sendable {
    var adapter: AdapterID
    var packed: PackedAdapter
}

/// A merge that has ended.
nonisolated struct MergeResult: Sendable {
    var adapter: AdapterID
    var model: Result<MergedModel, InferenceError>
    /// What building it took, without the steps in between.
    var time = Duration.zero
}

/// The compute thread of one replica, seen from the loop.
final class ReplicaCompute {
    private let thread: JobThread<ComputeJob>
    /// The merged copies that are ready.
    var merged: [AdapterID: MergedModel] = [:]
    /// The step that the thread has, and the one that was planned ahead of its end.
    var plans: [StepPlan] = []
    /// Whether nothing could follow the last step at once.
    var wasIdle = true
    var mode = ReplicaMode.unmerged
    var mergedOn: AdapterID?
    /// What metrics were last told of.
    var reportedPreemptions = 0
    var reportedWaste = 0
    var reportedUnmerged = 0

    var isBusy: Bool { !plans.isEmpty }

    init(
        index: Int, model: ServedModel, _ parts: ExecutorParts, inbox: LoopInbox<EngineMessage>
    ) {
        let packed = model.packed
        thread = JobThread(name: "replica-\(index)") { jobs in
            // The executor is made on the thread that uses it, so that its memory is near it.
            let executor = Result { () throws(InferenceError) in
                try Executor(
                    model: packed, configuration: parts.configuration, pool: parts.pool)
            }
            var loop = ComputeLoop(
                replica: index, executor: executor, base: packed, inbox: inbox)
            loop.run(jobs)
        }
    }

    func start(_ plan: StepPlan, _ job: StepJob) {
        plans.append(plan)
        start(job)
    }

    /// Hands over a step that nobody has planned.
    func start(_ job: StepJob) { thread.post(.step(job)) }

    func build(_ job: MergeJob) { thread.post(.merge(job)) }

    func close() { thread.close() }
}

/// What an executor is made of besides the model.
nonisolated struct ExecutorParts: Sendable {
    var configuration: ExecutorConfiguration
    /// The KV pages, which replicas share.
    var pool: KeyValuePool
}
