// SPDX-License-Identifier: Apache-2.0

import MoLE
import PolicyKit
import StrictJSON
import Testing

/// `mole_config.json`, written and read.
struct ConfigurationTests {
    private static var written: MoLEConfiguration {
        var configuration = MoLEConfiguration(experts: [
            MoLEConfiguration.Expert(name: "roman", sha256: "0a", rank: 8),
            MoLEConfiguration.Expert(name: "a \"quoted\"\n\\ name", sha256: "1b", rank: 16),
        ])
        configuration.baseDigest = "ff"
        configuration.reading = .shrunk
        configuration.granularity = .network
        configuration.layer = 3
        configuration.pooling = .prompt
        configuration.poolSpan = .prompt
        configuration.poolDivisor = .count
        configuration.normalisation = .outputs
        configuration.epsilon = 2.5e-7
        configuration.hidden = 64
        configuration.topK = 2
        configuration.hasNullExpert = true
        configuration.mask = .exclude
        configuration.training = [
            "steps": .number(2_000), "losses": .array([.number(0.25), .null, .boolean(false)]),
            "data": .object(["sha256": .string("cd"), "empty": .array([])]),
        ]
        return configuration
    }

    private func read(_ text: String) throws -> MoLEConfiguration {
        try MoLEConfiguration(FileValue(try JSONValue(parsing: Array(text.utf8))))
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        let text = Self.written.jsonText
        let read = try read(text)
        #expect(read == Self.written)
        #expect(read.jsonText == text)
    }

    @Test func missingKeysHaveTheirDefaults() throws {
        let text = #"{"format": "mole/1", "experts": [{"name": "roman", "sha256": "0a"}]}"#
        let expected = MoLEConfiguration(experts: [
            MoLEConfiguration.Expert(name: "roman", sha256: "0a", rank: 1)
        ])
        #expect(try read(text) == expected)
    }

    @Test(arguments: [
        ("[]", "an object was expected"),
        ("{}", "'format' is missing"),
        (#"{"format": "mole/2", "experts": []}"#, "'format' is 'mole/2'"),
        (#"{"format": "mole/1"}"#, "'experts' is no list"),
        (#"{"format": "mole/1", "experts": []}"#, "'experts' has 0 entries"),
        (#"{"format": "mole/1", "experts": [3]}"#, "an object was expected"),
        (#"{"format": "mole/1", "experts": [{"name": "a"}]}"#, "'sha256' is missing"),
        (#"{"format": "mole/1", "experts": [{"nam": "a"}]}"#, "the key 'nam' is unknown"),
    ])
    func aWrongFileIsRefused(text: String, words: String) {
        let error = #expect(throws: PolicyError.self) { try read(text) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test(arguments: [
        (#""poolling": "both""#, "the key 'poolling' is unknown"),
        (#""pooling": "mean""#, "possible are 'token', 'causal', 'both', 'prompt'"),
        (#""pooling": 1"#, "'pooling' is no string"),
        (#""top_k": 2"#, "'top_k' is no integer from 0 to 1"),
        (#""top_k": 0.5"#, "'top_k' is no integer"),
        (#""hidden": 100000"#, "'hidden' is no integer from 0 to 1024"),
        (#""eps": -1"#, "'eps' is no number from 0.0 to 1.0"),
        (#""null_expert": 1"#, "'null_expert' is neither true nor false"),
        (#""mask": "drop""#, "'mask' is 'drop'"),
        (#""normalisation": "outputs""#, "only the reading 'shrunk' has"),
        (#""layer": 2"#, "only the granularity 'network'"),
        (#""mask": "exclude""#, "'mask' is 'exclude', which only the reading 'shrunk' has"),
        (#""reading": "final-hidden""#, "'granularity' is 'block'; the reading 'final-hidden'"),
        (#""pooling": "none", "hidden": 3"#, "'hidden' is 3, but the pooling 'none' has nothing"),
    ])
    func aWrongValueIsRefused(member: String, words: String) {
        let text =
            #"{"format": "mole/1", "experts": [{"name": "a", "sha256": ""}], "# + member + "}"
        let error = #expect(throws: PolicyError.self) { try read(text) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }
}

extension FileValue {
    /// A value as a host reads it for a gate.
    init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .boolean(let boolean): self = .boolean(boolean)
        case .integer(let integer): self = .number(Double(integer))
        case .number(let number): self = .number(number)
        case .string(let string): self = .string(string)
        case .array(let values): self = .array(values.map { FileValue($0) })
        case .object(let object):
            self = .object(
                Dictionary(
                    uniqueKeysWithValues: object.members.map { ($0.name, FileValue($0.value)) }))
        }
    }
}
