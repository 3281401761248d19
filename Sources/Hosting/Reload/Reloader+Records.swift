// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
internal import LoopIO
internal import ManifestLoading
internal import PolicyKit
internal import Scheduling

// What is remembered of attempts, and what those who wished are told.
extension Reloader {
    func note(_ candidate: Candidate, _ wish: ReloadWish, _ number: Int) {
        let now = Date().timeIntervalSince1970
        if wish.origin == .admin, candidate.facts.text.file.hasPrefix("/") {
            sourceFile = candidate.facts.text.file
        }
        let wanted = pending[wish.ticket]
        var record = GenerationRecord(
            number: number, outcome: .probation, origin: wish.origin,
            file: candidate.facts.text.file, digest: candidate.facts.digest, at: now)
        record.stages = wanted?.answer?.stages ?? []
        record.changes = candidate.comparison.changes
        record.states = wanted?.states ?? []
        record.reason = wanted?.faults.first
        if wish.origin == .probation || candidate.facts.manifest.spec.reload.isUnwatched {
            record.outcome = .live
        }
        history.commit(
            record, KeptGeneration(facts: candidate.facts, loaded: candidate.loaded))
        log.info(
            """
            generation \(number) is in force: \
            \(candidate.comparison.changes.map(\.description).joined(separator: "; "))
            """)
        engine.metrics.reloaded(
            succeeded: true, generation: number, digest: candidate.facts.digest)
    }

    func reply(to wish: ReloadWish, _ answer: ReloadMachine.Answer) {
        guard let wanted = pending.removeValue(forKey: wish.ticket) else { return }
        var reply = ReloadReply(
            outcome: ReloadReply.Outcome(answer), generation: history.live, digest: machine.digest)
        reply.stages = wanted.answer?.stages ?? []
        reply.states = wanted.states
        reply.reason = wanted.faults.first
        switch wanted.answer?.outcome {
        case .built(let built):
            reply.candidate = built.facts.digest
            reply.changes = built.comparison.changes
            if case .planned = answer {
                reply.states = engine.carryStates(into: built)
                reply.reason = engine.lack(for: built)
                candidate = nil
                planned[wish.ticket]?(built)
            }
        case .refused(let refusal):
            reply.candidate = refusal.digest
            reply.changes = refusal.changes
            reply.reason = refusal.message
            reply.failedStage = refusal.stage
            if !wish.isPlan { reject(wish, wanted, refusal) }
        case .unchanged, nil: break
        }
        planned[wish.ticket] = nil
        if !wish.isPlan { onEnd() }
        wanted.then(reply)
    }

    func reject(_ wish: ReloadWish, _ wanted: Pending, _ refusal: BuildOutcome.Refusal) {
        log.error(
            """
            generation \(history.live) stays, as \(wanted.file) is refused at \
            \(refusal.stage.rawValue): \(refusal.message)
            """)
        var record = GenerationRecord(
            number: nil, outcome: .rejected, origin: wish.origin, file: wanted.file,
            digest: refusal.digest, at: Date().timeIntervalSince1970)
        record.stages = wanted.answer?.stages ?? []
        record.reason = refusal.message
        record.failedStage = refusal.stage
        history.note(record)
        engine.metrics.reloaded(
            succeeded: false, generation: history.live, digest: machine.digest)
    }
}

nonisolated extension ReloadReply.Outcome {
    fileprivate init(_ answer: ReloadMachine.Answer) {
        self =
            switch answer {
            case .superseded: .superseded
            case .stale: .stale
            case .unchanged: .unchanged
            case .refused: .refused
            case .planned: .planned
            case .live: .live
            }
    }
}
