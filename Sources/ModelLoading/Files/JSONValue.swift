// SPDX-License-Identifier: Apache-2.0

/// A parsed JSON value; objects keep the order of their keys.
indirect enum JSONValue: Equatable {
    case null
    case bool(Bool)
    /// The literal as it was written, which the grammar has checked.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// What it is, for messages.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }

    /// The value in JSON, cut to a length that fits in a message.
    var excerpt: String {
        let text =
            switch self {
            case .null: "null"
            case .bool(let value): value ? "true" : "false"
            case .number(let literal): literal
            case .string(let value): "\"\(value)\""
            case .array(let values):
                "[" + values.prefix(8).map(\.excerpt).joined(separator: ", ")
                    + (values.count > 8 ? ", …]" : "]")
            case .object(let object): "{" + object.keys.prefix(8).joined(separator: ", ") + "}"
            }
        return text.count <= 80 ? text : text.prefix(79) + "…"
    }

    /// Whether the value is one that stands for "not used": null, false, zero, empty.
    var isInactive: Bool {
        switch self {
        case .null: true
        case .bool(let value): !value
        case .number(let literal): Double(literal) == 0
        case .string(let value): value.isEmpty
        case .array(let values): values.isEmpty
        case .object(let object): object.keys.isEmpty
        }
    }

    /// A finite number.
    var double: Double? {
        guard case .number(let literal) = self, let value = Double(literal), value.isFinite else {
            return nil
        }
        return value
    }

    /// A number without a fraction that fits `Int`; `4096.0` and `1e3` are such numbers.
    var integer: Int? {
        guard case .number(let literal) = self else { return nil }
        return Int(literal) ?? double.flatMap { Int(exactly: $0) }
    }

    var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }
}

/// The members of a JSON object, whose keys are unique, in the order of the text.
struct JSONObject: Equatable {
    private(set) var keys: [String] = []
    private var values: [String: JSONValue] = [:]

    subscript(key: String) -> JSONValue? { values[key] }

    /// Adds a member; false, and no change, if the key is there already.
    mutating func add(_ key: String, _ value: JSONValue) -> Bool {
        guard values[key] == nil else { return false }
        values[key] = value
        keys.append(key)
        return true
    }
}
