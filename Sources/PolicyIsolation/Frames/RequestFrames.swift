// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension RequestID: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(rawValue) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(rawValue: try frame.integer())
    }
}

extension AdapterID: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(rawValue) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(rawValue: try frame.integer())
    }
}

extension TenantID: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(rawValue) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(rawValue: try frame.integer())
    }
}

extension ReplicaID: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(rawValue) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(rawValue: try frame.value())
    }
}

extension Instant: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(nanoseconds) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(nanoseconds: try frame.integer())
    }
}

extension RequestPhase: FrameValue {
    package func write(to frame: inout FrameWriter) { frame.put(rawValue) }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        let raw = try frame.integer(UInt8.self)
        guard let phase = RequestPhase(rawValue: raw) else {
            throw PolicyError("\(raw) is no phase of a request")
        }
        self = phase
    }
}

extension RequestSnapshot: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(id)
        frame.put(adapter)
        frame.put(tenant)
        frame.put(arrival)
        frame.put(promptTokens)
        frame.put(phase)
        frame.put(isAdapterResident)
        frame.put(adapterRank)
        frame.put(adapterWeight)
        frame.put(tenantWeight)
        frame.put(firstTokenDeadline)
        frame.put(computedTokens)
        frame.put(generatedTokens)
        frame.put(maximumTokens)
        frame.put(undividedTokens)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(
            id: try frame.value(), adapter: try frame.value(), tenant: try frame.value(),
            arrival: try frame.value(), promptTokens: try frame.value())
        phase = try frame.value()
        isAdapterResident = try frame.value()
        adapterRank = try frame.value()
        adapterWeight = try frame.value()
        tenantWeight = try frame.value()
        firstTokenDeadline = try frame.value()
        computedTokens = try frame.value()
        generatedTokens = try frame.value()
        maximumTokens = try frame.value()
        undividedTokens = try frame.value()
    }
}

extension PolicyState: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(schema)
        frame.put(UInt32(clamping: bytes.count))
        frame.raw(bytes)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        let schema: String = try frame.value()
        self.init(schema: schema, bytes: Array(try frame.take(try frame.count())))
    }
}

extension ParameterValue: FrameValue {
    package func write(to frame: inout FrameWriter) {
        switch self {
        case .boolean(let value):
            frame.put(UInt8(0))
            frame.put(value)
        case .integer(let value):
            frame.put(UInt8(1))
            frame.put(value)
        case .number(let value):
            frame.put(UInt8(2))
            frame.put(value)
        case .string(let value):
            frame.put(UInt8(3))
            frame.put(value)
        case .duration(let value):
            frame.put(UInt8(4))
            frame.put(value)
        case .size(let value):
            frame.put(UInt8(5))
            frame.put(value.bytes)
        @unknown default: frame.put(UInt8.max)
        }
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        switch try frame.integer(UInt8.self) {
        case 0: self = .boolean(try frame.value())
        case 1: self = .integer(try frame.integer())
        case 2: self = .number(try frame.value())
        case 3: self = .string(try frame.value())
        case 4: self = .duration(try frame.value())
        case 5: self = .size(ByteCount(try frame.integer()))
        case let other: throw PolicyError("\(other) is no sort of parameter")
        }
    }
}
