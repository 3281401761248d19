// SPDX-License-Identifier: Apache-2.0

/// Why a handler's client will not read the rest of its response.
package nonisolated enum ClientGoneReason: String, Sendable, CaseIterable {
    /// It closed or lost the connection.
    case disconnected
    /// It took too little of what was sent: the write buffer filled or nothing moved for too long.
    case slowClient
    /// This server closed the connection while it shut down.
    case serverClosed
}

/// One HTTP/1.1 connection as a value: bytes and times in, actions out, no socket.
///
/// Each event is one method. After any of them ``next(at:)`` is called until it gives nothing, and
/// each action is performed before the next is asked for. Requests are answered one at a time and
/// in order; while one is answered, further input is kept but not looked at.
nonisolated struct ConnectionMachine {
    enum Action: Equatable {
        /// A whole request came; it is answered with `number` in hand.
        case dispatch(HTTPRequest, number: Int)
        case write([UInt8])
        /// The handler's response has lost its reader.
        case clientGone(ClientGoneReason)
        /// Send no more, but read on.
        case shutdown
        /// Close at once; the last action.
        case close
    }

    enum Phase: Equatable {
        /// Nothing of a next request has come. Can transition to: readingHead, flushing, closed.
        case idle
        /// Can transition to: readingBody, responding, flushing (a fault), closed.
        case readingHead
        /// Can transition to: responding, flushing (a fault), closed.
        case readingBody
        /// A handler owes the response. Can transition to: idle, flushing, closed.
        case responding
        /// The last response is complete and on its way. Can transition to: lingering, closed.
        case flushing
        /// All is sent; input is thrown away so that the client is not reset while it reads
        /// (RFC 9112 §9.6). Can transition to: closed.
        case lingering
        case closed
    }

    /// A request whose body is on its way.
    struct Incoming {
        enum Body {
            case bytes(remaining: Int)
            case chunked(ChunkedDecoder)
        }

        var head: RequestHead
        var body: Body
    }

    /// What the response must know of its request.
    struct Reply {
        enum Stage {
            case awaited, streaming(ResponseEncoder.Framing)
        }

        var isHead: Bool
        var isHTTP10: Bool
        var keepsAlive: Bool
        var stage = Stage.awaited
    }

    /// Responses of pipelined requests are gathered up to this size before they are written.
    static let outputBatchBytes = 32 * 1024

    let limits: HTTPLimits
    let times: ConnectionTimes
    private(set) var phase = Phase.idle
    /// Counts requests; the number of the last one dispatched.
    private(set) var exchangeNumber = 0
    /// The number of requests that were refused before a handler saw them.
    private(set) var faultCount = 0
    /// What was sent but not yet performed as a write.
    var output: [UInt8] = []
    var reply = Reply(isHead: false, isHTTP10: false, keepsAlive: false)
    var clock: ConnectionClock

    private var input: [UInt8] = []
    private var inputStart = 0
    private var scanner = HeadScanner()
    private var incoming: Incoming?
    private var lossToTell: ClientGoneReason?
    private var hasToldClose = false
    private var peerHasEnded = false
    private(set) var isDraining = false
    /// The `Date` for responses that this machine makes itself.
    private let date: () -> String

    init(limits: HTTPLimits, at now: UInt64, date: @escaping () -> String) {
        self.limits = limits
        self.times = ConnectionTimes(limits)
        self.clock = ConnectionClock(now: now)
        self.date = date
        clock.phaseDeadline = now.addingClamped(times.header)
    }

    // MARK: - Events of the socket

    mutating func received(_ bytes: UnsafeBufferPointer<UInt8>, at now: UInt64) {
        switch phase {
        case .flushing, .lingering, .closed: return
        case .idle, .readingHead, .readingBody, .responding: input += bytes
        }
    }

    /// The client will send no more, which is how a client that left looks as well: a response
    /// that is still being made loses its reader.
    mutating func peerEnded() {
        peerHasEnded = true
        switch phase {
        case .idle, .readingHead, .readingBody:
            // Earlier responses may still be on their way.
            enterFlushing()
        case .responding: lose(.disconnected)
        case .lingering: phase = .closed
        case .flushing, .closed: break
        }
    }

    /// The connection broke.
    mutating func connectionLost() {
        if phase == .responding { lossToTell = .disconnected }
        phase = .closed
    }

    /// Of all that was written, `buffered` bytes still wait for the client.
    mutating func wrote(buffered: Int, at now: UInt64) {
        let waited = clock.buffered > 0
        clock.note(buffered: buffered, at: now)
        // A client rests only from when it has its response.
        if phase == .idle, waited, buffered == 0 {
            clock.phaseDeadline = now.addingClamped(times.idle)
        }
    }

    /// Time has passed; closes what has taken too long.
    mutating func tick(at now: UInt64) {
        if phase != .closed, clock.isStalled(at: now, limit: times.writeStall) {
            return lose(.slowClient)
        }
        guard now >= clock.phaseDeadline else { return }
        switch phase {
        case .idle where clock.buffered > 0: break
        case .idle, .lingering: phase = .closed
        case .readingHead where scanner.isAtStart: phase = .closed
        case .readingHead: fail(HTTPFault(408, "the headers took too long to come"))
        case .readingBody: fail(HTTPFault(408, "the body took too long to come"))
        case .responding, .flushing, .closed: break
        }
    }

    // MARK: - Events of the server

    /// Closes the connection when nothing is on its way, else after the response.
    mutating func drain() {
        isDraining = true
        guard phase == .idle, inputCount == 0 else { return }
        if clock.buffered == 0, output.isEmpty { phase = .closed } else { enterFlushing() }
    }

    /// Closes the connection at once.
    mutating func closeNow(_ reason: ClientGoneReason) { lose(reason) }

    /// Refuses the connection before any request came.
    mutating func refuse(_ fault: HTTPFault) { fail(fault) }

    // MARK: - What to do

    /// Whether input is wanted; else it is left with the system, which slows the client down.
    var wantsInput: Bool {
        switch phase {
        case .idle, .readingHead, .readingBody:
            inputCount < max(limits.pipelinedBytes, limits.headerBytes + 1)
        case .responding: inputCount < limits.pipelinedBytes
        case .flushing, .lingering: !peerHasEnded
        case .closed: false
        }
    }

    /// The next action, if any is due.
    mutating func next(at now: UInt64) -> Action? {
        if let reason = lossToTell {
            lossToTell = nil
            return .clientGone(reason)
        }
        if mayParse, let action = parse(at: now) { return action }
        if let bytes = takeOutput(at: now) { return .write(bytes) }
        if phase == .flushing, clock.buffered == 0 {
            phase = peerHasEnded ? .closed : .lingering
            clock.phaseDeadline = now.addingClamped(times.linger)
            if phase == .lingering { return .shutdown }
        }
        guard phase == .closed, !hasToldClose else { return nil }
        hasToldClose = true
        return .close
    }

    /// What is to be written now, for a caller that writes it at once.
    mutating func takeOutput(at now: UInt64) -> [UInt8]? {
        guard phase != .closed, !output.isEmpty else { return nil }
        let bytes = output
        output = []
        clock.submitted(bytes.count, at: now)
        return bytes
    }

    // MARK: - Requests

    private var inputCount: Int { input.count - inputStart }

    /// A request is begun only when the last response has left, so that what waits for a client
    /// is bounded by one response and a batch.
    private var mayParse: Bool {
        switch phase {
        case .idle, .readingHead, .readingBody:
            inputCount > 0 && clock.buffered == 0 && output.count < Self.outputBatchBytes
        case .responding, .flushing, .lingering, .closed: false
        }
    }

    private mutating func parse(at now: UInt64) -> Action? {
        do throws(HTTPFault) {
            if phase == .idle { beginHead(at: now) }
            if phase == .readingHead {
                guard let head = try takeHead() else { return nil }
                if let request = try beginBody(of: head, at: now) { return request }
            }
            return try takeBody()
        } catch {
            fail(error)
            return nil
        }
    }

    private mutating func beginHead(at now: UInt64) {
        phase = .readingHead
        scanner = HeadScanner()
        // The first request has had its time since the connection was made.
        if exchangeNumber > 0 { clock.phaseDeadline = now.addingClamped(times.header) }
    }

    private mutating func takeHead() throws(HTTPFault) -> RequestHead? {
        let (bytes, start, limits) = (input, inputStart, limits)
        var scanner = scanner
        defer { self.scanner = scanner }
        let result = try bytes.withUnsafeBufferPointer {
            (whole) throws(HTTPFault) -> (RequestHead, used: Int)? in
            let rest = UnsafeBufferPointer(rebasing: whole[start...])
            guard case .complete(let count, let skip) = try scanner.scan(rest, limits: limits)
            else { return nil }
            return (try RequestHead(UnsafeBufferPointer(rebasing: rest[skip..<count])), count)
        }
        guard let (head, used) = result else { return nil }
        inputStart += used
        return head
    }

    /// Dispatches a request without a body, else gets ready for it.
    private mutating func beginBody(
        of head: RequestHead, at now: UInt64
    ) throws(HTTPFault) -> Action? {
        switch head.bodyLength {
        case .none:
            return dispatch(head)
        case .bytes(let count):
            guard count <= limits.bodyBytes else {
                throw HTTPFault(413, "the body exceeds \(limits.bodyBytes) bytes")
            }
            incoming = Incoming(head: head, body: .bytes(remaining: count))
        case .chunked:
            incoming = Incoming(head: head, body: .chunked(ChunkedDecoder()))
        }
        if head.expectsContinue, inputCount == 0 { output += ResponseEncoder.continueLine }
        phase = .readingBody
        clock.phaseDeadline = now.addingClamped(times.body)
        return nil
    }

    private mutating func takeBody() throws(HTTPFault) -> Action? {
        guard var request = incoming else { return nil }
        incoming = nil
        if try feed(&request) { return dispatch(request.head) }
        incoming = request
        compactInput()
        return nil
    }

    /// Gives the input to the body of `request`; true if that completes it.
    private mutating func feed(_ request: inout Incoming) throws(HTTPFault) -> Bool {
        let (bytes, start, limit) = (input, inputStart, limits.bodyBytes)
        let (used, isComplete) = try bytes.withUnsafeBufferPointer { (whole) throws(HTTPFault) in
            try request.take(UnsafeBufferPointer(rebasing: whole[start...]), limit: limit)
        }
        inputStart += used
        return isComplete
    }

    private mutating func dispatch(_ head: RequestHead) -> Action {
        compactInput()
        exchangeNumber += 1
        phase = .responding
        clock.phaseDeadline = .max
        reply = Reply(
            isHead: head.request.method == "HEAD", isHTTP10: head.isHTTP10,
            keepsAlive: head.keepsAlive)
        return .dispatch(head.request, number: exchangeNumber)
    }

    private mutating func compactInput() {
        guard inputStart > 0 else { return }
        if inputStart == input.count {
            // Room for a usual request stays; that of a large one is given back.
            input.removeAll(keepingCapacity: input.capacity <= 4096)
            inputStart = 0
        } else if inputStart >= input.count / 2 {
            input.removeSubrange(..<inputStart)
            inputStart = 0
        }
    }

    // MARK: - Ends

    /// The response is complete: on to the next request, or to the end of the connection.
    mutating func endResponse(at now: UInt64) {
        if reply.keepsAlive && !isDraining {
            phase = .idle
            clock.phaseDeadline = now.addingClamped(times.idle)
        } else {
            enterFlushing()
        }
    }

    /// Gives the response up; a reader that is still there sees it cut off.
    mutating func abortResponse() { phase = .closed }

    private mutating func enterFlushing() {
        phase = .flushing
        clock.phaseDeadline = .max
        (input, inputStart, incoming) = ([], 0, nil)
    }

    private mutating func lose(_ reason: ClientGoneReason) {
        if phase == .responding { lossToTell = reason }
        phase = .closed
        output = []
    }

    private mutating func fail(_ fault: HTTPFault) {
        faultCount += 1
        let body = fault.body
        ResponseEncoder.appendHead(
            status: fault.status, headers: fault.status == 503 ? ["retry-after": "1"] : [:],
            context: .init(
                framing: .length(body.count), isHTTP10: false, keepsAlive: false, date: date()),
            to: &output)
        output += body
        enterFlushing()
    }
}

extension ConnectionMachine.Incoming {
    /// Moves what belongs to the body from the front of `input` to the request.
    nonisolated fileprivate mutating func take(
        _ input: UnsafeBufferPointer<UInt8>, limit: Int
    ) throws(HTTPFault) -> (used: Int, isComplete: Bool) {
        switch body {
        case .bytes(let remaining):
            let count = min(remaining, input.count)
            head.request.body.append(contentsOf: input[..<count])
            body = .bytes(remaining: remaining - count)
            return (count, remaining == count)
        case .chunked(var decoder):
            let (used, isComplete) = try decoder.decode(
                input, into: &head.request.body, limit: limit)
            body = .chunked(decoder)
            return (used, isComplete)
        }
    }
}
