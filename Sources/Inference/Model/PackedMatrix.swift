// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// A matrix `[outputs, inputs]` in panels of 32 outputs, as `KernelProduct` reads it.
///
/// Plain pointers on purpose: the step loop copies these without counting references. Whoever
/// hands one out keeps the memory alive.
struct PackedMatrix: @unchecked Sendable {
    static let panelWidth = Int(KERNEL_PANEL_WIDTH)

    var weights: UnsafeRawPointer
    let outputs: Int
    let inputs: Int
    let type: WeightType

    var panels: Int { outputs.dividedUp(by: Self.panelWidth) }

    /// `inputs` rounded up to whole pairs.
    var depth: Int { inputs.roundedUp(to: 2) }

    /// Bytes of a panel: its weights, and with `int8` the scales of its outputs.
    var panelBytes: Int {
        depth * Self.panelWidth * type.byteCount + (type == .int8 ? Self.panelWidth * 4 : 0)
    }

    var byteCount: Int { panels * panelBytes }

    /// Where a panel begins.
    func panel(_ index: Int) -> UnsafeRawPointer { weights + index * panelBytes }

    /// The product of its panels `range` with the first `rows` rows of `x`; `y` begins where the
    /// first row's results of the first panel go. With `int8`, `integers` are the same rows.
    func product(
        _ range: Range<Int>, x: RowBuffer, integers: KernelIntegers = KernelIntegers(), rows: Int,
        y: RowBuffer
    ) -> KernelProduct {
        KernelProduct(
            weights: weights, panel_bytes: panelBytes, first_panel: range.lowerBound,
            panels: range.count, type: type.kernelType, depth: depth, x: x.base,
            x_stride: x.stride, integers: integers, y: y.base, y_stride: y.stride, rows: rows,
            first_row: 0,
            accumulate: false, expansions: nil,
            expansion_count: 0, later: nil, later_count: 0, next: nil)
    }
}

/// Panels of one tensor that are packed by one task.
struct PackingTask {
    let tensor: TensorView
    let matrix: PackedMatrix
    let panels: Range<Int>

    /// Tasks of some hundred kilobytes that together pack `tensor` into `matrix`.
    static func tasks(packing tensor: TensorView, into matrix: PackedMatrix) -> [PackingTask] {
        let step = Swift.max(1, 256 * 1024 / Swift.max(1, matrix.panelBytes))
        return stride(from: 0, to: matrix.panels, by: step).map { first in
            PackingTask(
                tensor: tensor, matrix: matrix,
                panels: first..<Swift.min(matrix.panels, first + step))
        }
    }

    /// Writes the panels; the matrix's memory must not be shared yet.
    func run() {
        let target = UnsafeMutableRawPointer(mutating: matrix.weights)
        tensor.withUnsafeBytes { bytes in
            kernel_pack(
                bytes.baseAddress, tensor.type.kernelType, matrix.outputs, matrix.inputs,
                panels.lowerBound, panels.count, matrix.type.kernelType,
                target + panels.lowerBound * matrix.panelBytes)
        }
    }
}
