// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import LoopIO
internal import PolicyKit

/// Writes the requests of the last ten minutes to a listener, some in each turn of the loop, so that
/// nobody who is served waits for it.
final class RecentWorkload {
    /// Requests that are written in one turn.
    private static let perTurn = 128

    private let engine: Engine
    private let exchange: HTTPExchange
    private let timer: LoopTimer
    private var lines: WorkloadLines

    /// The next request to write, and the last one that there was.
    private var next: Int
    private let last: Int

    init(of engine: Engine, to exchange: HTTPExchange, on loop: EventLoop) throws(LoopError) {
        self.engine = engine
        self.exchange = exchange
        timer = try LoopTimer(loop: loop)
        let now = Engine.now
        let begin = engine.ring.begin(at: now)
        lines = WorkloadLines(since: begin?.arrival ?? now)
        next = begin?.id ?? 0
        last = begin == nil ? -1 : engine.ring.last ?? -1
    }

    /// Begins; it lives until all is written or nobody listens any more.
    func begin() {
        exchange.onClientGone = { [timer] _ in timer.close() }
        exchange.startStream(headers: ["content-type": "application/x-ndjson"])
        exchange.send(lines.head(adapters: engine.catalog.entries.map(\.name)))
        timer.start(after: .zero, every: .milliseconds(1)) { self.write() }
    }

    private func write() {
        guard exchange.isOpen else { return timer.close() }
        // A listener that does not take it holds nothing up but itself.
        guard exchange.bufferedBytes < AdminSurface.mostWaitingBytes / 2 else { return }
        var bytes: [UInt8] = []
        for entry in engine.ring.slice(from: next, most: Self.perTurn) where entry.id <= last {
            bytes += lines.lines(of: entry) { [engine] id in
                engine.generations[id]?.sequences.map(\.generatedCount) ?? []
            }
            next = entry.id + 1
        }
        if !bytes.isEmpty { exchange.send(bytes) }
        guard next > last || (engine.ring.last ?? -1) < next else { return }
        exchange.send(lines.tail(after: engine.ring.mostAge))
        exchange.finish()
        timer.close()
    }
}
