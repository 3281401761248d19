// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import LoopIO
internal import PolicyKit

/// What a compute thread does: the steps that it is handed, and in between slices of a merge.
///
/// A merge takes as long as some steps. Cut into slices it runs on the same team as the steps, which
/// then never has to share a processor with it: whenever no step waits, and after each step for a
/// part of its time, so that it also ends where steps follow each other without a gap.
nonisolated struct ComputeLoop {
    /// Of a step's time, that a merge gets after it.
    private static let share = 0.5
    /// Slices in a row of each member: a step that comes meanwhile waits for them.
    private static let run = 8

    private struct Building {
        let adapter: AdapterID
        let build: MergedModelBuild
        var time: UInt64 = 0
    }

    private let replica: Int
    private let base: PackedModel
    private let inbox: LoopInbox<EngineMessage>
    private var worker: StepWorker
    private var building: Building?
    /// How long slices have held up the steps since the last one began.
    private var heldUp = Duration.zero

    init(
        replica: Int, executor: Result<Executor, InferenceError>, base: PackedModel,
        inbox: LoopInbox<EngineMessage>
    ) {
        self.replica = replica
        self.base = base
        self.inbox = inbox
        worker = StepWorker(executor: executor)
    }

    /// Takes jobs until there will be none.
    mutating func run(_ jobs: JobThread<ComputeJob>) {
        while true {
            if building == nil {
                guard let job = jobs.next() else { return }
                take(job)
            } else if let job = jobs.poll() {
                take(job)
            } else if jobs.isClosed {
                return
            } else {
                advance()
            }
        }
    }

    private mutating func take(_ job: ComputeJob) {
        switch job {
        case .step(let step): run(step)
        case .merge(let merge): begin(merge)
        }
    }

    private mutating func run(_ job: StepJob) {
        let (replica, inbox) = (replica, inbox)
        let result = worker.run(job, heldUp: heldUp) {
            inbox.post(.nearlyStepped(replica: replica, number: job.number))
        }
        inbox.post(.stepped(replica: replica, result))
        heldUp = .zero
        guard case .success(let step) = result.output else { return }
        let start = EventLoop.now
        while building != nil, heldUp < step.times.total * Self.share {
            advance()
            heldUp = .nanoseconds(Int64(clamping: EventLoop.now &- start))
        }
    }

    private mutating func begin(_ job: MergeJob) {
        do throws(InferenceError) {
            let executor = try worker.executor.get()
            building = Building(
                adapter: job.adapter,
                build: try MergedModelBuild(
                    base: base, adapter: job.packed, members: executor.team.memberCount,
                    instructionSet: executor.instructionSet))
        } catch {
            inbox.post(
                .merged(
                    replica: replica, MergeResult(adapter: job.adapter, model: .failure(error))))
        }
    }

    private mutating func advance() {
        guard var building, let executor = try? worker.executor.get() else { return }
        let start = EventLoop.now
        let whole = building.build.advance(
            slices: Self.run * executor.team.memberCount, with: executor.team)
        building.time += EventLoop.now &- start
        self.building = whole == nil ? building : nil
        guard let whole else { return }
        inbox.post(
            .merged(
                replica: replica,
                MergeResult(
                    adapter: building.adapter, model: .success(whole),
                    time: .nanoseconds(Int64(clamping: building.time)))))
    }
}
