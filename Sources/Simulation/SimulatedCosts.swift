// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// What things cost on a simulated replica.
///
/// Iterations cost what a linear model says, the same that the host fits to real ones
/// (``CostEstimates``); no `observations` are needed. A table over their rows comes on top of it where
/// one machine is to be met closely.
package struct SimulatedCosts: Sendable, Equatable {
    /// The weights of an iteration's time.
    package var steps = CostEstimates()

    /// Seconds by rows, of prompts and of requests that decode, in addition to `steps`: linear between
    /// two entries, the first one's below it, and rising behind the last as between the last two.
    /// Ordered by `rows`, each of which is there once.
    package var rowTimes: [RowTime] = []

    /// How long building a merged copy takes if nothing else runs.
    package var mergeTime = Duration.zero

    /// The same for the first copies of a replica, as many as it has room for, where they go into memory
    /// that the system has yet to provide; `nil` where that makes no difference.
    package var firstMergeTime: Duration?

    /// Bytes of a merged copy, as the cost model of the scheduler counts them.
    package var mergedBytes = 1 << 30

    /// Seconds to load a byte of an adapter, and of a load of no bytes.
    package var loadSecondsPerByte = 0.0
    package var loadLatency = 0.0

    /// Standard deviation of an iteration's time over its mean; 0 makes it exact.
    package var noise = 0.0

    /// Of an iteration's time, what it gives to a merge that is under way, after it (the host's
    /// compute loop gives half).
    package var mergeShare = 0.5

    /// Of an iteration's time, the part behind the moment when the next one is planned (the host
    /// plans when only the output head is left to do); 0 to 1.
    package var headShare = 0.1

    /// Seconds between two iterations that were not planned ahead.
    package var gap = 0.0

    /// Seconds for each token of which a request's share of an iteration reads keys and values that
    /// were there before, in addition to what `steps` says of attended pairs: a row that decodes takes
    /// each key from memory for itself alone, a chunk of a prompt for all of its rows.
    package var perCachedToken = 0.0

    /// Seconds from the end of an iteration's forward pass until the next one can begin, as tokens are
    /// drawn and threads tell each other: at all, and for each row that gives a token.
    package var between = 0.0
    package var betweenPerToken = 0.0

    /// By which part an iteration takes longer than is said above while the machine serves: as it reads
    /// requests and sends tokens beside it, perhaps to a client that runs there as well.
    package var serving = 0.0

    /// By which further part, and by how many seconds, an iteration takes longer for each other replica
    /// that computes when it begins; where replicas share a machine. The seconds are those of what comes
    /// from memory whatever the iteration computes.
    package var contention = 0.0
    package var contentionPerStep = 0.0

    /// Seconds to hand over the keys and values of a token between replicas on different machines;
    /// `nil` where they are computed again.
    package var handoverSecondsPerToken: Double?

    /// How long solving a migration plan takes that is not answered at once.
    package var solveSeconds = 0.0

    /// Everything is free.
    package init() {}

    /// The seconds of an iteration, without noise, at least a nanosecond; `cachedTokens` is the sum of
    /// the positions at which its requests go on.
    package func seconds(of work: StepWork, cachedTokens: Int = 0) -> Double {
        let rows =
            steps.perPromptToken * Double(work.promptTokens)
            + steps.perDecodeToken * Double(work.decodeTokens)
            + steps.perAttendedToken * Double(work.attendedTokens)
            + perCachedToken * Double(cachedTokens)
        let paths =
            steps.perRankToken * Double(work.rankTokens)
            + steps.perDistinctRank * Double(work.distinctRanks)
        let merged = work.isMerged ? steps.perMergedStep : 0
        return max(1e-9, steps.perStep + seconds(ofRows: work.rows) + rows + paths + merged)
    }

    /// What the table says.
    private func seconds(ofRows rows: Int) -> Double {
        guard let first = rowTimes.first else { return 0 }
        guard rowTimes.count > 1, rows > first.rows else { return first.seconds }
        let index = rowTimes.firstIndex { $0.rows >= rows } ?? rowTimes.count - 1
        let (low, high) = (rowTimes[index - 1], rowTimes[index])
        let share = Double(rows - low.rows) / Double(high.rows - low.rows)
        return low.seconds + share * (high.seconds - low.seconds)
    }
}

/// What an iteration of so many rows takes.
package struct RowTime: Sendable, Equatable {
    package var rows: Int
    package var seconds: Double

    package init(rows: Int, seconds: Double) {
        self.rows = rows
        self.seconds = seconds
    }
}

extension StepWork {
    /// Of prompts and of requests that decode.
    var rows: Int { promptTokens + decodeTokens }
}

extension SimulatedCosts {
    /// Like dLoRA's constants for Llama-2-7B on an A800 (artifact, `scheduler.py`: 15 ms for a merged
    /// iteration, 27 ms for an unmerged one of 16 requests with adapters of rank 16, 20 ms for a
    /// switch), spread over a linear model so that batches of other sizes can be asked for.
    ///
    /// From the artifact are the three sums. How they are spread is a choice: a merged iteration of
    /// 16 decode rows after 256 tokens each is 12 ms that the weights take to be read and 3 ms for
    /// its rows; an unmerged one takes 12 ms more whatever it computes, as the time of its kernel is
    /// that of its launches (paper, Figure 5) and it multiplies with all resident adapters. A prompt
    /// token costs 0.1 ms (half of the A800's peak of 312 TFLOP/s for 7·10⁹ weights). Loads are those
    /// of the paper: 32 GiB/s over PCIe.
    package static var a800: SimulatedCosts {
        var costs = SimulatedCosts()
        costs.steps.perStep = 0.024
        costs.steps.perMergedStep = -0.012
        costs.steps.perPromptToken = 0.0001
        costs.steps.perDecodeToken = 0.0001
        // 16 rows that visit 257 keys each; 1.4 ms of the 3.
        costs.steps.perAttendedToken = 0.0014 / (16 * 257)
        costs.mergeTime = .milliseconds(20)
        costs.mergedBytes = 13 << 30
        costs.loadSecondsPerByte = 1 / Double(32 << 30)
        // dLoRA computes keys and values again (§5.2); its solver took 16 to 230 ms.
        costs.solveSeconds = 0.1
        return costs
    }
}
