// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Collects the bytes of one frame, integers in little-endian order.
package struct FrameWriter: Sendable {
    /// A header, the payload up to `count`, and room for more.
    private var bytes: [UInt8]
    private var count: Int

    package init(capacity: Int = 256) {
        bytes = [UInt8](repeating: 0, count: FrameHeader.size + capacity)
        count = FrameHeader.size
    }

    /// What has been put so far.
    package var payload: [UInt8] { Array(bytes[FrameHeader.size..<count]) }

    /// Replaces a byte of the payload.
    mutating func set(_ byte: UInt8, at position: Int) { bytes[FrameHeader.size + position] = byte }

    /// The whole frame, as it is sent.
    mutating func finished(sequence: UInt32) -> [UInt8] {
        let end = count
        count = 0
        integer(FrameHeader.magic)
        integer(sequence)
        integer(UInt32(clamping: end - FrameHeader.size))
        count = end
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
        let end = count + MemoryLayout<Value>.size
        if end > bytes.count { grow(to: end) }
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: value.littleEndian, toByteOffset: count, as: Value.self)
        }
        count = end
    }

    /// Bytes as they are.
    mutating func raw(_ more: some Collection<UInt8>) {
        bytes.removeLast(bytes.count - count)
        bytes.append(contentsOf: more)
        count = bytes.count
    }

    private mutating func grow(to size: Int) {
        bytes.append(contentsOf: repeatElement(0, count: max(size, 2 * bytes.count) - bytes.count))
    }

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
