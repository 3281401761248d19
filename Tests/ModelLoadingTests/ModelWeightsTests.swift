// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import ModelLoading

struct ModelWeightsTests {
    private func open(
        _ json: RawObject = TinyModel.json, _ tensors: [StoredTensor] = TinyModel.tensors
    ) throws -> ModelWeights {
        let folder = try TemporaryFolder()
        try folder.write("config.json", json.text)
        try folder.write("model.safetensors", SafetensorsWriter.file(tensors))
        return try ModelWeights.open(folder: folder.path)
    }

    @Test(arguments: Repository.goldens)
    func goldenModelsOpen(family: String) throws {
        let folder = "\(Repository.golden(family))/base"
        let model = try ModelWeights.open(folder: folder)
        let isQwen = family.hasPrefix("qwen2")
        #expect(model.name == "base")
        #expect(model.folder == folder)
        #expect(model.configuration.family == (isQwen ? .qwen2 : .llama))
        #expect(model.configuration.layerCount == 3)
        #expect(model.configuration.headSize == 16)
        #expect(model.configuration.endTokens == [2])
        #expect(model.embedding.type == (isQwen ? .f32 : .bf16))
        #expect(model.linear(layer: 2, .down).shape == [64, 160])
        #expect(model.linear(layer: 0, .k).shape == [32, 64])
        #expect((model.bias(layer: 1, .v)?.shape == [32]) == isQwen)
        #expect(model.bias(layer: 1, .o) == nil)
        #expect(model.norm(layer: 0, .query) == nil)
        #expect(model.outputHead.name == "model.embed_tokens.weight")
        let size = model.embedding.type.byteCount
        #expect(model.byteCount == model.configuration.parameterCount * size)
        let query = model.linear(layer: 0, .q)
        #expect(query.withUnsafeBytes(query.type.isFinite))
    }

    @Test func theSampleModelOpens() throws {
        let model = try ModelWeights.open(folder: "\(Repository.path)/Samples/model")
        #expect(model.configuration.parameterCount == 1_672_896)
        #expect(model.byteCount == 2 * 1_672_896)
        #expect(model.configuration.contextLength == 512)
    }

    @Test func tensorsHoldTheBytesOfTheFile() throws {
        let model = try open()
        let expected = try #require(
            TinyModel.tensors.first { $0.name == "model.layers.1.mlp.up_proj.weight" })
        model.linear(layer: 1, .up).withUnsafeBytes { #expect(Array($0) == expected.bytes) }
        #expect(model.outputHead.name == "lm_head.weight")
        #expect(model.norm(layer: 0, .postAttention)?.shape == [8])
    }

    @Test func shardsAreReadAsOneModel() throws {
        let folder = try TemporaryFolder()
        try folder.write("config.json", TinyModel.json.text)
        let tensors = TinyModel.tensors
        let halves = [Array(tensors[..<7]), Array(tensors[7...])]
        var map: [String] = []
        for (index, half) in halves.enumerated() {
            let name = "model-0000\(index + 1)-of-00002.safetensors"
            try folder.write(name, SafetensorsWriter.file(half))
            map += half.map { "\"\($0.name)\": \"\(name)\"" }
        }
        func index(_ members: [String]) -> String {
            "{\"metadata\": {}, \"weight_map\": {\(members.joined(separator: ","))}}"
        }
        let path = folder.path
        try folder.write("model.safetensors.index.json", index(map))
        #expect(try ModelWeights.open(folder: path).configuration == TinyModel.configuration)

        try folder.write("model.safetensors.index.json", index(Array(map.dropLast())))
        #expect(loadingError { _ = try ModelWeights.open(folder: path) }?.code == .unexpectedTensor)
        let first = "model-00001-of-00002.safetensors"
        try folder.write("model.safetensors.index.json", index(map + ["\"x\": \"\(first)\""]))
        #expect(loadingError { _ = try ModelWeights.open(folder: path) }?.key == "x")
        try folder.write(
            "model.safetensors.index.json", index(map + ["\"x\": \"../\(first)\""]))
        #expect(loadingError { _ = try ModelWeights.open(folder: path) }?.key == "weight_map.x")
    }

    @Test func everyMissingTensorIsNamed() {
        for missing in TinyModel.tensors {
            let error = loadingError {
                _ = try open(TinyModel.json, TinyModel.tensors.filter { $0.name != missing.name })
            }
            #expect(error?.code == .missingTensor)
            #expect(error?.key == missing.name)
        }
    }

    @Test func wrongShapesAndTypesAreRefused() throws {
        var tensors = TinyModel.tensors
        tensors[3].shape = tensors[3].shape.reversed() + [1]
        #expect(loadingError { _ = try open(TinyModel.json, tensors) }?.code == .wrongShape)
        tensors = TinyModel.tensors
        tensors[3].type = "I32"
        let error = loadingError { _ = try open(TinyModel.json, tensors) }
        #expect(error?.code == .wrongType)
        #expect(error?.key == tensors[3].name)
    }

    @Test func tensorsThatNothingReadsAreRefusedUnlessHarmless() throws {
        let frequencies = StoredTensor.floats(
            "model.layers.0.self_attn.rotary_emb.inv_freq", [2]
        ) { _ in 1 }
        _ = try open(TinyModel.json, TinyModel.tensors + [frequencies])
        let bias = StoredTensor.floats("model.layers.0.self_attn.q_proj.bias", [8]) { _ in 1 }
        let error = loadingError { _ = try open(TinyModel.json, TinyModel.tensors + [bias]) }
        #expect(error?.code == .unexpectedTensor)
        #expect(error?.key == bias.name)
    }

    @Test func aTiedHeadMayBeStoredOnlyIfItIsTheEmbedding() throws {
        let tied = TinyModel.json.with("tie_word_embeddings", "true")
        #expect(loadingError { _ = try open(tied) }?.key == "lm_head.weight")
        var tensors = TinyModel.tensors
        tensors[tensors.count - 1].bytes = tensors[0].bytes
        let model = try open(tied, tensors)
        #expect(model.outputHead.name == model.embedding.name)
    }

    @Test func foldersWithoutWeightsSayWhatIsMissing() throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        #expect(
            loadingError { _ = try ModelWeights.open(folder: path) }?.path == "\(path)/config.json")
        try folder.write("config.json", TinyModel.json.text)
        try folder.write("pytorch_model.bin", "x")
        let error = loadingError { _ = try ModelWeights.open(folder: path) }
        #expect(error?.code == .notFound)
        #expect(error?.message.contains("safetensors") == true)
        try folder.write("generation_config.json", "{")
        #expect(
            loadingError { _ = try ModelWeights.open(folder: path) }?.path?.hasSuffix(
                "generation_config.json") == true)
    }

    @Test func syntheticModelsHaveThePublishedShapes() throws {
        let model = try ModelWeights.synthetic(preset: "smollm2-135m", seed: 1)
        #expect(model.configuration.parameterCount == 134_515_008)
        #expect(model.byteCount == 2 * 134_515_008)
        #expect(model.linear(layer: 29, .gate).shape == [1536, 576])
        #expect(model.norm(layer: 0, .input)?.floats().allSatisfy { $0 == 1 } == true)
        #expect(
            loadingError { _ = try ModelWeights.synthetic(preset: "gpt", seed: 1) }?.code
                == .notFound)
    }

    @Test func syntheticWeightsAreNormalAndFollowTheirSeed() throws {
        var configuration = TinyModel.configuration
        configuration.hiddenSize = 64
        configuration.vocabularySize = 512
        func weights(seed: UInt64) throws -> [Float] {
            try ModelWeights.synthetic(configuration, name: "tiny", seed: seed).embedding.floats()
        }
        let values = try weights(seed: 7)
        #expect(try weights(seed: 7) == values)
        #expect(try weights(seed: 8) != values)
        let mean = values.reduce(0, +) / Float(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(values.count)
        #expect(abs(mean) < 0.001)
        #expect(abs(variance.squareRoot() / 0.02 - 1) < 0.05)
        let rows = Set((0..<512).map { Array(values[$0 * 64..<$0 * 64 + 64]) })
        #expect(rows.count > 500)
    }
}
