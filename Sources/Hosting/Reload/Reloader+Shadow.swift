// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
internal import PolicyKit
internal import Scheduling

// Policies that decide beside the live ones, until they are promoted or sent away.
extension Reloader {
    /// Builds a candidate and lets its policies decide beside the live ones.
    func startShadow(
        _ text: ManifestText, then: @escaping (Result<ShadowReport, APIError>) -> Void
    ) {
        var terms = ApplyTerms()
        terms.isPlan = true
        var built: Candidate?
        apply(text, terms, onPlanned: { built = $0 }) { [weak self] reply in
            guard let self else { return }
            then(self.shadow(built, reply))
        }
    }

    private func shadow(
        _ candidate: Candidate?, _ reply: ReloadReply
    ) -> Result<ShadowReport, APIError> {
        guard engine.shadow == nil else {
            return .failure(
                APIError(
                    .conflict,
                    "A candidate decides beside the live policies already: stop it first."
                ))
        }
        guard reply.outcome == .planned, let candidate, let facts = engine.facts else {
            let reason = reply.reason ?? "it changes nothing"
            return .failure(
                APIError(
                    reply.outcome == .unchanged ? .conflict : .unprocessable,
                    "There is nothing to try: \(reason)."))
        }
        guard let shadow = Shadow(candidate, base: facts) else {
            return .failure(
                APIError(
                    .conflict,
                    "There is nothing to try: batching, fairness and dispatch are what they are."))
        }
        engine.start(shadow)
        log.info("the policies of \(candidate.facts.text.file) decide beside the live ones")
        return .success(shadow.report)
    }

    /// Puts the candidate that decides beside the live policies in force, if it was made against
    /// what is live now.
    ///
    /// - Throws: 404 where there is none.
    func promoteShadow(then: @escaping (ReloadReply) -> Void) throws(APIError) {
        let report = try shadowReport()
        guard let shadow = engine.shadow else { return }
        var terms = ApplyTerms()
        terms.base = report.base
        apply(shadow.text, terms, then: then)
    }

    /// What was live is so no more: there is nothing to be beside of.
    func endShadow() {
        guard engine.shadow != nil else { return }
        engine.stopShadow()
        log.info("the live policies have changed: no others decide beside them any more")
    }

    /// Sends the candidate away.
    ///
    /// - Returns: what it has made of it.
    /// - Throws: 404 where there is none.
    func stopShadow() throws(APIError) -> ShadowReport {
        let report = try shadowReport()
        engine.stopShadow()
        log.info("no policies decide beside the live ones any more")
        return report
    }

    /// - Throws: 404 where there is none.
    func shadowReport() throws(APIError) -> ShadowReport {
        guard let shadow = engine.shadow else {
            throw APIError(.notFound, "No candidate decides beside the live policies.")
        }
        return shadow.report
    }
}
