// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import Logging
internal import LoopIO
package import ManifestLoading
internal import Tokenization

/// The process of `burrow serve`: loop, engine, server and signals.
package final class HostProcess {
    private let loop: EventLoop
    private let engine: Engine
    private let host: ServingHost
    private let log: Logger
    /// Whom a reload tells of itself.
    let notifier: ServiceNotifier
    private var signals: [SignalWatcher] = []

    /// Loads and packs everything that the manifest names. Main thread only.
    package init(_ loaded: LoadedManifest, log: Logger) throws(HostError) {
        self.log = log
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
    }

    package var modelName: String { engine.model.name }
    package var adapterCount: Int { engine.catalog.entries.count { $0.source.mixture == nil } }
    package var mixtureCount: Int { engine.catalog.entries.count { $0.source.mixture != nil } }

    /// Opens the listener; from then on a signal drains what ``run()`` serves, even one that comes
    /// before it.
    ///
    /// - Returns: the port, which the system chose where the address has none.
    package func listen(on address: ListenAddress) throws(HostError) -> Int {
        try watchSignals()
        let port = try host.listen(on: address)
        notifier.ready(on: loop)
        return port
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
