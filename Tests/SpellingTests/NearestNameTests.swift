// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Spelling

struct NearestNameTests {
    private static let known = [
        "replicas", "limits", "lru", "pipeline", "credit-fairness", "iteration-batching",
        "merged-only",
    ]

    @Test(arguments: [
        ("replcias", "replicas"), ("replica", "replicas"), ("Replicas", "replicas"),
        ("replaces", "replicas"), ("lmits", "limits"), ("lur", "lru"), ("LRU", "lru"),
        ("credit-fairnes", "credit-fairness"), ("iteraton-batching", "iteration-batching"),
        ("merged-onyl", "merged-only"),
    ])
    func aSlipOfTheKeyFindsTheName(word: String, found: String) {
        #expect(nearestName(to: word, among: Self.known) == found)
    }

    @Test(arguments: [
        "", "l", "key", "fcfs", "something", "lru", "token-counter-fairness",
        String(repeating: "x", count: 1000),
    ])
    func aStrangerFindsNone(word: String) {
        #expect(nearestName(to: word, among: Self.known) == nil)
    }

    @Test func ofEqualsTheFirstWithTheSameFirstLetterWins() {
        #expect(nearestName(to: "bat", among: ["cat", "bar", "bag"]) == "bar")
        #expect(nearestName(to: "bat", among: ["cat", "hat"]) == "cat")
        #expect(nearestName(to: "NAME", among: ["NAMES", "name"]) == "name")
    }

    @Test func whatIsTooLongOrTooManyIsNotLookedAt() {
        let long = String(repeating: "a", count: 64)
        #expect(nearestName(to: long + "b", among: [long]) == nil)
        #expect(nearestName(to: long, among: [long + "b"]) == long + "b")
        let names = (0..<512).map { "unlike-\($0)" }
        #expect(nearestName(to: "nam", among: names + ["name"]) == nil)
        #expect(nearestName(to: "nam", among: names.dropLast() + ["name"]) == "name")
    }

    @Test func distanceIsSymmetricAndZeroForEquals() {
        var random = SeededRandom(seed: 3)
        func word() -> [Unicode.Scalar] {
            (0..<random.below(7)).map { _ in ["a", "b", "c"][random.below(3)] }
        }
        for _ in 0..<300 {
            let (left, right) = (word(), word())
            let distance = editDistance(left, right, limit: 10)
            #expect(distance == editDistance(right, left, limit: 10))
            #expect((distance == 0) == (left == right))
        }
    }
}
