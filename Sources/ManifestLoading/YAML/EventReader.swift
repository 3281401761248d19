// SPDX-License-Identifier: Apache-2.0

import CLibYAML

/// Why a text is not a YAML document that can be read.
struct SyntaxFault: Error, Equatable {
    let message: String
    /// `nil` where the fault is of the file as a whole.
    let position: SourcePosition?
    let path: String

    init(_ message: String, at position: SourcePosition?, path: String = "") {
        self.message = message
        self.position = position
        self.path = path
    }
}

/// What libyaml finds next in a document.
struct Event {
    enum Kind {
        case documentStart, documentEnd, streamEnd
        case scalar(text: String, isPlain: Bool)
        case listStart, listEnd
        case mappingStart, mappingEnd
        case alias(String)
        /// Carries nothing: the start of the stream.
        case other
    }

    let kind: Kind
    let anchor: String?
    let tag: String?
    let position: SourcePosition
}

/// Owns a libyaml parser and the bytes it reads, and turns its events into values.
struct EventReader: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    init(_ source: [UInt8]) throws(SyntaxFault) {
        // libyaml keeps the address of its parser and of its input.
        parser = .allocate(capacity: 1)
        bytes = .allocate(capacity: max(source.count, 1))
        _ = bytes.initialize(from: source)
        parser.initialize(to: yaml_parser_t())
        guard yaml_parser_initialize(parser) == 1 else {
            throw SyntaxFault("there is no memory to read the file", at: nil)
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, source.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        bytes.deallocate()
    }

    /// - Throws: where the text is not YAML; nothing can be read after that.
    mutating func next() throws(SyntaxFault) -> Event {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw fault() }
        defer { yaml_event_delete(&event) }
        return Event(event)
    }

    private func fault() -> SyntaxFault {
        guard let problem = parser.pointee.problem else {
            return SyntaxFault("the file cannot be read as YAML", at: nil)
        }
        var message = String(cString: problem)
        if let context = parser.pointee.context {
            let line = parser.pointee.context_mark.line + 1
            message += " \(String(cString: context)) that starts at line \(line)"
        }
        let mark = parser.pointee.problem_mark
        return SyntaxFault(message, at: SourcePosition(start: mark, end: mark))
    }
}

extension Event {
    init(_ event: yaml_event_t) {
        var (anchor, tag): (UnsafeMutablePointer<yaml_char_t>?, UnsafeMutablePointer<yaml_char_t>?)
        switch event.type {
        case YAML_DOCUMENT_START_EVENT: kind = .documentStart
        case YAML_DOCUMENT_END_EVENT: kind = .documentEnd
        case YAML_STREAM_END_EVENT: kind = .streamEnd
        case YAML_SEQUENCE_END_EVENT: kind = .listEnd
        case YAML_MAPPING_END_EVENT: kind = .mappingEnd
        case YAML_ALIAS_EVENT: kind = .alias(Self.text(event.data.alias.anchor) ?? "")
        case YAML_SEQUENCE_START_EVENT:
            kind = .listStart
            (anchor, tag) = (event.data.sequence_start.anchor, event.data.sequence_start.tag)
        case YAML_MAPPING_START_EVENT:
            kind = .mappingStart
            (anchor, tag) = (event.data.mapping_start.anchor, event.data.mapping_start.tag)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let value = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            kind = .scalar(
                text: String(decoding: value, as: UTF8.self),
                isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
            (anchor, tag) = (scalar.anchor, scalar.tag)
        default: kind = .other
        }
        self.anchor = Self.text(anchor)
        self.tag = Self.text(tag)
        position = SourcePosition(start: event.start_mark, end: event.end_mark)
    }

    private static func text(_ bytes: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        bytes.map { String(cString: $0) }
    }
}

extension SourcePosition {
    init(start: yaml_mark_t, end: yaml_mark_t) {
        let endsOnLine = end.line == start.line && end.column > start.column
        self.init(
            line: start.line + 1, column: start.column + 1,
            endColumn: endsOnLine ? end.column + 1 : nil)
    }
}
