// SPDX-License-Identifier: Apache-2.0

/// Softmax over the beginning of each row, and its derivative.
enum Softmax<Scalar: TrainingScalar> {
    /// Replaces the first `count` of `values` by their softmax and the rest up to `all` by zeros.
    static func apply(_ values: UnsafeMutablePointer<Scalar>, _ count: Int, of all: Int) {
        var most = values[0]
        for index in 1..<max(1, count) { most = max(most, values[index]) }
        var sum: Scalar = 0
        for index in 0..<count {
            values[index] = Scalar.exponential(values[index] - most)
            sum += values[index]
        }
        for index in 0..<count { values[index] /= sum }
        for index in count..<max(count, all) { values[index] = 0 }
    }

    /// Replaces the derivative by the softmax of `count` values by that of its input.
    static func propagate(
        _ gradient: UnsafeMutablePointer<Scalar>, _ output: UnsafePointer<Scalar>, _ count: Int
    ) {
        var dot: Scalar = 0
        for index in 0..<count { dot += gradient[index] * output[index] }
        for index in 0..<count { gradient[index] = output[index] * (gradient[index] - dot) }
    }
}
