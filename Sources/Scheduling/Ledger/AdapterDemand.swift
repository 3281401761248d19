// SPDX-License-Identifier: Apache-2.0

/// How many unfinished requests an adapter has, and how they stand.
package struct AdapterDemand: Sendable, Equatable {
    package var unfinished = 0

    /// Those whose adapter is resident.
    package var runnable = 0

    /// Those that wait for their first iteration, or to be computed again.
    package var waiting = 0

    /// The adapter's share of service, as the last of them says.
    package var weight = 1.0

    package init() {}
}
