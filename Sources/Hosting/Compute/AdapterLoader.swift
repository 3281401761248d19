// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Inference
internal import LoopIO
internal import ModelLoading
internal import PolicyKit

/// An adapter in memory, packed for the kernels.
struct ResidentAdapter {
    let packed: PackedAdapter
    /// The replicas that hold it.
    var replicas: Set<ReplicaID>
}

/// A load that has ended.
nonisolated struct AdapterLoad: Sendable {
    var id: AdapterID
    var replica: ReplicaID
    var packed: Result<PackedAdapter, AdapterLoadFailure>
    var time: Duration
}

/// Why an adapter could not be read or packed.
nonisolated struct AdapterLoadFailure: Error, Sendable, CustomStringConvertible {
    var message: String
    /// Whether its files are not there, rather than wrong.
    var isMissing = false

    init(_ error: ModelLoadingError) {
        message = error.description
        isMissing = error.code == .notFound
    }

    init(_ error: InferenceError) { message = error.description }

    init(message: String) { self.message = message }

    var description: String { message }
}

/// Reads and packs adapters on a thread of its own with a small team, so that neither the loop nor
/// a step waits.
nonisolated final class AdapterLoader: Sendable {
    private struct Request: Sendable {
        enum Purpose: Sendable {
            /// To be used by a replica.
            case pack(AdapterID, ReplicaID)
            /// To be checked before it is made known; the ticket tells the answers apart.
            case read(ticket: Int)
        }

        var name: String
        var source: AdapterSource
        /// Makes the gate, where it is a mixture.
        var gating: GatingHandover?
        var entry: GateEntry?
        var purpose: Purpose
    }

    private static let largestTeam = 4

    private let thread: JobThread<Request>

    init(model: ServedModel, inbox: LoopInbox<EngineMessage>) {
        thread = JobThread(name: "adapter-loader") { jobs in
            // Reading and packing is bound by memory, which a few threads exhaust. Without a team
            // the thread does it alone.
            let members = min(Self.largestTeam, ProcessInfo.processInfo.activeProcessorCount)
            let team = try? ThreadTeam(members: members)
            while let request = jobs.next() {
                inbox.post(Self.answer(to: request, for: model, team))
            }
        }
    }

    /// Reads and packs an adapter or a mixture, whose gate `gating` makes; the answer is
    /// `EngineMessage.packed`.
    func load(
        _ entry: CatalogEntry, gating: (any GatingPolicy)? = nil, journal: GateEntry? = nil,
        for replica: ReplicaID
    ) {
        thread.post(
            Request(
                name: entry.name, source: entry.source,
                gating: gating.map(GatingHandover.init), entry: journal,
                purpose: .pack(entry.id, replica)))
    }

    /// Reads and checks an adapter; the answer is `EngineMessage.read`.
    func read(_ source: AdapterSource, named name: String, ticket: Int) {
        thread.post(Request(name: name, source: source, purpose: .read(ticket: ticket)))
    }

    /// Opens a mixture and makes its gate; the answer is `EngineMessage.opened`.
    func open(
        _ mixture: MixtureSource, named name: String, gating: any GatingPolicy, ticket: Int
    ) {
        thread.post(
            Request(
                name: name, source: .mixture(mixture), gating: GatingHandover(policy: gating),
                purpose: .read(ticket: ticket)))
    }

    func close() { thread.close() }

    /// Reads an adapter's files, or makes up a synthetic one, and checks it against the model;
    /// without its `values` where packing checks them.
    static func open(
        _ source: AdapterSource, named name: String, for model: ServedModel, values: Bool = true
    ) throws(ModelLoadingError) -> AdapterWeights {
        switch source {
        case .folder(let path):
            try AdapterWeights.open(
                folder: path, name: name, for: model.configuration, values: values)
        case .synthetic(let rank, let seed):
            AdapterWeights.synthetic(
                name: name, rank: rank, seed: seed, for: model.configuration)
        case .mixture:
            throw ModelLoadingError(
                .unsupportedAdapter, "'\(name)' is a mixture, which cannot be an adapter")
        }
    }

    private static func answer(
        to request: Request, for model: ServedModel, _ team: ThreadTeam?
    ) -> EngineMessage {
        switch request.purpose {
        case .read(let ticket):
            if let mixture = request.source.mixture {
                return .opened(
                    ticket: ticket,
                    Result { () throws(AdapterLoadFailure) in
                        try openMixture(mixture, of: request, for: model, values: true)
                    })
            }
            let weights = Result { () throws(ModelLoadingError) in
                try open(request.source, named: request.name, for: model)
            }
            return .read(ticket: ticket, weights)
        case .pack(let id, let replica):
            let start = EventLoop.now
            let packed = Result { () throws(AdapterLoadFailure) in
                try pack(request, for: model, team)
            }
            let time = Duration.nanoseconds(Int64(clamping: EventLoop.now &- start))
            return .packed(AdapterLoad(id: id, replica: replica, packed: packed, time: time))
        }
    }

    private static func pack(
        _ request: Request, for model: ServedModel, _ team: ThreadTeam?
    ) throws(AdapterLoadFailure) -> PackedAdapter {
        if let source = request.source.mixture {
            let mixture = try openMixture(source, of: request, for: model, values: false)
            let gate = request.entry.map { JournaledGate(mixture.gate, $0) as any Gate }
            do throws(InferenceError) {
                return try PackedAdapter(
                    mixture: request.name, experts: mixture.experts, gate: gate ?? mixture.gate,
                    for: model.packed, team: team)
            } catch {
                throw AdapterLoadFailure(error)
            }
        }
        let weights: AdapterWeights
        do {
            weights = try open(
                request.source, named: request.name, for: model, values: false)
        } catch {
            throw AdapterLoadFailure(error)
        }
        do {
            return try PackedAdapter(weights, for: model.packed, team: team)
        } catch {
            throw AdapterLoadFailure(error)
        }
    }

    private static func openMixture(
        _ mixture: MixtureSource, of request: Request, for model: ServedModel, values: Bool
    ) throws(AdapterLoadFailure) -> OpenedMixture {
        guard let gating = request.gating else {
            throw AdapterLoadFailure(message: "nothing was given that could make its gate")
        }
        func open() throws(AdapterLoadFailure) -> OpenedMixture {
            try OpenedMixture.open(
                mixture, named: request.name, for: model, by: gating.policy, values: values)
        }
        guard let entry = request.entry else { return try open() }
        return try entry.during(open)
    }
}
