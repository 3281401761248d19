// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import ModelLoading

/// Damaged input of every kind: any outcome will do, except a trap or an unchecked range.
///
/// `BURROW_FUZZ_SECONDS` makes each test go on for that long.
struct MutationTests {
    private static let alphabet = Array("0123456789{}[],:\"-.eE".utf8)

    /// Calls `body` with mutants of the originals.
    private func fuzz(
        _ originals: [[UInt8]], seed: UInt64, rounds: Int, _ body: ([UInt8]) -> Void
    ) {
        let environment = ProcessInfo.processInfo.environment["BURROW_FUZZ_SECONDS"]
        print("mutating from seed \(seed)")
        var random = SplitMix64(seed: seed)
        let deadline = ContinuousClock.now + .seconds(environment.flatMap(Double.init) ?? 0)
        repeat {
            for _ in 0..<rounds {
                let index = Int(random.next() % UInt64(originals.count))
                body(Self.mutate(originals[index], &random))
            }
        } while ContinuousClock.now < deadline
    }

    private static func mutate(_ bytes: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
        var bytes = bytes
        for _ in 0...Int(random.next() % 4) where !bytes.isEmpty {
            // Mostly near the start, where headers have their structure.
            let reach = random.next() % 4 == 0 ? bytes.count : min(bytes.count, 400)
            let place = Int(random.next() % UInt64(reach))
            switch random.next() % 6 {
            case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: bytes[place] ^= 1 << UInt8(random.next() % 8)
            case 2: bytes.removeSubrange(place..<min(place + Int(random.next() % 8), bytes.count))
            case 3: bytes.insert(contentsOf: bytes[place..<min(place + 9, bytes.count)], at: place)
            case 4: bytes[place] = alphabet[Int(random.next() % UInt64(alphabet.count))]
            default: bytes.removeLast(Int(random.next() % UInt64(bytes.count)) / 8)
            }
        }
        return bytes
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
        fuzz(originals, seed: 0x5AFE_7E50, rounds: 3000) { bytes in
            bytes.withUnsafeBytes { file in
                guard let header = try? SafetensorsHeader(file: file) else { return }
                for entry in header.entries {
                    #expect(entry.bytes.lowerBound >= 8 && entry.bytes.upperBound <= file.count)
                }
            }
        }
    }

    @Test func damagedModelConfigurationsNeverTrap() {
        let originals = PublishedConfiguration.all.map { Array($0.json.utf8) }
        fuzz(originals, seed: 0xC0F1_6000, rounds: 1500) { bytes in
            let object = try? parseObject(String(decoding: bytes, as: UTF8.self))
            guard let object else { return }
            let configuration = try? ModelConfiguration.decode(object, generation: object)
            guard let configuration else { return }
            #expect(configuration.parameterCount > 0)
            #expect(
                configuration.rope.inverseFrequencies(headSize: configuration.headSize).count
                    == configuration.headSize / 2)
        }
    }

    @Test func damagedAdaptersNeverTrap() throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        let full = TinyAdapter.json.with("rank_pattern", #"{"layers.1.*q_proj": 4}"#)
            .with("alpha_pattern", #"{"v_proj": 3.5}"#).with("layers_to_transform", "[0, 1]")
            .with("exclude_modules", #"["lm_head"]"#).with("init_lora_weights", "true")
        try TinyAdapter.write(full, to: path)
        fuzz([Array(full.text.utf8)], seed: 0xADA9_7E50, rounds: 400) { bytes in
            try? folder.write("adapter_config.json", bytes)
            _ = AdapterInspection(folder: path)
            _ = AdapterInspection(folder: path, for: TinyModel.configuration)
        }
        try TinyAdapter.write(full, to: path)
        let tensors = SafetensorsWriter.file(TinyAdapter.tensors())
        fuzz([tensors], seed: 0xADA9_7E51, rounds: 400) { bytes in
            try? folder.write("adapter_model.safetensors", bytes)
            _ = AdapterInspection(folder: path, for: TinyModel.configuration)
        }
    }
}
