// SPDX-License-Identifier: Apache-2.0

extension ParameterDeclaration {
    /// Why the parameter does not take `value`: another type, or outside the range; `nil` if it
    /// does.
    public func violation(of value: ParameterValue) -> PolicyError? {
        if type.contains(value) { return nil }
        return PolicyError(
            "parameter '\(name)' takes \(type.expectation), not \(value.spelling)")
    }
}

extension ParameterType {
    /// Whether a parameter of this type takes the value.
    public func contains(_ value: ParameterValue) -> Bool {
        switch (self, value) {
        case (.boolean, .boolean), (.string, .string), (.path, .string): true
        case (.integer(let range), .integer(let integer)): range?.contains(integer) ?? true
        case (.number(let range), .number(let number)):
            number.isFinite && range?.contains(number) ?? true
        case (.number(let range), .integer(let integer)): range?.contains(Double(integer)) ?? true
        case (.choice(let words), .string(let word)): words.contains(word)
        case (.duration(let range), .duration(let duration)): range?.contains(duration) ?? true
        case (.size(let range), .size(let size)): range?.contains(size) ?? true
        default: false
        }
    }

    /// What the parameter takes, in words: `an integer from 1 to 8`.
    public var expectation: String {
        switch self {
        case .boolean: "true or false"
        case .integer(let range): "an integer" + Self.words(range) { "\($0)" }
        case .number(let range): "a number" + Self.words(range) { "\($0)" }
        case .string: "a string"
        case .path: "a path"
        case .choice(let words): "one of " + words.joined(separator: ", ")
        case .duration(let range):
            "a duration" + Self.words(range) { ParameterValue.duration($0).spelling }
        case .size(let range): "a size" + Self.words(range) { ParameterValue.size($0).spelling }
        }
    }

    private static func words<Bound>(
        _ range: ClosedRange<Bound>?, spell: (Bound) -> String
    ) -> String {
        guard let range else { return "" }
        return " from \(spell(range.lowerBound)) to \(spell(range.upperBound))"
    }
}

extension ParameterValue {
    /// The value as a manifest writes it.
    public var spelling: String {
        switch self {
        case .boolean(let boolean): "\(boolean)"
        case .integer(let integer): "\(integer)"
        case .number(let number): "\(number)"
        case .string(let string): "'\(string)'"
        case .duration(let duration): Self.spelling(nanoseconds: duration.saturatingNanoseconds)
        case .size(let size): Self.spelling(bytes: size.bytes)
        }
    }

    private static func spelling(nanoseconds: Int64) -> String {
        let units: [(Int64, String)] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")]
        if nanoseconds == 0 { return "0s" }
        return spelling(of: nanoseconds, units: units, smallest: "ns")
    }

    private static func spelling(bytes: Int64) -> String {
        spelling(
            of: bytes, units: [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")],
            smallest: "B")
    }

    private static func spelling(
        of count: Int64, units: [(Int64, String)], smallest: String
    ) -> String {
        for (scale, unit) in units where count != 0 && count.isMultiple(of: scale) {
            return "\(count / scale)\(unit)"
        }
        return "\(count)\(smallest)"
    }
}
