// SPDX-License-Identifier: Apache-2.0

/// One JSON value with byte-exact strings and the order of members kept.
///
/// Foundation's decoders are not used: Swift's `String` keys are equal when they are canonically
/// equivalent, so a vocabulary that holds both `é` and `e` + U+0301 would lose one of them.
enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string([UInt8])
    case array([JSONValue])
    case object([JSONMember])

    /// The JSON name of this kind of value, for messages.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// One member of a JSON object.
struct JSONMember: Sendable, Equatable {
    let key: [UInt8]
    let value: JSONValue

    var name: String { String(decoding: key, as: UTF8.self) }
}

/// A JSON value together with its path, so that errors can name the place.
struct JSONNode {
    let value: JSONValue
    let path: String

    func failure(_ message: String) -> TokenizationError {
        TokenizationError(.malformedTokenizer, message, at: path)
    }

    func unsupported(_ message: String) -> TokenizationError {
        TokenizationError(.unsupportedFeature, message, at: path)
    }

    func members() throws(TokenizationError) -> [JSONMember] {
        guard case .object(let members) = value else {
            throw failure("expected an object, found \(value.kind)")
        }
        return members
    }

    func elements() throws(TokenizationError) -> [JSONNode] {
        guard case .array(let elements) = value else {
            throw failure("expected an array, found \(value.kind)")
        }
        return elements.enumerated().map { JSONNode(value: $1, path: "\(path)[\($0)]") }
    }

    /// The member called `name`, or nil when it is absent or null; the last one wins.
    func optional(_ name: String) -> JSONNode? {
        guard case .object(let members) = value else { return nil }
        let key = Array(name.utf8)
        guard let member = members.last(where: { $0.key == key }), member.value != .null else {
            return nil
        }
        return JSONNode(value: member.value, path: path.isEmpty ? name : "\(path).\(name)")
    }

    func required(_ name: String) throws(TokenizationError) -> JSONNode {
        _ = try members()
        guard let node = optional(name) else { throw failure("missing key '\(name)'") }
        return node
    }

    func string() throws(TokenizationError) -> String {
        String(decoding: try bytes(), as: UTF8.self)
    }

    func bytes() throws(TokenizationError) -> [UInt8] {
        guard case .string(let bytes) = value else {
            throw failure("expected a string, found \(value.kind)")
        }
        return bytes
    }

    func bool() throws(TokenizationError) -> Bool {
        guard case .bool(let flag) = value else {
            throw failure("expected true or false, found \(value.kind)")
        }
        return flag
    }

    /// A non-negative integer not above `limit`.
    func count(limit: Int) throws(TokenizationError) -> Int {
        guard case .integer(let number) = value, (0...limit).contains(number) else {
            throw failure("expected an integer from 0 to \(limit)")
        }
        return number
    }

    func bool(_ name: String, default value: Bool) throws(TokenizationError) -> Bool {
        guard let node = optional(name) else { return value }
        return try node.bool()
    }

    func requiredBool(_ name: String) throws(TokenizationError) -> Bool {
        try required(name).bool()
    }

    /// Refuses members that are not in `known`: each could change the result.
    func refuseUnknownKeys(except known: [String]) throws(TokenizationError) {
        for member in try members() where !known.contains(where: { member.key == Array($0.utf8) }) {
            throw unsupported(
                "key '\(member.name)' is not supported (known: \(known.joined(separator: ", ")))")
        }
    }

    /// Exactly one Unicode scalar, as UTF-8.
    func scalar() throws(TokenizationError) -> [UInt8] {
        let text = try bytes()
        guard let first = text.first, UTF8Text.length(ofLead: first) == text.count else {
            throw failure("expected a single character")
        }
        return text
    }
}
