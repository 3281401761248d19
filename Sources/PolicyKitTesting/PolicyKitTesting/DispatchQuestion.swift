// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// A request that has come to a random fleet.
struct DispatchQuestion: PolicyQuestion {
    var request: RequestSnapshot
    var replicas: [ReplicaSnapshot]
    var now: Instant

    init(_ size: QuestionSize, from generator: inout SeededGenerator) {
        now = generator.instant()
        request = generator.requests(count: 1, at: now)[0]
        request.phase = .waiting
        request.computedTokens = 0
        let count = max(1, size.count(from: &generator))
        replicas = (0..<count).map { generator.replica(ReplicaID(rawValue: $0)) }
        if generator.chance(oneIn: 4) { replicas.shuffle(using: &generator) }
    }

    func ask(_ subject: any DispatchPolicy) throws(PolicyError) -> ReplicaID {
        try subject.choose(for: request, among: replicas.span, at: now)
    }

    func violation(of answer: ReplicaID) -> String? {
        if replicas.contains(where: { $0.id == answer }) { return nil }
        return "chooses replica \(answer.rawValue), which was not among the \(replicas.count)"
    }

    func report(
        _ answer: ReplicaID, to subject: any DispatchPolicy, from generator: inout SeededGenerator
    ) {}

    func shortened(stillFails: (DispatchQuestion) -> Bool) -> DispatchQuestion {
        func with(_ replicas: [ReplicaSnapshot]) -> DispatchQuestion {
            var question = self
            question.replicas = replicas
            return question
        }
        return with(
            PolicyKitTesting.shortened(replicas) { !$0.isEmpty && stillFails(with($0)) })
    }

    var text: String { listing([request.text] + replicas.map(\.text)) }

    static func policy(_ subject: any DispatchPolicy) -> any Policy { subject }
}

extension SeededGenerator {
    fileprivate mutating func replica(_ id: ReplicaID) -> ReplicaSnapshot {
        var replica = ReplicaSnapshot(id: id)
        replica.waitingRequests = skewed(upTo: 1_000)
        replica.runningRequests = skewed(upTo: 64)
        replica.pendingPromptTokens = skewed(upTo: 1_000_000)
        replica.pendingOutputTokens = skewed(upTo: 1_000_000)
        replica.pendingTime = duration(upToMicroseconds: chance(oneIn: 3) ? 0 : 90_000_000)
        replica.totalPages = skewed(upTo: 10_000)
        replica.freePages = integer(0...replica.totalPages)
        replica.batchRequests = skewed(upTo: 64)
        replica.adapterRequests = integer(0...(replica.waitingRequests + replica.runningRequests))
        if chance(oneIn: 4) {
            replica.mergedAdapter = AdapterID(rawValue: UInt32(integer(1...8)))
        }
        replica.isAdapterResident = chance(oneIn: 2)
        replica.adapterLoadTime = duration(upToMicroseconds: 500_000)
        return replica
    }
}

extension ReplicaSnapshot {
    fileprivate var text: String {
        "  replica \(id.rawValue): \(waitingRequests) waiting, \(runningRequests) running, "
            + "\(pendingTime) pending, \(freePages) of \(totalPages) pages free, adapter "
            + (isAdapterResident ? "resident" : "loads in \(adapterLoadTime)")
    }
}
