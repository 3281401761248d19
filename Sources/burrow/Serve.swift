// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Hosting
import Logging
import ManifestLoading

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve what a manifest describes over the OpenAI API.",
        discussion: """
            SIGTERM and SIGINT stop accepting, let streams finish until spec.server.drainTimeout, \
            and end with 0. A second one ends at once. SIGHUP reads the manifest again and moves to \
            it without stopping: `burrow plan` says what would change, `burrow generations` what has.
            """)

    @Argument(help: "The manifest.")
    var manifest: String

    @Option(help: "Listen here instead of at spec.server.listen, as 127.0.0.1:0.")
    var listen: String?

    @Flag(help: "Move to the manifest whenever it changes, or what it names does.")
    var watch = false

    @Flag(
        inversion: .prefixedNo,
        help: "Try a changed manifest with new policies in a process of its own first.")
    var preflight = true

    @Flag(
        help: """
            Start the host again when it dies, without the policy that did it: the address and the \
            clients stay, and requests that were not yet answered are tried again.
            """)
    var supervised = false

    @OptionGroup var supervision: SupervisionOptions

    @OptionGroup var logging: LoggingOptions

    func run() throws {
        if supervised { return try supervise() }
        if supervision.underSupervisor { SupervisionOptions.followSupervisor() }
        HostProcess.ignoreHangUp()
        let log = logging.logger()
        try onMainThread(reporting: { logging.report($0, to: log) }) { () throws(HostError) in
            let loaded = try ManifestReader.load(manifest)
            for warning in loaded.warnings { log.warning("\(warning.headline)") }
            try serve(loaded, log)
        }
    }

    @MainActor
    private func serve(_ loaded: LoadedManifest, _ log: Logger) throws(HostError) {
        let address = try address(for: loaded.manifest)
        let trial = preflight ? Preflight.ownProgram.map(Preflight.init(program:)) : nil
        let process = try HostProcess(
            loaded, log: log, preflight: trial, supervision: supervision.terms)
        if watch { try process.watch() }
        let port = try process.listen(on: address)
        var bound = address
        bound.port = UInt16(clamping: port)
        let adapters = HumanText.counted(process.adapterCount, "adapter")
        let mixtures = process.mixtureCount
        say(
            mixtures == 0
                ? "serving \(process.modelName) and \(adapters) at \(process.scheme)://\(bound)"
                : "serving \(process.modelName), \(adapters) and "
                    + "\(HumanText.counted(mixtures, "mixture")) at \(process.scheme)://\(bound)")
        say("try: \(process.example(at: bound))")
        try process.run()
    }

    @MainActor
    private func address(for manifest: Manifest) throws(HostError) -> ListenAddress {
        guard let listen else { return manifest.spec.server.listen.value }
        do {
            return try ListenAddress.parse(listen, from: "--listen")
        } catch {
            throw HostError(error.diagnostics)
        }
    }
}

struct LoggingOptions: ParsableArguments {
    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel: LogLevel = .info

    @Option(help: "json, with one object to a line, or text.")
    var logFormat: LogFormat = .text

    func logger() -> Logger {
        var logger = Logger(label: "burrow") { label -> any LogHandler in
            switch logFormat {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler()
            }
        }
        logger.logLevel = logLevel.level
        return logger
    }
}

extension LoggingOptions {
    /// Says why a host does not start, in the form that the log has.
    func report(_ error: HostError, to log: Logger) {
        guard logFormat == .json else { return complain(error.description) }
        if error.diagnostics.isEmpty { log.critical("\(error.message)") }
        for diagnostic in error.diagnostics {
            if diagnostic.severity == .error {
                log.critical("\(diagnostic.headline)")
            } else {
                log.warning("\(diagnostic.headline)")
            }
        }
    }
}

enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    case json, text
}

enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, notice, warning, error, critical

    var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}
