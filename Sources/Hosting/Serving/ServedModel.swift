// SPDX-License-Identifier: Apache-2.0

package import Inference
package import ModelLoading
package import Tokenization

/// The base model that a host serves: immutable, shared by its replicas.
nonisolated package struct ServedModel: Sendable {
    /// The name that clients use.
    package let name: String
    /// What `/v1/models` shows as `root`.
    package let root: String
    package let configuration: ModelConfiguration
    package let packed: PackedModel
    /// Synthetic models have none: their prompts and outputs are token ids.
    package let tokenizer: Tokenizer?
    /// The most tokens of prompt and output together.
    package let contextLength: Int
    /// Seconds since 1970.
    package let created: Int
}
