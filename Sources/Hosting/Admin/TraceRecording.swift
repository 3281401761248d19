// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import LoopIO
internal import PolicyKit
internal import Scheduling
internal import StrictJSON

/// How much of a replica's decisions somebody wants to have recorded.
nonisolated struct TraceWish: Sendable, Equatable {
    var replica = 0

    /// `nil` records until the listener leaves.
    var decisions: Int?
    var seconds: Int?

    init(_ request: HTTPRequest, replicas: Int) throws(APIError) {
        for (name, value) in request.queryItems {
            switch name {
            case "replica": replica = try Self.number(value, name, in: 0...(replicas - 1))
            case "decisions": decisions = try Self.number(value, name, in: 1...1_000_000_000)
            case "seconds": seconds = try Self.number(value, name, in: 1...86_400)
            default:
                throw APIError(
                    .badRequest,
                    "There is no parameter \(name.excerpt(40)): use replica, "
                        + "decisions, seconds.", parameter: name.excerpt(40))
            }
        }
    }

    private static func number(
        _ text: String, _ name: String, in range: ClosedRange<Int>
    ) throws(APIError) -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw APIError(
                .badRequest,
                "\(name) is a number from \(range.lowerBound) to \(range.upperBound), not "
                    + "\(text.excerpt(40)).", parameter: name)
        }
        return number
    }
}

/// Writes the decisions of one replica to a listener, until it has enough, leaves, or is too slow.
final class TraceRecording {
    let wish: TraceWish
    private let exchange: HTTPExchange
    private var writer: TraceWriter
    private var timer: LoopTimer?

    /// Called once, when nothing more is written.
    var onEnd: (() -> Void)?

    init(
        _ wish: TraceWish, to exchange: HTTPExchange, on loop: EventLoop, writer: TraceWriter
    ) throws(LoopError) {
        self.wish = wish
        self.exchange = exchange
        self.writer = writer
        guard let seconds = wish.seconds else { return }
        let timer = try LoopTimer(loop: loop)
        timer.start(after: .seconds(seconds)) { [weak self] in
            self?.end("\(seconds) s are over")
        }
        self.timer = timer
    }

    func start(_ header: TraceHeader) {
        exchange.onClientGone = { [weak self] _ in self?.close() }
        exchange.startStream(headers: ["content-type": "application/x-ndjson"])
        exchange.send(writer.header(header))
    }

    /// `nil` says that records were lost.
    func take(_ records: [DecisionRecord]?) {
        guard let records else { return end("records came faster than they could be written") }
        for record in records {
            guard exchange.isOpen else { return }
            let lines = writer.lines(record)
            guard exchange.bufferedBytes + lines.count <= AdminSurface.mostWaitingBytes else {
                return end("the listener is too slow: it let more than 32 MiB wait")
            }
            exchange.send(lines)
            if let most = wish.decisions, writer.decisions >= most, case .decision = record {
                return end("\(most) decisions are recorded")
            }
        }
    }

    /// Writes why it ends, and ends.
    func end(_ reason: String) {
        if exchange.isOpen {
            exchange.send(writer.end(reason))
            exchange.finish()
        }
        close()
    }

    private func close() {
        timer?.close()
        timer = nil
        let onEnd = onEnd
        self.onEnd = nil
        onEnd?()
    }
}
