// SPDX-License-Identifier: Apache-2.0

/// The kernels that `KernelBenchmark` measures: one for each function of the kernels' table that
/// does a part of a step or of a merge.
package enum KernelName: String, Sendable, CaseIterable, Codable {
    /// Rows times a packed matrix.
    case product
    /// Rows of floats to the integers that products with int8 weights read.
    case quantize
    /// The first half of adapters.
    case shrink
    /// The second half of adapters.
    case expand
    /// Attention over one head's context.
    case attend
    /// Joining the parts of a context that was shared out.
    case attendJoin = "attend-join"
    case norm, swiglu, add
    case addBias = "add-bias"
    /// Rotating queries and keys, and storing keys and values.
    case rope
    case exponential
    /// Adding an adapter into packed weights.
    case merge
    /// The largest logit of a row, for sampling.
    case peak
    /// The exponentials of a row of logits, for sampling.
    case weights
}

/// What a kernel cannot go beyond: the slower of reading memory and multiply-adds.
package enum KernelBound: String, Sendable, Codable {
    case memory, arithmetic
}

/// What this machine can do at most with some threads and one instruction set.
package struct MachineLimits: Sendable, Codable {
    package var instructionSet: InstructionSet
    package var threads: Int
    package var gigabytesPerSecond: Double
    package var gigaflops: Double
}

/// One kernel at one shape: how fast it was, and how near that is to the machine's limits.
package struct KernelMeasurement: Sendable, Codable {
    package var kernel: KernelName
    /// Sizes in words, as `q/o 960 x 960`.
    package var shape: String
    /// Rows of activations of one call.
    package var rows: Int
    /// How weights are kept; nil for kernels without any.
    package var type: WeightType?
    package var instructionSet: InstructionSet
    package var threads: Int
    /// Of one call on one thread; the calls are pieces of the size that a step makes.
    package var microsecondsPerCall: Double
    /// Bytes that have to come from memory or go there, of all threads together.
    package var gigabytesPerSecond: Double
    package var gigaflops: Double
    package var bound: KernelBound
    /// Of the time that the bound allows at the least; 100 is the limit itself.
    package var percentOfLimit: Double
}

/// All that one run of `KernelBenchmark` measured.
package struct KernelReport: Sendable, Codable {
    /// Bytes over which each kernel went before it saw any of them again.
    package var workingSetBytes: Int
    /// Bytes of the last cache; nil where the system does not tell.
    package var lastCacheBytes: Int?
    package var limits: [MachineLimits]
    package var measurements: [KernelMeasurement]
}
