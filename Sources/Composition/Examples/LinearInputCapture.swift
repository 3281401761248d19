// SPDX-License-Identifier: Apache-2.0

package import Inference
internal import ModelLoading
internal import PolicyKit
internal import Synchronization

/// Sees what goes into the linear layers while adapters answer examples of their own tasks.
///
/// It serves each adapter as a mixture of one, whose gate reads the inputs of every layer and answers
/// with the adapter's weight.
package struct LinearInputCapture {
    private let model: PackedModel
    private let threads: Int

    /// Inputs above this many bytes are refused; they are kept in double precision.
    private static let maximumBytes = 8 << 30

    package init(model: PackedModel, threads: Int) {
        self.model = model
        self.threads = threads
    }

    /// The inputs on `examples`, a list for each adapter; `progress` is called with the share of
    /// them that is done.
    ///
    /// Throws `invalidExamples` for an adapter without examples and for one that is longer than the
    /// context, and `tooLarge`.
    package func inputs(
        of adapters: [WeightedAdapter], on examples: [[TokenizedExample]], correlationShare: Double,
        progress: (Double) -> Void = { _ in }
    ) throws(CompositionError) -> LinearInputs {
        precondition(adapters.count == examples.count, "one list of examples for each adapter")
        try check(adapters, examples)
        let longest = examples.joined().map(\.input.count).max() ?? 1
        let executor = try executor(longest: longest)
        let total = examples.reduce(0) { $0 + $1.count }
        var done = 0
        var bySource: [[LinearInputs.Place: Matrix]] = []
        for (adapter, examples) in zip(adapters, examples) {
            let gate = InputRecordingGate(
                layers: model.configuration.layerCount, weight: Float(adapter.weight))
            let mixture = try packed(adapter, gate)
            for example in examples {
                try run(example, mixture, on: executor)
                done += 1
                progress(Double(done) / Double(total))
            }
            bySource.append(gate.inputs(model.configuration))
        }
        return LinearInputs(bySource, correlationShare: correlationShare)
    }

    private func check(
        _ adapters: [WeightedAdapter], _ examples: [[TokenizedExample]]
    ) throws(CompositionError) {
        let configuration = model.configuration
        for (adapter, examples) in zip(adapters, examples) where examples.isEmpty {
            throw CompositionError(
                .invalidExamples, "there are no examples of this task", at: adapter.name)
        }
        for example in examples.joined() where example.input.count > configuration.contextLength {
            throw CompositionError(
                .invalidExamples,
                "an example has \(example.input.count) tokens, the model's context is "
                    + "\(configuration.contextLength)")
        }
        let tokens = examples.joined().reduce(0) { $0 + $1.input.count }
        let width = MatrixGroup.allCases.reduce(0) {
            $0 + InputRecordingGate.width(of: $1, configuration)
        }
        let (bytes, overflow) = tokens.multipliedReportingOverflow(
            by: width * configuration.layerCount * 8)
        guard !overflow, bytes <= Self.maximumBytes else {
            throw CompositionError(
                .tooLarge,
                "the inputs of \(tokens) tokens are over \(Self.maximumBytes) bytes; use fewer "
                    + "examples")
        }
    }

    private func executor(longest: Int) throws(CompositionError) -> Executor {
        do {
            return try Executor(
                model: model,
                configuration: ExecutorConfiguration(
                    pageCount: ExecutorConfiguration.pages(for: longest), maximumTokens: longest,
                    maximumSequences: 1, contextLength: longest, threads: threads))
        } catch {
            throw CompositionError(error)
        }
    }

    private func packed(
        _ adapter: WeightedAdapter, _ gate: InputRecordingGate
    ) throws(CompositionError) -> PackedAdapter {
        do {
            return try PackedAdapter(
                mixture: adapter.name, experts: [adapter.adapter], gate: gate, for: model)
        } catch {
            throw CompositionError(error)
        }
    }

    /// One example in a step of its own, so that the order of the inputs is always the same.
    private func run(
        _ example: TokenizedExample, _ mixture: PackedAdapter, on executor: Executor
    ) throws(CompositionError) {
        let input = example.input
        let pages = ExecutorConfiguration.pages(for: input.count)
        do {
            _ = try executor.run(
                ExecutorStep(chunks: [
                    SequenceChunk(
                        tokens: input, position: 0, pages: (0..<pages).map { Int32($0) },
                        adapters: [AdapterUse(mixture)], logitRows: 0,
                        gating: ChunkGating(promptTokens: example.prompt.count))
                ]))
        } catch {
            throw CompositionError(error)
        }
    }
}

/// A gate that keeps what it reads: the inputs of all linear layers. Its one expert has one weight.
private final class InputRecordingGate: Gate {
    let traits: GateTraits
    private let weight: Float
    /// The rows that were read at each point.
    private let read: Mutex<[[Float]]>

    init(layers: Int, weight: Float) {
        let points = (0..<layers).flatMap { layer in
            MatrixGroup.allCases.map { GatePoint(.input($0), layer: layer) }
        }
        traits = GateTraits(points: points)
        self.weight = weight
        read = Mutex(Array(repeating: [], count: points.count))
    }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) throws(PolicyError) {
        for index in weights.indices { weights[index] = weight }
        read.withLock { read in
            read[point].reserveCapacity(read[point].count + features.count)
            for index in features.indices { read[point].append(features[index]) }
        }
    }

    /// Values that the matrices of a group multiply, per token.
    static func width(of group: MatrixGroup, _ model: ModelConfiguration) -> Int {
        group.matrices.first.flatMap { LinearKind(rawValue: $0.rawValue) }.map(model.inputSize) ?? 0
    }

    func inputs(_ model: ModelConfiguration) -> [LinearInputs.Place: Matrix] {
        var inputs: [LinearInputs.Place: Matrix] = [:]
        for (values, point) in zip(read.withLock { $0 }, traits.points) {
            guard case .input(let group) = point.reading else { continue }
            let width = Self.width(of: group, model)
            guard width > 0 else { continue }
            inputs[LinearInputs.Place(layer: point.layer, group: Int(group.rawValue))] = Matrix(
                rows: values.count / width, columns: width, floats: values)
        }
        return inputs
    }
}
