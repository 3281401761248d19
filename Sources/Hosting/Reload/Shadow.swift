// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PolicyKit
internal import Scheduling
internal import Synchronization

/// What policies that decide beside the live ones have made of it.
nonisolated package struct ShadowReport: Codable, Sendable, Equatable {
    /// The answers of one kind.
    package struct Kind: Codable, Sendable, Equatable {
        package var kind: String
        package var live: String
        package var candidate: String
        package var answers = 0
        package var differences = 0

        /// The last answers that differ, the latest last.
        package var examples: [Example] = []
    }

    package struct Example: Codable, Sendable, Equatable {
        package var live: String
        package var candidate: String
    }

    package var file: String

    /// The digest of what would come into force, and of what was live when it began.
    package var candidate: String
    package var base: String

    /// Seconds since 1970.
    package var since: Double
    package var kinds: [Kind]
    package var callTimes = CallTimes()

    /// Decisions that were not shown, as the candidate was too slow to keep up.
    package var dropped = 0
}

/// Lets the policies of a candidate decide beside the live ones: on a thread of their own, from what
/// was recorded, so that nothing waits for them and nothing comes of their answers.
///
/// The candidate's batching policy is asked in the order that the live fairness policy gave. Both are
/// told what really ran.
final class Shadow {
    /// Batches of records that wait at most; those beyond are dropped.
    private static let mostWaiting = 256

    /// Examples of differences that are kept of a kind.
    private nonisolated static let mostExamples = 16

    private nonisolated struct Work: Sendable {
        var replica: Int
        var decisions: [DecisionRecord] = []
        var dispatches: [DispatchRecord] = []
    }

    /// The policies on their way to their thread.
    ///
    /// Safety of the unchecked conformance: they were made for this and nobody else has them.
    private nonisolated struct Handover: @unchecked Sendable {
        var replicas: [ReplicaPolicies]
        var dispatch: (any DispatchPolicy)?
    }

    private nonisolated struct Shared: Sendable {
        var report: ShadowReport
        var waiting = 0
    }

    /// What comes into force if the candidate is promoted.
    let text: ManifestText
    private nonisolated let shared: SharedReport
    private let thread: JobThread<Work>

    private nonisolated final class SharedReport: Sendable {
        let value: Mutex<Shared>
        init(_ report: ShadowReport) { value = Mutex(Shared(report: report)) }
    }

    /// - Returns: `nil` where the candidate decides nothing that can be compared.
    init?(_ candidate: Candidate, base: GenerationFacts) {
        let kinds = [PolicyKind.batching, .fairness, .dispatch].filter {
            candidate.comparison.kinds.contains($0)
        }
        guard !kinds.isEmpty else { return nil }
        text = candidate.facts.text
        let report = ShadowReport(
            file: text.file, candidate: candidate.facts.digest, base: base.digest,
            since: Date().timeIntervalSince1970,
            kinds: kinds.map { kind in
                ShadowReport.Kind(
                    kind: kind.rawValue, live: base.policies[kind]?.type ?? "",
                    candidate: candidate.facts.policies[kind]?.type ?? "")
            })
        let shared = SharedReport(report)
        self.shared = shared
        let handover = Handover(
            replicas: candidate.policies.replicas,
            dispatch: candidate.policies.fleet.dispatch?.policy)
        thread = JobThread(name: "shadow") { jobs in
            var replays = handover.replicas.map {
                TraceReplay(batching: $0.batching?.policy, fairness: $0.fairness?.policy)
            }
            // What is live goes first; this thread takes what is left.
            _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
            while let work = jobs.next() {
                Self.decide(work, &replays, handover.dispatch, shared)
            }
        }
    }

    func close() { thread.close() }

    /// How far it has come.
    var report: ShadowReport { shared.value.withLock { $0.report } }

    func take(_ records: [DecisionRecord], of replica: Int) {
        guard !records.isEmpty else { return }
        post(Work(replica: replica, decisions: records), counting: records.count)
    }

    func take(_ records: [DispatchRecord]) {
        guard !records.isEmpty else { return }
        post(Work(replica: 0, dispatches: records), counting: records.count)
    }

    private func post(_ work: Work, counting count: Int) {
        let isTaken = shared.value.withLock { shared in
            guard shared.waiting < Self.mostWaiting else {
                shared.report.dropped += count
                return false
            }
            shared.waiting += 1
            return true
        }
        if isTaken { thread.post(work) }
    }

    // MARK: - On the thread

    private nonisolated static func decide(
        _ work: Work, _ replays: inout [TraceReplay], _ dispatch: (any DispatchPolicy)?,
        _ shared: SharedReport
    ) {
        var found: [(kind: PolicyKind, answers: Int, differences: [ShadowReport.Example])] = []
        let before = replays[work.replica].callTimes
        for record in work.decisions {
            let differences = replays[work.replica].replay(record)
            guard case .decision(let decision) = record else { continue }
            for kind in [PolicyKind.batching, .fairness] {
                let exists =
                    kind == .batching
                    ? decision.batching.map { !$0.isBuiltIn } ?? false
                    : decision.fairness.map { !$0.isBuiltIn } ?? false
                found.append(
                    (
                        kind, exists ? 1 : 0,
                        differences.filter { $0.kind == kind }.map {
                            ShadowReport.Example(live: $0.recorded, candidate: $0.replayed)
                        }
                    ))
            }
        }
        if let dispatch {
            for record in work.dispatches { found.append(choose(record, by: dispatch)) }
        }
        let after = replays[work.replica].callTimes
        shared.value.withLock { shared in
            shared.waiting -= 1
            shared.report.callTimes.add(after, since: before)
            for part in found { shared.report.note(part.kind, part.answers, part.differences) }
        }
    }

    private nonisolated static func choose(
        _ record: DispatchRecord, by dispatch: any DispatchPolicy
    ) -> (kind: PolicyKind, answers: Int, differences: [ShadowReport.Example]) {
        let live = record.choice.map { "replica \($0)" } ?? "no replica"
        let answer: String
        do throws(PolicyError) {
            let choice = try dispatch.choose(
                for: record.request, among: record.replicas.span, at: record.now)
            answer = "replica \(choice.rawValue)"
        } catch {
            answer = "throws \(error)"
        }
        let examples =
            answer == live ? [] : [ShadowReport.Example(live: live, candidate: answer)]
        return (.dispatch, 1, examples)
    }

    fileprivate nonisolated static var examplesKept: Int { mostExamples }
}

nonisolated extension ShadowReport {
    fileprivate mutating func note(_ kind: PolicyKind, _ answers: Int, _ examples: [Example]) {
        guard let index = kinds.firstIndex(where: { $0.kind == kind.rawValue }) else { return }
        kinds[index].answers += answers
        kinds[index].differences += examples.count
        kinds[index].examples += examples.suffix(Shadow.examplesKept)
        let surplus = kinds[index].examples.count - Shadow.examplesKept
        if surplus > 0 { kinds[index].examples.removeFirst(surplus) }
    }
}

nonisolated extension CallTimes {
    /// Adds the calls between two states of a replay.
    fileprivate mutating func add(_ after: CallTimes, since before: CallTimes) {
        self = CallTimes(
            calls: calls + after.calls - before.calls,
            seconds: seconds + after.seconds - before.seconds,
            longest: max(longest, after.longest))
    }
}
