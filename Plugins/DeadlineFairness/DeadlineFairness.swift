// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([DeadlineFairness.self])
}

/// Earliest deadline first over the time to the first token, with the early abort of S-LoRA (Sheng
/// et al., MLSys '24) for what can no longer be in time.
final class DeadlineFairness: FairnessPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "deadline-fairness", version: "1.0.0",
            summary: "Serves the request first whose first token is due first, as its service "
                + "class says, and can give up at once what would come too late.")
    }

    private let aborts: Bool
    private let slack: Duration
    private let patience: Duration

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        aborts = parameters.abort
        slack = parameters.slack
        patience = parameters.patience
    }

    func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        var turns = Turns(requests, patience: patience, now: context.now)
        if aborts, !turns.due.isEmpty,
            let prediction = FirstTokenPrediction(turns.running, of: requests, in: context)
        {
            giveUp(&turns, requests, prediction, into: &arrangement)
        }
        arrangement.order = turns.order
        var urgent: Set<AdapterID> = []
        for turn in turns.due where turn.deadline <= context.now {
            let adapter = requests[turn.index].adapter
            if urgent.insert(adapter).inserted { arrangement.mustServe.append(adapter) }
        }
        if context.wantsReason {
            arrangement.reason =
                "\(turns.running.count) have their first token, \(turns.due.count) are due, "
                + "\(turns.late.count) a little late, \(arrangement.aborts.count) given up"
        }
    }

    /// Takes those out of turn whose first token is predicted too late: what is much too late ends,
    /// so that it takes no time from those behind it, which are then predicted without it; what is
    /// a little late comes after all that can be in time.
    private func giveUp(
        _ turns: inout Turns, _ requests: Span<RequestSnapshot>,
        _ prediction: FirstTokenPrediction, into arrangement: inout FairnessArrangement
    ) {
        var prediction = prediction
        var inTime: [Turns.Turn] = []
        for turn in turns.due {
            guard turn.isTarget else {
                prediction.add(requests[turn.index])
                inTime.append(turn)
                continue
            }
            let (soonest, expected) = prediction.firstToken(of: requests[turn.index])
            if soonest > turn.deadline.advanced(by: slack) {
                arrangement.aborts.append(turn.index)
                arrangement.predictedFirstTokens.append(expected)
                turns.abandoned.append(turn.index)
            } else if expected > turn.deadline {
                turns.late.append(turn)
            } else {
                prediction.add(requests[turn.index])
                inTime.append(turn)
            }
        }
        turns.due = inTime
    }
}

/// The requests in groups, in the order of their turn.
private struct Turns {
    struct Turn {
        var deadline: Instant
        var index: Int
        /// Whether the deadline is a service class's, and nothing has been generated yet.
        var isTarget: Bool
    }

    /// Those that have their first token, in order of arrival: nothing that is due displaces them.
    private(set) var running: [Int] = []

    /// Those with a deadline, the earliest first.
    var due: [Turn] = []

    /// Those that cannot quite be in time any more.
    var late: [Turn] = []

    /// Those without a deadline, in order of arrival.
    private var rest: [Int] = []
    var abandoned: [Int] = []

    init(_ requests: Span<RequestSnapshot>, patience: Duration, now: Instant) {
        for index in requests.indices {
            let request = requests[index]
            if request.phase == .decoding || request.generatedTokens > 0 {
                running.append(index)
            } else if let deadline = request.firstTokenDeadline {
                due.append(Turn(deadline: deadline, index: index, isTarget: true))
            } else {
                let end = request.arrival.advanced(by: patience)
                if end <= now {
                    due.append(Turn(deadline: end, index: index, isTarget: false))
                } else {
                    rest.append(index)
                }
            }
        }
        due.sort { ($0.deadline, $0.index) < ($1.deadline, $1.index) }
    }

    var order: [Int] { running + due.map(\.index) + late.map(\.index) + rest + abandoned }
}
