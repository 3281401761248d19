// SPDX-License-Identifier: Apache-2.0

/// The seven linear layers of a transformer block, in the order they are computed.
package enum LinearKind: String, CaseIterable, Sendable, Codable {
    case q, k, v, o, gate, up, down

    /// The module's name inside `model.layers.N`.
    package var moduleName: String {
        switch self {
        case .q: "self_attn.q_proj"
        case .k: "self_attn.k_proj"
        case .v: "self_attn.v_proj"
        case .o: "self_attn.o_proj"
        case .gate: "mlp.gate_proj"
        case .up: "mlp.up_proj"
        case .down: "mlp.down_proj"
        }
    }

    /// Its place in `allCases`.
    package var ordinal: Int {
        switch self {
        case .q: 0
        case .k: 1
        case .v: 2
        case .o: 3
        case .gate: 4
        case .up: 5
        case .down: 6
        }
    }
}

/// The RMS norms of a transformer block.
package enum NormKind: String, CaseIterable, Sendable {
    case input, postAttention
    /// Over each head's `headSize` values, before the rotary embedding; only with `queryKeyNorm`.
    case query, key

    /// The module's name inside `model.layers.N`.
    package var moduleName: String {
        switch self {
        case .input: "input_layernorm"
        case .postAttention: "post_attention_layernorm"
        case .query: "self_attn.q_norm"
        case .key: "self_attn.k_norm"
        }
    }
}

/// The architectures that are implemented, under their `model_type`.
package enum ModelFamily: String, Sendable, CaseIterable {
    case llama, mistral, qwen2, qwen3
}

/// Everything about a model's arithmetic that its `config.json` decides.
package struct ModelConfiguration: Sendable, Equatable {
    package var family: ModelFamily
    package var hiddenSize: Int
    package var intermediateSize: Int
    package var layerCount: Int
    package var headCount: Int
    package var kvHeadCount: Int
    package var headSize: Int
    package var vocabularySize: Int
    /// The most positions a sequence may have: already cut to a sliding window, if there is one.
    package var contextLength: Int
    package var normEpsilon: Float
    package var rope: RopeConfiguration
    /// Whether the output head is the embedding.
    package var tiedEmbeddings: Bool
    package var linearBiases: Set<LinearKind>
    package var queryKeyNorm: Bool
    package var beginToken: Int32?
    /// Ids that end a text: those of `generation_config.json`, then others of `config.json`.
    package var endTokens: [Int32]
    /// What the reader should know: for example, that the context was cut to the window.
    package var notes: [String]

    /// A configuration out of its parts; one parameter per stored property by intent.
    package init(
        family: ModelFamily, hiddenSize: Int, intermediateSize: Int, layerCount: Int,
        headCount: Int, kvHeadCount: Int, headSize: Int, vocabularySize: Int, contextLength: Int,
        normEpsilon: Float = 1e-5, rope: RopeConfiguration = RopeConfiguration(),
        tiedEmbeddings: Bool = false, linearBiases: Set<LinearKind> = [],
        queryKeyNorm: Bool = false, beginToken: Int32? = nil, endTokens: [Int32] = [],
        notes: [String] = []
    ) {
        self.family = family
        self.hiddenSize = hiddenSize
        self.intermediateSize = intermediateSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.kvHeadCount = kvHeadCount
        self.headSize = headSize
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.normEpsilon = normEpsilon
        self.rope = rope
        self.tiedEmbeddings = tiedEmbeddings
        self.linearBiases = linearBiases
        self.queryKeyNorm = queryKeyNorm
        self.beginToken = beginToken
        self.endTokens = endTokens
        self.notes = notes
    }

    /// Values that go into the layer, per token.
    package func inputSize(of linear: LinearKind) -> Int {
        switch linear {
        case .q, .k, .v, .gate, .up: hiddenSize
        case .o: headCount * headSize
        case .down: intermediateSize
        }
    }

    /// Values that come out of the layer, per token.
    package func outputSize(of linear: LinearKind) -> Int {
        switch linear {
        case .q: headCount * headSize
        case .k, .v: kvHeadCount * headSize
        case .o, .down: hiddenSize
        case .gate, .up: intermediateSize
        }
    }

    /// All weights and biases, counting a tied embedding once.
    package var parameterCount: Int {
        var layer = 2 * hiddenSize + (queryKeyNorm ? 2 * headSize : 0)
        for linear in LinearKind.allCases {
            let outputs = outputSize(of: linear)
            layer += inputSize(of: linear) * outputs + (linearBiases.contains(linear) ? outputs : 0)
        }
        let embedding = vocabularySize * hiddenSize
        return layerCount * layer + hiddenSize + embedding * (tiedEmbeddings ? 1 : 2)
    }
}
