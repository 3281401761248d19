// SPDX-License-Identifier: Apache-2.0

/// Finds the end of a request head and holds its bytes to the grammar of RFC 9112.
///
/// libhttp-parser, as Debian builds it, is lenient where leniency lets two servers disagree on
/// where a request ends: it takes bare line feeds, folded lines and blanks in field names. So this
/// scanner runs first, byte by byte as they come, and the library sees whole heads only.
nonisolated struct HeadScanner {
    enum Progress: Equatable {
        case needsMore
        /// The head is `count` bytes long, of which the first `skipping` are blank lines.
        case complete(count: Int, skipping: Int)
    }

    private enum State {
        case start, startLineFeed
        case method, target, version
        case lineFeed
        case lineStart
        case name, value
        case lastLineFeed
    }

    /// The longest method that the library knows has 11 letters.
    private static let methodBytes = 16
    private static let blankLines = 4

    private var state = State.start
    private var scanned = 0
    private var skipped = 0
    private var methodLength = 0
    private var targetLength = 0
    private var fieldCount = 0

    /// Whether no byte but blank lines was seen.
    var isAtStart: Bool { state == .start || state == .startLineFeed }

    /// Scans what is new in `head`, which begins with everything that earlier calls were given.
    mutating func scan(
        _ head: UnsafeBufferPointer<UInt8>, limits: HTTPLimits
    ) throws(HTTPFault) -> Progress {
        while scanned < head.count {
            let byte = head[scanned]
            scanned += 1
            guard scanned <= limits.headerBytes else {
                throw HTTPFault(431, "the headers exceed \(limits.headerBytes) bytes")
            }
            if try advance(over: byte, limits: limits) {
                return .complete(count: scanned, skipping: skipped)
            }
        }
        return .needsMore
    }

    /// Takes one byte; true if it ends the head.
    private mutating func advance(
        over byte: UInt8, limits: HTTPLimits
    ) throws(HTTPFault) -> Bool {
        switch state {
        case .value:
            if byte == 0x0d { state = .lineFeed } else { try checkText(byte) }
        case .name:
            if byte == 0x3a { state = .value } else { try checkName(byte) }
        case .start, .startLineFeed, .method, .target, .version:
            try advanceInRequestLine(over: byte, limits: limits)
        case .lineFeed:
            try require(byte, is: 0x0a)
            state = .lineStart
        case .lineStart:
            try startLine(with: byte, limits: limits)
        case .lastLineFeed:
            try require(byte, is: 0x0a)
            return true
        }
        return false
    }

    private mutating func advanceInRequestLine(
        over byte: UInt8, limits: HTTPLimits
    ) throws(HTTPFault) {
        switch state {
        case .start where byte == 0x0d:
            state = .startLineFeed
        case .startLineFeed:
            try require(byte, is: 0x0a)
            skipped += 2
            guard skipped <= Self.blankLines * 2 else {
                throw .badRequest("there are too many blank lines before the request")
            }
            state = .start
        case .start, .method:
            state = byte == 0x20 && methodLength > 0 ? .target : .method
            guard state == .method else { return }
            methodLength += 1
            guard byte.isTokenByte, methodLength <= Self.methodBytes else {
                throw .badRequest("the request does not begin with an HTTP method")
            }
        case .target:
            if byte == 0x20 { return state = .version }
            targetLength += 1
            guard targetLength <= limits.targetBytes else {
                throw HTTPFault(414, "the request target exceeds \(limits.targetBytes) bytes")
            }
            guard byte > 0x20, byte != 0x7f else {
                throw .badRequest("the request target holds a control character")
            }
        default:
            if byte == 0x0d { return state = .lineFeed }
            guard byte > 0x20, byte < 0x7f else {
                throw .badRequest("the request line does not end with an HTTP version")
            }
        }
    }

    private mutating func startLine(
        with byte: UInt8, limits: HTTPLimits
    ) throws(HTTPFault) {
        if byte == 0x0d { return state = .lastLineFeed }
        guard byte != 0x20, byte != 0x09 else {
            throw .badRequest("a header is folded over several lines")
        }
        try checkName(byte)
        state = .name
        fieldCount += 1
        guard fieldCount <= limits.headerCount else {
            throw HTTPFault(431, "there are more than \(limits.headerCount) headers")
        }
    }

    private func checkName(_ byte: UInt8) throws(HTTPFault) {
        guard byte.isTokenByte else {
            throw .badRequest("a header name holds a character that may not stand there")
        }
    }

    private func checkText(_ byte: UInt8) throws(HTTPFault) {
        guard byte >= 0x20 && byte != 0x7f || byte == 0x09 else {
            throw .badRequest("a header value holds a control character")
        }
    }

    private func require(_ byte: UInt8, is expected: UInt8) throws(HTTPFault) {
        guard byte == expected else {
            throw .badRequest("a carriage return is not followed by a line feed")
        }
    }
}
