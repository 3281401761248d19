// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// The policies that are always there: the defaults, and what the host falls back on.
package enum BuiltInPolicies {
    /// One per kind, in the order of ``PolicyKind/allCases``.
    package static var all: [any Policy.Type] {
        [
            FirstComeFirstServedBatching.self, ArrivalOrderFairness.self,
            LeastPendingDispatch.self, NoMigration.self, LeastRecentlyUsedResidency.self,
            UniformGating.self,
        ]
    }
}
