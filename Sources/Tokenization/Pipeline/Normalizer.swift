// SPDX-License-Identifier: Apache-2.0

/// The `normalizer` of `tokenizer.json`.
///
/// Each step returns the new text and how many of its first bytes stem from offset 0 of the
/// caller's text (``PieceText/originPrefix``).
indirect enum Normalizer: Sendable {
    case sequence([Normalizer])
    case form(UnicodeForm)
    case lowercase
    case strip(left: Bool, right: Bool)
    case stripAccents
    case prepend([UInt8])
    case replace(CompiledPattern, content: [UInt8])

    private static let accents = ScalarRanges(UnicodeTables.accents)

    func apply(
        _ bytes: [UInt8], originPrefix: Int, block: MatchBlock
    ) throws(TokenizationError) -> (bytes: [UInt8], originPrefix: Int) {
        switch self {
        case .sequence(let steps):
            var state = (bytes: bytes, originPrefix: originPrefix)
            for step in steps {
                state = try step.apply(
                    state.bytes, originPrefix: state.originPrefix, block: block)
            }
            return state
        case .form(let form): return Self.map(bytes, originPrefix, form.normalize)
        case .lowercase: return Self.map(bytes, originPrefix, Self.lowercased)
        case .stripAccents: return Self.map(bytes, originPrefix, Self.withoutAccents)
        case .strip(let left, let right):
            return Self.stripped(bytes, originPrefix, left: left, right: right)
        case .prepend(let text):
            guard !bytes.isEmpty else { return (bytes, originPrefix) }
            return (text + bytes, originPrefix > 0 ? originPrefix + text.count : 0)
        case .replace(let pattern, let content):
            return try Self.replaced(bytes, originPrefix, pattern, content, block)
        }
    }

    private static func map(
        _ bytes: [UInt8], _ originPrefix: Int, _ change: ([UInt8]) -> [UInt8]
    ) -> ([UInt8], Int) {
        let result = change(bytes)
        let prefix = originPrefix == 0 ? 0 : change(Array(bytes.prefix(originPrefix))).count
        return (result, aligned(prefix, in: result))
    }

    /// `prefix` moved on to the end of the scalar it cuts.
    private static func aligned(_ prefix: Int, in bytes: [UInt8]) -> Int {
        var prefix = min(max(0, prefix), bytes.count)
        while prefix > 0, prefix < bytes.count, bytes[prefix] & 0xC0 == 0x80 { prefix += 1 }
        return prefix
    }

    private static func forEachScalar(
        _ bytes: [UInt8], _ body: (UInt32, Slice<UnsafeBufferPointer<UInt8>>) -> Void
    ) {
        bytes.withUnsafeBufferPointer { buffer in
            var index = 0
            while index < buffer.count {
                let (value, length) = UTF8Text.scalar(at: index, of: buffer)
                body(value, buffer[index..<index + length])
                index += length
            }
        }
    }

    private static func lowercased(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        forEachScalar(bytes) { value, source in
            if value < 0x80 {
                let isUpper = (0x41...0x5A).contains(value)
                result.append(UInt8(isUpper ? value + 0x20 : value))
            } else if let scalar = Unicode.Scalar(value) {
                result += scalar.properties.lowercaseMapping.utf8
            }
        }
        return result
    }

    private static func withoutAccents(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        forEachScalar(bytes) { value, source in
            if value < 0x300 || !accents.contains(value) { result += source }
        }
        return result
    }

    private static func stripped(
        _ bytes: [UInt8], _ originPrefix: Int, left: Bool, right: Bool
    ) -> ([UInt8], Int) {
        let range = bytes.withUnsafeBufferPointer { buffer in
            let all = 0..<buffer.count
            let start = left ? UTF8Text.endOfSpace(in: buffer, all) : 0
            let end =
                right ? UTF8Text.startOfSpace(in: buffer, start..<buffer.count) : all.upperBound
            return start..<end
        }
        let prefix = max(0, originPrefix - range.lowerBound)
        return (Array(bytes[range]), min(prefix, range.count))
    }

    private static func replaced(
        _ bytes: [UInt8], _ originPrefix: Int, _ pattern: CompiledPattern, _ content: [UInt8],
        _ block: MatchBlock
    ) throws(TokenizationError) -> ([UInt8], Int) {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var end = 0
        var prefix = originPrefix
        // The new text has the origin of the last byte it replaces.
        func note(_ match: Range<Int>) {
            guard match.lowerBound < originPrefix || match.upperBound == 0 else { return }
            if match.upperBound <= originPrefix, originPrefix > 0 {
                prefix += content.count - match.count
            } else {
                prefix -= originPrefix - match.lowerBound
            }
        }
        try bytes.withUnsafeBufferPointer { (buffer) throws(TokenizationError) in
            try pattern.forEachMatch(in: buffer, using: block) { match in
                result += buffer[end..<match.lowerBound]
                result += content
                end = match.upperBound
                note(match)
            }
        }
        result += bytes[end...]
        return (result, aligned(prefix, in: result))
    }
}
