// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// A JSON value together with its path, so that errors can name the place.
///
/// Strings and names are compared by their bytes: Swift's `String` equality would take `é` and
/// `e` + U+0301 for one token of a vocabulary.
struct JSONNode {
    /// Room for vocabularies several times as large as any published.
    static let limits = JSONLimits(byteCount: 128 << 20, depth: 96, valueCount: 8 << 20)

    let value: JSONValue
    let path: String

    init(value: JSONValue, path: String) {
        self.value = value
        self.path = path
    }

    /// Reads one document, which may begin with a byte order mark.
    ///
    /// Throws `malformedJSON` with line and column.
    init(parsing json: [UInt8]) throws(TokenizationError) {
        let mark = json.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        do {
            value = try json.withUnsafeBufferPointer { (bytes) throws(JSONSyntaxError) in
                let document = UnsafeBufferPointer(rebasing: bytes[mark...])
                return try JSONValue(
                    parsing: UnsafeRawBufferPointer(document), limits: Self.limits)
            }
        } catch {
            throw TokenizationError(
                .malformedJSON, error.message, at: "line \(error.line), column \(error.column)")
        }
        path = ""
    }

    func failure(_ message: String) -> TokenizationError {
        TokenizationError(.malformedTokenizer, message, at: path)
    }

    func unsupported(_ message: String) -> TokenizationError {
        TokenizationError(.unsupportedFeature, message, at: path)
    }

    func members() throws(TokenizationError) -> [JSONObject.Member] {
        guard case .object(let object) = value else {
            throw failure("expected an object, found \(value.kind)")
        }
        return object.members
    }

    func elements() throws(TokenizationError) -> [JSONNode] {
        guard case .array(let elements) = value else {
            throw failure("expected an array, found \(value.kind)")
        }
        return elements.enumerated().map { JSONNode(value: $1, path: "\(path)[\($0)]") }
    }

    /// The member called `name`, or nil when it is absent or null.
    func optional(_ name: String) -> JSONNode? {
        guard case .object(let object) = value, let member = object[name], member != .null else {
            return nil
        }
        return JSONNode(value: member, path: path.isEmpty ? name : "\(path).\(name)")
    }

    func required(_ name: String) throws(TokenizationError) -> JSONNode {
        _ = try members()
        guard let node = optional(name) else { throw failure("missing key '\(name)'") }
        return node
    }

    func string() throws(TokenizationError) -> String {
        guard case .string(let text) = value else {
            throw failure("expected a string, found \(value.kind)")
        }
        return text
    }

    /// The UTF-8 of a string, as the file has it.
    func bytes() throws(TokenizationError) -> [UInt8] { Array(try string().utf8) }

    func bool() throws(TokenizationError) -> Bool {
        guard case .boolean(let flag) = value else {
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
        for member in try members()
        where !known.contains(where: { $0.utf8.elementsEqual(member.name.utf8) }) {
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
