// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A checked plan, before pages are taken.
struct ChosenPlan {
    var plan: BatchPlan

    /// Positions in arrival order, in the order that the plan's indexes refer to.
    var order: [Int]

    /// Whether it is what first-come-first-served would have run.
    var isArrivalOrder: Bool
    var limits: BatchLimits
}

extension ReplicaScheduler {
    /// Decides the next step, or `nil` where one is under way, nothing can run, or the batching
    /// policy holds requests back (then ``isHoldingBack``).
    ///
    /// `drafts` says how many tokens of its own guess a request has to verify. Where it decodes in
    /// this step, as many of them are computed with it as the policy's plan leaves room for.
    package mutating func planStep(
        at now: Instant, drafts: [RequestID: Int] = [:]
    ) -> StepPlan? {
        let plan = decideStep(at: now, drafts: drafts)
        endDecision(plan)
        return plan
    }

    private mutating func decideStep(at now: Instant, drafts: [RequestID: Int]) -> StepPlan? {
        isHoldingBack = false
        guard isRunnable else { return nil }
        enterDemand(at: now)
        tokenLimit = chooseTokenLimit()
        let isForced = areUndoingEachOther || isLeavingOutPrompts
        if isForced { counters.forcedSteps += 1 }
        let arrangement = arrange(isForced: isForced, at: now)
        guard isRunnable else { return nil }
        makeRoom(arrangement.order)
        adoptPrefixes(arrangement.order)
        guard let chosen = choose(arrangement, isForced: isForced, at: now) else {
            isHoldingBack = true
            return nil
        }
        guard var plan = launch(chosen, at: now) else { return nil }
        if !drafts.isEmpty { add(drafts, to: &plan) }
        return plan
    }

    /// Decides the step that follows the one under way, as if that had done what it was planned to
    /// do; `nil` where that cannot be decided yet, then ``planStep(at:drafts:)`` does once it has ended.
    ///
    /// A step that could run only on pages of others is left for later, so that no request loses
    /// pages that a step under way uses. So is what follows a step that verifies drafts, since
    /// nobody knows how far its requests will get.
    package mutating func planAhead(at now: Instant) -> StepPlan? {
        let plan = decideAhead(at: now)
        endDecision(plan)
        return plan
    }

    private mutating func decideAhead(at now: Instant) -> StepPlan? {
        guard inFlight.count == 1, !inFlight[0].hasDrafts, !areUndoingEachOther,
            !isLeavingOutPrompts
        else { return nil }
        assume()
        enterDemand(at: now)
        guard backlog.runnable > 0 else { return nil }
        tokenLimit = chooseTokenLimit()
        let arrangement = arrange(isForced: false, at: now)
        guard backlog.runnable > 0, missingPages(arrangement.order) <= pages.freePages else {
            return nil
        }
        adoptPrefixes(arrangement.order)
        return choose(arrangement, isForced: false, at: now).flatMap { launch($0, at: now) }
    }

    /// Whether policies keep undoing one another's work: the built-in defaults then plan until a
    /// step gives a token, which they make certain.
    private var areUndoingEachOther: Bool {
        preemptionsSinceToken > 4 * configuration.batchRequests
    }

    var limits: BatchLimits {
        var limits = BatchLimits(
            requests: configuration.batchRequests, tokens: tokenLimit,
            freePages: pages.freePages, pageTokens: pages.pageTokens)
        limits.undividedTokens = configuration.batchTokens
        return limits
    }

    // MARK: - Fairness

    private mutating func arrange(isForced: Bool, at now: Instant) -> FairnessArrangement {
        resizeIdentity()
        recorder?.begin(at: now, isAhead: !inFlight.isEmpty, isForced: isForced)
        var arrangement = FairnessArrangement(order: identity)
        if isForced { return arrangement }
        var context = FairnessContext(now: now, limits: limits)
        context.currentMode = mode
        context.costs = costs.estimates
        context.wantsReason = wantsReasons
        let requests = queue.snapshots
        var fault: (PolicyFault, String)?
        var call = fairness.begin(at: now)
        do throws(PolicyError) {
            try call.policy.arrange(requests.span, in: context, into: &arrangement)
            fairness.returned(&call)
            if !isPermutation(arrangement.order) {
                fault = (
                    .badAnswer,
                    "the order of \(arrangement.order.count) is no permutation of "
                        + "\(requests.count) requests"
                )
            } else if let error = arrangement.violationOfAborts(among: requests.span) {
                fault = (.badAnswer, error.description)
            }
        } catch {
            fairness.returned(&call)
            fault = (.threw, error.description)
        }
        if recorder != nil {
            var exchange = PolicyExchange<FairnessContext, FairnessArrangement>(
                requests: requests, context: context)
            exchange.answer = arrangement
            exchange.isBuiltIn = call.isBuiltIn
            record(exchange, fault)
        }
        fairness.settle(call, fault: fault, at: now)
        if fault != nil { return FairnessArrangement(order: identity) }
        return arrangement.aborts.isEmpty ? arrangement : abort(arrangement, at: now)
    }

    /// Ends the requests that the arrangement gives up, and takes them out of it.
    private mutating func abort(
        _ arrangement: FairnessArrangement, at now: Instant
    ) -> FairnessArrangement {
        let leaving = Set(arrangement.aborts)
        let predictions = arrangement.predictedFirstTokens
        let given = arrangement.aborts.enumerated().map { index, position in
            AbortedRequest(
                id: queue.snapshots[position].id,
                predictedFirstToken: predictions.isEmpty ? nil : predictions[index])
        }
        let order = arrangement.order.filter { !leaving.contains($0) }
            .map { queue.snapshots[$0].id }
        for request in given where end(request.id, at: now) != .unknown {
            counters.aborted += 1
            aborted.append(request)
        }
        resizeIdentity()
        var rest = arrangement
        rest.aborts = []
        rest.order = order.compactMap { queue.slot(of: $0).map(queue.position) }
        return rest
    }

    private mutating func resizeIdentity() {
        if identity.count > queue.count { identity.removeLast(identity.count - queue.count) }
        while identity.count < queue.count { identity.append(identity.count) }
    }

    private mutating func isPermutation(_ order: [Int]) -> Bool {
        guard order.count == queue.count else { return false }
        if order == identity { return true }
        marks.clear(count: order.count)
        for position in order where position >= order.count || !marks.mark(position) {
            return false
        }
        return true
    }

    // MARK: - Batching

    private mutating func choose(
        _ arrangement: FairnessArrangement, isForced: Bool, at now: Instant
    ) -> ChosenPlan? {
        let order = arrangement.order
        let isArrivalOrder = order == identity
        let requests = requests(in: order, isArrivalOrder: isArrivalOrder)
        var context = BatchingContext(now: now, limits: limits)
        context.currentMode = mode
        context.copies = copies.snapshot
        context.costs = costs.estimates
        context.wantsReason = wantsReasons
        context.mustServe = arrangement.mustServe
        context.notMergeable = arrangement.notMergeable.union(unmergeable)
        var plan = isForced ? nil : ask(requests, in: context, at: now)
        if plan?.entries.isEmpty == true {
            // Ahead of a step's end it may just as well wait for that.
            guard inFlight.isEmpty, isTiredOfWaiting(at: now) else { return nil }
            plan = nil
        }
        emptyPlans = 0
        return ChosenPlan(
            plan: plan ?? askBuiltIn(requests, in: context, at: now), order: order,
            isArrivalOrder: isArrivalOrder && plan == nil && context.mustServe.isEmpty,
            limits: context.limits)
    }

    private mutating func requests(
        in order: [Int], isArrivalOrder: Bool
    ) -> [RequestSnapshot] {
        if isArrivalOrder { return queue.snapshots }
        ordered.removeAll(keepingCapacity: true)
        for position in order { ordered.append(queue.snapshots[position]) }
        return ordered
    }

    /// The policy's plan, or `nil` where it is no good or the built-in default stands in for it.
    private mutating func ask(
        _ requests: [RequestSnapshot], in context: BatchingContext, at now: Instant
    ) -> BatchPlan? {
        var plan = BatchPlan()
        var fault: (PolicyFault, String)?
        var answer = plan
        var leavesOut = false
        var call = batching.begin(at: now)
        if call.isBuiltIn { return nil }
        do throws(PolicyError) {
            try call.policy.plan(requests.span, in: context, into: &plan)
            batching.returned(&call)
            answer = plan
            leavesOut = plan.keepTogether(requests, under: context.limits)
            let violation =
                plan.violation(for: requests.span, under: context.limits)
                ?? plan.violation(merging: unmergeable)
            if let violation { fault = (.badAnswer, violation.description) }
        } catch {
            batching.returned(&call)
            fault = (.threw, error.description)
        }
        if recorder != nil {
            var exchange = PolicyExchange<BatchingContext, BatchPlan>(
                requests: requests, context: context)
            exchange.answer = answer
            record(exchange, fault)
        }
        batching.settle(call, fault: fault, at: now)
        guard fault == nil else { return nil }
        noteLeftOut(leavesOut)
        // What is left of it may be nothing, where the policy did not mean to hold back.
        return leavesOut && plan.entries.isEmpty ? nil : plan
    }

    private mutating func askBuiltIn(
        _ requests: [RequestSnapshot], in context: BatchingContext, at now: Instant
    ) -> BatchPlan {
        var call = batching.beginBuiltIn()
        let plan = builtInPlan(requests, in: context)
        batching.returned(&call)
        batching.settle(call, at: now)
        recorder?.note { decision in
            decision.isStandIn = true
            guard decision.batching == nil else { return }
            decision.batching = PolicyExchange(requests: requests, context: context)
            decision.batching?.answer = plan
            decision.batching?.isBuiltIn = true
        }
        return plan
    }

    /// Counts an empty plan; after some in a row the built-in default plans instead.
    private mutating func isTiredOfWaiting(at now: Instant) -> Bool {
        emptyPlans += 1
        counters.emptyPlans += 1
        guard emptyPlans >= configuration.emptyPlans else { return false }
        counters.forcedSteps += 1
        batching.strike(
            .heldBack,
            "planned nothing \(emptyPlans) times in a row though \(backlog.runnable) requests "
                + "could run", at: now)
        return true
    }

    /// The plan of the built-in default; never empty when room has been made.
    private func builtInPlan(
        _ requests: [RequestSnapshot], in context: BatchingContext
    ) -> BatchPlan {
        var plan = BatchPlan()
        try? batching.builtIn.plan(requests.span, in: context, into: &plan)
        if plan.entries.isEmpty, !context.mustServe.isEmpty {
            // Urgent requests find no pages: those who hold the pages must go on.
            var context = context
            context.mustServe = []
            try? batching.builtIn.plan(requests.span, in: context, into: &plan)
        }
        assert(plan.violation(for: requests.span, under: context.limits) == nil)
        return plan
    }

    // MARK: - Memory

    /// Preempts from the back of the order until the decode rows in front can get their next pages,
    /// or, where nothing decodes, until the first request in turn can go on.
    private mutating func makeRoom(_ order: [Int]) {
        var missing = missingPages(order)
        if pages.freePages >= missing { return }
        let first = order.first { queue.snapshots[$0].isAdapterResident }
        for position in order.reversed() where position != first {
            if pages.freePages >= missing { return }
            guard queue.snapshots[position].computedTokens > 0 else { continue }
            if marks.isMarked(position) { missing -= 1 }
            preempt(queue.slot(at: position))
        }
    }

    /// Pages that must be free so that work can go on; marks the decode rows that need one, unless
    /// there are plenty.
    private mutating func missingPages(_ order: [Int]) -> Int {
        let rows = min(backlog.decoding, configuration.batchRequests)
        if backlog.undivided == 0, pages.freePages >= max(1, rows) { return 0 }
        guard let first = order.first(where: { queue.snapshots[$0].isAdapterResident }) else {
            return 0
        }
        marks.clear(count: order.count)
        return needs(of: order, first: first)
    }

    /// Counts the pages that decode rows in front need, and marks who needs one.
    private mutating func needs(of order: [Int], first: Int) -> Int {
        var missing = 0
        var rows = 0
        for position in order {
            if rows == min(backlog.decoding, configuration.batchRequests) { break }
            let request = queue.snapshots[position]
            guard request.phase == .decoding, request.isAdapterResident else { continue }
            rows += 1
            guard request.newPages(computing: 1, pageTokens: pages.pageTokens) > 0 else { continue }
            missing += 1
            _ = marks.mark(position)
        }
        if rows > 0 { return missing }
        let request = queue.snapshots[first]
        return request.newPages(computing: request.leastTokens, pageTokens: pages.pageTokens)
    }

    /// Takes a request's pages; what it has generated is computed again as part of its prompt.
    mutating func preempt(_ slot: Int) {
        let request = queue.snapshot(slot)
        pages.release(request.id)
        notePreemption(of: request.id)
        queue.update(slot) { snapshot, record in
            snapshot.promptTokens = record.originalPromptTokens + snapshot.generatedTokens
            snapshot.computedTokens = 0
            snapshot.phase = .waiting
        }
        // Who waits only shared what others have computed and loses nothing.
        guard request.phase != .waiting else { return }
        counters.preemptions += 1
        preemptionsSinceToken += 1
    }
}
