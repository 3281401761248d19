// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// What the threads of a host do while it has nothing to do, and where they run.
struct ThreadTests {
    private static func manifest(_ replicas: String...) -> ServedManifest {
        var manifest = ServedManifest()
        manifest.replicas += replicas
        return manifest
    }

    @Test func anIdleHostUsesNoProcessor() async throws {
        let server = try await BurrowProcess.start(Self.manifest("count: 2", "threads: 2"))
        let client = Client(server)
        let reply = try await client.post(
            "/v1/completions", ["model": "sample", "prompt": [1, 2, 3], "max_tokens": 4])
        #expect(reply.status == 200, "\(reply.text)")
        // What the answer left to do is done when nothing has run for a while.
        let seconds = try await onThread {
            var used = try server.processorSeconds()
            for _ in 0..<100 {
                let start = ContinuousClock.now
                Thread.sleep(forTimeInterval: 0.2)
                let now = try server.processorSeconds()
                let share = (now - used) / ((ContinuousClock.now - start) / .seconds(1))
                if share < 0.01 { return share }
                used = now
            }
            return 1
        }
        #expect(seconds < 0.01, "of a processor, with nothing to do")
        try await server.stop()
    }

    @Test func pinnedThreadsStayOnAProcessorEach() async throws {
        let count = ProcessInfo.processInfo.activeProcessorCount
        let server = try await BurrowProcess.start(
            Self.manifest("threads: \(count)", "pinned: true"))
        let client = Client(server)
        let reply = try await client.post(
            "/v1/completions", ["model": "sample", "prompt": [1, 2, 3], "max_tokens": 4])
        #expect(reply.status == 200, "\(reply.text)")
        let places = try server.allowedProcessors().filter { Int($0) != nil }
        if count > 1 { #expect(Set(places).count == count && places.count == count) }
        try await server.stop()
    }

    @Test func moreThreadsThanProcessorsAreNotPinned() async throws {
        let folder = try TestFolder()
        let text = Self.manifest("count: 64", "threads: 1024", "pinned: true").text
        let manifest = try folder.write("m.yaml", text)
        let result = try await run(Built.burrow, ["serve", manifest], in: folder)
        #expect(result.status == 78)
        #expect(result.errors.contains("spec.replicas.pinned"))
    }
}

extension BurrowProcess {
    private func tasks(_ file: String) throws -> [String] {
        let folder = "/proc/\(processIdentifier)/task"
        return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap {
            // A thread may end between the listing and the reading.
            try? String(contentsOfFile: "\(folder)/\($0)/\(file)", encoding: .utf8)
        }
    }

    /// What all threads have used since they began.
    func processorSeconds() throws -> Double {
        try tasks("schedstat").reduce(0) { sum, line in
            sum + 1e-9 * (line.split(separator: " ").first.flatMap { Double($0) } ?? 0)
        }
    }

    /// For each thread the processors it may run on, as `0-1` or `3`.
    func allowedProcessors() throws -> [String] {
        try tasks("status").compactMap { status in
            let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
            return line?.split(separator: "\t").last.map(String.init)
        }
    }
}
