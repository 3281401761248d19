// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension SimulatedCosts {
    /// What a host has fitted to its own iterations while it served; `nil` before it has measured
    /// enough to tell the costs apart.
    ///
    /// A fit knows no noise, no gaps and no contention, which `burrow calibrate` measures.
    package init?(fitted estimates: CostEstimates, mergedBytes: Int? = nil) {
        guard estimates.observations >= 64 else { return nil }
        self.init()
        steps = estimates
        mergeTime = estimates.mergeTime ?? .zero
        loadSecondsPerByte = estimates.loadSecondsPerByte ?? 0
        if let mergedBytes { self.mergedBytes = mergedBytes }
    }
}
