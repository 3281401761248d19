// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import PolicyKit

// The requests of the last ten minutes.
extension Engine {
    /// A request has been accepted.
    func remember(_ generation: Generation) {
        let job = generation.job
        let choices = generation.sequences.map {
            WorkloadRing.Choice(prompt: $0.promptCount, output: 0)
        }
        var entry = WorkloadRing.Entry(
            id: generation.id, arrival: generation.arrival,
            adapter: job.adapter.isBase ? nil : name(of: job.adapter), choices: choices)
        entry.tenant = job.tenant.rawValue
        entry.weight = job.tenantWeight
        entry.target = job.firstTokenTarget
        entry.mostTokens = job.maximumTokens
        ring.came(entry)
    }

    /// A request has ended.
    func complete(_ generation: Generation) {
        ring.ended(generation.id) { entry in
            for (index, sequence) in generation.sequences.enumerated()
            where entry.choices.indices.contains(index) {
                entry.choices[index].output = sequence.generatedCount
            }
            let arrival = generation.arrival
            entry.firstToken = generation.firstToken.map { arrival.duration(to: $0) }
            entry.latency = generation.lastToken.map { arrival.duration(to: $0) }
            switch generation.reason {
            case .stop, .length: entry.state = .finished
            case .abort, .error: entry.state = .failed
            }
        }
    }
}
