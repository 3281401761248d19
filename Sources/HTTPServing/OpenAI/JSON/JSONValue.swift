// SPDX-License-Identifier: Apache-2.0

/// One JSON value as it was written: objects keep their order, integers stay apart from fractions.
nonisolated package enum JSONValue: Sendable, Equatable {
    case null
    case boolean(Bool)
    /// A number without fraction or exponent that fits 64 bits.
    case integer(Int64)
    /// Any other number; always finite.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

nonisolated extension JSONValue {
    /// The value in a few words, for a message: `"abc"`, `3.5`, `an array of 4`.
    package var shown: String {
        switch self {
        case .null: return "null"
        case .boolean(let flag): return flag ? "true" : "false"
        case .integer(let integer): return String(integer)
        case .number(let number): return String(number)
        case .string(let text): return "\"\(text.excerpt(40))\""
        case .array(let items): return "an array of \(items.count)"
        case .object(let object): return "an object of \(object.count)"
        }
    }

    /// The value as an integer when it has no fraction and fits, so that `1.0` counts as 1.
    package var exactInteger: Int? {
        switch self {
        case .integer(let integer): return Int(exactly: integer)
        case .number(let number): return Int(exactly: number)
        default: return nil
        }
    }

    /// The value as a finite floating-point number.
    package var double: Double? {
        switch self {
        case .integer(let integer): return Double(integer)
        case .number(let number): return number
        default: return nil
        }
    }
}

/// The members of a JSON object in the order they were written, each name once.
nonisolated package struct JSONObject: Sendable, Equatable {
    /// One name with its value.
    package struct Member: Sendable, Equatable {
        package let name: String
        package let value: JSONValue

        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    package private(set) var members: [Member] = []
    /// Built once the object is too long to scan.
    private var positions: [ExactName: Int] = [:]

    package init() {}

    package var count: Int { members.count }

    /// The value of `name`, compared byte by byte.
    package subscript(name: String) -> JSONValue? {
        position(of: name).map { members[$0].value }
    }

    /// Appends a member and answers true, or answers false when the name is there already.
    package mutating func append(_ name: String, _ value: JSONValue) -> Bool {
        guard position(of: name) == nil else { return false }
        members.append(Member(name: name, value: value))
        if members.count > Self.scanned {
            if positions.isEmpty {
                for (index, member) in members.enumerated() {
                    positions[ExactName(text: member.name)] = index
                }
            } else {
                positions[ExactName(text: name)] = members.count - 1
            }
        }
        return true
    }

    package static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.members == right.members
    }

    private static let scanned = 12

    private func position(of name: String) -> Int? {
        guard positions.isEmpty else { return positions[ExactName(text: name)] }
        return members.firstIndex { $0.name.utf8.elementsEqual(name.utf8) }
    }
}

/// A name that differs from its canonically equivalent spellings, as JSON has it and `String` not.
nonisolated private struct ExactName: Hashable {
    let text: String

    static func == (left: ExactName, right: ExactName) -> Bool {
        left.text.utf8.elementsEqual(right.text.utf8)
    }

    func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
    }
}

nonisolated extension String {
    /// At most `limit` Unicode scalars of the text, with an ellipsis where it was cut.
    func excerpt(_ limit: Int) -> String {
        let head = unicodeScalars.prefix(limit)
        return head.endIndex == endIndex ? self : String(head) + "…"
    }
}
