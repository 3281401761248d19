// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Tokenization

/// Files beside the tests and in the repository.
enum Fixtures {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Fixtures")
    static let repository = folder.deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    static func json(_ name: String) throws -> JSONNode {
        JSONNode(value: try JSONReader.parse(bytes(name)), path: "")
    }

    static func tokenizer(_ name: String) throws -> Tokenizer {
        try Tokenizer(json: bytes("tokenizers/\(name).json"))
    }

    static func sampleModel() throws -> Tokenizer {
        try Tokenizer.load(folder: repository.appendingPathComponent("Samples/model").path)
    }

    /// The strings that `make_fixtures.py` encoded.
    static func texts() throws -> [String] {
        try json("texts.json").elements().map { try $0.string() }
    }

    static let tokenizers = [
        "gpt2", "gpt2-prefix", "llama3", "qwen2", "smollm", "o200k", "deepseek", "llama2",
        "mistral-first", "metaspace-old", "gemma-like", "odd-mix", "split-removed",
        "split-previous", "split-next", "split-contiguous", "split-inverted",
    ]
}

extension JSONNode {
    func integers() throws -> [Int32] {
        try elements().map { Int32(try $0.count(limit: 1 << 22)) }
    }
}

/// Sebastiano Vigna's generator, seeded, so that a failure can be repeated.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
