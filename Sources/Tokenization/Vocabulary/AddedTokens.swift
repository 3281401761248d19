// SPDX-License-Identifier: Apache-2.0

/// One entry of `added_tokens` in `tokenizer.json`.
struct AddedToken: Sendable, Equatable {
    let id: Int32
    let content: [UInt8]
    /// Matches only where no word character touches it.
    var singleWord = false
    /// Takes the white space before it.
    var stripsLeft = false
    /// Takes the white space after it.
    var stripsRight = false
    /// Is looked for after normalization, in its own normalized form.
    var isNormalized = false
    var isSpecial = false
}

/// Finds added tokens in text: leftmost first, of those the longest, never overlapping.
struct AddedTokenMatcher: Sendable {
    /// A part of the text that is a token, or text between tokens.
    enum Part: Equatable {
        case token(Int32)
        case text(Range<Int>)
    }

    private struct Node {
        /// Sorted by byte.
        var children: [(byte: UInt8, node: Int32)] = []
        var token: Int32 = -1
    }

    private var nodes = [Node()]
    private var tokens: [AddedToken] = []
    private var startsToken = [Bool](repeating: false, count: 256)
    private let word: CompiledPattern?

    /// `patterns[i]` is the text by which `tokens[i]` is found; the first of equals wins.
    init(_ tokens: [AddedToken], patterns: [[UInt8]]) throws(TokenizationError) {
        self.tokens = tokens
        word =
            tokens.contains { $0.singleWord } ? try CompiledPattern(.whitespaceWord) : nil
        for (index, pattern) in patterns.enumerated() { insert(pattern, Int32(index)) }
    }

    private mutating func insert(_ pattern: [UInt8], _ token: Int32) {
        guard let first = pattern.first else { return }
        startsToken[Int(first)] = true
        var node = 0
        for byte in pattern {
            if let child = nodes[node].children.first(where: { $0.byte == byte }) {
                node = Int(child.node)
            } else {
                nodes[node].children.append((byte, Int32(nodes.count)))
                node = nodes.count
                nodes.append(Node())
            }
        }
        if nodes[node].token < 0 { nodes[node].token = token }
    }

    /// The longest token that starts at `start`.
    private func longest(
        in text: UnsafeBufferPointer<UInt8>, at start: Int
    ) -> (token: AddedToken, end: Int)? {
        var node = 0
        var index = start
        var found: (AddedToken, Int)?
        while index < text.count {
            let byte = text[index]
            guard let child = nodes[node].children.first(where: { $0.byte == byte }) else { break }
            node = Int(child.node)
            index += 1
            if nodes[node].token >= 0 { found = (tokens[Int(nodes[node].token)], index) }
        }
        return found
    }

    func parts(
        of text: UnsafeBufferPointer<UInt8>, using block: MatchBlock
    ) throws(TokenizationError) -> [Part] {
        var result: [Part] = []
        var end = 0
        var index = 0
        while index < text.count {
            guard startsToken[Int(text[index])], let (token, stop) = longest(in: text, at: index)
            else {
                index += 1
                continue
            }
            let match = index..<stop
            index = stop
            if token.singleWord, try touchesWord(match, in: text, block) { continue }
            let taken = widen(match, token, in: text, after: end)
            if end < taken.lowerBound { result.append(.text(end..<taken.lowerBound)) }
            result.append(.token(token.id))
            end = taken.upperBound
        }
        if end < text.count { result.append(.text(end..<text.count)) }
        return result
    }

    /// The match with the white space it takes, but not what an earlier match took.
    private func widen(
        _ match: Range<Int>, _ token: AddedToken, in text: UnsafeBufferPointer<UInt8>,
        after end: Int
    ) -> Range<Int> {
        var start = match.lowerBound
        var stop = match.upperBound
        if token.stripsLeft {
            start = max(UTF8Text.startOfSpace(in: text, 0..<start), end)
        }
        if token.stripsRight { stop = UTF8Text.endOfSpace(in: text, stop..<text.count) }
        return start..<max(start, stop)
    }

    private func touchesWord(
        _ match: Range<Int>, in text: UnsafeBufferPointer<UInt8>, _ block: MatchBlock
    ) throws(TokenizationError) -> Bool {
        guard let word else { return false }
        if match.lowerBound > 0 {
            let before = UTF8Text.startOfScalar(before: match.lowerBound, in: text)
            if try word.matches(text, at: before, using: block) { return true }
        }
        return try word.matches(text, at: match.upperBound, using: block)
    }
}
