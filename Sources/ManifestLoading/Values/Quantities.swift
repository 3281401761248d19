// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
import Spelling

/// A number with a unit behind it, as `1.5s`; exact.
private struct Quantity {
    let digits: Int128
    let fractionDigits: Int
    let unit: String

    /// `nil` where the text does not begin with a decimal number of at most 18 digits.
    init?(parsing text: String) {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }),
            number.count <= 18, let digits = Int128(parts.joined())
        else { return nil }
        self.digits = digits
        fractionDigits = parts.count == 2 ? parts[1].count : 0
        unit = String(text[number.endIndex...])
    }

    /// How many of the smallest thing there are, or `nil` where that is not a whole number.
    func count(ofUnit size: Int128) -> Int128? {
        let (product, overflow) = digits.multipliedReportingOverflow(by: size)
        let divisor = (0..<fractionDigits).reduce(Int128(1)) { power, _ in power * 10 }
        guard !overflow, product % divisor == 0 else { return nil }
        return product / divisor
    }

    func suggestion(among units: [String], in text: String) -> String? {
        let number = text.dropLast(unit.count)
        return nearestName(to: unit, among: units).map { "\(number)\($0)" }
    }
}

extension Duration {
    private static let units: [(name: String, attoseconds: Int128)] = [
        ("ns", 1_000_000_000), ("us", 1_000_000_000_000), ("ms", 1_000_000_000_000_000),
        ("s", 1_000_000_000_000_000_000), ("m", 60_000_000_000_000_000_000),
        ("h", 3_600_000_000_000_000_000_000),
    ]

    /// Longer durations are refused everywhere.
    static let manifestMaximum = Duration.seconds(366 * 24 * 3600)

    static let manifestPattern = #"^[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)$"#

    /// Reads `200us`, `5ms`, `2s`, `1m`.
    init(manifest text: String) throws(ValueFault) {
        let names = Self.units.map(\.name)
        guard let quantity = Quantity(parsing: text) else {
            throw ValueFault("expected a duration, as 5ms or 30s, found '\(text.excerpt)'")
        }
        guard let unit = Self.units.first(where: { $0.name == quantity.unit }) else {
            throw ValueFault(
                "a duration has a unit (\(names.joined(separator: ", "))), found '\(text.excerpt)'",
                suggestion: quantity.unit.isEmpty
                    ? "\(text)s" : quantity.suggestion(among: names, in: text))
        }
        guard let attoseconds = quantity.count(ofUnit: unit.attoseconds) else {
            throw ValueFault("the duration '\(text.excerpt)' has too many digits")
        }
        let (seconds, rest) = attoseconds.quotientAndRemainder(
            dividingBy: 1_000_000_000_000_000_000)
        guard let seconds = Int64(exactly: seconds),
            seconds <= Self.manifestMaximum.components.seconds
        else { throw ValueFault("the duration '\(text.excerpt)' is longer than a year") }
        self.init(secondsComponent: seconds, attosecondsComponent: Int64(rest))
    }

    /// As manifests write it, in the largest unit that gives a whole number.
    package var manifestText: String {
        let (seconds, attoseconds) = components
        let total = Int128(seconds) * 1_000_000_000_000_000_000 + Int128(attoseconds)
        let unit = Self.units.last { total.isMultiple(of: $0.attoseconds) } ?? Self.units[0]
        return total == 0 ? "0s" : "\(total / unit.attoseconds)\(unit.name)"
    }
}

extension ByteCount {
    private static let units: [(name: String, bytes: Int128)] = [
        ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
        ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
    ]

    static let manifestPattern = #"^[0-9]+(\.[0-9]+)?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$"#

    /// Reads `512MiB`, `1GB`, `4096`.
    init(manifest text: String) throws(ValueFault) {
        guard let quantity = Quantity(parsing: text) else {
            throw ValueFault("expected a size, as 512MiB, found '\(text.excerpt)'")
        }
        let name = quantity.unit.isEmpty ? "B" : quantity.unit
        guard let unit = Self.units.first(where: { $0.name == name }) else {
            let names = Self.units.map(\.name)
            throw ValueFault(
                "a size has a unit (\(names.joined(separator: ", "))), found '\(text.excerpt)'",
                suggestion: quantity.suggestion(among: names, in: text))
        }
        guard let bytes = quantity.count(ofUnit: unit.bytes).flatMap(Int64.init(exactly:)) else {
            throw ValueFault("the size '\(text.excerpt)' is not a whole number of bytes below 2^63")
        }
        self.init(bytes)
    }

    /// As manifests write it, in the largest binary unit that gives a whole number.
    package var manifestText: String {
        let binary = Self.units.filter { $0.name == "B" || $0.name.hasSuffix("iB") }
        let unit = binary.last { Int128(bytes).isMultiple(of: $0.bytes) }
        guard let unit, unit.bytes > 1, bytes != 0 else { return "\(bytes)" }
        return "\(Int128(bytes) / unit.bytes)\(unit.name)"
    }
}

extension ParameterValue {
    /// As manifests write it.
    package var manifestText: String {
        switch self {
        case .boolean(let boolean): "\(boolean)"
        case .integer(let integer): "\(integer)"
        case .number(let number): number.manifestText
        case .string(let string): string.isEmpty ? "''" : string
        case .duration(let duration): duration.manifestText
        case .size(let size): size.manifestText
        @unknown default: "\(self)"
        }
    }
}
