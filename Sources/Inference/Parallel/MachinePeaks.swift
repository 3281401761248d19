// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// What the machine can do at most, measured now.
package enum MachinePeaks {
    /// Bytes per second that `threads` threads together read from memory, each its own part of
    /// `bytes` bytes: the best of `repetitions`.
    package static func readBandwidth(
        threads: Int, set: InstructionSet, bytes: Int = 1 << 29, repetitions: Int = 5
    ) throws(InferenceError) -> Double {
        let team = try ThreadTeam(members: threads)
        let kernels = try set.kernels()
        let part = max(4096, bytes / threads & ~255)
        let memory = try AlignedMemory(
            byteCount: checkedProduct([part, threads], for: "the measurement"),
            for: "the measurement")
        // Pages that were never written all map to one page of zeros.
        for offset in stride(from: 0, to: part * threads, by: 64) {
            (memory.base + offset).storeBytes(of: UInt64(offset), as: UInt64.self)
        }
        return read(UnsafeRawPointer(memory.base), part: part, team, kernels, repetitions)
    }

    /// The same for the weights of a model, where they lie: on machines whose memory is not
    /// equally fast everywhere, this is what a step can reach.
    package static func readBandwidth(
        of model: PackedModel, threads: Int, set: InstructionSet, repetitions: Int = 5
    ) throws(InferenceError) -> Double {
        let team = try ThreadTeam(members: threads)
        let kernels = try set.kernels()
        return withExtendedLifetime(model) {
            read(
                model.linears[0].weights, part: model.byteCount / 2 / threads & ~255, team,
                kernels, repetitions)
        }
    }

    private static func read(
        _ memory: UnsafeRawPointer, part: Int, _ team: ThreadTeam, _ kernels: KernelTable,
        _ repetitions: Int
    ) -> Double {
        let threads = team.memberCount
        let sums = UnsafeMutablePointer<UInt32>.allocate(capacity: threads)
        sums.initialize(repeating: 0, count: threads)
        defer { sums.deallocate() }
        var best = Double.infinity
        for _ in 0..<max(1, repetitions) {
            let start = kernel_monotonic_seconds()
            team.parallel(threads) { index, _ in
                sums[index] ^= kernels.read_all(memory + index * part, part)
            }
            best = min(best, kernel_monotonic_seconds() - start)
        }
        return Double(part * threads) / best
    }

    /// Operations per second of fused multiply-adds on registers, two for each, by `threads`
    /// threads together: the best of `repetitions`.
    package static func multiplyAdds(
        threads: Int, set: InstructionSet, repetitions: Int = 5
    ) throws(InferenceError) -> Double {
        let team = try ThreadTeam(members: threads)
        let kernels = try set.kernels()
        let results = UnsafeMutablePointer<Float>.allocate(capacity: threads)
        results.initialize(repeating: 0, count: threads)
        defer { results.deallocate() }
        let iterations = 500_000
        let operations = kernels.spin(1, results) * Double(iterations * threads)
        var best = Double.infinity
        for _ in 0..<max(1, repetitions) {
            let start = kernel_monotonic_seconds()
            team.parallel(threads) { index, _ in _ = kernels.spin(iterations, results + index) }
            best = min(best, kernel_monotonic_seconds() - start)
        }
        return operations / best
    }
}
