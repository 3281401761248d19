// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import Glibc

/// The largest logit and the lowest index that holds it.
struct LogitPeak: Equatable {
    var value: Float
    var index: Int

    /// Finds the peak in one pass over `logits`, which must hold no NaN and no positive infinity,
    /// and not only negative infinities.
    init(_ logits: UnsafeBufferPointer<Float>) throws(SamplingError) {
        var peak = KernelPeak(value: -.infinity, index: 0, is_number: true)
        if let base = logits.baseAddress, !logits.isEmpty {
            peak = LogitArithmetic.kernels.peak(base, logits.count)
        }
        value = peak.value
        index = peak.index
        guard peak.is_number, value < .infinity else {
            throw SamplingError(.notFinite, "the logits hold a NaN or an infinity")
        }
        guard value > -.infinity else {
            throw SamplingError(.nothingToSample, "every token is ruled out")
        }
    }
}

/// Exponentials of logits, and their sums.
enum LogitArithmetic {
    /// Entries that are summed in one go; their sums let a draw skip whole blocks.
    static let blockSize = 1024

    /// Those of the fastest path, all of which give the same bits. Functions, never written.
    nonisolated(unsafe) static let kernels: KernelTable = {
        guard let table = InstructionSet.available.first?.table else {
            preconditionFailure("no kernels run on this processor, not even the portable ones")
        }
        return table.pointee
    }()

    /// Writes `exp((x - peak) * scale)` for each logit, and returns the sums of its blocks.
    static func exponentials(
        of logits: UnsafeBufferPointer<Float>, below peak: Float, scale: Float,
        into weights: inout [Float], blockSums: inout [Double]
    ) {
        let count = logits.count
        if weights.count != count { weights = [Float](repeating: 0, count: count) }
        blockSums.removeAll(keepingCapacity: true)
        guard let source = logits.baseAddress else { return }
        weights.withUnsafeMutableBufferPointer { weights in
            guard let target = weights.baseAddress else { return }
            for start in stride(from: 0, to: count, by: blockSize) {
                blockSums.append(
                    kernels.weights(
                        source + start, min(blockSize, count - start), peak, scale,
                        target + start))
            }
        }
    }
}

extension LogitArithmetic {
    /// The natural logarithm.
    static func logarithm(_ value: Double) -> Double { log(value) }
}
