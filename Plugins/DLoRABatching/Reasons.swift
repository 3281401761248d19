// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// What the decision trace says of a plan.
enum Reasons {
    static let noRoom = "unmerged: there is no room for a merged copy"

    static let crowded = "unmerged: merged requests lost their pages, the first must end before"

    static func starving(_ adapters: [AdapterID]) -> String {
        "unmerged, starving first: "
            + adapters.map { "\($0.rawValue)" }.joined(separator: ", ")
    }

    /// The numbers that Algorithm 1 compared; `isReady` says whether the mode can run now.
    static func of(
        _ before: ModeSwitch.Mode, _ after: ModeSwitch.Mode, _ load: ModeSwitch.Load,
        _ thresholds: Thresholds, isReady: Bool
    ) -> String {
        switch (before, after) {
        case (.merged, .merged(let adapter)) where before == after:
            let verb = isReady ? "stay merged" : "prepare"
            let share = load.merged ?? .init(adapter: adapter, requests: 0)
            return "\(verb) \(adapter.rawValue): \(load.text(share)) >= beta "
                + thresholds.beta.hundredths
        case (_, .merged(let adapter)):
            let verb = isReady ? "merge" : "prepare"
            let share = load.best ?? .init(adapter: adapter, requests: 0)
            return "\(verb) \(adapter.rawValue): \(load.text(share)) > alpha "
                + thresholds.alpha.hundredths
        case (.merged(let adapter), .unmerged):
            guard let share = load.merged else {
                return "unmerge \(adapter.rawValue): it may not be merged or has no requests"
            }
            return "unmerge \(adapter.rawValue): \(load.text(share)) < beta "
                + thresholds.beta.hundredths
        case (.unmerged, .unmerged):
            guard let best = load.best else { return "unmerged: no adapter may be merged" }
            return "unmerged, most of \(best.adapter.rawValue): \(load.text(best)) <= alpha "
                + thresholds.alpha.hundredths
        }
    }
}

extension ModeSwitch.Load {
    fileprivate func text(_ share: AdapterTally.Share) -> String {
        "\(share.requests) requests / \(batch) fcfs = \(ratio(share).hundredths)"
    }
}

extension Double {
    /// With two decimals; for numbers from 0 to a million.
    fileprivate var hundredths: String {
        let rounded = Int(min(max(self, 0), 1e6) * 100 + 0.5)
        let fraction = rounded % 100
        return "\(rounded / 100).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
