// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// What the READMEs say, carried out.
struct DocumentationTests {
    /// The root's README and those of the plugins.
    private static let readmes: [String] =
        ["README.md"]
        + ((try? FileManager.default.contentsOfDirectory(atPath: "\(Built.repository)/Plugins"))
        ?? []).sorted().map { "Plugins/\($0)/README.md" }

    /// A folder in which the relative paths of a manifest lead to what was built and to the samples.
    private func mirror() throws -> TestFolder {
        let folder = try TestFolder()
        try folder.link("Samples", to: Built.samples)
        try folder.link(".build/release", to: Built.folder)
        return folder
    }

    @Test(arguments: readmes)
    func everyManifestIsValid(_ readme: String) async throws {
        let blocks = try MarkdownBlock.all(in: readme).filter { $0.language == "yaml" }
        #expect(!blocks.isEmpty, "\(readme) shows no manifest")
        for block in blocks {
            let folder = try mirror()
            let place = readme.split(separator: "/").dropLast().joined(separator: "/")
            let manifest = try folder.write("\(place)/manifest.yaml", block.text)
            let result = try await run(Built.burrow, ["validate", manifest], in: folder)
            #expect(result.status == 0, "\(readme):\(block.line): \(result.errors)")
        }
    }

    @Test func everyPluginHasAReadmeWithAManifest() {
        #expect(Self.readmes.count > 2)
    }

    /// Each `bash` block is a curl command, and the `json` block behind it is the reply.
    @Test func everyCommandAnswersAsTheReadmeShows() async throws {
        let server = try await BurrowProcess.start(
            path: "\(Built.repository)/Manifests/quickstart.yaml")
        let blocks = try MarkdownBlock.all(in: "README.md")
        let commands = blocks.indices.filter { blocks[$0].language == "bash" }
        #expect(!commands.isEmpty)
        for index in commands {
            let place: Comment = "README.md:\(blocks[index].line)"
            guard blocks[index].text.contains("curl"), index + 1 < blocks.count,
                blocks[index + 1].language == "json"
            else {
                Issue.record("\(place): no curl with a json block behind it: write sh instead")
                continue
            }
            let command = blocks[index].text.replacing(
                "127.0.0.1:8080", with: "127.0.0.1:\(server.port)")
            let result = try await run("/bin/bash", ["-c", command])
            #expect(result.status == 0, place)
            let found = try JSON(parsing: result.output)
            let shown = try JSON(parsing: blocks[index + 1].text)
            #expect(comparable(found) == comparable(shown), place)
        }
        try await server.stop()
    }

    /// Each `sh` block that measures a server, at the server's port, in a folder of its own.
    @Test func everyMeasurementRunsAsTheReadmeShows() async throws {
        let server = try await BurrowProcess.start(
            path: "\(Built.repository)/Manifests/quickstart.yaml")
        let folder = try mirror()
        let blocks = try MarkdownBlock.all(in: "README.md").filter {
            $0.language == "sh" && $0.text.contains("/burrow bench http")
        }
        #expect(!blocks.isEmpty)
        for block in blocks {
            let command = block.text.replacing("127.0.0.1:8080", with: "127.0.0.1:\(server.port)")
            let result = try await run("/bin/bash", ["-e", "-c", command], in: folder)
            let place: Comment = "README.md:\(block.line): \(result.errors)"
            #expect(result.status == 0, place)
            #expect(result.output.contains("100 of 100 requests completed"), place)
            #expect(FileManager.default.fileExists(atPath: "\(folder.path)/report.svg"), place)
        }
        try await server.stop()
    }

    /// The other `sh` blocks that run `burrow`, beside a host that generates until all have ended; with
    /// fewer decisions and requests than the README asks for, as this is no release build.
    @Test func everyOtherCommandRunsAsTheReadmeShows() async throws {
        let server = try await BurrowProcess.start(
            path: "\(Built.repository)/Manifests/quickstart.yaml")
        let folder = try mirror()
        try folder.link("Manifests", to: "\(Built.repository)/Manifests")
        let blocks = try MarkdownBlock.all(in: "README.md").filter {
            $0.language == "sh" && $0.text.contains("/burrow ") && !$0.text.contains("burrow bench")
        }
        #expect(blocks.count >= 4)
        let runtime = URL(fileURLWithPath: server.adminSocket)
            .deletingLastPathComponent().deletingLastPathComponent().path
        let requests = Task {
            while !Task.isCancelled {
                _ = try await Client(server).post(
                    "/v1/chat/completions", SampleModel.longChat("roman", choices: 4))
            }
        }
        for block in blocks {
            let command = block.text.replacing("--decisions 1000", with: "--decisions 100")
                .replacing("--requests 5000", with: "--requests 500")
            let result = try await run(
                "/bin/bash", ["-e", "-c", "export XDG_RUNTIME_DIR=\(runtime)\n\(command)"],
                in: folder)
            #expect(result.status == 0, "README.md:\(block.line): \(result.errors)")
        }
        requests.cancel()
        _ = try await requests.value
        try await server.stop()
    }

    /// The table of the samples: adapter, prompt, answer.
    @Test func everySampleAnswersAsItsReadmeShows() async throws {
        let server = try await BurrowProcess.start(ServedManifest())
        var adapters: [String] = []
        for line in try Built.text("Samples/README.md").split(separator: "\n") {
            let row = /\| `(?<adapter>[a-z]+)` \| (?<prompt>.+?) \| (?<answer>.+?) \|/
            guard let row = line.wholeMatch(of: row) else { continue }
            adapters.append(String(row.adapter))
            let body = SampleModel.chat(String(row.adapter), String(row.prompt))
            let reply = try await Client(server).post("/v1/chat/completions", body)
            let text = try reply.json["choices"][0]["message"]["content"].text
            #expect(text == String(row.answer), "\(line)")
        }
        #expect(adapters.sorted() == SampleModel.adapters)
        try await server.stop()
    }

    /// The same text, without what is different each time.
    private func comparable(_ reply: JSON) -> JSON {
        var reply = reply
        if reply["id"].text != nil { reply["id"] = "id" }
        if reply["created"].number != nil { reply["created"] = 0 }
        return reply
    }
}
