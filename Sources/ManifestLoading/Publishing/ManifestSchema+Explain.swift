// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Spelling

/// What `explain` answers.
package enum Explanation: Sendable, Equatable {
    case text(String)
    /// Nothing has that name; perhaps another was meant.
    case unknown(suggestion: String?)
}

extension ManifestSchema {
    /// Explains a key, as `spec.replicas.count` or `replicas.count`, a policy type, or a parameter
    /// of a policy, as `credit-fairness.starvation`. An empty name explains the whole manifest, and
    /// keys of policy tests stand behind `PolicyTest`, as `PolicyTest.given.requests`.
    package static func explain(_ name: String, policies: [KnownPolicy]) -> Explanation {
        let parts = name.split(separator: ".").map { String($0.prefix { $0 != "[" }) }
        if let policy = policies.first(where: { $0.type == parts.first }) {
            if parts.count == 1 { return .text(text(of: policy)) }
            if parts.count == 2,
                let parameter = policy.parameters.first(where: { $0.name == parts[1] })
            {
                return .text(text(of: KeySchema(parameter), at: "\(policy.type).\(parameter.name)"))
            }
            let names = policy.parameters.map { "\(policy.type).\($0.name)" }
            return .unknown(suggestion: nearestName(to: name, among: names))
        }
        if parts.isEmpty { return .text("A manifest\n\n" + table(of: root.keys)) }
        if parts.first == "PolicyTest" { return explainTest(Array(parts.dropFirst())) }
        return explain(parts, among: allKeys, policies)
    }

    private static func explainTest(_ parts: [String]) -> Explanation {
        let test = Section.policyTest.schema
        if parts.isEmpty { return .text("A test of policies\n\n" + table(of: test.keys)) }
        return explain(parts, among: keys(of: test), [])
    }

    private static func explain(
        _ parts: [String], among keys: [(path: String, key: KeySchema)], _ policies: [KnownPolicy]
    ) -> Explanation {
        let path = parts.joined(separator: ".")
        let found =
            keys.first { $0.path == path } ?? keys.first { $0.path == "spec.\(path)" }
            ?? only(of: keys.filter { $0.path.hasSuffix(".\(path)") })
        if let found { return .text(text(of: found.key, at: found.path)) }
        let names = keys.map(\.path) + keys.map { String($0.path.dropFirst("spec.".count)) }
        let candidates = names + policies.map(\.type) + keys.map(\.key.name)
        return .unknown(suggestion: nearestName(to: path, among: candidates))
    }

    private static func only<Element>(of elements: [Element]) -> Element? {
        elements.count == 1 ? elements[0] : nil
    }

    /// Every key with its path; items of lists have the path of the list.
    static var allKeys: [(path: String, key: KeySchema)] { keys(of: root) }

    private static func keys(of root: MappingSchema) -> [(path: String, key: KeySchema)] {
        func walk(_ keys: [KeySchema], below path: String) -> [(path: String, key: KeySchema)] {
            keys.flatMap { key in
                let place = path.isEmpty ? key.name : "\(path).\(key.name)"
                return [(place, key)] + walk(key.schema.keys, below: place)
            }
        }
        return walk(root.keys, below: "")
    }

    private static func text(of policy: KnownPolicy) -> String {
        let head = "\(policy.type): a \(policy.kind.rawValue) policy, version \(policy.version)"
        let keys = policy.parameters.map(KeySchema.init)
        let tail = keys.isEmpty ? "It takes no parameters.\n" : "Parameters:\n" + table(of: keys)
        return "\(head)\n  \(policy.summary)\n\n\(tail)"
    }

    private static func text(of key: KeySchema, at path: String) -> String {
        var text = "\(path): \(key.schema.summary)\(key.defaultText)\n  \(key.documentation)\n"
        if let sample = key.sample { text += "  Example: \(key.name): \(sample)\n" }
        if case .variants(let variants) = key.schema.item {
            let names = variants.compactMap(\.keys.first?.name).asAlternatives
            text += "  It has one of the keys \(names).\n"
        }
        let keys = key.schema.keys
        return keys.isEmpty ? text : text + "\nKeys:\n" + table(of: keys)
    }

    private static func table(of keys: [KeySchema]) -> String {
        let width = keys.map(\.name.count).max() ?? 0
        return keys.map { key in
            let name = key.name.padding(to: width)
            let meaning = "\(key.schema.summary)\(key.defaultText)"
            return "  \(name)  \(meaning)\n  \("".padding(to: width))  \(key.documentation)\n"
        }.joined()
    }
}

extension Schema {
    /// What stands in the list, or here.
    fileprivate var item: Schema {
        if case .list(let item) = self { item } else { self }
    }
}

extension KeySchema {
    fileprivate var defaultText: String {
        if isRequired { return ", required" }
        return defaultValue.map { ", default \($0.manifestText)" } ?? ""
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(width - count, 0))
    }
}
