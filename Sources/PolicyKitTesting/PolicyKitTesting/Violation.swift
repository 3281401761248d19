// SPDX-License-Identifier: Apache-2.0

/// A rule of its kind that a policy broke.
public struct Violation: Sendable, Hashable, CustomStringConvertible {
    /// The rule, as `deterministic`.
    public let rule: String

    /// What the policy did.
    public let detail: String

    /// The seed of the check; the same seed finds the same violation.
    public let seed: UInt64

    /// The smallest input found that shows it.
    public let input: String

    public var description: String {
        let place = "\(rule): \(detail) (seed \(seed))"
        return input.isEmpty ? place : "\(place)\n\(input)"
    }
}

/// The shortest list found by leaving out elements of `input` that still fails.
///
/// Leaves out halves, then quarters, and so on; asks at most `attempts` times.
func shortened<Element>(
    _ input: [Element], attempts: Int = 400, stillFails: ([Element]) -> Bool
) -> [Element] {
    var kept = input
    var asked = 0
    var length = max(1, kept.count / 2)
    while asked < attempts {
        var start = 0
        var leftOut = false
        while start < kept.count, asked < attempts {
            var candidate = kept
            candidate.removeSubrange(start..<min(kept.count, start + length))
            asked += 1
            if stillFails(candidate) {
                kept = candidate
                leftOut = true
            } else {
                start += length
            }
        }
        if length == 1, !leftOut { break }
        length = max(1, length / 2)
    }
    return kept
}
