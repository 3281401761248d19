// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Spelling

/// A mapping of the manifest: the one declaration of its keys.
///
/// The defaults are those of `initial`, so a key is written here once and its default once, on the
/// stored property.
struct Section<Root: Sendable>: Sendable {
    let fields: [Field<Root>]
    let initial: Root
    /// What single keys cannot say; it runs also when keys were faulty.
    let rule: @Sendable (inout Root, Place, inout Reading) -> Void

    init(
        _ initial: Root, _ fields: [Field<Root>],
        rule: @escaping @Sendable (inout Root, Place, inout Reading) -> Void = { _, _, _ in }
    ) {
        self.initial = initial
        self.fields = fields
        self.rule = rule
    }

    var schema: MappingSchema {
        MappingSchema(keys: fields.map { $0.schema(default: $0.defaultValue(initial)) })
    }

    /// Reads what can be read; faults are reported and leave the default.
    func read(_ place: Place, _ reading: inout Reading) -> Root? {
        guard let entries = place.entries(&reading) else { return nil }
        var root = initial
        for entry in entries {
            if let field = fields.first(where: { $0.key == entry.key }) {
                field.assign(&root, place.child(entry), &reading)
            } else {
                place.reportUnknown(entry, known: fields.map(\.key), &reading)
            }
        }
        for field in fields where field.isRequired && place[field.key] == nil {
            let example = field.example.map { ", as \(field.key): \($0)" } ?? ""
            reading.report(
                "missing key '\(field.key)'\(example)", at: place.position, path: place.path)
        }
        rule(&root, place, &reading)
        return root
    }
}

/// One key of a section: its name, form and meaning, and which property takes its value.
struct Field<Root: Sendable>: Sendable {
    let key: String
    let documentation: String
    private(set) var isRequired = false
    private(set) var example: String?
    private let form: Schema
    let defaultValue: @Sendable (Root) -> ParameterValue?
    let assign: @Sendable (inout Root, Place, inout Reading) -> Void

    init<Value>(
        _ key: String, _ form: Form<Value>, _ documentation: String,
        default defaultValue: @escaping @Sendable (Root) -> ParameterValue? = { _ in nil },
        set: @escaping @Sendable (inout Root, Value, SourcePosition) -> Void
    ) {
        self.key = key
        self.documentation = documentation
        self.form = form.schema
        self.defaultValue = defaultValue
        assign = { root, place, reading in
            guard let value = form.read(place, &reading) else { return }
            set(&root, value, place.node.position)
        }
    }

    /// A leaf with a default.
    init<Value: Equatable>(
        _ key: String, _ property: any WritableKeyPath<Root, Located<Value>> & Sendable,
        _ form: Form<Value>, _ documentation: String
    ) {
        self.init(
            key, form, documentation, default: { form.express($0[keyPath: property].value) },
            set: { $0[keyPath: property] = Located($1, at: $2) })
    }

    /// A leaf that may be left out.
    init<Value: Equatable>(
        _ key: String, _ property: any WritableKeyPath<Root, Located<Value>?> & Sendable,
        _ form: Form<Value>, _ documentation: String
    ) {
        self.init(
            key, form, documentation,
            set: { $0[keyPath: property] = Located($1, at: $2) })
    }

    /// A section or a list.
    init<Value>(
        _ key: String, _ property: any WritableKeyPath<Root, Value> & Sendable,
        _ form: Form<Value>, _ documentation: String
    ) {
        self.init(
            key, form, documentation, set: { root, value, _ in root[keyPath: property] = value })
    }

    /// A section that may be left out.
    init<Value>(
        _ key: String, _ property: any WritableKeyPath<Root, Value?> & Sendable,
        _ form: Form<Value>, _ documentation: String
    ) {
        self.init(
            key, form, documentation, set: { root, value, _ in root[keyPath: property] = value })
    }

    /// The same key, which may not be left out.
    func required(example: String? = nil) -> Field {
        var field = self
        field.isRequired = true
        field.example = example
        return field
    }

    /// The same key with an example, where the default is none.
    func example(_ example: String) -> Field {
        var field = self
        field.example = example
        return field
    }

    func schema(default defaultValue: ParameterValue?) -> KeySchema {
        KeySchema(
            name: key, documentation: documentation, schema: form, isRequired: isRequired,
            defaultValue: isRequired ? nil : defaultValue, example: example)
    }
}

extension Form {
    static func section(_ section: Section<Value>) -> Form {
        Form(schema: .mapping(section.schema), read: section.read)
    }

    /// A mapping that is one of several, told apart by the keys that only one of them has.
    static func variants(_ sections: [Section<Value>]) -> Form {
        let schemas = sections.map(\.schema)
        let names = schemas.map { $0.keys.map(\.name) }
        let telling = names.indices.map { index in
            names[index].filter { name in
                !names.indices.contains { $0 != index && names[$0].contains(name) }
            }
        }
        return Form(schema: .variants(schemas)) { place, reading in
            guard let entries = place.entries(&reading) else { return nil }
            let present = telling.map { keys in entries.first { keys.contains($0.key) } }
            let chosen = present.indices.filter { present[$0] != nil }
            if chosen.count == 1 { return sections[chosen[0]].read(place, &reading) }
            place.reportChoice(chosen.compactMap { present[$0] }, among: names, &reading)
            return nil
        }
    }
}

extension Place {
    /// Reports that a mapping is none or several of its variants.
    fileprivate func reportChoice(
        _ chosen: [Node.Entry], among variants: [[String]], _ reading: inout Reading
    ) {
        if chosen.count > 1 {
            let later = chosen.max { $0.keyPosition < $1.keyPosition } ?? chosen[1]
            let others = chosen.map(\.key).filter { $0 != later.key }
            let message = "'\(later.key)' excludes '\(others[0])'; keep one of them"
            reading.report(message, at: later.keyPosition, path: path)
            return
        }
        guard let entries = entries(&reading) else { return }
        let known = variants.flatMap { $0 }.reduce(into: [String]()) { names, name in
            if !names.contains(name) { names.append(name) }
        }
        let unknown = entries.filter { !known.contains($0.key) }
        for entry in unknown { reportUnknown(entry, known: known, &reading) }
        if !unknown.contains(where: { nearestName(to: $0.key, among: known) != nil }) {
            let message = "expected one of the keys \(variants.compactMap(\.first).asAlternatives)"
            reading.report(message, at: position, path: path)
        }
    }
}
