// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// A folder with a gate of random parameters, as training would have written it for the sample model.
enum RandomGate {
    private static let layers = 4
    private static let hiddenSize = 192

    /// Writes the gate into `gate` in the folder.
    ///
    /// - Returns: its path.
    static func write(
        for experts: [String], pooling: String, in folder: TestFolder
    ) async throws -> String {
        var listed: [JSON] = []
        for expert in experts {
            let file = "\(Built.samples)/adapters/\(expert)/adapter_model.safetensors"
            let digest = try await run("/usr/bin/sha256sum", [file]).output.prefix(64)
            listed.append(["name": .text(expert), "sha256": .text(String(digest))])
        }
        let configuration: JSON = [
            "format": "mole/1", "pooling": .text(pooling), "experts": .list(listed),
        ]
        try folder.write(
            "gate/mole_config.json", String(decoding: try configuration.bytes, as: UTF8.self))
        let file = try folder.write("gate/mole_gate.safetensors", "")
        try Data(tensors(of: experts.count, pooling: pooling)).write(
            to: URL(fileURLWithPath: file))
        return "\(folder.path)/gate"
    }

    private static func tensors(of experts: Int, pooling: String) throws -> [UInt8] {
        var random = SeededRandom(seed: 11)
        var header: [String: JSON] = [:]
        var values: [UInt8] = []
        func add(_ name: String, _ shape: [Int], _ scale: Float) {
            let start = values.count
            for _ in 0..<shape.reduce(1, *) {
                let value = scale * (Float(random.below(20_001)) / 10_000 - 1)
                withUnsafeBytes(of: value.bitPattern.littleEndian) { values += $0 }
            }
            header[name] = [
                "dtype": "F32", "shape": .list(shape.map { .number(Double($0)) }),
                "data_offsets": .list([.number(Double(start)), .number(Double(values.count))]),
            ]
        }
        for layer in 0..<layers {
            let set = "layers.\(layer).block"
            for term in pooling == "both" ? ["gate", "pool"] : ["pool"] {
                add("\(set).\(term).weight", [experts, hiddenSize], 0.3)
            }
            add("\(set).bias", [experts], 0.1)
            add("\(set).log_tau", [1], 0)
        }
        let json = try JSON.object(header).bytes
        let length = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) }
        return length + json + values
    }
}
