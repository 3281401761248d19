// SPDX-License-Identifier: Apache-2.0

/// What the families are sized and labelled by.
nonisolated package struct ServingMetricsConfiguration: Sendable {
    /// The base model's served name: the label `model_name`, and the adapter of base requests.
    package var modelName: String
    package var replicaCount: Int
    package var maxModelLength: Int
    /// Adapters that fit in memory at once: `max_lora`.
    package var maxAdapters: Int
    /// Adapters with series of their own; further ones share `_other`.
    package var adapterSeriesLimit = 1024
    package var cache: CacheDescription

    /// What `vllm:cache_config_info` says of each replica's KV pages.
    package struct CacheDescription: Sendable {
        /// Tokens in a page.
        package var pageTokens: Int
        package var pageCount: Int
        package var dtype: String
        package var cachesPrefixes: Bool

        package init(pageTokens: Int, pageCount: Int, dtype: String, cachesPrefixes: Bool) {
            self.pageTokens = pageTokens
            self.pageCount = pageCount
            self.dtype = dtype
            self.cachesPrefixes = cachesPrefixes
        }
    }

    package init(
        modelName: String, replicaCount: Int, maxModelLength: Int, maxAdapters: Int,
        cache: CacheDescription
    ) {
        self.modelName = modelName
        self.replicaCount = replicaCount
        self.maxModelLength = maxModelLength
        self.maxAdapters = maxAdapters
        self.cache = cache
    }
}

/// How a request that was admitted ended, in vLLM's words.
nonisolated package enum FinishedReason: String, Sendable, CaseIterable {
    case stop, length, abort, error
}

/// Why a request was not admitted.
nonisolated package enum AdmissionRejection: String, Sendable, CaseIterable {
    case queueFull = "queue_full"
    /// The prompt, or the prompt with what it asks for, is longer than the context.
    case contextLength = "context_length"
    case adapterUnavailable = "adapter_unavailable"
    case draining
}

/// How a replica computes.
nonisolated package enum ReplicaMode: String, Sendable, CaseIterable {
    case unmerged, merged, mixed
}

/// One request that was admitted and has ended.
nonisolated package struct FinishedRequest: Sendable {
    package var replica: Int
    /// Nil for the base.
    package var adapter: String?
    package var reason: FinishedReason
    /// From arrival to the last token.
    package var total: Duration
    /// From arrival to the first step that ran it.
    package var queued: Duration
    /// From that step to the first token; nil when none came.
    package var prefill: Duration?
    /// From the first token to the last; nil when none came.
    package var decode: Duration?
    package var promptTokens: Int
    package var generatedTokens: Int
    /// `n` of the request.
    package var choices: Int
    /// Nil when the request set none.
    package var maxTokens: Int?

    package init(
        replica: Int, adapter: String?, reason: FinishedReason, total: Duration, queued: Duration
    ) {
        self.replica = replica
        self.adapter = adapter
        self.reason = reason
        self.total = total
        self.queued = queued
        promptTokens = 0
        generatedTokens = 0
        choices = 1
    }
}

/// One iteration of one replica.
nonisolated package struct CompletedStep: Sendable {
    /// The tokens of one adapter in it.
    package struct AdapterTokens: Sendable {
        /// Nil for the base.
        package var adapter: String?
        package var prompt: Int
        package var generated: Int

        package init(adapter: String?, prompt: Int, generated: Int) {
            self.adapter = adapter
            self.prompt = prompt
            self.generated = generated
        }
    }

    package var replica: Int
    /// The forward pass.
    package var duration: Duration
    /// From the end of the last forward pass to the start of this one, as far as there was work.
    package var overhead: Duration
    /// Once for each adapter in the batch.
    package var tokens: [AdapterTokens]
    package var preemptions: Int
    /// Whether it was planned while the step before was under way.
    package var isAhead = false
    /// Tokens computed for requests that had ended.
    package var discarded = 0
    /// Guesses that it verified, their tokens, and those of them that came true.
    package var drafts = 0
    package var draftTokens = 0
    package var acceptedTokens = 0

    package init(
        replica: Int, duration: Duration, overhead: Duration, tokens: [AdapterTokens],
        preemptions: Int = 0
    ) {
        self.replica = replica
        self.duration = duration
        self.overhead = overhead
        self.tokens = tokens
        self.preemptions = preemptions
    }
}

/// What a replica holds just now.
nonisolated package struct ReplicaLoad: Sendable {
    package var replica: Int
    package var running: Int
    package var waiting: Int
    package var pagesUsed: Int
    package var pagesFree: Int
    /// Token places inside used pages that hold no token.
    package var wastedTokens: Int
    package var mode: ReplicaMode
    /// The most tokens that the last step might compute.
    package var tokenLimit = 0
    /// Pages that may be shared, used and free ones.
    package var pagesCached = 0
    /// Since the start: prompt tokens looked up in the prefix cache, and those found there.
    package var prefixQueryTokens = 0
    package var prefixHitTokens = 0
    /// Since the start.
    package var stepsOverStallBudget = 0

    package init(
        replica: Int, running: Int, waiting: Int, pagesUsed: Int, pagesFree: Int,
        wastedTokens: Int, mode: ReplicaMode
    ) {
        self.replica = replica
        self.running = running
        self.waiting = waiting
        self.pagesUsed = pagesUsed
        self.pagesFree = pagesFree
        self.wastedTokens = wastedTokens
        self.mode = mode
    }
}

/// A replica went from one mode to another.
nonisolated package struct ModeSwitch: Sendable {
    package var replica: Int
    package var from: ReplicaMode
    package var to: ReplicaMode

    package init(replica: Int, from: ReplicaMode, to: ReplicaMode) {
        self.replica = replica
        self.from = from
        self.to = to
    }
}

/// What a policy has done since it was last reported.
nonisolated package struct PolicyWork: Sendable {
    /// `batching`, `fairness`, `dispatch`, …
    package var kind: String
    /// The instance's name in the manifest.
    package var instance: String
    package var calls: Int
    /// Spent in those calls.
    package var time: Duration
    /// Bad plans, throws and blown budgets.
    package var strikes: Int

    package init(kind: String, instance: String, calls: Int, time: Duration, strikes: Int = 0) {
        self.kind = kind
        self.instance = instance
        self.calls = calls
        self.time = time
        self.strikes = strikes
    }
}

nonisolated extension Duration {
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
