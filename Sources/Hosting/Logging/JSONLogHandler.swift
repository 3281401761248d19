// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import Logging
internal import StrictJSON

/// Writes each log line as one JSON object, for programs that read logs.
nonisolated package struct JSONLogHandler: LogHandler {
    package var logLevel = Logger.Level.info
    package var metadata: Logger.Metadata = [:]
    private let write: @Sendable ([UInt8]) -> Void

    /// `write` is given whole lines; by default they go to standard error.
    package init(write: @escaping @Sendable ([UInt8]) -> Void = JSONLogHandler.writeToStandardError)
    {
        self.write = write
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let line = JSONLogLine(
            time: Date(), level: event.level.rawValue, message: event.message.description,
            metadata: metadata.merging(event.metadata ?? [:]) { $1 })
        write(line.bytes)
    }

    /// Lines of several threads do not mix, as each is one call of the system.
    package static let writeToStandardError: @Sendable ([UInt8]) -> Void = { line in
        var rest = line[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.write(STDERR_FILENO, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            // Nobody is left who could be told.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// One line of the log as a value.
nonisolated struct JSONLogLine {
    var time: Date
    var level: String
    var message: String
    var metadata: Logger.Metadata

    /// The object, with its line end; what it is about comes after time, level and message.
    var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("time")
        writer.value(Self.text(of: time))
        writer.key("level")
        writer.value(level)
        writer.key("message")
        writer.value(message)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let isTaken = ["time", "level", "message"].contains(key)
            writer.key(isTaken ? "metadata.\(key)" : key)
            Self.write(value, to: &writer)
        }
        writer.endObject()
        return writer.bytes + [UInt8(ascii: "\n")]
    }

    /// RFC 3339 in UTC, with milliseconds: `2026-01-02T03:04:05.678Z`.
    static func text(of time: Date) -> String {
        let milliseconds = Int64((time.timeIntervalSince1970 * 1000).rounded(.down))
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: some BinaryInteger, _ count: Int = 2) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date =
            "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
        let clock = "\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec))"
        return "\(date)T\(clock).\(padded(milliseconds % 1000, 3))Z"
    }

    private static func write(_ value: Logger.MetadataValue, to writer: inout JSONWriter) {
        switch value {
        case .string(let text): writer.value(text)
        case .stringConvertible(let number as Int): writer.value(number)
        case .stringConvertible(let number as Double) where number.isFinite: writer.value(number)
        case .stringConvertible(let flag as Bool): writer.value(flag)
        case .stringConvertible(let other): writer.value(other.description)
        case .array(let items):
            writer.beginArray()
            for item in items { write(item, to: &writer) }
            writer.endArray()
        case .dictionary(let members):
            writer.beginObject()
            for (key, value) in members.sorted(by: { $0.key < $1.key }) {
                writer.key(key)
                write(value, to: &writer)
            }
            writer.endObject()
        }
    }
}
