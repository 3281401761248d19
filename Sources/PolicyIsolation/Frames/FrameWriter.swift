// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Collects the bytes of one frame, integers in little-endian order.
package struct FrameWriter: Sendable {
    /// A header, then the payload.
    private var bytes: [UInt8]

    package init(capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(FrameHeader.size + capacity)
        bytes.append(contentsOf: repeatElement(0, count: FrameHeader.size))
    }

    /// What has been put so far.
    package var payload: [UInt8] { Array(bytes[FrameHeader.size...]) }

    /// Replaces a byte of the payload.
    mutating func set(_ byte: UInt8, at position: Int) { bytes[FrameHeader.size + position] = byte }

    /// The whole frame, as it is sent.
    mutating func finished(sequence: UInt32) -> [UInt8] {
        var header = FrameWriter(bytes: [])
        header.integer(FrameHeader.magic)
        header.integer(sequence)
        header.integer(UInt32(clamping: bytes.count - FrameHeader.size))
        bytes.replaceSubrange(0..<FrameHeader.size, with: header.bytes)
        return bytes
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func integer(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Bytes as they are.
    mutating func raw(_ more: some Collection<UInt8>) { bytes.append(contentsOf: more) }

    package mutating func put(_ value: some FrameValue) { value.write(to: &self) }

    package mutating func put<Value: FrameValue>(_ values: Span<Value>) {
        put(UInt32(clamping: values.count))
        for index in values.indices { values[index].write(to: &self) }
    }
}

/// A value that has a form in frames.
package protocol FrameValue {
    func write(to frame: inout FrameWriter)

    /// Reads the value; any bytes give a value or an error.
    init(from frame: inout FrameReader) throws(PolicyError)
}
