// SPDX-License-Identifier: Apache-2.0

import Hosting
import PolicyKit
import Scheduling

/// One decision of a trace as people read it: who asked, what was decided, and why.
struct DecisionText {
    private let decision: Decision
    private let header: TraceHeader
    private let names: TracedNames
    private let differences: [TraceReplay.Difference]

    init(
        _ decision: Decision, _ header: TraceHeader, _ names: TracedNames,
        _ differences: [TraceReplay.Difference]
    ) {
        self.decision = decision
        self.header = header
        self.names = names
        self.differences = differences
    }

    /// The decision, with its time since the first one of the trace.
    func text(since start: Instant) -> String {
        let time = start.duration(to: decision.now).inSeconds
        var lines = [
            "decision  \(decision.number), \(HumanText.duration(time)) after the first"
                + (decision.isAhead ? ", while the step before it ran" : "")
        ]
        if decision.isForced {
            lines.append("forced    the policies kept undoing each other: built-in defaults decide")
        }
        if let exchange = decision.fairness { lines += fairness(exchange) }
        if let exchange = decision.batching { lines += batching(exchange) }
        lines += outcome
        lines.append(
            "replayed  "
                + (differences.isEmpty
                    ? "the same answers"
                    : differences.map { "\($0.kind): \($0.replayed)" }.joined(separator: "; ")))
        if let table { lines += ["", table] }
        return lines.joined(separator: "\n")
    }

    // MARK: - Policies

    private func fairness(
        _ exchange: PolicyExchange<FairnessContext, FairnessArrangement>
    ) -> [String] {
        let name = exchange.isBuiltIn ? "the built-in default" : header.fairness.name
        guard let answer = exchange.answer else {
            return ["fairness  \(name) threw: \(exchange.message)"]
        }
        let isOrdered = answer.order == Array(answer.order.indices)
        var lines = [
            "fairness  \(name): " + (isOrdered ? "as they came" : "in an order of its own")
                + "; first \(names.list(answer.mustServe)); not to merge on "
                + names.list(answer.notMergeable.sorted())
        ]
        let aborts = answer.aborts.filter(exchange.requests.indices.contains)
        if !aborts.isEmpty {
            lines.append("          gives up " + list(aborts.map { exchange.requests[$0].id }))
        }
        return lines + why(answer.reason) + rejection(exchange.fault, exchange.message)
    }

    private func batching(_ exchange: PolicyExchange<BatchingContext, BatchPlan>) -> [String] {
        let context = exchange.context
        var lines = [
            "limits    \(context.limits.requests) requests, \(context.limits.tokens) tokens, "
                + "\(context.limits.freePages) free pages; before: \(names.text(context.currentMode)); "
                + "copies of \(names.list(context.copies.ready))"
        ]
        let name = exchange.isBuiltIn ? "the built-in default" : header.batching.name
        guard let plan = exchange.answer else {
            return lines + ["batching  \(name) threw: \(exchange.message)"]
        }
        let tokens = plan.entries.reduce(0) { $0 &+ $1.tokens }
        lines.append(
            plan.entries.isEmpty
                ? "batching  \(name): nothing for now"
                : "batching  \(name): \(names.text(plan.mode)), \(plan.entries.count) requests, "
                    + "\(tokens) tokens"
                    + (plan.prepares.map { "; a copy of \(names[$0]) beside it" } ?? ""))
        return lines + why(plan.reason) + rejection(exchange.fault, exchange.message)
    }

    private func why(_ reason: String) -> [String] {
        reason.isEmpty ? [] : ["          because \(reason)"]
    }

    private func rejection(_ fault: PolicyFault?, _ message: String) -> [String] {
        fault.map { ["          refused (\($0.rawValue)): \(message)"] } ?? []
    }

    private var outcome: [String] {
        guard let step = decision.step else { return ["ran       nothing"] }
        var lines = [
            "ran       step \(step.number), \(names.text(step.mode)), \(step.shares.count) requests"
                + (decision.isStandIn ? ", planned by the built-in default" : "")
        ]
        if !step.displaced.isEmpty {
            lines.append("displaced \(list(step.displaced)), who came first")
            lines.append("by        \(list(step.advanced))")
        }
        return lines
    }

    private func list(_ ids: [RequestID]) -> String {
        let requests = decision.batching?.requests ?? []
        return ids.map { id in
            let adapter = requests.first { $0.id == id }.map { " (\(names[$0.adapter]))" }
            return "\(id.rawValue)\(adapter ?? "")"
        }.joined(separator: ", ")
    }

    // MARK: - Requests

    private var table: String? {
        guard let exchange = decision.batching, !exchange.requests.isEmpty else { return nil }
        var table = TextTable(header: [
            "PLACE", "REQUEST", "ADAPTER", "WAITED", "PHASE", "PROMPT", "DONE", "OUTPUT", "TOKENS",
        ])
        var runs: [RequestID: Int] = [:]
        for share in decision.step?.shares ?? [] { runs[share.request] = share.tokens }
        for (place, request) in exchange.requests.enumerated() {
            table.append([
                String(place + 1), String(request.id.rawValue), names[request.adapter],
                HumanText.duration(request.arrival.duration(to: decision.now).inSeconds),
                request.isAdapterResident ? "\(request.phase)" : "not loaded",
                String(request.promptTokens), String(request.computedTokens),
                "\(request.generatedTokens)/\(request.maximumTokens)",
                runs[request.id].map(String.init) ?? "",
            ])
        }
        return table.text
    }
}
