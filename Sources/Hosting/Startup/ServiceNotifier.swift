// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import Logging
package import LoopIO

/// Tells the service manager how the process stands, in the way of sd_notify.
///
/// Without `NOTIFY_SOCKET` nobody is told anything. A manager that cannot be told is no reason to
/// stop serving: that is logged.
package final class ServiceNotifier {
    /// What is said; each is one datagram.
    package enum Message: Equatable {
        case ready, stopping, watchdog
        /// With `CLOCK_MONOTONIC` in microseconds.
        case reloading(at: UInt64)

        package var text: String {
            switch self {
            case .ready: "READY=1"
            case .stopping: "STOPPING=1"
            case .watchdog: "WATCHDOG=1"
            case .reloading(let time): "RELOADING=1\nMONOTONIC_USEC=\(time)"
            }
        }
    }

    private let socket: NotifySocket?
    /// How often the watchdog is fed; `nil` where there is none.
    let watchdogInterval: Duration?
    private let log: Logger
    private var timer: LoopTimer?
    private var hasComplained = false

    package init(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        processIdentifier: Int32 = getpid(), log: Logger
    ) {
        self.log = log
        var socket: NotifySocket?
        if let path = environment["NOTIFY_SOCKET"], !path.isEmpty {
            do throws(LoopError) {
                socket = try NotifySocket(path: path)
            } catch {
                log.warning("the service manager is told nothing: \(error.description)")
            }
        }
        self.socket = socket
        // A watchdog that is set for another process is not ours to feed.
        let isOurs = environment["WATCHDOG_PID"].map { $0 == String(processIdentifier) } ?? true
        let period = environment["WATCHDOG_USEC"].flatMap { UInt64($0) } ?? 0
        let isSet = socket != nil && isOurs && (1...UInt64(Int64.max)).contains(period)
        watchdogInterval = isSet ? .microseconds(Int64(period / 2)) : nil
    }

    /// The host listens; the watchdog is fed from now on, as long as the loop turns.
    package func ready(on loop: EventLoop) {
        send(.ready)
        guard let interval = watchdogInterval, timer == nil else { return }
        do throws(LoopError) {
            let timer = try LoopTimer(loop: loop)
            timer.start(after: .zero, every: interval) { [weak self] in self?.send(.watchdog) }
            self.timer = timer
        } catch {
            log.warning("the watchdog is not fed: \(error.description)")
        }
    }

    /// A reload begins; ``reloaded()`` follows, whatever comes of it.
    package func reloading() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        send(
            .reloading(
                at: UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000))
    }

    /// The reload has ended.
    package func reloaded() { send(.ready) }

    /// The host takes no more requests; the watchdog is fed until ``close()``.
    package func stopping() { send(.stopping) }

    /// Ends the timer, which would keep the loop.
    package func close() {
        timer?.close()
        timer = nil
    }

    private func send(_ message: Message) {
        guard let socket else { return }
        do throws(LoopError) {
            try socket.send(message.text)
        } catch {
            // Once is enough; the watchdog would fill the log.
            if !hasComplained { log.warning("\(error.description)") }
            hasComplained = true
        }
    }
}
