// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Why a request or an adapter is not taken.
package enum Refusal: Error, Hashable, Sendable {
    /// As many requests wait as may (`limits.queue`); a place is expected to come free after
    /// `retryAfter`, which is `nil` before the first measurement.
    case queueFull(limit: Int, retryAfter: Duration?)

    /// Prompt and output together are longer than `limits.contextLength`.
    case contextTooLong(limit: Int)

    /// The prompt has no token.
    case emptyPrompt

    /// Not even one token is asked for.
    case nothingToGenerate

    /// The adapter takes more than the memory for adapters leaves to it.
    case adapterTooLarge(bytes: Int, budget: Int)

    /// The adapter is not known, or has been retired.
    case unknownAdapter(AdapterID)

    /// The request would need more KV pages than there are, even alone.
    case doesNotFitInMemory(pages: Int, limit: Int)

    /// The prompt must be computed in one iteration, which has fewer tokens.
    case undividedPromptTooLong(limit: Int)

    /// The identifier is that of an unfinished request.
    case duplicateRequest(RequestID)

    /// The identifier is that of a known adapter.
    case duplicateAdapter(AdapterID)
}
