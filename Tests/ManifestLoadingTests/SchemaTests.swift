// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Testing

@testable import ManifestLoading

@Suite struct SchemaTests {
    private func schema() throws -> [String: Any] {
        let text = ManifestSchema.jsonSchema(policies: Fixtures.policies)
        let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
        return try #require(value as? [String: Any])
    }

    /// The schema of the value at `path`, through `properties`, `items` and the fitting one of several.
    private func member(_ path: String, of schema: [String: Any]) throws -> [String: Any] {
        var current = schema
        for part in path.split(separator: ".") {
            if let items = current["items"] as? [String: Any] { current = items }
            let several = current["oneOf"] ?? current["anyOf"]
            if let variants = several as? [[String: Any]] {
                let match = variants.first { variant in
                    (variant["properties"] as? [String: Any])?[String(part)] != nil
                }
                current = try #require(match)
            }
            let properties = try #require(current["properties"] as? [String: Any])
            current = try #require(properties[String(part)] as? [String: Any], "no \(path)")
        }
        return current
    }

    @Test func schemaNamesItsDraftAndRefusesUnknownKeys() throws {
        let schema = try schema()
        #expect(schema["$schema"] as? String == "https://json-schema.org/draft/2020-12/schema")
        #expect(schema["required"] as? [String] == ["apiVersion", "kind", "metadata", "spec"])
        #expect(schema["additionalProperties"] as? Bool == false)
        #expect(try member("spec.limits", of: schema)["additionalProperties"] as? Bool == false)
    }

    @Test func everyKeyIsInTheSchemaWithItsDocumentation() throws {
        let schema = try schema()
        for (path, key) in ManifestSchema.allKeys {
            let member = try member(path, of: schema)
            #expect(member["description"] as? String == key.documentation, "\(path)")
        }
    }

    @Test func rangesAndDefaultsAreInTheSchema() throws {
        let count = try member("spec.replicas.count", of: try schema())
        let number = try #require((count["anyOf"] as? [[String: Any]])?.first)
        #expect(number["minimum"] as? Int == 1)
        #expect(number["maximum"] as? Int == 64)
        #expect(count["default"] as? Int == 1)
        let timeout = try member("spec.server.drainTimeout", of: try schema())
        #expect(timeout["default"] as? String == "30s")
    }

    @Test func policiesAddTheSchemaOfTheirParameters() throws {
        let instances = try member("spec.plugins.instances", of: try schema())
        let item = try #require(instances["items"] as? [String: Any])
        let rules = try #require(item["allOf"] as? [[String: Any]])
        #expect(rules.count == Fixtures.policies.count)
        let rule = rules.first { rule in
            let condition = (rule["if"] as? [String: Any])?["properties"] as? [String: Any]
            return (condition?["type"] as? [String: Any])?["const"] as? String == "credit-fairness"
        }
        let then = try #require(rule?["then"] as? [String: Any])
        let starvation = try member("parameters.starvation", of: then)
        #expect(starvation["default"] as? String == "2s")
    }

    @Test func schemaIsTheSameEachTime() {
        let first = ManifestSchema.jsonSchema(policies: Fixtures.policies)
        #expect(first == ManifestSchema.jsonSchema(policies: Fixtures.policies.reversed()))
    }

    @Test func everyKeyHasAnExampleThatLoads() throws {
        for (path, key) in ManifestSchema.allKeys where path.hasPrefix("spec.") {
            guard key.schema.keys.isEmpty, let sample = key.sample else { continue }
            guard case .scalar(let type) = key.schema else { continue }
            let scalar = Node.Scalar(text: sample, isQuoted: false)
            #expect(throws: Never.self, "\(path)") { try scalar.value(of: type) }
        }
    }

    @Test func keysAreExplained() {
        #expect(
            ManifestSchema.explain("spec.replicas.count", policies: [])
                == .text(
                    """
                    spec.replicas.count: a whole number from 1 to 64, default 1
                      How many replicas there are.
                      Example: count: 1

                    """))
        let short = ManifestSchema.explain("replicas.count", policies: [])
        #expect(short == ManifestSchema.explain("spec.replicas.count", policies: []))
        let shortest = ManifestSchema.explain("adapterRoots", policies: [])
        #expect(shortest == ManifestSchema.explain("spec.limits.adapterRoots", policies: []))
    }

    @Test func sectionsListTheirKeys() throws {
        guard case .text(let text) = ManifestSchema.explain("spec.adapters[0]", policies: []) else {
            Issue.record("not explained")
            return
        }
        #expect(text.contains("It has one of the keys directory, path or synthetic."))
        #expect(text.contains("pinned        true or false, default false"))
        for (path, _) in ManifestSchema.allKeys {
            if case .unknown = ManifestSchema.explain(path, policies: []) {
                Issue.record("\(path) is not explained")
            }
        }
        guard case .text(let whole) = ManifestSchema.explain("", policies: []) else {
            Issue.record("not explained")
            return
        }
        #expect(whole.contains("apiVersion"))
    }

    @Test func policiesAreExplained() {
        let policies = Fixtures.policies
        #expect(
            ManifestSchema.explain("credit-fairness.starvation", policies: policies)
                == .text(
                    """
                    credit-fairness.starvation: a duration at most 1m, default 2s
                      How long a request may be passed over.
                      Example: starvation: 2s

                    """))
        #expect(
            ManifestSchema.explain("lru", policies: policies)
                == .text(
                    """
                    lru: a residency policy, version 1.0.0
                      Answers residency.

                    It takes no parameters.

                    """))
    }

    @Test(arguments: [
        ("spec.replicas.cuont", "spec.replicas.count"), ("replica.count", "replicas.count"),
        ("credit-fairnes", "credit-fairness"), ("maxbatch", "maxBatch"),
        ("credit-fairness.starvatoin", "credit-fairness.starvation"), ("nonsense", nil),
    ])
    func unknownNameIsAnsweredWithANearOne(name: String, expected: String?) {
        let explanation = ManifestSchema.explain(name, policies: Fixtures.policies)
        #expect(explanation == .unknown(suggestion: expected))
    }
}
