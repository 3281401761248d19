// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// The parts of a step that a timeline tells apart.
package enum StepPhase: String, Sendable, CaseIterable, Codable, BitwiseCopyable {
    /// The whole of it.
    case step
    case embed, norm
    /// Making integers of what linear layers with int8 weights read.
    case quantize
    /// The first half of the adapters.
    case shrink
    /// Asking the gates of mixtures, and weighing ranks that gates have read.
    case gate
    case queryKeyValue = "q/k/v"
    case rope, attention
    /// Joining the parts of a context that was shared out.
    case join
    case output = "o"
    case gateUp = "gate/up"
    case down
    case head
    /// The calling thread has nothing left to do in a loop and others have.
    case wait

    /// The layer of what is in none.
    static let noLayer = -1
}

/// What each member of a team did during some steps, recorded into memory allocated beforehand.
///
/// Belongs to the executor's thread; between steps anything may be read. During a loop each member
/// writes its own track.
package final class StepTimeline {
    /// One span of time on one member.
    struct Span: BitwiseCopyable {
        var phase: StepPhase
        var layer: Int32
        /// Calls of the loop's body that it made; rows of the step for `step`.
        var calls: Int32
        /// Seconds on the clock that only goes forward.
        var begin: Double
        var end: Double
    }

    /// One member's spans; apart from the others' by more than a cache line.
    struct Track {
        var spans: UnsafeMutablePointer<Span>
        var count = 0
        /// The loop that the last span is of.
        var loop = 0
        var padding: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)
    }

    /// The most steps that are recorded.
    package let capacity: Int
    /// Steps recorded so far.
    package private(set) var stepCount = 0
    let members: Int
    private let tracks: UnsafeMutablePointer<Track>
    private let spansPerStep: Int
    private var loopNumber = 0
    private var isRecording = false

    /// Room for `steps` steps of a model with `layers` layers on a team of `members` threads.
    package init(steps: Int, layers: Int, members: Int) throws(InferenceError) {
        guard (1...1 << 16).contains(steps) else {
            throw InferenceError(
                .invalidConfiguration, "a timeline of \(steps) steps: it has 1 to \(1 << 16)")
        }
        capacity = steps
        self.members = members
        // A layer has at most 27 loops, each of which may end in a wait.
        spansPerStep = 54 * layers + 20
        tracks = .allocate(capacity: members)
        for member in 0..<members {
            let spans = UnsafeMutablePointer<Span>.allocate(capacity: steps * spansPerStep)
            (tracks + member).initialize(to: Track(spans: spans))
        }
    }

    deinit {
        for member in 0..<members { tracks[member].spans.deallocate() }
        tracks.deallocate()
    }

    /// Whether it has no room for another step.
    package var isFull: Bool { stepCount == capacity }

    /// Records the step that `body` runs, or only runs it when there is no room.
    func record(rows: Int, _ body: () -> Void) {
        guard !isFull else { return body() }
        isRecording = true
        let place = tracks[0].count
        append(Span(phase: .step, layer: -1, calls: Int32(rows), begin: now, end: now), to: 0)
        body()
        tracks[0].spans[place].end = now
        isRecording = false
        stepCount += 1
    }

    /// Runs a loop on `team`, and records who took part in it when.
    func record(
        _ phase: StepPhase, layer: Int, _ count: Int, on team: ThreadTeam,
        _ body: (_ index: Int, _ member: Int) -> Void
    ) {
        guard isRecording, count > 0 else { return team.parallel(count, body) }
        loopNumber += 1
        let (tracks, loop, layer) = (tracks, loopNumber, Int32(layer))
        let begin = now
        team.parallel(count) { index, member in
            let start = now
            body(index, member)
            let end = now
            let track = tracks + member
            if track.pointee.loop != loop {
                track.pointee.loop = loop
                append(
                    Span(phase: phase, layer: layer, calls: 0, begin: start, end: end), to: member)
            }
            let last = track.pointee.spans + (track.pointee.count - 1)
            last.pointee.calls += 1
            last.pointee.end = end
        }
        closeLoop(
            Span(phase: phase, layer: layer, calls: 0, begin: begin, end: now),
            isShared: count > 1 && members > 1)
    }

    /// The caller is in the loop from its begin to its end; the last part of that it may wait.
    private func closeLoop(_ whole: Span, isShared: Bool) {
        var worked = whole.begin
        if tracks[0].loop == loopNumber {
            let own = tracks[0].spans + (tracks[0].count - 1)
            worked = own.pointee.end
            own.pointee.begin = whole.begin
            own.pointee.end = whole.end
        } else {
            append(whole, to: 0)
        }
        guard isShared else { return }
        append(
            Span(phase: .wait, layer: whole.layer, calls: 0, begin: worked, end: whole.end), to: 0)
    }

    private func append(_ span: Span, to member: Int) {
        let track = tracks + member
        precondition(track.pointee.count < capacity * spansPerStep, "a step has too many loops")
        (track.pointee.spans + track.pointee.count).initialize(to: span)
        track.pointee.count += 1
    }

    private var now: Double { kernel_monotonic_seconds() }

    /// The spans of one member, in the order in which they began.
    func spans(of member: Int) -> UnsafeBufferPointer<Span> {
        UnsafeBufferPointer(start: tracks[member].spans, count: tracks[member].count)
    }
}
