// SPDX-License-Identifier: Apache-2.0

/// What one iteration computes, as far as its time depends on it.
@frozen
public struct StepWork: Hashable, Sendable {
    /// Tokens of prompts.
    public var promptTokens = 0

    /// Rows that each give a token, and rows that verify drafts.
    public var decodeTokens = 0

    /// Pairs of a query and a key that attention visits, per head and layer.
    public var attendedTokens = 0

    /// Σ tokens × rank over the LoRA paths that are computed; none for rows of the merged adapter.
    public var rankTokens = 0

    /// Σ rank over the distinct adapters whose paths are computed.
    public var distinctRanks = 0

    /// Whether the iteration uses a merged copy of the weights.
    public var isMerged = false

    /// No work.
    @inlinable
    public init() {}

    /// Adds `tokens` of a request, behind those that it has computed, without its LoRA path.
    @inlinable
    public mutating func addRows(of request: RequestSnapshot, tokens: Int) {
        if request.phase == .decoding {
            decodeTokens &+= tokens
        } else {
            promptTokens &+= tokens
        }
        attendedTokens &+= tokens &* request.computedTokens &+ tokens &* (tokens &+ 1) / 2
    }

    /// Adds a LoRA path of this rank over so many tokens; `isFirst` where no path of the same
    /// adapter was added before.
    @inlinable
    public mutating func addPath(rank: Int, tokens: Int, isFirst: Bool) {
        rankTokens &+= tokens &* rank
        if isFirst { distinctRanks &+= rank }
    }
}

extension StepWork {
    /// The work of a plan; `requests` are those that the policy was shown, in that order.
    ///
    /// In mixed mode each row of another adapter, or of the base, has two paths: its own, and the
    /// merged adapter's to take off (V-LoRA §4.2).
    public init(_ plan: BatchPlan, of requests: Span<RequestSnapshot>) {
        self.init()
        isMerged = plan.mode != .unmerged
        let merged = plan.mode.mergedAdapter
        var correction = 0
        if case .mixed(let adapter) = plan.mode {
            for index in requests.indices where requests[index].adapter == adapter {
                correction = requests[index].adapterRank
                break
            }
        }
        var seen: Set<AdapterID> = []
        var isCorrected = false
        for entry in plan.entries where requests.indices.contains(entry.index) {
            let request = requests[entry.index]
            addRows(of: request, tokens: entry.tokens)
            guard request.adapter != merged else { continue }
            addPath(
                rank: request.adapterRank, tokens: entry.tokens,
                isFirst: seen.insert(request.adapter).inserted)
            if correction > 0 {
                addPath(rank: correction, tokens: entry.tokens, isFirst: !isCorrected)
                isCorrected = true
            }
        }
    }
}

/// What the host has measured of its own costs, as a value that policies may compute with.
///
/// The time of an iteration is linear in its work (CaraServe §5.2), fitted online to the iterations
/// that ran; single weights may be off where the work seen so far does not tell them apart, and may
/// be negative.
public struct CostEstimates: Sendable, Equatable {
    /// Iterations that the fit has seen; without any nothing is predicted.
    public var observations = 0

    /// Mean of |predicted − measured| / measured, of predictions made before each iteration.
    public var relativeError = 0.0

    /// Seconds of an iteration whatever it computes.
    public var perStep = 0.0

    /// Seconds for each prompt token, decode token, and attended pair.
    public var perPromptToken = 0.0
    public var perDecodeToken = 0.0
    public var perAttendedToken = 0.0

    /// Seconds for each token × rank of LoRA paths, and for each rank of distinct adapters.
    public var perRankToken = 0.0
    public var perDistinctRank = 0.0

    /// Seconds that an iteration on a merged copy takes more (or less) than an unmerged one that
    /// computes the same without any adapter.
    public var perMergedStep = 0.0

    /// How long building a merged copy holds up the iterations beside it, all in all; `nil` before
    /// the first.
    public var mergeTime: Duration?

    /// Seconds to load a byte of an adapter; `nil` before the first load.
    public var loadSecondsPerByte: Double?

    /// Generated tokens over the most that were allowed, of requests that ended by themselves: an
    /// exponentially weighted mean, 1 before the first.
    public var outputShare = 1.0

    /// Nothing measured yet.
    public init() {}

    /// The seconds of an iteration, never negative, or `nil` before the first one was measured.
    public func seconds(of work: StepWork) -> Double? {
        guard observations > 0 else { return nil }
        let rows =
            perPromptToken * Double(work.promptTokens) + perDecodeToken * Double(work.decodeTokens)
            + perAttendedToken * Double(work.attendedTokens)
        let paths =
            perRankToken * Double(work.rankTokens) + perDistinctRank * Double(work.distinctRanks)
        return max(0, perStep + rows + paths + (work.isMerged ? perMergedStep : 0))
    }

    /// The time of an iteration, or `nil` before the first one was measured.
    public func time(of work: StepWork) -> Duration? {
        seconds(of: work).map { .nanoseconds(Int64(min($0, 1e9) * 1e9)) }
    }
}

/// Merged copies of the weights in a replica's memory.
public struct MergedCopiesSnapshot: Sendable, Equatable {
    /// How many there is room for; without any, iterations never run merged.
    public var capacity: Int

    /// Adapters whose copy is ready, the least recently used first.
    public var ready: [AdapterID]

    /// The adapter whose copy is being built beside the iterations; one at a time.
    public var building: AdapterID?

    public init(capacity: Int = 1, ready: [AdapterID] = [], building: AdapterID? = nil) {
        self.capacity = capacity
        self.ready = ready
        self.building = building
    }
}
