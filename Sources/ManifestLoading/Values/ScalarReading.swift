// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Spelling

extension Node.Scalar {
    /// Reads the scalar as a value of `type`; paths are left as they are written.
    func value(of type: ParameterType) throws(ValueFault) -> ParameterValue {
        if isNull { throw ValueFault("has no value; give it one or remove the key") }
        switch type {
        case .boolean: return .boolean(try boolean())
        case .integer(let range): return .integer(try checked(try integer(), range))
        case .number(let range): return .number(try checked(try number(), range))
        case .string: return .string(text)
        case .choice(let words): return .string(try choice(of: words))
        case .path: return .string(try path())
        case .duration(let range):
            return .duration(try checked(try Duration(manifest: text), range))
        case .size(let range): return .size(try checked(try ByteCount(manifest: text), range))
        @unknown default: throw ValueFault("this version cannot read a value of its type")
        }
    }

    private func boolean() throws(ValueFault) -> Bool {
        if !isQuoted, text == "true" { return true }
        if !isQuoted, text == "false" { return false }
        let meant: String? =
            switch text.lowercased() {
            case "true", "yes", "on": "true"
            case "false", "no", "off": "false"
            default: nearestName(to: text, among: ["true", "false"])
            }
        throw ValueFault("expected true or false, found \(quotedText)", suggestion: meant)
    }

    private func integer() throws(ValueFault) -> Int64 {
        let digits = text.first == "-" ? text.dropFirst() : text[...]
        let isDecimal = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isDecimal, !isQuoted else {
            throw ValueFault("expected a whole number, found \(quotedText)")
        }
        guard digits == "0" || digits.first != "0" else {
            throw ValueFault("a whole number has no leading zeros, found '\(text.excerpt)'")
        }
        guard let integer = Int64(text) else {
            throw ValueFault("the number '\(text.excerpt)' does not fit into 64 bits")
        }
        return integer
    }

    private func number() throws(ValueFault) -> Double {
        let isDecimal = text.utf8.allSatisfy { "0123456789.eE+-".utf8.contains($0) }
        guard !isQuoted, isDecimal, let number = Double(text), number.isFinite else {
            throw ValueFault("expected a number, found \(quotedText)")
        }
        return number
    }

    private func choice(of words: [String]) throws(ValueFault) -> String {
        if words.contains(text) { return text }
        throw ValueFault(
            "expected \(words.asAlternatives), found '\(text.excerpt)'",
            suggestion: nearestName(to: text, among: words))
    }

    private func path() throws(ValueFault) -> String {
        if text.isEmpty { throw ValueFault("expected a path, found an empty text") }
        guard text.utf8.count <= 4096, text.utf8.allSatisfy({ $0 >= 0x20 }) else {
            throw ValueFault("a path has at most 4096 bytes and no control characters")
        }
        return text
    }

    private func checked<Value: ManifestWritten>(
        _ value: Value, _ range: ClosedRange<Value>?
    ) throws(ValueFault) -> Value {
        guard let range, !range.contains(value) else { return value }
        throw ValueFault("must be \(range.manifestText), found \(text.excerpt)")
    }

    /// The text as it stands; quotes are shown since they decide what a scalar may be.
    private var quotedText: String {
        isQuoted ? "the text \"\(text.excerpt)\"" : "'\(text.excerpt)'"
    }
}

/// A type whose values have a form in manifests, for messages about ranges.
protocol ManifestWritten: Comparable {
    var manifestText: String { get }
    /// Beyond these a range has no bound worth naming.
    static var extremes: ClosedRange<Self> { get }
}

extension Int64: ManifestWritten {
    var manifestText: String { "\(self)" }
    static var extremes: ClosedRange<Int64> { .min ... .max }
}

extension Double: ManifestWritten {
    var manifestText: String { Int64(exactly: self).map { "\($0)" } ?? "\(self)" }
    static var extremes: ClosedRange<Double> {
        -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
    }
}

extension Duration: ManifestWritten {
    static var extremes: ClosedRange<Duration> { .zero...manifestMaximum }
}

extension ByteCount: ManifestWritten {
    static var extremes: ClosedRange<ByteCount> { ByteCount(0)...ByteCount(.max) }
}

extension ClosedRange where Bound: ManifestWritten {
    /// `from 1 to 64`, `at least 1`, `at most 60s`.
    var manifestText: String {
        let (lower, upper) = (lowerBound.manifestText, upperBound.manifestText)
        let hasLower = lowerBound > Bound.extremes.lowerBound
        let hasUpper = upperBound < Bound.extremes.upperBound
        if hasLower, !hasUpper { return "at least \(lower)" }
        if hasUpper, !hasLower { return "at most \(upper)" }
        return "from \(lower) to \(upper)"
    }
}

extension [String] {
    /// `a`, `a or b`, `a, b or c`.
    var asAlternatives: String {
        guard let last, count > 1 else { return first ?? "nothing" }
        return dropLast().joined(separator: ", ") + " or \(last)"
    }
}
