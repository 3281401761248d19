// SPDX-License-Identifier: Apache-2.0

/// The bounds on one JSON document.
package struct JSONLimits: Sendable, Equatable {
    /// The longest document.
    package var byteCount: Int
    /// The deepest nesting of arrays and objects, which is also the depth of the recursion.
    package var depth: Int
    /// The most values, counting containers and what is in them.
    package var valueCount: Int

    package init(byteCount: Int = 4 << 20, depth: Int = 64, valueCount: Int = 1 << 20) {
        self.byteCount = byteCount
        self.depth = depth
        self.valueCount = valueCount
    }
}
