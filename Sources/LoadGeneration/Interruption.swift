// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import Glibc

/// Control-C, or SIGTERM, as something to be asked for instead of the end of the process.
///
/// As long as the value lives; the second signal ends the process again. For a process whose other
/// threads, if it has any, were started after it.
package final class Interruption {
    let descriptor: Int32
    private var before = sigset_t()
    private var signals = sigset_t()
    private var wasRequested = false

    /// Nil where the system has no descriptor left.
    package init?() {
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        descriptor = shim_signal_descriptor(&signals)
        guard descriptor >= 0 else { return nil }
        pthread_sigmask(SIG_BLOCK, &signals, &before)
    }

    deinit {
        if !wasRequested { pthread_sigmask(SIG_SETMASK, &before, nil) }
        close(descriptor)
    }

    /// Whether a signal has come.
    package var isRequested: Bool {
        guard !wasRequested else { return true }
        var bytes = [UInt8](repeating: 0, count: MemoryLayout<signalfd_siginfo>.size)
        guard read(descriptor, &bytes, bytes.count) == bytes.count else { return false }
        wasRequested = true
        pthread_sigmask(SIG_SETMASK, &before, nil)
        return true
    }
}
