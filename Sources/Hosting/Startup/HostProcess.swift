// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import Logging
internal import LoopIO
package import ManifestLoading
internal import Supervision
internal import Tokenization

/// The process of `burrow serve`: loop, engine, server and signals.
package final class HostProcess {
    private let loop: EventLoop
    private let engine: Engine
    private let host: ServingHost
    private let log: Logger
    private let reloader: Reloader
    private let terms: SupervisionTerms
    private var stallWatch: StallWatch?
    private let notifier: ServiceNotifier
    private var signals: [SignalWatcher] = []

    /// Loads and packs everything that the manifest names. Main thread only.
    ///
    /// - Parameters:
    ///   - loaded: what is served.
    ///   - log: where it is told.
    ///   - preflight: how a changed manifest is tried before it is put in force; `nil` does without.
    ///   - supervision: what it was started with, where a supervisor runs it.
    /// - Throws: `HostError` with positions in the manifest where they are known.
    package init(
        _ loaded: LoadedManifest, log: Logger, preflight: Preflight? = nil,
        supervision: SupervisionTerms = SupervisionTerms()
    ) throws(HostError) {
        self.log = log
        terms = supervision
        var loaded = loaded
        let quarantine = QuarantineList(supervision.quarantines)
        for replaced in quarantine.apply(to: &loaded) {
            log.error(
                "\(replaced.name) is quarantined, and no longer used: \(replaced.reason)"
            )
        }
        notifier = ServiceNotifier(log: log)
        let certificate = ServedCertificate(of: loaded.manifest, in: loaded.document)
        // What is wrong with it is said before the model is loaded.
        _ = try certificate?.load(log)
        do {
            loop = try EventLoop()
        } catch {
            throw HostError(.cannotStart, error.description)
        }
        engine = try HostAssembly(loaded, log: log).engine(on: loop)
        host = try ServingHost(
            engine: engine, manifest: loaded.manifest, loop: loop, log: log,
            certificate: certificate)
        for mixture in loaded.outOfService { engine.mixtures[mixture.name] = mixture }
        let file = supervision.isSupervised ? HostDescriptor.journal : nil
        engine.journal = CrashJournal(file: file)
        reloader = try Reloader(
            loaded, host: host, loop: loop, trial: (preflight, quarantine))
        reloader.onBegin = { [notifier] in notifier.reloading() }
        reloader.onEnd = { [notifier] in notifier.reloaded() }
        host.reloader = reloader
        host.quarantines = supervision.quarantines
        watchStalls(longerThan: loaded.manifest.spec.plugins.stall.value)
    }

    /// Reloads by itself when the manifest or what it names changes.
    package func watch() throws(HostError) {
        do throws(LoopError) {
            try reloader.watch(on: loop)
        } catch {
            throw HostError(.cannotStart, error.description)
        }
    }

    /// A signal to read the manifest again must not end a host that is not ready for it yet.
    package nonisolated static func ignoreHangUp() { signal(SIGHUP, SIG_IGN) }

    package var modelName: String { engine.model.name }
    package var adapterCount: Int { engine.catalog.entries.count { $0.source.mixture == nil } }
    package var mixtureCount: Int { engine.catalog.entries.count { $0.source.mixture != nil } }

    /// Opens the listener; from then on a signal drains what ``run()`` serves, even one that comes
    /// before it.
    ///
    /// - Returns: the port, which the system chose where the address has none.
    package func listen(on address: ListenAddress) throws(HostError) -> Int {
        try watchSignals()
        if terms.isSupervised { try host.obeySupervisor(startNumber: terms.startNumber) }
        let port = try host.listen(on: address, inherited: terms.inheritsListener)
        notifier.ready(on: loop)
        return port
    }

    /// Names a policy that does not come back. A supervised host then ends, to be started again
    /// without it; another cannot leave a thread of its own.
    private func watchStalls(longerThan limit: Duration) {
        guard let journal = engine.journal else { return }
        let isSupervised = terms.isSupervised
        stallWatch = StallWatch(journal, limit: limit) { [log] culprit, time in
            let remedy = isSupervised ? "the host ends" : "nothing else can run until it does"
            log.critical("\(culprit.name) has not come back for \(time): \(remedy)")
            if isSupervised { abort() }
        }
    }

    /// How clients begin an address.
    package var scheme: String { host.isEncrypted ? "https" : "http" }

    /// A curl line that works against this server.
    package func example(at address: ListenAddress) -> String {
        let model = engine.catalog.entries.first?.name ?? engine.model.name
        let isChat = engine.model.tokenizer?.chatTemplate != nil
        let path = isChat ? "chat/completions" : "completions"
        let input: String
        if isChat {
            input = #""messages": [{"role": "user", "content": "Hello"}]"#
        } else if engine.model.tokenizer != nil {
            input = #""prompt": "Hello""#
        } else {
            input = #""prompt": [1, 2, 3], "return_token_ids": true"#
        }
        return "curl \(scheme)://\(address)/v1/\(path) "
            + "-d '{\"model\": \"\(model)\", \(input), \"max_tokens\": 16}'"
    }

    /// Serves until a signal ends it and everything is finished.
    package func run() throws(HostError) {
        loop.run()
        for signal in signals { signal.close() }
        notifier.close()
        reloader.close()
        stallWatch?.close()
        host.leaveSupervisor()
        engine.close()
        do {
            try loop.close()
        } catch {
            log.warning("\(error.description)")
        }
    }

    private func watchSignals() throws(HostError) {
        Self.unblockSignals()
        do {
            for signal in [SignalWatcher.Signal.terminate, .interrupt] {
                signals.append(
                    try SignalWatcher(loop: loop, signal: signal) { [weak self] in self?.end() })
            }
            signals.append(
                try SignalWatcher(loop: loop, signal: .hangUp) { [weak self] in
                    self?.reloader.reload(by: .signal)
                })
        } catch {
            throw HostError(.cannotStart, error.description)
        }
    }

    /// A parent that blocks signals, as the threads of libdispatch do, hands that on; then nothing
    /// could tell this process to end.
    private static func unblockSignals() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGHUP)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    private func end() {
        guard !host.isDraining else {
            log.warning("told to end a second time: closing at once")
            return host.closeAll()
        }
        notifier.stopping()
        host.drain { [weak self] in
            self?.log.info("drained")
            self?.loop.stop()
        }
    }
}
