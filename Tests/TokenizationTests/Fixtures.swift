// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Tokenization

/// Files beside the tests and in the repository.
enum Fixtures {
    static func bytes(_ name: String) throws -> [UInt8] {
        try Repository.bytes("Tests/TokenizationTests/Fixtures/\(name)")
    }

    static func json(_ name: String) throws -> JSONNode {
        try JSONNode(parsing: bytes(name))
    }

    static func tokenizer(_ name: String) throws -> Tokenizer {
        try Tokenizer(json: bytes("tokenizers/\(name).json"))
    }

    static func sampleModel() throws -> Tokenizer {
        try Tokenizer.load(folder: Repository.path(of: "Samples/model"))
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
