// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// What a place of the manifest may hold: the untyped half of a ``Form``, from which `explain` and
/// the JSON Schema are made.
indirect enum Schema: Sendable {
    case scalar(ParameterType)
    case text(TextShape)
    /// One of two, as `auto` or a number.
    case either(Schema, Schema)
    case list(of: Schema)
    case mapping(MappingSchema)
    /// A mapping whose keys depend on which of these it has.
    case variants([MappingSchema])
    /// The type of a policy or the name of an instance; of one kind where a kind is given.
    case policy(PolicyKind?)
    /// The parameters that a policy declares.
    case parameters
}

/// A text of a fixed shape.
struct TextShape: Sendable {
    /// What it is, as `host:port`.
    let summary: String
    /// The shape as an ECMA 262 expression, which JSON Schema uses.
    let pattern: String
}

/// The keys of a mapping.
struct MappingSchema: Sendable {
    let keys: [KeySchema]

    subscript(name: String) -> KeySchema? { keys.first { $0.name == name } }
}

/// One key of a mapping.
struct KeySchema: Sendable {
    let name: String
    let documentation: String
    let schema: Schema
    var isRequired: Bool
    let defaultValue: ParameterValue?
    let example: String?
}

extension KeySchema {
    /// The key of a policy's parameter.
    init(_ declaration: ParameterDeclaration) {
        self.init(
            name: declaration.name, documentation: declaration.documentation,
            schema: .scalar(declaration.type), isRequired: false,
            defaultValue: declaration.defaultValue, example: nil)
    }
}

extension Schema {
    /// What it may hold, in words: `a whole number from 1 to 64`.
    var summary: String {
        switch self {
        case .scalar(let type): type.summary
        case .text(let shape): shape.summary
        case .either(let left, let right): "\(left.summary) or \(right.summary)"
        case .list: "a list"
        case .mapping, .variants, .parameters: "a mapping"
        case .policy(nil): "the type of a policy"
        case .policy(let kind?): "the name of an instance or the type of a \(kind.rawValue) policy"
        }
    }
}

extension ParameterType {
    /// What it may hold, in words.
    var summary: String {
        switch self {
        case .boolean: "true or false"
        case .integer(let range): "a whole number" + range.suffix()
        case .number(let range): "a number" + range.suffix()
        case .string: "a text"
        case .choice(let words): words.asAlternatives
        case .path: "a path"
        case .duration(let range): "a duration" + range.suffix()
        case .size(let range): "a size" + range.suffix()
        @unknown default: "a value"
        }
    }
}

extension Optional {
    fileprivate func suffix<Bound: ManifestWritten>() -> String
    where Wrapped == ClosedRange<Bound> {
        map { " " + $0.manifestText } ?? ""
    }
}
