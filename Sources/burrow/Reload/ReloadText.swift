// SPDX-License-Identifier: Apache-2.0

import Hosting

/// What a host says of a change, for people.
struct ReloadText {
    let reply: ReloadReply

    var text: String {
        var lines: [String] = []
        switch reply.outcome {
        case .live: lines.append("generation \(reply.generation) is in force (\(reply.digest))")
        case .planned where reply.changes.isEmpty:
            lines.append("nothing changes: generation \(reply.generation) stays")
        case .planned:
            lines.append(
                "against generation \(reply.generation) (\(reply.digest)), would become "
                    + "\(reply.candidate ?? "another")")
        case .unchanged:
            lines.append("nothing changes: generation \(reply.generation) is in force")
        case .refused:
            lines.append(
                "refused\(reply.failedStage.map { " at \($0.rawValue)" } ?? ""); generation "
                    + "\(reply.generation) stays")
        case .stale:
            lines.append(
                "the plan is stale: generation \(reply.generation) (\(reply.digest)) is in force "
                    + "meanwhile; plan again")
        case .superseded:
            lines.append("a newer change came before this one was begun")
        }
        lines += reply.changes.map { "  \($0.description)\($0.place)" }
        lines += reply.states.map { "  state of \($0.kind) \($0.instance): \($0.text)" }
        if let reason = reply.reason { lines.append(reason) }
        if !reply.stages.isEmpty { lines.append("  \(StageTime.text(of: reply.stages))") }
        return lines.joined(separator: "\n")
    }
}

extension ManifestChange {
    fileprivate var place: String {
        let place = line.map { "  (line \($0))" } ?? ""
        return needsRestart ? "\(place)  needs a new start of the host" : place
    }
}

extension CarriedState {
    fileprivate var text: String {
        switch fate {
        case .carried: "carried (\(detail))"
        case .lost: "lost: \(detail)"
        case .none: "there is none"
        }
    }
}

extension StageTime {
    /// All stages on one line.
    static func text(of stages: [StageTime]) -> String {
        stages.map { "\($0.stage.rawValue) \(HumanText.duration($0.seconds))" }
            .joined(separator: ", ")
    }
}
