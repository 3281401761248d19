// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting

/// The live view: asks, draws, and waits for keys, signals and the next time to ask.
final class TopView {
    private enum Event {
        case quit, again
    }

    private let source: StatusSource
    private let interval: Double
    private let screen = TerminalScreen()
    private var order = TopOrder.requests
    private var isPaused = false
    private var current: HostStatus
    private var previous: HostStatus?

    init(source: StatusSource, interval: Double) throws {
        self.source = source
        self.interval = interval
        current = try source.status()
    }

    /// Draws until somebody quits; the terminal is as it was before, whatever happens.
    func run() throws {
        let signals = try SignalPipe([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP])
        screen.enter()
        defer { screen.leave() }
        var due = ContinuousClock.now + .seconds(interval)
        while true {
            draw()
            if try wait(until: due, signals) == .quit { return }
            guard ContinuousClock.now >= due else { continue }
            due = ContinuousClock.now + .seconds(interval)
            guard !isPaused else { continue }
            let next = try source.status()
            previous = current
            current = next
        }
    }

    private func draw() {
        let frame = TopFrame(
            current: current, previous: previous, size: TerminalScreen.size, order: order,
            isPaused: isPaused)
        screen.draw(frame.lines)
    }

    /// Returns when there is something new to draw, or somebody wants to go.
    private func wait(until due: ContinuousClock.Instant, _ signals: SignalPipe) throws -> Event {
        let left = due - ContinuousClock.now
        let milliseconds = max(0, left / .milliseconds(1)).rounded(.up)
        var sources = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals.readEnd, events: Int16(POLLIN), revents: 0),
        ]
        poll(&sources, 2, Int32(min(milliseconds, 60_000)))
        while let signal = signals.next() {
            switch signal {
            case SIGWINCH: break
            case SIGTSTP: stop()
            case SIGINT, SIGQUIT: return .quit
            default:
                screen.leave()
                throw ExitCode(128 + signal)
            }
        }
        guard sources[0].revents != 0 else { return .again }
        var keys = [UInt8](repeating: 0, count: 64)
        let count = read(STDIN_FILENO, &keys, keys.count)
        // The terminal has gone.
        if count == 0 || count < 0 && errno != EINTR && errno != EAGAIN { return .quit }
        for key in keys.prefix(max(0, count)) where press(key) == .quit { return .quit }
        return .again
    }

    private func press(_ key: UInt8) -> Event {
        switch key {
        case UInt8(ascii: "q"), UInt8(ascii: "Q"): return .quit
        case UInt8(ascii: "s"): order = order.next
        case UInt8(ascii: "p"): isPaused.toggle()
        default: break
        }
        return .again
    }

    /// Stops as a shell expects it, with the terminal as it was; goes on drawing when it is continued.
    private func stop() {
        screen.leave()
        kill(getpid(), SIGSTOP)
        screen.enter()
    }
}
