// SPDX-License-Identifier: Apache-2.0

/// One request's way back: the handler keeps it until it has answered.
///
/// An exchange that is let go of unanswered answers 500, or cuts off the stream that it began.
package final class HTTPExchange {
    package enum SendOutcome: Sendable {
        case accepted
        /// The client takes too little: the connection is being closed, ``onClientGone`` follows.
        case overflow
        /// The exchange was over already.
        case closed
    }

    /// Called once if the client goes before the response is complete, never after that, and
    /// never from within a call of the handler's own. Nothing more can be sent then.
    package var onClientGone: ((ClientGoneReason) -> Void)?

    /// How an exchange ended.
    package struct Outcome: Sendable, Equatable {
        /// `nil` where the client went before it was answered.
        package var status: Int?
        /// Whether the response was sent whole, as far as this side can tell.
        package var isComplete: Bool
        package var fault: String?
    }

    /// Called once when the exchange is over, however it ended.
    package var onOver: ((Outcome) -> Void)?

    /// Fields that go with whatever is answered.
    package var headers: HTTPHeaders = [:]

    /// Why the request was refused, for the log.
    package var fault: String?

    /// Whether a response, or more of it, can be sent.
    package private(set) var isOpen = true

    private var isStreaming = false
    private var status: Int?
    private let connection: HTTPConnection
    private let number: Int

    init(connection: HTTPConnection, number: Int) {
        self.connection = connection
        self.number = number
    }

    isolated deinit {
        guard isOpen else { return }
        if isStreaming {
            connection.abort(number)
        } else {
            let fault = HTTPFault(500, "the request was not answered")
            connection.respond(number, status: fault.status, headers: headers, body: fault.body)
            status = fault.status
        }
        onOver?(
            Outcome(status: status, isComplete: !isStreaming, fault: "the request was not answered")
        )
    }

    /// Bytes of this connection that wait for the client.
    package var bufferedBytes: Int { isOpen ? connection.bufferedBytes : 0 }

    /// Sends a complete response; its body is JSON unless the headers name another content type.
    ///
    /// The connection writes `Content-Length`, `Date` and `Connection`; such fields in `headers`
    /// are left out, but `Connection: close` is heeded.
    package func respond(status: Int, headers: HTTPHeaders = [:], body: [UInt8] = []) {
        guard isOpen else { return }
        precondition(!isStreaming, "a response was already begun as a stream")
        self.status = status
        let headers = adding(headers)
        end(isComplete: true)
        connection.respond(number, status: status, headers: headers, body: body)
    }

    /// Sends the head of a response whose body follows by ``send(_:)``.
    package func startStream(status: Int = 200, headers: HTTPHeaders) {
        guard isOpen else { return }
        precondition(!isStreaming, "the stream was already begun")
        isStreaming = true
        self.status = status
        connection.startStream(number, status: status, headers: adding(headers))
    }

    /// Begins a stream of server-sent events.
    package func startEvents() {
        startStream(headers: [
            "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache",
            "x-accel-buffering": "no",
        ])
    }

    /// Sends a piece of the body.
    ///
    /// More waiting bytes than `HTTPLimits.writeBufferBytes` are an overflow, which ends the
    /// exchange.
    @discardableResult
    package func send(_ bytes: [UInt8]) -> SendOutcome {
        guard isOpen else { return .closed }
        precondition(isStreaming, "a stream is begun before something is sent")
        return connection.send(number, bytes)
    }

    /// Sends one server-sent event with `data`, which may have several lines.
    @discardableResult
    package func sendEvent(data: [UInt8]) -> SendOutcome { send(SSEEncoder.event(data: data)) }

    /// Sends one server-sent event with `data`, which may have several lines.
    @discardableResult
    package func sendEvent(data: String) -> SendOutcome { sendEvent(data: Array(data.utf8)) }

    /// Sends a comment that clients skip, so that a quiet stream is not given up.
    @discardableResult
    package func sendKeepAlive() -> SendOutcome { send(SSEEncoder.keepAlive) }

    /// Completes the stream.
    package func finish() {
        guard isOpen else { return }
        precondition(isStreaming, "a stream is begun before it is finished")
        end(isComplete: true)
        connection.finish(number)
    }

    /// Cuts the connection off, so that the client can tell that the response is not complete.
    package func abort() {
        guard isOpen else { return }
        end(isComplete: false)
        connection.abort(number)
    }

    /// The client went; called by the connection.
    func clientDidGo(_ reason: ClientGoneReason) {
        guard isOpen else { return }
        let onClientGone = onClientGone
        fault = fault ?? "the client is gone (\(reason))"
        end(isComplete: false)
        onClientGone?(reason)
    }

    private func adding(_ own: HTTPHeaders) -> HTTPHeaders {
        guard !headers.fields.isEmpty else { return own }
        var all = own
        all.append(contentsOf: headers)
        return all
    }

    private func end(isComplete: Bool) {
        isOpen = false
        let onOver = onOver
        self.onOver = nil
        onOver?(Outcome(status: status, isComplete: isComplete, fault: fault))
        // The handler's closure usually holds the exchange.
        onClientGone = nil
    }
}
