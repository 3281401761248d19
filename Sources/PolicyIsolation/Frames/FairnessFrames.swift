// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension FairnessContext: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(now)
        frame.put(limits)
        frame.put(currentMode)
        frame.put(costs)
        frame.put(wantsReason)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(now: try frame.value(), limits: try frame.value())
        currentMode = try frame.value()
        costs = try frame.value()
        wantsReason = try frame.value()
    }
}

extension FairnessArrangement: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(order)
        frame.put(mustServe)
        frame.put(notMergeable.sorted())
        frame.put(aborts)
        frame.put(predictedFirstTokens)
        frame.put(reason)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(order: try frame.value())
        mustServe = try frame.value()
        notMergeable = Set(try frame.value([AdapterID].self))
        aborts = try frame.value()
        predictedFirstTokens = try frame.value()
        reason = try frame.value()
    }
}

extension ServiceSettlement: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(now)
        frame.put(step)
        frame.put(displaced)
        frame.put(advanced)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(
            now: try frame.value(), step: try frame.value(), displaced: try frame.value(),
            advanced: try frame.value())
    }
}

extension AdapterSnapshot: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(id)
        frame.put(bytes)
        frame.put(lastUse)
        frame.put(loadedAt)
        frame.put(uses)
        frame.put(loadTime)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(id: try frame.value(), bytes: try frame.value(), lastUse: try frame.value())
        loadedAt = try frame.value()
        uses = try frame.value()
        loadTime = try frame.value()
    }
}
