// SPDX-License-Identifier: Apache-2.0

import MoLE
import PolicyKit
import Testing

/// A trained gate against the formulas, computed without any shortcut.
struct FormulaTests {
    private let fixture = GateFixture()

    /// Readings, granularities and divisors of a pooling and a normalisation, in turn with and without
    /// a hidden layer and a null expert.
    private func variants(
        _ pooling: MoLEConfiguration.Pooling, _ normalisation: MoLEConfiguration.Normalisation
    ) -> [MoLEConfiguration] {
        var found: [MoLEConfiguration] = []
        for reading in MoLEConfiguration.Reading.allCases {
            for granularity in MoLEConfiguration.Granularity.allCases {
                for divisor in MoLEConfiguration.PoolDivisor.allCases {
                    var variant = fixture.configuration
                    variant.reading = reading
                    variant.granularity = granularity
                    variant.pooling = pooling
                    variant.poolDivisor = divisor
                    variant.normalisation = normalisation
                    variant.hidden = [0, 5, 0, 9, 0][found.count % 5]
                    variant.poolSpan = found.count % 2 == 1 ? .prompt : .sequence
                    variant.hasNullExpert = found.count % 3 == 1
                    variant.epsilon = 1e-3
                    if granularity == .network, reading != .finalHidden { variant.layer = 1 }
                    if variant.contradiction == nil { found.append(variant) }
                }
            }
        }
        return found
    }

    /// The largest difference to the formulas over all rows of a sequence and points of a gate.
    private func difference(
        _ configuration: MoLEConfiguration, seed: UInt64, masked: UInt64 = 0
    ) throws -> Double {
        let parameters = fixture.parameters(of: configuration, seed: seed)
        let gate = try TrainedGate(
            configuration, parameters, for: fixture.mixture, from: fixture)
        let naive = NaiveGate(
            fixture: fixture, configuration: configuration, tensors: parameters.tensors)
        var largest = 0.0
        for (index, site) in configuration.sites(in: fixture.mixture).enumerated() {
            let sequence = GateSequence(
                7, prompt: 4, width: fixture.width(of: site.point), seed: seed, masked: masked)
            let found = try sequence.weights(of: gate, at: index)
            for (set, name) in site.names.enumerated() {
                let expected = naive.weights(of: name, at: site.point, for: sequence)
                let copies = site.point.matrices / site.names.count
                for (row, weights) in expected.enumerated() {
                    for (expert, weight) in weights.enumerated() {
                        let difference = abs(
                            Double(found[row][set * copies * weights.count + expert]) - weight)
                        largest = difference.isNaN ? .infinity : max(largest, difference)
                    }
                }
            }
        }
        return largest
    }

    @Test(
        arguments: MoLEConfiguration.Pooling.allCases, MoLEConfiguration.Normalisation.allCases)
    func weightsAreThoseOfTheFormulas(
        pooling: MoLEConfiguration.Pooling, normalisation: MoLEConfiguration.Normalisation
    ) throws {
        for (seed, variant) in variants(pooling, normalisation).enumerated() {
            let difference = try difference(variant, seed: UInt64(seed))
            #expect(difference <= 1e-6, "seed \(seed): \(variant)")
        }
    }

    @Test(arguments: [0b001, 0b010, 0b101, 0b110, 0b111] as [UInt64], [0, 1, 2])
    func maskedAndCutWeightsAreThoseOfTheFormulas(masked: UInt64, topK: Int) throws {
        for hasNullExpert in [false, true] {
            for pooling in MoLEConfiguration.Pooling.allCases {
                var variant = fixture.configuration
                variant.pooling = pooling
                variant.topK = topK
                variant.hasNullExpert = hasNullExpert
                let difference = try difference(variant, seed: 5, masked: masked)
                #expect(difference <= 1e-6, "\(variant)")
            }
        }
    }

    /// Both meanings of a mask for a gate that reads what the experts shrink.
    @Test(
        arguments: [0b001, 0b010, 0b101, 0b110, 0b111] as [UInt64],
        MoLEConfiguration.Mask.allCases)
    func maskedWeightsOverRanksAreThoseOfTheFormulas(
        masked: UInt64, mask: MoLEConfiguration.Mask
    ) throws {
        for pooling in MoLEConfiguration.Pooling.allCases {
            for normalisation in MoLEConfiguration.Normalisation.allCases {
                var variant = fixture.configuration
                variant.reading = .shrunk
                variant.granularity = .matrix
                variant.pooling = pooling
                variant.normalisation = normalisation
                variant.epsilon = 1e-3
                variant.mask = mask
                let difference = try difference(variant, seed: 6, masked: masked)
                #expect(difference <= 1e-6, "\(variant)")
            }
        }
    }

    /// Eq. 9 to 11 in the space of the outputs, as the paper has them: all outputs of all tokens so far
    /// one behind the other, divided by their length, times a matrix e that is the same for every
    /// token. With `P = Bᵀe` the gate gives the same from the ranks alone.
    @Test func aGateOverRanksIsThePapersGateOverOutputs() throws {
        var configuration = fixture.configuration
        configuration.reading = .shrunk
        configuration.pooling = .causal
        configuration.poolDivisor = .norm
        configuration.normalisation = .outputs
        configuration.epsilon = 0
        let site = try #require(configuration.sites(in: fixture.mixture).first)
        let paper = PapersGate(fixture: fixture, layer: 0, seed: 3)
        var parameters = MoLEParameters(
            zerosFor: configuration, in: fixture.mixture, features: fixture.width(of:))
        parameters.tensors["layers.0.block.pool.weight"] = paper.rankWeights
        let gate = try TrainedGate(
            configuration, parameters, for: fixture.mixture, from: fixture)
        let sequence = GateSequence(6, prompt: 3, width: fixture.width(of: site.point), seed: 4)
        let found = try sequence.weights(of: gate, at: 0)
        for (row, weights) in found.enumerated() {
            let expected = paper.weights(after: row, of: sequence)
            for (weight, expected) in zip(weights, expected) {
                #expect(abs(Double(weight) - expected) <= 1e-6, "row \(row)")
            }
        }
        #expect(Set(found.map { $0[0] }).count == found.count, "the rows differ")
    }
}
