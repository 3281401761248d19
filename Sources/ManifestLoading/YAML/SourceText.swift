// SPDX-License-Identifier: Apache-2.0

/// The text of a file, its name, and where its lines begin.
struct SourceText: Sendable {
    /// The name that diagnostics show.
    let file: String
    /// UTF-8 without a byte order mark.
    let bytes: [UInt8]
    private let lineStarts: [Int]

    /// Larger files are refused.
    static let maximumBytes = 1 << 20

    /// Checks size, encoding and characters; `fault` is set to the first fault, with which the text
    /// is fit only for showing lines.
    init(_ contents: [UInt8], file: String, fault: inout SyntaxFault?) {
        self.file = file
        guard contents.count <= Self.maximumBytes else {
            fault = SyntaxFault("the file is larger than \(Self.maximumBytes) bytes", at: nil)
            (bytes, lineStarts) = ([], [0])
            return
        }
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        bytes = contents.starts(with: mark) ? Array(contents.dropFirst(mark.count)) : contents
        var scan = CharacterScan()
        scan.run(over: bytes)
        lineStarts = scan.lineStarts
        fault = scan.fault
    }

    /// The text of line `number`, counted from 1, without its line break.
    func line(_ number: Int) -> String? {
        guard lineStarts.indices.contains(number - 1) else { return nil }
        let start = lineStarts[number - 1]
        let end = number < lineStarts.count ? lineStarts[number] : bytes.count
        var scalars = String(decoding: bytes[start..<end], as: UTF8.self).unicodeScalars
        while let last = scalars.last, CharacterScan.isBreak(last) { scalars.removeLast() }
        return String(scalars)
    }

    /// The character at `position`.
    func scalar(at position: SourcePosition) -> Unicode.Scalar? {
        guard let scalars = line(position.line)?.unicodeScalars else { return nil }
        return scalars.dropFirst(position.column - 1).first
    }
}

/// One pass over the bytes, which finds line starts as libyaml counts them and what YAML forbids.
private struct CharacterScan {
    private(set) var lineStarts = [0]
    private(set) var fault: SyntaxFault?
    private var column = 1
    private var previousIsReturn = false

    mutating func run(over bytes: [UInt8]) {
        var parser = Unicode.UTF8.ForwardParser()
        var input = bytes.makeIterator()
        var offset = 0
        while true {
            switch parser.parseScalar(from: &input) {
            case .emptyInput: return
            case .error(let length):
                report("the text is not UTF-8")
                offset += length
                column += 1
                previousIsReturn = false
            case .valid(let encoded):
                offset += encoded.count
                take(Unicode.UTF8.decode(encoded), endingAt: offset)
            }
        }
    }

    private mutating func take(_ scalar: Unicode.Scalar, endingAt offset: Int) {
        if scalar == "\n", previousIsReturn {
            lineStarts[lineStarts.count - 1] = offset
        } else if Self.isBreak(scalar) {
            lineStarts.append(offset)
            column = 1
        } else {
            if !Self.isPrintable(scalar) {
                let code = String(scalar.value, radix: 16, uppercase: true)
                let padding = String(repeating: "0", count: max(4 - code.count, 0))
                report("the character U+\(padding)\(code) is not allowed in YAML")
            }
            column += 1
        }
        previousIsReturn = scalar == "\r"
    }

    private mutating func report(_ message: String) {
        guard fault == nil else { return }
        fault = SyntaxFault(message, at: SourcePosition(line: lineStarts.count, column: column))
    }

    static func isBreak(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x0A, 0x0D, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    /// YAML 1.1, production `c-printable` (yaml.org/spec/1.1/#id868524).
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x20...0x7E, 0xA0...0xD7FF, 0xE000...0xFEFE, 0xFF00...0xFFFD,
            0x10000...0x10FFFF:
            true
        default: false
        }
    }
}
