// SPDX-License-Identifier: Apache-2.0

import Hosting

/// A host's status as people read it.
struct StatusText {
    let status: HostStatus
    let width: Int

    /// Timeline entries that are shown.
    private static let shownChanges = 6

    var text: String {
        var parts = [head]
        parts += status.replicas.indices.map { replica(status.replicas[$0], number: $0) }
        if status.replicas.count > 1 { parts.append(migration) }
        parts.append(adapters)
        if !status.mixtures.isEmpty { parts.append(mixtures) }
        parts.append(policies)
        return parts.joined(separator: "\n\n")
    }

    private var head: String {
        let model = status.model
        let first = line(
            "host      ",
            [
                "\(status.name),", "burrow \(status.version),",
                "process \(status.processIdentifier),",
                "up \(HumanText.duration(status.uptime)),",
                "generation \(status.generation),",
                HumanText.counted(status.unfinishedRequests, "unfinished request")
                    + (status.isDraining ? "; draining" : ""),
            ])
        let second = line(
            "model     ",
            [
                "\(model.name):", "\(model.family),",
                "\(HumanText.count(model.parameters)) parameters,",
                "\(model.dtype),", "\(HumanText.bytes(model.bytes)),",
                "context of \(model.contextLength) tokens",
            ])
        return first + "\n" + second
    }

    // MARK: - Replicas

    private func replica(_ replica: HostStatus.Replica, number: Int) -> String {
        let pages = replica.pages
        let pageTotal = pages.used + pages.free
        return [
            line(
                "replica \(number) ",
                [
                    Self.mode(replica.mode)
                        + (replica.mode.since.map { " for \(HumanText.duration($0))" } ?? "")
                        + (replica.isTraced ? "; its decisions are recorded" : "")
                ]),
            line(
                "  queue   ",
                [
                    "\(replica.queue.waiting) waiting,", "\(replica.queue.running) running;",
                    "to compute: \(HumanText.count(replica.queue.promptTokens)) prompt tokens,",
                    "at most \(HumanText.count(replica.queue.outputTokens)) more",
                ]),
            line(
                "  pages   ",
                [
                    "\(pages.used) of \(pageTotal) in use,", "\(pages.cached) shareable,",
                    "\(pages.tokensEach) tokens each",
                ]),
            line("  copies  ", copies(replica.copies)),
            line("  steps   ", steps(replica.steps)),
            line("  requests", requests(replica.counts)),
            line("  costs   ", costs(replica.costs)),
            line("  fairness", fairness(replica.fairness)),
            line("  modes   ", timeline(replica.timeline)),
        ].joined(separator: "\n")
    }

    private var migration: String {
        let moved = status.migration
        return line(
            "migration ",
            [
                HumanText.counted(moved.handedOver, "request") + " handed over",
                "(\(HumanText.counted(moved.pages, "page"))),",
                "\(moved.recomputed) computed again,", "\(moved.waiting) moved while waiting,",
                "\(moved.skipped) stayed;",
                HumanText.counted(moved.plans, "plan") + ",", "\(moved.stalePlans) stale,",
                "solved in \(HumanText.duration(moved.solvingSeconds));",
                "adapters placed: \(moved.adaptersLoaded), dropped: \(moved.adaptersDropped)"
                    + (moved.isMoving ? "; moving now" : ""),
            ])
    }

    private func copies(_ copies: HostStatus.Copies) -> [String] {
        let ready = copies.ready.isEmpty ? "none" : copies.ready.joined(separator: ", ")
        var words = ["\(copies.ready.count) of \(copies.capacity) merged:"]
        words += ready.split(separator: " ").map(String.init)
        if let building = copies.building {
            words[words.count - 1] += ";"
            words.append("building \(building)")
        }
        return words
    }

    private func steps(_ steps: HostStatus.Steps) -> [String] {
        [
            "\(HumanText.count(steps.unmerged)) unmerged (\(HumanText.duration(steps.unmergedSeconds))),",
            "\(HumanText.count(steps.merged)) merged (\(HumanText.duration(steps.mergedSeconds))),",
            "\(HumanText.count(steps.mixed)) mixed (\(HumanText.duration(steps.mixedSeconds)));",
            "\(HumanText.count(steps.switches)) \(steps.switches == 1 ? "switch" : "switches"),",
            "\(HumanText.counted(steps.merges, "merge")) held steps up for",
            "\(HumanText.duration(steps.mergeSeconds)),",
            "\(HumanText.count(steps.unmergedInstead)) ran unmerged meanwhile",
        ]
    }

    private func requests(_ counts: HostStatus.Counts) -> [String] {
        [
            "\(HumanText.count(counts.finished)) finished,", "\(counts.cancelled) cancelled,",
            "\(counts.failed) failed,", "\(counts.aborted) given up;",
            HumanText.counted(counts.preemptions, "preemption") + ";",
            "\(HumanText.count(counts.promptTokens)) prompt and",
            "\(HumanText.count(counts.generatedTokens)) generated tokens",
        ]
    }

    private func costs(_ costs: HostStatus.Costs) -> [String] {
        guard costs.observations > 0 else { return ["nothing measured yet"] }
        var words: [String] = []
        for term in CostTerm.allCases {
            guard let seconds = costs.terms[term.rawValue] else { continue }
            words.append("\(HumanText.duration(seconds)) a \(term.unit),")
        }
        words.append(
            "off by \(HumanText.digits(costs.relativeError * 100)) % over "
                + HumanText.counted(costs.observations, "step"))
        if let merge = costs.mergeSeconds {
            words[words.count - 1] += ";"
            words.append("\(HumanText.duration(merge)) a merged copy")
        }
        if let load = costs.loadSecondsPerByte {
            words[words.count - 1] += ";"
            words.append("\(HumanText.duration(load * 1_048_576)) to load a MiB")
        }
        return words
    }

    private func fairness(_ fairness: HostStatus.Fairness) -> [String] {
        guard fairness.adapters > 0 else { return ["nobody asked in the last minute"] }
        return [
            "in the last minute:", "Jain index \(HumanText.digits(fairness.jainIndex)) of",
            HumanText.counted(fairness.adapters, "adapter") + ",",
            "largest gap \(HumanText.digits(fairness.largestServiceGap)) tokens,",
            "longest unserved \(HumanText.duration(fairness.longestUnserved))",
        ]
    }

    private func timeline(_ changes: [HostStatus.Mode]) -> [String] {
        guard !changes.isEmpty else { return ["nothing has run yet"] }
        return changes.suffix(Self.shownChanges).enumerated().map { index, change in
            let ago = change.since.map { " \(HumanText.duration($0)) ago" } ?? ""
            return (index > 0 ? "→ " : "") + Self.mode(change) + ago
        }
    }

    private static func mode(_ mode: HostStatus.Mode) -> String {
        mode.mode + (mode.adapter.map { " on \($0)" } ?? "")
    }

    // MARK: - Tables

    private var adapters: String {
        guard !status.adapters.isEmpty else { return "no adapters" }
        var table = TextTable(header: [
            "ADAPTER", "GEN", "RANK", "SIZE", "WEIGHT", "REQUESTS", "LOADS", "SERVICE", "WHERE",
        ])
        for adapter in status.adapters {
            let service = status.replicas.flatMap(\.fairness.services)
                .filter { $0.adapter == adapter.name }.reduce(0) { $0 + $1.tokens }
            table.append([
                adapter.name, String(adapter.generation), String(adapter.rank),
                HumanText.bytes(adapter.bytes), HumanText.digits(adapter.weight),
                HumanText.count(adapter.requests)
                    + (adapter.unfinished > 0 ? " (\(adapter.unfinished) now)" : ""),
                HumanText.count(adapter.loads), HumanText.count(Int(service)),
                (adapter.isPinned ? "pinned, " : "") + Self.places(adapter.residency),
            ])
        }
        return table.text
    }

    private var mixtures: String {
        var table = TextTable(header: ["MIXTURE", "GATE", "STATE", "EXPERTS"])
        for mixture in status.mixtures {
            let gate = mixture.gating == mixture.gatingType ? "" : " (\(mixture.gatingType))"
            table.append([
                mixture.name, mixture.gating + gate,
                mixture.fault.map { "out of service: \($0)" } ?? "served",
                mixture.experts.joined(separator: ", "),
            ])
        }
        return table.text
    }

    /// One word where it is the same in all replicas.
    private static func places(_ residency: [String]) -> String {
        guard let first = residency.first, residency.contains(where: { $0 != first }) else {
            return residency.first ?? ""
        }
        return residency.enumerated().filter { $0.element != "absent" }
            .map { "\($0.element) in \($0.offset)" }.joined(separator: ", ")
    }

    private var policies: String {
        var table = TextTable(header: [
            "POLICY", "KIND", "REPLICA", "CALLS", "MEAN", "LONGEST", "STRIKES", "STATE",
        ])
        for policy in status.policies {
            table.append([
                policy.name, policy.kind, policy.replica.map(String.init) ?? "all",
                HumanText.count(policy.calls),
                HumanText.duration(policy.seconds / Double(max(1, policy.calls))),
                HumanText.duration(policy.longestCall), String(policy.strikes), state(of: policy),
            ])
        }
        let strikes = status.policies.compactMap { policy in
            policy.lastStrike.map {
                line(
                    "strike    ",
                    ["\(policy.name)", "\(HumanText.duration($0.ago)) ago:", "\($0.fault):"]
                        + $0.message.split(separator: " ").map(String.init))
            }
        }
        return ([table.text] + strikes).joined(separator: "\n")
    }

    private func state(of policy: HostStatus.Policy) -> String {
        switch policy.state {
        case "fallenBack":
            "set aside for \(HumanText.duration(policy.fallenBackFor ?? 0))"
        case "trial": "on trial"
        default: policy.state
        }
    }

    private func line(_ label: String, _ words: [String]) -> String {
        HumanText.wrapped(label.padding(to: 11), words, width: width)
    }
}

extension String {
    fileprivate func padding(to count: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, count - self.count))
    }
}
