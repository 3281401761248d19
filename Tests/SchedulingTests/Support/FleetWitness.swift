// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Scheduling

/// Follows a fleet from outside and writes down whatever breaks a promise.
struct FleetWitness {
    struct Live {
        var replica: ReplicaID
        var request: NewRequest
        var generated = 0
        var computed = 0
    }

    private(set) var live: [RequestID: Live] = [:]
    private(set) var inFlight: [ReplicaID: StepPlan] = [:]
    private(set) var loading: [ReplicaID: [AdapterID]] = [:]
    private(set) var completed = 0
    private(set) var preemptions = 0
    private(set) var problems: [String] = []
    private var resident: [ReplicaID: Set<AdapterID>] = [:]
    private var everEnded: Set<RequestID> = []

    mutating func witness(
        _ event: FleetEvent, _ reaction: FleetReaction, configuration: ReplicaConfiguration
    ) {
        note(event)
        let ending = endingStep(event)
        for (replica, actions) in reaction.actions.enumerated() {
            for action in actions { note(action, on: ReplicaID(rawValue: replica)) }
        }
        switch (event, reaction.answer) {
        case (.submit(let request), .admission(.accepted(let replica))):
            check(live[request.id] == nil, "request \(request.id) accepted twice")
            live[request.id] = Live(replica: replica, request: request)
        case (.cancel(let id), .release(.now)), (.finish(let id), .release(.now)): end(id)
        case (.plan(let replica), .plan(let plan?)):
            note(plan, on: replica, configuration: configuration)
        case (.complete(let outcome, _), .ended(let ended)):
            noteOutcome(outcome, of: ending, ended: ended)
        case (_, .ended(let ended)): ended.forEach { end($0) }
        default: break
        }
    }

    /// The step that the event ends; from here on it uses nothing.
    private mutating func endingStep(_ event: FleetEvent) -> StepPlan? {
        switch event {
        case .complete(_, let replica), .failStep(_, let replica):
            inFlight.removeValue(forKey: replica)
        default: nil
        }
    }

    private mutating func check(_ condition: Bool, _ problem: @autoclosure () -> String) {
        if !condition, problems.count < 20 { problems.append(problem()) }
    }

    private mutating func end(_ id: RequestID) {
        check(live.removeValue(forKey: id) != nil, "request \(id) ended, but did not live")
        check(everEnded.insert(id).inserted, "request \(id) ended twice")
    }

    private mutating func note(_ event: FleetEvent) {
        switch event {
        case .loaded(let id, _, let replica):
            loading[replica]?.removeAll { $0 == id }
            resident[replica, default: []].insert(id)
        case .loadFailed(let id, let replica): loading[replica]?.removeAll { $0 == id }
        default: break
        }
    }

    private mutating func note(_ action: AdapterResidency.Action, on replica: ReplicaID) {
        switch action {
        case .load(let id):
            check(resident[replica]?.contains(id) != true, "load of resident adapter \(id)")
            loading[replica, default: []].append(id)
        case .unload(let id):
            check(resident[replica, default: []].remove(id) != nil, "unload of absent \(id)")
            let users = inFlight[replica]?.entries.filter { $0.adapter == id } ?? []
            check(users.isEmpty, "unload of adapter \(id), which the step under way uses")
            check(
                inFlight[replica]?.mode.mergedAdapter != id,
                "unload of adapter \(id), on which the step under way is merged")
        }
    }

    private mutating func note(
        _ plan: StepPlan, on replica: ReplicaID, configuration: ReplicaConfiguration
    ) {
        check(inFlight[replica] == nil, "two steps at once")
        check(!plan.entries.isEmpty, "an empty step")
        check(plan.entries.count <= configuration.batchRequests, "too many requests")
        let tokens = plan.entries.reduce(0) { $0 + $1.tokens }
        check(tokens <= configuration.batchTokens, "\(tokens) tokens in a step")
        check(Set(plan.entries.map(\.id)).count == plan.entries.count, "a request twice")
        let pages = plan.entries.flatMap(\.pages)
        check(Set(pages).count == pages.count, "a page in two requests")
        inFlight[replica] = plan
        for entry in plan.entries { note(entry, of: plan, on: replica, configuration) }
    }

    private mutating func note(
        _ entry: StepEntry, of plan: StepPlan, on replica: ReplicaID,
        _ configuration: ReplicaConfiguration
    ) {
        guard var state = live[entry.id] else {
            return check(false, "request \(entry.id) runs but does not live")
        }
        check(state.replica == replica && state.request.adapter == entry.adapter, "mixed up")
        check(
            entry.adapter.isBase || resident[replica]?.contains(entry.adapter) == true,
            "request \(entry.id) runs on absent adapter \(entry.adapter)")
        if case .merged(let adapter) = plan.mode {
            check(adapter == entry.adapter, "request \(entry.id) in the wrong merged step")
        }
        if entry.position == 0, state.computed > 0 {
            preemptions += 1
            state.computed = 0
        }
        check(entry.position == state.computed, "\(entry.id) jumps to \(entry.position)")
        let end = entry.position + entry.tokens
        let known = state.request.promptTokens + state.generated
        check(entry.tokens >= 1 && end <= known, "\(entry.id) computes \(end) of \(known)")
        check(entry.samples == (end == known), "\(entry.id) samples wrongly")
        check(
            entry.pages.count == (end + configuration.pageTokens - 1) / configuration.pageTokens,
            "\(entry.id) has \(entry.pages.count) pages for \(end) tokens")
        live[entry.id] = state
    }

    private mutating func noteOutcome(
        _ outcome: StepOutcome, of plan: StepPlan?, ended: [RequestID]
    ) {
        guard let plan else { return }
        for entry in plan.entries {
            live[entry.id]?.computed += entry.tokens
            if entry.samples { live[entry.id]?.generated += 1 }
            if let state = live[entry.id], state.generated >= state.request.maximumTokens {
                check(ended.contains(entry.id), "\(entry.id) has all its tokens and goes on")
                completed += 1
            }
        }
        for id in outcome.finished where live[id] != nil {
            check(ended.contains(id), "\(id) finished and goes on")
        }
        ended.forEach { end($0) }
    }
}
