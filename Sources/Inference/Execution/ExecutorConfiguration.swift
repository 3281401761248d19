// SPDX-License-Identifier: Apache-2.0

internal import CKernels
package import ModelLoading

/// The limits of one executor; its memory is sized from them once.
package struct ExecutorConfiguration: Sendable, Equatable {
    /// Tokens in one page of keys and values.
    package static let pageTokens = Int(KERNEL_PAGE_TOKENS)

    /// Pages of keys and values, each `pageTokens` long.
    package var pageCount: Int
    /// The most tokens of one step.
    package var maximumTokens: Int
    /// The most chunks of one step.
    package var maximumSequences: Int
    /// The most positions of one sequence; at most the model's own.
    package var contextLength: Int
    /// Threads of a step, with the caller.
    package var threads: Int
    package var instructionSet: InstructionSet?
    package var keyValueType = KeyValueType.f32
    /// Floats of state that gates keep for each token, over all their points: the most of any
    /// mixture that is served; 0 where none keeps any.
    package var gateStateFloats = 0
    /// Whether there are keys and values of a pass of the base model as well, which gates need that
    /// read final hidden states.
    package var keepsScalingPass = false
    /// The processors that the threads stay on, the calling thread's first; nil lets the system
    /// place them.
    package var processors: [Int]?

    /// A configuration; without an instruction set the fastest one is used.
    package init(
        pageCount: Int, maximumTokens: Int, maximumSequences: Int, contextLength: Int,
        threads: Int, instructionSet: InstructionSet? = nil
    ) {
        self.pageCount = pageCount
        self.maximumTokens = maximumTokens
        self.maximumSequences = maximumSequences
        self.contextLength = contextLength
        self.threads = threads
        self.instructionSet = instructionSet
    }

    /// The most floats of state that gates may keep for each token.
    package static let maximumGateStateFloats = 1 << 20

    /// Pages that a sequence of `tokens` tokens occupies.
    package static func pages(for tokens: Int) -> Int { tokens.dividedUp(by: pageTokens) }

    /// Bytes of the keys and values of one page, in all layers.
    package static func pageBytes(of model: ModelConfiguration, as type: KeyValueType) -> Int {
        let values = type.valueStride(headSize: model.headSize)
        return model.layerCount * model.kvHeadCount * pageTokens * (model.headSize + values)
            * type.byteCount
    }

    /// Bytes of one page with all that is kept for its tokens: keys and values, those of the pass of
    /// the base model, states of gates.
    package func pageBytes(of model: ModelConfiguration) -> Int {
        let cache = Self.pageBytes(of: model, as: keyValueType)
        return cache * (keepsScalingPass ? 2 : 1) + Self.pageTokens * gateStateFloats * 4
    }

    func check(against model: ModelConfiguration) throws(InferenceError) {
        func require(
            _ value: Int, _ name: String, in range: ClosedRange<Int>
        ) throws(InferenceError) {
            guard range.contains(value) else {
                throw InferenceError(
                    .invalidConfiguration,
                    "\(name) is \(value); it must be \(range.lowerBound) to \(range.upperBound)")
            }
        }
        try require(pageCount, "pageCount", in: 1...Int(Int32.max))
        try require(maximumTokens, "maximumTokens", in: 1...(1 << 20))
        try require(maximumSequences, "maximumSequences", in: 1...maximumTokens)
        try require(contextLength, "contextLength", in: 1...model.contextLength)
        try require(threads, "threads", in: 1...1024)
        try require(gateStateFloats, "gateStateFloats", in: 0...Self.maximumGateStateFloats)
    }
}
