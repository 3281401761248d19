// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit
internal import Scheduling

/// How a fleet stood at evenly spaced moments, at most 512 of them: the distance doubles when there
/// would be more, so that memory does not grow with what is simulated.
///
/// Replicas and adapters are counted in at most 64 groups each, of neighbours by number.
package struct FleetSamples: Sendable, Equatable {
    package static let mostSamples = 512
    package static let mostGroups = 64

    /// One moment.
    package struct Sample: Sendable, Equatable {
        /// For each group of replicas, its requests that wait for their first iteration and those that
        /// run, for each replica on the mean.
        package var waiting: [Float]
        package var running: [Float]

        /// Requests that had moved until then, by way.
        package var handedOver = 0
        package var recomputed = 0
        package var movedWaiting = 0
    }

    package private(set) var interval = Duration.milliseconds(100)
    package private(set) var samples: [Sample] = []

    /// For each group of adapters and each group of replicas, the samples in which an adapter of the
    /// one lay on a replica of the other, times the distance in intervals of the first length, over
    /// the pairs that there are: divided by ``weight`` it is a share of time.
    package private(set) var placement: [[Double]] = []
    package private(set) var weight = 0.0

    /// The first replica or adapter of each group, and how many there are.
    package let replicaGroups: [Range<Int>]
    package let adapterGroups: [Range<Int>]
    private var next = Instant(nanoseconds: 0)

    package init(replicas: Int, adapters: Int) {
        replicaGroups = Self.groups(of: replicas)
        adapterGroups = Self.groups(of: adapters)
        placement = Array(
            repeating: Array(repeating: 0, count: replicaGroups.count), count: adapterGroups.count)
    }

    private static func groups(of count: Int) -> [Range<Int>] {
        let groups = min(count, mostGroups)
        return (0..<max(0, groups)).map {
            $0 * count / groups..<($0 + 1) * count / groups
        }
    }

    /// Whether a sample is wanted from before `now`.
    func isDue(before now: Instant) -> Bool { next < now }

    /// Notes how the fleet has stood since the last event, at all moments before `now`, when the next
    /// one happens.
    mutating func note(_ fleet: borrowing Fleet, before now: Instant) {
        let sample = Sample(of: fleet, in: replicaGroups)
        while next < now {
            if samples.count >= Self.mostSamples {
                coarsen()
                continue
            }
            samples.append(sample)
            next = next.advanced(by: interval)
            addPlacement(fleet)
        }
    }

    private mutating func addPlacement(_ fleet: borrowing Fleet) {
        let amount = interval.inSeconds
        weight += amount
        for adapter in fleet.holders {
            let index = Int(adapter.id.rawValue) - 1
            guard let row = adapterGroups.firstIndex(where: { $0.contains(index) }) else {
                continue
            }
            for replica in adapter.replicas {
                guard let column = replicaGroups.firstIndex(where: { $0.contains(replica) }) else {
                    continue
                }
                let pairs = adapterGroups[row].count * replicaGroups[column].count
                placement[row][column] += amount / Double(pairs)
            }
        }
    }

    private mutating func coarsen() {
        samples = stride(from: 0, to: samples.count, by: 2).map { samples[$0] }
        interval *= 2
        next = Instant(nanoseconds: 0).advanced(by: interval * Double(samples.count))
    }
}

extension FleetSamples.Sample {
    fileprivate init(of fleet: borrowing Fleet, in groups: [Range<Int>]) {
        waiting = []
        running = []
        for group in groups {
            var sums = (waiting: 0, running: 0)
            for index in group {
                sums.waiting += fleet.replicas[index].backlog.waiting
                sums.running += fleet.replicas[index].backlog.running
            }
            waiting.append(Float(sums.waiting) / Float(group.count))
            running.append(Float(sums.running) / Float(group.count))
        }
        let counters = fleet.migrationCounters
        handedOver = counters.handedOver
        recomputed = counters.recomputed
        movedWaiting = counters.waiting
    }
}
