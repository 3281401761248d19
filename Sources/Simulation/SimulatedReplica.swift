// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import Scheduling
internal import Workloads

/// The compute thread of a replica as the host runs it: steps, and slices of a merge in between.
///
/// A merge goes on whenever no step waits, and after each step for a part of its time.
struct SimulatedReplica {
    enum Job {
        case step(number: Int)
        case merge(AdapterID)
    }

    struct Building {
        var adapter: AdapterID
        var remaining: Duration
        let whole: Duration
    }

    enum State {
        case idle
        case stepping
        /// Slices of a merge hold up what comes next.
        case holding(for: Duration)
        /// A merge goes on until a step comes.
        case merging(since: Instant)
    }

    /// A step that was handed out.
    struct Handed {
        var plan: StepPlan
        var begin: Instant
        var time = Duration.zero
        /// How long a merge has held it up.
        var heldUp = Duration.zero
    }

    /// The step under way and the one behind it.
    var steps: [Handed] = []
    var jobs: [Job] = []
    var state = State.idle
    var building: Building?
    var merges = 0

    /// How long slices have held up the steps since the last one began.
    var heldUp = Duration.zero

    /// Counts changes of what `computeFree` waits for.
    var turn = 0
    var isRetrying = false
    var loaderFree = Instant(nanoseconds: 0)
    var random: RandomStream
    var modes = ModeTimes()
}

/// Time by mode.
package struct ModeTimes: Sendable, Equatable {
    package var unmerged = Duration.zero
    package var merged = Duration.zero
    package var mixed = Duration.zero

    package init() {}

    package var sum: Duration { unmerged + merged + mixed }

    mutating func add(_ time: Duration, in mode: BatchMode) {
        switch mode {
        case .unmerged: unmerged += time
        case .merged: merged += time
        case .mixed: mixed += time
        }
    }

    static func += (left: inout ModeTimes, right: ModeTimes) {
        left.unmerged += right.unmerged
        left.merged += right.merged
        left.mixed += right.mixed
    }
}
