// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// What both modes would have done since the last break point (dLoRA, Algorithm 2).
struct Period: Equatable {
    /// Requests and seconds of one mode's batches.
    struct Work: Equatable {
        var requests = 0
        var seconds = 0.0

        /// Adds a batch; one of nobody takes no time.
        mutating func add(_ requests: Int, seconds: Double) {
            guard requests > 0 else { return }
            self.requests += requests
            self.seconds += seconds
        }

        /// Requests for each second, with `overhead` seconds besides the iterations.
        func throughput(overhead: Double) -> Double? {
            let seconds = seconds + overhead
            return seconds > 0 && requests > 0 ? Double(requests) / seconds : nil
        }
    }

    /// The adapter with the most requests, on which the batches `merged` would have run.
    var adapter: AdapterID?

    /// Whether its merged copy was there when the period began, so that the switch costs nothing.
    var isCopyReady = false

    /// N_I.
    var iterations = 0

    /// B_i = R_merge, cut to the largest batch, and B'_i = B_fcfs.
    var merged = Work()
    var unmerged = Work()

    /// How often another adapter got the most requests (the artifact's `virtual_switch_cnt`).
    var changes = 0
}

/// Algorithm 2 of dLoRA (OSDI '24, §4.2): thresholds are tuned by what the other mode would have
/// done, additively down and multiplicatively up.
struct ThresholdTuning: Equatable {
    /// How far a step goes, and within which bounds.
    struct Steps: Equatable {
        var decrease: Double
        var increase: Double
        var ceiling: Double
        var smoothing: Double
    }

    let steps: Steps
    let variant: Variant
    var thresholds: Thresholds

    /// Exponentially weighted means of T_merge / T_unmerge, of unmerged and of merged periods.
    var unmergedGain: Double?
    var mergedGain: Double?

    /// Tunes by a period that ran merged or not, where building a copy takes `mergeSeconds` (t_M).
    mutating func tune(by period: Period, wasMerged: Bool, mergeSeconds: Double) {
        guard let gain = gain(of: period, wasMerged: wasMerged, mergeSeconds: mergeSeconds) else {
            return
        }
        let smoothed = smooth(wasMerged ? mergedGain : unmergedGain, gain)
        if wasMerged { mergedGain = smoothed } else { unmergedGain = smoothed }
        // The artifact tunes the other threshold than the text says.
        let tunesBeta = variant == .paper ? wasMerged : !wasMerged
        if tunesBeta { tuneBeta(smoothed) } else { tuneAlpha(smoothed) }
    }

    /// T_merge / T_unmerge, with the overhead of the switches that each mode would have needed.
    private func gain(of period: Period, wasMerged: Bool, mergeSeconds: Double) -> Double? {
        let price = period.isCopyReady ? 0 : mergeSeconds
        var merged = wasMerged ? 0 : price
        var unmerged = 0.0
        if variant == .artifact {
            merged = wasMerged ? mergeSeconds : mergeSeconds * Double(period.changes)
            unmerged = wasMerged ? 0 : mergeSeconds
        }
        guard let mergedRate = period.merged.throughput(overhead: merged),
            let unmergedRate = period.unmerged.throughput(overhead: unmerged)
        else { return nil }
        let gain = mergedRate / unmergedRate
        return gain.isFinite && gain > 0 ? gain : nil
    }

    private func smooth(_ mean: Double?, _ newest: Double) -> Double {
        guard let mean else { return newest }
        return mean + steps.smoothing * (newest - mean)
    }

    private mutating func tuneAlpha(_ gain: Double) {
        if gain > 1 {
            let lower = thresholds.alpha - steps.decrease
            if lower > thresholds.beta { thresholds.alpha = lower }
        } else if gain < 1 || variant == .paper {
            thresholds.alpha = min(steps.ceiling, thresholds.alpha * steps.increase)
        }
    }

    private mutating func tuneBeta(_ gain: Double) {
        if gain < 1 {
            let higher = thresholds.beta + steps.decrease
            if higher < thresholds.alpha { thresholds.beta = higher }
        } else if gain > 1 || variant == .paper {
            thresholds.beta = max(Thresholds.lowest, thresholds.beta / steps.increase)
        }
    }
}
