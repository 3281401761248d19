// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

extension KernelBenchmark {
    /// One head's attention over contexts of several lengths: for the newest token, and for as many
    /// rows of a prompt as a step takes at a time.
    func attentions() throws(InferenceError) -> [KernelCase] {
        var cases: [KernelCase] = []
        for type in KeyValueType.allCases { cases += try attentions(type) }
        return cases
    }

    private func attentions(_ type: KeyValueType) throws(InferenceError) -> [KernelCase] {
        let shape = StepShape(model)
        var fitting = contexts.filter { $0 <= model.contextLength }
        if fitting.isEmpty { fitting = [model.contextLength] }
        let longest = ExecutorConfiguration.pages(for: fitting.max() ?? 1)
        let pageCount = max(
            longest, workingSetBytes / ExecutorConfiguration.pageBytes(of: model, as: type))
        let bench = try AttentionBench(
            model: model, type: type, pageCount: pageCount, members: mostThreads)
        return fitting.flatMap { context in
            [1, shape.attentionRows].filter { $0 <= context }.map { rows in
                bench.item(context: context, rows: rows)
            }
        }
    }

    /// States of segments, which lie one behind the other.
    func joins() throws(InferenceError) -> [KernelCase] {
        let shape = StepShape(model)
        let segments = 4
        let floats = segments * shape.stateFloats
        let ones = try WorkingSet(copyBytes: floats * 4, bytes: 0)
        ones.floats(0).initialize(repeating: 1, count: floats)
        let states = try WorkingSet(of: ones[0], bytes: floats * 4, filling: workingSetBytes)
        let bench = try AttentionBench(
            model: model, type: .f32, pageCount: 1, members: mostThreads)
        let values = Double(shape.attentionRows * shape.group * (16 + model.headSize))
        return [
            KernelCase(
                kernel: .attendJoin, shape: "\(segments) parts of \(shape.attentionRows) rows",
                rows: shape.attentionRows, type: nil,
                bytes: 4 * Double(segments + 1) * values,
                operations: 3 * Double(segments - 1) * values, callCount: states.count
            ) { kernels, index, member in
                var attention = bench.attention(
                    rows: shape.attentionRows, context: segments * Int(KERNEL_SEGMENT_TOKENS),
                    head: 0, sequence: 0, member: member)
                attention.state = states.floats(index)
                kernels.attend_join(&attention, segments, shape.stateFloats)
            }
        ]
    }
}

/// Keys and values of many sequences of one layer, with the scratch of each member.
private struct AttentionBench {
    let model: ModelConfiguration
    let shape: StepShape
    let type: KeyValueType
    let cache: KeyValueCache
    let pageCount: Int
    private let pages: WorkingSet
    private let queries: WorkingSet
    private let outputs: WorkingSet
    private let scratch: WorkingSet

    init(
        model: ModelConfiguration, type: KeyValueType, pageCount: Int, members: Int
    ) throws(InferenceError) {
        self.model = model
        self.type = type
        self.pageCount = pageCount
        shape = StepShape(model)
        cache = try KeyValueCache(model: model, type: type, pageCount: pageCount)
        pages = try WorkingSet(copyBytes: pageCount * 4, bytes: 0)
        let table = pages[0].assumingMemoryBound(to: Int32.self)
        for page in 0..<pageCount { table[page] = Int32(page) }
        let width = shape.attentionRows * RowBuffer.stride(for: shape.projections)
        queries = try .random(floats: width, bytes: 0)
        outputs = try WorkingSet(copyBytes: width * 4, bytes: members * width.roundedUp(to: 16) * 4)
        let floats = shape.member.floats.roundedUp(to: 16)
        scratch = try WorkingSet(copyBytes: floats * 4, bytes: members * floats * 4)
        fill()
    }

    /// Pages that nobody wrote would all be the same page of zeros.
    private func fill() {
        let layer = cache.layer(0)
        fill(layer.keys, count: pageCount * layer.key_page_stride)
        fill(layer.values, count: pageCount * layer.value_page_stride)
    }

    private func fill(_ memory: UnsafeMutableRawPointer?, count: Int) {
        guard let memory else { return }
        for index in 0..<count {
            let value = 0.01 * Float(index & 31)
            switch type {
            case .f32: memory.storeBytes(of: value, toByteOffset: index * 4, as: Float.self)
            case .bf16:
                memory.storeBytes(
                    of: UInt16(value.bitPattern >> 16), toByteOffset: index * 2, as: UInt16.self)
            }
        }
    }

    func item(context: Int, rows: Int) -> KernelCase {
        let sequences = max(1, pageCount / ExecutorConfiguration.pages(for: context))
        let visible = rows * context - rows * (rows - 1) / 2
        return KernelCase(
            kernel: .attend, shape: "\(context) tokens, \(shape.group) heads of \(model.headSize)",
            rows: rows, type: type == .f32 ? .f32 : .bf16,
            bytes: Double(type.byteCount * 2 * model.headSize * context),
            operations: Double(4 * model.headSize * shape.group * visible),
            callCount: sequences * model.kvHeadCount
        ) { kernels, index, member in
            var attention = attention(
                rows: rows, context: context, head: index % model.kvHeadCount,
                sequence: index / model.kvHeadCount, member: member)
            kernels.attend(&attention)
        }
    }

    func attention(
        rows: Int, context: Int, head: Int, sequence: Int, member: Int
    ) -> KernelAttention {
        let own = MemberScratch(shape.member, at: scratch.floats(member))
        let stride = RowBuffer.stride(for: shape.projections)
        let table = pages[0].assumingMemoryBound(to: Int32.self)
        return KernelAttention(
            cache: cache.layer(0), head: head,
            pages: table + sequence * ExecutorConfiguration.pages(for: context),
            q: queries.floats(0), q_stride: stride,
            scale: 1 / Float(model.headSize).squareRoot(), rows: rows, group: shape.group,
            head_size: model.headSize, position: context - rows, first_token: 0,
            end_token: context, queries: own.queries, state: own.state,
            segment_state: own.segmentState, state_stride: shape.stateStride,
            out: outputs.floats(member), out_stride: stride)
    }
}
