// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Continuous batching without merging: decode rows first, then prompts, both in the given order.
///
/// Prompts are computed in chunks within the token limit. A prompt is begun only when all its pages
/// are free and one more for each decode row of the batch, or when nothing else would run; a prompt
/// that must wait for pages is not overtaken by later ones. Requests of `mustServe` adapters go
/// before all others, adapter by adapter.
package final class FirstComeFirstServedBatching: BatchingPolicy {
    package static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "fcfs-unmerged", version: "1.0.0",
            summary: "Serves requests in the order given, decode rows before prompts, "
                + "with all adapters side by side on the pristine weights.")
    }

    package init(parameters: NoParameters = NoParameters(), seed: UInt64 = 0) {}

    package func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {
        plan.mode = .unmerged
        plan.entries =
            BatchFilling(requests, urgent: context.mustServe, limits: context.limits).entries
    }
}
