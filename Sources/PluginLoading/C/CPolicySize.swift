// SPDX-License-Identifier: Apache-2.0

import CPolicy

/// The sizes of the structs that the host fills, and whether a plugin was compiled with such.
enum CPolicySize {
    static let request = size(of: burrow_request.self)
    static let limits = size(of: burrow_limits.self)
    static let costs = size(of: burrow_costs.self)
    static let step = size(of: burrow_step.self)
    static let replica = size(of: burrow_replica.self)
    static let resident = size(of: burrow_resident.self)

    /// The first struct that the plugin knows larger than this host, or smaller than it has ever
    /// been; `nil` where there is none.
    ///
    /// A plugin of an older header knows some smaller, which is why arrays come with a stride.
    static func violation(of sizes: burrow_sizes) -> String? {
        let pairs: [(String, UInt32, UInt32)] = [
            ("burrow_sizes", sizes.size, size(of: burrow_sizes.self)),
            ("burrow_request", sizes.request, request),
            ("burrow_limits", sizes.limits, limits),
            ("burrow_costs", sizes.costs, costs),
            ("burrow_step", sizes.step, step),
            (
                "burrow_batching_question", sizes.batching_question,
                size(of: burrow_batching_question.self)
            ),
            (
                "burrow_batching_answer", sizes.batching_answer,
                size(of: burrow_batching_answer.self)
            ),
            (
                "burrow_fairness_question", sizes.fairness_question,
                size(of: burrow_fairness_question.self)
            ),
            (
                "burrow_fairness_answer", sizes.fairness_answer,
                size(of: burrow_fairness_answer.self)
            ),
            ("burrow_settlement", sizes.settlement, size(of: burrow_settlement.self)),
            ("burrow_replica", sizes.replica, replica),
            (
                "burrow_dispatch_question", sizes.dispatch_question,
                size(of: burrow_dispatch_question.self)
            ),
            ("burrow_resident", sizes.resident, resident),
            (
                "burrow_residency_question", sizes.residency_question,
                size(of: burrow_residency_question.self)
            ),
        ]
        // This is the first version of the interface, so none has ever been smaller.
        for (name, found, own) in pairs where found != own {
            return "compiled with a \(name) of \(found) bytes, this host has one of \(own)"
        }
        return nil
    }
}
