// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of server-sent events into the data of each, however the bytes come.
///
/// As the HTML standard has it (section 9.2.6): lines end in LF, CR LF or CR, `data` fields of one
/// event are joined with LF, comments and other fields are passed over, and an event that the end
/// of the stream cuts off is none.
package struct EventStreamParser: Sendable {
    /// The most bytes of one line, and of the data of one event.
    package static let limit = 4 << 20

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var sawReturn = false
    private var isFirstLine = true

    package init() {}

    /// Takes the next bytes; `onEvent` gets the data of each event that they complete.
    ///
    /// - Returns: false when a line or an event is over the limit; nothing more can be read then.
    package mutating func take(
        _ bytes: UnsafeRawBufferPointer, onEvent: ([UInt8]) -> Void
    ) -> Bool {
        var start = 0
        for index in bytes.indices {
            let byte = bytes[index]
            if sawReturn {
                sawReturn = false
                if byte == 0x0A {
                    start = index + 1
                    continue
                }
            }
            guard byte == 0x0A || byte == 0x0D else { continue }
            sawReturn = byte == 0x0D
            line.append(contentsOf: bytes[start..<index])
            start = index + 1
            guard line.count <= Self.limit else { return false }
            endLine(onEvent)
            guard data.count <= Self.limit else { return false }
        }
        line.append(contentsOf: bytes[start...])
        return line.count <= Self.limit
    }

    private mutating func endLine(_ onEvent: ([UInt8]) -> Void) {
        defer {
            line.removeAll(keepingCapacity: true)
            isFirstLine = false
        }
        if isFirstLine, line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        guard !line.isEmpty else {
            if hasData { onEvent(data) }
            data.removeAll(keepingCapacity: true)
            hasData = false
            return
        }
        let name = Array("data".utf8)
        guard line.starts(with: name) else { return }
        var value = line[name.count...]
        if let colon = value.first {
            guard colon == UInt8(ascii: ":") else { return }
            value = value.dropFirst()
            if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        }
        if hasData { data.append(0x0A) }
        data.append(contentsOf: value)
        hasData = true
    }
}
