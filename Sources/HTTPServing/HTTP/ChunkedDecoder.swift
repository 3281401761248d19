// SPDX-License-Identifier: Apache-2.0

/// Takes a chunked body apart (RFC 9112 §7.1), strictly.
///
/// libhttp-parser, as Debian builds it, takes any two bytes for the line end after a chunk and a
/// bare line feed inside a chunk extension, so the framing is not left to it.
nonisolated struct ChunkedDecoder {
    private enum State {
        case size, sizeLineFeed, `extension`
        case content
        case contentReturn, contentLineFeed
        case trailerStart, trailer, trailerLineFeed, lastLineFeed
    }

    private static let maxSizeDigits = 8
    /// Bound on the extensions of one chunk and on all trailers, which are read past.
    private static let maxIgnoredBytes = 4096

    private var state = State.size
    private var digits = 0
    private var remaining = 0
    private var ignored = 0

    /// Moves content from the front of `input` to `body`.
    ///
    /// - Returns: how many bytes of `input` were used, and whether the body is complete.
    mutating func decode(
        _ input: UnsafeBufferPointer<UInt8>, into body: inout [UInt8], limit: Int
    ) throws(HTTPFault) -> (used: Int, isComplete: Bool) {
        var index = 0
        while index < input.count {
            if state == .content {
                let count = min(remaining, input.count - index)
                body.append(contentsOf: input[index..<index + count])
                index += count
                remaining -= count
                if remaining == 0 { state = .contentReturn }
                continue
            }
            let byte = input[index]
            index += 1
            if state == .lastLineFeed {
                try require(byte, is: 0x0a)
                return (index, true)
            }
            try advance(over: byte, room: limit - body.count, limit: limit)
        }
        return (index, false)
    }

    private mutating func advance(
        over byte: UInt8, room: Int, limit: Int
    ) throws(HTTPFault) {
        switch state {
        case .size:
            try advanceInSize(over: byte)
        case .extension:
            if byte == 0x0d { state = .sizeLineFeed } else { try ignore(byte) }
        case .sizeLineFeed:
            try require(byte, is: 0x0a)
            guard remaining <= room else {
                throw HTTPFault(413, "the body exceeds \(limit) bytes")
            }
            digits = 0
            state = remaining == 0 ? .trailerStart : .content
            if state == .content { ignored = 0 }
        case .contentReturn:
            try require(byte, is: 0x0d)
            state = .contentLineFeed
        case .contentLineFeed:
            try require(byte, is: 0x0a)
            state = .size
        case .trailerStart, .trailer:
            try advanceInTrailer(over: byte)
        case .trailerLineFeed:
            try require(byte, is: 0x0a)
            state = .trailerStart
        case .content, .lastLineFeed:
            preconditionFailure("content and the end are handled by decode")
        }
    }

    private mutating func advanceInSize(over byte: UInt8) throws(HTTPFault) {
        if let value = byte.hexadecimalValue {
            digits += 1
            guard digits <= Self.maxSizeDigits else {
                throw HTTPFault(413, "a chunk of the body is too large")
            }
            remaining = remaining << 4 | Int(value)
        } else if byte == 0x0d, digits > 0 {
            state = .sizeLineFeed
        } else if byte == 0x3b, digits > 0 {
            state = .extension
        } else {
            throw .badRequest("a chunk of the body does not begin with its size")
        }
    }

    private mutating func advanceInTrailer(over byte: UInt8) throws(HTTPFault) {
        if byte == 0x0d {
            state = state == .trailerStart ? .lastLineFeed : .trailerLineFeed
        } else {
            guard state == .trailer || byte.isTokenByte else {
                throw .badRequest("the trailers of the body are malformed")
            }
            state = .trailer
            try ignore(byte)
        }
    }

    private mutating func ignore(_ byte: UInt8) throws(HTTPFault) {
        ignored += 1
        guard ignored <= Self.maxIgnoredBytes else {
            throw HTTPFault(431, "the chunk extensions or trailers are too long")
        }
        guard byte >= 0x20 && byte != 0x7f || byte == 0x09 else {
            throw .badRequest("the framing of the body holds a control character")
        }
    }

    private func require(_ byte: UInt8, is expected: UInt8) throws(HTTPFault) {
        guard byte == expected else {
            throw .badRequest("a chunk of the body does not end where its size says")
        }
    }
}
