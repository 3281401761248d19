// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension BatchMode: FrameValue {
    package func write(to frame: inout FrameWriter) {
        switch self {
        case .unmerged: frame.put(UInt8(0))
        case .merged(let adapter):
            frame.put(UInt8(1))
            frame.put(adapter)
        case .mixed(let adapter):
            frame.put(UInt8(2))
            frame.put(adapter)
        }
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        switch try frame.integer(UInt8.self) {
        case 0: self = .unmerged
        case 1: self = .merged(try frame.value())
        case 2: self = .mixed(try frame.value())
        case let other: throw PolicyError("\(other) is no mode of a batch")
        }
    }
}

extension BatchLimits: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(requests)
        frame.put(tokens)
        frame.put(freePages)
        frame.put(pageTokens)
        frame.put(undividedTokens)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(
            requests: try frame.value(), tokens: try frame.value(), freePages: try frame.value(),
            pageTokens: try frame.value())
        undividedTokens = try frame.value()
    }
}

extension StepWork: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(promptTokens)
        frame.put(decodeTokens)
        frame.put(attendedTokens)
        frame.put(rankTokens)
        frame.put(distinctRanks)
        frame.put(isMerged)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init()
        promptTokens = try frame.value()
        decodeTokens = try frame.value()
        attendedTokens = try frame.value()
        rankTokens = try frame.value()
        distinctRanks = try frame.value()
        isMerged = try frame.value()
    }
}

extension CostEstimates: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(observations)
        frame.put(relativeError)
        frame.put(perStep)
        frame.put(perPromptToken)
        frame.put(perDecodeToken)
        frame.put(perAttendedToken)
        frame.put(perRankToken)
        frame.put(perDistinctRank)
        frame.put(perMergedStep)
        frame.put(mergeTime)
        frame.put(loadSecondsPerByte)
        frame.put(outputShare)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init()
        observations = try frame.value()
        relativeError = try frame.value()
        perStep = try frame.value()
        perPromptToken = try frame.value()
        perDecodeToken = try frame.value()
        perAttendedToken = try frame.value()
        perRankToken = try frame.value()
        perDistinctRank = try frame.value()
        perMergedStep = try frame.value()
        mergeTime = try frame.value()
        loadSecondsPerByte = try frame.value()
        outputShare = try frame.value()
    }
}

extension MergedCopiesSnapshot: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(capacity)
        frame.put(ready)
        frame.put(building)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(
            capacity: try frame.value(), ready: try frame.value(), building: try frame.value())
    }
}

extension BatchingContext: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(now)
        frame.put(limits)
        frame.put(currentMode)
        frame.put(copies)
        frame.put(costs)
        frame.put(wantsReason)
        frame.put(mustServe)
        frame.put(notMergeable.sorted())
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(now: try frame.value(), limits: try frame.value())
        currentMode = try frame.value()
        copies = try frame.value()
        costs = try frame.value()
        wantsReason = try frame.value()
        mustServe = try frame.value()
        notMergeable = Set(try frame.value([AdapterID].self))
    }
}

extension BatchPlan.Entry: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(index)
        frame.put(tokens)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(index: try frame.value(), tokens: try frame.value())
    }
}

extension BatchPlan: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(mode)
        frame.put(entries)
        frame.put(prepares)
        frame.put(reason)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(mode: try frame.value(), entries: try frame.value())
        prepares = try frame.value()
        reason = try frame.value()
    }
}

extension StepObservation: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(start)
        frame.put(stepTime)
        frame.put(mode)
        frame.put(served)
        frame.put(mergeTime)
        frame.put(work)
        frame.put(promptTokens)
        frame.put(decodeTokens)
        frame.put(servedTokens)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        let start: Instant = try frame.value()
        let stepTime: Duration = try frame.value()
        let mode: BatchMode = try frame.value()
        // The initializer adds up what is pending, so what was read is set afterwards.
        self.init(start: start, stepTime: stepTime, mode: mode, served: [])
        served = try frame.value()
        mergeTime = try frame.value()
        work = try frame.value()
        promptTokens = try frame.value()
        decodeTokens = try frame.value()
        servedTokens = try frame.value()
    }
}
