// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The bounds of the band in which the mode stays as it is: α_switch and β_switch (dLoRA §4.2).
struct Thresholds: Equatable {
    /// Nothing is tuned below this, so that β stays above zero.
    static let lowest = 0.05

    var alpha: Double
    var beta: Double
}

/// Algorithm 1 of dLoRA (OSDI '24, §4.2): in which mode the next iteration should run.
struct ModeSwitch {
    /// `S.state` and `S.type`.
    enum Mode: Equatable {
        case unmerged
        case merged(AdapterID)
    }

    /// What Algorithm 1 compares.
    struct Load {
        /// |B_fcfs|, at least 1.
        var batch: Int

        /// The eligible adapter with the most requests.
        var best: AdapterTally.Share?

        /// The requests of the merged adapter, where it is eligible.
        var merged: AdapterTally.Share?

        /// |R_merge| / |B_fcfs|; |R_merge| is not cut to the largest batch.
        func ratio(_ share: AdapterTally.Share) -> Double {
            Double(share.requests) / Double(max(1, batch))
        }
    }

    var variant: Variant

    func next(_ mode: Mode, under load: Load, _ thresholds: Thresholds) -> Mode {
        switch variant {
        case .paper: asPrinted(mode, under: load, thresholds)
        case .artifact: asProgrammed(mode, under: load, thresholds)
        }
    }

    private func asPrinted(_ mode: Mode, under load: Load, _ thresholds: Thresholds) -> Mode {
        switch mode {
        case .unmerged:
            guard let best = load.best, load.ratio(best) > thresholds.alpha else { return mode }
            return .merged(best.adapter)
        case .merged:
            guard let merged = load.merged, load.ratio(merged) >= thresholds.beta else {
                return .unmerged
            }
            return mode
        }
    }

    /// The artifact's `_credit_schedule`: whoever fails β may be followed by another adapter at
    /// once, and α is reached, not exceeded.
    private func asProgrammed(_ mode: Mode, under load: Load, _ thresholds: Thresholds) -> Mode {
        if case .merged = mode, let merged = load.merged, load.ratio(merged) >= thresholds.beta {
            return mode
        }
        guard let best = load.best, load.ratio(best) >= thresholds.alpha else { return .unmerged }
        return .merged(best.adapter)
    }
}
