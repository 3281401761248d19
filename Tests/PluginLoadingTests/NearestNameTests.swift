// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PluginLoading

struct NearestNameTests {
    private let names = ["credit-fairness", "iteration-batching", "lru", "merged-only"]

    @Test(arguments: [
        ("credit-fairnes", "credit-fairness"), ("iteraton-batching", "iteration-batching"),
        ("merged-onyl", "merged-only"), ("lur", "lru"),
    ])
    func aSlipOfTheKeyFindsTheName(wanted: String, found: String) {
        #expect(nearestName(to: wanted, among: names) == found)
    }

    @Test(arguments: ["", "fcfs", "token-counter-fairness", String(repeating: "a", count: 200)])
    func aStrangerFindsNone(wanted: String) {
        #expect(nearestName(to: wanted, among: names) == nil)
    }
}
