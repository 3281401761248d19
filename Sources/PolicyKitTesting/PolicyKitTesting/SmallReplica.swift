// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// A replica without a model: keeps requests, pages and a clock, and does what a plan says.
struct SmallReplica {
    struct Running {
        let job: Workload.Job
        var request: RequestSnapshot

        /// Tokens generated since the request last began: a preemption adds them to the prompt.
        var generatedSinceStart = 0
    }

    let limits: BatchLimits
    let adapterLoadTime: Duration
    private(set) var now = Instant(nanoseconds: 0)
    private var live: [Running] = []
    private var residentFrom: [AdapterID: Instant] = [:]
    private var mode = BatchMode.unmerged
    private var copies = MergedCopiesSnapshot(capacity: 1)
    private var copyReady = Instant(nanoseconds: 0)

    init(limits: BatchLimits, adapterLoadTime: Duration) {
        self.limits = limits
        self.adapterLoadTime = adapterLoadTime
    }

    var isEmpty: Bool { live.isEmpty }

    mutating func add(_ job: Workload.Job) {
        if !job.adapter.isBase, residentFrom[job.adapter] == nil {
            residentFrom[job.adapter] = now.advanced(by: adapterLoadTime)
        }
        live.append(Running(job: job, request: job.snapshot))
    }

    /// The question to the policy: requests in order of arrival, those of `urgent` first.
    func question(urgent: Set<RequestID> = []) -> BatchingQuestion {
        var requests = live.map(\.request)
        for index in requests.indices {
            let ready = residentFrom[requests[index].adapter] ?? now
            requests[index].isAdapterResident = ready <= now
        }
        let first = requests.filter { urgent.contains($0.id) }
        let rest = requests.filter { !urgent.contains($0.id) }
        var limits = limits
        limits.freePages -= requests.reduce(0) { sum, request in
            sum + pages(of: request)
        }
        var context = BatchingContext(now: now, limits: limits)
        context.currentMode = mode
        context.copies = copies
        context.costs = Self.costs
        for request in first where !context.mustServe.contains(request.adapter) {
            context.mustServe.append(request.adapter)
        }
        return BatchingQuestion(requests: first + rest, context: context)
    }

    /// Runs an iteration; answers what it did and who ended.
    mutating func run(
        _ plan: BatchPlan, of question: BatchingQuestion
    ) -> (step: StepObservation, ended: [Workload.Job]) {
        let tokens = plan.entries.reduce(0) { $0 + $1.tokens }
        let stepTime = Duration.microseconds(200 + 20 * tokens)
        mode = possibleMode(plan)
        var step = StepObservation(
            start: now, stepTime: stepTime, mode: mode,
            served: plan.entries.map { question.requests[$0.index] })
        step.servedTokens = plan.entries.map(\.tokens)
        var ran = plan
        ran.mode = mode
        step.work = StepWork(ran, of: question.requests.span)
        now = now.advanced(by: step.stepTime + step.mergeTime)
        finishCopy()
        for entry in plan.entries {
            let id = question.requests[entry.index].id
            guard let index = live.firstIndex(where: { $0.request.id == id }) else { continue }
            if live[index].request.phase == .decoding {
                step.decodeTokens += 1
            } else {
                step.promptTokens += entry.tokens
            }
            live[index].compute(entry.tokens)
        }
        let ended = live.filter(\.hasEnded).map(\.job)
        live.removeAll(where: \.hasEnded)
        return (step, ended)
    }

    private static let costs: CostEstimates = {
        var costs = CostEstimates()
        costs.observations = 1_000
        costs.perStep = 200e-6
        costs.perPromptToken = 20e-6
        costs.perDecodeToken = 20e-6
        costs.mergeTime = .milliseconds(2)
        return costs
    }()

    /// As a host does: a copy that is not ready is built beside the iterations.
    private mutating func possibleMode(_ plan: BatchPlan) -> BatchMode {
        if let wanted = plan.mode.mergedAdapter {
            guard copies.ready.contains(wanted) else {
                build(wanted)
                return .unmerged
            }
        }
        if let wanted = plan.prepares { build(wanted) }
        return plan.mode
    }

    private mutating func build(_ adapter: AdapterID) {
        guard copies.building == nil, !copies.ready.contains(adapter) else { return }
        if copies.ready.count == copies.capacity { copies.ready.removeFirst() }
        copies.building = adapter
        copyReady = now.advanced(by: .milliseconds(2))
    }

    private mutating func finishCopy() {
        guard let built = copies.building, now >= copyReady else { return }
        copies.building = nil
        copies.ready.append(built)
    }

    /// Whether a request that has begun cannot compute a token for lack of pages.
    ///
    /// A host preempts for it before it asks; here, where the policy has no plan without.
    func isShortOfPages(_ question: BatchingQuestion) -> Bool {
        question.requests.contains { request in
            request.phase != .waiting
                && request.pendingTokens(
                    withinNewPages: question.context.limits.freePages,
                    pageTokens: limits.pageTokens) == 0
        }
    }

    /// Takes the pages of the last request in order that holds any; false where none does.
    mutating func preempt(_ question: BatchingQuestion) -> Bool {
        guard let victim = question.requests.last(where: { $0.phase != .waiting }),
            let index = live.firstIndex(where: { $0.request.id == victim.id })
        else { return false }
        live[index].preempt()
        return true
    }

    /// Moves the clock to when the next adapter is ready, or to `arrival`; false without either.
    mutating func wait(until arrival: Instant?) -> Bool {
        let ready = residentFrom.values.filter { $0 > now }.min()
        guard let next = [ready, arrival].compactMap({ $0 }).min() else { return false }
        now = max(now, next)
        return true
    }

    private func pages(of request: RequestSnapshot) -> Int {
        KVPages.count(holding: request.computedTokens, pageTokens: limits.pageTokens)
    }
}

extension SmallReplica.Running {
    var hasEnded: Bool { request.generatedTokens >= job.outputTokens }

    mutating func compute(_ tokens: Int) {
        request.computedTokens += tokens
        let isPromptDone = request.computedTokens >= request.promptTokens
        request.phase = isPromptDone ? .decoding : .prefilling
        guard isPromptDone else { return }
        request.generatedTokens += 1
        generatedSinceStart += 1
    }

    mutating func preempt() {
        request.phase = .waiting
        request.computedTokens = 0
        request.promptTokens += generatedSinceStart
        generatedSinceStart = 0
    }
}
