// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import PolicyKit
internal import Scheduling

// Requests that the fairness policy has given up, as their first token would come too late.
extension Engine {
    /// Notes who was given up by the last plan; their clients hear of it in a turn of the loop of
    /// its own, as a submission may be under way.
    func noteAborts(on replica: ReplicaID) {
        let aborted = fleet.takeAborted(of: replica)
        if aborted.isEmpty { return }
        let now = Self.now
        for request in aborted {
            guard let sequence = sequences[request.id] else { continue }
            sequence.refusal = Self.refusal(
                of: sequence.generation, predicted: request.predictedFirstToken, at: now)
        }
        post(.aborted(aborted.map(\.id)))
    }

    func endAborted(_ ids: [RequestID]) {
        for id in ids {
            guard let refusal = sequences[id]?.refusal else { continue }
            refuse(id, refusal)
        }
    }

    /// Ends the whole request of a sequence that was given up.
    func refuse(_ id: RequestID, _ error: APIError) {
        guard let generation = sequences[id]?.generation else { return }
        metrics.requestAborted(
            replica: generation.replica, adapter: adapterLabel(generation.job.adapter))
        fail([id], error, as: .abort)
    }

    private static func refusal(
        of generation: Generation, predicted: Instant?, at now: Instant
    ) -> APIError {
        let waited = generation.arrival.duration(to: now)
        let target = generation.job.firstTokenTarget
        var message = "The first token cannot come in time: "
        message += target.map { "the target is \(Self.text($0)), " } ?? ""
        message += "the request has waited \(Self.text(waited))"
        var late = Duration.zero
        if let predicted {
            let total = generation.arrival.duration(to: predicted)
            message += " and its first token was predicted after \(Self.text(total))"
            late = total - (target ?? .zero)
        }
        message += ". Try again later, or name a service class with a longer target."
        let seconds = min(3600, late.inSeconds.rounded(.up))
        return .deadlineUnreachable(message, retryAfterSeconds: max(1, Int(seconds)))
    }

    /// Seconds with three digits behind the point.
    private static func text(_ duration: Duration) -> String {
        let milliseconds = duration.saturatingNanoseconds / 1_000_000
        let rest = String(milliseconds % 1000)
        let zeros = String(repeating: "0", count: max(0, 3 - rest.count))
        return "\(milliseconds / 1000).\(zeros)\(rest) s"
    }
}
