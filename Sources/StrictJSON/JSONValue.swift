// SPDX-License-Identifier: Apache-2.0

/// One JSON value as it was written: objects keep their order, integers stay apart from fractions,
/// strings keep their bytes.
///
/// Equality compares strings as Swift does, so that canonically equivalent ones are equal; where
/// bytes count, compare `utf8`. Names of an object are always told apart by their bytes.
package enum JSONValue: Sendable, Equatable {
    case null
    case boolean(Bool)
    /// A number without fraction or exponent that fits 64 bits.
    case integer(Int)
    /// Any other number; always finite.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

extension JSONValue {
    /// What it is, for a message: `a boolean`, `an object`.
    package var kind: String {
        switch self {
        case .null: "null"
        case .boolean: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The value in a few words, for a message: `"abc"`, `3.5`, `an array of 4`.
    package var shown: String {
        switch self {
        case .null: "null"
        case .boolean(let flag): flag ? "true" : "false"
        case .integer(let integer): String(integer)
        case .number(let number): String(number)
        case .string(let text): "\"\(text.excerpt(40))\""
        case .array(let items): "an array of \(items.count)"
        case .object(let object): "an object of \(object.count)"
        }
    }

    /// The value as an integer when it has no fraction and fits, so that `1.0` counts as 1.
    package var exactInteger: Int? {
        switch self {
        case .integer(let integer): integer
        case .number(let number): Int(exactly: number)
        default: nil
        }
    }

    /// The value as a finite floating-point number.
    package var double: Double? {
        switch self {
        case .integer(let integer): Double(integer)
        case .number(let number): number
        default: nil
        }
    }

    /// The text of a string.
    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }
}

extension String {
    /// At most `limit` Unicode scalars of the text, for a message, with an ellipsis where it was
    /// cut.
    package func excerpt(_ limit: Int) -> String {
        let head = unicodeScalars.prefix(limit)
        return head.endIndex == endIndex ? self : String(head) + "…"
    }
}
