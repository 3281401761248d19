// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Rows of floats in scratch memory; columns behind the used ones stay zero.
struct RowBuffer {
    let base: UnsafeMutablePointer<Float>
    let stride: Int

    /// Floats from one row to the next for rows of `width` values.
    ///
    /// Rows a multiple of 4 KiB apart would share cache sets, so such a stride gets one line more.
    static func stride(for width: Int) -> Int {
        let padded = width.roundedUp(to: 32)
        return padded % 1024 == 0 ? padded + 16 : padded
    }

    func row(_ index: Int) -> UnsafeMutablePointer<Float> { base + index * stride }
}

/// The activations of one step, allocated once for the largest step.
struct StepScratch {
    /// The residual stream.
    let hidden: RowBuffer
    /// The residual stream after a norm.
    let normed: RowBuffer
    /// Queries, keys and values side by side, each starting at a panel.
    let projections: RowBuffer
    let attended: RowBuffer
    /// silu(gate) * up
    let activated: RowBuffer
    /// Cosines and sines of each row's position.
    let angles: RowBuffer
    /// The inputs of the linear layers to come as integers; nil unless their weights are int8.
    let integers: KernelIntegers?
    /// One block of results for each member of the team.
    let members: [MemberScratch]
    let pages: UnsafeMutablePointer<Int32>
    private let memory: AlignedMemory

    init(
        shape: StepShape, type: WeightType, configuration: ExecutorConfiguration
    ) throws(InferenceError) {
        var plan = MemoryPlan(for: "the scratch of a step")
        let rows = configuration.maximumTokens
        let widths = [
            shape.hidden, shape.hidden, shape.projections, shape.attended, shape.intermediate,
            shape.angles,
        ]
        var offsets: [Int] = []
        for width in widths {
            offsets.append(try plan.reserve(rows, RowBuffer.stride(for: width), 4))
        }
        var members: [Int] = []
        for _ in 0..<configuration.threads {
            members.append(try plan.reserve(shape.member.floats, 4))
        }
        let widest = type == .int8 ? max(shape.hidden, shape.attended, shape.intermediate) : 0
        let integers = try IntegerRows(rows: rows, width: widest, in: &plan)
        let pageTable = try plan.reserve(
            configuration.maximumSequences,
            ExecutorConfiguration.pages(for: configuration.contextLength), 4)
        let memory = try plan.allocate()
        func buffer(_ index: Int) -> RowBuffer {
            RowBuffer(
                base: (memory.base + offsets[index]).assumingMemoryBound(to: Float.self),
                stride: RowBuffer.stride(for: widths[index]))
        }
        hidden = buffer(0)
        normed = buffer(1)
        projections = buffer(2)
        attended = buffer(3)
        activated = buffer(4)
        angles = buffer(5)
        self.integers = type == .int8 ? integers.placed(at: memory.base) : nil
        self.members = members.map { offset in
            MemberScratch(
                shape.member, at: (memory.base + offset).assumingMemoryBound(to: Float.self))
        }
        pages = (memory.base + pageTable).assumingMemoryBound(to: Int32.self)
        self.memory = memory
    }
}
