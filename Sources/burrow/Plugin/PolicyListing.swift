// SPDX-License-Identifier: Apache-2.0

import PluginLoading
import PolicyKit

/// A policy as programs read it.
struct PolicyListing: Codable, Equatable {
    struct Parameter: Codable, Equatable {
        let name: String
        /// `boolean`, `integer`, `number`, `string`, `choice`, `path`, `duration` or `size`.
        let type: String
        let documentation: String
        /// As a manifest writes it, and so are the ends of the range.
        let defaultValue: String
        let minimum: String?
        let maximum: String?
        let choices: [String]?
    }

    let kind: String
    let type: String
    let version: String
    let summary: String
    /// Where it comes from; absent in what is written beside a library.
    let origin: String?
    let parameters: [Parameter]

    init(_ policy: PolicyDescription) {
        kind = policy.kind.rawValue
        type = policy.type
        version = policy.version
        summary = policy.summary
        origin = policy.origin.description
        parameters = policy.parameters.map(Parameter.init(_:))
    }

    /// What the policy says of itself.
    init(policy: any Policy.Type) {
        let descriptor = policy.descriptor
        kind = policy.kind.rawValue
        type = descriptor.type
        version = descriptor.version
        summary = descriptor.summary
        origin = nil
        parameters = Self.declarations(of: policy).map(Parameter.init(_:))
    }

    private static func declarations<Opened: Policy>(
        of policy: Opened.Type
    ) -> [ParameterDeclaration] {
        Opened.Parameters.declarations
    }

    /// As people read it: a line for the policy, and one for each parameter.
    var lines: [String] {
        ["\(type) \(version) (\(kind)): \(summary)"]
            + parameters.map { "  \($0.name): \($0.expectation); \($0.documentation)" }
    }
}

extension PolicyListing.Parameter {
    init(_ declaration: ParameterDeclaration) {
        name = declaration.name
        documentation = declaration.documentation
        defaultValue = declaration.defaultValue.spelling
        var range: (ParameterValue, ParameterValue)?
        var words: [String]?
        switch declaration.type {
        case .boolean: type = "boolean"
        case .integer(let ends):
            type = "integer"
            range = ends.map { (.integer($0.lowerBound), .integer($0.upperBound)) }
        case .number(let ends):
            type = "number"
            range = ends.map { (.number($0.lowerBound), .number($0.upperBound)) }
        case .string: type = "string"
        case .choice(let choices):
            type = "choice"
            words = choices
        case .path: type = "path"
        case .duration(let ends):
            type = "duration"
            range = ends.map { (.duration($0.lowerBound), .duration($0.upperBound)) }
        case .size(let ends):
            type = "size"
            range = ends.map { (.size($0.lowerBound), .size($0.upperBound)) }
        @unknown default: type = "unknown"
        }
        minimum = range?.0.spelling
        maximum = range?.1.spelling
        choices = words
    }

    /// What a manifest may write, and what holds where it does not.
    fileprivate var expectation: String {
        var text = type
        if let minimum, let maximum { text += " from \(minimum) to \(maximum)" }
        if let choices { text += " of \(choices.joined(separator: ", "))" }
        return "\(text), by default \(defaultValue)"
    }
}
