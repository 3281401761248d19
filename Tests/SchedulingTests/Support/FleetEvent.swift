// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling

/// Anything that can happen to a fleet.
enum FleetEvent: Sendable {
    case submit(NewRequest)
    case cancel(RequestID)
    case finish(RequestID)
    case plan(ReplicaID, drafts: [RequestID: Int] = [:])
    case planAhead(ReplicaID)
    case complete(StepOutcome, ReplicaID)
    case failStep(Int, ReplicaID)
    case loaded(AdapterID, bytes: Int, ReplicaID)
    case loadFailed(AdapterID, ReplicaID)
    case copyBuilt(AdapterID, ReplicaID)
    case copyFailed(AdapterID, ReplicaID)
    case register(AdapterDescription)
    case retire(AdapterID)
    case migrate
    case solved(Int, Result<MigrationPlan, PolicyError>)
    case abandonMoves
    case arrived(RequestID)
}

/// What a fleet answered, and what it wants done.
struct FleetReaction: Equatable {
    enum Answer: Equatable {
        case admission(Admission)
        case release(Release)
        case plan(StepPlan?)
        case ended([RequestID])
        case refusal(Refusal?)
        /// A plan that was solved elsewhere; `nil` where it could not be.
        case solution(Int, MigrationPlan?)
        case none
    }

    var answer: Answer
    var actions: [[AdapterResidency.Action]]
    var merges: [[MergedCopies.Action]]
    var moves: [CompletedMove]
}

extension Fleet {
    mutating func react(to event: FleetEvent, at now: Instant) -> FleetReaction {
        let answer = self.answer(event, at: now)
        let actions = replicas.indices.map { takeActions(of: ReplicaID(rawValue: $0)) }
        let merges = replicas.indices.map { takeMergeActions(of: ReplicaID(rawValue: $0)) }
        return FleetReaction(
            answer: answer, actions: actions, merges: merges, moves: takeMoves())
    }

    private mutating func answer(
        _ event: FleetEvent, at now: Instant
    ) -> FleetReaction.Answer {
        switch event {
        case .submit(let request): .admission(submit(request, at: now))
        case .cancel(let id): .release(cancel(id, at: now))
        case .finish(let id): .release(finish(id, at: now))
        case .plan(let replica, let drafts):
            .plan(planStep(on: replica, at: now, drafts: drafts))
        case .planAhead(let replica): .plan(planAhead(on: replica, at: now))
        case .complete(let outcome, let replica):
            .ended(complete(outcome, on: replica, at: now))
        case .failStep(let number, let replica): .ended(failStep(number, on: replica, at: now))
        case .loaded(let id, let bytes, let replica):
            .ended(
                adapterLoaded(
                    id, bytes: bytes, time: .milliseconds(bytes), on: replica, at: now))
        case .loadFailed(let id, let replica):
            .ended(adapterLoadFailed(id, on: replica, at: now))
        case .copyBuilt(let id, let replica): copied(id, on: replica, fails: false, at: now)
        case .copyFailed(let id, let replica): copied(id, on: replica, fails: true, at: now)
        case .register(let adapter): .refusal(register(adapter, at: now))
        case .retire(let id): retired(id, at: now)
        case .migrate, .solved, .abandonMoves, .arrived: moved(event, at: now)
        }
    }

    private mutating func moved(_ event: FleetEvent, at now: Instant) -> FleetReaction.Answer {
        switch event {
        case .migrate:
            let task = considerMigration(at: now)
            advanceMoves(at: now)
            return task.map { .solution($0.ticket, try? $0.solve()) } ?? .none
        case .solved(let ticket, let plan):
            migrationSolved(ticket, plan, at: now)
            advanceMoves(at: now)
        case .abandonMoves: abandonMoves(at: now)
        case .arrived(let id): arrived(id, at: now)
        default: break
        }
        return .none
    }

    private mutating func copied(
        _ id: AdapterID, on replica: ReplicaID, fails: Bool, at now: Instant
    ) -> FleetReaction.Answer {
        if fails {
            copyFailed(id, on: replica, at: now)
        } else {
            copyBuilt(id, bytes: 50, time: .milliseconds(3), on: replica, at: now)
        }
        return .none
    }

    private mutating func retired(_ id: AdapterID, at now: Instant) -> FleetReaction.Answer {
        retire(id, at: now)
        return .none
    }
}

extension Instant {
    static let start = Instant(nanoseconds: 0)

    static func seconds(_ seconds: Double) -> Instant {
        Instant(nanoseconds: Int64(seconds * 1e9))
    }
}

/// Short names for identifiers in tables.
func request(_ number: UInt64) -> RequestID { RequestID(rawValue: number) }
func adapter(_ number: UInt32) -> AdapterID { AdapterID(rawValue: number) }
func replica(_ number: Int) -> ReplicaID { ReplicaID(rawValue: number) }
