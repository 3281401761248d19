// SPDX-License-Identifier: Apache-2.0

import Foundation
import MoLE
import PolicyKit

/// The formulas of a trained gate, written down as they stand in the paper and in the documentation:
/// in Double, each row by itself from the whole sequence, the experts' outputs formed in full.
struct NaiveGate {
    let fixture: GateFixture
    let configuration: MoLEConfiguration
    let tensors: [String: GateTensor]

    /// The weights of one set at every row of a sequence.
    func weights(of name: String, at point: GatePoint, for sequence: GateSequence) -> [[Double]] {
        let width = sequence.features.count / sequence.rows.count
        let features = sequence.rows.indices.map { row in
            seen(
                (0..<width).map { Double(sequence.features[row * width + $0]) }, at: point,
                masked: configuration.mask == .exclude ? sequence.rows[row].masked : 0)
        }
        return sequence.rows.indices.map { row in
            let prompt = Int(sequence.rows[row].promptTokens)
            let causal = configuration.poolSpan == .prompt ? min(row + 1, prompt) : row + 1
            let pooled = 0..<(configuration.pooling == .prompt ? prompt : causal)
            var sums = vector("\(name).bias")
            if configuration.pooling.hasTokenTerm {
                let isBare = configuration.normalisation == .none
                let norm = isBare ? 1 : squaredNorm(of: features[row], at: point).squareRoot()
                sums = added(sums, product("\(name).gate.weight", features[row].map { $0 / norm }))
            }
            if configuration.pooling.hasPoolTerm {
                sums = added(
                    sums,
                    product("\(name).pool.weight", pool(of: features[pooled], at: point)))
            }
            if configuration.hidden > 0 {
                sums = added(
                    product("\(name).out.weight", sums.map { max(0, $0) }),
                    vector("\(name).out.bias"))
            }
            let tau = exp(vector("\(name).log_tau")[0])
            return softmax(sums.map { $0 / tau }, masked: sequence.rows[row].masked)
        }
    }

    /// Ranks with zeros for those of masked experts.
    private func seen(_ ranks: [Double], at point: GatePoint, masked: UInt64) -> [Double] {
        guard case .shrunk(let group) = point.reading else { return ranks }
        var owners: [Int] = []
        for matrix in group.matrices {
            for (expert, description) in fixture.mixture.experts.enumerated() {
                let place = MatrixPlace(layer: point.layer, matrix: matrix)
                owners += Array(repeating: expert, count: description.ranks[place] ?? 0)
            }
        }
        return zip(ranks, owners).map { masked >> UInt64($1) & 1 == 1 ? 0 : $0 }
    }

    private func pool(of features: ArraySlice<[Double]>, at point: GatePoint) -> [Double] {
        let squares = features.map { squaredNorm(of: $0, at: point) }
        let count = Double(features.count)
        func sum(dividedBy divisors: [Double]) -> [Double] {
            zip(features, divisors).reduce(Array(repeating: 0, count: features.first?.count ?? 0)) {
                sum, next in added(sum, next.0.map { $0 / next.1 })
            }
        }
        switch configuration.poolDivisor {
        case .rootCount:
            return sum(dividedBy: squares.map { $0.squareRoot() * count.squareRoot() })
        case .count: return sum(dividedBy: squares.map { $0.squareRoot() * count })
        case .norm:
            let root = squares.reduce(0, +).squareRoot()
            return sum(dividedBy: squares.map { _ in root })
        }
    }

    private func squaredNorm(of features: [Double], at point: GatePoint) -> Double {
        let squares = features.reduce(0) { $0 + $1 * $1 }
        switch configuration.normalisation {
        case .none:
            return configuration.poolDivisor == .norm ? squares + configuration.epsilon : 1
        case .rms: return squares / Double(features.count) + configuration.epsilon
        case .outputs:
            return outputs(features, at: point).reduce(0) { $0 + $1 * $1 } + configuration.epsilon
        }
    }

    /// Eq. 9: the outputs of all experts one behind the other, from their ranks.
    private func outputs(_ ranks: [Double], at point: GatePoint) -> [Double] {
        guard case .shrunk(let group) = point.reading else { return [] }
        var (outputs, next): ([Double], Int) = ([], 0)
        for matrix in group.matrices {
            for expert in fixture.mixture.experts.indices {
                let place = MatrixPlace(layer: point.layer, matrix: matrix)
                guard let up = fixture.factors(ofExpert: expert, at: place)?.up else { continue }
                outputs += product(up, Array(ranks[next..<next + up.shape[1]]))
                next += up.shape[1]
            }
        }
        return outputs
    }

    /// Eq. 11 for all experts, then masked, cut and scaled back to the sum that the experts had.
    private func softmax(_ logits: [Double], masked: UInt64) -> [Double] {
        let exponentials = logits.map { exp($0) }
        let all = exponentials.reduce(0, +)
        let experts = configuration.experts.indices
        let whole = exponentials[experts].reduce(0, +) / all
        let open = experts.filter { masked >> UInt64($0) & 1 == 0 }
        let count = configuration.topK > 0 ? configuration.topK : experts.count
        let kept = Set(open.sorted { logits[$0] > logits[$1] }.prefix(count))
        let share = kept.reduce(0) { $0 + exponentials[$1] }
        return experts.map { kept.contains($0) ? exponentials[$0] / share * whole : 0 }
    }

    // MARK: - Arithmetic

    private func vector(_ name: String) -> [Double] {
        (tensors[name]?.values ?? []).map { Double($0) }
    }

    private func product(_ name: String, _ vector: [Double]) -> [Double] {
        tensors[name].map { product($0, vector) } ?? []
    }

    private func product(_ matrix: GateTensor, _ vector: [Double]) -> [Double] {
        (0..<matrix.shape[0]).map { row in
            vector.indices.reduce(0) {
                $0 + Double(matrix.values[row * matrix.shape[1] + $1]) * vector[$1]
            }
        }
    }

    private func added(_ left: [Double], _ right: [Double]) -> [Double] {
        zip(left, right).map { $0 + $1 }
    }
}
