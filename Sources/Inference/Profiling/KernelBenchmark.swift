// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import Glibc
package import ModelLoading

/// Measures each kernel alone at the shapes of a model, beside the limits of the machine.
package struct KernelBenchmark: Sendable {
    /// Whose shapes; the weights are random.
    package var model: ModelConfiguration
    package var types = WeightType.allCases
    package var instructionSets = InstructionSet.available
    package var threads = [1]
    /// Rows of activations of a product.
    package var rows = [1, 2, 4, 8, 16, 32, 64, 512]
    /// Tokens that attention sees; those beyond the model's context are left out.
    package var contexts = [128, 1024, 4096]
    /// Rank of the adapters.
    package var rank = 16
    /// How long one measurement takes, about.
    package var budget = Duration.milliseconds(40)
    /// Bytes that a kernel goes over before it sees any of them again.
    package var workingSetBytes = Self.defaultWorkingSetBytes

    package init(model: ModelConfiguration) {
        self.model = model
        self.model.layerCount = 1
    }

    /// Bytes of the last cache, as the system tells; nil if it does not.
    package static let lastCacheBytes: Int? = {
        let path = "/sys/devices/system/cpu/cpu0/cache/index3/size"
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 32)
        guard fgets(&text, Int32(text.count), file) != nil else { return nil }
        // As 32768K.
        let kilobytes = strtol(text, nil, 10)
        return kilobytes > 0 ? kilobytes << 10 : nil
    }()

    /// Eight times the last cache, within bounds that any machine has room for.
    static var defaultWorkingSetBytes: Int {
        min(max(8 * (lastCacheBytes ?? 0), 256 << 20), 1 << 30)
    }

    /// Measures everything in turn. `progress` is told how much of it is done, from 0 to 1.
    ///
    /// Throws `invalidConfiguration` for an empty or impossible choice, and whatever the system
    /// refuses.
    package func run(
        progress: (Double) -> Void = { _ in }
    ) throws(InferenceError) -> KernelReport {
        try check()
        var limits = try measureLimits()
        let groups = groups
        var timings: [Timing] = []
        for (index, group) in groups.enumerated() {
            progress(Double(index) / Double(groups.count))
            for item in try cases(of: group) { timings += try time(item) }
        }
        // Something else may have run during the first measurement: the limits are the better of
        // before and after.
        limits = zip(limits, try measureLimits()).map { before, after in
            var best = before
            best.gigabytesPerSecond = max(before.gigabytesPerSecond, after.gigabytesPerSecond)
            best.gigaflops = max(before.gigaflops, after.gigaflops)
            return best
        }
        progress(1)
        return KernelReport(
            workingSetBytes: workingSetBytes, lastCacheBytes: Self.lastCacheBytes, limits: limits,
            measurements: timings.map { $0.measurement(limits) })
    }

    private func check() throws(InferenceError) {
        func require(_ holds: Bool, _ message: String) throws(InferenceError) {
            guard holds else { throw InferenceError(.invalidConfiguration, message) }
        }
        try require(!types.isEmpty && !instructionSets.isEmpty, "nothing to measure is chosen")
        try require(
            !threads.isEmpty && threads.allSatisfy((1...1024).contains),
            "threads \(threads): each must be 1 to 1024")
        try require(
            !rows.isEmpty && rows.allSatisfy((1...4096).contains),
            "rows \(rows): each must be 1 to 4096")
        try require(
            !contexts.isEmpty && contexts.allSatisfy((1...(1 << 20)).contains),
            "contexts \(contexts): each must be 1 to \(1 << 20)")
        try require(AdapterWeights.ranks.contains(rank), "rank \(rank) is out of range")
        try require(
            (1 << 16...1 << 36).contains(workingSetBytes),
            "a working set of \(workingSetBytes) bytes: it must be 64 KiB to 64 GiB")
    }

    private func measureLimits() throws(InferenceError) -> [MachineLimits] {
        var limits: [MachineLimits] = []
        for set in instructionSets {
            for threads in threads {
                limits.append(
                    MachineLimits(
                        instructionSet: set, threads: threads,
                        gigabytesPerSecond: try MachinePeaks.readBandwidth(
                            threads: threads, set: set, bytes: workingSetBytes) / 1e9,
                        gigaflops: try MachinePeaks.multiplyAdds(threads: threads, set: set) / 1e9))
            }
        }
        return limits
    }

    /// One case's time on one instruction set with some threads.
    private struct Timing {
        let item: KernelCase
        let set: InstructionSet
        let threads: Int
        let seconds: Double

        func measurement(_ limits: [MachineLimits]) -> KernelMeasurement {
            let limit = limits.first { $0.instructionSet == set && $0.threads == threads }
            let memory = item.bytes / (limit?.gigabytesPerSecond ?? .nan) * 1e-9
            let arithmetic = item.operations / (limit?.gigaflops ?? .nan) * 1e-9
            return KernelMeasurement(
                kernel: item.kernel, shape: item.shape, rows: item.rows, type: item.type,
                instructionSet: set, threads: threads,
                microsecondsPerCall: seconds * Double(threads) * 1e6,
                gigabytesPerSecond: item.bytes / seconds * 1e-9,
                gigaflops: item.operations / seconds * 1e-9,
                bound: memory > arithmetic ? .memory : .arithmetic,
                percentOfLimit: 100 * max(memory, arithmetic) / seconds)
        }
    }

    private func time(_ item: KernelCase) throws(InferenceError) -> [Timing] {
        var timings: [Timing] = []
        for set in instructionSets {
            for threads in threads {
                let stopwatch = KernelStopwatch(
                    team: try ThreadTeam(members: threads), kernels: try set.kernels(),
                    budget: budget / .seconds(1))
                timings.append(
                    Timing(
                        item: item, set: set, threads: threads,
                        seconds: stopwatch.secondsPerCall(item)))
            }
        }
        return timings
    }

    /// Cases that share a working set, which is made when their turn comes.
    private enum Group {
        case products(ProductShape, WeightType)
        case merges(WeightType)
        case shrinks, expands, attentions, joins, rowKernels, ropes, samplings
    }

    private var groups: [Group] {
        types.flatMap { type in
            productShapes.map { .products($0, type) } + [.merges(type)]
        } + [.shrinks, .expands, .attentions, .joins, .rowKernels, .ropes, .samplings]
    }

    private func cases(of group: Group) throws(InferenceError) -> [KernelCase] {
        switch group {
        case .products(let shape, let type): try products(shape, type)
        case .merges(let type): try merges(type)
        case .shrinks: try shrinks()
        case .expands: try expands()
        case .attentions: try attentions()
        case .joins: try joins()
        case .rowKernels: try rowKernels()
        case .ropes: try ropes()
        case .samplings: try samplings()
        }
    }

    /// The most members of any team.
    var mostThreads: Int { threads.max() ?? 1 }
}
