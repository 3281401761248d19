// SPDX-License-Identifier: Apache-2.0

import Foundation
import Inference
import ModelLoading

/// Times of loading an adapter from a PEFT folder whose pages the system has in memory.
struct AdapterLoad: Codable {
    /// The element type of the file.
    var type: String
    var fileBytes: Int
    /// Milliseconds until it is ready to run, into the memory of an adapter that has left: of the
    /// fastest load, and of the middle one.
    var best: Double
    var median: Double
    /// The same for the fastest load into fresh memory, which the system clears first.
    var fresh: Double
    /// The fastest load's parts: reading the JSON and checking it, reading and packing the factors.
    var opening: Double
    var packing: Double

    /// Writes `adapter` into a folder of its own and loads it `repetitions` times.
    static func measure(
        _ adapter: AdapterWeights, as type: TensorType, for model: PackedModel, threads: Int,
        repetitions: Int
    ) throws -> AdapterLoad {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "burrow-benchmark-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let fileBytes = try PEFTFolder.write(adapter, as: type, to: folder)
        let team = try ThreadTeam(members: threads)
        let clock = ContinuousClock()
        func load() throws -> (packed: PackedAdapter, total: Double, opening: Double) {
            let start = clock.now
            let weights = try AdapterWeights.open(
                folder: folder.path, name: adapter.name, for: model.configuration, values: false)
            let opened = clock.now
            let packed = try PackedAdapter(weights, for: model, team: team)
            return (packed, (clock.now - start).seconds, (opened - start).seconds)
        }
        let fresh = try (0..<repetitions).map { _ in try load() }
        let again = try (0..<repetitions).map { _ in
            let (_, total, opening) = try load()
            return (total, opening)
        }.sorted { $0.0 < $1.0 }
        return AdapterLoad(
            type: type.rawValue, fileBytes: fileBytes, best: again[0].0 * 1e3,
            median: again[again.count / 2].0 * 1e3,
            fresh: (fresh.map(\.total).min() ?? 0) * 1e3, opening: again[0].1 * 1e3,
            packing: (again[0].0 - again[0].1) * 1e3)
    }
}

/// Writes adapters as PEFT saves them.
enum PEFTFolder {
    /// - Returns: the size of the file with the factors.
    static func write(
        _ adapter: AdapterWeights, as type: TensorType, to folder: URL
    ) throws -> Int {
        var header: [String: Any] = ["__metadata__": ["format": "pt"]]
        var contents = Data()
        for (site, factors) in adapter.sites.sorted(by: { $0.key < $1.key }) {
            for (letter, factor) in [("A", factors.a), ("B", factors.b)] {
                let start = contents.count
                for value in try factor.floats() {
                    let bits = value.bitPattern
                    withUnsafeBytes(of: bits) {
                        contents.append(contentsOf: type == .f32 ? $0[...] : $0[2...])
                    }
                }
                header["base_model.model.\(site.moduleName).lora_\(letter).weight"] = [
                    "dtype": type.rawValue, "shape": factor.shape,
                    "data_offsets": [start, contents.count],
                ]
            }
        }
        let json = try JSONSerialization.data(withJSONObject: header)
        var file = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) }
        file += json
        file += contents
        try file.write(to: folder.appending(path: "adapter_model.safetensors"))
        let configuration: [String: Any] = [
            "peft_type": "LORA", "r": adapter.maximumRank, "lora_alpha": 2 * adapter.maximumRank,
            "target_modules": LinearKind.allCases.map {
                $0.moduleName.split(separator: ".").last.map(String.init) ?? ""
            },
        ]
        try JSONSerialization.data(withJSONObject: configuration).write(
            to: folder.appending(path: "adapter_config.json"))
        return file.count
    }
}
