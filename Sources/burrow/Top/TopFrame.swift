// SPDX-License-Identifier: Apache-2.0

import Hosting

/// What adapters are ordered by, the most first.
enum TopOrder: String, CaseIterable {
    case requests, tokens, queue

    var next: TopOrder {
        switch self {
        case .requests: .tokens
        case .tokens: .queue
        case .queue: .requests
        }
    }
}

/// One picture of a host: a function of two statuses, the room there is, and the order.
struct TopFrame {
    /// A line, which is a heading or not.
    struct Line: Equatable {
        var text: String
        var isHeading = false
    }

    /// Columns and rows of the terminal.
    struct Size: Equatable {
        var columns: Int
        var rows: Int
    }

    var current: HostStatus
    /// An earlier one of the same host, for what is counted by the second.
    var previous: HostStatus?
    var size: Size
    var order = TopOrder.requests
    var isPaused = false
    /// Without the line that names the keys.
    var isStill = false

    /// At most as many lines as there are rows, none longer than a row.
    var lines: [Line] {
        var lines = [Line(text: host.cut(to: size.columns))]
        let footer = isStill ? [] : [Line(text: keys.cut(to: size.columns))]
        let sections = [replicas, adapters, policies].map { $0.lines(width: size.columns) }
            .filter { $0.count > 1 }
        let room = size.rows - lines.count - footer.count
        lines += Self.stacked(sections, in: isStill ? .max : max(0, room))
        guard !isStill else { return lines }
        lines = Array(lines.prefix(max(0, size.rows - 1)))
        // The keys stand in the last row.
        while lines.count < size.rows - 1 { lines.append(Line(text: "")) }
        return Array((lines + footer).prefix(size.rows))
    }

    // MARK: - Lines

    private var host: String {
        var words = [
            "\(current.name.printable): \(current.model.name.printable)", current.model.dtype,
            "up \(HumanText.duration(current.uptime))", "generation \(current.generation)",
            HumanText.counted(current.unfinishedRequests, "request"),
        ]
        if current.isDraining { words.append("draining") }
        if isPaused { words.append("paused") }
        return words.joined(separator: ", ")
    }

    private var keys: String {
        "q quit   s sort: \(order.rawValue)   p \(isPaused ? "go on" : "pause")"
    }

    /// The sections below each other, each cut where they do not all fit.
    private static func stacked(_ sections: [[String]], in rows: Int) -> [Line] {
        let wanted = sections.map(\.count)
        let isRoomy = rows == .max || wanted.reduce(0, +) + sections.count <= rows
        let given = isRoomy ? wanted : shares(of: wanted, in: rows)
        var lines: [Line] = []
        for (section, count) in zip(sections, given) where count > 1 {
            if isRoomy { lines.append(Line(text: "")) }
            lines.append(Line(text: section[0], isHeading: true))
            guard count < section.count else {
                lines += section.dropFirst().map { Line(text: $0) }
                continue
            }
            lines += section[1..<count - 1].map { Line(text: $0) }
            lines.append(Line(text: "… \(section.count - count + 1) more"))
        }
        return lines
    }

    /// Divides rows so that nobody gets more than wanted while another is short.
    static func shares(of wanted: [Int], in rows: Int) -> [Int] {
        var given = [Int](repeating: 0, count: wanted.count)
        var rest = rows
        while rest > 0,
            let poorest = wanted.indices.filter({ given[$0] < wanted[$0] })
                .min(by: { given[$0] < given[$1] })
        {
            given[poorest] += 1
            rest -= 1
        }
        return given
    }

    // MARK: - Replicas

    private var replicas: FittedTable {
        var table = FittedTable([
            .number("REPLICA", 0), .text("MODE", 1), .number("RUN", 2), .number("WAIT", 3),
            .number("KV", 4), .number("TOK/S", 5), .number("PROMPT/S", 7), .text("MERGED", 6),
        ])
        for (index, replica) in current.replicas.enumerated() {
            let total = replica.pages.used + replica.pages.free
            let used =
                total > 0 ? Int((Double(replica.pages.used) * 100 / Double(total)).rounded()) : 0
            table.rows.append([
                String(index), mode(of: replica.mode), String(replica.queue.running),
                String(replica.queue.waiting), "\(used) %", rate(index, \.generatedTokens),
                rate(index, \.promptTokens), merged(replica.copies),
            ])
        }
        return table
    }

    private func mode(of mode: HostStatus.Mode) -> String {
        mode.mode + (mode.adapter.map { " on \($0.printable)" } ?? "")
    }

    private func merged(_ copies: HostStatus.Copies) -> String {
        var words = ["\(copies.ready.count)/\(copies.capacity)"]
        if !copies.ready.isEmpty {
            words.append(copies.ready.map(\.printable).joined(separator: " "))
        }
        if let building = copies.building { words.append("+\(building.printable)") }
        return words.joined(separator: " ")
    }

    /// How much a count of a replica has grown by the second.
    private func rate(_ replica: Int, _ count: KeyPath<HostStatus.Counts, Int>) -> String {
        guard let seconds = interval, let previous,
            previous.replicas.indices.contains(replica)
        else { return "-" }
        let grown =
            current.replicas[replica].counts[keyPath: count]
            - previous.replicas[replica].counts[keyPath: count]
        return grown < 0 ? "-" : HumanText.digits(Double(grown) / seconds)
    }

    /// The seconds between both statuses, if they are of the same process.
    private var interval: Double? {
        guard let previous, previous.processIdentifier == current.processIdentifier,
            current.uptime > previous.uptime
        else { return nil }
        return current.uptime - previous.uptime
    }

    // MARK: - Adapters

    private var adapters: FittedTable {
        var table = FittedTable([
            .text("ADAPTER", 0), .text("WHERE", 3), .number("REQUESTS", 1), .number("NOW", 2),
            .number("TOK/MIN", 4), .number("LOADS", 6), .number("RANK", 7), .number("WEIGHT", 8),
        ])
        for adapter in sorted {
            table.rows.append([
                adapter.name.printable,
                (adapter.isPinned ? "pinned, " : "") + place(of: adapter.residency),
                HumanText.count(adapter.requests), String(adapter.unfinished),
                HumanText.count(Int(service(of: adapter.name))), HumanText.count(adapter.loads),
                String(adapter.rank), HumanText.digits(adapter.weight),
            ])
        }
        return table
    }

    private var sorted: [HostStatus.Adapter] {
        let keyed = current.adapters.map { adapter in
            let key: Double =
                switch order {
                case .requests: Double(adapter.requests)
                case .tokens: service(of: adapter.name)
                case .queue: Double(adapter.unfinished)
                }
            return (key: key, adapter: adapter)
        }
        return keyed.sorted { ($1.key, $0.adapter.name) < ($0.key, $1.adapter.name) }.map(\.adapter)
    }

    /// Tokens of service in the last minute.
    private func service(of adapter: String) -> Double {
        current.replicas.flatMap(\.fairness.services).filter { $0.adapter == adapter }
            .reduce(0) { $0 + $1.tokens }
    }

    private func place(of residency: [String]) -> String {
        guard residency.count > 1 else { return residency.first ?? "" }
        let resident = residency.count { $0 == "resident" }
        let isLoading = residency.contains("loading")
        return "\(resident) of \(residency.count)" + (isLoading ? ", loading" : "")
    }

    // MARK: - Policies

    private var policies: FittedTable {
        var table = FittedTable([
            .text("POLICY", 0), .text("KIND", 4), .number("REPLICA", 6), .number("CALLS", 2),
            .number("A CALL", 3), .number("LONGEST", 7), .number("STRIKES", 5), .text("STATE", 1),
        ])
        for policy in current.policies {
            table.rows.append([
                policy.name.printable, policy.kind, policy.replica.map(String.init) ?? "all",
                HumanText.count(policy.calls),
                HumanText.duration(policy.seconds / Double(max(1, policy.calls))),
                HumanText.duration(policy.longestCall), String(policy.strikes), state(of: policy),
            ])
        }
        return table
    }

    private func state(of policy: HostStatus.Policy) -> String {
        switch policy.state {
        case "fallenBack": "back in \(HumanText.duration(policy.fallenBackFor ?? 0))"
        case "trial": "on trial"
        default: policy.state
        }
    }
}
