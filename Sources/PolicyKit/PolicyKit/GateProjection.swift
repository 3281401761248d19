// SPDX-License-Identifier: Apache-2.0

/// A matrix by which a gate multiplies what it reads.
///
/// The products of one row are summed in one order, whatever else is computed, so that a row's sums
/// are the same bits in any company.
public struct GateProjection: Sendable {
    public let inputs: Int
    public let outputs: Int

    /// `[ceil(outputs / 8), inputs]`: eight outputs lie side by side, missing ones are zeros.
    private let lanes: [SIMD8<Float>]

    /// Takes a tensor `[outputs, inputs]`.
    ///
    /// - Throws: ``PolicyError`` where it has another number of dimensions, or is empty.
    public init(_ weight: GateTensor) throws(PolicyError) {
        guard weight.shape.count == 2, !weight.values.isEmpty else {
            throw PolicyError("a matrix was expected, not a tensor \(weight.shape)")
        }
        outputs = weight.shape[0]
        inputs = weight.shape[1]
        var lanes: [SIMD8<Float>] = []
        lanes.reserveCapacity((outputs + 7) / 8 * inputs)
        for block in stride(from: 0, to: outputs, by: 8) {
            for input in 0..<inputs {
                var lane = SIMD8<Float>.zero
                for index in 0..<min(8, outputs - block) {
                    lane[index] = weight.values[(block + index) * inputs + input]
                }
                lanes.append(lane)
            }
        }
        self.lanes = lanes
    }

    /// Adds `scale · W · row` to `outputs` values of `sums` from the index `start` on; `row` is
    /// `[inputs]`.
    public func add(
        _ row: Span<Float>, scaledBy scale: Float, to sums: inout MutableSpan<Float>, at start: Int
    ) {
        precondition(row.count == inputs, "a row of \(row.count) values for \(inputs) inputs")
        for block in stride(from: 0, to: outputs, by: 8) {
            let product = lane(block / 8, times: row) * scale
            for index in 0..<min(8, outputs - block) {
                sums[start + block + index] += product[index]
            }
        }
    }

    /// Four sums side by side keep the processor busy while each waits for its last addition.
    private func lane(_ block: Int, times row: Span<Float>) -> SIMD8<Float> {
        let lanes = self.lanes.span
        let first = block * inputs
        var (a, b) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
        var (c, d) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
        var input = 0
        while input + 4 <= inputs {
            a += lanes[first + input] * row[input]
            b += lanes[first + input + 1] * row[input + 1]
            c += lanes[first + input + 2] * row[input + 2]
            d += lanes[first + input + 3] * row[input + 3]
            input += 4
        }
        while input < inputs {
            a += lanes[first + input] * row[input]
            input += 1
        }
        return (a + b) + (c + d)
    }
}
