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

        /// Prompt and answer.
        var tokens: [Int32]
    }

    private(set) var live: [RequestID: Live] = [:]
    /// At most two for each replica: the step under way, and the one planned ahead.
    private(set) var inFlight: [ReplicaID: [StepPlan]] = [:]
    /// Requests that a step ended or that were cancelled while a later step has them.
    private(set) var over: Set<RequestID> = []
    private(set) var aheadSteps = 0
    private(set) var loading: [ReplicaID: [AdapterID]] = [:]
    private(set) var building: [ReplicaID: AdapterID] = [:]
    private var copies: [ReplicaID: Set<AdapterID>] = [:]
    private(set) var completed = 0
    private(set) var preemptions = 0
    private(set) var problems: [String] = []
    private var resident: [ReplicaID: Set<AdapterID>] = [:]
    private var everEnded: Set<RequestID> = []
    /// Replicas have their pages in one pool.
    private var model = PageModel()

    private var unmergeable: Set<AdapterID> = []

    /// Prompts that might not be cut, as often as they were computed.
    private(set) var whole = 0

    private(set) var moves: [CompletedMove.Way: Int] = [:]

    /// Tokens that requests did not have to compute.
    private(set) var adopted = 0

    mutating func witness(
        _ event: FleetEvent, _ reaction: FleetReaction, configuration: ReplicaConfiguration
    ) {
        note(event)
        let (ending, withdrawn) = endingSteps(event)
        for (replica, actions) in reaction.actions.enumerated() {
            for action in actions { note(action, on: ReplicaID(rawValue: replica)) }
        }
        for (replica, actions) in reaction.merges.enumerated() {
            for action in actions {
                note(action, on: ReplicaID(rawValue: replica), room: configuration.mergedCopies)
            }
        }
        for move in reaction.moves { note(move) }
        switch (event, reaction.answer) {
        case (.submit(let request), .admission(.accepted(let replica))):
            check(live[request.id] == nil, "request \(request.id) accepted twice")
            live[request.id] = Live(
                replica: replica, request: request, tokens: request.prompt)
        case (.cancel(let id), .release(.now)), (.finish(let id), .release(.now)): end(id)
        case (.cancel(let id), .release(.afterStep)), (.finish(let id), .release(.afterStep)):
            check(over.insert(id).inserted, "request \(id) is over twice")
        case (.plan(let replica, let drafts), .plan(let plan?)):
            check(inFlight[replica, default: []].isEmpty, "two steps at once")
            for entry in plan.entries {
                check(entry.drafts <= max(0, drafts[entry.id] ?? 0), "drafts that nobody made")
            }
            note(plan, on: replica, configuration: configuration)
        case (.planAhead(let replica), .plan(let plan?)):
            check(inFlight[replica]?.count == 1, "ahead of no step, or of two")
            check(plan.entries.allSatisfy { $0.drafts == 0 }, "drafts of unknown texts")
            check(
                inFlight[replica]?.first?.entries.allSatisfy { $0.drafts == 0 } == true,
                "ahead of a step whose requests get nobody knows how far")
            aheadSteps += 1
            note(plan, on: replica, configuration: configuration)
        case (.complete(let outcome, let replica), .ended(let ended)):
            noteOutcome(outcome, of: ending, ended: ended, on: replica)
        case (.failStep(_, let replica), .ended(let ended)):
            noteFailure(of: ending, withdrawn, ended: ended, on: replica)
        case (_, .ended(let ended)): ended.forEach { end($0) }
        default: break
        }
    }

    /// The step that the event ends, and the one that goes with it; from here on they use nothing.
    private mutating func endingSteps(_ event: FleetEvent) -> (StepPlan?, StepPlan?) {
        var steps: [StepPlan] = []
        switch event {
        case .complete(_, let replica):
            steps = inFlight.removeValue(forKey: replica) ?? []
            inFlight[replica] = Array(steps.dropFirst())
            return (steps.first, nil)
        case .failStep(_, let replica):
            steps = inFlight.removeValue(forKey: replica) ?? []
            return (steps.first, steps.dropFirst().first)
        default: return (nil, nil)
        }
    }

    private mutating func check(_ condition: Bool, _ problem: @autoclosure () -> String) {
        if !condition, problems.count < 20 { problems.append(problem()) }
    }

    private mutating func end(_ id: RequestID) {
        check(live.removeValue(forKey: id) != nil, "request \(id) ended, but did not live")
        check(everEnded.insert(id).inserted, "request \(id) ended twice")
        over.remove(id)
        check(
            !inFlight.values.joined().contains { $0.entries.contains { $0.id == id } },
            "request \(id) ended, but a step has it")
    }

    private mutating func note(_ event: FleetEvent) {
        switch event {
        case .loaded(let id, _, let replica):
            loading[replica]?.removeAll { $0 == id }
            resident[replica, default: []].insert(id)
        case .loadFailed(let id, let replica): loading[replica]?.removeAll { $0 == id }
        case .copyBuilt(let id, let replica):
            building[replica] = nil
            copies[replica, default: []].insert(id)
        case .copyFailed(_, let replica): building[replica] = nil
        case .register(let adapter):
            if !adapter.isMergeable { unmergeable.insert(adapter.id) }
        default: break
        }
    }

    private mutating func note(_ move: CompletedMove) {
        guard let state = live[move.request] else {
            return check(false, "\(move.request) moves but does not live")
        }
        check(state.replica == move.source, "\(move.request) moves from where it is not")
        check(
            !inFlight.values.joined().contains { $0.entries.contains { $0.id == move.request } },
            "\(move.request) moves while a step has it")
        live[move.request]?.replica = move.target
        moves[move.way, default: 0] += 1
        if move.way == .recompute { live[move.request]?.computed = 0 }
    }

    private mutating func note(_ action: AdapterResidency.Action, on replica: ReplicaID) {
        switch action {
        case .load(let id):
            check(resident[replica]?.contains(id) != true, "load of resident adapter \(id)")
            loading[replica, default: []].append(id)
        case .unload(let id):
            check(resident[replica, default: []].remove(id) != nil, "unload of absent \(id)")
            check(building[replica] != id, "unload of adapter \(id), whose copy is being built")
            for plan in inFlight[replica] ?? [] {
                check(
                    !plan.entries.contains { $0.adapter == id },
                    "unload of adapter \(id), which step \(plan.number) uses")
                check(
                    plan.mode.mergedAdapter != id,
                    "unload of adapter \(id), on which step \(plan.number) is merged")
            }
        }
    }

    private mutating func note(
        _ action: MergedCopies.Action, on replica: ReplicaID, room: Int
    ) {
        switch action {
        case .build(let id):
            check(building.updateValue(id, forKey: replica) == nil, "two copies at once")
            check(resident[replica]?.contains(id) == true, "a copy of absent adapter \(id)")
            check(!unmergeable.contains(id), "a copy of \(id), which cannot be merged")
            check(copies[replica, default: []].count < room, "no room for a copy of \(id)")
        case .drop(let id):
            check(copies[replica, default: []].remove(id) != nil, "drop of no copy of \(id)")
        }
    }

    private mutating func note(
        _ plan: StepPlan, on replica: ReplicaID, configuration: ReplicaConfiguration
    ) {
        check(!plan.entries.isEmpty, "an empty step")
        check(plan.isAhead == (inFlight[replica]?.isEmpty == false), "wrongly ahead")
        check(plan.entries.count <= configuration.batchRequests, "too many requests")
        let tokens = plan.entries.reduce(0) { $0 + $1.tokens }
        check(tokens <= configuration.batchTokens, "\(tokens) tokens in a step")
        check(Set(plan.entries.map(\.id)).count == plan.entries.count, "a request twice")
        if let merged = plan.mode.mergedAdapter {
            check(!unmergeable.contains(merged), "merged on \(merged), which cannot be")
            check(copies[replica]?.contains(merged) == true, "merged on \(merged) without a copy")
        }
        checkPages(of: plan, on: replica, configuration)
        for entry in plan.entries { note(entry, of: plan, on: replica, configuration) }
        inFlight[replica, default: []].append(plan)
    }

    /// Pages that a request writes are its own, and none that another reads is being written.
    private mutating func checkPages(
        of plan: StepPlan, on replica: ReplicaID, _ configuration: ReplicaConfiguration
    ) {
        func written(by entry: StepEntry) -> ArraySlice<Int32> {
            entry.pages[(entry.position / configuration.pageTokens)...]
        }
        var uses: [Int32: Int] = [:]
        for page in plan.entries.flatMap(\.pages) { uses[page, default: 0] += 1 }
        for entry in plan.entries {
            check(
                written(by: entry).allSatisfy { uses[$0] == 1 },
                "\(entry.id) writes pages that others have")
            for before in inFlight[replica]?.flatMap(\.entries) ?? [] where before.id != entry.id {
                check(
                    Set(entry.pages).isDisjoint(with: written(by: before)),
                    "\(entry.id) has a page that \(before.id) is writing")
            }
        }
    }

    /// The tokens that a step draws for an entry that samples, with so many drafts accepted.
    func answers(to entry: StepEntry, accepted: Int) -> [Int32]? {
        guard entry.samples, let tokens = live[entry.id]?.tokens else { return nil }
        return Array(tokens[(entry.position + entry.tokens - entry.drafts)...].prefix(accepted + 1))
    }

    private func answer(to request: NewRequest, after tokens: [Int32]) -> Int32 {
        PageModel.answer(to: tokens.reduce(PageModel.beginning(of: request), PageModel.history))
    }

    private mutating func note(
        _ entry: StepEntry, of plan: StepPlan, on replica: ReplicaID,
        _ configuration: ReplicaConfiguration
    ) {
        guard var state = live[entry.id], !over.contains(entry.id) else {
            return check(false, "request \(entry.id) runs but does not live")
        }
        // What is under way counts as done.
        if let before = inFlight[replica]?.first?.entries.first(where: { $0.id == entry.id }) {
            state.computed = before.position + before.tokens
            if before.samples { state.generated += 1 }
            check(
                state.generated < state.request.maximumTokens, "\(entry.id) runs after its end")
            check(entry.position > 0, "\(entry.id) lost its pages during a step")
        }
        check(state.replica == replica && state.request.adapter == entry.adapter, "mixed up")
        check(
            entry.adapter.isBase || resident[replica]?.contains(entry.adapter) == true,
            "request \(entry.id) runs on absent adapter \(entry.adapter)")
        if case .merged(let adapter) = plan.mode {
            check(adapter == entry.adapter, "request \(entry.id) in the wrong merged step")
        }
        if entry.position != state.computed {
            if entry.position < state.computed { preemptions += 1 }
            let isOnPage = entry.position % configuration.pageTokens == 0
            check(
                entry.position == 0 || (configuration.sharesPrefixes && isOnPage),
                "\(entry.id) jumps from \(state.computed) to \(entry.position)")
            checkIsClean(entry, on: replica, configuration)
            adopted += entry.position
            state.computed = entry.position
        }
        let end = entry.position + entry.tokens
        checkWhole(entry, of: state.request)
        let known = state.request.promptTokens + state.generated + entry.drafts
        check(entry.tokens >= 1 && end <= known, "\(entry.id) computes \(end) of \(known)")
        check(entry.samples == (end == known), "\(entry.id) samples wrongly")
        check(
            entry.drafts == 0
                || entry.drafts == entry.tokens - 1 && state.generated > 0
                    && state.generated + entry.drafts < state.request.maximumTokens,
            "\(entry.id) has \(entry.drafts) drafts in \(entry.tokens) tokens")
        check(
            entry.pages.count == (end + configuration.pageTokens - 1) / configuration.pageTokens,
            "\(entry.id) has \(entry.pages.count) pages for \(end) tokens")
        run(entry, of: plan, on: replica, configuration)
    }

    /// A prompt that may not be cut is computed in one step, whenever it is.
    private mutating func checkWhole(_ entry: StepEntry, of request: NewRequest) {
        guard request.isUndivided, entry.position < request.promptTokens else { return }
        whole += 1
        check(
            entry.position == 0 && entry.tokens >= request.promptTokens,
            "\(entry.id) computes \(entry.tokens) tokens at \(entry.position) of a prompt of "
                + "\(request.promptTokens) that may not be cut")
    }

    /// What is drawn follows from what is read; drafts are right until an outcome rejects them.
    private mutating func run(
        _ entry: StepEntry, of plan: StepPlan, on replica: ReplicaID,
        _ configuration: ReplicaConfiguration
    ) {
        guard let state = live[entry.id] else { return }
        var tokens = state.tokens
        if entry.samples {
            for _ in 0...entry.drafts { tokens.append(answer(to: state.request, after: tokens)) }
        }
        let fault = model.run(
            entry, of: tokens, after: PageModel.beginning(of: state.request),
            isMerged: plan.mode != .unmerged,
            pageTokens: configuration.pageTokens)
        check(fault == nil, fault ?? "")
        live[entry.id]?.tokens = tokens
    }

    /// What a request takes over from others was computed unmerged.
    private mutating func checkIsClean(
        _ entry: StepEntry, on replica: ReplicaID, _ configuration: ReplicaConfiguration
    ) {
        for index in 0..<entry.position {
            let place = model.place(
                of: index, in: entry.pages, pageTokens: configuration.pageTokens)
            check(place?.isClean == true, "\(entry.id) takes over what merged weights gave")
        }
    }

    private mutating func noteOutcome(
        _ outcome: StepOutcome, of plan: StepPlan?, ended: [RequestID], on replica: ReplicaID
    ) {
        guard let plan else { return }
        for entry in plan.entries {
            let rejected = entry.drafts - (outcome.accepted[entry.id] ?? 0)
            live[entry.id]?.computed = entry.position + entry.tokens - rejected
            live[entry.id]?.tokens.removeLast(rejected)
            model.lose(entry, last: rejected)
            if outcome.dropped.contains(entry.id) { model.lose(entry) }
            if entry.samples { live[entry.id]?.generated += 1 + entry.drafts - rejected }
            if let state = live[entry.id], state.generated >= state.request.maximumTokens {
                check(ended.contains(entry.id), "\(entry.id) has all its tokens and goes on")
                completed += 1
            }
        }
        for id in outcome.finished where live[id] != nil && !over.contains(id) {
            let isAhead = inFlight[replica]?.first?.entries.contains { $0.id == id } == true
            check(ended.contains(id) != isAhead, "\(id) finished and goes on, or ends too early")
            if isAhead { over.insert(id) }
        }
        ended.forEach { end($0) }
    }

    /// The step planned ahead goes with the one that failed.
    private mutating func noteFailure(
        of plan: StepPlan?, _ withdrawn: StepPlan?, ended: [RequestID], on replica: ReplicaID
    ) {
        guard let plan else { return }
        for entry in withdrawn?.entries ?? [] {
            live[entry.id]?.computed = 0
            if entry.samples { live[entry.id]?.tokens.removeLast() }
            model.lose(entry)
        }
        for entry in plan.entries {
            model.lose(entry)
            check(ended.contains(entry.id), "\(entry.id) survives its step")
        }
        ended.forEach { end($0) }
    }
}
