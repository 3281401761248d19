// SPDX-License-Identifier: Apache-2.0

/// How evenly a run served its adapters; service is weighted as ``ServiceCurve`` says.
package struct Fairness: Sendable, Equatable, Codable {
    /// Jain's index over the adapters of service received over service demanded, both by the last
    /// arrival: 1 where all got the same part of what they asked for, 1/n where one got all.
    ///
    /// By the last arrival, as behind it a server has time to catch up on whoever it neglected.
    package var jain: Double
    /// The same at the end of the run, which tells failures apart and nothing else.
    package var jainAtEnd: Double
    /// The largest difference in service between two adapters over any time in which both had
    /// requests waiting (VTC); nil where that never was so.
    package var largestGap: Double?

    /// Nil without outcomes.
    package init?(_ outcomes: [RequestOutcome]) {
        let groups = Dictionary(grouping: outcomes, by: \.adapter).sorted { $0.key < $1.key }
        guard let horizon = outcomes.map(\.arrival.seconds).max() else { return nil }
        let curves = groups.map { ServiceCurve($0.value) }
        let demands = groups.map { group in
            group.value.reduce(0.0) {
                $0 + ServiceCurve.promptWeight * Double($1.promptTokens)
                    + ServiceCurve.outputWeight * Double($1.requestedTokens)
            }
        }
        func index(_ received: (ServiceCurve) -> Double) -> Double {
            Self.jain(
                zip(curves, demands).compactMap { curve, demand in
                    demand > 0 ? received(curve) / demand : nil
                })
        }
        jain = index { $0.value(at: horizon) }
        jainAtEnd = index(\.total)
        for (place, curve) in curves.enumerated() {
            for other in curves[(place + 1)...] {
                guard let gap = ServiceCurve.gap(curve, other) else { continue }
                largestGap = max(largestGap ?? 0, gap)
            }
        }
    }

    /// (Σx)² / (n Σx²); 1 where all are 0, as all are treated alike then.
    package static func jain(_ shares: [Double]) -> Double {
        let sum = shares.reduce(0, +)
        let squares = shares.reduce(0) { $0 + $1 * $1 }
        return squares > 0 ? sum * sum / (Double(shares.count) * squares) : 1
    }
}
