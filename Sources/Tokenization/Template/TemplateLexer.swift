// SPDX-License-Identifier: Apache-2.0

/// One token of a template.
struct TemplateToken: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case text(String)
        case blockBegin, blockEnd
        case outputBegin, outputEnd
        case name(String)
        case string(String)
        case integer(Int)
        case float(Double)
        /// An operator or a bracket.
        case symbol(String)
        case end
    }

    let kind: Kind
    let position: TemplatePosition
}

/// Cuts a template into tokens as Jinja's lexer does with `trim_blocks` and `lstrip_blocks`.
///
/// Source: `jinja2/lexer.py` 3.1, `Lexer.tokeniter`.
struct TemplateLexer {
    let source: [UInt8]
    var index = 0
    var tokens: [TemplateToken] = []
    /// Open brackets of the current tag.
    var brackets: [UInt8] = []
    private var lineStarts: [Int]

    static func tokens(of source: String) throws(TokenizationError) -> [TemplateToken] {
        var lexer = TemplateLexer(source: normalized(source))
        try lexer.run()
        return lexer.tokens
    }

    private init(source: [UInt8]) {
        self.source = source
        lineStarts = [0] + source.indices.filter { source[$0] == 0x0A }.map { $0 + 1 }
    }

    /// All line ends as LF, and one at the end of the source dropped.
    private static func normalized(_ source: String) -> [UInt8] {
        var result: [UInt8] = []
        let bytes = Array(source.utf8)
        result.reserveCapacity(bytes.count)
        for (index, byte) in bytes.enumerated() {
            if byte == 0x0D {
                result.append(0x0A)
            } else if byte != 0x0A || index == 0 || bytes[index - 1] != 0x0D {
                result.append(byte)
            }
        }
        if result.last == 0x0A { result.removeLast() }
        return result
    }

    func position(_ index: Int) -> TemplatePosition {
        var low = 0
        var high = lineStarts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= index { low = middle } else { high = middle }
        }
        return TemplatePosition(line: low + 1, column: index - lineStarts[low] + 1)
    }

    func failure(_ message: String, at index: Int? = nil) -> TokenizationError {
        TemplateParser.error(.malformedTemplate, message, position(index ?? self.index))
    }

    mutating func add(_ kind: TemplateToken.Kind, at index: Int) {
        tokens.append(TemplateToken(kind: kind, position: position(index)))
    }

    func isNext(_ text: StaticString, at index: Int) -> Bool {
        let count = text.utf8CodeUnitCount
        guard source.count - index >= count else { return false }
        for offset in 0..<count where source[index + offset] != text.utf8Start[offset] {
            return false
        }
        return true
    }

    private mutating func run() throws(TokenizationError) {
        while index < source.count {
            guard let tag = nextTag(from: index) else {
                addText(index..<source.count)
                break
            }
            try self.tag(at: tag)
        }
        add(.end, at: source.count)
    }

    private func nextTag(from start: Int) -> Int? {
        var index = start
        while index + 1 < source.count {
            if source[index] == UInt8(ascii: "{") {
                let next = source[index + 1]
                if next == UInt8(ascii: "%") || next == UInt8(ascii: "{")
                    || next == UInt8(ascii: "#")
                {
                    return index
                }
            }
            index += 1
        }
        return nil
    }

    private mutating func addText(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        add(.text(String(decoding: source[range], as: UTF8.self)), at: range.lowerBound)
    }

    /// Text up to the tag at `start`, then the tag.
    private mutating func tag(at start: Int) throws(TokenizationError) {
        let kind = source[start + 1]
        var after = start + 2
        var sign: UInt8 = 0
        if after < source.count,
            source[after] == UInt8(ascii: "-") || source[after] == UInt8(ascii: "+")
        {
            sign = source[after]
            after += 1
        }
        let isOutput = kind == UInt8(ascii: "{")
        addText(index..<textEnd(index..<start, sign: sign, isOutput: isOutput))
        index = after
        if kind == UInt8(ascii: "#") {
            try comment(from: start)
        } else if isOutput {
            add(.outputBegin, at: start)
            try inside(endsOutput: true, from: start)
        } else if let end = endOfRawTag(from: after) {
            index = end
            try raw(from: start)
        } else {
            add(.blockBegin, at: start)
            try inside(endsOutput: false, from: start)
        }
    }

    /// Where the text before a tag ends, by the tag's sign and `lstrip_blocks`.
    private func textEnd(_ range: Range<Int>, sign: UInt8, isOutput: Bool) -> Int {
        if sign == UInt8(ascii: "-") {
            return PythonText.endWithoutSpace(source, range)
        }
        guard sign != UInt8(ascii: "+"), !isOutput else { return range.upperBound }
        let line = source[range].lastIndex(of: 0x0A).map { $0 + 1 } ?? range.lowerBound
        let startsLine =
            line > range.lowerBound || line == 0 || source[line - 1] == 0x0A
        guard startsLine,
            PythonText.endWithoutSpace(source, line..<range.upperBound) == line
        else { return range.upperBound }
        return line
    }

    func skipSpace(from start: Int) -> Int {
        PythonText.startWithoutSpace(source, start..<source.count)
    }

    /// Where a block ends whose closing `#}` or `%}` is at `close`, by the sign before it.
    private func afterClosing(_ close: Int, sign: UInt8?) -> Int {
        let end = close + 2
        if sign == UInt8(ascii: "-") { return skipSpace(from: end) }
        if sign == UInt8(ascii: "+") { return end }
        return end < source.count && source[end] == 0x0A ? end + 1 : end
    }

    private mutating func comment(from start: Int) throws(TokenizationError) {
        var close = index
        while close < source.count, !isNext("#}", at: close) { close += 1 }
        guard close < source.count else { throw failure("the comment is not closed", at: start) }
        let sign = close > index ? source[close - 1] : nil
        index = afterClosing(close, sign: sign)
    }

    /// Where the tag `{% raw %}` whose name may start at `start` ends, if it is one.
    private func endOfRawTag(from start: Int) -> Int? {
        var index = skipSpace(from: start)
        guard isNext("raw", at: index) else { return nil }
        index = skipSpace(from: index + 3)
        if isNext("-%}", at: index) { return skipSpace(from: index + 3) }
        return isNext("%}", at: index) ? index + 2 : nil
    }

    private mutating func raw(from start: Int) throws(TokenizationError) {
        var tag = index
        while tag < source.count {
            if isNext("{%", at: tag), let (sign, end) = endOfEndrawTag(from: tag + 2) {
                addText(index..<textEnd(index..<tag, sign: sign, isOutput: false))
                index = end
                return
            }
            tag += 1
        }
        throw failure("the raw block is not closed", at: start)
    }

    private func endOfEndrawTag(from start: Int) -> (sign: UInt8, end: Int)? {
        var index = start
        var sign: UInt8 = 0
        if isNext("-", at: index) || isNext("+", at: index) {
            sign = source[index]
            index += 1
        }
        index = skipSpace(from: index)
        guard isNext("endraw", at: index) else { return nil }
        index = skipSpace(from: index + 6)
        if isNext("-%}", at: index) || isNext("+%}", at: index) {
            return (sign, afterClosing(index + 1, sign: source[index]))
        }
        return isNext("%}", at: index) ? (sign, afterClosing(index, sign: nil)) : nil
    }

    // MARK: - Tags

    private mutating func inside(
        endsOutput: Bool, from start: Int
    ) throws(TokenizationError) {
        brackets = []
        while index < source.count {
            if brackets.isEmpty, endTag(endsOutput) { return }
            let next = skipSpace(from: index)
            if next > index { index = next } else { try token() }
        }
        throw failure("the tag is not closed", at: start)
    }

    private mutating func endTag(_ endsOutput: Bool) -> Bool {
        let start = index
        let sign = source[index]
        let isSigned = sign == UInt8(ascii: "-") || (sign == UInt8(ascii: "+") && !endsOutput)
        let close = isSigned ? index + 1 : index
        guard endsOutput ? isNext("}}", at: close) : isNext("%}", at: close) else { return false }
        if endsOutput {
            index = isSigned ? skipSpace(from: close + 2) : close + 2
        } else {
            index = afterClosing(close, sign: isSigned ? sign : nil)
        }
        add(endsOutput ? .outputEnd : .blockEnd, at: start)
        return true
    }
}
