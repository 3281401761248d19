// SPDX-License-Identifier: Apache-2.0

/// Makes the gates of mixtures: how much each expert of a mixture counts for each token.
///
/// Unlike the other kinds it decides nothing about scheduling: it is asked once for each mixture
/// and gives a ``Gate``, which the host then asks in the middle of forward passes.
public protocol GatingPolicy: Policy {
    /// The folder whose files the gate is made from, or `nil` where it needs none.
    var folder: ParameterPath? { get }

    /// Makes the gate of one mixture; called again when one of its experts was replaced.
    ///
    /// May take its time: it runs off the loop. ``MixtureSources`` reads files for it.
    ///
    /// - Throws: ``PolicyError`` where the gate does not fit the mixture, for instance because it
    ///   was trained for other experts; the mixture is then refused with these words.
    func gate(
        for mixture: MixtureDescription, from sources: any MixtureSources
    ) throws(PolicyError) -> any Gate
}

extension GatingPolicy {
    public static var kind: PolicyKind { .gating }
    public var folder: ParameterPath? { nil }
}

/// The weights of a mixture's experts, as a function of what the model computes.
///
/// Immutable, so that several replicas may ask at once; all that depends on a sequence is in the
/// state that the host keeps beside its keys and values. Equal inputs give equal weights, bit for
/// bit: a row's weights depend on the rows of its own sequence up to it, never on how the host cuts
/// sequences into steps, nor on other sequences of the step.
public protocol Gate: AnyObject, Sendable {
    var traits: GateTraits { get }

    /// Gives the weights of all rows at one point.
    ///
    /// - Parameters:
    ///   - point: The index of the point in ``GateTraits/points``.
    ///   - features: `[rows, width]`: what the point reads, see ``GateReading``.
    ///   - rows: The tokens; those of one sequence follow one another in its order.
    ///   - states: `[rows, stateFloats]`: at the first row of each sequence, the state that the row
    ///     before it left behind, zeros before position 0. On return each row's own state.
    ///   - weights: `[rows, matrices, experts]`, to be filled in; `matrices` as in ``GatePoint``.
    /// - Throws: ``PolicyError``; the host then fails the requests of the rows.
    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) throws(PolicyError)
}

/// A token in front of a gate.
@frozen
public struct GateRow: Sendable {
    public var token: Int32

    /// Its place in its sequence, from 0.
    public var position: Int32

    /// Tokens of the prompt of its sequence: whoever freezes weights freezes them after those.
    public var promptTokens: Int32

    /// Rows of its sequence in this call up to and with this one: 1 for the first.
    public var ordinal: Int32

    /// The experts that the request leaves out, the lowest bit for the first: their weights must
    /// be 0, and the others' are what they were, scaled so that their sum is what it was. Where
    /// weights are not made to have a sum, the others stay as they are.
    public var masked: UInt64

    @inlinable
    public init(
        token: Int32, position: Int32, promptTokens: Int32, ordinal: Int32, masked: UInt64 = 0
    ) {
        self.token = token
        self.position = position
        self.promptTokens = promptTokens
        self.ordinal = ordinal
        self.masked = masked
    }
}

/// What a gate says of itself to the host that evaluates it.
public struct GateTraits: Sendable {
    /// Where it is asked, in the order of the computation; weights hold until the next point.
    public var points: [GatePoint]

    /// Floats of state that it keeps for each token at each point.
    public var stateFloats: Int

    /// Whether the weights of a prompt's tokens depend on the whole prompt: then the host computes
    /// each prompt in one piece, and shares none of its prefixes.
    public var needsWholePrompt: Bool

    public init(points: [GatePoint], stateFloats: Int = 0, needsWholePrompt: Bool = false) {
        self.points = points
        self.stateFloats = stateFloats
        self.needsWholePrompt = needsWholePrompt
    }
}

/// A place in the forward pass at which a gate is asked.
@frozen
public struct GatePoint: Hashable, Sendable {
    public var reading: GateReading

    /// The transformer block, from 0; -1 for a reading before all blocks.
    public var layer: Int

    /// Whether each matrix that the point stands before has weights of its own: three for queries,
    /// keys and values, two for gate and up, one otherwise. Else one set of weights is for all.
    public var isPerMatrix: Bool

    /// The number of the model's layers where every matrix of every layer has weights of its own,
    /// all given at this point; 0 otherwise. Such a point is the only one of its gate.
    public var coveredLayers: Int

    public init(_ reading: GateReading, layer: Int = -1, isPerMatrix: Bool = false) {
        self.reading = reading
        self.layer = layer
        self.isPerMatrix = isPerMatrix
        self.coveredLayers = 0
    }

    /// A point at or before the first block at which the weights of all matrices are given at once:
    /// layer by layer, in each in the order of ``ModelMatrix``.
    ///
    /// - Parameters:
    ///   - reading: `.tokens`, `.finalHidden`, or `.blockInput`, which is that of the first block.
    ///   - layers: The number of the model's layers.
    public init(_ reading: GateReading, coveringLayers layers: Int) {
        self.init(reading, layer: reading == .blockInput ? 0 : -1)
        self.coveredLayers = layers
    }

    /// Which of the sets of weights is for a matrix that the point stands before.
    public func set(of place: MatrixPlace) -> Int {
        if coveredLayers > 0 {
            return place.layer * ModelMatrix.allCases.count + place.matrix.index
        }
        guard isPerMatrix else { return 0 }
        return switch reading {
        case .input(let group), .shrunk(let group):
            group.matrices.firstIndex(of: place.matrix) ?? 0
        case .tokens, .finalHidden, .blockInput: 0
        }
    }

    /// Sets of weights for each row.
    public var matrices: Int {
        if coveredLayers > 0 { return coveredLayers * ModelMatrix.allCases.count }
        guard isPerMatrix else { return 1 }
        return switch reading {
        case .input(let group), .shrunk(let group): group.matrices.count
        case .tokens, .finalHidden, .blockInput: 1
        }
    }
}

/// What a gate reads at a point.
@frozen
public enum GateReading: Hashable, Sendable {
    /// Nothing but the tokens themselves: before the first block. The width is 0.
    case tokens
    /// The normed final hidden state of a pass of the base model over the same tokens, which the
    /// host runs first, with keys and values of its own: before the first block. The width is the
    /// model's hidden size.
    case finalHidden
    /// The residual stream at the beginning of the block. The width is the hidden size.
    case blockInput
    /// What the matrices of the group multiply.
    case input(MatrixGroup)
    /// The ranks of all experts for the matrices of the group, `scale · A · x`: matrix by matrix,
    /// in each the experts in their order, without padding. An expert that does not act there has
    /// none.
    case shrunk(MatrixGroup)
}

/// Linear layers of a block that read the same input.
@frozen
public enum MatrixGroup: UInt8, CaseIterable, Sendable {
    case attentionInput
    case attentionOutput
    case feedForwardInput
    case feedForwardOutput

    public var matrices: [ModelMatrix] {
        switch self {
        case .attentionInput: [.q, .k, .v]
        case .attentionOutput: [.o]
        case .feedForwardInput: [.gate, .up]
        case .feedForwardOutput: [.down]
        }
    }
}

/// A linear layer of a block.
@frozen
public enum ModelMatrix: String, CaseIterable, Sendable {
    case q, k, v, o, gate, up, down

    /// Its place in ``allCases``.
    public var index: Int {
        switch self {
        case .q: 0
        case .k: 1
        case .v: 2
        case .o: 3
        case .gate: 4
        case .up: 5
        case .down: 6
        }
    }
}

/// A mixture that a gate is made for.
public struct MixtureDescription: Sendable {
    public var name: String
    public var layers: Int
    public var hiddenSize: Int

    /// In the order of the weights; at most ``maximumExperts``.
    public var experts: [MixtureExpert]

    public init(name: String, layers: Int, hiddenSize: Int, experts: [MixtureExpert]) {
        self.name = name
        self.layers = layers
        self.hiddenSize = hiddenSize
        self.experts = experts
    }

    /// Experts of one mixture at most.
    public static var maximumExperts: Int { 64 }

    /// Floats that a gate reads of each row at a point; `nil` where the width is the model's, of
    /// the attention or the feed-forward layer, which is not said here.
    public func width(of point: GatePoint) -> Int? {
        switch point.reading {
        case .tokens: 0
        case .finalHidden, .blockInput, .input(.attentionInput), .input(.feedForwardInput):
            hiddenSize
        case .input: nil
        case .shrunk(let group):
            group.matrices.reduce(0) { sum, matrix in
                experts.reduce(sum) {
                    $0 + ($1.ranks[MatrixPlace(layer: point.layer, matrix: matrix)] ?? 0)
                }
            }
        }
    }
}

/// An adapter as a part of a mixture.
public struct MixtureExpert: Sendable {
    public var name: String

    /// SHA-256 of its weights, in hexadecimal; what a gate file was trained with.
    public var digest: String

    /// The rank at each place where it acts.
    public var ranks: [MatrixPlace: Int]

    public init(name: String, digest: String, ranks: [MatrixPlace: Int]) {
        self.name = name
        self.digest = digest
        self.ranks = ranks
    }
}

/// A matrix of the model.
@frozen
public struct MatrixPlace: Hashable, Sendable {
    public var layer: Int
    public var matrix: ModelMatrix

    public init(layer: Int, matrix: ModelMatrix) {
        self.layer = layer
        self.matrix = matrix
    }
}

/// Reads for a gate that is being made; the host conforms to it.
public protocol MixtureSources {
    /// A file of the gate's folder that holds JSON, or `nil` where there is no such file.
    ///
    /// - Throws: ``PolicyError`` with the path where it cannot be read or is no JSON.
    func json(_ file: String) throws(PolicyError) -> FileValue?

    /// The tensors of a safetensors file of the gate's folder, or `nil` where there is no such file.
    ///
    /// - Throws: ``PolicyError`` with the path where it cannot be read.
    func tensors(_ file: String) throws(PolicyError) -> [String: GateTensor]?

    /// As ``tensors(_:)``, from the folder of an expert.
    func tensors(_ file: String, ofExpert expert: Int) throws(PolicyError) -> [String: GateTensor]?

    /// An expert's factors at a place where it acts: `down` `[rank, inputs]`, without the scale,
    /// `up` `[outputs, rank]`, and the scale.
    ///
    /// - Throws: ``PolicyError`` where its file cannot be read any more.
    func factors(
        ofExpert expert: Int, at place: MatrixPlace
    ) throws(PolicyError) -> (down: GateTensor, up: GateTensor, scale: Float)?
}

/// A tensor in memory, row-major.
public struct GateTensor: Sendable, Equatable {
    public var shape: [Int]
    public var values: [Float]

    /// `values` must have as many elements as the shape says.
    public init(shape: [Int], values: [Float]) {
        precondition(shape.reduce(1, *) == values.count, "\(values.count) values for \(shape)")
        self.shape = shape
        self.values = values
    }
}

/// A value of a JSON file.
@frozen
public indirect enum FileValue: Sendable, Equatable {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array([FileValue])
    case object([String: FileValue])

    /// The member of an object, `nil` where this is none or has none of that name.
    public subscript(key: String) -> FileValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }
}
