// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Reads what a ``FrameWriter`` wrote; whatever the bytes are, it answers with a value or an error.
package struct FrameReader {
    /// No text of a policy is longer.
    static let longestText = 64 << 10

    private let bytes: [UInt8]
    private var position = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var left: Int { bytes.count - position }

    package mutating func integer<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self
    ) throws(PolicyError) -> Value {
        let size = MemoryLayout<Value>.size
        guard left >= size else { throw PolicyError("the frame ends early") }
        let value = bytes.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: position, as: Value.self)
        }
        position += size
        return Value(littleEndian: value)
    }

    package mutating func value<Value: FrameValue>(
        _ type: Value.Type = Value.self
    ) throws(PolicyError) -> Value {
        try Value(from: &self)
    }

    /// So many raw bytes.
    mutating func take(_ count: Int) throws(PolicyError) -> ArraySlice<UInt8> {
        guard count >= 0, left >= count else { throw PolicyError("the frame ends early") }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// A count of values that follow, each of at least one byte.
    mutating func count() throws(PolicyError) -> Int {
        let count = Int(try integer(UInt32.self))
        guard count <= left else { throw PolicyError("the frame ends before its \(count) values") }
        return count
    }

    package func end() throws(PolicyError) {
        guard left == 0 else { throw PolicyError("the frame has \(left) bytes too many") }
    }
}
