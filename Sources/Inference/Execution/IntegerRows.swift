// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Where rows of activations as 16-bit integers lie, with their scales: see `KernelIntegers`.
struct IntegerRows {
    private let valuesOffset: Int
    private let scalesOffset: Int
    private let stride: Int
    private let scalesStride: Int

    /// Reserves `rows` rows of up to `width` values.
    init(rows: Int, width: Int, in plan: inout MemoryPlan) throws(InferenceError) {
        // As with floats: rows a multiple of 4 KiB apart would share cache sets.
        let padded = width.roundedUp(to: 32)
        stride = padded % 2048 == 0 ? padded + 32 : padded
        scalesStride = width.dividedUp(by: Int(KERNEL_GROUP_INPUTS))
        valuesOffset = try plan.reserve(rows, stride, 2)
        scalesOffset = try plan.reserve(rows, scalesStride, 4)
    }

    func placed(at base: UnsafeMutableRawPointer) -> KernelIntegers {
        KernelIntegers(
            values: (base + valuesOffset).assumingMemoryBound(to: Int16.self), stride: stride,
            scales: (base + scalesOffset).assumingMemoryBound(to: Float.self),
            scales_stride: scalesStride)
    }
}

extension KernelIntegers {
    /// The rows from `row` on.
    func rows(from row: Int) -> KernelIntegers {
        KernelIntegers(
            values: values + row * stride, stride: stride, scales: scales + row * scales_stride,
            scales_stride: scales_stride)
    }
}
