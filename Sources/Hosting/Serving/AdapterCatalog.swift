// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading
package import PolicyKit

/// Weights that were opened and checked and are about to be served under a name.
nonisolated struct CheckedWeights {
    let name: String
    let source: AdapterSource
    /// As stored.
    let byteCount: Int
    /// The ranks of the matrices, ascending, each once.
    let ranks: [Int]
    var needsWholePrompt = false

    init(_ weights: AdapterWeights, from source: AdapterSource) {
        name = weights.name
        self.source = source
        byteCount = weights.byteCount
        ranks = Set(weights.sites.values.map(\.rank)).sorted()
    }

    init(_ mixture: OpenedMixture) {
        name = mixture.name
        source = .mixture(mixture.source)
        byteCount = mixture.byteCount
        ranks = mixture.ranks
        needsWholePrompt = mixture.gate.traits.needsWholePrompt
    }
}

/// One adapter, or one mixture of adapters, that clients may name.
nonisolated package struct CatalogEntry: Sendable {
    package let id: AdapterID
    package let name: String
    package let source: AdapterSource
    /// 1 for the first adapter of this name; every replacement counts one up.
    package let generation: Int
    package var isPinned: Bool
    /// Seconds since 1970, as `/v1/models` shows it.
    package let created: Int
    /// Bytes of the packed weights.
    package let byteCount: Int
    package let maximumRank: Int
    /// The ranks of its matrices, ascending, each once; of a mixture all experts' together.
    package let ranks: [Int]
    /// Whether it is a mixture whose prompts must be computed in one piece.
    package let needsWholePrompt: Bool
    /// Times that it was packed for the kernels, and evicted again.
    package var loads = 0
    package var evictions = 0
    package var requests = 0
}

/// The adapters by name.
///
/// An identifier belongs to one generation of one name and is never given again, so requests that
/// are still running on a replaced adapter cannot meet the new weights.
package struct AdapterCatalog {
    private var live: [String: CatalogEntry] = [:]
    /// Replaced or removed, but perhaps still in use.
    private var retired: [AdapterID: CatalogEntry] = [:]
    private var names: [AdapterID: String] = [:]
    private var generations: [String: Int] = [:]
    private var nextID: UInt32 = 1

    package subscript(name: String) -> CatalogEntry? { live[name] }

    package subscript(id: AdapterID) -> CatalogEntry? {
        if let name = names[id], let entry = live[name], entry.id == id { return entry }
        return retired[id]
    }

    /// The live adapters in order of name.
    package var entries: [CatalogEntry] { live.values.sorted { $0.name < $1.name } }

    package var count: Int { live.count }

    /// Adds `name`, or a new generation of it; the earlier one is retired.
    ///
    /// - Returns: the new entry and the one it replaces.
    mutating func add(
        _ weights: CheckedWeights, isPinned: Bool, at created: Int
    ) -> (added: CatalogEntry, replaced: CatalogEntry?) {
        let generation = generations[weights.name, default: 0] + 1
        // What it takes when packed is known after its first load.
        let entry = CatalogEntry(
            id: AdapterID(rawValue: nextID), name: weights.name, source: weights.source,
            generation: generation, isPinned: isPinned, created: created,
            byteCount: weights.byteCount, maximumRank: weights.ranks.last ?? 0,
            ranks: weights.ranks, needsWholePrompt: weights.needsWholePrompt)
        nextID += 1
        generations[weights.name] = generation
        names[entry.id] = weights.name
        let replaced = live.updateValue(entry, forKey: weights.name)
        if let replaced { retired[replaced.id] = replaced }
        return (entry, replaced)
    }

    /// Takes `name` out; requests that already run on it keep it until they end.
    mutating func remove(_ name: String) -> CatalogEntry? {
        guard let entry = live.removeValue(forKey: name) else { return nil }
        retired[entry.id] = entry
        return entry
    }

    /// Puts back what ``add(_:isPinned:at:)`` replaced, where the new one cannot
    /// be served after all.
    mutating func restore(_ entry: CatalogEntry) {
        retired[entry.id] = nil
        live[entry.name] = entry
    }

    /// Forgets a retired adapter that nobody uses any more.
    mutating func forget(_ id: AdapterID) {
        retired[id] = nil
        if let name = names[id], live[name]?.id != id { names[id] = nil }
    }

    mutating func count(_ id: AdapterID, _ change: (inout CatalogEntry) -> Void) {
        if let name = names[id], live[name]?.id == id {
            change(&live[name]!)
        } else if retired[id] != nil {
            change(&retired[id]!)
        }
    }
}
