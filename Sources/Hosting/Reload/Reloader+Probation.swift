// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
internal import LoopIO
internal import ManifestLoading
internal import PolicyKit
internal import Scheduling

// How a generation is watched, and taken back.
extension Reloader {
    static var seconds: Double { Double(EventLoop.now) / 1e9 }

    /// How the host does, with the faults of the policies that came last.
    var health: GenerationHealth {
        var health = GenerationHealth()
        for status in engine.fleet.policyStatuses where watchedKinds.contains(status.kind) {
            health.strikes += status.strikes
            health.fallBacks += status.fallBacks
        }
        for replica in engine.fleet.replicas {
            health.finished += replica.counters.finished
            health.failed += replica.counters.failed
        }
        health.tokenGap = engine.tokenGaps.highest
        health.tokenGaps = engine.tokenGaps.count
        return health
    }

    func startProbation() {
        let quarter = machine.rules.seconds / 4
        let interval = Duration.seconds(min(max(quarter, 0.02), 1))
        timer.start(after: interval, every: interval) { [weak self] in
            guard let self else { return }
            perform(machine.observe(health, at: Self.seconds))
            if !machine.isOnProbation { timer.cancel() }
        }
    }

    func settle() {
        history.change(history.live) { $0.outcome = .live }
        log.info("generation \(history.live) has passed its probation")
    }

    func takeBack(because reason: String) {
        let number = history.live
        if bad.count >= Self.mostBad { bad = [:] }
        bad[machine.digest] = reason
        history.change(number) { record in
            record.outcome = .rolledBack
            record.reason = reason
            record.failedStage = .probation
        }
        log.error("generation \(number) is taken back: \(reason)")
        engine.metrics.reloaded(succeeded: false, generation: number, digest: machine.digest)
        guard let target = history.rollbackTarget, let kept = history[target] else { return }
        begin(
            ReloadWish(ticket: makeTicket(), origin: .probation), .generation(kept),
            file: kept.facts.text.file, isForced: true
        ) { _ in }
    }
}
