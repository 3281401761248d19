// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// What a trained gate of MoLE (Wu et al., ICLR 2024) computes and for which experts: the file
/// `mole_config.json` beside `mole_gate.safetensors`, whose tensors ``MoLESite`` names.
///
/// At a point, with x the features of a token and x̂ = x / norm(x):
/// ```
/// pre     = W_token · x̂_t + pooled_t + b            each term where the pooling has it
/// pooled  = W_pool · Σ x̂_s / divisor                over tokens s up to t, or of the prompt
/// logits  = pre, or W_out · max(0, pre) + b_out     without and with a hidden layer
/// weights = softmax(logits / exp(log_tau))
/// ```
/// All tensors zero give every expert the weight 1/N.
package struct MoLEConfiguration: Sendable, Equatable {
    /// An expert as it was when the gate was trained; the order is that of the logits.
    package struct Expert: Sendable, Equatable {
        package var name: String

        /// SHA-256 of its weights, in hexadecimal.
        package var sha256: String

        /// The largest of its ranks.
        package var rank: Int

        package init(name: String, sha256: String, rank: Int) {
            self.name = name
            self.sha256 = sha256
            self.rank = rank
        }
    }

    /// What the gate sees of a token.
    package enum Reading: String, CaseIterable, Sendable {
        /// The hidden state that the gated matrices work on, as the official code has it.
        case blockInput = "block-input"
        /// The normed final hidden state of the base model alone, as X-LoRA has it: of a pass of its
        /// own before the first block.
        case finalHidden = "final-hidden"
        /// The ranks of all experts after the first factor: the experts' outputs, as the paper has
        /// it, in the coordinates where they are small.
        case shrunk
    }

    /// What has one set of weights.
    package enum Granularity: String, CaseIterable, Sendable {
        case matrix, layer, block, network

        /// Every block has its own, but all are given before the first.
        case blocksAtOnce = "blocks-at-once"
    }

    /// Which tokens count.
    package enum Pooling: String, CaseIterable, Sendable {
        /// The token itself.
        case token
        /// All tokens up to it.
        case causal
        /// The token itself, and all tokens up to it.
        case both
        /// All tokens of the prompt, for the prompt and for all that follows.
        case prompt
        /// None: weights that are learnt once, for all tokens.
        case none

        package var hasTokenTerm: Bool { self == .token || self == .both }
        package var hasPoolTerm: Bool { self != .token && self != .none }
    }

    /// What a pooled sum of n tokens is divided by.
    package enum PoolDivisor: String, CaseIterable, Sendable {
        /// √n.
        case rootCount = "root-count"
        /// n.
        case count
        /// The root of the sum of the squared norms; the tokens themselves are then not divided by
        /// theirs. With the norm of the outputs this is Eq. 9 of the paper over all tokens.
        case norm
    }

    /// Which tokens up to one a causal pool holds.
    package enum PoolSpan: String, CaseIterable, Sendable {
        /// All.
        case sequence
        /// Those of the prompt: from its end on the pool stays as it is.
        case prompt
    }

    /// What a token's features are divided by.
    package enum Normalisation: String, CaseIterable, Sendable {
        /// The root of the mean of their squares.
        case rms
        /// The length of all experts' outputs one behind the other (Eq. 9); for ranks only.
        case outputs
        /// 1.
        case none
    }

    /// What a gate that reads ranks sees of an expert that a request leaves out; the weight that
    /// the expert would have had goes to the others in proportion.
    package enum Mask: String, CaseIterable, Sendable {
        /// What it always sees: the others keep their proportions.
        case redistribute
        /// Zeros, as if the expert had no part in the outputs that are normalised and pooled.
        case exclude
    }

    package static let format = "mole/1"
    package static let maximumHidden = 1_024

    /// SHA-256 of the base model's weights, in hexadecimal; empty where it is not known.
    package var baseDigest = ""
    package var experts: [Expert]
    package var reading = Reading.blockInput
    package var granularity = Granularity.block

    /// The block at which the only gate of the network reads.
    package var layer = 0
    package var pooling = Pooling.both
    package var poolSpan = PoolSpan.sequence
    package var poolDivisor = PoolDivisor.rootCount
    package var normalisation = Normalisation.rms

    /// Added under the root of a norm.
    package var epsilon = 1e-6

    /// Units of the hidden layer; 0 for none.
    package var hidden = 0

    /// Experts of each token at most that have a weight; 0 for all.
    package var topK = 0

    /// Whether a logit more stands for an expert that adds nothing.
    package var hasNullExpert = false

    package var mask = Mask.redistribute

    /// How the gate was trained; kept as it is.
    package var training: [String: FileValue] = [:]

    /// A configuration for experts, the rest as the properties say.
    package init(experts: [Expert]) { self.experts = experts }

    /// Values in front of the softmax.
    package var logits: Int { experts.count + (hasNullExpert ? 1 : 0) }

    /// Rows of the matrices that read features.
    package var projected: Int { hidden > 0 ? hidden : logits }
}
