// SPDX-License-Identifier: Apache-2.0

/// Serves a workload on paper, from one end of a request to the next.
///
/// Between two ends the batch stays what it is, so the time of its iterations need be computed once
/// only. Prompts hold up all others by their own time when they join; nobody comes.
struct Rollout {
    /// Seconds since now.
    private(set) var clock = 0.0

    /// Σ seconds until the end of each job that has ended.
    private(set) var sum = 0.0

    /// Jobs that have ended.
    private(set) var ended = 0
    private let workload: Workload
    private let prices: Prices
    private let batch: Int

    /// Iterations left of each job, 0 for those that have ended, and whether its prompt is computed.
    private var left: [Double]
    private var hasPrompt: [Bool]

    /// Jobs of the batch as a heap: the one that ends first is on top.
    private var heap: [(end: Double, job: Int)] = []

    /// Σ time of the batch's rows, and Σ rank of those that have a LoRA path.
    private var rows = 0.0
    private var rowRanks = 0.0

    /// Rows that have a path, by group and all.
    private var paths: [Int]
    private var allPaths = 0

    /// Σ rank of groups that have a path.
    private var distinctRanks = 0.0

    init(_ workload: Workload, prices: Prices, batch: Int) {
        self.workload = workload
        self.prices = prices
        self.batch = max(1, batch)
        left = workload.jobs.map(\.iterations)
        hasPrompt = [Bool](repeating: false, count: workload.jobs.count)
        paths = [Int](repeating: 0, count: workload.groups.count)
        heap.reserveCapacity(min(self.batch, workload.jobs.count))
    }

    /// When serving some of the jobs ends, if not with their end.
    struct Stop {
        /// The clock that ends it.
        var deadline = Double.infinity

        /// All times are multiplied with this.
        var slowdown = 1.0

        /// Seconds of an iteration in order with a full batch: serving ends where fewer rows than
        /// fit run and others would have more of them computed in the same time.
        var fullIteration: Double?
    }

    /// Serves those of `jobs` that have not ended, in this order, in one mode; `merged` is the group
    /// that has no paths.
    mutating func serve(
        _ jobs: [Int], kind: IterationKind, merged: Int?, stop: Stop = Stop()
    ) {
        let correction = kind == .mixed ? merged.map { workload.groups[$0].rank } ?? 0 : 0
        let (deadline, slowdown) = (stop.deadline, stop.slowdown)
        var next = 0
        var iteration = 0.0
        while true {
            while heap.count < batch, next < jobs.count, clock < deadline {
                let job = jobs[next]
                next += 1
                if left[job] <= 0 { continue }
                admit(job, at: iteration, merged: merged, correction: correction, slowdown)
            }
            guard let first = heap.first else { break }
            let seconds = slowdown * time(kind: kind, correction: correction)
            if let full = stop.fullIteration, heap.count < batch {
                let others = Double(min(batch, left.count - ended))
                if Double(heap.count) * full < others * seconds { break }
            }
            let end = clock + (first.end - iteration) * seconds
            if end > deadline {
                iteration += max(0, deadline - clock) / seconds
                clock = max(clock, deadline)
                break
            }
            clock = end
            iteration = first.end
            sum += end
            ended += 1
            left[first.job] = 0
            remove(first.job, merged: merged)
            popFirst()
        }
        for (end, job) in heap {
            left[job] = max(end - iteration, 1e-9)
            remove(job, merged: merged)
        }
        heap.removeAll(keepingCapacity: true)
    }

    /// Seconds of the first iteration in order, once its prompts are computed.
    func firstIteration() -> Double {
        var copy = self
        for job in 0..<min(batch, left.count) {
            copy.admit(job, at: 0, merged: nil, correction: 0, 1)
        }
        return copy.time(kind: .unmerged, correction: 0)
    }

    private func time(kind: IterationKind, correction: Double) -> Double {
        let tokens = rowRanks + Double(allPaths) * correction
        let corrected = allPaths > 0 ? correction : 0
        let seconds =
            prices.rankToken * tokens + prices.distinctRank * (distinctRanks + corrected)
        return prices.iteration(rows: rows, paths: seconds, kind: kind)
    }

    private mutating func admit(
        _ index: Int, at iteration: Double, merged: Int?, correction: Double, _ slowdown: Double
    ) {
        let job = workload.jobs[index]
        let hasPath = job.group != merged
        let rank = workload.groups[job.group].rank
        if !hasPrompt[index] {
            hasPrompt[index] = true
            let ranks = hasPath ? rank + correction : 0
            let paths = prices.rankToken * ranks * job.promptTokens
            clock += slowdown * max(0, job.promptSeconds + paths)
        }
        rows += job.rowSeconds
        if hasPath {
            rowRanks += rank
            allPaths += 1
            if paths[job.group] == 0 { distinctRanks += rank }
            paths[job.group] += 1
        }
        push((iteration + left[index], index))
    }

    private mutating func remove(_ index: Int, merged: Int?) {
        let job = workload.jobs[index]
        rows -= job.rowSeconds
        guard job.group != merged else { return }
        let rank = workload.groups[job.group].rank
        rowRanks -= rank
        allPaths -= 1
        paths[job.group] -= 1
        if paths[job.group] == 0 { distinctRanks -= rank }
    }

    private mutating func push(_ element: (end: Double, job: Int)) {
        heap.append(element)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].end <= element.end { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = element
    }

    private mutating func popFirst() {
        let last = heap.removeLast()
        if heap.isEmpty { return }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, heap[child + 1].end < heap[child].end { child += 1 }
            if heap[child].end >= last.end { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
    }
}
