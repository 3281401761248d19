// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Rotary position embeddings: their base and how they are stretched for long contexts.
package struct RopeConfiguration: Sendable, Equatable {
    /// How the frequencies are changed.
    package enum Scaling: Sendable, Equatable {
        case none
        /// Every frequency divided by `factor` (position interpolation).
        case linear(factor: Double)
        /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, a ramp in between.
        case llama3(
            factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double,
            originalContextLength: Int)
    }

    package var theta: Double
    package var scaling: Scaling

    package init(theta: Double = 10_000, scaling: Scaling = .none) {
        self.theta = theta
        self.scaling = scaling
    }

    /// The `headSize / 2` angles per position, of pair 0 (fastest) to the last.
    ///
    /// Pair `i` couples elements `i` and `i + headSize / 2` of a head, as in the published
    /// weights of these families. Source: `_compute_default_rope_parameters` and
    /// `_compute_llama3_parameters` of Hugging Face transformers, `modeling_rope_utils.py`.
    package func inverseFrequencies(headSize: Int) -> [Float] {
        precondition(headSize >= 2, "a head of size \(headSize) has no pairs to rotate")
        return (0..<headSize / 2).map { pair in
            let exponent = Double(Float(2 * pair) / Float(headSize))
            return scaled(Float(1 / pow(theta, exponent)))
        }
    }

    private func scaled(_ frequency: Float) -> Float {
        switch scaling {
        case .none:
            return frequency
        case .linear(let factor):
            return frequency / Float(factor)
        case .llama3(let factor, let low, let high, let originalContextLength):
            let length = Double(originalContextLength)
            let wavelength = 2 * Double.pi / Double(frequency)
            if wavelength < length / high { return frequency }
            if wavelength > length / low { return frequency / Float(factor) }
            let smooth = Float((length / wavelength - low) / (high - low))
            return (1 - smooth) * frequency / Float(factor) + smooth * frequency
        }
    }
}
