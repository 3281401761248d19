// SPDX-License-Identifier: Apache-2.0

/// The bytes of a file, read in little-endian order; whatever lies outside answers `nil`.
struct ELFBytes {
    let bytes: [UInt8]

    /// `length` bytes from `offset`, if all of them are there.
    func slice(at offset: UInt64, length: UInt64) -> ArraySlice<UInt8>? {
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard !overflow, end <= UInt64(bytes.count) else { return nil }
        return bytes[Int(offset)..<Int(end)]
    }

    func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type = Value.self, at offset: UInt64
    ) -> Value? {
        guard let slice = slice(at: offset, length: UInt64(MemoryLayout<Value>.size)) else {
            return nil
        }
        return Self.integer(slice)
    }

    static func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _ slice: ArraySlice<UInt8>
    ) -> Value {
        slice.reversed().reduce(0) { $0 << 8 | Value($1) }
    }
}

/// A table of strings that end in NUL, as ELF keeps names.
struct ELFStrings {
    /// No name of a symbol or a library is longer; the bound keeps a damaged file from costing more
    /// than its size.
    static let longestName = 16_384

    let bytes: ArraySlice<UInt8>

    /// The string at `offset`, if it lies in the table, ends there and is not too long.
    func string(at offset: UInt64) -> String? {
        guard offset < UInt64(bytes.count) else { return nil }
        let rest = bytes[(bytes.startIndex + Int(offset))...].prefix(Self.longestName)
        guard let end = rest.firstIndex(of: 0) else { return nil }
        return String(decoding: rest[..<end], as: UTF8.self)
    }

    /// All strings that are not empty.
    var all: [String] {
        bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }
}
