// SPDX-License-Identifier: Apache-2.0

import Spelling
import StrictJSON

/// What a request asks for, by method and path.
nonisolated package enum Route: Sendable, Equatable {
    case health
    /// Whether the loop turns.
    case alive
    /// Whether requests are taken.
    case ready
    case version
    case metrics
    case models
    /// `GET /v1/models/{id}`, ids may hold slashes.
    case model(String)
    case completions
    case chatCompletions
    case loadAdapter
    case unloadAdapter
    case adapters
    case tokenize
    case detokenize
    /// `OPTIONS` on a path that exists; the reply is 204 with these in `Allow`.
    case options(allowing: [String])

    /// Finds the route of a path, or the 404 or 405 to answer.
    ///
    /// The path is percent-decoded already and has no query. `HEAD` is answered as `GET`; the shell
    /// leaves the body out.
    package init(method: String, path: String) throws(APIError) {
        if method == "OPTIONS", path == "*" {
            self = .options(allowing: ["GET", "HEAD", "POST", "OPTIONS"])
            return
        }
        let route = try Self.existing(path)
        let methods = Self.methods(of: route)
        switch method {
        case "OPTIONS": self = .options(allowing: methods)
        case let method where methods.contains(method): self = route
        default:
            var error = APIError(
                .methodNotAllowed,
                "\(method.excerpt(20)) does not go with \(path.excerpt(80)): use "
                    + "\(methods.joined(separator: ", ")).")
            error.allowedMethods = methods
            throw error
        }
    }

    /// Whether it needs no API key.
    package var isOpen: Bool {
        switch self {
        case .health, .alive, .ready, .version, .metrics, .options: true
        default: false
        }
    }

    /// The route as a metric label; a path with an id is its pattern, so the labels are few.
    package var label: String {
        switch self {
        case .health: "/health"
        case .alive: "/livez"
        case .ready: "/readyz"
        case .version: "/version"
        case .metrics: "/metrics"
        case .models: "/v1/models"
        case .model: "/v1/models/{id}"
        case .completions: "/v1/completions"
        case .chatCompletions: "/v1/chat/completions"
        case .loadAdapter: "/v1/load_lora_adapter"
        case .unloadAdapter: "/v1/unload_lora_adapter"
        case .adapters: "/v1/lora_adapters"
        case .tokenize: "/tokenize"
        case .detokenize: "/detokenize"
        case .options: "options"
        }
    }

    /// The label of a request that no route takes.
    package static let unknownLabel = "unknown"

    private static let fixed: [Route] = [
        .health, .alive, .ready, .version, .metrics, .models, .completions, .chatCompletions,
        .loadAdapter, .unloadAdapter, .adapters, .tokenize, .detokenize,
    ]

    private static let byPath = Dictionary(uniqueKeysWithValues: fixed.map { ($0.label, $0) })

    private static func methods(of route: Route) -> [String] {
        switch route {
        case .completions, .chatCompletions, .loadAdapter, .unloadAdapter, .tokenize, .detokenize:
            ["POST", "OPTIONS"]
        default: ["GET", "HEAD", "OPTIONS"]
        }
    }

    private static func existing(_ path: String) throws(APIError) -> Route {
        if let route = byPath[path] { return route }
        let prefix = "/v1/models/"
        if path.hasPrefix(prefix), path.utf8.count > prefix.utf8.count {
            return .model(String(path.dropFirst(prefix.count)))
        }
        let near = nearestName(to: path, among: fixed.map(\.label))
        let hint = near.map { " Did you mean \($0)?" } ?? ""
        throw APIError(.notFound, "There is nothing at \(path.excerpt(80)).\(hint)")
    }
}
