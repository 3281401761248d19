// SPDX-License-Identifier: Apache-2.0

/// How a host ended, as its supervisor sees it.
package enum HostEnd: Sendable, Equatable {
    case exited(Int32)
    case killed(Int32)
}

/// Decides whether a host that ended is started again, when, and without whom.
package struct RestartRules: Sendable {
    package enum Decision: Sendable, Equatable {
        /// The supervisor ends with this status as well.
        case end(Int32)
        /// Start again after so many seconds.
        case restart(after: Double)
    }

    /// Crashes in a row, each soon after the start, before it is given up.
    package static let mostQuickCrashes = 5

    /// A host that ran longer has been well.
    package static let quick = 10.0

    private var quickCrashes = 0

    package init() {}

    /// A host has ended.
    ///
    /// - Parameters:
    ///   - end: how.
    ///   - ran: for how long, in seconds.
    ///   - wasReady: whether it has served.
    ///   - isEnding: whether the supervisor was told to end.
    ///   - hasCulprit: whether a policy is known to have done it, which will not come back.
    /// - Returns: what the supervisor does.
    package mutating func ended(
        _ end: HostEnd, ran: Double, wasReady: Bool, isEnding: Bool, hasCulprit: Bool
    ) -> Decision {
        switch end {
        case .exited(let status) where isEnding || !wasReady || status == 0: return .end(status)
        // It had not begun to serve and not learnt yet to end by itself.
        case .killed where isEnding && !wasReady: return .end(0)
        case .killed(let signal) where isEnding: return .end(128 + signal)
        default: break
        }
        if hasCulprit {
            quickCrashes = 0
            return .restart(after: 0)
        }
        quickCrashes = ran < Self.quick ? quickCrashes + 1 : 1
        guard quickCrashes <= Self.mostQuickCrashes else {
            if case .killed(let signal) = end { return .end(128 + signal) }
            return .end(1)
        }
        // At once the first time, then after 1, 2, 4, 8 seconds.
        return .restart(after: quickCrashes == 1 ? 0 : Double(1 << (quickCrashes - 2)))
    }
}
