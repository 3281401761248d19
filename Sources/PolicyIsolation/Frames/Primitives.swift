// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension UInt8: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.integer(self) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self = try frame.integer()
    }
}

extension UInt32: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.integer(self) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self = try frame.integer()
    }
}

extension UInt64: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.integer(self) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self = try frame.integer()
    }
}

extension Int64: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.integer(self) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self = try frame.integer()
    }
}

extension Int: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(Int64(self)) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        guard let value = Int(exactly: try frame.integer(Int64.self)) else {
            throw PolicyError("an integer is too large")
        }
        self = value
    }
}

extension Bool: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(UInt8(self ? 1 : 0)) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        switch try frame.integer(UInt8.self) {
        case 0: self = false
        case 1: self = true
        case let other: throw PolicyError("\(other) is neither true nor false")
        }
    }
}

extension Double: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(bitPattern) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(bitPattern: try frame.integer(UInt64.self))
    }
}

extension String: FrameValue {
    package func write(to frame: inout FrameWriter) {
        let text = utf8.prefix(FrameReader.longestText)
        frame.put(UInt32(text.count))
        frame.raw(text)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        let count = try frame.count()
        guard count <= FrameReader.longestText else { throw PolicyError("a text is too long") }
        self.init(decoding: try frame.take(count), as: UTF8.self)
    }
}

extension Duration: FrameValue {
    package func write(to frame: inout FrameWriter) {
        let (seconds, attoseconds) = components
        frame.put(seconds)
        frame.put(attoseconds)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        let seconds = try frame.integer(Int64.self)
        self.init(
            secondsComponent: seconds, attosecondsComponent: try frame.integer(Int64.self))
    }
}

extension Optional: FrameValue where Wrapped: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(self != nil)
        if let value = self { frame.put(value) }
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self = try frame.value(Bool.self) ? try frame.value(Wrapped.self) : nil
    }
}

extension Array: FrameValue where Element: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(span) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init()
        let count = try frame.count()
        reserveCapacity(Swift.min(count, 4096))
        for _ in 0..<count { append(try frame.value()) }
    }
}
