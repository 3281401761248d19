// SPDX-License-Identifier: Apache-2.0
import CLibuv
internal import Glibc

/// The libuv loop of the process, which is also the executor of the main actor.
///
/// While it runs it serves libdispatch's main queue, so main actor jobs (`Task {}`, continuations)
/// run between callbacks on the same thread. The data plane uses plain callbacks and needs neither.
package final class EventLoop {
    let raw: UnsafeMutablePointer<uv_loop_t>
    /// Room for one read: libuv asks for it and hands it back within one call, so all streams share.
    let readBuffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 64 * 1024)

    private var mainQueue: MainQueuePoll?
    private var turnQueue: TurnQueue?
    private var isClosed = false

    /// Makes a loop and ignores SIGPIPE, which would end the process when a client leaves.
    ///
    /// - Parameter servesMainQueue: whether main actor jobs run on the loop. Only the main thread
    ///   of a process whose `main` is synchronous may; a loop inside a test runner may not.
    /// - Throws: ``LoopError`` when the system has no descriptor left.
    package init(servesMainQueue: Bool = true) throws(LoopError) {
        signal(SIGPIPE, SIG_IGN)
        raw = .allocate(capacity: 1)
        let status = UVStatus(rawValue: uv_loop_init(raw))
        guard !status.isError else {
            raw.deallocate()
            readBuffer.deallocate()
            throw LoopError(status, during: "start the event loop")
        }
        turnQueue = try TurnQueue(loop: self)
        if servesMainQueue {
            precondition(getpid() == gettid(), "the main queue belongs to the main thread")
            mainQueue = try MainQueuePoll(loop: self)
        }
    }

    /// Monotonic time in nanoseconds, from an unspecified start; callable from any thread.
    package nonisolated static var now: UInt64 { uv_hrtime() }

    /// Monotonic time in nanoseconds, from an unspecified start.
    package nonisolated var now: UInt64 { uv_hrtime() }

    /// Runs callbacks until ``stop()``, or until no open handle could cause another one.
    package func run() {
        precondition(!isClosed, "the event loop was closed")
        uv_run(raw, UV_RUN_DEFAULT)
    }

    /// Runs one turn: waits for something to happen, and performs what is due.
    package func runTurn() {
        precondition(!isClosed, "the event loop was closed")
        uv_run(raw, UV_RUN_ONCE)
    }

    /// Makes ``run()`` return after the current turn.
    package func stop() { uv_stop(raw) }

    /// Calls `body` once, on the next turn, after the callback that now runs has returned.
    package func onNextTurn(_ body: @escaping () -> Void) { turnQueue?.append(body) }

    /// The number of handles that are open or not yet let go of, without the loop's own.
    package var handleCount: Int {
        var count = 0
        withUnsafeMutablePointer(to: &count) { counter in
            uv_walk(
                raw, { _, counter in counter?.assumingMemoryBound(to: Int.self).pointee += 1 },
                counter)
        }
        let own = (turnQueue == nil ? 0 : 1) + (mainQueue == nil ? 0 : 1)
        return count - own
    }

    /// Ends the loop and gives back its memory; a second call does nothing.
    ///
    /// - Throws: `handlesLeaked` when somebody still holds an open handle; the loop then stays as
    ///   it was, but for its own handles.
    package func close() throws(LoopError) {
        guard !isClosed else { return }
        mainQueue?.close()
        turnQueue?.close()
        mainQueue = nil
        turnQueue = nil
        // Close callbacks run at the end of a turn, and one may close further handles.
        for _ in 0..<8 where uv_loop_alive(raw) != 0 { uv_run(raw, UV_RUN_NOWAIT) }
        guard !UVStatus(rawValue: uv_loop_close(raw)).isError else {
            throw LoopError(
                .handlesLeaked, "cannot close the event loop: \(handleCount) handles are open")
        }
        isClosed = true
        raw.deallocate()
        readBuffer.deallocate()
    }
}

/// Callbacks put off to the next turn.
private final class TurnQueue: LoopHandle {
    private var bodies: [() -> Void] = []

    init(loop: EventLoop) throws(LoopError) {
        try super.init(uv_idle_t.self, action: "prepare the next turn") { raw in
            uv_idle_init(loop.raw, raw)
        }
    }

    func append(_ body: @escaping () -> Void) {
        guard isOpen else { return }
        bodies.append(body)
        guard bodies.count == 1 else { return }
        // An active idle handle keeps the loop from sleeping before the queue was served.
        uv_idle_start(pointer(to: uv_idle_t.self)) { raw in
            LoopHandle.owner(of: raw, as: TurnQueue.self)?.serve()
        }
    }

    private func serve() {
        uv_idle_stop(pointer(to: uv_idle_t.self))
        let due = bodies
        bodies = []
        for body in due { body() }
    }

    override func didClose() { bodies = [] }
}

/// Performs libdispatch's main queue whenever its descriptor says that there is work.
private final class MainQueuePoll: LoopHandle {
    private let descriptor = _dispatch_get_main_queue_handle_4CF()

    init(loop: EventLoop) throws(LoopError) {
        let descriptor = descriptor
        try super.init(uv_poll_t.self, action: "serve the main queue") { raw in
            uv_poll_init(loop.raw, raw, descriptor)
        }
        uv_poll_start(pointer(to: uv_poll_t.self), Int32(UV_READABLE.rawValue)) { raw, _, _ in
            LoopHandle.owner(of: raw, as: MainQueuePoll.self)?.serve()
        }
    }

    private func serve() {
        // The count is taken before the work: work added meanwhile makes it readable again.
        var count: UInt64 = 0
        _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
        _dispatch_main_queue_callback_4CF(nil)
    }
}
