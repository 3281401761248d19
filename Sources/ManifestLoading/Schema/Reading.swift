// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Spelling

/// One reading of a document against its schema: what it needs to know, and the faults it found.
struct Reading {
    /// More faults than these are not kept.
    static let maximumFaults = 1000

    let file: String
    /// The absolute path that relative paths start from.
    let directory: String
    let policies: [KnownPolicy]
    private(set) var diagnostics: [Diagnostic] = []

    init(file: String, directory: String, policies: [KnownPolicy]) {
        self.file = file
        self.directory = directory
        self.policies = policies
    }

    mutating func report(
        _ message: String, at position: SourcePosition?, path: String, suggestion: String? = nil
    ) {
        guard diagnostics.count < Self.maximumFaults else { return }
        diagnostics.append(
            Diagnostic(message, in: file, at: position, path: path, suggestion: suggestion))
    }

    mutating func warn(_ message: String, at position: SourcePosition?, path: String) {
        report(message, at: position, path: path)
        if let last = diagnostics.indices.last { diagnostics[last].severity = .warning }
    }

    /// Whether a fault of the value at `path` has been reported.
    func hasFault(at path: String) -> Bool {
        diagnostics.contains { $0.path == path }
    }

    /// `path` as an absolute one, as the file system will resolve it.
    func absolute(_ path: String) -> String {
        let whole = path.hasPrefix("/") ? path : "\(directory)/\(path)"
        let parts = whole.split(separator: "/").filter { $0 != "." }
        return "/" + parts.joined(separator: "/")
    }
}

/// A value in the document together with the way that leads to it.
struct Place {
    let node: Node
    /// As `spec.plugins.instances[1].name`.
    let path: String
    /// Where the key stands whose value this is.
    let key: SourcePosition?

    /// Where a fault of the place as a whole is shown.
    var position: SourcePosition { key ?? node.position }

    func child(_ entry: Node.Entry) -> Place {
        Place(
            node: entry.value, path: path(of: entry.key), key: entry.keyPosition)
    }

    func item(_ index: Int, _ node: Node) -> Place {
        Place(node: node, path: "\(path)[\(index)]", key: nil)
    }

    func path(of key: String) -> String {
        path.isEmpty ? key.excerpt : "\(path).\(key.excerpt)"
    }

    /// The place of the value of `key`.
    subscript(key: String) -> Place? {
        guard case .mapping(let entries) = node.content else { return nil }
        return entries.first { $0.key == key }.map(child)
    }

    /// The scalar here; where there is none that is reported.
    func scalar(expecting schema: Schema, _ reading: inout Reading) -> Node.Scalar? {
        if case .scalar(let scalar) = node.content, !scalar.isNull { return scalar }
        reportMismatch(with: schema, &reading)
        return nil
    }

    func items(_ reading: inout Reading) -> [Place]? {
        if case .list(let nodes) = node.content {
            return nodes.enumerated().map { item($0.offset, $0.element) }
        }
        reportMismatch(with: .list(of: .parameters), &reading)
        return nil
    }

    func entries(_ reading: inout Reading) -> [Node.Entry]? {
        if case .mapping(let entries) = node.content { return entries }
        reportMismatch(with: .mapping(MappingSchema(keys: [])), &reading)
        return nil
    }

    private func reportMismatch(with schema: Schema, _ reading: inout Reading) {
        if case .faulty = node.content { return }
        if case .scalar(let scalar) = node.content, scalar.isNull {
            let message = "has no value; give it \(schema.summary) or remove it"
            reading.report(message, at: position, path: path)
        } else {
            reading.report(
                "expected \(schema.summary), found \(node.summary)", at: node.position, path: path)
        }
    }

    func report(_ fault: ValueFault, _ reading: inout Reading) {
        reading.report(
            fault.message, at: node.position, path: path, suggestion: fault.suggestion)
    }

    /// Reports a key that is not among `known`.
    func reportUnknown(_ entry: Node.Entry, known: [String], _ reading: inout Reading) {
        let suggestion = nearestName(to: entry.key, among: known)
        var message = "unknown key '\(entry.key.excerpt)'"
        if suggestion == nil {
            message += known.isEmpty ? "; it takes none" : "; known: \(known.listed)"
        }
        reading.report(message, at: entry.keyPosition, path: path, suggestion: suggestion)
    }
}

extension [String] {
    /// `a, b, c`, of at most twenty.
    var listed: String {
        prefix(20).joined(separator: ", ") + (count > 20 ? " and \(count - 20) more" : "")
    }
}
