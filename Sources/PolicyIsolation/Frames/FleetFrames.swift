// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

extension ReplicaSnapshot: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(id)
        frame.put(waitingRequests)
        frame.put(runningRequests)
        frame.put(pendingPromptTokens)
        frame.put(pendingOutputTokens)
        frame.put(pendingTime)
        frame.put(queueTime)
        frame.put(freePages)
        frame.put(totalPages)
        frame.put(batchRequests)
        frame.put(mergedAdapter)
        frame.put(adapterRequests)
        frame.put(isAdapterResident)
        frame.put(adapterLoadTime)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(id: try frame.value())
        waitingRequests = try frame.value()
        runningRequests = try frame.value()
        pendingPromptTokens = try frame.value()
        pendingOutputTokens = try frame.value()
        pendingTime = try frame.value()
        queueTime = try frame.value()
        freePages = try frame.value()
        totalPages = try frame.value()
        batchRequests = try frame.value()
        mergedAdapter = try frame.value()
        adapterRequests = try frame.value()
        isAdapterResident = try frame.value()
        adapterLoadTime = try frame.value()
    }
}

extension FleetReplica: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(load)
        frame.put(costs)
        frame.put(batchTokens)
        frame.put(pageTokens)
        frame.put(pageBytes)
        frame.put(adapterBytes)
        frame.put(usedAdapterBytes)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(load: try frame.value())
        costs = try frame.value()
        batchTokens = try frame.value()
        pageTokens = try frame.value()
        pageBytes = try frame.value()
        adapterBytes = try frame.value()
        usedAdapterBytes = try frame.value()
    }
}

extension FleetAdapter: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(id)
        frame.put(bytes)
        frame.put(rank)
        frame.put(isPinned)
        frame.put(holders)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(id: try frame.value(), bytes: try frame.value())
        rank = try frame.value()
        isPinned = try frame.value()
        holders = try frame.value()
    }
}

extension FleetRequest: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(request)
        frame.put(replica)
        frame.put(pages)
        frame.put(isHandoverPossible)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(request: try frame.value(), replica: try frame.value())
        pages = try frame.value()
        isHandoverPossible = try frame.value()
    }
}

extension FleetSnapshot: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(now)
        frame.put(replicas)
        frame.put(adapters)
        frame.put(requests)
        frame.put(handoverSecondsPerToken)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(now: try frame.value())
        replicas = try frame.value()
        adapters = try frame.value()
        requests = try frame.value()
        handoverSecondsPerToken = try frame.value()
    }
}

extension AdapterMove: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(kind.rawValue)
        frame.put(adapter)
        frame.put(replica)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        let raw = try frame.integer(UInt8.self)
        guard let kind = Kind(rawValue: raw) else {
            throw PolicyError("\(raw) is no move of an adapter")
        }
        let adapter: AdapterID = try frame.value()
        self.init(kind, adapter, on: try frame.value())
    }
}

extension RequestMove: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(request)
        frame.put(source)
        frame.put(target)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        let request: RequestID = try frame.value()
        let source: ReplicaID = try frame.value()
        self.init(request, from: source, to: try frame.value())
    }
}

extension MigrationPlan: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(requests)
        frame.put(adapters)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init(requests: try frame.value(), adapters: try frame.value())
    }
}

extension MigrationOutcome: FrameValue {
    package func write(to frame: inout FrameWriter) {
        frame.put(solvingTime)
        frame.put(isStale)
        frame.put(handedOver)
        frame.put(recomputed)
        frame.put(waiting)
        frame.put(skipped)
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        self.init()
        solvingTime = try frame.value()
        isStale = try frame.value()
        handedOver = try frame.value()
        recomputed = try frame.value()
        waiting = try frame.value()
        skipped = try frame.value()
    }
}

/// A ``MigrationProposal`` without the closure: that stays where it was made.
package enum SentProposal: FrameValue, Equatable, Sendable {
    case none
    case plan(MigrationPlan)
    case solve

    package func write(to frame: inout FrameWriter) {
        switch self {
        case .none: frame.put(UInt8(0))
        case .plan(let plan):
            frame.put(UInt8(1))
            frame.put(plan)
        case .solve: frame.put(UInt8(2))
        }
    }

    package init(from frame: inout FrameReader) throws(PolicyError) {
        switch try frame.integer(UInt8.self) {
        case 0: self = .none
        case 1: self = .plan(try frame.value())
        case 2: self = .solve
        case let other: throw PolicyError("\(other) is no proposal")
        }
    }
}
