// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// Which requests should be on which replicas (dLoRA §5.2): the program that `ilp-migration` solves
/// exactly and `greedy-migration` nearly.
///
/// Minimised is the time of the replica that is done last. A replica's time is that of its requests,
/// of moving those that come to it, of loading adapters that it has not got, of computing again what
/// does not fit into its KV pages, and a price for each adapter that it serves.
package struct RebalancingProblem: Sendable {
    /// A request, at a place in `requests`.
    package struct Request: Sendable, Equatable {
        package var id: RequestID
        /// The replica where it is, as an index into `replicas`.
        package var source: Int
        /// An index into `adapters`; `nil` for the base model.
        package var adapter: Int?
        /// What it still takes of a replica's time.
        package var seconds: Double
        /// What moving it takes of the target's.
        package var moveSeconds: Double
        /// KV pages that it holds or needs for what it has.
        package var pages: Int

        package init(
            id: RequestID, source: Int, adapter: Int?, seconds: Double
        ) {
            self.id = id
            self.source = source
            self.adapter = adapter
            self.seconds = seconds
            self.moveSeconds = 0
            self.pages = 0
        }
    }

    package struct Replica: Sendable, Equatable {
        package var id: ReplicaID
        package var pages: Int
        /// Bytes for the adapters of the requests.
        package var adapterRoom: Int

        package init(id: ReplicaID, pages: Int, adapterRoom: Int) {
            self.id = id
            self.pages = pages
            self.adapterRoom = adapterRoom
        }
    }

    package struct Adapter: Sendable, Equatable {
        package var id: AdapterID
        package var bytes: Int
        package var loadSeconds: Double
        /// The replicas that hold it, as indices into `replicas`.
        package var holders: Set<Int>

        package init(id: AdapterID, bytes: Int, loadSeconds: Double, holders: Set<Int>) {
            self.id = id
            self.bytes = bytes
            self.loadSeconds = loadSeconds
            self.holders = holders
        }
    }

    package var requests: [Request] = []
    package var replicas: [Replica] = []
    package var adapters: [Adapter] = []

    /// Seconds to compute a page again that does not fit.
    package var secondsPerPage = 0.0
    /// Seconds that a replica is charged for each adapter it serves (eta).
    package var affinity = 0.0

    package init() {}

    /// Where everything is now.
    package var present: [Int] { requests.map(\.source) }

    /// What the move of one request must gain at least, so that none moves for nothing.
    package var moveThreshold: Double {
        requests.isEmpty
            ? 0 : 1e-4 * requests.reduce(0) { $0 + $1.seconds } / Double(requests.count)
    }

    /// Lets every replica have room for the adapters of the requests that are there now, whatever its
    /// budget: some of them may be waiting for theirs.
    package mutating func admitPresent() {
        var bytes = [Int](repeating: 0, count: replicas.count)
        var seen: Set<[Int]> = []
        for request in requests {
            guard let adapter = request.adapter, seen.insert([request.source, adapter]).inserted
            else { continue }
            bytes[request.source] += adapters[adapter].bytes
        }
        for index in replicas.indices {
            replicas[index].adapterRoom = max(replicas[index].adapterRoom, bytes[index])
        }
    }

    /// What an assignment gives: the objective, and whether adapters fit.
    package func evaluate(_ assignment: [Int]) -> (objective: Double, isFeasible: Bool) {
        var loads = Loads(self)
        for (index, replica) in assignment.enumerated() { loads.add(index, to: replica) }
        let moves = zip(assignment, requests).count { $0 != $1.source }
        let isFeasible = replicas.indices.allSatisfy {
            loads.adapterBytes[$0] <= replicas[$0].adapterRoom
        }
        return (loads.makespan + Double(moves) * moveThreshold, isFeasible)
    }
}

/// The time of each replica under an assignment, kept up to date.
///
/// What it reads of the problem lies in plain arrays, as it is asked many thousand times.
struct Loads {
    /// For each replica the seconds of its requests and moves, its pages, and its adapters' bytes.
    private(set) var seconds: [Double]
    private(set) var pages: [Int]
    private(set) var adapterBytes: [Int]

    /// Requests by replica and adapter, row by row.
    private var counts: [Int32]
    private var adapterSeconds: [Double]

    /// What serving an adapter costs a replica, row by row.
    private let prices: [Double]

    // Of requests; an adapter of -1 is the base model.
    private let requestSeconds: [Double]
    private let moveSeconds: [Double]
    private let requestPages: [Int]
    private let sources: [Int]
    private let adapters: [Int]

    // Of adapters and replicas.
    private let bytes: [Int]
    private let rooms: [Int]
    private let capacities: [Int]
    private let secondsPerPage: Double
    private var adapterCount: Int { bytes.count }

    init(_ problem: RebalancingProblem) {
        let count = problem.replicas.count
        seconds = [Double](repeating: 0, count: count)
        pages = [Int](repeating: 0, count: count)
        adapterBytes = [Int](repeating: 0, count: count)
        adapterSeconds = [Double](repeating: 0, count: count)
        counts = [Int32](repeating: 0, count: count * problem.adapters.count)
        prices = (0..<count).flatMap { replica in
            problem.adapters.map { adapter in
                problem.affinity + (adapter.holders.contains(replica) ? 0 : adapter.loadSeconds)
            }
        }
        requestSeconds = problem.requests.map(\.seconds)
        moveSeconds = problem.requests.map(\.moveSeconds)
        requestPages = problem.requests.map(\.pages)
        sources = problem.requests.map(\.source)
        adapters = problem.requests.map { $0.adapter ?? -1 }
        bytes = problem.adapters.map(\.bytes)
        rooms = problem.replicas.map(\.adapterRoom)
        capacities = problem.replicas.map(\.pages)
        secondsPerPage = problem.secondsPerPage
    }

    var makespan: Double { seconds.indices.map(time).max() ?? 0 }

    func time(_ replica: Int) -> Double {
        time(
            seconds[replica] + adapterSeconds[replica], pages: pages[replica], of: replica)
    }

    private func time(_ seconds: Double, pages: Int, of replica: Int) -> Double {
        let excess = pages - capacities[replica]
        return excess > 0 ? seconds + Double(excess) * secondsPerPage : seconds
    }

    /// The time of a replica with a request more, and whether its adapter fits.
    func time(adding index: Int, to replica: Int) -> (seconds: Double, isPossible: Bool) {
        let adapter = adapters[index]
        var sum = seconds[replica] + adapterSeconds[replica] + cost(of: index, on: replica)
        var isPossible = true
        if adapter >= 0, counts[replica * adapterCount + adapter] == 0 {
            sum += prices[replica * adapterCount + adapter]
            isPossible = adapterBytes[replica] + bytes[adapter] <= rooms[replica]
        }
        return (time(sum, pages: pages[replica] + requestPages[index], of: replica), isPossible)
    }

    /// The time of a replica without one of its requests.
    func time(removing index: Int, from replica: Int) -> Double {
        let adapter = adapters[index]
        var sum = seconds[replica] + adapterSeconds[replica] - cost(of: index, on: replica)
        if adapter >= 0, counts[replica * adapterCount + adapter] == 1 {
            sum -= prices[replica * adapterCount + adapter]
        }
        return time(sum, pages: pages[replica] - requestPages[index], of: replica)
    }

    mutating func add(_ index: Int, to replica: Int) { change(index, on: replica, sign: 1) }

    mutating func remove(_ index: Int, from replica: Int) { change(index, on: replica, sign: -1) }

    private mutating func change(_ index: Int, on replica: Int, sign: Int) {
        seconds[replica] += Double(sign) * cost(of: index, on: replica)
        pages[replica] += sign * requestPages[index]
        let adapter = adapters[index]
        guard adapter >= 0 else { return }
        let place = replica * adapterCount + adapter
        counts[place] += Int32(sign)
        guard counts[place] == (sign > 0 ? 1 : 0) else { return }
        adapterBytes[replica] += sign * bytes[adapter]
        adapterSeconds[replica] += Double(sign) * prices[place]
    }

    private func cost(of index: Int, on replica: Int) -> Double {
        sources[index] == replica
            ? requestSeconds[index] : requestSeconds[index] + moveSeconds[index]
    }
}
