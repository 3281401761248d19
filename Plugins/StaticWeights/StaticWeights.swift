// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([StaticWeights.self])
}

/// Gives each expert one weight for all tokens: linear arithmetic and its normalised form, the
/// baselines of MoLE (Eq. 1 and 2), or weights that somebody chose.
final class StaticWeights: GatingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "static-weights", version: "1.0.0",
            summary: "Weighs the experts of a mixture alike for all tokens: each with 1, each with "
                + "1/N, or as a list says.")
    }

    private let mode: Mode
    private let list: [Float]

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        mode = parameters.mode
        list = try Self.numbers(in: parameters.weights)
        guard (mode == .listed) != list.isEmpty else {
            throw PolicyError(
                mode == .listed
                    ? "the mode is 'listed', but 'weights' is empty"
                    : "'weights' is only for the mode 'listed', not for '\(mode.rawValue)'")
        }
    }

    /// Numbers parted by commas or spaces.
    private static func numbers(in text: String) throws(PolicyError) -> [Float] {
        var numbers: [Float] = []
        for word in text.split(whereSeparator: { $0 == "," || $0 == " " }) {
            guard let number = Float(word), number.isFinite, abs(number) <= 1_000 else {
                throw PolicyError("'\(word)' in 'weights' is no number from -1000 to 1000")
            }
            numbers.append(number)
        }
        return numbers
    }

    func gate(
        for mixture: MixtureDescription, from sources: any MixtureSources
    ) throws(PolicyError) -> any Gate {
        let count = mixture.experts.count
        switch mode {
        case .linear: return StaticGate(Array(repeating: 1, count: count), keepsSum: false)
        case .normalized:
            return StaticGate(Array(repeating: 1 / Float(count), count: count), keepsSum: true)
        case .listed:
            guard list.count == count else {
                throw PolicyError(
                    "'weights' lists \(list.count) numbers for \(count) experts: "
                        + mixture.experts.map(\.name).joined(separator: ", "))
            }
            return StaticGate(list, keepsSum: list.allSatisfy { $0 >= 0 })
        }
    }
}

private final class StaticGate: Gate {
    private let values: [Float]

    /// Whether the weights of those that are not masked grow so that the sum stays.
    private let keepsSum: Bool

    init(_ values: [Float], keepsSum: Bool) {
        self.values = values
        self.keepsSum = keepsSum
    }

    var traits: GateTraits { GateTraits(points: [GatePoint(.tokens)]) }

    func weigh(
        at point: Int, features: Span<Float>, rows: Span<GateRow>,
        states: inout MutableSpan<Float>, weights: inout MutableSpan<Float>
    ) {
        for row in rows.indices {
            let masked = rows[row].masked
            let scale = keepsSum && masked != 0 ? growth(without: masked) : 1
            for expert in values.indices {
                let isMasked = masked >> UInt64(expert) & 1 == 1
                weights[row * values.count + expert] = isMasked ? 0 : values[expert] * scale
            }
        }
    }

    private func growth(without masked: UInt64) -> Float {
        let kept = values.indices.reduce(Float(0)) { sum, expert in
            masked >> UInt64(expert) & 1 == 1 ? sum : sum + values[expert]
        }
        return kept > 0 ? values.reduce(0, +) / kept : 1
    }
}
