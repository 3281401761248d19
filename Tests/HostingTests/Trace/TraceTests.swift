// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hosting
import PluginLoading
import PolicyKit
import Scheduling
import TestSupport
import Testing

/// Decision traces: what is recorded can be replayed, and nothing that is written in one can harm.
@MainActor
struct TraceTests {
    private static let loaded = Result { try ManifestReader.registry(searching: [Built.folder]) }

    private static func registry() throws -> PolicyRegistry { try loaded.get() }

    private static func replica(
        _ batching: String, _ fairness: String, seed: UInt64
    ) throws -> TracedReplica {
        let registry = try registry()
        var policies = ReplicaPolicies()
        policies.batching = .init(
            name: "b", policy: try registry.makeBatching(batching, seed: 7))
        policies.fairness = .init(
            name: "f", policy: try registry.makeFairness(fairness, seed: 7))
        return TracedReplica(policies, seed: seed)
    }

    private static func lines(of trace: [UInt8]) -> [[UInt8]] {
        trace.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast().map(Array.init)
    }

    /// Replays a whole trace.
    private static func replay(_ trace: [UInt8]) throws(TraceError) -> TraceReplay {
        let lines = lines(of: trace)
        guard let first = lines.first else { throw TraceError("empty") }
        let header = try TraceReader.header(first)
        guard let registry = try? registry() else { throw TraceError("no registry") }
        var replay = try TraceReplay(header, registry: registry)
        var reader = TraceReader()
        for line in lines.dropFirst() {
            if case .record(let record) = try reader.read(line) { _ = replay.replay(record) }
        }
        return replay
    }

    /// Every batching policy with every fairness policy, built in and from plugins, recorded from
    /// the start and in the middle of its work.
    @Test func everyAnswerIsTheSameAgain() throws {
        let policies = try Self.registry().descriptions
        let batching = policies.filter { $0.kind == .batching }.map(\.type)
        let fairness = policies.filter { $0.kind == .fairness }.map(\.type)
        #expect(batching.count > 1 && !fairness.isEmpty)
        for (batching, fairness) in batching.flatMap({ one in fairness.map { (one, $0) } }) {
            for (seed, skipped) in [(1, 0), (2, 300)] as [(UInt64, Int)] {
                var replica = try Self.replica(batching, fairness, seed: seed)
                replica.run(events: skipped)
                replica.record(batching: batching, fairness: fairness)
                replica.run(events: 400)
                replica.end()
                let replay = try Self.replay(replica.trace)
                let run: Comment = "\(batching) with \(fairness), seed \(seed)"
                #expect(replay.decisions > 100 && replay.answers > 100, run)
                // Who exports nothing may have known something that the recording does not.
                #expect(replay.differences == 0 || (skipped > 0 && !replay.notes.isEmpty), run)
                #expect((replay.firstDifference == nil) == (replay.differences == 0), run)
            }
        }
    }

    @Test func anotherPolicyGivesOtherAnswers() throws {
        var replica = try Self.replica("iteration-batching", "arrival-order", seed: 3)
        replica.record(batching: "merged-only", fairness: "arrival-order")
        replica.run(events: 400)
        let replay = try Self.replay(replica.trace)
        #expect(replay.differences > 0)
        #expect(replay.firstDifference?.kind == .batching)
    }

    @Test(arguments: [
        ("\"decision\":2,", "\"decision\":4,", "decision 4 stands in the place of 2"),
        ("\"limits\":[6,", "\"limits\":[0,", "limits must be above 0"),
        ("\"mode\":[\"unmerged\"]", "\"mode\":[\"merged\"]", "mode must be"),
        ("\"mode\":[\"unmerged\"]", "\"mode\":[\"merged\",-1]", "from 0 to"),
        ("\"requests\":[1", "\"requests\":[1,1", "names request 1 twice"),
        ("\"requests\":[1", "\"requests\":[99,1", "nothing is known of request 99"),
        ("\"costs\":[", "\"costs\":[1,", "must have 12 items, not 13"),
        ("\"standIn\":false", "\"standIn\":0", "standIn must be a boolean"),
        ("\"ahead\":false", "\"ahead\":false,\"ahead\":true", "no JSON"),
        ("\"requestsRows\":[[1,", "\"requestsRows\":[[1,1,", "15 fields"),
    ])
    func aDamagedLineIsToldWithWhatIsWrong(
        _ old: String, _ new: String, _ message: String
    ) throws {
        var replica = try Self.replica("iteration-batching", "arrival-order", seed: 4)
        replica.record(batching: "iteration-batching", fairness: "arrival-order")
        replica.run(events: 60)
        let text = String(decoding: replica.trace, as: UTF8.self)
        let place = try #require(text.range(of: old), "\(old) is not in the trace")
        let damaged = text.replacingCharacters(in: place, with: new)
        let error = #expect(throws: TraceError.self) { try Self.replay(Array(damaged.utf8)) }
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    }

    @Test func headersOfOthersAreRefused() {
        for (text, message) in [
            ("{}", "no decision trace"), ("", "no JSON"), ("[1]", "must be an object"),
            (#"{"trace":"burrow-decisions/9"}"#, "this version reads"),
            (#"{"trace":"burrow-decisions/2","version":"1","host":"h","replica":0}"#, "batching"),
        ] {
            let error = #expect(throws: TraceError.self) {
                try TraceReader.header(Array(text.utf8))
            }
            #expect(
                error?.message.contains(message) == true, "\(text): \(String(describing: error))")
        }
    }

    /// Damage gives an error or a comparison, and never a trap.
    @Test func noDamageTraps() throws {
        var replica = try Self.replica("merged-only", "arrival-order", seed: 5)
        replica.record(batching: "merged-only", fairness: "arrival-order")
        replica.run(events: 80)
        replica.end()
        let trace = replica.trace
        var (errors, whole) = (0, 0)
        FuzzRun(seconds: 1, rounds: 40, seed: 11).forEachRound { random, _ in
            let damaged = ByteMutator.json.mutate(trace, with: &random)
            do throws(TraceError) {
                _ = try Self.replay(damaged)
                whole += 1
            } catch {
                errors += 1
                if error.message.isEmpty { Issue.record("an error without a word") }
            }
        }
        #expect(errors > 0)
    }
}
