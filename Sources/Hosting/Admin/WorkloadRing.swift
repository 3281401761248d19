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
        let place = position(of: id)
        guard place < entries.count, entries[place].id == id else { return }
        change(&entries[place])
    }

    /// Where the first request stands whose identifier is not less.
    private func position(of id: Int) -> Int {
        var (low, high) = (first, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
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

    /// When the first request came of those that came in the last ten minutes.
    func begin(at now: Instant) -> Entry? {
        entries[first...].first { $0.arrival.duration(to: now) <= mostAge }
    }

    /// The identifier of the last request.
    var last: Int? { count > 0 ? entries.last?.id : nil }

    /// At most so many requests from this one on, in order of arrival.
    func slice(from id: Int, most: Int) -> ArraySlice<Entry> {
        let start = position(of: id)
        return entries[start..<min(entries.count, start + most)]
    }
}

/// The lines of requests that are remembered, as ``WorkloadRecording`` writes them, with what was
/// observed besides.
nonisolated struct WorkloadLines {
    /// The arrival that times are counted from.
    let start: Instant
    private(set) var written = 0
    private(set) var leftOut = 0

    init(since start: Instant) { self.start = start }

    /// The first line: the names of the adapters.
    func head(adapters: [String]) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.key("adapters")
        json.beginArray()
        for adapter in adapters { json.value(adapter) }
        json.endArray()
        json.endObject()
        return json.bytes + [0x0A]
    }

    /// A line for each choice of a request; `progress` says how many tokens those of an unfinished one
    /// have.
    mutating func lines(
        of entry: WorkloadRing.Entry, progress: (_ id: Int) -> [Int]
    ) -> [UInt8] {
        var entry = entry
        if entry.state == .failed {
            leftOut += 1
            return []
        }
        if entry.state == .unfinished {
            for (index, output) in progress(entry.id).enumerated()
            where entry.choices.indices.contains(index) {
                entry.choices[index].output = output
            }
        }
        written += entry.choices.count
        return entry.choices.flatMap { line(of: entry, $0) }
    }

    /// The last line.
    func tail(after age: Duration) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.key("end")
        json.value("what came in the last \(age.components.seconds) s")
        json.key("requests")
        json.value(written)
        json.key("leftOut")
        json.value(leftOut)
        json.key("unfinished")
        json.value(0)
        json.endObject()
        return json.bytes + [0x0A]
    }

    private func line(of entry: WorkloadRing.Entry, _ choice: WorkloadRing.Choice) -> [UInt8] {
        var json = JSONWriter(reserving: 160)
        json.beginObject()
        json.key("at")
        json.value(Int(max(0, start.duration(to: entry.arrival).saturatingNanoseconds)))
        json.key("adapter")
        json.value(entry.adapter)
        json.key("prompt")
        json.value(choice.prompt)
        json.key("output")
        json.value(max(1, choice.output))
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
