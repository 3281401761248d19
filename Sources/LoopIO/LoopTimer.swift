// SPDX-License-Identifier: Apache-2.0
import CLibuv

/// A timer on the loop, to be started any number of times; never early, whole milliseconds.
package final class LoopTimer: LoopHandle {
    private var onFire: (() -> Void)?

    /// Makes a timer that does nothing until it is started.
    package init(loop: EventLoop) throws(LoopError) {
        try super.init(uv_timer_t.self, action: "make a timer") { raw in
            uv_timer_init(loop.raw, raw)
        }
    }

    /// Whether the timer will fire.
    package var isActive: Bool { isOpen && uv_is_active(pointer(to: uv_handle_t.self)) != 0 }

    /// Calls `onFire` after `delay`, and then every `interval` if there is one.
    ///
    /// A start while the timer is active replaces what was planned. A timer that is late because
    /// the loop was busy skips the intervals it missed.
    package func start(
        after delay: Duration, every interval: Duration? = nil, onFire: @escaping () -> Void
    ) {
        guard isOpen else { return }
        self.onFire = onFire
        let timer = pointer(to: uv_timer_t.self)
        // libuv counts from the start of the turn, which a long callback may have left behind.
        uv_update_time(timer.pointee.loop)
        uv_timer_start(
            timer,
            { raw in LoopHandle.owner(of: raw, as: LoopTimer.self)?.fire() },
            delay.wholeMilliseconds,
            interval.map { max($0.wholeMilliseconds, 1) } ?? 0)
    }

    /// Forgets what was planned; the timer may be started again.
    package func cancel() {
        guard isOpen else { return }
        uv_timer_stop(pointer(to: uv_timer_t.self))
        onFire = nil
    }

    private func fire() {
        guard let onFire else { return }
        if uv_timer_get_repeat(pointer(to: uv_timer_t.self)) == 0 { self.onFire = nil }
        onFire()
    }

    override func willClose() { onFire = nil }
}

extension Duration {
    /// Milliseconds, rounded up so that a timer is never early; nothing for a negative duration.
    nonisolated var wholeMilliseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1000)
        // Later than any process lives; libuv adds its clock to the number.
        guard !overflow, product < UInt64.max / 4 else { return UInt64.max / 4 }
        let perMillisecond: Int64 = 1_000_000_000_000_000
        return product + UInt64((attoseconds + perMillisecond - 1) / perMillisecond)
    }
}
