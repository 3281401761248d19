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

/// One row of logits to draw from.
package struct RowDraw {
    package var row: Int
    package var sampler: SequenceSampler

    package init(row: Int, sampler: SequenceSampler) {
        self.row = row
        self.sampler = sampler
    }
}

extension Executor {
    /// Draws a token from each of these rows of a step's logits, on all threads of the team.
    ///
    /// - Returns: what was drawn, in the order of `draws`; no sampler may be named twice.
    package func draw(
        _ draws: [RowDraw], from logits: LogitsBuffer
    ) -> [Result<DrawnToken, SamplingError>] {
        var results = [Result<DrawnToken, SamplingError>](
            repeating: .failure(SamplingError(.nothingToSample, "the row was not drawn from")),
            count: draws.count)
        results.withUnsafeMutableBufferPointer { results in
            samplingScratch.withUnsafeMutableBufferPointer { scratch in
                // Each index and each member is with one thread at a time.
                nonisolated(unsafe) let (results, scratch) = (results, scratch)
                team.parallel(draws.count) { index, member in
                    let draw = draws[index]
                    results[index] = logits.withRow(draw.row) { row in
                        Result { () throws(SamplingError) in
                            try draw.sampler.draw(from: row, scratch: &scratch[member])
                        }
                    }
                }
            }
        }
        return results
    }
}
