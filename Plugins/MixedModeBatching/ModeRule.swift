// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The choice of the mode in V-LoRA (EuroSys '25, Algorithm 1).
struct ModeRule {
    /// The largest batch.
    var batch: Int

    /// Requests that starve, besides those of the adapter with the most requests.
    var starving: Int

    /// The adapter with the most requests: R_merge, not cut to the largest batch.
    var most: AdapterTally.Share?

    /// Merged or mixed when few starve and one adapter could fill more than half of the batch.
    var mode: BatchMode {
        guard let most, 2 * starving <= batch, 2 * most.requests > batch else { return .unmerged }
        return starving == 0 ? .merged(most.adapter) : .mixed(most.adapter)
    }
}
