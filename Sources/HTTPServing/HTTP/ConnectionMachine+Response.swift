// SPDX-License-Identifier: Apache-2.0

/// The events of the handler that answers. Each is ignored when its exchange is over: the client
/// may have left, or the server may have closed, before the handler could know.
extension ConnectionMachine {
    /// A complete response.
    nonisolated mutating func respond(
        status: Int, headers: HTTPHeaders, body: [UInt8], date: String, at now: UInt64
    ) {
        guard phase == .responding, case .awaited = reply.stage else { return }
        let isEmpty = Self.hasNoBody(status)
        beginReply(
            status: status, headers: headers, framing: isEmpty ? .none : .length(body.count),
            date: date)
        if !isEmpty, !reply.isHead { output += body }
        endResponse(at: now)
    }

    /// The head of a response whose body follows in pieces.
    nonisolated mutating func startStream(status: Int, headers: HTTPHeaders, date: String) {
        guard phase == .responding, case .awaited = reply.stage else { return }
        let framing: ResponseEncoder.Framing =
            Self.hasNoBody(status) ? .none : reply.isHTTP10 ? .untilClose : .chunked
        if case .untilClose = framing { reply.keepsAlive = false }
        beginReply(status: status, headers: headers, framing: framing, date: date)
        reply.stage = .streaming(reply.isHead ? .none : framing)
    }

    /// A piece of the body of a started stream.
    nonisolated mutating func send(_ bytes: [UInt8]) {
        guard phase == .responding, case .streaming(let framing) = reply.stage else { return }
        switch framing {
        case .chunked: ResponseEncoder.appendChunk(bytes, to: &output)
        case .untilClose: output += bytes
        case .none, .length: break
        }
    }

    /// The end of a started stream.
    nonisolated mutating func finish(at now: UInt64) {
        guard phase == .responding, case .streaming(let framing) = reply.stage else { return }
        if case .chunked = framing { output += ResponseEncoder.lastChunk }
        endResponse(at: now)
    }

    private nonisolated mutating func beginReply(
        status: Int, headers: HTTPHeaders, framing: ResponseEncoder.Framing, date: String
    ) {
        if isDraining || headers["connection"]?.lowercased() == "close" {
            reply.keepsAlive = false
        }
        ResponseEncoder.appendHead(
            status: status, headers: headers,
            context: .init(
                framing: framing, isHTTP10: reply.isHTTP10, keepsAlive: reply.keepsAlive,
                date: date),
            to: &output)
    }

    private nonisolated static func hasNoBody(_ status: Int) -> Bool {
        (100..<200).contains(status) || status == 204 || status == 304
    }
}
