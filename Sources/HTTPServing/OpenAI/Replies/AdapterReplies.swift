// SPDX-License-Identifier: Apache-2.0

import Spelling
import StrictJSON

/// vLLM's texts for the adapter lifecycle; each goes out with 200 as `text/plain`.
nonisolated package enum AdapterReply {
    package static func added(_ name: String) -> String {
        "Success: LoRA adapter '\(name)' added successfully."
    }

    package static func removed(_ name: String) -> String {
        "Success: LoRA adapter '\(name)' removed successfully."
    }
}

/// vLLM's refusals of the adapter lifecycle, and those for what it has not.
nonisolated extension APIError {
    /// 400: the name is taken and `load_inplace` is not set.
    package static func adapterAlreadyLoaded(_ name: String) -> APIError {
        invalidUserInput(
            "The lora adapter '\(name)' has already been loaded. If you want to load the adapter "
                + "in place, set 'load_inplace' to True.")
    }

    /// 400: the name is that of the base or of a mixture.
    package static func adapterNameTaken(_ name: String, by owner: String) -> APIError {
        invalidUserInput(
            "The name '\(name)' is taken by \(owner): choose another 'lora_name'.")
    }

    /// 404: no adapter of this name, for unloading.
    package static func adapterNotFound(_ name: String, known: [String] = []) -> APIError {
        let near = nearestName(to: name, among: known).map { " Did you mean '\($0)'?" } ?? ""
        return APIError(
            .notFound, "The lora adapter '\(name)' cannot be found.\(near)", parameter: "lora_name")
    }

    /// 400: a mixture, which only the manifest adds and removes.
    package static func adapterIsMixture(_ name: String) -> APIError {
        invalidUserInput(
            "'\(name)' is a mixture of the manifest, not an adapter: it cannot be unloaded.")
    }

    /// 404: nothing that reads as an adapter at the path.
    package static func adapterFilesNotFound(_ name: String, path: String) -> APIError {
        APIError(
            .notFound,
            "Loading lora \(name) failed: No adapter found for \(path.excerpt(400)).",
            parameter: "lora_path")
    }

    /// 400: the files are there but the adapter does not fit; `reason` says what to change.
    package static func adapterNotLoadable(_ name: String, reason: String) -> APIError {
        APIError(
            .badRequest,
            "LoRA adapter '\(name)' was found but could not be loaded: \(reason)",
            parameter: "lora_path")
    }

    /// 403: the path leaves `limits.adapterRoots`.
    package static func adapterPathForbidden(_ path: String) -> APIError {
        APIError(
            .forbidden,
            "'\(path.excerpt(400))' is not under limits.adapterRoots: move the adapter there or "
                + "name its folder in the manifest.", parameter: "lora_path")
    }

    /// 409: another generation is live.
    package static func adapterGenerationMismatch(
        _ name: String, expected: Int, live: Int?
    ) -> APIError {
        let found = live.map { "generation \($0) is live" } ?? "it is not loaded"
        return APIError(
            .conflict,
            "The lora adapter '\(name)' was expected at generation \(expected), but \(found): read "
                + "/v1/lora_adapters and try again.", parameter: "expected_generation")
    }

    /// 429: another load or unload of this name is under way.
    package static func adapterBusy(_ name: String, retryAfterSeconds: Int) -> APIError {
        APIError(
            .tooManyRequests, "The lora adapter '\(name)' is being loaded or unloaded: try again.",
            retryAfterSeconds: retryAfterSeconds)
    }

    private static func invalidUserInput(_ message: String) -> APIError {
        APIError(.badRequest, message, parameter: "lora_name", type: "InvalidUserInput")
    }
}

/// One adapter as `GET /v1/lora_adapters` lists it.
nonisolated package struct AdapterListing: Sendable, Equatable {
    package var name: String
    package var path: String
    /// Counts up with each replacement.
    package var generation: Int
    /// In which tier its weights are, in the words of the residency policy's tiers.
    package var residency: String
    /// What its weights take in memory.
    package var bytes: Int
    /// The ranks of its matrices, ascending, each once.
    package var ranks: [Int]
    package var pinned: Bool
    package var runningRequests = 0
    package var waitingRequests = 0
    /// Requests since the adapter was added.
    package var requests = 0
    package var loads = 0
    package var evictions = 0

    package init(
        name: String, path: String, generation: Int, residency: String, bytes: Int
    ) {
        self.name = name
        self.path = path
        self.generation = generation
        self.residency = residency
        self.bytes = bytes
        ranks = []
        pinned = false
    }

    /// The reply to `GET /v1/lora_adapters`.
    package static func list(_ adapters: [AdapterListing]) -> [UInt8] {
        var writer = JSONWriter(reserving: 64 + 320 * adapters.count)
        writer.beginObject()
        writer.key("object")
        writer.value("list")
        writer.key("data")
        writer.beginArray()
        for adapter in adapters { adapter.encode(into: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private func encode(into writer: inout JSONWriter) {
        writer.beginObject()
        for (name, text) in [("name", name), ("path", path), ("residency", residency)] {
            writer.key(name)
            writer.value(text)
        }
        for (name, integer) in [("generation", generation), ("bytes", bytes)] {
            writer.key(name)
            writer.value(integer)
        }
        writer.key("ranks")
        writer.value(ranks)
        writer.key("pinned")
        writer.value(pinned)
        writer.key("counts")
        writer.beginObject()
        let counts = [
            ("running", runningRequests), ("waiting", waitingRequests), ("requests", requests),
            ("loads", loads), ("evictions", evictions),
        ]
        for (name, count) in counts {
            writer.key(name)
            writer.value(count)
        }
        writer.endObject()
        writer.endObject()
    }
}
