// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Folders that clients may load from, and others that they may not.
private enum AdapterFolders {
    static let folder = Result {
        let folder = try TestFolder()
        for name in ["roman", "french", "shout"] {
            try folder.copy("\(Built.samples)/adapters/\(name)", to: "root/\(name)")
        }
        try folder.copy("\(Built.samples)/adapters/add", to: "outside/add")
        try folder.copy("\(Built.samples)/adapters/add", to: "root-beside/add")
        try folder.link("root/escape", to: "\(folder.path)/outside/add")
        try folder.link("root/door", to: "\(folder.path)/outside")
        try folder.link("root/nowhere", to: "\(folder.path)/outside/nothing")
        try folder.link("root/alias", to: "\(folder.path)/root/shout")
        return folder
    }

    static let root = ((try? folder.get())?.path ?? "") + "/root"

    static let manifest = ServedManifest(
        adapters: ["{name: pig, path: \(Built.samples)/adapters/pig}"],
        limits: ["adapterRoots: [\(root), \(Built.goldens)]"])
}

/// vLLM's adapter lifecycle over HTTP, with what Burrow adds: generations and roots.
@Suite(.serialized, .serving(AdapterFolders.manifest))
struct AdapterLifecycleTests {
    private func load(_ name: String, _ path: String, _ more: [String: JSON] = [:]) async throws
        -> WireReply
    {
        let body: [String: JSON] = ["lora_name": .text(name), "lora_path": .text(path)]
        return try await Client.ofSuite.post(
            "/v1/load_lora_adapter", .object(body.merging(more) { $1 }))
    }

    private func unload(_ name: String, _ more: [String: JSON] = [:]) async throws -> WireReply {
        let body: [String: JSON] = ["lora_name": .text(name)]
        return try await Client.ofSuite.post(
            "/v1/unload_lora_adapter", .object(body.merging(more) { $1 }))
    }

    private func ask(_ name: String, _ prompt: String) async throws -> WireReply {
        try await Client.ofSuite.post("/v1/chat/completions", SampleModel.chat(name, prompt))
    }

    private func listing(_ name: String) async throws -> JSON {
        let list = try await Client.ofSuite.get("/v1/lora_adapters").json["data"].list
        return list.first { $0["name"] == .text(name) } ?? .null
    }

    @Test func anAdapterIsLoadedServedAndUnloaded() async throws {
        let loaded = try await load("numerals", "\(AdapterFolders.root)/roman")
        #expect(loaded.status == 200)
        #expect(loaded.head["content-type"]?.hasPrefix("text/plain") == true)
        #expect(loaded.text == "Success: LoRA adapter 'numerals' added successfully.")
        let answer = try await ask("numerals", "Write 48 as a Roman numeral.")
        #expect(try answer.json["choices"][0]["message"]["content"] == "XLVIII")
        #expect(try answer.json["model"] == "numerals")
        let card = try await Client.ofSuite.get("/v1/models/numerals").json
        #expect(card["parent"] == "sample")
        #expect(card["root"] == .text("\(AdapterFolders.root)/roman"))
        #expect(try await listing("numerals")["generation"] == 1)

        let unloaded = try await unload("numerals")
        #expect(unloaded.status == 200)
        #expect(unloaded.text == "Success: LoRA adapter 'numerals' removed successfully.")
        let gone = try await ask("numerals", "Write 48 as a Roman numeral.")
        #expect(gone.status == 404)
        #expect(try gone.json["error"]["type"] == "NotFoundError")
        #expect(try gone.json["error"]["param"] == "model")
        #expect(try await Client.ofSuite.get("/v1/models/numerals").status == 404)
        #expect(try await listing("numerals") == .null)
        let again = try await unload("numerals")
        #expect(again.status == 404)
        #expect(again.message.hasPrefix("The lora adapter 'numerals' cannot be found."))
    }

    @Test func aLoadedNameIsNotTakenTwice() async throws {
        #expect(try await load("twice", "\(AdapterFolders.root)/roman").status == 200)
        let again = try await load("twice", "\(AdapterFolders.root)/french")
        #expect(again.status == 400)
        #expect(again.message.contains("has already been loaded"))
        #expect(again.message.contains("load_inplace"))
        let base = try await load("sample", "\(AdapterFolders.root)/french")
        #expect(base.status == 400)
        #expect(base.message.contains("the base model"))
        #expect(try await unload("twice").status == 200)
    }

    /// The stream was begun on the old weights and ends on them, whatever the name means meanwhile.
    @Test func aStreamKeepsTheGenerationItBeganOn() async throws {
        let client = try Client.ofSuite
        let long = SampleModel.longChat("numbers", choices: 4, ["return_token_ids": true])
        #expect(try await load("numbers", "\(AdapterFolders.root)/roman").status == 200)
        let alone = try await client.stream("/v1/chat/completions", long).allEvents()
        #expect(tokens(of: alone).values.allSatisfy { $0.count == 480 })
        let events = try await streamOverASwap(long, on: client)
        #expect(tokens(of: events).count == 4)
        #expect(tokens(of: events) == tokens(of: alone))
        #expect(try await unload("numbers").status == 200)
    }

    /// What a stream brings that goes on while its adapter, which is there, is replaced.
    ///
    /// A busy machine may have ended it before the new weights are there: then it is tried again.
    private func streamOverASwap(_ body: JSON, on client: Client) async throws -> [JSON] {
        for _ in 0..<20 {
            let stream = try await client.stream("/v1/chat/completions", body)
            var events: [JSON] = []
            for _ in 0..<20 { events.append(try #require(try await stream.nextEvent())) }
            let swapped = try await load(
                "numbers", "\(AdapterFolders.root)/french", ["load_inplace": true])
            #expect(swapped.status == 200)
            let runsYet = try await client.metric("vllm:num_requests_running") == 4
            #expect(try #require(try await listing("numbers")["generation"].number) >= 2)
            let answer = try await ask("numbers", "Comment dit-on 48 ?")
            #expect(try answer.json["choices"][0]["message"]["content"] == "quarante-huit")
            events += try await stream.allEvents()
            if runsYet { return events }
            let back = try await load(
                "numbers", "\(AdapterFolders.root)/roman", ["load_inplace": true])
            #expect(back.status == 200)
        }
        throw WireFault.deadline("a stream that goes on while its adapter is replaced")
    }

    @Test func aStreamOutlivesTheUnloadingOfItsAdapter() async throws {
        var isMeasured = false
        // On a busy machine the stream may be over before anybody looks.
        for _ in 0..<10 where !isMeasured { isMeasured = try await unloadUnderAStream() }
        #expect(isMeasured, "it is measured while it runs")
    }

    /// Unloads an adapter that a stream runs on, which comes whole all the same.
    ///
    /// - Returns: whether the adapter was still measured when it was unloaded.
    private func unloadUnderAStream() async throws -> Bool {
        let client = try Client.ofSuite
        #expect(try await load("leaving", "\(AdapterFolders.root)/roman").status == 200)
        let stream = try await client.stream(
            "/v1/chat/completions",
            SampleModel.longChat("leaving", choices: 4, ["return_token_ids": true]))
        var events: [JSON] = []
        for _ in 0..<20 { events.append(try #require(try await stream.nextEvent())) }
        #expect(try await unload("leaving").status == 200)
        #expect(try await ask("leaving", "x").status == 404)
        let isMeasured = try await series(of: "leaving") > 0
        events += try await stream.allEvents()
        #expect(tokens(of: events).values.allSatisfy { $0.count == 480 })
        try await eventually("its series end") { try await series(of: "leaving") == 0 }
        return isMeasured
    }

    private func series(of adapter: String) async throws -> Int {
        try ExpositionCheck(await Client.ofSuite.get("/metrics").body).samples
            .count { $0.labels["adapter"] == adapter }
    }

    private func tokens(of events: [JSON]) -> [Int: [Int]] {
        var tokens: [Int: [Int]] = [:]
        for choice in events.flatMap({ $0["choices"].list }) {
            tokens[choice["index"].integer ?? -1, default: []] += choice["token_ids"].integers
        }
        return tokens
    }

    @Test func generationsAreComparedBeforeTheyAreSwapped() async throws {
        #expect(try await load("cas", "\(AdapterFolders.root)/roman").status == 200)
        let path = "\(AdapterFolders.root)/french"
        let stale = try await load("cas", path, ["load_inplace": true, "expected_generation": 7])
        #expect(stale.status == 409)
        #expect(stale.message.contains("generation 1 is live"))
        #expect(try await unload("cas", ["expected_generation": 2]).status == 409)
        let right = try await load("cas", path, ["load_inplace": true, "expected_generation": 1])
        #expect(right.status == 200)
        #expect(try await listing("cas")["generation"] == 2)
        #expect(try await unload("cas", ["expected_generation": 2]).status == 200)
        let absent = try await load("cas", path, ["expected_generation": 2])
        #expect(absent.status == 409)
        #expect(absent.message.contains("it is not loaded"))
    }

    @Test(arguments: [
        "outside/add", "root/../outside/add", "root/escape", "root/door/add", "root-beside/add",
        "outside/nothing", "root/../outside/nothing", "root/door/nothing",
        "root/nowhere", "root/nothing/../../outside/add",
    ])
    func whatIsNotUnderARootIsForbidden(_ path: String) async throws {
        let folder = try AdapterFolders.folder.get().path
        let reply = try await load("forbidden", "\(folder)/\(path)")
        #expect(reply.status == 403)
        #expect(try reply.json["error"]["type"] == "PermissionDeniedError")
        #expect(reply.message.contains("is not under limits.adapterRoots"))
        #expect(try await listing("forbidden") == .null)
    }

    @Test(arguments: ["adapters/add", "/", "/etc", "", "/dev/stdin", "/proc/self/root"])
    func noOtherPathIsTaken(_ path: String) async throws {
        let reply = try await load("forbidden", path)
        #expect(reply.status == (path.isEmpty ? 400 : 403))
    }

    @Test func aLinkInsideTheRootIsFollowed() async throws {
        #expect(try await load("alias", "\(AdapterFolders.root)/alias").status == 200)
        #expect(try await listing("alias")["path"] == .text("\(AdapterFolders.root)/shout"))
        #expect(try await unload("alias").status == 200)
    }

    @Test func filesThatAreNotThereAreNotFound() async throws {
        let reply = try await load("nothing", "\(AdapterFolders.root)/nothing")
        #expect(reply.status == 404)
        #expect(reply.message.contains("No adapter found for \(AdapterFolders.root)/nothing"))
        #expect(
            try await load("nothing", AdapterFolders.root).status == 404,
            "a folder without an adapter")
    }

    /// The adapters that must be refused, each with the word that names why.
    private static let refused = ["llama-tied-bf16", "qwen2-bias-tied"].flatMap { family in
        [("bias", "bias"), ("dora", "DoRA"), ("save-head", "modules_to_save")].map {
            (path: "\(Built.goldens)/\(family)/refuse/\($0.0)", reason: $0.1)
        }
    }

    @Test(arguments: refused)
    func adaptersThatAreNotWhollyServedAreRefused(_ path: String, why reason: String) async throws {
        let reply = try await load("refused", path)
        #expect(reply.status == 400)
        #expect(reply.message.hasPrefix("LoRA adapter 'refused' was found but could not be loaded"))
        #expect(reply.message.contains(reason), "\(reply.message)")
        #expect(try await listing("refused") == .null)
    }

    @Test func anAdapterOfAnotherShapeIsRefused() async throws {
        let reply = try await load("alien", "\(Built.goldens)/llama-tied-bf16/adapters/all-r8")
        #expect(reply.status == 400)
        #expect(reply.message.contains("could not be loaded"))
    }
}
