// SPDX-License-Identifier: Apache-2.0

import Glibc
import PolicyKit

/// Why nothing came over a channel.
enum ChannelFault: Error {
    /// The other end is gone.
    case closed
    /// The deadline has passed.
    case late
    /// What came is no frame.
    case damaged(String)
}

/// One end of the stream over which frames go to a policy's process and back.
struct FrameChannel {
    let file: CInt

    /// Sends a frame; without a deadline it waits as long as it takes.
    func send(_ frame: [UInt8], until deadline: Instant? = nil) throws(ChannelFault) {
        var done = 0
        while done < frame.count {
            let put = frame.withUnsafeBytes {
                Glibc.send(
                    file, $0.baseAddress! + done, frame.count - done,
                    CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if put >= 0 {
                done += put
            } else if errno == EAGAIN {
                try wait(for: POLLOUT, until: deadline)
            } else if errno != EINTR {
                throw .closed
            }
        }
    }

    /// The next frame's number and payload.
    func receive(until deadline: Instant? = nil) throws(ChannelFault) -> (UInt32, [UInt8]) {
        let header = try FrameHeader(try read(FrameHeader.size, until: deadline))
        return (header.sequence, try read(header.length, until: deadline))
    }

    /// Whether something has come, or the other end is gone.
    var isReadable: Bool {
        var place = pollfd(file: file, events: POLLIN)
        return poll(&place, 1, 0) > 0
    }

    /// A length is only a claim, so memory is taken as bytes come.
    private func read(_ count: Int, until deadline: Instant?) throws(ChannelFault) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let start = bytes.count
            let part = min(count - start, 256 << 10)
            bytes.append(contentsOf: repeatElement(0, count: part))
            let got = bytes.withUnsafeMutableBytes {
                recv(file, $0.baseAddress! + start, part, CInt(MSG_DONTWAIT))
            }
            let error = errno
            bytes.removeLast(part - max(0, got))
            if got > 0 { continue }
            if got < 0, error == EAGAIN {
                try wait(for: POLLIN, until: deadline)
            } else if got == 0 || error != EINTR {
                throw .closed
            }
        }
        return bytes
    }

    private func wait(for events: Int32, until deadline: Instant?) throws(ChannelFault) {
        var place = pollfd(file: file, events: events)
        var milliseconds: CInt = -1
        if let deadline {
            let left = MonotonicClock.now.duration(to: deadline)
            guard left > .zero else { throw .late }
            // Rounded up: a wait of 0 would turn the last millisecond into a busy loop.
            milliseconds = CInt(clamping: (left.saturatingNanoseconds + 999_999) / 1_000_000)
        }
        _ = poll(&place, 1, milliseconds)
    }
}

extension pollfd {
    fileprivate init(file: CInt, events: Int32) {
        self.init(fd: file, events: Int16(truncatingIfNeeded: events), revents: 0)
    }
}

/// The clock of deadlines.
enum MonotonicClock {
    private static let origin = ContinuousClock.now

    static var now: Instant {
        Instant(nanoseconds: origin.duration(to: .now).saturatingNanoseconds)
    }
}
