// SPDX-License-Identifier: Apache-2.0

/// How one update of a linear layer is made of several, `W_i = s_i * B_i * A_i` with weight `w_i`.
///
/// All but `factorwise` work on the updates themselves: adding adapters factor by factor gives a
/// product for each pair of adapters, `B_i * A_j`, that none of them was trained for. With a single
/// adapter of weight 1 and nothing pruned each of them gives that adapter.
package enum CompositionMethod: Sendable, Equatable {
    /// `sum w_i W_i`, by stacking the factors: exact, and every rank is kept.
    case concatenate
    /// The nearest low-rank product to `sum w_i W_i`.
    case svd
    /// Of each update the largest elements; then their weighted sum.
    case magnitudePrune(density: Double)
    /// Of each update a random choice of elements, scaled up; then their weighted sum.
    case dare(density: Double)
    /// Of each update the largest elements; then, of each element, the mean of the weighted values
    /// that have the sign of their sum.
    case ties(density: Double)
    /// The random choice of `dare`, then the signs and means of `ties`.
    case dareTies(density: Double)
    /// `(sum w_i B_i) * (sum w_i A_i)`, as LoRAHub composes: for comparison.
    case factorwise
    /// The update whose outputs are nearest to each adapter's own on that adapter's inputs.
    case regressionMean(LinearInputs)

    /// The share of elements that stay, for methods that prune.
    package var density: Double? {
        switch self {
        case .magnitudePrune(let density), .dare(let density), .ties(let density),
            .dareTies(let density):
            density
        case .concatenate, .svd, .factorwise, .regressionMean: nil
        }
    }
}
