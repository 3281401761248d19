// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// Adapters in a replica's memory, one of which must leave.
struct ResidencyQuestion: PolicyQuestion {
    var candidates: [AdapterSnapshot]
    var now: Instant

    init(_ size: QuestionSize, from generator: inout SeededGenerator) {
        now = generator.instant()
        let count = max(1, size.count(from: &generator))
        let first = generator.integer(1...1_000)
        candidates = []
        for offset in 0..<count {
            let idle = generator.duration(upToMicroseconds: 90_000_000)
            var adapter = AdapterSnapshot(
                id: AdapterID(rawValue: UInt32(first + offset)),
                bytes: 1 + generator.skewed(upTo: 1 << 30), lastUse: now.advanced(by: .zero - idle))
            adapter.loadedAt = adapter.lastUse.advanced(
                by: .zero - generator.duration(upToMicroseconds: 90_000_000))
            adapter.uses = generator.skewed(upTo: 100_000)
            adapter.loadTime = generator.duration(upToMicroseconds: 500_000)
            candidates.append(adapter)
        }
        if generator.chance(oneIn: 4) { candidates.shuffle(using: &generator) }
    }

    func ask(_ subject: any ResidencyPolicy) throws(PolicyError) -> AdapterID {
        try subject.evict(from: candidates.span, at: now)
    }

    func violation(of answer: AdapterID) -> String? {
        if candidates.contains(where: { $0.id == answer }) { return nil }
        return "evicts adapter \(answer.rawValue), which was not among the \(candidates.count)"
    }

    func report(
        _ answer: AdapterID, to subject: any ResidencyPolicy, from generator: inout SeededGenerator
    ) {}

    func shortened(stillFails: (ResidencyQuestion) -> Bool) -> ResidencyQuestion {
        func with(_ candidates: [AdapterSnapshot]) -> ResidencyQuestion {
            var question = self
            question.candidates = candidates
            return question
        }
        return with(
            PolicyKitTesting.shortened(candidates) { !$0.isEmpty && stillFails(with($0)) })
    }

    var text: String {
        listing(
            candidates.map { adapter in
                "  adapter \(adapter.id.rawValue): \(adapter.bytes) bytes, last use "
                    + "\(adapter.lastUse.duration(to: now)) ago, \(adapter.uses) uses"
            })
    }

    static func policy(_ subject: any ResidencyPolicy) -> any Policy { subject }
}
