// SPDX-License-Identifier: Apache-2.0

import Testing

private let withoutClients: Comment =
    "BURROW_CLIENTS does not name the environment that `make clients` makes"

/// OpenAI's own Python client against the whole host.
@Suite(.enabled(if: Built.clientPython != nil, withoutClients))
struct OpenAIClientTests {
    private let script = "\(Built.repository)/Tests/Clients/openai_client.py"

    private func check(_ server: BurrowProcess, _ options: [String] = []) async throws -> String {
        let python = try #require(Built.clientPython)
        let url = "http://127.0.0.1:\(server.port)/v1"
        let result = try await run(python, [script, url] + options)
        #expect(result.status == 0, "\(result.output)\(result.errors)")
        return result.output
    }

    @Test func theClientDoesEverythingItDoesElsewhere() async throws {
        let server = try await BurrowProcess.start(ServedManifest(dtype: "f32"))
        let output = try await check(server)
        #expect(output.split(separator: "\n").count { $0.hasPrefix("ok: ") } == 14)
        try await server.stop()
    }

    @Test func theClientNeedsTheRightKey() async throws {
        let folder = try TestFolder()
        let keys = try folder.write("keys.txt", "# for tests\nme: sk-test-1\nsk-test-2\n")
        let server = try await BurrowProcess.start(
            ServedManifest(server: ["apiKeys: {file: \(keys)}"]))
        for key in ["sk-test-1", "sk-test-2"] {
            let output = try await check(server, ["--key", key])
            #expect(output.split(separator: "\n").count { $0.hasPrefix("ok: ") } == 3)
        }
        let client = Client(server)
        let refused = try await client.get("/v1/models")
        #expect(refused.status == 401)
        #expect(refused.head["www-authenticate"] == "Bearer")
        #expect(try refused.json["error"]["type"] == "AuthenticationError")
        #expect(try await client.get("/health").status == 200, "health is open")
        #expect(try await client.get("/metrics").status == 200, "metrics are open")
        #expect(!server.log.contains("sk-test"), "no key in the log")
        try await server.stop()
    }

    /// The Python of the README, word for word but for the address.
    @Test func thePythonOfTheReadmeRuns() async throws {
        let server = try await BurrowProcess.start(
            path: "\(Built.repository)/Manifests/quickstart.yaml")
        let blocks = try MarkdownBlock.all(in: "README.md").filter { $0.language == "python" }
        #expect(!blocks.isEmpty)
        for block in blocks {
            let text = block.text.replacing("127.0.0.1:8080", with: "127.0.0.1:\(server.port)")
            let folder = try TestFolder()
            let script = try folder.write("script.py", text)
            let result = try await run(try #require(Built.clientPython), [script], in: folder)
            #expect(result.status == 0, "README.md:\(block.line): \(result.errors)")
            #expect(result.output == "SUN MOON STAR", "README.md:\(block.line)")
        }
        try await server.stop()
    }
}
