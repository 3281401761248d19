// SPDX-License-Identifier: Apache-2.0

package import ModelLoading

/// Where a new adapter acts, and how widely.
package struct AdapterShape: Sendable, Equatable {
    package var rank: Int
    /// What `rank` divides: the update counts `alpha / rank`.
    package var alpha: Double
    /// The linear layers of every block that it acts on, without repetition.
    package var targets: [LinearKind]

    package init(rank: Int, alpha: Double, targets: [LinearKind] = LinearKind.allCases) {
        self.rank = rank
        self.alpha = alpha
        self.targets = targets
    }

    func check() throws(TrainingError) {
        guard AdapterWeights.ranks.contains(rank) else {
            throw TrainingError(
                .invalidSettings,
                "rank is \(rank); \(AdapterWeights.ranks.lowerBound) to "
                    + "\(AdapterWeights.ranks.upperBound) are possible")
        }
        guard (1e-3...1e6).contains(alpha) else {
            throw TrainingError(
                .invalidSettings, "adapter-alpha is \(alpha); 0.001 to 1000000 are possible")
        }
        guard !targets.isEmpty else {
            throw TrainingError(.invalidSettings, "there is no layer to act on")
        }
    }

    var identity: String {
        "of rank \(rank), alpha \(alpha) on " + targets.map(\.rawValue).joined(separator: ",")
    }

    /// An adapter that does nothing yet: `down` evenly within 1/√inputs, as PEFT has it, `up` zeros.
    func newStack<Scalar>(
        for model: ModelConfiguration, seed: UInt64
    ) -> ExpertStack<Scalar> {
        var random = SplitMix64(seed: seed)
        var sites: [ExpertSite<Scalar>?] = []
        for _ in 0..<model.layerCount {
            for linear in LinearKind.allCases {
                guard targets.contains(linear) else {
                    sites.append(nil)
                    continue
                }
                let down = Matrix<Scalar>(rank, model.inputSize(of: linear))
                random.fill(down, within: 1 / Double(down.columns).squareRoot())
                sites.append(
                    ExpertSite(
                        down: down, up: Matrix(model.outputSize(of: linear), rank),
                        ranks: [0..<rank], expertScales: [Scalar(alpha / Double(rank))]))
            }
        }
        return ExpertStack(count: 1, sites: sites)
    }
}
