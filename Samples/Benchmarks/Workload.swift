// SPDX-License-Identifier: Apache-2.0

import Inference
import ModelLoading

/// One row of the table: what a step holds.
struct Workload {
    enum Mode: String, Codable {
        case unmerged, merged
    }

    let name: String
    /// Sequences of the step.
    let batch: Int
    /// Tokens of each.
    let tokens: Int
    /// Tokens each has in its pages already.
    let position: Int
    /// Distinct adapters that the sequences use in turn; 0 is the base alone.
    let adapters: Int
    let mode: Mode

    static let maximumBatch = 16

    static var all: [Workload] {
        func prefill(_ adapters: Int, _ mode: Mode) -> Workload {
            Workload(
                name: "prefill 512", batch: 1, tokens: 512, position: 0, adapters: adapters,
                mode: mode)
        }
        func decode(_ batch: Int, _ adapters: Int, _ mode: Mode) -> Workload {
            Workload(
                name: "decode", batch: batch, tokens: 1, position: 64, adapters: adapters,
                mode: mode)
        }
        return [prefill(0, .unmerged), prefill(1, .unmerged), prefill(1, .merged)]
            + [1, 8, 16].flatMap { batch in
                [decode(batch, 0, .unmerged), decode(batch, 1, .unmerged)]
                    + (batch > 1 ? [decode(batch, batch, .unmerged)] : [])
                    + [decode(batch, 1, .merged)]
            }
    }

    /// Multiplications and additions, and bytes that must be read, of one step.
    func cost(
        _ model: ModelConfiguration, weightBytes: Int, adapterBytes: Int, adapterRank: Int
    ) -> (operations: Double, bytes: Double) {
        let rows = batch * tokens
        let linears = LinearKind.allCases.reduce(0) {
            $0 + model.inputSize(of: $1) * model.outputSize(of: $1)
        }
        let factors = LinearKind.allCases.reduce(0) {
            $0 + adapterRank * (model.inputSize(of: $1) + model.outputSize(of: $1))
        }
        let perRow = linears + (mode == .unmerged && adapters > 0 ? factors : 0)
        let head = model.vocabularySize * model.hiddenSize
        let context = position + (tokens + 1) / 2
        let attention = 2 * context * model.headCount * model.headSize
        let pairs = rows * model.layerCount * (perRow + attention) + batch * head
        let cache = 2 * model.kvHeadCount * model.headSize * 4 * model.layerCount
        let bytes =
            weightBytes + batch * (position + tokens) * cache
            + (mode == .unmerged ? adapters * adapterBytes : 0)
        return (2 * Double(pairs), Double(bytes))
    }
}
