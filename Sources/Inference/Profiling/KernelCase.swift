// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// One kernel at one shape, ready to be called over a working set.
struct KernelCase {
    let kernel: KernelName
    let shape: String
    let rows: Int
    let type: WeightType?
    /// What one call reads from memory and writes there.
    let bytes: Double
    /// Multiplications and additions of one call.
    let operations: Double
    /// Calls until memory is read again.
    let callCount: Int
    /// Makes one call, of index below `callCount`, on a member of the team.
    let call: (_ kernels: KernelTable, _ index: Int, _ member: Int) -> Void
}

/// Times the calls of a case on a team.
struct KernelStopwatch {
    let team: ThreadTeam
    let kernels: KernelTable
    /// Seconds that one measurement takes, about.
    let budget: Double

    /// Seconds from one call to the next, of all threads together: the best of several batches.
    ///
    /// Each batch goes on where the last one ended, so that what it reads has left the caches.
    func secondsPerCall(_ item: KernelCase) -> Double {
        var next = 0
        func seconds(of count: Int) -> Double {
            let first = next
            let start = kernel_monotonic_seconds()
            team.parallel(count) { index, member in
                item.call(kernels, (first + index) % item.callCount, member)
            }
            next = (first + count) % item.callCount
            return kernel_monotonic_seconds() - start
        }
        var count = team.memberCount
        var elapsed = seconds(of: count)
        while elapsed < budget / 8, count < 1 << 26 {
            count *= elapsed < budget / 64 ? 4 : 2
            elapsed = seconds(of: count)
        }
        var best = elapsed
        let end = kernel_monotonic_seconds() + budget
        var batches = 0
        while batches < 2 || (kernel_monotonic_seconds() < end && batches < 16) {
            best = min(best, seconds(of: count))
            batches += 1
        }
        return best / Double(count)
    }
}

/// Copies of some bytes, one behind the other: together more than the caches hold.
struct WorkingSet {
    let count: Int
    let copyBytes: Int
    private let memory: AlignedMemory

    /// As many copies of `copyBytes` bytes as fill `bytes`, at least one.
    init(copyBytes: Int, bytes: Int) throws(InferenceError) {
        self.copyBytes = copyBytes.roundedUp(to: 64)
        count = max(1, bytes / self.copyBytes)
        var plan = MemoryPlan(for: "the working set of a measurement")
        _ = try plan.reserve(count, self.copyBytes)
        memory = try plan.allocate()
    }

    /// Copies of what is at `source`.
    init(of source: UnsafeRawPointer, bytes: Int, filling total: Int) throws(InferenceError) {
        try self.init(copyBytes: bytes, bytes: total)
        for index in 0..<count { self[index].copyMemory(from: source, byteCount: bytes) }
    }

    /// Rows of `floats` floats between -1 and 1, `bytes` together.
    static func random(floats: Int, bytes: Int) throws(InferenceError) -> WorkingSet {
        let set = try WorkingSet(copyBytes: floats * 4, bytes: bytes)
        var state: UInt32 = 1
        for copy in 0..<set.count {
            let values = set.floats(copy)
            for index in 0..<floats {
                state = state &* 1_664_525 &+ 1_013_904_223
                values[index] = Float(Int32(bitPattern: state)) * 0x1p-31
            }
        }
        return set
    }

    subscript(index: Int) -> UnsafeMutableRawPointer { memory.base + index * copyBytes }

    func floats(_ index: Int) -> UnsafeMutablePointer<Float> {
        self[index].assumingMemoryBound(to: Float.self)
    }
}
