// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

extension KernelBenchmark {
    /// Rows that one call of a row kernel takes.
    private static let rowsPerCall = 32
    /// Additions and multiplications of one exponential.
    static let exponentialOperations = 22

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
        // Bytes that are read and written, and operations, for each value of a row.
        func item(
            _ kernel: KernelName, _ columns: Int, bytes: Int, operations: Int,
            _ call:
                @escaping (KernelTable, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)
                -> Void
        ) -> KernelCase {
            KernelCase(
                kernel: kernel, shape: "rows of \(columns)", rows: rows, type: nil,
                bytes: Double(bytes * rows * columns),
                operations: Double(operations * rows * columns), callCount: min(x.count, y.count)
            ) { kernels, index, _ in call(kernels, x.floats(index), y.floats(index)) }
        }
        return [
            item(.norm, model.hiddenSize, bytes: 8, operations: 4) { kernels, x, y in
                kernels.norm(
                    x, hidden, weight.floats(0), model.normEpsilon, model.hiddenSize, rows, y,
                    hidden)
            },
            item(.swiglu, padded, bytes: 12, operations: Self.exponentialOperations + 4) {
                $0.swiglu($1, $1 + stride, 2 * stride, padded, rows, $2, stride)
            },
            item(.quantize, hidden, bytes: 6, operations: 5) { kernels, x, y in
                y.withMemoryRebound(to: Int16.self, capacity: rows * hidden) { values in
                    kernels.quantize(
                        x, hidden, hidden, rows,
                        KernelIntegers(
                            values: values, stride: hidden, scales: y + rows * hidden,
                            scales_stride: hidden.dividedUp(by: Int(KERNEL_GROUP_INPUTS))))
                }
            },
            item(.add, hidden, bytes: 12, operations: 1) {
                $0.add($1, hidden, hidden, rows, $2, hidden)
            },
            item(.addBias, hidden, bytes: 8, operations: 1) { kernels, _, y in
                kernels.add_bias(weight.floats(0), hidden, rows, y, hidden)
            },
            item(.exponential, hidden, bytes: 8, operations: Self.exponentialOperations) {
                $0.exponential($1, rows * hidden, $2)
            },
        ]
    }

    /// Rows of projections, whose keys and values go into pages in turn.
    func ropes() throws(InferenceError) -> [KernelCase] {
        var cases: [KernelCase] = []
        for type in KeyValueType.allCases { cases.append(try rope(type)) }
        return cases
    }

    private func rope(_ type: KeyValueType) throws(InferenceError) -> KernelCase {
        let shape = StepShape(model)
        let stride = RowBuffer.stride(for: shape.projections)
        let pages = max(
            1, workingSetBytes / 2 / ExecutorConfiguration.pageBytes(of: model, as: type))
        let cache = try KeyValueCache(model: model, type: type, pageCount: pages)
        let x = try WorkingSet.random(floats: stride, bytes: workingSetBytes / 2)
        let angles = try WorkingSet(copyBytes: shape.angles * 4, bytes: 0)
        kernel_angles(
            123, model.rope.inverseFrequencies(headSize: model.headSize), model.headSize / 2,
            angles.floats(0))
        let tokens = ExecutorConfiguration.pageTokens
        let queries = model.headCount * model.headSize
        let keys = model.kvHeadCount * model.headSize
        let heads = "\(model.headCount)+\(model.kvHeadCount) x \(model.headSize)"
        return KernelCase(
            kernel: .rope, shape: heads, rows: 1, type: type == .f32 ? .f32 : .bf16,
            bytes: Double(4 * (2 * queries + 2 * keys) + 2 * type.byteCount * keys),
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
    }
}
