// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit

extension ManifestSchema {
    /// The JSON Schema of manifests, draft 2020-12, for editors and other tools.
    ///
    /// Each of `policies` adds the schema of its parameters, which holds where `type` names it.
    package static func jsonSchema(policies: [KnownPolicy]) -> String {
        let writer = JSONSchemaWriter(policies: policies.sorted { $0.type < $1.type })
        let schema = writer.mapping(root).adding([
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "A Burrow manifest",
            "$defs": ["environment": writer.environment],
        ])
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // Only a number that is not finite could fail, and declarations have none.
        guard let bytes = try? encoder.encode(schema) else { return "{}" }
        return String(decoding: bytes, as: UTF8.self) + "\n"
    }
}

private struct JSONSchemaWriter {
    let policies: [KnownPolicy]

    /// A text that an environment variable completes may stand wherever a scalar may.
    let environment: JSONValue = [
        "description": "A text with environment variables, which are replaced after parsing.",
        "type": "string", "pattern": #"\$\{env:[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"#,
    ]

    func mapping(_ mapping: MappingSchema) -> JSONValue {
        let properties = mapping.keys.map { ($0.name, key($0)) }
        var members: [String: JSONValue] = [
            "type": "object", "additionalProperties": false,
            "properties": .object(Dictionary(properties) { $1 }),
        ]
        let required = mapping.keys.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { members["required"] = .array(required) }
        if mapping["parameters"] != nil { members["allOf"] = .array(policies.map(rule)) }
        return .object(members)
    }

    private func key(_ key: KeySchema) -> JSONValue {
        var members: [String: JSONValue] = ["description": .string(key.documentation)]
        if let value = key.defaultValue { members["default"] = json(value) }
        return schema(key.schema).adding(members)
    }

    private func schema(_ schema: Schema) -> JSONValue {
        switch schema {
        case .scalar(let type): return scalar(type)
        case .text(let shape):
            return orEnvironment(["type": "string", "pattern": .string(shape.pattern)])
        case .either(let left, let right):
            return ["anyOf": [self.schema(left), self.schema(right)]]
        case .list(let item): return ["type": "array", "items": self.schema(item)]
        case .mapping(let keys): return mapping(keys)
        case .variants(let variants): return ["oneOf": .array(variants.map(mapping))]
        case .policy(nil):
            let types = policies.map { JSONValue.string($0.type) }
            return types.isEmpty ? ["type": "string"] : orEnvironment(["enum": .array(types)])
        case .policy(let kind?):
            let types = policies.filter { $0.kind == kind }.map { JSONValue.string($0.type) }
            return ["type": "string", "examples": .array(types)]
        case .parameters: return ["type": "object"]
        }
    }

    /// Where `type` names the policy, its parameters are these.
    private func rule(_ policy: KnownPolicy) -> JSONValue {
        let keys = MappingSchema(keys: policy.parameters.map(KeySchema.init))
        return [
            "if": ["properties": ["type": ["const": .string(policy.type)]], "required": ["type"]],
            "then": [
                "properties": [
                    "parameters": mapping(keys).adding(["description": .string(policy.summary)])
                ]
            ],
        ]
    }

    private func scalar(_ type: ParameterType) -> JSONValue {
        switch type {
        case .boolean: return orEnvironment(["type": "boolean"])
        case .integer(let range):
            return orEnvironment(["type": "integer"], range.map(bounds) ?? [:])
        case .number(let range):
            return orEnvironment(["type": "number"], range.map(bounds) ?? [:])
        case .string: return ["type": "string"]
        case .path: return ["type": "string", "minLength": .integer(1)]
        case .choice(let words):
            return orEnvironment(["enum": .array(words.map(JSONValue.string))])
        case .duration:
            return orEnvironment(["type": "string", "pattern": .string(Duration.manifestPattern)])
        case .size:
            return [
                "anyOf": [
                    ["type": "string", "pattern": .string(ByteCount.manifestPattern)],
                    ["type": "integer", "minimum": .integer(0)], ["$ref": "#/$defs/environment"],
                ]
            ]
        @unknown default: return [:]
        }
    }

    private func orEnvironment(
        _ schema: JSONValue, _ bounds: [String: JSONValue] = [:]
    ) -> JSONValue {
        ["anyOf": [schema.adding(bounds), ["$ref": "#/$defs/environment"]]]
    }

    private func bounds(_ range: ClosedRange<Int64>) -> [String: JSONValue] {
        ["minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
    }

    private func bounds(_ range: ClosedRange<Double>) -> [String: JSONValue] {
        ["minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)]
            .filter { _, bound in
                if case .number(let bound) = bound { bound.isFinite } else { true }
            }
    }

    private func json(_ value: ParameterValue) -> JSONValue {
        switch value {
        case .boolean(let boolean): .boolean(boolean)
        case .integer(let integer): .integer(integer)
        case .number(let number): number.isFinite ? .number(number) : .string("\(number)")
        case .string(let string): .string(string)
        default: .string(value.manifestText)
        }
    }
}
