// SPDX-License-Identifier: Apache-2.0

/// A stretch of text on its way through the pre-tokenizers, cut into pieces.
struct PieceText {
    /// Valid UTF-8; parts that no piece covers have been removed.
    var bytes: [UInt8]
    /// Non-empty, in order, not overlapping.
    var pieces: [Range<Int>]
    /// How many of the first bytes stem from offset 0 of the caller's text.
    ///
    /// Metaspace with `prepend_scheme: first` asks for it, and origins never decrease.
    var originPrefix: Int

    init(_ bytes: [UInt8], originPrefix: Int) {
        self.bytes = bytes
        self.pieces = bytes.isEmpty ? [] : [0..<bytes.count]
        self.originPrefix = originPrefix
    }

    /// Rewrites each piece. `body` appends the new text of a piece to the buffer and returns how
    /// many of the bytes it put in front of it have the origin of the piece's first byte.
    mutating func rewrite(
        _ body: (UnsafeBufferPointer<UInt8>, _ isAtOrigin: Bool, inout [UInt8]) -> Int
    ) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + bytes.count / 2)
        var ranges: [Range<Int>] = []
        ranges.reserveCapacity(pieces.count)
        var newPrefix = 0
        bytes.withUnsafeBufferPointer { buffer in
            for piece in pieces {
                let start = output.count
                let isAtOrigin = piece.lowerBound < originPrefix
                let inserted = body(
                    UnsafeBufferPointer(rebasing: buffer[piece]), isAtOrigin, &output)
                if output.count > start { ranges.append(start..<output.count) }
                if isAtOrigin {
                    let kept = min(originPrefix, piece.upperBound) - piece.lowerBound
                    newPrefix = min(output.count, start + inserted + kept)
                }
            }
        }
        bytes = output
        pieces = ranges
        originPrefix = newPrefix
    }

    /// Cuts each piece where `matches` says.
    mutating func split(
        _ behavior: SplitBehavior, inverted: Bool = false,
        matches: (UnsafeBufferPointer<UInt8>, (Range<Int>) -> Void) throws(TokenizationError) ->
            Void
    ) throws(TokenizationError) {
        var ranges: [Range<Int>] = []
        ranges.reserveCapacity(pieces.count)
        var cutter = PieceCutter(behavior: behavior, inverted: inverted)
        for piece in pieces {
            cutter.begin(count: piece.count)
            try Self.visit(bytes, piece) { (subject) throws(TokenizationError) in
                try matches(subject) { cutter.match($0) }
            }
            for range in cutter.finish() where !range.isEmpty {
                let offset = piece.lowerBound
                ranges.append(range.lowerBound + offset..<range.upperBound + offset)
            }
        }
        pieces = ranges
    }

    private static func visit(
        _ bytes: [UInt8], _ piece: Range<Int>,
        _ body: (UnsafeBufferPointer<UInt8>) throws(TokenizationError) -> Void
    ) throws(TokenizationError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(TokenizationError) in
            try body(UnsafeBufferPointer(rebasing: buffer[piece]))
        }
    }
}

/// What becomes of the matches of a split pattern; the names are those of `tokenizer.json`.
enum SplitBehavior: String, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
}

/// Collects the matches and gaps of one piece and joins them as a ``SplitBehavior`` says.
struct PieceCutter {
    private typealias Part = (range: Range<Int>, isMatch: Bool)

    private let behavior: SplitBehavior
    private let inverted: Bool
    private var parts: [Part] = []
    private var end = 0
    private var count = 0

    init(behavior: SplitBehavior, inverted: Bool) {
        self.behavior = behavior
        self.inverted = inverted
    }

    mutating func begin(count: Int) {
        parts.removeAll(keepingCapacity: true)
        end = 0
        self.count = count
    }

    mutating func match(_ range: Range<Int>) {
        if end < range.lowerBound { parts.append((end..<range.lowerBound, inverted)) }
        parts.append((range, !inverted))
        end = range.upperBound
    }

    mutating func finish() -> [Range<Int>] {
        if end < count { parts.append((end..<count, inverted)) }
        switch behavior {
        case .removed: return parts.compactMap { $0.isMatch ? nil : $0.range }
        case .isolated: return parts.map(\.range)
        case .contiguous: return joined { $0 == $1 }
        case .mergedWithPrevious: return joined { !$0 && $1 }
        case .mergedWithNext:
            // The same rule read from the end.
            return joinedFromTheEnd()
        }
    }

    /// Joins a part to the one before it when `rule(previous is a match, this is a match)`.
    private func joined(_ rule: (Bool, Bool) -> Bool) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var previous = false
        for part in parts {
            if rule(previous, part.isMatch), let last = result.last {
                result[result.count - 1] = last.lowerBound..<part.range.upperBound
            } else {
                result.append(part.range)
            }
            previous = part.isMatch
        }
        return result
    }

    private func joinedFromTheEnd() -> [Range<Int>] {
        var result: [Range<Int>] = []
        var previous = false
        for part in parts.reversed() {
            if part.isMatch, !previous, let last = result.last {
                result[result.count - 1] = part.range.lowerBound..<last.upperBound
            } else {
                result.append(part.range)
            }
            previous = part.isMatch
        }
        return result.reversed()
    }
}
