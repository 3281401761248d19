// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The gate vectors of one expert, normalised.
struct GateVectors {
    static let file = "phatgoose_gate.safetensors"

    private(set) var vectors: [MatrixPlace: [Float]] = [:]

    /// Reads `layers.<l>.<matrix>.gate` `[inputs]` of every place where the expert acts.
    ///
    /// - Throws: ``PolicyError`` where one is missing, left over or wrong.
    init(
        of expert: MixtureExpert, at index: Int, from sources: any MixtureSources
    ) throws(PolicyError) {
        guard var tensors = try sources.tensors(Self.file, ofExpert: index) else {
            throw PolicyError("there is no \(Self.file) in the folder of '\(expert.name)'")
        }
        let places = expert.ranks.filter { $0.value > 0 }.keys.sorted {
            ($0.layer, $0.matrix.index) < ($1.layer, $1.matrix.index)
        }
        for place in places {
            let name = "layers.\(place.layer).\(place.matrix.rawValue).gate"
            guard let tensor = tensors.removeValue(forKey: name) else {
                throw PolicyError("\(Self.file) of '\(expert.name)' has no tensor '\(name)'")
            }
            guard tensor.shape.count == 1, !tensor.values.isEmpty,
                tensor.values.allSatisfy(\.isFinite)
            else {
                throw PolicyError(
                    "'\(name)' of '\(expert.name)' is no vector of finite values: its shape is "
                        + "\(tensor.shape)")
            }
            vectors[place] = Self.normalised(tensor.values)
        }
        if let extra = tensors.keys.min() {
            throw PolicyError(
                "\(Self.file) of '\(expert.name)' has '\(extra)', but the expert does not act there"
            )
        }
    }

    /// Mean 0 and variance 1, as layer normalisation without its own weights.
    private static func normalised(_ values: [Float]) -> [Float] {
        let count = Double(values.count)
        let mean = values.reduce(0) { $0 + Double($1) } / count
        let variance = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
        let scale = 1 / (variance + Double(layerNormEpsilon)).squareRoot()
        return values.map { Float((Double($0) - mean) * scale) }
    }
}

/// PyTorch's; PHATGOOSE does not change it.
let layerNormEpsilon: Float = 1e-5

/// The vectors of all experts for the matrices of a group.
struct GroupVectors {
    /// `[matrices · experts, inputs]`, zeros where an expert does not act.
    let vectors: GateProjection

    /// The sum of each of its rows: 0 but for rounding.
    let sums: [Float]

    /// For each matrix the experts that do not act on it, the lowest bit for the first.
    let absent: [UInt64]

    /// `nil` where no expert acts on any matrix of the group.
    init?(at layer: Int, _ group: MatrixGroup, in files: [GateVectors]) throws(PolicyError) {
        var rows: [[Float]?] = []
        var absent: [UInt64] = []
        for matrix in group.matrices {
            let place = MatrixPlace(layer: layer, matrix: matrix)
            var missing: UInt64 = 0
            for (expert, file) in files.enumerated() {
                rows.append(file.vectors[place])
                if file.vectors[place] == nil { missing |= 1 << UInt64(expert) }
            }
            absent.append(missing)
        }
        guard let inputs = rows.lazy.compactMap({ $0?.count }).first else { return nil }
        let values = rows.map { $0 ?? Array(repeating: 0, count: inputs) }
        guard values.allSatisfy({ $0.count == inputs }) else {
            throw PolicyError("the gate vectors of layer \(layer) differ in length")
        }
        vectors = try GateProjection(
            GateTensor(shape: [values.count, inputs], values: Array(values.joined())))
        sums = values.map { $0.reduce(0, +) }
        self.absent = absent
    }
}
