// SPDX-License-Identifier: Apache-2.0

/// Builds the tree of a document from events, within limits.
///
/// Faults that leave the rest readable are collected; the others end the reading.
struct TreeBuilder {
    /// How many values a document may have with its aliases expanded.
    static let maximumValues = 100_000
    /// How deep a document may nest.
    static let maximumDepth = 64

    private(set) var root: Node?
    /// The documents of the file, where it may have several.
    private(set) var roots: [Node] = []
    private(set) var faults: [SyntaxFault] = []
    private var frames: [Frame] = []
    private var anchors: [String: Node] = [:]
    private var valueCount = 0
    private var expansion: EnvironmentExpansion
    private let documents: Int

    /// `documents` is how many a file may have.
    init(environment: [String: String], documents: Int = 1) {
        self.documents = documents
        expansion = EnvironmentExpansion(environment: environment)
    }

    private struct Frame {
        var items: [Node] = []
        var entries: [Node.Entry] = []
        /// The keys so far; `nil` in a list.
        var keys: [String: SourcePosition]?
        var pendingKey: PendingKey?
        let start: Event
        let path: String

        /// The path of the value that comes next.
        var nextPath: String {
            guard keys != nil else { return "\(path)[\(items.count)]" }
            guard let pendingKey else { return path }
            return path.isEmpty ? pendingKey.text.excerpt : "\(path).\(pendingKey.text.excerpt)"
        }
    }

    private struct PendingKey {
        let text: String
        let position: SourcePosition
        /// A key whose value is read and dropped, since a fault of the key has been reported.
        let isDropped: Bool
    }

    /// Takes all events of `reader`.
    mutating func build(from reader: inout EventReader) throws(SyntaxFault) {
        while true {
            let event = try reader.next()
            switch event.kind {
            case .streamEnd: return
            case .documentStart where roots.count >= documents:
                let message =
                    documents == 1
                    ? "a file holds one manifest; put this one into its own"
                    : "a file holds at most \(documents) documents"
                throw SyntaxFault(message, at: event.position)
            case .documentEnd:
                if let root { roots.append(root) }
                anchors = [:]
            case .documentStart, .other: break
            case .scalar, .alias, .listStart, .mappingStart: try open(event)
            case .listEnd, .mappingEnd: try close(event)
            }
        }
    }

    private var nextPath: String { frames.last?.nextPath ?? "" }

    /// Whether the next value is a key.
    private var expectsKey: Bool {
        guard let frame = frames.last, frame.keys != nil else { return false }
        return frame.pendingKey == nil
    }

    private mutating func open(_ event: Event) throws(SyntaxFault) {
        switch event.kind {
        case .scalar(let text, let isPlain):
            if expectsKey {
                try takeKey(text, isPlain: isPlain, event)
            } else {
                try add(scalar(text, isPlain: isPlain, event))
            }
        case .alias(let name):
            if expectsKey { throw keyFault(event) }
            try add(alias(name, event))
        case .listStart, .mappingStart:
            if expectsKey { throw keyFault(event) }
            try checkDepth(1, event)
            var frame = Frame(start: event, path: nextPath)
            if case .mappingStart = event.kind { frame.keys = [:] }
            frames.append(frame)
        default: break
        }
    }

    private mutating func close(_ event: Event) throws(SyntaxFault) {
        guard let frame = frames.popLast() else { return }
        let isMapping = frame.keys != nil
        let isTagged = ![nil, isMapping ? "map" : "seq"].contains(coreTag(frame.start))
        if isTagged { reportTag(frame.start) }
        let content: Node.Content =
            isTagged ? .faulty : isMapping ? .mapping(frame.entries) : .list(frame.items)
        var position = frame.start.position
        position.endColumn = nil
        let node = Node(content, at: position)
        if let anchor = frame.start.anchor { anchors[anchor] = node }
        try add(node, isCounted: false)
    }

    /// Hands a finished value to what it stands in.
    private mutating func add(_ node: Node, isCounted: Bool = true) throws(SyntaxFault) {
        valueCount += isCounted ? node.count : 1
        guard valueCount <= Self.maximumValues else {
            throw SyntaxFault(
                "the document has more than \(Self.maximumValues) values, aliases expanded",
                at: node.position, path: nextPath)
        }
        guard var frame = frames.popLast() else {
            root = node
            return
        }
        if frame.keys == nil {
            frame.items.append(node)
        } else if let key = frame.pendingKey {
            if !key.isDropped {
                frame.entries.append(
                    Node.Entry(key: key.text, keyPosition: key.position, value: node))
            }
            frame.pendingKey = nil
        }
        frames.append(frame)
    }

    private func checkDepth(_ height: Int, _ event: Event) throws(SyntaxFault) {
        guard frames.count + height <= Self.maximumDepth else {
            throw SyntaxFault(
                "the document nests deeper than \(Self.maximumDepth) levels", at: event.position)
        }
    }
}

extension TreeBuilder {
    private func keyFault(_ event: Event) -> SyntaxFault {
        SyntaxFault("a key is a plain word", at: event.position, path: nextPath)
    }

    private mutating func takeKey(
        _ text: String, isPlain: Bool, _ event: Event
    ) throws(SyntaxFault) {
        guard let last = frames.indices.last else { return }
        var isDropped = true
        if text == "<<", isPlain {
            faults.append(
                SyntaxFault(
                    "merge keys are not supported; write the keys out", at: event.position,
                    path: frames[last].path))
        } else if let first = frames[last].keys?[text] {
            faults.append(
                SyntaxFault(
                    "duplicate key '\(text.excerpt)', first at line \(first.line)",
                    at: event.position, path: frames[last].path))
        } else {
            frames[last].keys?[text] = event.position
            isDropped = false
        }
        frames[last].pendingKey = PendingKey(
            text: text, position: event.position, isDropped: isDropped)
    }

    private mutating func scalar(_ text: String, isPlain: Bool, _ event: Event) -> Node {
        let tag = coreTag(event)
        var content = Node.Content.faulty
        if ![nil, "str", "int", "float", "bool", "null"].contains(tag) {
            reportTag(event)
        } else {
            do {
                let expanded = try expansion.expand(text)
                let isQuoted = tag == "str" || (tag == nil && !isPlain && expanded == nil)
                content = .scalar(Node.Scalar(text: expanded ?? text, isQuoted: isQuoted))
            } catch {
                // Only in a plain scalar on one line does the offset say the column.
                var position = event.position
                if isPlain, position.endColumn != nil { position.column += error.offset }
                faults.append(SyntaxFault(error.message, at: position, path: nextPath))
            }
        }
        let node = Node(content, at: event.position)
        if let anchor = event.anchor { anchors[anchor] = node }
        return node
    }

    private mutating func alias(_ name: String, _ event: Event) throws(SyntaxFault) -> Node {
        guard let node = anchors[name] else {
            let isOpen = frames.contains { $0.start.anchor == name }
            faults.append(
                SyntaxFault(
                    isOpen ? "'*\(name)' stands inside itself" : "there is no anchor '&\(name)'",
                    at: event.position, path: nextPath))
            return Node(.faulty, at: event.position)
        }
        try checkDepth(node.height, event)
        return node
    }

    /// The name of a tag of the core schema; `nil` without a tag, `""` for any other.
    private func coreTag(_ event: Event) -> String? {
        guard let tag = event.tag else { return nil }
        let prefix = "tag:yaml.org,2002:"
        return tag.hasPrefix(prefix) ? String(tag.dropFirst(prefix.count)) : ""
    }

    private mutating func reportTag(_ event: Event) {
        let tag = (event.tag ?? "").excerpt
        faults.append(
            SyntaxFault(
                "the tag '\(tag)' does not belong here; remove it", at: event.position,
                path: nextPath))
    }
}
