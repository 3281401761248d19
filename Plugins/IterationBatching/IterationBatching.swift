// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([IterationBatching.self])
}

/// Iteration-level first-come-first-served scheduling with selective batching (Orca, OSDI '22,
/// Algorithm 1).
final class IterationBatching: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "iteration-batching", version: "1.0.0",
            summary: "Admits requests at each iteration in order, prefills a prompt whole, and "
                + "reserves room for its whole output; the baseline of Orca.")
    }

    private let reservesOutput: Bool

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.reservesOutput = parameters.reserveOutput
    }

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        var iteration = Iteration(limits: context.limits)
        for phase in [RequestPhase.decoding, .prefilling] {
            for index in requests.indices where requests[index].phase == phase {
                iteration.proceed(requests[index], at: index)
            }
        }
        var outstanding = reservesOutput ? iteration.outstandingPages(of: requests) : 0
        for index in requests.indices where requests[index].phase == .waiting {
            let request = requests[index]
            guard request.isAdapterResident, request.pendingTokens > 0 else { continue }
            guard iteration.running < context.limits.requests else { break }
            let reserved = reservesOutput ? iteration.pagesToEnd(of: request) : 0
            let fits =
                outstanding.addingSaturating(reserved) <= iteration.freePages
                || iteration.running == 0
            guard fits, iteration.start(request, at: index) else { break }
            outstanding = outstanding.addingSaturating(reserved)
        }
        plan.entries = iteration.entries
    }
}

/// An iteration while it fills.
private struct Iteration {
    let limits: BatchLimits
    let freePages: Int
    var entries: [BatchPlan.Entry] = []
    var tokensLeft: Int
    var pagesLeft: Int

    /// Requests that hold pages, whether or not they run in this iteration.
    var running = 0

    init(limits: BatchLimits) {
        self.limits = limits
        self.freePages = limits.freePages
        self.tokensLeft = limits.tokens
        self.pagesLeft = limits.freePages
    }

    /// Goes on with a request that has begun, as far as there is room.
    mutating func proceed(_ request: RequestSnapshot, at index: Int) {
        running += 1
        guard request.isAdapterResident, entries.count < limits.requests else { return }
        let room = request.pendingTokens(withinNewPages: pagesLeft, pageTokens: limits.pageTokens)
        append(min(room, tokensLeft), of: request, at: index)
    }

    /// Begins with the whole prompt, or with a part of one that no iteration could hold whole.
    ///
    /// - Returns: false where it must wait.
    mutating func start(_ request: RequestSnapshot, at index: Int) -> Bool {
        let fitsAnIteration = request.pendingTokens <= limits.tokens
        if fitsAnIteration, request.pendingTokens > tokensLeft { return false }
        let room = request.pendingTokens(withinNewPages: pagesLeft, pageTokens: limits.pageTokens)
        guard room == request.pendingTokens || running == 0 else { return false }
        guard append(min(room, tokensLeft), of: request, at: index) else { return false }
        running += 1
        return true
    }

    @discardableResult
    private mutating func append(
        _ tokens: Int, of request: RequestSnapshot, at index: Int
    ) -> Bool {
        guard tokens > 0 else { return false }
        entries.append(BatchPlan.Entry(index: index, tokens: tokens))
        tokensLeft -= tokens
        pagesLeft -= request.newPages(computing: tokens, pageTokens: limits.pageTokens)
        return true
    }

    /// Pages that the request may still take until it ends.
    func pagesToEnd(of request: RequestSnapshot) -> Int {
        let most = KVPages.count(
            holding: request.mostComputedTokens, pageTokens: limits.pageTokens)
        let held = KVPages.count(holding: request.computedTokens, pageTokens: limits.pageTokens)
        return max(0, most - held)
    }

    /// Pages that the requests that have begun may still take.
    func outstandingPages(of requests: Span<RequestSnapshot>) -> Int {
        var pages = 0
        for index in requests.indices where requests[index].phase != .waiting {
            pages = pages.addingSaturating(pagesToEnd(of: requests[index]))
        }
        return pages
    }
}

extension Int {
    fileprivate func addingSaturating(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
