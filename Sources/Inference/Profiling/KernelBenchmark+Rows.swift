// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

extension KernelBenchmark {
    /// Rows that one call of a row kernel takes.
    private static let rowsPerCall = 32
    /// Additions and multiplications of one exponential.
    private static let exponentialOperations = 22

    /// Kernels that go over rows once: what they read lies in one set, what they write in another.
    func rowKernels() throws(InferenceError) -> [KernelCase] {
        let rows = Self.rowsPerCall
        let (hidden, wide) = (model.hiddenSize.roundedUp(to: 32), model.intermediateSize)
        let stride = RowBuffer.stride(for: wide.roundedUp(to: 32))
        let width = max(RowBuffer.stride(for: hidden), 2 * stride)
        let x = try WorkingSet.random(floats: rows * width, bytes: workingSetBytes / 2)
        let y = try WorkingSet.random(floats: rows * width, bytes: workingSetBytes / 2)
        let weight = try WorkingSet.random(floats: width, bytes: 0)
        let padded = wide.roundedUp(to: 32)
        // Floats that are read and written, and operations, for each value of a row.
        func item(
            _ kernel: KernelName, _ columns: Int, floats: Int, operations: Int,
            _ call:
                @escaping (KernelTable, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)
                -> Void
        ) -> KernelCase {
            KernelCase(
                kernel: kernel, shape: "rows of \(columns)", rows: rows, type: nil,
                bytes: Double(4 * floats * rows * columns),
                operations: Double(operations * rows * columns), callCount: min(x.count, y.count)
            ) { kernels, index, _ in call(kernels, x.floats(index), y.floats(index)) }
        }
        return [
            item(.norm, model.hiddenSize, floats: 2, operations: 4) { kernels, x, y in
                kernels.norm(
                    x, hidden, weight.floats(0), model.normEpsilon, model.hiddenSize, rows, y,
                    hidden)
            },
            item(
                .swiglu, padded, floats: 3, operations: Self.exponentialOperations + 4
            ) { kernels, x, y in
                kernels.swiglu(x, x + stride, 2 * stride, padded, rows, y, stride)
            },
            item(.add, hidden, floats: 3, operations: 1) { kernels, x, y in
                kernels.add(x, hidden, hidden, rows, y, hidden)
            },
            item(.addBias, hidden, floats: 2, operations: 1) { kernels, _, y in
                kernels.add_bias(weight.floats(0), hidden, rows, y, hidden)
            },
            item(
                .exponential, hidden, floats: 2, operations: Self.exponentialOperations
            ) { kernels, x, y in
                kernels.exponential(x, rows * hidden, y)
            },
        ]
    }

    /// Rows of projections, whose keys and values go into pages in turn.
    func ropes() throws(InferenceError) -> [KernelCase] {
        let shape = StepShape(model)
        let stride = RowBuffer.stride(for: shape.projections)
        let pages = max(1, workingSetBytes / 2 / ExecutorConfiguration.pageBytes(of: model))
        let cache = try KeyValueCache(model: model, pageCount: pages)
        let x = try WorkingSet.random(floats: stride, bytes: workingSetBytes / 2)
        let angles = try WorkingSet(copyBytes: shape.angles * 4, bytes: 0)
        kernel_angles(
            123, model.rope.inverseFrequencies(headSize: model.headSize), model.headSize / 2,
            angles.floats(0))
        let tokens = ExecutorConfiguration.pageTokens
        let queries = model.headCount * model.headSize
        let keys = model.kvHeadCount * model.headSize
        return [
            KernelCase(
                kernel: .rope, shape: "\(model.headCount)+\(model.kvHeadCount) x \(model.headSize)",
                rows: 1, type: nil, bytes: Double(4 * (2 * queries + 2 * keys + 2 * keys)),
                operations: Double(3 * (queries + keys)), callCount: x.count
            ) { kernels, index, _ in
                var rope = KernelRope(
                    row: x.floats(index), key_column: shape.keyColumn,
                    value_column: shape.valueColumn, heads: model.headCount,
                    kv_heads: model.kvHeadCount, head_size: model.headSize, query_norm: nil,
                    key_norm: nil, epsilon: model.normEpsilon, angles: angles.floats(0),
                    cache: cache.layer(0), page: Int32(index % pages),
                    slot: index / pages % tokens)
                kernels.rope(&rope)
            }
        ]
    }
}
