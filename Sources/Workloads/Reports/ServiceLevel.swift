// SPDX-License-Identifier: Apache-2.0

/// What a request may take at most to count as served well; a part that is nil is not asked for.
package struct ServiceLevel: Sendable, Equatable {
    package var firstToken: Duration?
    package var perOutputToken: Duration?
    package var normalised: Duration?
    package var endToEnd: Duration?

    package init() {}

    /// Reads `ttft:500ms,tpot:50ms,normalised:0.5s,e2e:10s`, any of the four.
    package init(parsing text: String) throws(ReportError) {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: ":", maxSplits: 1).map(String.init)
            guard pair.count == 2, let limit = Self.duration(pair[1]) else {
                throw ReportError(
                    "'\(part)' is no target: write ttft:500ms, tpot:50ms, normalised:0.5s or e2e:10s"
                )
            }
            try set(pair[0], to: limit)
        }
    }

    private mutating func set(_ name: String, to limit: Duration) throws(ReportError) {
        let key: WritableKeyPath<ServiceLevel, Duration?>
        switch name {
        case "ttft": key = \.firstToken
        case "tpot": key = \.perOutputToken
        case "normalised", "normalized": key = \.normalised
        case "e2e": key = \.endToEnd
        default:
            throw ReportError("there is no target '\(name)': ttft, tpot, normalised or e2e")
        }
        guard self[keyPath: key] == nil else {
            throw ReportError("the target '\(name)' is there twice")
        }
        self[keyPath: key] = limit
    }

    /// Reads `500ms`, `0.5s`, `200us` or `2m`; nil unless it is above 0 and at most a day.
    package static func duration(_ text: String) -> Duration? {
        let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0)]
        for (unit, scale) in units where text.hasSuffix(unit) {
            let digits = text.dropLast(unit.count)
            guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }),
                let number = Double(digits), number > 0, number * scale <= 86_400
            else { return nil }
            return .nanoseconds(Int64((number * scale * 1e9).rounded()))
        }
        return nil
    }

    /// Whether a request completed within all that is asked for.
    ///
    /// One without a second token has no time per token, and so meets any.
    package func isMet(by outcome: RequestOutcome) -> Bool {
        guard outcome.failure == nil else { return false }
        func within(_ seconds: Double?, _ limit: Duration?) -> Bool {
            guard let limit else { return true }
            return seconds.map { $0 <= limit.seconds } ?? false
        }
        return within(outcome.timeToFirstToken, firstToken)
            && (outcome.timePerOutputToken == nil
                || within(outcome.timePerOutputToken, perOutputToken))
            && within(outcome.normalisedLatency, normalised)
            && within(outcome.latency, endToEnd)
    }

    /// As it was written, in a fixed order.
    package var text: String {
        [
            ("ttft", firstToken), ("tpot", perOutputToken), ("normalised", normalised),
            ("e2e", endToEnd),
        ]
        .compactMap { name, limit in limit.map { "\(name):\($0.seconds)s" } }
        .joined(separator: ",")
    }
}

/// Why something about a report cannot be done.
package struct ReportError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, and what to write instead.
    package let description: String

    package init(_ description: String) { self.description = description }
}
