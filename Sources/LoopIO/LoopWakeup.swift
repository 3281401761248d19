// SPDX-License-Identifier: Apache-2.0
import CLibuv
internal import Synchronization

/// Calls back on the loop after a signal from any thread.
///
/// Signals coalesce: several before the loop gets to it cause one callback, and each signal is
/// followed by at least one callback that starts after it. So the callback must take all there is.
package final class LoopWakeup: LoopHandle {
    /// The handle as other threads see it: nothing once it is closed.
    private nonisolated struct Target: @unchecked Sendable {
        // libuv documents `uv_async_send` as safe on any thread; the mutex orders it with closing.
        var raw: UnsafeMutablePointer<uv_async_t>?
    }

    private nonisolated let target = Mutex(Target(raw: nil))
    private var onSignal: (() -> Void)?

    /// - Parameters:
    ///   - loop: the loop that is woken.
    ///   - onSignal: called on the loop until ``close()``.
    /// - Throws: ``LoopError`` when the system has no descriptor left.
    package init(loop: EventLoop, onSignal: @escaping () -> Void) throws(LoopError) {
        try super.init(uv_async_t.self, action: "make a wakeup") { raw in
            uv_async_init(loop.raw, raw) { raw in
                LoopHandle.owner(of: raw, as: LoopWakeup.self)?.onSignal?()
            }
        }
        self.onSignal = onSignal
        let raw = pointer(to: uv_async_t.self)
        let shared = Target(raw: raw)
        target.withLock { $0 = shared }
    }

    /// Causes a callback on the loop; does nothing after the close. Callable from any thread.
    package nonisolated func signal() {
        target.withLock { target in
            guard let raw = target.raw else { return }
            uv_async_send(raw)
        }
    }

    override func willClose() {
        target.withLock { $0.raw = nil }
        onSignal = nil
    }
}
