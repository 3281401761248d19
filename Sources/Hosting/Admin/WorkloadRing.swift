// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import StrictJSON

/// The requests of the last ten minutes: when they came, for which adapter, how long they were, and
/// when their tokens were there; no text. What a change would make of them can be simulated.
///
/// It is bounded by time and by number, whichever is less.
nonisolated struct WorkloadRing {
    /// One choice of a request.
    struct Choice: Sendable, Equatable {
        var prompt: Int
        var output: Int
    }

    /// A client's request.
    struct Entry: Sendable, Equatable {
        /// Ascends with arrivals.
        var id: Int
        var arrival: Instant

        /// `nil` is the base.
        var adapter: String?
        var tenant: UInt32 = 0
        var weight = 1.0
        var target: Duration?
        var mostTokens: Int?
        var choices: [Choice]

        /// After the arrival; of the choice that was first.
        var firstToken: Duration?
        var latency: Duration?
        var state = State.unfinished
    }

    enum State: Sendable, Equatable {
        case unfinished, finished
        /// It was given up, or went wrong: nobody knows how long it would have been.
        case failed
    }

    let mostAge: Duration
    let mostRequests: Int

    /// In order of arrival, from `first` on.
    private var entries: [Entry] = []
    private var first = 0

    init(mostAge: Duration = .seconds(600), mostRequests: Int = 65_536) {
        self.mostAge = mostAge
        self.mostRequests = max(1, mostRequests)
    }

    var count: Int { entries.count - first }

    /// A request has been accepted; identifiers ascend.
    mutating func came(_ entry: Entry) {
        entries.append(entry)
        forget(before: entry.arrival)
    }

    /// A request has ended; one that has been forgotten is passed over.
    mutating func ended(_ id: Int, _ change: (inout Entry) -> Void) {
        var (low, high) = (first, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].id < id { low = middle + 1 } else { high = middle }
        }
        guard low < entries.count, entries[low].id == id else { return }
        change(&entries[low])
    }

    /// Lets go of what is too old, or too much.
    private mutating func forget(before now: Instant) {
        while count > mostRequests
            || (count > 0 && entries[first].arrival.duration(to: now) > mostAge)
        {
            first += 1
        }
        if first > 1_024, first * 2 > entries.count {
            entries.removeFirst(first)
            first = 0
        }
    }

    /// The requests that came in the last ten minutes, in order of arrival.
    func recent(at now: Instant) -> [Entry] {
        entries[first...].filter { $0.arrival.duration(to: now) <= mostAge }
    }

    // MARK: - Export

    /// Lines as ``WorkloadRecording`` writes them, with what was observed besides: the names of the
    /// adapters, each choice, and the end. `progress` says how many tokens the choices of an
    /// unfinished request have.
    func lines(
        adapters: [String], at now: Instant, progress: (_ id: Int) -> [Int]
    ) -> [UInt8] {
        let recent = recent(at: now)
        var names = JSONWriter()
        names.beginObject()
        names.key("adapters")
        names.beginArray()
        for adapter in adapters { names.value(adapter) }
        names.endArray()
        names.endObject()
        var bytes = names.bytes + [0x0A]
        var (written, leftOut) = (0, 0)
        let start = recent.first?.arrival ?? now
        for var entry in recent {
            guard entry.state != .failed else {
                leftOut += 1
                continue
            }
            if entry.state == .unfinished {
                for (index, output) in progress(entry.id).enumerated()
                where entry.choices.indices.contains(index) {
                    entry.choices[index].output = output
                }
            }
            for index in entry.choices.indices {
                bytes += Self.line(of: entry, choice: index, since: start)
                written += 1
            }
        }
        var end = JSONWriter()
        end.beginObject()
        end.key("end")
        end.value("what came in the last \(mostAge.components.seconds) s")
        end.key("requests")
        end.value(written)
        end.key("leftOut")
        end.value(leftOut)
        end.key("unfinished")
        end.value(0)
        end.endObject()
        return bytes + end.bytes + [0x0A]
    }

    private static func line(of entry: Entry, choice index: Int, since start: Instant) -> [UInt8] {
        var json = JSONWriter(reserving: 160)
        json.beginObject()
        json.key("at")
        json.value(Int(max(0, start.duration(to: entry.arrival).saturatingNanoseconds)))
        json.key("adapter")
        json.value(entry.adapter)
        json.key("prompt")
        json.value(entry.choices[index].prompt)
        json.key("output")
        json.value(max(1, entry.choices[index].output))
        json.key("tenant")
        json.value(Int(entry.tenant))
        json.key("weight")
        json.value(entry.weight)
        // With several choices it is not known which of them was first, and which last.
        let isAlone = entry.choices.count == 1
        for (key, value) in [
            ("target", entry.target?.saturatingNanoseconds),
            ("firstToken", isAlone ? entry.firstToken?.saturatingNanoseconds : nil),
            ("latency", isAlone ? entry.latency?.saturatingNanoseconds : nil),
            ("most", entry.mostTokens.map { Int64($0) }),
        ] {
            guard let value else { continue }
            json.key(key)
            json.value(Int(value))
        }
        if entry.state == .unfinished {
            json.key("unfinished")
            json.value(true)
        }
        json.endObject()
        return json.bytes + [0x0A]
    }
}
