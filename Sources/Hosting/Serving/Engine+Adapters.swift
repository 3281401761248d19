// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import Inference
internal import Logging
internal import ModelLoading
internal import PolicyKit
internal import Scheduling

/// Somebody who waits for an adapter to be read.
struct AdapterRead {
    let name: String
    let then: (Result<AdapterWeights, ModelLoadingError>) -> Void
}

extension Engine {
    /// Reads and checks an adapter's files away from the loop, then calls `then` on it.
    func read(
        _ source: AdapterSource, named name: String,
        then: @escaping (Result<AdapterWeights, ModelLoadingError>) -> Void
    ) {
        let ticket = makeReadTicket()
        reads[ticket] = AdapterRead(name: name, then: then)
        loader.read(source, named: name, ticket: ticket)
    }

    /// Whether an adapter of this name is being read.
    func isReading(_ name: String) -> Bool { reads.values.contains { $0.name == name } }

    /// Makes an adapter known under its name; an earlier one of that name is retired: requests that
    /// run on it end on it.
    ///
    /// - Returns: the new entry.
    /// - Throws: 503 where no replica has the memory for it.
    @discardableResult
    func add(
        _ weights: CheckedWeights, isPinned: Bool, at created: Int
    ) throws(APIError) -> CatalogEntry {
        let now = Self.now
        let (entry, replaced) = catalog.add(weights, isPinned: isPinned, at: created)
        var description = AdapterDescription(
            id: entry.id, bytes: entry.byteCount, rank: entry.maximumRank, isPinned: isPinned)
        description.weight = shares.weight(ofAdapter: entry.name)
        description.isMergeable = entry.source.mixture == nil
        if let refusal = fleet.register(description, at: now) {
            _ = catalog.remove(entry.name)
            catalog.forget(entry.id)
            if let replaced { catalog.restore(replaced) }
            throw Self.noRoom(for: entry, refusal)
        }
        if let replaced { fleet.retire(replaced.id, at: now) }
        advance()
        if let replaced { forgetUnused(replaced.id) }
        return entry
    }

    /// Takes an adapter out of service; requests that run on it end on it.
    ///
    /// - Returns: whether there was one of that name.
    @discardableResult
    package func remove(adapter name: String) -> Bool {
        guard let entry = catalog.remove(name) else { return false }
        fleet.retire(entry.id, at: Self.now)
        advance()
        forgetUnused(entry.id)
        return true
    }

    /// Forgets an adapter that was replaced or removed once its last request has ended; until then
    /// it is loaded and measured like any other.
    func forgetUnused(_ id: AdapterID) {
        guard let entry = catalog[id], catalog[entry.name]?.id != id, residents[id] == nil,
            replicas.indices.allSatisfy({
                fleet[ReplicaID(rawValue: $0)].residency.description(of: id) == nil
            })
        else { return }
        catalog.forget(id)
        gateMakers[id] = nil
        guard catalog[entry.name] == nil else { return }
        metrics.adapterRemoved(entry.name)
        // Who unloads an adapter wants its memory back, where an eviction needs it at once again.
        model.packed.freeSpareAdapterMemory()
    }

    private static func noRoom(for entry: CatalogEntry, _ refusal: Refusal) -> APIError {
        guard case .adapterTooLarge(let bytes, let budget) = refusal else {
            return APIError(.internalError, "The adapter was refused: \(refusal).")
        }
        return APIError(
            .unavailable,
            "'\(entry.name)' takes \(bytes) bytes and a replica has \(budget) for "
                + "adapters: raise replicas.adapterMemory.", parameter: "lora_path")
    }

    // MARK: - Loads

    /// Carries out what residency has decided.
    func performActions(on replica: ReplicaID) {
        for action in fleet.takeActions(of: replica) {
            switch action {
            case .load(let id): load(id, on: replica)
            case .unload(let id): unload(id, from: replica)
            }
        }
    }

    private func load(_ id: AdapterID, on replica: ReplicaID) {
        if residents[id] != nil {
            // Another replica holds it: sharing it takes no time.
            residents[id]?.replicas.insert(replica)
            let bytes = residents[id]?.packed.byteCount ?? 0
            let ended = fleet.adapterLoaded(
                id, bytes: bytes, time: .zero, on: replica, at: Self.now)
            fail(ended, Self.noLongerFits)
            return
        }
        guard let entry = catalog[id] else {
            let ended = fleet.adapterLoadFailed(id, on: replica, at: Self.now)
            return fail(ended, APIError(.notFound, "The adapter was unloaded meanwhile."))
        }
        do throws(HostError) {
            let gating = try entry.source.mixture.map { mixture throws(HostError) in
                try makeGate(of: id, mixture)
            }
            loader.load(
                entry, gating: gating, journal: gateEntry(of: entry), for: replica)
        } catch {
            let ended = fleet.adapterLoadFailed(id, on: replica, at: Self.now)
            fail(ended, .adapterNotLoadable(entry.name, reason: error.description))
        }
    }

    private func unload(_ id: AdapterID, from replica: ReplicaID) {
        residents[id]?.replicas.remove(replica)
        if residents[id]?.replicas.isEmpty == true { residents[id] = nil }
        guard let entry = catalog[id] else { return }
        catalog.count(id) { $0.evictions += 1 }
        metrics.adapterEvicted(entry.name, replica: replica.rawValue)
        forgetUnused(id)
    }

    /// The loader has answered.
    func adapterPacked(_ load: AdapterLoad) {
        let now = Self.now
        let name = catalog[load.id]?.name ?? "?"
        switch load.packed {
        case .success(let packed):
            residents[load.id, default: ResidentAdapter(packed: packed, replicas: [])]
                .replicas.insert(load.replica)
            catalog.count(load.id) { $0.loads += 1 }
            metrics.adapterLoaded(
                name, replica: load.replica.rawValue, bytes: packed.byteCount, took: load.time)
            let ended = fleet.adapterLoaded(
                load.id, bytes: packed.byteCount, time: load.time, on: load.replica, at: now)
            fail(ended, Self.noLongerFits)
        case .failure(let failure):
            log.error("adapter '\(name)' could not be loaded: \(failure.message)")
            let ended = fleet.adapterLoadFailed(load.id, on: load.replica, at: now)
            fail(ended, .adapterNotLoadable(name, reason: failure.message))
        }
    }

    private static let noLongerFits = APIError(
        .unavailable,
        "The adapter is larger than the memory for adapters: raise "
            + "replicas.adapterMemory.", parameter: "model")
}
