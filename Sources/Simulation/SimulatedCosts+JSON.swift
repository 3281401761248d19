// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
package import StrictJSON

/// Why a file of costs is refused.
package struct CostsError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

extension SimulatedCosts {
    /// Names of presets.
    package static let presets = ["a800"]

    /// The preset of that name.
    package init?(preset: String) {
        guard preset == "a800" else { return nil }
        self = .a800
    }

    /// The keys of the JSON form, with what each sets; times are in seconds.
    private static var keys: [(name: String, path: WritableKeyPath<SimulatedCosts, Double>)] {
        [
            ("perStep", \.steps.perStep), ("perPromptToken", \.steps.perPromptToken),
            ("perDecodeToken", \.steps.perDecodeToken),
            ("perAttendedToken", \.steps.perAttendedToken),
            ("perRankToken", \.steps.perRankToken), ("perDistinctRank", \.steps.perDistinctRank),
            ("perMergedStep", \.steps.perMergedStep),
            ("perCachedToken", \.perCachedToken), ("merge", \.mergeSeconds),
            ("firstMerge", \.firstMergeSeconds),

            ("loadPerByte", \.loadSecondsPerByte), ("loadLatency", \.loadLatency),
            ("noise", \.noise), ("mergeShare", \.mergeShare), ("headShare", \.headShare),
            ("gap", \.gap), ("between", \.between), ("betweenPerToken", \.betweenPerToken),
            ("serving", \.serving),
            ("contention", \.contention), ("contentionPerStep", \.contentionPerStep),
            ("handoverPerToken", \.handoverSeconds), ("solve", \.solveSeconds),
        ]
    }

    /// Those that may be below zero, as a fit may find them.
    private static let signed: Set<String> = [
        "perStep", "perPromptToken", "perDecodeToken", "perAttendedToken", "perRankToken",
        "perDistinctRank", "perMergedStep", "handoverPerToken", "serving", "firstMerge",
    ]

    private var mergeSeconds: Double {
        get { mergeTime.inSeconds }
        set { mergeTime = .simulated(seconds: newValue) }
    }

    /// Below zero where it is that of later ones.
    private var firstMergeSeconds: Double {
        get { firstMergeTime?.inSeconds ?? -1 }
        set { firstMergeTime = newValue < 0 ? nil : .simulated(seconds: newValue) }
    }

    /// Below zero where keys and values are computed again.
    private var handoverSeconds: Double {
        get { handoverSecondsPerToken ?? -1 }
        set { handoverSecondsPerToken = newValue < 0 ? nil : newValue }
    }

    /// Reads an object as ``json`` writes it; what is left out keeps its default.
    ///
    /// - Throws: `CostsError` for an unknown key and for a value out of range.
    package init(_ value: JSONValue) throws(CostsError) {
        guard case .object(let object) = value else {
            throw CostsError("the costs are \(value.kind): expected an object of numbers")
        }
        self.init()
        for member in object.members {
            if member.name == "mergedBytes" {
                guard let bytes = member.value.exactInteger, bytes >= 0 else {
                    throw CostsError(
                        "'mergedBytes' is \(member.value.shown): expected a number of bytes")
                }
                mergedBytes = bytes
                continue
            }
            if member.name == "rows" {
                rowTimes = try Self.rowTimes(member.value)
                continue
            }
            guard let key = Self.keys.first(where: { $0.name == member.name }) else {
                let known = Self.keys.map(\.name).joined(separator: ", ")
                throw CostsError(
                    "unknown key '\(member.name.excerpt(40))': expected \(known), mergedBytes, rows"
                )
            }
            let least = Self.signed.contains(key.name) ? -1e6 : 0
            guard let number = member.value.double, (least...1e6).contains(number) else {
                throw CostsError(
                    "'\(key.name)' is \(member.value.shown): expected a number from \(least) to 1e6"
                )
            }
            self[keyPath: key.path] = number
        }
    }

    private static func rowTimes(_ value: JSONValue) throws(CostsError) -> [RowTime] {
        let fault = CostsError(
            "'rows' is \(value.shown): expected pairs of a number of rows and seconds, as "
                + "[[1, 0.01], [16, 0.03]], with more rows in each")
        guard case .array(let pairs) = value else { throw fault }
        var times: [RowTime] = []
        for pair in pairs {
            guard case .array(let pair) = pair, pair.count == 2, let rows = pair[0].exactInteger,
                (1...1 << 40).contains(rows), rows > times.last?.rows ?? 0,
                let seconds = pair[1].double, (-1e6...1e6).contains(seconds)
            else { throw fault }
            times.append(RowTime(rows: rows, seconds: seconds))
        }
        return times
    }

    /// All of it, as ``init(_:)`` reads it.
    package var json: JSONValue {
        var object = JSONObject()
        for key in Self.keys { _ = object.append(key.name, .number(self[keyPath: key.path])) }
        _ = object.append("mergedBytes", .integer(mergedBytes))
        if !rowTimes.isEmpty {
            let pairs = rowTimes.map { JSONValue.array([.integer($0.rows), .number($0.seconds)]) }
            _ = object.append("rows", .array(pairs))
        }
        return .object(object)
    }
}
