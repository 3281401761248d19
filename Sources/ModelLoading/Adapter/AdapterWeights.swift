// SPDX-License-Identifier: Apache-2.0

/// A linear layer of one transformer block: where an adapter may act.
package struct AdapterSite: Hashable, Sendable, Comparable {
    package let layer: Int
    package let linear: LinearKind

    package init(layer: Int, linear: LinearKind) {
        self.layer = layer
        self.linear = linear
    }

    /// The module's name in the base model, as PEFT matches it.
    package var moduleName: String { "model.layers.\(layer).\(linear.moduleName)" }

    /// Layer by layer, in the order of `LinearKind.allCases`.
    package static func < (left: AdapterSite, right: AdapterSite) -> Bool {
        (left.layer, left.linear.ordinal) < (right.layer, right.linear.ordinal)
    }
}

/// The low-rank factors at one site: the layer's output grows by `scale * b * (a * x)`.
package struct LoRAFactors: Sendable {
    package let rank: Int
    package let scale: Float
    /// `[rank, inputSize]`
    package let a: FactorMatrix
    /// `[outputSize, rank]`
    package let b: FactorMatrix

    package init(rank: Int, scale: Float, a: FactorMatrix, b: FactorMatrix) {
        self.rank = rank
        self.scale = scale
        self.a = a
        self.b = b
    }
}

/// A LoRA adapter whose every tensor was checked against the base model it is for.
///
/// Its files stay open, and its factors in them, for as long as it lives.
package final class AdapterWeights: Sendable {
    package let name: String
    /// The folder it was read from; nil when it is synthetic.
    package let path: String?
    package let sites: [AdapterSite: LoRAFactors]
    package let maximumRank: Int
    /// Bytes of all factors, as stored.
    package let byteCount: Int
    /// What the reader should know: for example, that it was trained for a model of another name.
    package let notes: [String]
    /// What it was trained for, as its configuration says.
    package let baseModelName: String?

    init(
        name: String, path: String?, sites: [AdapterSite: LoRAFactors], notes: [String] = [],
        baseModelName: String? = nil
    ) {
        self.name = name
        self.path = path
        self.sites = sites
        self.notes = notes
        self.baseModelName = baseModelName
        maximumRank = sites.values.map(\.rank).max() ?? 0
        byteCount = sites.values.reduce(0) { $0 + $1.a.byteCount + $1.b.byteCount }
    }
}
