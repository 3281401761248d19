// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

// Drafts: tokens that a request guesses, verified in the same step as the token before them. They
// take what the policy's plan leaves of the iteration, so no policy needs to know of them.
extension ReplicaScheduler {
    /// Lets decode rows of the step just planned verify drafts, in the order of the plan, within
    /// what is left of its tokens and of the pages.
    mutating func add(_ drafts: [RequestID: Int], to plan: inout StepPlan) {
        guard let last = inFlight.indices.last else { return }
        var tokensLeft = tokenLimit - plan.entries.reduce(0) { $0 + $1.tokens }
        for index in plan.entries.indices {
            let entry = plan.entries[index]
            guard tokensLeft > 0, let offered = drafts[entry.id],
                let slot = queue.slot(of: entry.id)
            else { continue }
            let request = queue.snapshot(slot)
            guard request.phase == .decoding else { continue }
            // The last token that a request may have is never a draft's: it needs no successor.
            let wanted = request.maximumTokens - request.generatedTokens - 1
            let room =
                (entry.pages.count + pages.freePages) * pages.pageTokens
                - entry.position - entry.tokens
            let count = min(offered, wanted, tokensLeft, room)
            guard count > 0,
                let held = pages.extend(entry.id, to: entry.position + entry.tokens + count)
            else { continue }
            plan.entries[index].tokens += count
            plan.entries[index].drafts = count
            plan.entries[index].pages = held
            tokensLeft -= count
            inFlight[last].entries[index].tokens += count
            inFlight[last].entries[index].drafts = count
            inFlight[last].count(
                drafts: count, of: request,
                rank: residency.description(of: request.adapter)?.rank ?? 0)
        }
    }
}

extension StepInFlight.Entry {
    /// How many of its drafts are kept, of what an outcome says.
    func accepted(_ outcome: [RequestID: Int]) -> Int {
        drafts == 0 ? 0 : max(0, min(drafts, outcome[id] ?? 0))
    }
}
