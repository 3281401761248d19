// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// What stands before each frame's payload: a mark, the number of the question, and the length.
struct FrameHeader {
    static let size = 12

    /// `BPF1`, read as a little-endian number.
    static let magic: UInt32 = 0x3146_5042

    /// The layout of all frames; both ends must have the same.
    static let version: UInt32 = 1

    /// No question is longer: a fleet of a thousand replicas takes a few MiB.
    static let mostBytes = 64 << 20

    let sequence: UInt32
    let length: Int

    init(_ bytes: [UInt8]) throws(ChannelFault) {
        var reader = FrameReader(bytes)
        do throws(PolicyError) {
            guard try reader.integer(UInt32.self) == Self.magic else {
                throw PolicyError("what it sent is no frame")
            }
            sequence = try reader.integer()
            let length = try reader.integer(UInt32.self)
            guard length <= Self.mostBytes else {
                throw PolicyError("it sent a frame of \(length) bytes")
            }
            self.length = Int(length)
        } catch {
            throw .damaged(error.description)
        }
    }
}
