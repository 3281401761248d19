// SPDX-License-Identifier: Apache-2.0

/// The `pre_tokenizer` of `tokenizer.json`.
indirect enum PreTokenizer: Sendable {
    /// When Metaspace puts its replacement before a piece.
    enum PrependScheme: String, Sendable {
        case always, first, never
    }

    case sequence([PreTokenizer])
    case split(CompiledPattern, SplitBehavior, inverted: Bool)
    case whitespaceSplit
    case byteLevel(addPrefixSpace: Bool, pattern: CompiledPattern?)
    case metaspace(replacement: [UInt8], PrependScheme, split: Bool)

    /// GPT-2's pattern, which ByteLevel uses unless `use_regex` is false.
    static let byteLevelPattern =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    func apply(to text: inout PieceText, block: MatchBlock) throws(TokenizationError) {
        switch self {
        case .sequence(let steps):
            for step in steps { try step.apply(to: &text, block: block) }
        case .split(let pattern, let behavior, let inverted):
            try Self.split(&text, pattern, behavior, inverted, block)
        case .whitespaceSplit:
            try text.split(.removed) { (subject, found) throws(TokenizationError) in
                Self.forEachSpace(in: subject, found)
            }
        case .byteLevel(let addPrefixSpace, let pattern):
            if addPrefixSpace { Self.prepend([0x20], to: &text) { $0.first != 0x20 } }
            if let pattern { try Self.split(&text, pattern, .isolated, false, block) }
            Self.encodeBytes(&text)
        case .metaspace(let replacement, let scheme, let split):
            try Self.metaspace(&text, replacement, scheme, split: split)
        }
    }

    private static func split(
        _ text: inout PieceText, _ pattern: CompiledPattern, _ behavior: SplitBehavior,
        _ inverted: Bool, _ block: MatchBlock
    ) throws(TokenizationError) {
        try text.split(behavior, inverted: inverted) {
            (subject, found) throws(TokenizationError) in
            try pattern.forEachMatch(in: subject, using: block, found)
        }
    }

    private static func forEachSpace(
        in subject: UnsafeBufferPointer<UInt8>, _ found: (Range<Int>) -> Void
    ) {
        var index = 0
        while index < subject.count {
            let (value, length) = UTF8Text.scalar(at: index, of: subject)
            if UTF8Text.isWhiteSpace(value) { found(index..<index + length) }
            index += length
        }
    }

    private static func prepend(
        _ prefix: [UInt8], to text: inout PieceText,
        where needsIt: (UnsafeBufferPointer<UInt8>) -> Bool
    ) {
        text.rewrite { piece, _, output in
            let needed = needsIt(piece)
            if needed { output += prefix }
            output += piece
            return needed ? prefix.count : 0
        }
    }

    private static func encodeBytes(_ text: inout PieceText) {
        text.rewrite { piece, _, output in
            ByteAlphabet.encode(piece, into: &output)
            return 0
        }
    }

    private static func metaspace(
        _ text: inout PieceText, _ replacement: [UInt8], _ scheme: PrependScheme, split: Bool
    ) throws(TokenizationError) {
        text.rewrite { piece, isAtOrigin, output in
            let start = output.count
            let wanted = scheme == .always || (scheme == .first && isAtOrigin)
            let hasIt = piece.first == 0x20 || piece.starts(with: replacement)
            if wanted && !hasIt { output += replacement }
            let inserted = output.count - start
            for byte in piece {
                if byte == 0x20 { output += replacement } else { output.append(byte) }
            }
            return inserted
        }
        guard split else { return }
        try text.split(.mergedWithNext) { (subject, found) throws(TokenizationError) in
            var index = 0
            while index < subject.count {
                let length = UTF8Text.length(ofLead: subject[index])
                if length == replacement.count,
                    subject[index..<index + length].elementsEqual(replacement)
                {
                    found(index..<index + length)
                }
                index += length
            }
        }
    }
}
