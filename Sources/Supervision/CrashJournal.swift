// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// Which policy each thread of a host is in, in memory that outlives the host.
///
/// Writing takes a few nanoseconds and no system call. A thread writes its own line only.
///
/// Safety of the unchecked conformance: the memory is accessed by atomic operations, and names are
/// written before the first call of what they name.
package final class CrashJournal: @unchecked Sendable {
    /// The policy that somebody was in.
    package struct Culprit: Sendable, Equatable {
        package var name: String
        package var thread: Int

        /// When it was entered, in nanoseconds of the monotonic clock.
        package var since: UInt64

        package init(name: String, thread: Int, since: UInt64) {
            self.name = name
            self.thread = thread
            self.since = since
        }
    }

    /// The thread of the loop; others have numbers of their own.
    package static let loopThread = 0

    /// The number of the calling thread, which is not the loop's.
    package static var ownThread: Int { Int(burrow_journal_own_thread()) }

    /// How many names there is room for.
    package static let mostNames = Int(BURROW_JOURNAL_NAMES)

    private let memory: OpaquePointer

    /// The journal in a file, or of this process alone.
    ///
    /// - Returns: `nil` where the system has no memory for it.
    package init?(file: Int32? = nil) {
        guard let memory = burrow_journal_map(file ?? -1) else { return nil }
        self.memory = memory
    }

    deinit { burrow_journal_unmap(memory) }

    /// Says what an index stands for from now on; long names are cut off.
    package func name(_ index: Int, _ name: String) {
        var name = name
        name.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { bytes in
                burrow_journal_name(memory, UInt32(clamping: index), bytes.baseAddress, bytes.count)
            }
        }
    }

    package func enter(_ index: Int, thread: Int, at now: UInt64) {
        burrow_journal_enter(
            memory, UInt32(clamping: thread), UInt32(clamping: index), max(1, now))
    }

    package func leave(thread: Int) { burrow_journal_leave(memory, UInt32(clamping: thread)) }

    /// Those who are in a policy, the longest first.
    package var culprits: [Culprit] {
        (0..<UInt32(BURROW_JOURNAL_THREADS)).compactMap { thread in
            var index: UInt32 = 0
            let since = burrow_journal_since(memory, thread, &index)
            guard since > 0 else { return nil }
            return Culprit(name: name(of: index), thread: Int(thread), since: since)
        }.sorted { $0.since < $1.since }
    }

    /// Forgets who is where; for the next process.
    package func clear() { burrow_journal_clear(memory) }

    private func name(of index: UInt32) -> String {
        var bytes = [CChar](repeating: 0, count: Int(BURROW_JOURNAL_NAME_BYTES))
        let count = burrow_journal_name_of(memory, index, &bytes)
        return String(
            decoding: bytes.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
