// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import Logging
internal import PolicyKit

/// What the log says of one HTTP request.
final class RequestRecord {
    /// The client's `x-request-id` where that can be used, else one that the host has made.
    let id: String
    /// The model that was asked for, once it is known.
    var model: String?

    private let method: String
    private let route: String
    private let start = Engine.now

    init(_ request: HTTPRequest, route: String, fallback: () -> String) {
        id = Self.identifier(of: request) ?? fallback()
        method = request.method
        self.route = route
    }

    /// What the client calls the request: 1 to 128 visible ASCII characters.
    nonisolated static func identifier(of request: HTTPRequest) -> String? {
        guard let sent = request.headers["x-request-id"], (1...128).contains(sent.utf8.count),
            sent.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        return sent
    }

    /// Writes the access line when the request is over.
    func write(_ outcome: HTTPExchange.Outcome, to log: Logger) {
        guard log.logLevel <= .debug else { return }
        let microseconds = (start.duration(to: Engine.now).seconds * 1e6).rounded()
        var metadata: Logger.Metadata = [
            "request": "\(id)", "method": "\(method)", "route": "\(route)",
            "status": .stringConvertible(outcome.status ?? 0),
            "milliseconds": .stringConvertible(microseconds / 1000),
        ]
        if let model { metadata["model"] = "\(model)" }
        if let fault = outcome.fault { metadata["error"] = "\(fault)" }
        if !outcome.isComplete { metadata["cut"] = .stringConvertible(true) }
        log.debug("request", metadata: metadata)
    }
}
