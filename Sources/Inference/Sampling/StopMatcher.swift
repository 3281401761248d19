// SPDX-License-Identifier: Apache-2.0

/// Finds stop strings in a text that arrives in pieces, and holds back what could begin one.
///
/// The result does not depend on how the text is cut: the string that is complete first ends it, and
/// of several that are complete at the same place the longest. Strings are compared as UTF-8, byte
/// for byte. Pieces are whole strings, so that neither they nor what is held back split a character.
package struct StopMatcher: Sendable, Equatable {
    /// What can be shown after a piece.
    package struct Output: Sendable, Equatable {
        package var text: String
        /// The string that ended the text; nothing more will be shown.
        package var stop: String?
    }

    /// The most stop strings, and the most bytes of one.
    package static let maximumStops = 64
    package static let maximumStopBytes = 1024

    /// One stop string and how far it has been matched.
    private struct Pattern: Sendable, Equatable {
        let bytes: [UInt8]
        /// For each matched length, how much is still matched when the next byte does not fit
        /// (Knuth, Morris and Pratt, "Fast pattern matching in strings", 1977).
        let fallback: [Int]
        var matched = 0

        init(_ text: String) {
            let bytes = Array(text.utf8)
            var fallback = [0, 0]
            for length in 1..<bytes.count {
                var shorter = fallback[length]
                while shorter > 0 && bytes[shorter] != bytes[length] { shorter = fallback[shorter] }
                fallback.append(bytes[shorter] == bytes[length] ? shorter + 1 : 0)
            }
            self.bytes = bytes
            self.fallback = fallback
        }

        /// Whether this byte completes the string.
        mutating func advance(_ byte: UInt8) -> Bool {
            while matched > 0 && bytes[matched] != byte { matched = fallback[matched] }
            if bytes[matched] == byte { matched += 1 }
            return matched == bytes.count
        }
    }

    private var patterns: [Pattern] = []
    private let includesStop: Bool
    /// Bytes that were not shown yet; never longer than the longest stop string and a piece.
    private var pending: [UInt8] = []
    /// The string that ended the text.
    package private(set) var stop: String?

    /// A matcher for up to `maximumStops` strings; `includesStop` shows the string that was found.
    package init(_ stops: [String], includesStop: Bool = false) throws(SamplingError) {
        func invalid(_ message: String) -> SamplingError {
            SamplingError(.invalidParameter, parameter: "stop", message)
        }
        guard stops.count <= Self.maximumStops else {
            throw invalid("must have at most \(Self.maximumStops) strings, has \(stops.count)")
        }
        for text in stops {
            guard !text.isEmpty else { throw invalid("cannot contain an empty string") }
            guard text.utf8.count <= Self.maximumStopBytes else {
                throw invalid("a string has more than \(Self.maximumStopBytes) bytes")
            }
            patterns.append(Pattern(text))
        }
        self.includesStop = includesStop
    }

    /// Takes the next piece; what can be shown now.
    package mutating func feed(_ piece: String) -> Output {
        guard stop == nil else { return Output(text: "", stop: stop) }
        if patterns.isEmpty { return Output(text: piece, stop: nil) }
        for byte in piece.utf8 {
            pending.append(byte)
            if let length = advance(byte) { return end(length) }
        }
        let held = patterns.reduce(0) { max($0, $1.matched) }
        return Output(text: take(pending.count - held), stop: nil)
    }

    /// Takes a piece in which no stop string counts, as before `min_tokens`; what can be shown now,
    /// which is everything.
    package mutating func pass(_ piece: String) -> String {
        guard stop == nil else { return "" }
        for index in patterns.indices { patterns[index].matched = 0 }
        return take(pending.count) + piece
    }

    /// Ends the text for another reason; what was held back.
    package mutating func finish() -> String {
        guard stop == nil else { return "" }
        for index in patterns.indices { patterns[index].matched = 0 }
        return take(pending.count)
    }

    /// The length of the longest string that this byte completes.
    private mutating func advance(_ byte: UInt8) -> Int? {
        var longest: Int?
        for index in patterns.indices where patterns[index].advance(byte) {
            longest = max(longest ?? 0, patterns[index].bytes.count)
        }
        return longest
    }

    private mutating func end(_ length: Int) -> Output {
        let found = String(decoding: pending.suffix(length), as: UTF8.self)
        let text = take(includesStop ? pending.count : pending.count - length)
        pending = []
        stop = found
        return Output(text: text, stop: found)
    }

    private mutating func take(_ count: Int) -> String {
        let text = String(decoding: pending.prefix(count), as: UTF8.self)
        pending.removeFirst(count)
        return text
    }
}

extension StopMatcher: Codable {
    private enum CodingKeys: CodingKey {
        case stops, includesStop, pending, stop
    }

    /// Checks the strings as at first, and finds again how far each was matched.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            container.decode([String].self, forKey: .stops),
            includesStop: container.decode(Bool.self, forKey: .includesStop))
        let held = try container.decode(String.self, forKey: .pending)
        let shown = feed(held)
        guard shown == Output(text: "", stop: nil) else {
            throw DecodingError.dataCorruptedError(
                forKey: .pending, in: container,
                debugDescription: "the text held back does not begin a stop string")
        }
        stop = try container.decodeIfPresent(String.self, forKey: .stop)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        let stops = patterns.map { String(decoding: $0.bytes, as: UTF8.self) }
        try container.encode(stops, forKey: .stops)
        try container.encode(includesStop, forKey: .includesStop)
        try container.encode(String(decoding: pending, as: UTF8.self), forKey: .pending)
        try container.encodeIfPresent(stop, forKey: .stop)
    }
}
