// SPDX-License-Identifier: Apache-2.0

/// Random bf16 tensors, made about as fast as memory can be written.
///
/// Drawing every element by itself would take longer than reading a model from disk. Instead a pool
/// is drawn once, and each row is a window into it that begins anywhere: rows differ from each
/// other, and every element has the normal distribution of a freshly initialised model.
struct RandomTensors {
    /// The standard deviation that these families initialise their matrices with.
    static let standardDeviation: Float = 0.02
    private static let one: UInt16 = 0x3F80

    private var random: SplitMix64
    private let pool: [UInt16]
    private let span: Int

    /// A pool for tensors of at most `largestTensor` elements in rows of at most `widestRow`.
    init(seed: UInt64, largestTensor: Int, widestRow: Int) {
        random = SplitMix64(seed: seed)
        span = min(max(largestTensor, 1), 1 << 20)
        var generator = random
        pool = (0..<span + widestRow).map { _ in Self.normal(generator.next()) }
        random = generator
    }

    /// A draw from the sum of four uniform numbers (nearly normal), rounded to bf16.
    private static func normal(_ bits: UInt64) -> UInt16 {
        let sum =
            Int32(bits & 0xFFFF) + Int32(bits >> 16 & 0xFFFF) + Int32(bits >> 32 & 0xFFFF)
            + Int32(bits >> 48)
        // Mean 2 * 65535, standard deviation 65536 / sqrt(3).
        let value = Float(sum - 131_070) * (standardDeviation / 37_837.2)
        let pattern = value.bitPattern
        return UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) >> 16)
    }

    /// One allocation that holds all `entries`, in their order; vectors in `ones` are all one.
    mutating func tensors(
        _ entries: [ModelTensorLayout.Entry], ones: (String) -> Bool = { _ in false }
    ) -> [String: TensorView] {
        var offsets: [Int] = []
        var end = 0
        for entry in entries {
            offsets.append(end)
            // A cache line each, so that no two tensors share one.
            end += (entry.shape.reduce(2, *) + 63) & ~63
        }
        let storage = CopiedBytes(count: end) { memory in
            for (entry, offset) in zip(entries, offsets) {
                let bytes = UnsafeMutableRawBufferPointer(
                    rebasing: memory[offset..<offset + entry.shape.reduce(2, *)])
                if ones(entry.name) {
                    bytes.bindMemory(to: UInt16.self).initialize(repeating: Self.one.littleEndian)
                } else {
                    fill(bytes, rowBytes: 2 * (entry.shape.last ?? 1))
                }
            }
        }
        var views: [String: TensorView] = [:]
        for (entry, offset) in zip(entries, offsets) {
            views[entry.name] = TensorView(
                name: entry.name, type: .bf16, shape: entry.shape, storage: storage, offset: offset)
        }
        return views
    }

    private mutating func fill(_ bytes: UnsafeMutableRawBufferPointer, rowBytes: Int) {
        pool.withUnsafeBytes { source in
            for start in stride(from: 0, to: bytes.count, by: rowBytes) {
                let window = Int(random.next() % UInt64(span)) * 2
                UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + rowBytes])
                    .copyMemory(
                        from: UnsafeRawBufferPointer(
                            rebasing: source[window..<window + rowBytes]))
            }
        }
    }
}
