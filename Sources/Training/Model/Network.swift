// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading
internal import PolicyKit

/// What is trained: a matrix under the name that files have for it.
struct Parameter<Scalar: TrainingScalar> {
    let name: String
    /// As files have it; the matrix has as many elements.
    let shape: [Int]
    let matrix: Matrix<Scalar>
    /// Whether weight decay pulls it towards zero.
    let decays: Bool
}

/// A frozen model with experts over it, and what of them is trained.
final class Network<Scalar: TrainingScalar> {
    let model: FrozenModel<Scalar>
    let experts: ExpertStack<Scalar>
    /// Weighs the experts; without it each counts in full.
    let gate: GateNetwork<Scalar>?
    /// The model without experts, where the gate reads what that computes.
    let base: Network?
    let parameters: [Parameter<Scalar>]
    /// By layer and `LinearKind.ordinal`, the place of `down` in `parameters`, followed by `up`.
    private let expertParameters: [Int?]

    /// A mixture whose gate is trained.
    init(_ model: FrozenModel<Scalar>, experts: ExpertStack<Scalar>, gate: GateNetwork<Scalar>) {
        self.model = model
        self.experts = experts
        self.gate = gate
        base = gate.readsFinalHidden ? Network(model) : nil
        parameters = gate.parameters
        expertParameters = []
    }

    /// A model of which nothing is trained.
    private init(_ model: FrozenModel<Scalar>) {
        self.model = model
        experts = ExpertStack(
            count: 0,
            sites: Array(
                repeating: nil,
                count: model.configuration.layerCount * LinearKind.allCases.count))
        gate = nil
        base = nil
        parameters = []
        expertParameters = []
    }

    /// An adapter that is trained itself.
    init(_ model: FrozenModel<Scalar>, training experts: ExpertStack<Scalar>) {
        self.model = model
        self.experts = experts
        gate = nil
        base = nil
        var parameters: [Parameter<Scalar>] = []
        var places: [Int?] = []
        for layer in 0..<model.configuration.layerCount {
            for linear in LinearKind.allCases {
                guard let site = experts[layer, linear] else {
                    places.append(nil)
                    continue
                }
                places.append(parameters.count)
                let module = AdapterSite(layer: layer, linear: linear).moduleName
                for (factor, matrix) in [("lora_A", site.down), ("lora_B", site.up)] {
                    parameters.append(
                        Parameter(
                            name: "base_model.model.\(module).\(factor).weight",
                            shape: [matrix.rows, matrix.columns], matrix: matrix, decays: true))
                }
            }
        }
        self.parameters = parameters
        expertParameters = places
    }

    /// The place of the `down` factor in `parameters`; nil where it is not trained.
    func expertParameter(_ layer: Int, _ linear: LinearKind) -> Int? {
        guard !expertParameters.isEmpty else { return nil }
        return expertParameters[layer * LinearKind.allCases.count + linear.ordinal]
    }

    /// Zeros of the shapes of `parameters`.
    func gradients() -> [Matrix<Scalar>] {
        parameters.map { Matrix($0.matrix.rows, $0.matrix.columns) }
    }
}

extension MatrixGroup {
    var linears: [LinearKind] { matrices.map(\.linear) }
}

extension ModelMatrix {
    var linear: LinearKind {
        switch self {
        case .q: .q
        case .k: .k
        case .v: .v
        case .o: .o
        case .gate: .gate
        case .up: .up
        case .down: .down
        }
    }
}
