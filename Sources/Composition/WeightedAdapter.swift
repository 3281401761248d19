// SPDX-License-Identifier: Apache-2.0

package import ModelLoading

/// One adapter of a composition, and how much of it is wanted.
package struct WeightedAdapter: Sendable {
    package let adapter: AdapterWeights
    /// Its update counts this many times.
    package var weight: Double

    package init(_ adapter: AdapterWeights, weight: Double = 1) {
        self.adapter = adapter
        self.weight = weight
    }

    package var name: String { adapter.name }
}
