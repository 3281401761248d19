// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A host that is changed while it runs, from outside.
struct ReloadHostTests {
    private static let question = SampleModel.chat("roman", "Write 47 as a Roman numeral.")

    private static var quick: ServedManifest {
        var manifest = ServedManifest()
        manifest.plugins = ["budget: 1s"]
        return manifest
    }

    private func burrow(_ server: BurrowProcess, _ words: String...) async throws -> CommandResult {
        try await run(Built.burrow, words + ["--socket", server.adminSocket])
    }

    @Test func planApplyAndRollBack() async throws {
        let server = try await BurrowProcess.start(Self.quick)
        let folder = try TestFolder()
        var changed = Self.quick
        changed.limits = ["queue: 7"]
        changed.pipeline = ["fairness: credit-fairness"]
        let file = try folder.write("m.yaml", changed.text)
        let same = try await burrow(server, "plan", server.manifest)
        #expect(same.status == 0 && same.output.hasPrefix("nothing changes"), "\(same)")
        let plan = try await burrow(server, "plan", file, "-o", "\(folder.path)/plan.json")
        #expect(plan.status == 2, "\(plan)")
        #expect(plan.output.contains("~ limits.queue: 1024 → 7"), "\(plan)")
        #expect(plan.output.contains("~ fairness: arrival-order → credit-fairness"), "\(plan)")
        let applied = try await burrow(server, "apply", "\(folder.path)/plan.json")
        #expect(applied.status == 0, "\(applied)")
        #expect(applied.output.hasPrefix("generation 2 is in force"), "\(applied)")
        let again = try await burrow(server, "apply", "\(folder.path)/plan.json")
        #expect(again.status == 1 && again.errors.contains("the plan is stale"), "\(again)")
        let back = try await burrow(server, "rollback")
        #expect(back.status == 0 && back.output.hasPrefix("generation 3"), "\(back)")
        let list = try await AdminSocketClient(server).generations()
        #expect(
            list.map { $0["outcome"].text } == ["superseded", "superseded", "probation"])
        #expect(list[0]["digest"] == list[2]["digest"])
        let client = Client(server)
        #expect(try await client.metric("burrow:generation_info", ["generation": "3"]) == 1)
        #expect(try await client.metric("burrow:generation_info") == 1)
        #expect(try await client.metric("burrow:reloads_total", ["outcome": "live"]) == 2)
        let table = try await burrow(server, "generations")
        #expect(table.output.split(separator: "\n").count == 4, "\(table)")
        try await server.stop()
    }

    @Test func aPlanWhoseManifestHasChangedIsStale() async throws {
        let server = try await BurrowProcess.start(Self.quick)
        let folder = try TestFolder()
        var changed = Self.quick
        changed.limits = ["queue: 7"]
        let file = try folder.write("m.yaml", changed.text)
        _ = try await burrow(server, "plan", file, "-o", "\(folder.path)/plan.json")
        changed.limits = ["queue: 8"]
        try folder.write("m.yaml", changed.text)
        let applied = try await burrow(server, "apply", "\(folder.path)/plan.json")
        #expect(applied.status == 1 && applied.errors.contains("has changed since"), "\(applied)")
        try await server.stop()
    }

    @Test func aBrokenManifestLeavesWhatIsLiveAndIsReportedEverywhere() async throws {
        let server = try await BurrowProcess.start(Self.quick)
        let admin = AdminSocketClient(server)
        var broken = Self.quick
        broken.pipeline = ["batching: dlora-batchin"]
        let refused = try await admin.apply(broken.text)
        #expect(refused.status == 422)
        let reply = try refused.json
        #expect(reply["outcome"] == "refused" && reply["failedStage"] == "validate")
        let reason = reply["reason"].text ?? ""
        #expect(reason.contains("(did you mean 'dlora-batching'?)"), "\(reason)")
        #expect(reason.contains("manifest.yaml:11:"), "\(reason)")
        let last = try #require(try await admin.generations().last)
        #expect(last["outcome"] == "rejected" && last["reason"].text == reason)
        #expect(server.log.contains("generation 1 stays"), "\(server.log)")
        let client = Client(server)
        #expect(try await client.metric("burrow:config_last_reload_successful") == 0)
        #expect(try await client.metric("burrow:reloads_total", ["outcome": "failed"]) == 1)
        #expect(try await client.post("/v1/chat/completions", Self.question).status == 200)
        #expect(try await admin.apply("nonsense: [").status == 422)
        signal(server, SIGTERM)
        _ = try await server.end()
    }

    private func signal(_ server: BurrowProcess, _ number: Int32) { server.signal(number) }

    @Test func whatNeedsANewStartIsRefusedByName() async throws {
        let server = try await BurrowProcess.start(Self.quick)
        var changed = Self.quick
        changed.dtype = "f32"
        changed.replicas = ["memory: 300MiB", "maxBatch: 32"]
        changed.limits = ["queue: 3"]
        let reply = try await AdminSocketClient(server).apply(changed.text)
        let reason = try reply.json["reason"].text ?? ""
        #expect(reply.status == 422)
        #expect(reason.contains("spec.model: ") && reason.contains("spec.replicas.memory: "))
        #expect(reason.contains("only a new start of the host can change this"), "\(reason)")
        #expect(try reply.json["changes"].list.count == 3)
        let elsewhere = try TestFolder()
        let other = Self.quick.text.replacing(
            "search: [\(Built.folder)]", with: "search: [\(elsewhere.path)]")
        let strange = try await AdminSocketClient(server).apply(other)
        #expect(strange.status == 422)
        #expect(try strange.json["reason"].text?.contains("loads plugins only from") == true)
        signal(server, SIGTERM)
        _ = try await server.end()
    }

    @Test func theAdminSurfaceWantsToKnowWhatIsReplaced() async throws {
        let server = try await BurrowProcess.start(Self.quick)
        let admin = AdminSocketClient(server)
        let text = Self.quick.text
        #expect(try await admin.ask("PUT", "/admin/manifest", body: text).status == 428)
        let stale = try await admin.ask(
            "PUT", "/admin/manifest", headers: ["If-Match: \"00\""], body: text)
        #expect(stale.status == 412)
        let live = try await admin.ask("GET", "/admin/manifest")
        #expect(String(decoding: live.body, as: UTF8.self) == text)
        let tag = try #require(live.headers["etag"])
        let same = try await admin.ask(
            "PUT", "/admin/manifest", headers: ["If-Match: \(tag)"], body: text)
        #expect(try same.status == 200 && same.json["outcome"] == "unchanged")
        #expect(try await admin.ask("DELETE", "/admin/manifest").status == 405)
        #expect(try await admin.ask("POST", "/admin/rollback?to=x").status == 400)
        #expect(try await admin.ask("POST", "/admin/rollback").status == 404)
        try await server.stop()
    }

    @Test func aSignalAndEveryWayOfWritingAFileIsNoticed() async throws {
        let server = try await BurrowProcess.start(Self.quick, arguments: ["--watch"])
        let admin = AdminSocketClient(server)
        var number = 1
        func next(_ change: (String) throws -> Void) async throws {
            number += 1
            var manifest = Self.quick
            manifest.limits = ["queue: \(number)"]
            try change(manifest.text)
            let wanted = number
            let last = try await admin.latest { $0["number"].integer == wanted }
            #expect(last["changes"][0]["item"] == "limits.queue")
        }
        let file = server.manifest
        try await next { try $0.write(toFile: file, atomically: false, encoding: .utf8) }
        try await next { try $0.write(toFile: file, atomically: true, encoding: .utf8) }
        // As configuration maps are swapped: the file is a link into a folder that is replaced.
        let folder = server.folder
        try await next { text in
            try folder.write("v1/manifest.yaml", text)
            try folder.link("data", to: "\(folder.path)/v1")
            try FileManager.default.removeItem(atPath: file)
            try folder.link("manifest.yaml", to: "\(folder.path)/data/manifest.yaml")
        }
        try await next { text in
            try folder.write("v2/manifest.yaml", text)
            try folder.link("data.new", to: "\(folder.path)/v2")
            #expect(rename("\(folder.path)/data.new", "\(folder.path)/data") == 0)
        }
        #expect(!server.log.contains("refused"), "\(server.log)")
        try await server.stop()
    }

    @Test func aHangUpReadsTheManifestAgain() async throws {
        let server = try await BurrowProcess.start(Self.quick)
        var manifest = Self.quick
        manifest.limits = ["queue: 9"]
        try manifest.text.write(toFile: server.manifest, atomically: true, encoding: .utf8)
        server.signal(SIGHUP)
        let last = try await AdminSocketClient(server).latest { $0["number"] == 2 }
        #expect(last["origin"] == "signal" && last["changes"].list.count == 1)
        try await server.stop()
    }

    @Test func adaptersAndKeysChangeUnderRunningStreams() async throws {
        let folder = try TestFolder()
        let samples = "\(Built.samples)/adapters"
        let keys = try folder.write("keys.txt", "alice: secret-a\n")
        func manifest(_ adapters: [String]) -> ServedManifest {
            var manifest = Self.quick
            manifest.server = ["apiKeys: {file: \(keys)}"]
            manifest.adapters = adapters
            return manifest
        }
        let server = try await BurrowProcess.start(
            manifest(["{name: roman, path: \(samples)/roman}"]))
        let admin = AdminSocketClient(server)
        let client = Client(server)
        func ask(_ model: String, _ key: String) async throws -> WireReply {
            try await client.post(
                "/v1/chat/completions", SampleModel.chat(model, "Write 47 as a Roman numeral."),
                headers: ["Authorization: Bearer \(key)"])
        }
        let answer = try await ask("roman", "secret-a").json["choices"][0]["message"]["content"]
        #expect(answer == "XLVII")
        try folder.write("keys.txt", "alice: secret-a\nbob: secret-b\n")
        let next = try await admin.apply(
            manifest([
                "{name: roman, path: \(samples)/french}", "{name: new, path: \(samples)/roman}",
            ]).text)
        #expect(next.status == 200)
        let renamed = try await ask("new", "secret-b").json["choices"][0]["message"]["content"]
        #expect(renamed == answer)
        let replaced = try await ask("roman", "secret-a").json["choices"][0]["message"]["content"]
        #expect(replaced != answer && replaced.text?.isEmpty == false)
        let gone = try await admin.apply(manifest(["{name: new, path: \(samples)/roman}"]).text)
        #expect(gone.status == 200)
        #expect(try await ask("roman", "secret-a").status == 404)
        try folder.write("keys.txt", "bob: secret-b\n")
        #expect(try await admin.ask("POST", "/admin/reload").status == 200)
        _ = try await admin.apply(manifest(["{name: new, path: \(samples)/roman}"]).text)
        #expect(try await ask("new", "secret-a").status == 401)
        #expect(try await ask("new", "secret-b").status == 200)
        try await server.stop()
    }

    @Test func oneStepPutsEverythingOnItsDefault() async throws {
        var manifest = Self.quick
        manifest.pipeline = ["batching: dlora-batching", "fairness: credit-fairness"]
        let server = try await BurrowProcess.start(manifest)
        let reset = try await burrow(server, "reset-to-default")
        #expect(reset.status == 0, "\(reset)")
        #expect(reset.output.contains("~ batching: dlora-batching → fcfs-unmerged"), "\(reset)")
        let status = try await AdminSocketClient(server).ask("GET", "/admin/status").json
        #expect(
            status["policies"].list.map { $0["type"].text } == [
                "fcfs-unmerged", "arrival-order", "lru", "least-pending", "none",
            ])
        #expect(status["generation"] == 2)
        let back = try await burrow(server, "rollback")
        #expect(back.status == 0 && back.output.contains("→ dlora-batching"), "\(back)")
        signal(server, SIGTERM)
        #expect(try await server.end().status == 0)
    }
}
