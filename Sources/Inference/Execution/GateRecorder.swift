// SPDX-License-Identifier: Apache-2.0

/// Keeps the weights that gates give, for those who want to see each of them.
///
/// Belongs to the executor's thread; between steps anything may be read.
package final class GateRecorder {
    /// What one row of a step was given at one point.
    package struct Weights: Sendable, Equatable {
        /// The index of the chunk in its step, and of the row in the chunk.
        package var chunk: Int
        package var row: Int
        /// The token's place in its sequence.
        package var position: Int
        /// The index of the point in the gate's traits.
        package var point: Int
        /// `[matrices, experts]`
        package var values: [Float]
        /// The number of experts.
        package var experts: Int
    }

    /// The most entries that are kept.
    package let capacity: Int
    /// In the order of the steps, in each of the points, in each of the rows.
    package private(set) var entries: [Weights] = []
    /// Entries that there was no room for.
    package private(set) var missed = 0

    /// A recorder with room for so many rows at points.
    package init(capacity: Int = 1 << 20) {
        self.capacity = capacity
    }

    /// Forgets everything.
    package func removeAll() {
        entries.removeAll()
        missed = 0
    }

    func record(_ entry: @autoclosure () -> Weights) {
        if entries.count < capacity { entries.append(entry()) } else { missed += 1 }
    }
}
