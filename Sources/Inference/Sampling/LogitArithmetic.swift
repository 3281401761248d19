// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The largest logit and the lowest index that holds it.
struct LogitPeak: Equatable {
    var value: Float
    var index: Int

    /// Finds the peak in one pass over `logits`, which must hold no NaN and no positive infinity,
    /// and not only negative infinities.
    init(_ logits: UnsafeBufferPointer<Float>) throws(SamplingError) {
        // Lanes keep their own first maximum; "greater" being strict, that is the lowest index.
        var best = SIMD16<Float>(repeating: -.infinity)
        var bestBlock = SIMD16<Int32>(repeating: 0)
        var isUnordered = SIMDMask<SIMD16<Int32>>(repeating: false)
        let blocks = logits.count / 16
        let bytes = UnsafeRawBufferPointer(logits)
        for block in 0..<blocks {
            let values = bytes.loadUnaligned(fromByteOffset: block * 64, as: SIMD16<Float>.self)
            let isGreater = values .> best
            best.replace(with: values, where: isGreater)
            bestBlock.replace(
                with: SIMD16(repeating: Int32(truncatingIfNeeded: block)), where: isGreater)
            isUnordered = isUnordered .| (values .!= values)
        }
        var hasNaN = any(isUnordered)
        value = -.infinity
        index = logits.count
        for lane in 0..<16 where blocks > 0 {
            let candidate = Int(bestBlock[lane]) * 16 + lane
            if best[lane] > value || best[lane] == value && candidate < index {
                value = best[lane]
                index = candidate
            }
        }
        for position in blocks * 16..<logits.count {
            hasNaN = hasNaN || logits[position].isNaN
            if logits[position] > value {
                value = logits[position]
                index = position
            }
        }
        guard !hasNaN, value < .infinity else {
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

    /// `exp(x)` for `x` up to 0, to about two units in the last place; 0 below -87.
    ///
    /// Argument reduction and polynomial of `expf` in the Cephes library (S. Moshier). Without
    /// branches or calls, so that loops over it are vectorised, and the same on every machine.
    @inline(__always)
    static func exponential(_ x: Float) -> Float {
        let bounded = x < -87 ? -87 : x
        // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
        let shifted = bounded * 1.442_695_04 + 12_582_912
        let power = shifted - 12_582_912
        let rest = (bounded - power * 0.693_359_375) + power * 2.121_944_4e-4
        var sum: Float = 1.987_569_15e-4
        sum = sum * rest + 1.398_199_950_7e-3
        sum = sum * rest + 8.333_451_907_3e-3
        sum = sum * rest + 4.166_579_589_4e-2
        sum = sum * rest + 1.666_666_545_9e-1
        sum = sum * rest + 5.000_000_120_1e-1
        let mantissa = sum * (rest * rest) + rest + 1
        let exponent = shifted.bitPattern &- 0x4B40_0000 &+ 127
        let result = mantissa * Float(bitPattern: exponent << 23)
        return x < -87 ? 0 : result
    }

    /// Writes `exp((x - peak) * scale)` for each logit, and returns the sums of its blocks.
    static func exponentials(
        of logits: UnsafeBufferPointer<Float>, below peak: Float, scale: Float,
        into weights: inout [Float], blockSums: inout [Double]
    ) {
        let count = logits.count
        if weights.count != count { weights = [Float](repeating: 0, count: count) }
        blockSums.removeAll(keepingCapacity: true)
        weights.withUnsafeMutableBufferPointer { weights in
            for index in 0..<count {
                weights[index] = exponential((logits[index] - peak) * scale)
            }
            for start in stride(from: 0, to: count, by: blockSize) {
                let end = min(start + blockSize, count)
                blockSums.append(sum(UnsafeBufferPointer(rebasing: weights[start..<end])))
            }
        }
    }

    private static func sum(_ values: UnsafeBufferPointer<Float>) -> Double {
        var lanes = SIMD16<Float>(repeating: 0)
        let bytes = UnsafeRawBufferPointer(values)
        let blocks = values.count / 16
        for block in 0..<blocks {
            lanes += bytes.loadUnaligned(fromByteOffset: block * 64, as: SIMD16<Float>.self)
        }
        var total = 0.0
        for lane in 0..<16 { total += Double(lanes[lane]) }
        for index in blocks * 16..<values.count { total += Double(values[index]) }
        return total
    }
}

extension LogitArithmetic {
    /// The natural logarithm.
    static func logarithm(_ value: Double) -> Double { log(value) }
}
