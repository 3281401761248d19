// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
internal import ModelLoading
internal import PolicyKit

// vLLM's adapter lifecycle, with generations and compare-and-swap added.
extension ServingHost {
    func loadAdapter(
        _ request: HTTPRequest, _ exchange: HTTPExchange, _ route: Route
    ) throws(APIError) {
        let decoded = try LoadAdapterRequest(body: request.body, limits: requestLimits.json)
        guard decoded.name != engine.model.name else {
            throw .adapterNameTaken(decoded.name, by: "the base model")
        }
        guard engine.mixtures[decoded.name] == nil else {
            throw .adapterNameTaken(decoded.name, by: "a mixture")
        }
        let live = engine.catalog[decoded.name]
        try check(decoded.expectedGeneration, of: decoded.name)
        guard live == nil || decoded.replaces else { throw .adapterAlreadyLoaded(decoded.name) }
        try checkIdle(decoded.name)
        let folder = try resolved(decoded)
        engine.read(.folder(folder), named: decoded.name) { [weak self] weights in
            guard let self else { return }
            do throws(APIError) {
                try add(weights, as: decoded, from: folder)
                engine.renewMixtures(with: decoded.name) { [weak self] in
                    self?.answer(
                        exchange, route, type: "text/plain; charset=utf-8",
                        body: Array(AdapterReply.added(decoded.name).utf8))
                }
            } catch {
                reply(error, to: exchange, route: route.label)
            }
        }
    }

    private func add(
        _ weights: Result<AdapterWeights, ModelLoadingError>, as request: LoadAdapterRequest,
        from folder: String
    ) throws(APIError) {
        let opened: AdapterWeights
        do {
            opened = try weights.get()
        } catch {
            throw error.code == .notFound
                ? .adapterFilesNotFound(request.name, path: request.path)
                : .adapterNotLoadable(request.name, reason: error.description)
        }
        let live = engine.catalog[request.name]
        try engine.add(
            CheckedWeights(opened, from: .folder(folder)),
            isPinned: request.pinned ?? live?.isPinned ?? false,
            at: Int(Date().timeIntervalSince1970))
        log.info("adapter '\(request.name)' was added over HTTP")
    }

    /// Loads and unloads of one name come one after another.
    private func checkIdle(_ name: String) throws(APIError) {
        if engine.isReading(name) { throw .adapterBusy(name, retryAfterSeconds: 1) }
    }

    func unloadAdapter(
        _ request: HTTPRequest, _ exchange: HTTPExchange, _ route: Route
    ) throws(APIError) {
        let decoded = try UnloadAdapterRequest(body: request.body, limits: requestLimits.json)
        guard engine.mixtures[decoded.name] == nil else {
            throw .adapterIsMixture(decoded.name)
        }
        guard engine.catalog[decoded.name] != nil else {
            let known = engine.catalog.entries.filter { $0.source.mixture == nil }
            throw .adapterNotFound(decoded.name, known: known.map(\.name))
        }
        try check(decoded.expectedGeneration, of: decoded.name)
        try checkIdle(decoded.name)
        engine.remove(adapter: decoded.name)
        log.info("adapter '\(decoded.name)' was removed over HTTP")
        engine.renewMixtures(with: decoded.name) { [weak self] in
            self?.answer(
                exchange, route, type: "text/plain; charset=utf-8",
                body: Array(AdapterReply.removed(decoded.name).utf8))
        }
    }

    var adapterListings: [AdapterListing] {
        var running: [AdapterID: Int] = [:]
        var waiting: [AdapterID: Int] = [:]
        for sequence in engine.sequences.values {
            let adapter = sequence.generation.job.adapter
            if sequence.firstStep == nil {
                waiting[adapter, default: 0] += 1
            } else {
                running[adapter, default: 0] += 1
            }
        }
        return engine.catalog.entries.filter { $0.source.mixture == nil }.map { entry in
            let isResident = engine.residents[entry.id] != nil
            var listing = AdapterListing(
                name: entry.name, path: entry.source.root, generation: entry.generation,
                residency: isResident ? "resident" : "absent", bytes: entry.byteCount)
            listing.ranks = entry.ranks
            listing.pinned = entry.isPinned
            listing.runningRequests = running[entry.id] ?? 0
            listing.waitingRequests = waiting[entry.id] ?? 0
            listing.requests = entry.requests
            listing.loads = entry.loads
            listing.evictions = entry.evictions
            return listing
        }
    }

    // MARK: - Checks

    private func check(_ expected: Int?, of name: String) throws(APIError) {
        guard let expected else { return }
        let live = engine.catalog[name]?.generation
        guard live == expected else {
            throw .adapterGenerationMismatch(name, expected: expected, live: live)
        }
    }

    /// The folder with every symbolic link resolved, which must lie under one of the roots.
    private func resolved(_ request: LoadAdapterRequest) throws(APIError) -> String {
        let folder = Self.canonical(request.path)
        // What is not under a root is forbidden whether it exists or not.
        guard let place = folder ?? Self.existingPart(of: request.path), isUnderRoot(place) else {
            throw .adapterPathForbidden(request.path)
        }
        guard let folder else {
            throw .adapterFilesNotFound(request.name, path: request.path)
        }
        return folder
    }

    private func isUnderRoot(_ path: String) -> Bool {
        adapterRoots.contains { root in
            guard let root = Self.canonical(root) else { return false }
            return path == root || path.hasPrefix(root.hasSuffix("/") ? root : root + "/")
        }
    }

    /// Of a path that leads nowhere, the last folder on it that exists, resolved.
    ///
    /// - Returns: `nil` where it cannot be told: behind `..`, or at a link that leads nowhere.
    private static func existingPart(of path: String) -> String? {
        var parts = path.split(separator: "/")
        guard path.hasPrefix("/"), !parts.contains("..") else { return nil }
        while true {
            let place = "/" + parts.joined(separator: "/")
            if let resolved = canonical(place) { return resolved }
            var status = stat()
            guard lstat(place, &status) != 0, parts.popLast() != nil else { return nil }
        }
    }

    private static func canonical(_ path: String) -> String? {
        guard path.hasPrefix("/"), let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
