// SPDX-License-Identifier: Apache-2.0

/// Somebody's wish to change the host.
nonisolated struct ReloadWish: Sendable, Equatable {
    var ticket: Int
    var origin: ReloadOrigin

    /// The digest that the wish was made against; `nil` is any.
    var base: String?

    /// Whether it is built and compared, and not put in force.
    var isPlan = false
}

/// Decides about reloads: one at a time, of those that wait only the newest, a plan that is stale is
/// refused, and a generation that does badly in its probation is taken back.
///
/// Events go in, actions come out; what a candidate is, it does not know.
nonisolated struct ReloadMachine: Sendable {
    enum Action: Sendable, Equatable {
        /// Build what the wish is for; the answer is ``built(_:at:)``.
        case build(ReloadWish)
        /// Put in force what was built for the wish; then ``committed(at:)``.
        case commit(ReloadWish)
        /// Tell whoever wished.
        case answer(ReloadWish, Answer)
        /// Wish for the generation before, for this reason.
        case rollBack(String)
        /// The generation has passed its probation.
        case settle
    }

    enum Answer: Sendable, Equatable {
        /// A newer wish has come.
        case superseded
        /// The live generation is not the one that the wish was made against.
        case stale(live: String)
        case unchanged
        case refused
        /// Built, for a plan.
        case planned
        /// In force, and every replica plans by it.
        case live
    }

    /// What building came to, as far as it matters here.
    enum Built: Sendable, Equatable {
        case candidate
        case unchanged
        case refused
    }

    private enum Phase: Sendable, Equatable {
        case idle
        case building(ReloadWish)
        /// In force; replicas have yet to plan by it.
        case acknowledging(ReloadWish)
    }

    /// Of the live generation.
    var rules: ProbationRules
    private var phase = Phase.idle
    private var waiting: ReloadWish?
    private var probation: Probation?
    private(set) var digest: String

    init(rules: ProbationRules, digest: String) {
        self.rules = rules
        self.digest = digest
    }

    /// Whether something is being built or swapped.
    var isBusy: Bool { phase != .idle }

    /// Whether the live generation is being watched.
    var isOnProbation: Bool { probation != nil }

    // MARK: - Events

    mutating func wish(_ wish: ReloadWish) -> [Action] {
        if let base = wish.base, base != digest {
            return [.answer(wish, .stale(live: digest))]
        }
        guard phase == .idle else {
            let superseded = waiting
            waiting = wish
            return superseded.map { [.answer($0, .superseded)] } ?? []
        }
        phase = .building(wish)
        return [.build(wish)]
    }

    mutating func built(_ result: Built) -> [Action] {
        guard case .building(let wish) = phase else { return [] }
        switch result {
        case .unchanged: return [.answer(wish, .unchanged)] + next()
        case .refused: return [.answer(wish, .refused)] + next()
        case .candidate where wish.isPlan: return [.answer(wish, .planned)] + next()
        case .candidate:
            if let base = wish.base, base != digest {
                return [.answer(wish, .stale(live: digest))] + next()
            }
            return [.commit(wish)]
        }
    }

    /// The candidate could not be put in force after all.
    mutating func commitFailed() -> [Action] {
        guard case .building(let wish) = phase else { return [] }
        return [.answer(wish, .refused)] + next()
    }

    /// The candidate is in force; its health from now on is compared with `before`.
    mutating func committed(
        _ digest: String, health before: GenerationHealth, at now: Double
    ) {
        guard case .building(let wish) = phase else { return }
        self.digest = digest
        phase = .acknowledging(wish)
        // What a rollback brings has been in force before, and there is nothing to go back to.
        let isWatched =
            wish.origin != .probation && wish.origin != .reset && rules.seconds > 0
        probation = isWatched ? Probation(before: before, start: now) : nil
    }

    /// The policies were put on their defaults, whatever is under way: what was planned against
    /// another generation is stale now, and there is nothing to watch.
    mutating func reset(to digest: String) {
        self.digest = digest
        probation = nil
    }

    /// Every replica plans by the live generation.
    mutating func acknowledged() -> [Action] {
        guard case .acknowledging(let wish) = phase else { return [] }
        return [.answer(wish, .live)] + next()
    }

    /// Time has passed; this is how the live generation does.
    mutating func observe(_ health: GenerationHealth, at now: Double) -> [Action] {
        guard let probation else { return [] }
        if let reason = rules.verdict(on: health, after: probation.before) {
            self.probation = nil
            return [.rollBack(reason)]
        }
        guard now - probation.start >= rules.seconds else { return [] }
        self.probation = nil
        return [.settle]
    }

    private mutating func next() -> [Action] {
        phase = .idle
        guard let wish = waiting else { return [] }
        waiting = nil
        return self.wish(wish)
    }

    private struct Probation: Sendable, Equatable {
        var before: GenerationHealth
        var start: Double
    }
}
