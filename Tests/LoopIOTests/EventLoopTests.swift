// SPDX-License-Identifier: Apache-2.0
import Glibc
import LoopIO
import Testing

@MainActor
@Suite(.serialized)
struct EventLoopTests {
    @Test func oneShotTimerFiresOnceAndNotEarly() throws {
        let bench = try LoopBench()
        let timer = try LoopTimer(loop: bench.loop)
        let start = bench.loop.now
        var firings: [UInt64] = []
        timer.start(after: .milliseconds(20)) { firings.append(bench.loop.now) }
        #expect(timer.isActive)
        bench.loop.run()
        #expect(firings.count == 1)
        #expect(try #require(firings.first) >= start + 20_000_000)
        #expect(!timer.isActive)
        timer.close()
        try bench.close()
    }

    @Test func repeatingTimerFiresUntilItIsCancelled() throws {
        let bench = try LoopBench()
        let timer = try LoopTimer(loop: bench.loop)
        var count = 0
        timer.start(after: .zero, every: .milliseconds(1)) {
            count += 1
            if count == 5 { timer.cancel() }
        }
        bench.loop.run()
        #expect(count == 5)
        timer.close()
        try bench.close()
    }

    @Test func timerClosedInItsOwnCallbackIsSilent() throws {
        let bench = try LoopBench()
        let timer = try LoopTimer(loop: bench.loop)
        var count = 0
        timer.start(after: .zero, every: .milliseconds(1)) {
            count += 1
            timer.close()
            timer.close()
            timer.start(after: .zero) { count += 100 }
        }
        bench.loop.run()
        #expect(count == 1)
        try bench.close()
    }

    @Test func nextTurnComesAfterTheRunningCallback() throws {
        let bench = try LoopBench()
        let timer = try LoopTimer(loop: bench.loop)
        var order: [String] = []
        timer.start(after: .zero) {
            bench.loop.onNextTurn {
                order.append("next")
                bench.loop.onNextTurn { order.append("after next") }
            }
            order.append("now")
        }
        bench.loop.run()
        #expect(order == ["now", "next", "after next"])
        timer.close()
        try bench.close()
    }

    @Test func stopEndsTheRun() throws {
        let bench = try LoopBench()
        let timer = try LoopTimer(loop: bench.loop)
        timer.start(after: .zero, every: .milliseconds(1)) { bench.loop.stop() }
        bench.loop.run()
        #expect(timer.isActive)
        timer.close()
        try bench.close()
    }

    @Test func loopWithAnOpenHandleDoesNotClose() throws {
        let bench = try LoopBench()
        let timer = try LoopTimer(loop: bench.loop)
        #expect(bench.loop.handleCount == 1)
        let error = try #require(throws: LoopError.self) { try bench.close() }
        #expect(error.code == .handlesLeaked)
        #expect(error.message == "cannot close the event loop: 1 handles are open")
        timer.close()
        try bench.close()
        try bench.close()
    }

    @Test func watcherHearsItsSignal() throws {
        let bench = try LoopBench()
        var heard: [SignalWatcher.Signal] = []
        let watchers = try SignalWatcher.Signal.allCases.map { signal in
            try SignalWatcher(loop: bench.loop, signal: signal) { heard.append(signal) }
        }
        kill(getpid(), SIGHUP)
        try bench.run { heard.contains(.hangUp) }
        kill(getpid(), SIGTERM)
        try bench.run { heard.contains(.terminate) }
        #expect(heard == [.hangUp, .terminate])
        for watcher in watchers { watcher.close() }
        try bench.close()
    }
}
