// SPDX-License-Identifier: Apache-2.0

/// A wish to move a request.
@frozen
public struct RequestMove: Hashable, Sendable {
    public var request: RequestID
    public var source: ReplicaID
    public var target: ReplicaID

    @inlinable
    public init(_ request: RequestID, from source: ReplicaID, to target: ReplicaID) {
        self.request = request
        self.source = source
        self.target = target
    }
}

/// What should move between replicas.
///
/// The host loads adapters where their requests go to even if the plan does not say so. A request
/// moves at an iteration boundary; whether its keys and values are handed over or computed again is
/// the host's choice.
public struct MigrationPlan: Hashable, Sendable {
    /// No request twice.
    public var requests: [RequestMove]

    /// Adapters that are to be loaded before requests move, and dropped afterwards.
    public var adapters: [AdapterMove]

    public init(requests: [RequestMove] = [], adapters: [AdapterMove] = []) {
        self.requests = requests
        self.adapters = adapters
    }

    public var isEmpty: Bool { requests.isEmpty && adapters.isEmpty }
}

/// What a migration policy answers.
public enum MigrationProposal: Sendable {
    /// All stays as it is.
    case none
    /// Carry it out.
    case plan(MigrationPlan)
    /// Compute it elsewhere, as it takes long: on a thread of its own, while everything goes on. It
    /// may use nothing but what it has captured.
    case solve(@Sendable () throws(PolicyError) -> MigrationPlan)
}

/// What became of a plan.
@frozen
public struct MigrationOutcome: Sendable {
    /// From the question to the answer, on the clock of the fleet.
    public var solvingTime: Duration

    /// Whether the plan was dropped as the fleet had changed too much meanwhile.
    public var isStale: Bool

    /// Requests that moved: with their keys and values, to be computed again, and before they had
    /// any.
    public var handedOver: Int
    public var recomputed: Int
    public var waiting: Int

    /// Requests that did not move, as they had ended or there was no room.
    public var skipped: Int

    public init() {
        self.solvingTime = .zero
        self.isStale = false
        self.handedOver = 0
        self.recomputed = 0
        self.waiting = 0
        self.skipped = 0
    }
}

/// Decides what moves between replicas (dLoRA §5.2).
public protocol MigrationPolicy: Policy {
    /// Whether the fleet should be looked at now: asked after every few events, so it must be cheap.
    ///
    /// `replicas` are at least two, by identifier. While a plan is being solved or carried out the
    /// host does not ask.
    func isDue(among replicas: Span<ReplicaSnapshot>, at now: Instant) -> Bool

    /// Proposes what should move; called where ``isDue(among:at:)`` has said so.
    func propose(for fleet: FleetSnapshot) throws(PolicyError) -> MigrationProposal

    /// Takes note of what became of a proposal.
    func observe(_ outcome: MigrationOutcome, at now: Instant)
}

extension MigrationPolicy {
    public static var kind: PolicyKind { .migration }
    public func observe(_ outcome: MigrationOutcome, at now: Instant) {}
}

extension MigrationPlan {
    /// The first rule that the plan breaks for this fleet, or `nil`.
    public func violation(in fleet: FleetSnapshot) -> PolicyError? {
        var places: [RequestID: ReplicaID] = [:]
        for request in fleet.requests { places[request.request.id] = request.replica }
        var seen: Set<RequestID> = []
        for move in requests {
            let name = "request \(move.request.rawValue)"
            guard let place = places[move.request] else {
                return PolicyError("\(name) is not in the fleet")
            }
            if place != move.source {
                return PolicyError(
                    "\(name) is on replica \(place.rawValue), not \(move.source.rawValue)")
            }
            if !fleet.replicas.indices.contains(move.target.rawValue) {
                return PolicyError("there is no replica \(move.target.rawValue)")
            }
            if move.target == move.source { return PolicyError("\(name) moves to where it is") }
            if !seen.insert(move.request).inserted { return PolicyError("\(name) moves twice") }
        }
        let adapters = Set(fleet.adapters.map(\.id))
        return adapterViolation(knowing: adapters, replicas: fleet.replicas.count)
    }

    private func adapterViolation(
        knowing known: Set<AdapterID>, replicas: Int
    ) -> PolicyError? {
        for move in adapters {
            if !known.contains(move.adapter) {
                return PolicyError("there is no adapter \(move.adapter.rawValue)")
            }
            if !(0..<replicas).contains(move.replica.rawValue) {
                return PolicyError("there is no replica \(move.replica.rawValue)")
            }
        }
        return nil
    }
}
