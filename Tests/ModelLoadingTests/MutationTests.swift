// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import ModelLoading

/// Damaged input of every kind: any outcome will do, except a trap or an unchecked range.
struct MutationTests {
    /// Mostly near the start, where headers have their structure.
    private static let mutator = ByteMutator(
        pieces: "0123456789{}[],:\"-.eE".map(String.init) + ["null", "[[[[", "1e999"], head: 400)

    /// Calls `body` with mutants of the originals and the seed that gave each.
    private func fuzz(
        _ originals: [[UInt8]], seed: UInt64, rounds: Int, _ body: ([UInt8], UInt64) -> Void
    ) {
        FuzzRun(seconds: 0, rounds: rounds, seed: seed).forEachRound { random, seed in
            let original = originals.randomElement(using: &random) ?? []
            body(Self.mutator.mutate(original, with: &random), seed)
        }
    }

    @Test func damagedTensorFilesNeverTrap() {
        let originals = [
            SafetensorsWriter.file(TinyAdapter.tensors([.q], layers: [0])),
            SafetensorsWriter.file([
                StoredTensor(
                    name: "a", type: "BF16", shape: [2, 2], bytes: SafetensorsTests.eight),
                StoredTensor(name: "b", type: "I64", shape: [], bytes: SafetensorsTests.eight),
            ]),
        ]
        fuzz(originals, seed: 0x5AFE_7E50, rounds: 3000) { bytes, seed in
            bytes.withUnsafeBytes { file in
                guard let header = try? SafetensorsHeader(file: file) else { return }
                for entry in header.entries {
                    let isInside =
                        entry.bytes.lowerBound >= 8 && entry.bytes.upperBound <= file.count
                    #expect(isInside, "seed \(seed)")
                }
            }
        }
    }

    @Test func damagedModelConfigurationsNeverTrap() {
        let originals = PublishedConfiguration.all.map { Array($0.json.utf8) }
        fuzz(originals, seed: 0xC0F1_6000, rounds: 1500) { bytes, seed in
            let object = try? parseObject(String(decoding: bytes, as: UTF8.self))
            guard let object else { return }
            let configuration = try? ModelConfiguration.decode(object, generation: object)
            guard let configuration else { return }
            #expect(configuration.parameterCount > 0, "seed \(seed)")
            #expect(
                configuration.rope.inverseFrequencies(headSize: configuration.headSize).count
                    == configuration.headSize / 2, "seed \(seed)")
        }
    }

    @Test func damagedAdaptersNeverTrap() throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        let full = TinyAdapter.json.with("rank_pattern", #"{"layers.1.*q_proj": 4}"#)
            .with("alpha_pattern", #"{"v_proj": 3.5}"#).with("layers_to_transform", "[0, 1]")
            .with("exclude_modules", #"["lm_head"]"#).with("init_lora_weights", "true")
        try TinyAdapter.write(full, to: path)
        fuzz([Array(full.text.utf8)], seed: 0xADA9_7E50, rounds: 400) { bytes, _ in
            try? folder.write("adapter_config.json", bytes)
            _ = AdapterInspection(folder: path)
            _ = AdapterInspection(folder: path, for: TinyModel.configuration)
        }
        try TinyAdapter.write(full, to: path)
        let tensors = SafetensorsWriter.file(TinyAdapter.tensors())
        fuzz([tensors], seed: 0xADA9_7E51, rounds: 400) { bytes, _ in
            try? folder.write("adapter_model.safetensors", bytes)
            _ = AdapterInspection(folder: path, for: TinyModel.configuration)
        }
    }
}
