// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Requests stand as they came; no adapter is urgent and each may be merged on.
package final class ArrivalOrderFairness: FairnessPolicy {
    package static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "arrival-order", version: "1.0.0",
            summary: "Requests stand in the order in which they came.")
    }

    package init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

    package func arrange(
        _ requests: Span<RequestSnapshot>, in context: FairnessContext,
        into arrangement: inout FairnessArrangement
    ) throws(PolicyError) {
        // The arrangement comes filled with arrival order.
    }
}
