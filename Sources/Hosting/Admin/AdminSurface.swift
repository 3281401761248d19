// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
internal import LoopIO
internal import ManifestLoading
internal import PolicyKit
internal import Scheduling
internal import Supervision

/// The admin surface of a host: a Unix socket that only its owner may connect to. What it can do is
/// not to be had at the public address.
final class AdminSurface {
    /// What is sent to a listener that does not take it waits here, up to this many bytes.
    static let mostWaitingBytes = 32 << 20

    private let engine: Engine
    private let loop: EventLoop
    private let manifest: Manifest

    /// The policies that have brought hosts down.
    var quarantines: [Quarantine] = []

    /// Changes the host; set before the socket is opened.
    var reloader: Reloader?
    private let log: Logger
    private let start = Engine.now
    private var server: HTTPServer?
    private let access: AdminAccess?

    /// Whether the host takes no more requests.
    var isDraining = false

    init(engine: Engine, manifest: Manifest, loop: EventLoop, log: Logger) throws(HostError) {
        self.engine = engine
        self.loop = loop
        self.manifest = manifest
        self.log = log
        access = try manifest.spec.server.adminListener.map { (listener) throws(HostError) in
            try AdminAccess(tokenFile: listener.tokenFile.value, at: listener.listen.value)
        }
        var limits = HTTPLimits()
        limits.maxConnections = 32
        limits.bodyBytes = 4 << 20
        limits.writeBufferBytes = Self.mostWaitingBytes + (4 << 20)
        do {
            server = try HTTPServer(loop: loop, limits: limits) { [weak self] request, exchange in
                self?.take(request, exchange)
            }
        } catch {
            throw HostError(.cannotStart, error.description)
        }
    }

    /// What connections to the address are encrypted with from now on.
    func use(_ tls: TLSContext) { server?.tls = tls }

    /// Opens the socket and the address that the manifest wants, if it wants them.
    func listen() throws(HostError) {
        try listenAtSocket()
        guard let address = manifest.spec.server.adminListener?.listen.value else { return }
        do {
            let port = try server?.listen(host: address.host, port: Int(address.port)) ?? 0
            let bound = ListenAddress(host: address.host, port: UInt16(clamping: port))
            let scheme = server?.tls == nil ? "http" : "https"
            log.info("the admin surface is at \(scheme)://\(bound) too, for those with the token")
        } catch {
            throw HostError(
                .cannotStart, "spec.server.admin.listen: \(error.description)")
        }
    }

    private func listenAtSocket() throws(HostError) {
        guard let socket = AdminSocketPath(of: manifest) else { return }
        try socket.prepare()
        do throws(LoopError) {
            try server?.listen(path: socket.path)
            log.info("the admin surface is at \(socket.path)")
        } catch {
            // Another host of the same name keeps the place; one that was asked for must be had.
            guard socket.isDefault, error.code == .addressInUse else {
                throw HostError(
                    .cannotStart,
                    "\(error.description); spec.server.admin says where the admin surface is")
            }
            log.warning(
                "\(error.description): there is no admin surface; spec.server.admin sets its path")
        }
    }

    /// Closes the socket and all connections, and calls `then` when they are gone.
    func close(then: @escaping () -> Void) {
        guard let server else { return then() }
        self.server = nil
        for recording in Array(engine.recordings.values) { recording.end("the host ends") }
        engine.workload?.end("the host ends")
        server.drain(then: then)
        server.closeAll()
    }

    /// What is in force.
    private var liveManifest: Manifest { engine.facts?.manifest ?? manifest }

    // MARK: - Requests

    private func take(_ request: HTTPRequest, _ exchange: HTTPExchange) {
        do throws(APIError) {
            // The socket is only for its owner; of the rest nobody comes in without a check.
            if request.peer != "unix" {
                guard let access else {
                    throw APIError(.forbidden, "There is no admin surface here.")
                }
                try access.check(request)
            }
            if try answer(request, exchange) { return }
            guard request.method == "GET" else {
                var error = APIError(.methodNotAllowed, "Use GET for \(request.path).")
                error.allowedMethods = ["GET"]
                throw error
            }
            switch request.path {
            case "/admin/status": exchange.respond(status: 200, body: try status())
            case "/admin/trace": try trace(request, exchange)
            case "/admin/workload": try workload(request, exchange)
            case "/admin/workload/recent": try recentWorkload(exchange)
            default:
                throw APIError(
                    .notFound,
                    "There is nothing at \(request.path): there are /admin/status, /admin/trace, "
                        + "/admin/workload, /admin/workload/recent, "
                        + ReloadRoute.methods.map(\.path).joined(separator: ", ") + ".")
            }
        } catch {
            exchange.respond(error)
        }
    }

    private func trace(_ request: HTTPRequest, _ exchange: HTTPExchange) throws(APIError) {
        let wish = try TraceWish(request, replicas: engine.fleet.replicas.count)
        guard engine.recordings[wish.replica] == nil else {
            throw APIError(
                .conflict, "Somebody records the decisions of replica \(wish.replica) already.")
        }
        do {
            let writer = TraceWriter { [engine] id in
                MainActor.assumeIsolated { engine.name(of: id) }
            }
            engine.attach(
                try TraceRecording(wish, to: exchange, on: loop, writer: writer), liveManifest)
            log.info("the decisions of replica \(wish.replica) are recorded")
        } catch {
            throw APIError(.unavailable, error.description)
        }
    }

    private func workload(_ request: HTTPRequest, _ exchange: HTTPExchange) throws(APIError) {
        let wish = try WorkloadWish(request)
        guard engine.workload == nil else {
            throw APIError(.conflict, "Somebody records the requests already.")
        }
        do throws(LoopError) {
            engine.attach(
                try WorkloadRecording(wish, to: exchange, on: loop, at: Engine.now))
            log.info("the requests are recorded")
        } catch {
            throw APIError(.unavailable, error.description)
        }
    }

    private func recentWorkload(_ exchange: HTTPExchange) throws(APIError) {
        do throws(LoopError) {
            try RecentWorkload(of: engine, to: exchange, on: loop).begin()
        } catch {
            throw APIError(.unavailable, error.description)
        }
    }

    private func status() throws(APIError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var status = engine.status(of: liveManifest, since: start, isDraining: isDraining)
        status.quarantined = quarantines.map {
            HostStatus.Quarantined(policy: $0.name, reason: $0.reason)
        }
        status.manifest = engine.facts?.text.file
        status.manifestFolder = engine.facts?.text.directory
        status.lastReload = reloader?.history.records.last
        do {
            return Array(try encoder.encode(status))
        } catch {
            throw APIError(.internalError, "The status cannot be written: \(error).")
        }
    }
}
