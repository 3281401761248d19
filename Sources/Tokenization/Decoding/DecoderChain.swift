// SPDX-License-Identifier: Apache-2.0

/// The `decoder` of `tokenizer.json` as a chain of stages.
///
/// A stage sees tokens one by one until some stage has made one text of them; later stages see
/// pieces of that text. So the whole chain streams, and decoding at once is streaming to the end.
struct DecoderChain: Sendable {
    enum Stage: Sendable, Equatable {
        /// Bytes from the alphabet of byte-level vocabularies; makes one text.
        case byteLevel
        /// Runs of `<0xNN>` become text if they are UTF-8 as a whole, else U+FFFD for each.
        case byteFallback
        /// Makes one text.
        case fuse
        /// The replacement is a space, or nothing in the first token when `dropsFirst`.
        case metaspace(replacement: [UInt8], dropsFirst: Bool)
        case replace(pattern: [UInt8], content: [UInt8])
        /// Removes up to so many `content` at the start and the end of each token or text.
        case strip(content: [UInt8], start: Int, stop: Int)
        /// Puts a space between tokens: what is done without a decoder. Makes one text.
        case join

        var makesOneText: Bool {
            self == .byteLevel || self == .fuse || self == .join
        }
    }

    let stages: [Stage]

    /// The bytes of one token, not the first, before anything is made of neighbours.
    func bytes(of token: [UInt8]) -> [UInt8] {
        var text = token
        var isFused = false
        for stage in stages {
            switch stage {
            case .byteLevel: text = ByteAlphabet.decode(text)
            case .byteFallback: text = Self.fallbackByte(text).map { [$0] } ?? text
            case .metaspace(let replacement, _):
                text = text.replacing(replacement, with: [0x20])
            case .replace(let pattern, let content):
                text = text.replacing(pattern, with: content)
            case .strip(let content, let start, let stop) where !isFused:
                text = Self.stripped(text, content, start: start, stop: stop)
            case .strip, .fuse, .join: break
            }
            isFused = isFused || stage.makesOneText
        }
        return text
    }

    /// The byte that `<0xNN>` names.
    static func fallbackByte(_ token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: Array("<0x".utf8)),
            token[5] == UInt8(ascii: ">")
        else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }

    static func stripped(_ token: [UInt8], _ content: [UInt8], start: Int, stop: Int) -> [UInt8] {
        var low = 0
        var high = token.count
        for _ in 0..<start where token[low..<high].starts(with: content) { low += content.count }
        for _ in 0..<stop where high - content.count >= low {
            guard token[high - content.count..<high].elementsEqual(content) else { break }
            high -= content.count
        }
        return Array(token[low..<high])
    }
}

extension [UInt8] {
    /// Every leftmost, not overlapping occurrence of `pattern` replaced.
    func replacing(_ pattern: [UInt8], with content: [UInt8]) -> [UInt8] {
        guard let first = pattern.first, contains(first) else { return self }
        var result: [UInt8] = []
        result.reserveCapacity(count)
        var index = 0
        while index < count {
            if self[index] == first, self[index...].starts(with: pattern) {
                result += content
                index += pattern.count
            } else {
                result.append(self[index])
                index += 1
            }
        }
        return result
    }
}
