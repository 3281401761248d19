// SPDX-License-Identifier: Apache-2.0

import Spelling
package import StrictJSON

/// A refusal as a client sees it: status, vLLM's error type, what to change, and which field.
nonisolated package struct APIError: Error, Sendable, Equatable {
    /// What kind of refusal it is; fixes the status and the type.
    package enum Code: Int, Sendable, CaseIterable {
        case badRequest = 400
        case unauthorized = 401
        case forbidden = 403
        case notFound = 404
        case methodNotAllowed = 405
        case requestTimeout = 408
        case conflict = 409
        case preconditionFailed = 412
        case payloadTooLarge = 413
        case unsupportedMediaType = 415
        case unprocessable = 422
        case preconditionRequired = 428
        case tooManyRequests = 429
        case internalError = 500
        case notImplemented = 501
        case unavailable = 503

        /// vLLM's name for it, or that of OpenAI's client library where vLLM has none.
        package var type: String {
            switch self {
            case .badRequest: "BadRequestError"
            case .unauthorized: "AuthenticationError"
            case .forbidden: "PermissionDeniedError"
            case .notFound: "NotFoundError"
            case .methodNotAllowed: "MethodNotAllowedError"
            case .requestTimeout: "RequestTimeoutError"
            case .conflict: "ConflictError"
            case .preconditionFailed: "PreconditionFailedError"
            case .payloadTooLarge: "PayloadTooLargeError"
            case .unsupportedMediaType: "UnsupportedMediaTypeError"
            case .unprocessable: "UnprocessableEntityError"
            case .preconditionRequired: "PreconditionRequiredError"
            case .tooManyRequests: "RateLimitError"
            case .internalError: "InternalServerError"
            case .notImplemented: "NotImplementedError"
            case .unavailable: "ServiceUnavailableError"
            }
        }
    }

    package let code: Code
    package let message: String
    /// The request field that is at fault, as a path: `messages[2].content`.
    package let parameter: String?
    /// The error type; the code's own unless the contract of a route names another.
    package let type: String
    /// A word for programs that `code` holds instead of the status, for outcomes that only this
    /// server has.
    package private(set) var word: String?
    /// When to try again; sent as `Retry-After`.
    package var retryAfterSeconds: Int?
    /// The methods that the path does take; sent as `Allow`.
    package var allowedMethods: [String] = []

    package init(
        _ code: Code, _ message: String, parameter: String? = nil, type: String? = nil,
        retryAfterSeconds: Int? = nil
    ) {
        self.code = code
        self.message = message
        self.parameter = parameter
        self.type = type ?? code.type
        self.retryAfterSeconds = retryAfterSeconds
    }

    package var status: Int { code.rawValue }

    /// The headers that go with the status, beside the content type (`application/json`).
    package var headers: [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if let retryAfterSeconds {
            headers.append(("Retry-After", String(max(0, retryAfterSeconds))))
        }
        if !allowedMethods.isEmpty {
            headers.append(("Allow", allowedMethods.joined(separator: ", ")))
        }
        if code == .unauthorized { headers.append(("WWW-Authenticate", "Bearer")) }
        return headers
    }

    /// The body, which is also the payload of an error inside a stream.
    package var json: [UInt8] {
        var writer = JSONWriter()
        encode(into: &writer)
        return writer.bytes
    }

    /// Appends `{"error":{"message","type","param","code"}}`.
    package func encode(into writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("error")
        writer.beginObject()
        writer.key("message")
        writer.value(message)
        writer.key("type")
        writer.value(type)
        writer.key("param")
        writer.value(parameter)
        writer.key("code")
        if let word {
            writer.value(word)
        } else {
            writer.value(status)
        }
        writer.endObject()
        writer.endObject()
    }
}

nonisolated extension APIError {
    /// The reply to a `model` that names neither the base nor an adapter nor a mixture.
    package static func unknownModel(_ name: String, known: [String]) -> APIError {
        var message = "The model `\(name.excerpt(200))` does not exist."
        if let near = nearestName(to: name, among: known) {
            message += " Did you mean `\(near)`?"
        }
        return APIError(.notFound, message, parameter: "model")
    }

    /// The reply when the queue is full; clients that follow OpenAI's try again by themselves.
    package static func overloaded(_ message: String, retryAfterSeconds: Int) -> APIError {
        APIError(.unavailable, message, retryAfterSeconds: retryAfterSeconds)
    }

    /// The reply to a request that was given up, as its first token would have come too late.
    package static func deadlineUnreachable(
        _ message: String, retryAfterSeconds: Int
    ) -> APIError {
        var error = APIError(
            .unavailable, message, type: "DeadlineUnreachableError",
            retryAfterSeconds: retryAfterSeconds)
        error.word = "deadline_unreachable"
        return error
    }

    /// The reply to a `service_class` that the manifest does not define.
    package static func unknownServiceClass(_ name: String, known: [String]) -> APIError {
        var message = "service_class: there is no service class `\(name.excerpt(200))`"
        if let near = nearestName(to: name, among: known) {
            message += " (did you mean `\(near)`?)"
        }
        let list = known.map { "`\($0)`" }.joined(separator: ", ")
        message += known.isEmpty ? ": this server has none, leave it out." : "; known: \(list)."
        return APIError(.badRequest, message, parameter: "service_class")
    }

    /// The reply to `mixture` beside a `model` that is none.
    package static func noMixture(_ name: String) -> APIError {
        APIError(
            .badRequest,
            "mixture: the model `\(name.excerpt(200))` is no mixture: leave it out, or name one.",
            parameter: "mixture")
    }

    /// The reply to a mask with a name that is none of the mixture's experts.
    package static func unknownExpert(_ name: String, known: [String]) -> APIError {
        var message = "mixture.mask: there is no expert `\(name.excerpt(200))`"
        if let near = nearestName(to: name, among: known) {
            message += " (did you mean `\(near)`?)"
        }
        let list = known.map { "`\($0)`" }.joined(separator: ", ")
        return APIError(.badRequest, message + "; experts: \(list).", parameter: "mixture.mask")
    }

    /// The reply where a mixture cannot be served just now; `reason` is a sentence without its end.
    package static func mixtureOutOfService(_ name: String, because reason: String) -> APIError {
        APIError(
            .conflict, "The mixture `\(name)` is out of service: \(reason).", parameter: "model")
    }

    init(_ error: JSONSyntaxError) {
        self.init(.badRequest, "The body is not valid JSON: \(error.description).")
    }
}
