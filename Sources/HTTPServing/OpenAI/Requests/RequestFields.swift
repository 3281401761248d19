// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// The members of a request object, read by name and type; `null` counts as left out.
nonisolated struct RequestFields {
    let object: JSONObject
    /// Where the object is in the body: empty for the body itself, else `messages[2]`.
    let path: String

    init(_ object: JSONObject, path: String = "") {
        self.object = object
        self.path = path
    }

    /// Reads the body of a request.
    init(body: [UInt8], limits: JSONLimits) throws(APIError) {
        guard body.count <= limits.byteCount else {
            throw APIError(
                .payloadTooLarge,
                "The body has \(body.count) bytes, at most \(limits.byteCount) are taken: "
                    + "shorten the request or raise limits.requestBytes.")
        }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: body, limits: limits)
        } catch {
            throw APIError(error)
        }
        guard case .object(let object) = value else {
            throw APIError(.badRequest, "The body must be a JSON object, but it is \(value.shown).")
        }
        self.init(object)
    }

    func parameter(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    subscript(name: String) -> JSONValue? {
        guard let value = object[name], value != .null else { return nil }
        return value
    }

    /// A refusal of the field `name`.
    func failure(_ name: String, _ message: String) -> APIError {
        let parameter = parameter(name)
        return APIError(.badRequest, "`\(parameter)` \(message)", parameter: parameter)
    }

    func mismatch(_ name: String, _ expected: String, _ value: JSONValue) -> APIError {
        failure(name, "must be \(expected), but it is \(value.shown).")
    }

    func string(_ name: String, byteLimit: Int = 1024) throws(APIError) -> String? {
        guard let value = self[name] else { return nil }
        guard case .string(let text) = value else { throw mismatch(name, "a string", value) }
        guard text.utf8.count <= byteLimit else {
            throw failure(
                name, "has \(text.utf8.count) bytes: shorten it to at most \(byteLimit).")
        }
        return text
    }

    func boolean(_ name: String) throws(APIError) -> Bool? {
        guard let value = self[name] else { return nil }
        guard case .boolean(let flag) = value else { throw mismatch(name, "true or false", value) }
        return flag
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = self[name] else { return nil }
        return try integer(value, name, in: range)
    }

    /// `value` as an integer; `name` is the field, or an element of it, that holds it.
    func integer(
        _ value: JSONValue, _ name: String, in range: ClosedRange<Int>
    ) throws(APIError) -> Int {
        guard let integer = value.exactInteger, range.contains(integer) else {
            throw mismatch(name, "an integer \(Self.shown(range))", value)
        }
        return integer
    }

    func number(_ name: String, in range: ClosedRange<Double>) throws(APIError) -> Double? {
        guard let value = self[name] else { return nil }
        guard let number = value.double, range.contains(number) else {
            throw mismatch(
                name, "a number from \(range.lowerBound) to \(range.upperBound)", value)
        }
        return number
    }

    /// A number above 0 and up to `limit`.
    func positiveNumber(_ name: String, upTo limit: Double) throws(APIError) -> Double? {
        guard let value = self[name] else { return nil }
        guard let number = value.double, number > 0, number <= limit else {
            throw mismatch(name, "a number above 0 and up to \(limit)", value)
        }
        return number
    }

    func fields(_ name: String) throws(APIError) -> RequestFields? {
        guard let value = self[name] else { return nil }
        guard case .object(let object) = value else { throw mismatch(name, "an object", value) }
        return RequestFields(object, path: parameter(name))
    }

    func array(_ name: String, limit: Int) throws(APIError) -> [JSONValue]? {
        guard let value = self[name] else { return nil }
        guard case .array(let items) = value else { throw mismatch(name, "an array", value) }
        return try bounded(items, name, limit: limit)
    }

    func bounded(
        _ items: [JSONValue], _ name: String, limit: Int
    ) throws(APIError) -> [JSONValue] {
        guard items.count <= limit else {
            throw failure(name, "has \(items.count) elements, at most \(limit) are taken.")
        }
        return items
    }

    /// `model`, where an empty name is none, as in vLLM.
    func modelName() throws(APIError) -> String? {
        guard let name = try string("model"), !name.isEmpty else { return nil }
        return name
    }

    /// A list of token ids; ids beyond a vocabulary are the tokenizer's to refuse.
    func tokens(_ items: [JSONValue], _ name: String) throws(APIError) -> [Int] {
        var tokens: [Int] = []
        tokens.reserveCapacity(items.count)
        for (index, item) in items.enumerated() {
            if case .integer(let token) = item, Self.tokenRange.contains(Int(clamping: token)) {
                tokens.append(Int(token))
            } else {
                tokens.append(try integer(item, "\(name)[\(index)]", in: Self.tokenRange))
            }
        }
        return tokens
    }

    static let tokenRange = 0...Int(Int32.max)

    private static func shown(_ range: ClosedRange<Int>) -> String {
        switch (range.lowerBound, range.upperBound) {
        case (.min, .max): "of 64 bits"
        case (let low, .max): "of at least \(low)"
        case (let low, let high): "from \(low) to \(high)"
        }
    }
}
