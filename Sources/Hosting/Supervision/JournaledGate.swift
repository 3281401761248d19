// SPDX-License-Identifier: Apache-2.0

internal import LoopIO
internal import PolicyKit
internal import Supervision

/// Where a gate is written into the crash journal.
nonisolated struct GateEntry: Sendable {
    let journal: CrashJournal
    let index: Int

    /// Runs `body` as the gate's doing, on a thread other than the loop's.
    func during<Value, Failure: Error>(
        _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let thread = CrashJournal.ownThread
        journal.enter(index, thread: thread, at: EventLoop.now)
        defer { journal.leave(thread: thread) }
        return try body()
    }
}

/// A gate whose calls are in the crash journal.
nonisolated final class JournaledGate: Gate {
    private let gate: any Gate
    private let entry: GateEntry
    let traits: GateTraits

    init(_ gate: any Gate, _ entry: GateEntry) {
        self.gate = gate
        self.entry = entry
        traits = gate.traits
    }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) throws(PolicyError) {
        let thread = CrashJournal.ownThread
        entry.journal.enter(entry.index, thread: thread, at: EventLoop.now)
        defer { entry.journal.leave(thread: thread) }
        try gate.weigh(
            at: point, features: features, rows: rows, states: &states, weights: &weights)
    }
}

extension Engine {
    /// The first index of the journal that is a gate's; those before are the pipeline's.
    private static let firstGate = 64

    /// Where the gate of a mixture is written down; `nil` for one that is built in, or for no mixture.
    func gateEntry(of entry: CatalogEntry) -> GateEntry? {
        guard let journal, entry.source.mixture != nil,
            let identity = facts?.gates[entry.name], identity.build != nil
        else { return nil }
        let room = CrashJournal.mostNames - Self.firstGate
        let index = Self.firstGate + Int(entry.id.rawValue) % room
        journal.name(index, JournalName(kind: .gating, identity).text)
        return GateEntry(journal: journal, index: index)
    }
}
