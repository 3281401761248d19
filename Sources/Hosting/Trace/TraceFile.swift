// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A trace file, read a line at a time.
nonisolated package struct TraceFile {
    private let handle: FileHandle
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false

    /// The number of the last line that was read, from 1.
    package private(set) var line = 0

    package init(_ path: String) throws(TraceError) {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw TraceError("cannot read \(path): \(String(cString: strerror(errno)))")
        }
        self.handle = handle
    }

    /// The next line without its end, or `nil` behind the last one.
    package mutating func next() throws(TraceError) -> [UInt8]? {
        var scanned = start
        while true {
            if let end = buffer[scanned...].firstIndex(of: 0x0A) {
                let bytes = Array(buffer[start..<end])
                start = end + 1
                line += 1
                return bytes
            }
            scanned = buffer.count
            guard !isAtEnd else { return try last() }
            guard buffer.count - start <= TraceReader.mostLineBytes else {
                throw TraceError(
                    "is longer than \(TraceReader.mostLineBytes) bytes", line: line + 1)
            }
            buffer.removeSubrange(..<start)
            scanned -= start
            start = 0
            try fill()
        }
    }

    private mutating func last() throws(TraceError) -> [UInt8]? {
        guard start < buffer.count else { return nil }
        defer { start = buffer.count }
        line += 1
        return Array(buffer[start...])
    }

    private mutating func fill() throws(TraceError) {
        let data: Data?
        do {
            data = try handle.read(upToCount: 1 << 20)
        } catch {
            throw TraceError("cannot be read: \(error.localizedDescription)", line: line + 1)
        }
        guard let data, !data.isEmpty else { return isAtEnd = true }
        buffer.append(contentsOf: data)
    }
}
