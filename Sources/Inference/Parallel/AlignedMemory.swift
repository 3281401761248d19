// SPDX-License-Identifier: Apache-2.0

internal import CKernels

/// Zeroed memory on large pages, for weights, keys and values, and scratch.
///
/// Safety of the unchecked conformance: whoever allocates it writes it before sharing it, or is
/// its only user.
final class AlignedMemory: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int

    init(byteCount: Int, for purpose: String) throws(InferenceError) {
        let bytes = max(byteCount, 64)
        guard let base = kernel_memory_allocate(bytes) else {
            throw InferenceError(
                .outOfMemory,
                "no \(bytes >> 20) MiB for \(purpose); use a smaller one or free memory")
        }
        self.base = base
        self.byteCount = bytes
    }

    deinit {
        kernel_memory_free(base, byteCount)
    }
}

/// Offsets of several arrays in one allocation, each aligned to a cache line.
struct MemoryPlan {
    private(set) var byteCount = 0
    let purpose: String

    init(for purpose: String) {
        self.purpose = purpose
    }

    /// Reserves the product of `factors` in bytes and returns where it starts.
    mutating func reserve(_ factors: Int...) throws(InferenceError) -> Int {
        let start = byteCount
        let bytes = try checkedProduct(factors, for: purpose)
        let (end, overflow) = start.addingReportingOverflow(bytes)
        guard !overflow, end < Int.max - 64 else { throw tooLarge(purpose) }
        byteCount = (end + 63) & ~63
        return start
    }

    func allocate() throws(InferenceError) -> AlignedMemory {
        try AlignedMemory(byteCount: byteCount, for: purpose)
    }
}

private func tooLarge(_ purpose: String) -> InferenceError {
    InferenceError(
        .outOfMemory, "the size of the memory for \(purpose) does not fit in an integer")
}

/// The product of non-negative sizes, or an error that names what they were for.
func checkedProduct(_ factors: [Int], for purpose: String) throws(InferenceError) -> Int {
    var product = 1
    for factor in factors {
        let (next, overflow) = product.multipliedReportingOverflow(by: factor)
        guard !overflow, factor >= 0 else { throw tooLarge(purpose) }
        product = next
    }
    return product
}

extension Int {
    /// The next multiple of a power of two; the caller has bounded `self`.
    func roundedUp(to multiple: Int) -> Int { (self + multiple - 1) & ~(multiple - 1) }

    /// The quotient rounded up.
    func dividedUp(by divisor: Int) -> Int { (self + divisor - 1) / divisor }
}
