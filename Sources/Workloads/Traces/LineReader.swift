// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Reads a file line by line, in memory that does not grow with it.
final class LineReader {
    /// The most bytes of a line; a longer one is no trace.
    static let longestLine = 16 << 10

    let path: String

    /// The number of the last line read, from 1.
    private(set) var line = 0
    private let handle: FileHandle
    private var buffer: [UInt8] = []
    private var position = 0
    private var isAtEnd = false

    init(_ path: String) throws(WorkloadError) {
        self.path = path
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw WorkloadError("there is no such file", file: path)
        }
        guard !isFolder.boolValue, let handle = FileHandle(forReadingAtPath: path) else {
            throw WorkloadError("it cannot be read", file: path)
        }
        self.handle = handle
    }

    deinit { try? handle.close() }

    /// The next line that is not empty, without its end, or `nil` behind the last.
    func next() throws(WorkloadError) -> ArraySlice<UInt8>? {
        while let line = try nextLine() {
            if !line.isEmpty { return line }
        }
        return nil
    }

    /// A fault in the last line read.
    func fault(_ message: String) -> WorkloadError {
        WorkloadError(message, file: path, line: max(1, line))
    }

    private func nextLine() throws(WorkloadError) -> ArraySlice<UInt8>? {
        var searched = position
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { position = end + 1 }
                return take(position..<end)
            }
            searched = buffer.count
            guard buffer.count - position <= Self.longestLine else {
                line += 1
                throw fault("the line is longer than \(Self.longestLine) bytes")
            }
            if isAtEnd {
                guard position < buffer.count else { return nil }
                defer { position = buffer.count }
                return take(position..<buffer.count)
            }
            searched -= position
            try fill()
        }
    }

    private func take(_ range: Range<Int>) -> ArraySlice<UInt8> {
        line += 1
        let bytes = buffer[range]
        return bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
    }

    private func fill() throws(WorkloadError) {
        buffer.removeFirst(position)
        position = 0
        do {
            let more = try handle.read(upToCount: 64 << 10) ?? Data()
            isAtEnd = more.isEmpty
            buffer.append(contentsOf: more)
        } catch {
            throw WorkloadError("it cannot be read: \(error.localizedDescription)", file: path)
        }
    }
}
