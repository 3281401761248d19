// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What became of the rules that were put to a library.
struct ConformanceReport: Encodable {
    enum Result: String, Encodable {
        case ok, failed, trapped, stalled
        /// There is nothing to check for such a policy.
        case none
    }

    struct Check: Encodable {
        let rule: String
        let meaning: String
        var result: Result?
        var detail: String?
        var p99Seconds: Double?
    }

    struct PolicyReport: Encodable {
        let type: String
        let kind: String
        let version: String
        var checks: [Check] = []
    }

    let library: String
    let budgetSeconds: Double
    private(set) var policies: [PolicyReport] = []

    /// Why no check could be made.
    private(set) var refusal: String?

    /// All that the library says of itself.
    private(set) var listings: [PolicyListing]?
    private(set) var passed = false

    private enum CodingKeys: String, CodingKey {
        case library, budgetSeconds, policies, refusal, passed
    }

    init(library: String, budgetSeconds: Double) {
        self.library = library
        self.budgetSeconds = budgetSeconds
    }

    /// Notes a line of the probe.
    mutating func take(_ line: ProbeLine) {
        switch line.event {
        case .refused: refusal = line.detail
        case .loaded:
            listings = line.policies
            policies = (line.policies ?? []).map {
                PolicyReport(type: $0.type, kind: $0.kind, version: $0.version)
            }
        case .begun:
            guard let rule = line.rule, let index = index(of: line) else { return }
            policies[index].checks.append(Check(rule: rule, meaning: line.meaning ?? ""))
        case .ended:
            guard let index = index(of: line), let last = policies[index].checks.indices.last else {
                return
            }
            end(&policies[index].checks[last], line, kind: policies[index].kind)
        }
    }

    private func index(of line: ProbeLine) -> Int? {
        policies.firstIndex { $0.type == line.policy }
    }

    private func end(_ check: inout Check, _ line: ProbeLine, kind: String) {
        check.detail = line.detail
        check.result = line.detail == nil ? .ok : .failed
        if let reason = line.skipped {
            check.result = Result.none
            check.detail = reason
        }
        guard check.rule == ProbeLine.time else { return }
        guard let p99 = line.p99 else { return }
        // The host looks at the whole fleet less often, and allows it ten times as long.
        let budget = budgetSeconds * (kind == "migration" ? 10 : 1)
        check.p99Seconds = p99
        check.result = p99 <= budget ? .ok : .failed
        check.detail =
            "99 of 100 calls within \(HumanText.duration(p99)) of processor time, allowed are "
            + HumanText.duration(budget)
    }

    /// Notes how the probe ended.
    mutating func finish(_ end: ProbeProcess.End) {
        for policy in policies.indices {
            for check in policies[policy].checks.indices
            where policies[policy].checks[check].result == nil {
                policies[policy].checks[check].detail = "the policy: \(end.text)\(hint(end))"
                if case .stalled = end {
                    policies[policy].checks[check].result = .stalled
                } else {
                    policies[policy].checks[check].result = .trapped
                }
            }
        }
        if end != .exited(0), refusal == nil, policies.allSatisfy(\.checks.isEmpty) {
            refusal = "\(library): \(end.text) while it was loaded"
        }
        let results = policies.flatMap(\.checks).map(\.result)
        passed =
            end == .exited(0) && refusal == nil && !results.isEmpty
            && results.allSatisfy { $0 == .ok || $0 == Result.none }
    }

    /// Where to look for the place of a trap.
    private func hint(_ end: ProbeProcess.End) -> String {
        guard case .trapped = end, !library.contains("/debug/") else { return "" }
        return "; with `-c debug` its backtrace names the line"
    }

    /// A table of the checks, and below it what was found.
    var text: String {
        if let refusal { return refusal }
        var parts: [String] = []
        for policy in policies {
            var table = TextTable(header: ["CHECK", "RESULT", "WHAT IT ASKS"])
            for check in policy.checks {
                let isTime = check.rule == ProbeLine.time
                table.append([
                    check.rule, check.result == Result.none ? "-" : check.result?.rawValue ?? "",
                    isTime ? check.detail ?? check.meaning : check.meaning,
                ])
            }
            parts.append("\(policy.type) \(policy.version) (\(policy.kind))\n\(table.text)")
            for check in policy.checks where check.rule != ProbeLine.time {
                guard let detail = check.detail else { continue }
                // A violation begins with its rule.
                parts.append(check.result == .failed ? detail : "\(check.rule): \(detail)")
            }
        }
        parts.append(passed ? "\(library) conforms" : "\(library) does not conform")
        return parts.joined(separator: "\n\n")
    }
}
