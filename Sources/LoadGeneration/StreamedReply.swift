// SPDX-License-Identifier: Apache-2.0

internal import StrictJSON
package import Workloads

/// The reply to one request while it comes in: bytes and times in, an outcome out.
package struct StreamedReply: Sendable {
    /// How much of the body of a refusal is kept.
    static let refusalLimit = 64 << 10

    private var outcome: RequestOutcome
    /// What went wrong in words, for the first failure of its kind.
    package private(set) var detail: String?
    private var events = EventStreamParser()
    private var refusal: [UInt8] = []
    private var tokens = 0
    private var contentChunks = 0
    private var usage: StreamedUsage?
    private var isFinished = false
    private var isDone = false

    /// A reply to a request that was sent at `time`.
    package init(_ outcome: RequestOutcome, sentAt time: Duration) {
        self.outcome = outcome
        self.outcome.sent = time
    }

    /// Takes bytes of the body.
    ///
    /// - Returns: false when the rest is not worth having.
    package mutating func take(
        _ bytes: UnsafeRawBufferPointer, status: Int, at time: Duration
    ) -> Bool {
        outcome.status = status
        guard status == 200 else {
            refusal.append(contentsOf: bytes.prefix(Self.refusalLimit - refusal.count))
            return true
        }
        var chunks: [StreamedChunk] = []
        let isShortEnough = events.take(bytes) { chunks.append(StreamedChunk($0)) }
        for chunk in chunks { take(chunk, at: time) }
        if !isShortEnough { fail("malformed reply", "an event is longer than a reply may be") }
        return outcome.failure == nil
    }

    private mutating func take(_ chunk: StreamedChunk, at time: Duration) {
        guard outcome.failure == nil, !isDone else { return }
        switch chunk {
        case .done: isDone = true
        case .error(let message): fail("error in the stream", message)
        case .malformed(let message): fail("malformed reply", message)
        case .choices(let hasContent, let tokens, let isFinished, let usage):
            if let usage { self.usage = usage }
            if hasContent {
                contentChunks += 1
                outcome.firstToken = outcome.firstToken ?? time
            }
            self.tokens += tokens ?? 0
            // The end of a choice comes with its last token, whose text may be empty.
            if hasContent || isFinished { outcome.lastToken = time }
            self.isFinished = self.isFinished || isFinished
        }
    }

    private mutating func fail(_ kind: String, _ words: String) {
        outcome.failure = kind
        detail = words
    }

    /// The outcome of a transfer that is complete.
    package mutating func complete(status: Int, at time: Duration) -> RequestOutcome {
        outcome.status = status
        if status != 200 {
            fail("status \(status)", refusalMessage)
        } else if outcome.failure == nil, !isDone, !isFinished {
            fail("cut off", "the stream ended before its last event")
        }
        return end(at: time)
    }

    /// The outcome of a transfer that broke off.
    package mutating func breakOff(
        _ kind: String, _ words: String, at time: Duration
    ) -> RequestOutcome {
        // What the bytes said comes first: a transfer that we gave up breaks off as well.
        if outcome.failure == nil { fail(kind, words) }
        return end(at: time)
    }

    private mutating func end(at time: Duration) -> RequestOutcome {
        outcome.ended = time
        outcome.outputTokens = usage?.outputTokens ?? max(tokens, contentChunks)
        if let usage { outcome.promptTokens = usage.promptTokens }
        // A model whose tokens have no text shows the first one when all are there.
        if outcome.outputTokens > 0, outcome.firstToken == nil {
            outcome.firstToken = outcome.lastToken
        }
        return outcome
    }

    private var refusalMessage: String {
        if let value = try? JSONValue(parsing: refusal), case .object(let fields) = value {
            return StreamedChunk.message(of: fields["error"] ?? value)
        }
        return String(decoding: refusal, as: UTF8.self).excerpt(300)
    }
}
