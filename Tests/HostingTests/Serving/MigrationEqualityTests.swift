// SPDX-License-Identifier: Apache-2.0

import ModelLoading
import PolicyKit
import Scheduling
import TestSupport
import Testing

@testable import Inference

/// Requests that move between replicas, in the middle of plans that are given up and beside loads that
/// fail, get what they would have got had nothing moved: every token, and every bit of its logits.
struct MigrationEqualityTests {
    private static func question(_ random: inout SeededRandom) -> ReplicaRun.Question {
        // Few beginnings, so that pages are shared.
        let beginning = Int32(random.below(2))
        let count = 4 + random.below(60)
        let common = random.below(count)
        return ReplicaRun.Question(
            prompt: (0..<count).map { index in
                index < common ? (beginning + Int32(index)) % 97 : Int32(random.below(97))
            }, adapter: AdapterID(rawValue: UInt32(random.below(4))), count: 4 + random.below(12))
    }

    @Test(arguments: [false, true], 0..<4 as Range<UInt64>)
    func movedRequestsGetTheSameBits(sharesPrefixes: Bool, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let base = try SmallModel.base(.bf16)
        var pristine = try PristineModel(.bf16)
        var replicas = try MigratingReplicas(
            base: base, replicas: 2 + Int(seed % 2), sharesPrefixes: sharesPrefixes, seed: seed)
        for id in 1...3 as ClosedRange<UInt32> {
            let adapter = AdapterWeights.synthetic(
                name: "a\(id)", rank: 4 * Int(id), seed: UInt64(id),
                for: SmallModel.configuration, scale: 40)
            try pristine.register(adapter, as: AdapterID(rawValue: id))
            try replicas.register(adapter, as: AdapterID(rawValue: id))
        }
        var questions: [RequestID: ReplicaRun.Question] = [:]
        for number in 1...24 as ClosedRange<UInt64> {
            let question = Self.question(&random)
            questions[RequestID(rawValue: number)] = question
            replicas.ask(question, as: RequestID(rawValue: number))
            for _ in 0..<random.below(3) { _ = try replicas.advance() }
        }
        var rounds = 0
        while try replicas.advance() {
            rounds += 1
            try #require(rounds < 5_000, "seed \(seed): requests starve")
        }
        #expect(replicas.fleet.inconsistencies() == [], "seed \(seed)")
        for (id, question) in questions.sorted(by: { $0.key < $1.key }) {
            let answer = try #require(replicas.answers[id])
            let expected = try pristine.answer(question)
            #expect(answer.tokens == expected.tokens, "seed \(seed), request \(id.rawValue)")
            #expect(answer.logits == expected.logits, "seed \(seed), request \(id.rawValue)")
        }
        let counters = replicas.fleet.migrationCounters
        print(
            "seed \(seed), prefixes \(sharesPrefixes ? "shared" : "apart"): \(replicas.moves), "
                + "\(replicas.abandoned) plans given up, \(counters.rescued) rescued, "
                + "\(counters.skipped) skipped")
        #expect(replicas.moves[.handover, default: 0] > 0)
        #expect(replicas.abandoned > 0)
    }
}
