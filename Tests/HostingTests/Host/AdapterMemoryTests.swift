// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// An adapter that is unloaded gives its memory back to the system.
struct AdapterMemoryTests {
    private static let rank = 512
    private static let count = 6

    /// Makes an adapter of the sample model with the modules of one of its own and a large rank. All
    /// its weights are zero, which take as much memory as any.
    private func makeAdapter(_ name: String, in folder: TestFolder) throws {
        let source = "\(Built.samples)/adapters/roman"
        var settings = try JSON(parsing: Built.text("Samples/adapters/roman/adapter_config.json"))
        settings["r"] = .number(Double(Self.rank))
        let text = String(decoding: try settings.bytes, as: UTF8.self)
        try folder.write("\(name)/adapter_config.json", text)
        let file = try Data(
            contentsOf: URL(fileURLWithPath: "\(source)/adapter_model.safetensors"))
        let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        var header = try JSON(parsing: Array(file.dropFirst(8).prefix(length)))
        var end = 0
        for (tensor, entry) in header.members.sorted(by: { $0.key < $1.key })
        where tensor != "__metadata__" {
            var shape = entry["shape"].integers
            shape[tensor.contains("lora_A") ? 0 : 1] = Self.rank
            let bytes = shape.reduce(4, *)
            let dimensions = shape.map { JSON.number(Double($0)) }
            header[tensor] = [
                "dtype": "F32", "shape": .list(dimensions),
                "data_offsets": .list([.number(Double(end)), .number(Double(end + bytes))]),
            ]
            end += bytes
        }
        var bytes = try header.bytes
        while bytes.count % 8 != 0 { bytes.append(0x20) }
        let size = (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) }
        let path = "\(folder.path)/\(name)/adapter_model.safetensors"
        try Data(size + bytes).write(to: URL(fileURLWithPath: path))
        // The rest of the file is a hole, which reads as zeros.
        #expect(truncate(path, off_t(8 + bytes.count + end)) == 0)
    }

    /// Resident bytes of a process.
    private func residentBytes(of server: BurrowProcess) throws -> Double {
        let status = try String(
            contentsOfFile: "/proc/\(server.processIdentifier)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(
            line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) })
            * 1024
    }

    @Test func unloadingGivesMemoryBack() async throws {
        let folder = try TestFolder()
        let names = (0..<Self.count).map { "large-\($0)" }
        for name in names { try makeAdapter(name, in: folder) }
        let server = try await BurrowProcess.start(
            ServedManifest(
                replicas: ["memory: 512MiB", "adapterMemory: 256MiB", "maxStepTokens: 64"],
                limits: ["adapterRoots: [\(folder.path)]"]))
        let client = Client(server)
        func ask(_ model: String) async throws {
            let reply = try await client.post(
                "/v1/chat/completions", SampleModel.chat(model, "Write 47.", ["max_tokens": 2]))
            #expect(reply.status == 200, "\(reply.text)")
        }
        try await ask("roman")
        let before = try residentBytes(of: server)
        for name in names {
            let loaded = try await client.post(
                "/v1/load_lora_adapter",
                ["lora_name": .text(name), "lora_path": .text("\(folder.path)/\(name)")])
            #expect(loaded.status == 200, "\(loaded.text)")
            try await ask(name)
        }
        let resident = try await client.metric("burrow:adapter_resident_bytes")
        let during = try residentBytes(of: server)
        #expect(resident > 100_000_000)
        #expect(during - before > 0.8 * resident, "they are in memory")
        for name in names {
            let unloaded = try await client.post(
                "/v1/unload_lora_adapter", ["lora_name": .text(name)])
            #expect(unloaded.status == 200)
        }
        let after = try residentBytes(of: server)
        print("before \(before), with \(resident) of adapters \(during), after \(after)")
        #expect(during - after >= 0.9 * (during - before))
        try await ask("roman")
        try await server.stop()
    }
}
