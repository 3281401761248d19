// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
package import Logging
package import LoopIO
package import ManifestLoading
internal import PolicyKit
internal import StrictJSON
internal import Supervision

/// The OpenAI surface of an engine: a server whose routes submit jobs and write replies.
package final class ServingHost {
    package let engine: Engine
    let log: Logger
    private(set) var requestLimits: RequestLimits
    private(set) var adapterRoots: [String]
    private var keys: KeyRing
    private let loop: EventLoop
    private var server: HTTPServer?
    private let admin: AdminSurface
    private var drainTimeout: Duration
    private var drainTimer: LoopTimer?
    private var supervisor: SupervisedHost?
    private(set) var isDraining = false
    private var isListening = false
    private let certificate: ServedCertificate?
    private var onEnd: (() -> Void)?
    private var nextReply = 0
    private var nextRequest = 0
    private let replyPrefix: String

    /// The certificate is that of the manifest unless it is given, with the manifest's positions.
    ///
    /// - Throws: `HostError` where the key file or the certificate cannot be used.
    package init(
        engine: Engine, manifest: Manifest, loop: EventLoop, log: Logger,
        certificate: ServedCertificate? = nil
    ) throws(HostError) {
        self.certificate = certificate ?? ServedCertificate(of: manifest)
        self.engine = engine
        self.loop = loop
        self.log = log
        admin = try AdminSurface(engine: engine, manifest: manifest, loop: loop, log: log)
        drainTimeout = manifest.spec.server.drainTimeout.value
        adapterRoots = manifest.spec.limits.adapterRoots.map(\.value)
        requestLimits = RequestLimits(manifest)
        keys = try KeyRing(manifest)
        engine.shares.tenants = keys.shares(of: manifest)
        replyPrefix = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        do {
            server = try HTTPServer(loop: loop, limits: HTTPLimits(manifest)) {
                [weak self] request, exchange in self?.take(request, exchange)
            }
        } catch {
            throw HostError(.cannotStart, error.description)
        }
        try reloadCertificate()
    }

    /// Whether clients must speak TLS.
    package var isEncrypted: Bool { certificate != nil }

    /// Reads the certificate and its key again, for connections that come from now on.
    ///
    /// - Throws: `HostError` where they cannot be used; then those before are kept.
    package func reloadCertificate() throws(HostError) {
        guard let certificate else { return }
        let context = try certificate.load(log)
        server?.tls = context
        admin.use(context)
    }

    /// What the admin surface changes the host by.
    var reloader: Reloader? {
        get { admin.reloader }
        set { admin.reloader = newValue }
    }

    /// Opens the listener, and the admin surface.
    ///
    /// - Returns: the port, which the system chose where `address.port` is 0.
    package func listen(
        on address: ListenAddress, inherited: Bool = false
    ) throws(HostError) -> Int {
        guard let server else { throw HostError(.cannotStart, "the server has ended") }
        let port: Int
        do {
            port =
                inherited
                ? try server.listen(inherited: HostDescriptor.listener)
                : try server.listen(host: address.host, port: Int(address.port))
        } catch {
            throw HostError(.cannotStart, "cannot listen on \(address): \(error.description)")
        }
        try admin.listen()
        isListening = true
        supervisor?.ready()
        return port
    }

    /// Tells a supervisor of each client, and takes over those of the host before.
    func obeySupervisor(startNumber: Int) throws(HostError) {
        guard let server else { return }
        do throws(LoopError) {
            supervisor = try SupervisedHost(
                server: server, loop: loop, startNumber: startNumber)
        } catch {
            throw HostError(.cannotStart, error.description)
        }
    }

    func leaveSupervisor() {
        supervisor?.close()
        supervisor = nil
    }

    /// The policies that have brought hosts down, for the status.
    var quarantines: [Quarantine] {
        get { admin.quarantines }
        set { admin.quarantines = newValue }
    }

    /// Stops accepting, lets streams finish until the drain timeout, then closes what is left.
    package func drain(then: @escaping () -> Void) {
        guard !isDraining, let server else { return }
        isDraining = true
        admin.isDraining = true
        onEnd = then
        log.info(
            "draining: \(engine.unfinished) requests are unfinished; the limit is \(drainTimeout)")
        server.drain { [weak self] in self?.drained() }
        do {
            let timer = try LoopTimer(loop: loop)
            timer.start(after: drainTimeout) { [weak self] in self?.closeAll() }
            drainTimer = timer
        } catch {
            closeAll()
        }
    }

    /// Closes every connection and gives up what is unfinished.
    package func closeAll() {
        if engine.unfinished > 0 {
            log.warning("\(engine.unfinished) requests were cut off")
        }
        server?.closeAll()
        engine.cancelAll()
    }

    private func drained() {
        drainTimer?.close()
        drainTimer = nil
        server = nil
        engine.whenIdle { [weak self] in
            self?.admin.close { [weak self] in
                let onEnd = self?.onEnd
                self?.onEnd = nil
                onEnd?()
            }
        }
    }

    /// Lets another generation say who may come in and how much they may send.
    func adopt(_ manifest: Manifest, _ ring: KeyRing, _ shares: ServiceShares) {
        var ring = ring
        ring.follow(keys)
        keys = ring
        engine.shares = shares
        engine.shares.tenants = ring.shares(of: manifest)
        drainTimeout = manifest.spec.server.drainTimeout.value
        adapterRoots = manifest.spec.limits.adapterRoots.map(\.value)
        requestLimits = RequestLimits(manifest)
        server?.limit(to: HTTPLimits(manifest))
        do throws(HostError) {
            try reloadCertificate()
        } catch {
            // It was good when the generation was built; the one before stays.
            log.error("the certificate cannot be read again: \(error)")
        }
    }

    /// Whether requests are taken, as `/readyz` says it.
    package enum Readiness: String {
        case starting, serving, draining

        var isReady: Bool { self == .serving }
    }

    package var readiness: Readiness {
        isDraining ? .draining : isListening ? .serving : .starting
    }

    // MARK: - Requests

    private func take(_ request: HTTPRequest, _ exchange: HTTPExchange) {
        let known = try? Route(method: request.method, path: request.path)
        let label = known?.label ?? Route.unknownLabel
        let record = RequestRecord(request, route: label, fallback: makeRequestID)
        exchange.headers.append("x-request-id", record.id)
        exchange.onOver = { [log] in record.write($0, to: log) }
        do throws(APIError) {
            let route = try Route(method: request.method, path: request.path)
            switch keys.keys.access(to: route, authorization: request.headers["authorization"]) {
            case .refused(let error): reply(error, to: exchange, route: route.label)
            case .granted(let name):
                try perform(route, request, exchange, keys.tenant(named: name), record)
            }
        } catch {
            reply(error, to: exchange, route: label)
        }
    }

    private func perform(
        _ route: Route, _ request: HTTPRequest, _ exchange: HTTPExchange, _ tenant: TenantID,
        _ record: RequestRecord
    ) throws(APIError) {
        switch route {
        case .health:
            let status = ServerReply.healthStatus(isServing: !isDraining)
            answer(exchange, route, status: status, body: [])
        case .alive: answer(exchange, route, body: ServerReply.state("alive"))
        case .ready:
            answer(
                exchange, route, status: readiness.isReady ? 200 : 503,
                body: ServerReply.state(readiness.rawValue))
        case .version: answer(exchange, route, body: ServerReply.version(BurrowVersion.text))
        case .metrics:
            answer(
                exchange, route, type: MetricsRegistry.contentType, body: engine.exposition())
        case .models: answer(exchange, route, body: ModelCard.list(modelCards))
        case .model(let id): answer(exchange, route, body: try modelCard(id).json)
        case .completions:
            let decoded = try GenerationRequest(completions: request.body, limits: requestLimits)
            try generate(decoded, exchange, route, tenant, record)
        case .chatCompletions:
            let decoded = try GenerationRequest(
                chatCompletions: request.body, limits: requestLimits)
            try generate(decoded, exchange, route, tenant, record)
        case .loadAdapter: try loadAdapter(request, exchange, route)
        case .unloadAdapter: try unloadAdapter(request, exchange, route)
        case .adapters: answer(exchange, route, body: AdapterListing.list(adapterListings))
        case .tokenize: answer(exchange, route, body: try tokenize(request))
        case .detokenize: answer(exchange, route, body: try detokenize(request))
        case .options(let methods):
            engine.metrics.httpReplied(route: route.label, status: 204)
            exchange.respond(
                status: 204, headers: ["allow": methods.joined(separator: ", ")])
        }
    }

    func reply(_ error: APIError, to exchange: HTTPExchange, route: String) {
        engine.metrics.httpReplied(route: route, status: error.status)
        exchange.respond(error)
    }

    func answer(
        _ exchange: HTTPExchange, _ route: Route, status: Int = 200,
        type: String = "application/json", body: [UInt8]
    ) {
        engine.metrics.httpReplied(route: route.label, status: status)
        exchange.respond(status: status, headers: ["content-type": type], body: body)
    }

    func makeReplyID(_ endpoint: GenerationEndpoint) -> String {
        nextReply += 1
        return endpoint.idPrefix + replyPrefix + String(nextReply, radix: 36)
    }

    private func makeRequestID() -> String {
        nextRequest += 1
        return "req-" + replyPrefix + String(nextRequest, radix: 36)
    }
}

nonisolated extension RequestLimits {
    fileprivate init(_ manifest: Manifest) {
        self.init()
        json.byteCount = Int(clamping: manifest.spec.limits.requestBytes.value.bytes)
    }
}

extension HTTPLimits {
    fileprivate init(_ manifest: Manifest) {
        self.init()
        let limits = manifest.spec.limits
        maxConnections = limits.connections.value
        headerBytes = Int(clamping: limits.headerBytes.value.bytes)
        bodyBytes = Int(clamping: limits.requestBytes.value.bytes)
        writeBufferBytes = Int(clamping: limits.writeBuffer.value.bytes)
        idleTimeout = limits.idleTimeout.value
        headerTimeout = limits.headerTimeout.value
    }
}

/// The version of Burrow.
nonisolated package enum BurrowVersion {
    package static let text = "0.1.0"
}
