// SPDX-License-Identifier: Apache-2.0
import CLibuv
internal import Glibc

/// Calls back on the loop when the process receives a signal, instead of the default action.
package final class SignalWatcher: LoopHandle {
    /// The signals that a server answers.
    package nonisolated enum Signal: Sendable, CaseIterable {
        /// SIGTERM: end in an orderly way.
        case terminate
        /// SIGINT: the user pressed Control-C.
        case interrupt
        /// SIGHUP: read the configuration again.
        case hangUp

        var number: Int32 {
            switch self {
            case .terminate: SIGTERM
            case .interrupt: SIGINT
            case .hangUp: SIGHUP
            }
        }
    }

    private var onSignal: (() -> Void)?

    /// Watches until ``close()``; several watchers of one signal are all called.
    package init(
        loop: EventLoop, signal: Signal, onSignal: @escaping () -> Void
    ) throws(LoopError) {
        try super.init(uv_signal_t.self, action: "watch \(signal)") { raw in
            uv_signal_init(loop.raw, raw)
        }
        self.onSignal = onSignal
        let status = uv_signal_start(
            pointer(to: uv_signal_t.self),
            { raw, _ in LoopHandle.owner(of: raw, as: SignalWatcher.self)?.onSignal?() },
            signal.number)
        guard !UVStatus(rawValue: status).isError else {
            close()
            throw LoopError(UVStatus(rawValue: status), during: "watch \(signal)")
        }
        // Waiting for a signal alone is no reason to go on.
        unreference()
    }

    override func willClose() { onSignal = nil }
}
