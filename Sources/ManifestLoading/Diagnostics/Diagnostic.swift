// SPDX-License-Identifier: Apache-2.0

/// One fault of a file, told so that a reader knows where it is and what to change.
package struct Diagnostic: Sendable, Equatable {
    package enum Severity: String, Sendable, Encodable {
        case error
        case warning
        /// What a test expects does not hold.
        case failed
    }

    package var severity: Severity
    package var file: String
    /// `nil` where the fault is of the file as a whole.
    package var position: SourcePosition?
    /// The key that is at fault, as `spec.replicas.count`; empty for the whole document.
    package var path: String
    package var message: String
    /// What was probably meant.
    package var suggestion: String?
    /// The line at fault, without its line break.
    package var sourceLine: String?

    package init(
        _ message: String, in file: String, at position: SourcePosition? = nil, path: String = "",
        suggestion: String? = nil
    ) {
        self.severity = .error
        self.file = file
        self.position = position
        self.path = path
        self.message = message
        self.suggestion = suggestion
    }

    /// `file:line:column: error: … (did you mean 'x'?)`.
    package var headline: String {
        var text = file
        if let position { text += ":\(position.line):\(position.column)" }
        text += ": \(severity.rawValue): "
        if !path.isEmpty { text += "\(path): " }
        text += message
        if let suggestion { text += " (did you mean '\(suggestion)'?)" }
        return text
    }

    /// The headline, the line of the source and a caret under the fault.
    package var rendered: String {
        guard let sourceLine, let position else { return headline }
        let scalars = Array(sourceLine.unicodeScalars)
        let excerpt = Excerpt(of: scalars, around: position)
        return "\(headline)\n    \(excerpt.text)\n    \(excerpt.underline)"
    }
}

extension Diagnostic: CustomStringConvertible {
    package var description: String { rendered }
}

extension Diagnostic: Encodable {
    private enum CodingKeys: String, CodingKey {
        case severity, file, line, column, endColumn, path, message, suggestion
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(severity, forKey: .severity)
        try container.encode(file, forKey: .file)
        try container.encodeIfPresent(position?.line, forKey: .line)
        try container.encodeIfPresent(position?.column, forKey: .column)
        try container.encodeIfPresent(position?.endColumn, forKey: .endColumn)
        try container.encode(path, forKey: .path)
        try container.encode(message, forKey: .message)
        try container.encodeIfPresent(suggestion, forKey: .suggestion)
    }
}

/// The part of a source line that is shown, with what marks the fault in it.
private struct Excerpt {
    /// More of a line is not shown: a manifest may be one line of a megabyte.
    static let limit = 160

    let text: String
    let underline: String

    init(of line: [Unicode.Scalar], around position: SourcePosition) {
        let column = min(max(position.column - 1, 0), line.count)
        let start = column < Self.limit ? 0 : column - Self.limit / 2
        let shown = line[start..<min(line.count, start + Self.limit)]
        text = String(String.UnicodeScalarView(shown.map(Self.printable)))
        let end = min(max(position.endColumn ?? 0, column + 2) - 1, start + shown.count)
        let indent = line[start..<column].map { $0 == "\t" ? "\t" : " " }.joined()
        underline = indent + "^" + String(repeating: "~", count: max(end - column - 1, 0))
    }

    private static func printable(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        let isControl = scalar.properties.generalCategory == .control
        return isControl && scalar != "\t" ? "\u{FFFD}" : scalar
    }
}
