// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import LoopIO
internal import PolicyKit
internal import StrictJSON

/// How many of a host's requests somebody wants to have recorded.
nonisolated struct WorkloadWish: Sendable, Equatable {
    /// `nil` records until the listener leaves.
    var requests: Int?
    var seconds: Int?

    init(_ request: HTTPRequest) throws(APIError) {
        for (name, value) in request.queryItems {
            switch name {
            case "requests": requests = try Self.number(value, name, upTo: 1_000_000_000)
            case "seconds": seconds = try Self.number(value, name, upTo: 86_400)
            default:
                throw APIError(
                    .badRequest,
                    "There is no parameter \(name.excerpt(40)): use requests, seconds.",
                    parameter: name.excerpt(40))
            }
        }
    }

    private static func number(
        _ text: String, _ name: String, upTo most: Int
    ) throws(APIError) -> Int {
        guard let number = Int(text), (1...most).contains(number) else {
            throw APIError(
                .badRequest, "\(name) is a number from 1 to \(most), not \(text.excerpt(40)).",
                parameter: name)
        }
        return number
    }
}

/// Writes when requests came, for which adapter, and how long they were, to a listener; no text.
///
/// The first line names the adapters; the others are requests in order of arrival; the last says why
/// it ends. A request is written when it and all that came before it have ended, so what waits is as
/// much as the host has unfinished, and bounded.
final class WorkloadRecording {
    /// Requests that wait for an earlier one to end, at most.
    private static let mostWaiting = 1 << 18

    /// A client's request that came while it was recorded.
    private struct Entry {
        let generation: Int

        /// What is written of it; `nil` before it has ended.
        var lines: [UInt8]?
    }

    private let wish: WorkloadWish
    private let exchange: HTTPExchange
    private let start: Instant
    private var timer: LoopTimer?

    /// In order of arrival, from `first` on.
    private var entries: [Entry] = []
    private var first = 0
    private var taken = 0
    private var written = 0
    private var leftOut = 0

    /// Why no more requests are taken; those that came are waited for.
    private var reason: String?

    /// Called once, when nothing more is written.
    var onEnd: (() -> Void)?

    init(
        _ wish: WorkloadWish, to exchange: HTTPExchange, on loop: EventLoop, at start: Instant
    ) throws(LoopError) {
        self.wish = wish
        self.exchange = exchange
        self.start = start
        guard let seconds = wish.seconds else { return }
        let timer = try LoopTimer(loop: loop)
        timer.start(after: .seconds(seconds)) { [weak self] in
            self?.takeNoMore("\(seconds) s are over")
        }
        self.timer = timer
    }

    func begin(adapters: [String]) {
        exchange.onClientGone = { [weak self] _ in self?.close() }
        exchange.startStream(headers: ["content-type": "application/x-ndjson"])
        var json = JSONWriter()
        json.beginObject()
        json.key("adapters")
        json.beginArray()
        for adapter in adapters { json.value(adapter) }
        json.endArray()
        json.endObject()
        exchange.send(json.bytes + [0x0A])
    }

    /// A request has been accepted.
    func came(_ generation: Generation) {
        guard reason == nil else { return }
        guard entries.count - first < Self.mostWaiting else {
            return end("\(Self.mostWaiting) requests wait for an earlier one to end")
        }
        entries.append(Entry(generation: generation.id))
        taken += 1
        if taken == wish.requests { takeNoMore("\(taken) requests are recorded") }
    }

    /// A request has ended; `adapter` is `nil` for the base.
    func ended(_ generation: Generation, adapter: String?) {
        guard let place = place(of: generation.id) else { return }
        switch generation.reason {
        case .stop, .length: entries[place].lines = lines(of: generation, adapter: adapter)
        case .abort, .error:
            entries[place].lines = []
            leftOut += 1
        }
        pass()
        if reason != nil, first == entries.count { finish() }
    }

    /// Identifiers ascend with arrivals.
    private func place(of generation: Int) -> Int? {
        var (low, high) = (first, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].generation < generation { low = middle + 1 } else { high = middle }
        }
        guard low < entries.count, entries[low].generation == generation,
            entries[low].lines == nil
        else { return nil }
        return low
    }

    /// One line for each choice.
    private func lines(of generation: Generation, adapter: String?) -> [UInt8] {
        var lines: [UInt8] = []
        for sequence in generation.sequences {
            var json = JSONWriter(reserving: 96)
            json.beginObject()
            json.key("at")
            json.value(Int(max(0, start.duration(to: generation.arrival).saturatingNanoseconds)))
            json.key("adapter")
            json.value(adapter)
            json.key("prompt")
            json.value(sequence.promptCount)
            json.key("output")
            json.value(max(1, sequence.generatedCount))
            json.endObject()
            lines += json.bytes + [0x0A]
        }
        return lines
    }

    /// Writes what waits for nothing any more.
    private func pass() {
        while first < entries.count, let lines = entries[first].lines {
            guard exchange.isOpen else { return }
            guard exchange.bufferedBytes + lines.count <= AdminSurface.mostWaitingBytes else {
                return end("the listener is too slow: it let more than 32 MiB wait")
            }
            if !lines.isEmpty {
                exchange.send(lines)
                written += 1
            }
            first += 1
        }
        if first > 1_024, first * 2 > entries.count {
            entries.removeFirst(first)
            first = 0
        }
    }

    // MARK: - The end

    private func takeNoMore(_ reason: String) {
        self.reason = self.reason ?? reason
        if first == entries.count { finish() }
    }

    /// Ends without waiting for those that have not ended.
    func end(_ reason: String) {
        self.reason = reason
        finish()
    }

    private func finish() {
        if exchange.isOpen {
            var json = JSONWriter()
            json.beginObject()
            json.key("end")
            json.value(reason ?? "")
            json.key("requests")
            json.value(written)
            json.key("leftOut")
            json.value(leftOut)
            json.key("unfinished")
            json.value(entries.count - first)
            json.endObject()
            exchange.send(json.bytes + [0x0A])
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
