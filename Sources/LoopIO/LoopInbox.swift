// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// Values that other threads hand to the loop, taken out there in the order of their posting.
///
/// This is how compute threads answer. The inbox is unbounded: its bound is the number of steps
/// and loads that the loop has handed out.
package final class LoopInbox<Value: Sendable> {
    private nonisolated struct Contents {
        var values: [Value] = []
        var isOpen = true
    }

    private nonisolated let contents = Mutex(Contents())
    private nonisolated let wakeup: LoopWakeup

    /// - Parameters:
    ///   - loop: the loop that takes the values out.
    ///   - onValues: called on the loop with everything that was posted since the last call,
    ///     never with nothing.
    /// - Throws: ``LoopError`` when the system has no descriptor left.
    package init(loop: EventLoop, onValues: @escaping ([Value]) -> Void) throws(LoopError) {
        let relay = Relay()
        wakeup = try LoopWakeup(loop: loop) { relay.deliver() }
        relay.deliver = { [weak self] in
            guard let values = self?.takeAll(), !values.isEmpty else { return }
            onValues(values)
        }
    }

    /// Hands `value` to the loop; callable from any thread.
    ///
    /// - Returns: whether it was taken; false after ``close()``, when nobody would read it.
    @discardableResult
    package nonisolated func post(_ value: Value) -> Bool {
        let (isTaken, isFirst) = contents.withLock { contents in
            guard contents.isOpen else { return (false, false) }
            contents.values.append(value)
            return (true, contents.values.count == 1)
        }
        if isFirst { wakeup.signal() }
        return isTaken
    }

    /// Drops what was not taken out yet and refuses what is posted later.
    package func close() {
        contents.withLock { contents in
            contents.isOpen = false
            contents.values = []
        }
        wakeup.close()
    }

    private func takeAll() -> [Value] {
        contents.withLock { contents in
            defer { contents.values = [] }
            return contents.values
        }
    }

    /// Stands between the wakeup and the inbox, each of which needs the other to be made.
    private final class Relay {
        var deliver: () -> Void = {}
    }
}
