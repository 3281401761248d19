// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import Testing

@testable import Inference

/// Adapters packed from files that stay open meanwhile.
struct AdapterPackingTests {
    private static let folder = Fixtures.goldens.appending(path: "llama-tied-bf16")

    private static func model() throws -> PackedModel {
        try Fixtures.model(folder.appending(path: "base"), .bf16)
    }

    /// Everything a step reads of an adapter.
    private static func bytes(_ adapter: PackedAdapter) -> [[UInt8]] {
        (0..<adapter.groupCount).flatMap { index -> [[UInt8]] in
            let group = adapter.groups[index]
            guard let a = group.a, let scales = group.scales else { return [] }
            func copy(_ start: UnsafeRawPointer, _ count: Int) -> [UInt8] {
                [UInt8](UnsafeRawBufferPointer(start: start, count: count))
            }
            let parts = (0..<3).compactMap { group.part($0).matrix(type: group.type) }
            return [
                copy(a, group.rank * group.depth * group.type.byteCount),
                copy(scales, group.rank * 4),
            ] + parts.map { copy($0.weights, $0.byteCount) }
        }
    }

    @Test(arguments: ["all-r8", "patterned", "wide-r32", "layers-some"])
    func aTeamPacksTheSameBytesAsOneThread(name: String) throws {
        let model = try Self.model()
        let path = Self.folder.appending(path: "adapters/\(name)").path
        func pack(values: Bool, team: ThreadTeam?) throws -> [[UInt8]] {
            let weights = try AdapterWeights.open(
                folder: path, name: name, for: model.configuration, values: values)
            return Self.bytes(try PackedAdapter(weights, for: model, team: team))
        }
        let alone = try pack(values: true, team: nil)
        #expect(!alone.isEmpty)
        for members in [1, 2, 5] {
            #expect(try pack(values: false, team: ThreadTeam(members: members)) == alone)
        }
    }

    @Test func anAdapterInTheMemoryOfAnotherHasNothingOfIt() throws {
        let model = try AwkwardModel.packed(.bf16)
        func pack(_ seed: UInt64) throws -> PackedAdapter {
            // Odd ranks are padded.
            try PackedAdapter(
                AdapterWeights.synthetic(
                    name: "a", rank: 3, seed: seed, for: model.configuration), for: model)
        }
        let fresh = try pack(1)
        var other: PackedAdapter? = try pack(2)
        let place = other?.groups[0].a
        #expect(other.map(Self.bytes) != Self.bytes(fresh))
        other = nil
        let again = try pack(1)
        #expect(again.groups[0].a.map { abs($0 - (place ?? $0)) < 65_536 } == true, "not reused")
        #expect(Self.bytes(again) == Self.bytes(fresh))
    }

    /// Changes an adapter's file between opening and packing.
    private func packing(after change: (FileHandle, UInt64) throws -> Void) throws {
        let model = try Self.model()
        let copy = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.copyItem(
            at: Self.folder.appending(path: "adapters/all-r8"), to: copy)
        defer { try? FileManager.default.removeItem(at: copy) }
        let weights = try AdapterWeights.open(
            folder: copy.path, name: "a", for: model.configuration, values: false)
        let file = try FileHandle(
            forUpdating: copy.appending(path: "adapter_model.safetensors"))
        try change(file, try file.seekToEnd())
        try file.close()
        _ = try PackedAdapter(weights, for: model)
    }

    @Test func aFileThatIsCutShortMeanwhileIsAnError() throws {
        let error = #expect(throws: InferenceError.self) {
            try packing { file, size in try file.truncate(atOffset: size / 2) }
        }
        #expect(error?.code == .unreadableAdapter)
        #expect(error?.message.contains("cut short") == true)
    }

    @Test func anInfinityThatIsWrittenMeanwhileIsAnError() throws {
        let error = #expect(throws: InferenceError.self) {
            try packing { file, size in
                try file.seek(toOffset: size - 4)
                try file.write(contentsOf: Data([0x80, 0x7F, 0x80, 0x7F]))
            }
        }
        #expect(error?.code == .unreadableAdapter)
        #expect(error?.message.contains("infinity") == true)
    }
}
