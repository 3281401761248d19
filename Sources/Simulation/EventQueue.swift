// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// Something that will happen on a replica.
struct Event {
    enum Kind {
        /// Only the output head of the step of this number is left to do.
        case nearlyDone(step: Int)
        /// The step under way has ended.
        case stepDone
        /// The compute thread has done with a merge for now, unless its `turn` has changed.
        case computeFree(turn: Int)
        /// A merged copy is whole.
        case built(AdapterID, time: Duration)
        /// An adapter is in memory.
        case loaded(AdapterID, bytes: Int, time: Duration)
        /// The migration plan of this ticket was solved elsewhere.
        case solved(ticket: Int)
        /// The keys and values of a request that moved are there.
        case arrived(RequestID)
        /// A policy that held requests back is asked again.
        case retry
    }

    var time: Int64
    var replica: Int
    var kind: Kind
}

/// Events by time, and those of the same time as they were added: a binary heap.
struct EventQueue {
    private struct Node {
        var time: Int64
        var number: UInt64
        var replica: Int
        var kind: Event.Kind

        func comesBefore(_ other: Node) -> Bool {
            time != other.time ? time < other.time : number < other.number
        }
    }

    private var nodes: [Node] = []
    private var added: UInt64 = 0

    /// When the next event is.
    var nextTime: Int64? { nodes.first?.time }

    mutating func add(_ kind: Event.Kind, on replica: Int, at time: Instant) {
        added += 1
        nodes.append(Node(time: time.nanoseconds, number: added, replica: replica, kind: kind))
        var position = nodes.count - 1
        while position > 0 {
            let parent = (position - 1) / 2
            guard nodes[position].comesBefore(nodes[parent]) else { return }
            nodes.swapAt(position, parent)
            position = parent
        }
    }

    mutating func next() -> Event? {
        guard let first = nodes.first, let last = nodes.popLast() else { return nil }
        if !nodes.isEmpty {
            nodes[0] = last
            sink()
        }
        return Event(time: first.time, replica: first.replica, kind: first.kind)
    }

    private mutating func sink() {
        var position = 0
        while true {
            var least = position
            let left = 2 * position + 1
            if left < nodes.count, nodes[left].comesBefore(nodes[least]) { least = left }
            if left + 1 < nodes.count, nodes[left + 1].comesBefore(nodes[least]) {
                least = left + 1
            }
            if least == position { return }
            nodes.swapAt(position, least)
            position = least
        }
    }
}
