// SPDX-License-Identifier: Apache-2.0

/// A token that was drawn for a sequence, and whether it ends the text.
package struct DrawnToken: Sendable, Equatable {
    package var sampled: SampledToken
    package var stop: TokenStop?
}

/// The sampling state of one sequence, which goes with the steps that compute it.
///
/// It is made on the loop and used by one thread at a time from then on: the compute thread of the
/// replica, or the member of its team that draws the sequence's row.
///
/// Safety of the unchecked conformance: steps of one sequence are computed one after another by one
/// compute thread, and a step draws a sequence's rows in one call.
package final class SequenceSampler: @unchecked Sendable {
    private var sampler: Sampler
    /// The token that was drawn last.
    package private(set) var last: Int32?
    /// Whether an end or stop token was drawn, or nothing could be.
    package private(set) var isOver = false

    package init(_ sampler: Sampler) {
        self.sampler = sampler
    }

    /// Draws the token that follows each of these rows of a step, as long as that is the one that
    /// the next row was computed for.
    ///
    /// Since a row's logits and the draw from them depend on the tokens before it only, the tokens
    /// are those that single steps would give.
    ///
    /// - Returns: at least one token; all but the last are the first of `drafts`.
    package func draw(
        rows: Range<Int>, of logits: LogitsBuffer, verifying drafts: ArraySlice<Int32>,
        scratch: inout SamplingScratch
    ) throws(SamplingError) -> [DrawnToken] {
        var run: [DrawnToken] = []
        for (row, draft) in zip(rows, drafts.map(Optional.some) + [nil]) {
            do throws(SamplingError) {
                let drawn = try logits.withRow(row) { (logits) throws(SamplingError) in
                    try draw(from: logits, scratch: &scratch)
                }
                run.append(drawn)
            } catch {
                // Nothing is known of a row that a step of its own has not reached.
                if run.isEmpty { throw error }
                isOver = false
                break
            }
            if isOver || run.last?.sampled.token != draft { break }
        }
        return run
    }

    /// Draws the token that follows, from the model's logits.
    package func draw(
        from logits: UnsafeBufferPointer<Float>, scratch: inout SamplingScratch
    ) throws(SamplingError) -> DrawnToken {
        do throws(SamplingError) {
            let sampled = try sampler.sample(logits: logits, scratch: &scratch)
            let stop = sampler.stop(at: sampled.token)
            last = sampled.token
            isOver = stop != nil
            return DrawnToken(sampled: sampled, stop: stop)
        } catch {
            isOver = true
            throw error
        }
    }
}

/// What a sequence draws from a step: one token, and one more for each draft that comes true.
package struct RowDraw {
    /// Of the step's logits; one more than there are drafts.
    package var rows: Range<Int>
    package var sampler: SequenceSampler
    /// The last tokens of the chunk, where they are a guess.
    package var drafts: ArraySlice<Int32>

    package init(rows: Range<Int>, sampler: SequenceSampler, drafts: ArraySlice<Int32> = []) {
        self.rows = rows
        self.sampler = sampler
        self.drafts = drafts
    }
}

extension Executor {
    /// Draws tokens from a step's logits, on all threads of the team.
    ///
    /// - Returns: what was drawn, in the order of `draws`; no sampler may be named twice.
    package func draw(
        _ draws: [RowDraw], from logits: LogitsBuffer
    ) -> [Result<[DrawnToken], SamplingError>] {
        var results = [Result<[DrawnToken], SamplingError>](
            repeating: .failure(SamplingError(.nothingToSample, "the row was not drawn from")),
            count: draws.count)
        results.withUnsafeMutableBufferPointer { results in
            samplingScratch.withUnsafeMutableBufferPointer { scratch in
                // Each index and each member is with one thread at a time.
                nonisolated(unsafe) let (results, scratch) = (results, scratch)
                team.parallel(draws.count) { index, member in
                    let draw = draws[index]
                    results[index] = Result { () throws(SamplingError) in
                        try draw.sampler.draw(
                            rows: draw.rows, of: logits, verifying: draw.drafts,
                            scratch: &scratch[member])
                    }
                }
            }
        }
        return results
    }
}
