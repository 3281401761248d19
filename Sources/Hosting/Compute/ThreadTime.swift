// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The processor time of the calling thread.
nonisolated enum ThreadTime {
    /// Nanoseconds since the thread began, without the time in which others ran.
    static var nanoseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
