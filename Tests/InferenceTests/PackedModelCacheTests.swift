// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import Testing

@testable import Inference

/// A second start gives the same model, and nothing that was done to the cache can change it.
struct PackedModelCacheTests {
    /// A copy of a golden model's folder beside an empty cache.
    private final class Bench {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "packed-cache-\(UUID().uuidString)")
        var limit = 1 << 30

        init() throws {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try FileManager.default.copyItem(
                at: Fixtures.goldens.appending(path: "llama-tied-bf16/base"),
                to: folder.appending(path: "model"))
        }

        deinit {
            try? FileManager.default.removeItem(at: folder)
        }

        var cache: PackedModelCache {
            PackedModelCache(
                directory: folder.appending(path: "cache").path, limitBytes: limit)
        }

        func start(_ type: WeightType = .bf16) throws -> PackedModel {
            let model = try PackedModel(
                ModelWeights.open(folder: folder.appending(path: "model").path), type: type,
                threads: 3, cache: cache)
            try model.keep()
            return model
        }

        var files: [URL] {
            get throws {
                try FileManager.default.contentsOfDirectory(
                    at: folder.appending(path: "cache"), includingPropertiesForKeys: nil
                ).sorted { $0.path < $1.path }
            }
        }

        func change(_ change: (inout Data) -> Void) throws {
            let file = try #require(try files.first)
            var bytes = try Data(contentsOf: file)
            change(&bytes)
            try bytes.write(to: file)
            #expect(chmod(file.path, 0o600) == 0)
        }
    }

    /// Everything a step reads of a model.
    private static func bytes(_ model: PackedModel) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: model.memory.base, count: model.byteCount))
    }

    @Test(arguments: WeightType.allCases)
    func theSecondStartReadsWhatTheFirstHasPacked(type: WeightType) throws {
        let bench = try Bench()
        let plain = try PackedModel(
            ModelWeights.open(folder: bench.folder.appending(path: "model").path), type: type)
        #expect(plain.cacheOutcome == .unused)
        let first = try bench.start(type)
        #expect(first.cacheOutcome == .packed)
        let second = try bench.start(type)
        #expect(second.cacheOutcome == .read)
        #expect(Self.bytes(first) == Self.bytes(plain))
        #expect(Self.bytes(second) == Self.bytes(plain))
        let request = TestRequest(prompt: [3, 77, 200, 15], count: 3)
        let logits = try [plain, second].map {
            try GreedyDriver(executor: GreedyDriver.executor($0)).run([request])[0].logits
        }
        #expect(logits[0] == logits[1])
    }

    private static let damages: [(what: String, change: @Sendable (inout Data) -> Void)] = [
        ("empty", { $0.removeAll() }), ("cut short", { $0.removeLast() }),
        ("longer", { $0.append(0) }), ("another magic word", { $0[8] ^= 1 }),
        ("another version", { $0[16] ^= 1 }), ("another body size", { $0[32] ^= 1 }),
        ("another identity", { $0[60] ^= 1 }), ("another checksum", { $0[0] ^= 1 }),
        ("a bit of the first weight", { $0[4096] ^= 1 }),
        ("a bit of the last one", { $0[$0.count - 1] ^= 0x80 }),
        ("zeros", { $0 = Data(count: $0.count) }),
    ]

    @Test(arguments: damages.indices)
    func aDamagedFileIsPackedAnew(index: Int) throws {
        let bench = try Bench()
        let first = try bench.start()
        try bench.change(Self.damages[index].change)
        let second = try bench.start()
        #expect(second.cacheOutcome == .packed, "\(Self.damages[index].what)")
        #expect(Self.bytes(second) == Self.bytes(first))
        #expect(try bench.start().cacheOutcome == .read)
    }

    @Test func aFileThatOthersMayWriteIsNotUsed() throws {
        let bench = try Bench()
        _ = try bench.start()
        let file = try #require(try bench.files.first)
        #expect(chmod(file.path, 0o666) == 0)
        #expect(try bench.start().cacheOutcome == .packed)
        #expect(try bench.start().cacheOutcome == .read)
    }

    @Test func anotherTypeOrAChangedModelIsPackedAnew() throws {
        let bench = try Bench()
        _ = try bench.start()
        #expect(try bench.start(.f32).cacheOutcome == .packed)
        #expect(try bench.files.count == 2)
        let weights = bench.folder.appending(path: "model/model.safetensors")
        let bytes = try Data(contentsOf: weights)
        try bytes.write(to: weights)
        #expect(try bench.start().cacheOutcome == .packed)
        #expect(try bench.start().cacheOutcome == .read)
    }

    @Test func theOldestFilesLeaveForTheNewest() throws {
        let bench = try Bench()
        _ = try bench.start(.f32)
        let first = try #require(try bench.files.first)
        #expect(
            utimes(first.path, [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)])
                == 0)
        bench.limit = try Data(contentsOf: first).count
        #expect(try bench.start(.bf16).cacheOutcome == .packed)
        let left = try bench.files
        #expect(left.count == 1 && left != [first])
    }

    @Test func whatCannotBeKeptSaysWhy() throws {
        let bench = try Bench()
        bench.limit = 1 << 12
        let small = #expect(throws: InferenceError.self) { try bench.start() }
        #expect(small?.message.contains("raise its limit") == true)
        bench.limit = 1 << 30
        try Data().write(to: bench.folder.appending(path: "cache"))
        let noFolder = #expect(throws: InferenceError.self) { try bench.start() }
        #expect(noFolder?.code == .notKept)
    }

    @Test func syntheticModelsHaveNothingToKeep() throws {
        let bench = try Bench()
        let weights = try ModelWeights.synthetic(
            AwkwardModel.configuration, name: "awkward", seed: 1)
        let model = try PackedModel(weights, type: .bf16, cache: bench.cache)
        #expect(model.cacheOutcome == .unused)
    }
}
