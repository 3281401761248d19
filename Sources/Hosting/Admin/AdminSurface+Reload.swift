// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import PolicyKit
internal import StrictJSON

/// A question to the admin surface about generations.
nonisolated enum ReloadRoute: Sendable, Equatable {
    case manifest
    case generations
    case apply(ManifestText, ApplyTerms)
    case reload
    case rollBack(to: Int?)
    case reset
    case shadow
    case startShadow(ManifestText)
    case promoteShadow
    case stopShadow

    /// The paths and their methods, as messages list them.
    static let methods: [(path: String, methods: [String])] = [
        ("/admin/manifest", ["GET", "PUT"]), ("/admin/plan", ["POST"]),
        ("/admin/reload", ["POST"]), ("/admin/generations", ["GET"]),
        ("/admin/rollback", ["POST"]), ("/admin/reset", ["POST"]),
        ("/admin/shadow", ["GET", "PUT", "DELETE"]), ("/admin/shadow/promote", ["POST"]),
    ]

    /// The question of a request, or `nil` for another path. A manifest without a name of its own is
    /// read by the name and the folder of the live one.
    ///
    /// - Throws: 400, 405 and 428.
    init?(_ request: HTTPRequest, live: ManifestText?) throws(APIError) {
        guard let route = Self.methods.first(where: { $0.path == request.path }) else { return nil }
        guard route.methods.contains(request.method) else {
            var error = APIError(
                .methodNotAllowed,
                "Use \(route.methods.joined(separator: " or ")) for \(request.path).")
            error.allowedMethods = route.methods
            throw error
        }
        switch (request.path, request.method) {
        case ("/admin/manifest", "PUT"):
            guard let base = request.headers["if-match"] else {
                throw APIError(
                    .preconditionRequired,
                    "Say with If-Match which manifest this is to replace: the ETag of "
                        + "GET /admin/manifest, or * for any.")
            }
            self = .apply(Self.text(of: request, live), Self.terms(request, base, isPlan: false))
        case ("/admin/plan", _):
            self = .apply(
                Self.text(of: request, live),
                Self.terms(request, request.headers["if-match"] ?? "*", isPlan: true))
        case ("/admin/manifest", _): self = .manifest
        case ("/admin/reload", _): self = .reload
        case ("/admin/generations", _): self = .generations
        case ("/admin/reset", _): self = .reset
        case ("/admin/shadow", "PUT"): self = .startShadow(Self.text(of: request, live))
        case ("/admin/shadow", "DELETE"): self = .stopShadow
        case ("/admin/shadow", _): self = .shadow
        case ("/admin/shadow/promote", _): self = .promoteShadow
        default: self = .rollBack(to: try Self.number(request))
        }
    }

    private static func text(of request: HTTPRequest, _ live: ManifestText?) -> ManifestText {
        if let file = request.queryValue("file"), file.hasPrefix("/") {
            return ManifestText(
                request.body, file: file, directory: ManifestText.directory(of: file))
        }
        return ManifestText(
            request.body, file: live?.file ?? "manifest", directory: live?.directory ?? "/")
    }

    private static func terms(_ request: HTTPRequest, _ base: String, isPlan: Bool) -> ApplyTerms {
        let digest = base.trimmingCharacters(in: CharacterSet(charactersIn: "\" "))
        return ApplyTerms(
            base: digest == "*" ? nil : digest, isPlan: isPlan,
            isForced: request.queryValue("force") == "1")
    }

    private static func number(_ request: HTTPRequest) throws(APIError) -> Int? {
        guard let text = request.queryValue("to") else { return nil }
        guard let number = Int(text), number > 0 else {
            throw APIError(
                .badRequest, "to is the number of a generation, not \(text.excerpt(40)).",
                parameter: "to")
        }
        return number
    }
}

extension AdminSurface {
    /// Answers a question about generations.
    ///
    /// - Returns: whether it was one.
    func answer(_ request: HTTPRequest, _ exchange: HTTPExchange) throws(APIError) -> Bool {
        guard let route = try ReloadRoute(request, live: reloader?.liveText) else { return false }
        guard let reloader else {
            throw APIError(.unavailable, "This host cannot be changed while it runs.")
        }
        let reply: (ReloadReply) -> Void = { reply in
            exchange.respond(status: reply.status, body: Self.body(reply))
        }
        switch route {
        case .manifest:
            exchange.respond(
                status: 200,
                headers: [
                    "content-type": "application/yaml", "etag": "\"\(reloader.digest)\"",
                    "x-burrow-file": reloader.liveText?.file ?? "",
                ],
                body: reloader.liveText?.bytes ?? [])
        case .generations:
            exchange.respond(status: 200, body: Self.body(reloader.history.records))
        case .apply(let text, let terms): reloader.apply(text, terms, then: reply)
        case .reload: reloader.reload(by: .admin, then: reply)
        case .rollBack(let number): try reloader.rollBack(to: number, then: reply)
        case .reset: reloader.reset(then: reply)
        case .shadow: exchange.respond(status: 200, body: Self.body(try reloader.shadowReport()))
        case .startShadow(let text):
            reloader.startShadow(text) { result in
                switch result {
                case .success(let report):
                    exchange.respond(status: 200, body: Self.body(report))
                case .failure(let error): exchange.respond(error)
                }
            }
        case .stopShadow:
            exchange.respond(status: 200, body: Self.body(try reloader.stopShadow()))
        case .promoteShadow: try reloader.promoteShadow(then: reply)
        }
        return true
    }

    static func body(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The types that are sent have numbers, words and lists of these.
        return (try? encoder.encode(value)).map(Array.init) ?? []
    }
}

nonisolated extension ReloadReply {
    /// The status of the HTTP reply.
    var status: Int {
        switch outcome {
        case .live, .planned, .unchanged: 200
        case .refused: 422
        case .stale: 412
        case .superseded: 409
        }
    }
}
