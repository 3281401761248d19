// SPDX-License-Identifier: Apache-2.0

internal import CKernels
package import ModelLoading
import Synchronization

/// Base weights in the layout the kernels read; shared by replicas and never written again.
///
/// Holds each weight once: a tied embedding is read out of the packed output head.
///
/// Safety of the unchecked conformance: all memory is written in `init` only.
package final class PackedModel: @unchecked Sendable {
    package let configuration: ModelConfiguration
    package let type: WeightType
    /// Bytes in memory.
    package let byteCount: Int

    /// `[layer * 7 + kind]`
    let linears: [PackedMatrix]
    let layers: [Layer]
    let outputHead: PackedMatrix
    /// Rows of an untied embedding, `[vocabularySize, hiddenSize]` of `type.unpackedType`; nil when
    /// tied.
    let embedding: UnsafeRawPointer?
    let finalNorm: UnsafePointer<Float>
    let ropeFrequencies: [Float]
    let memory: AlignedMemory
    /// What the last adapter left behind: where adapters come and go, the next one fits into it.
    let spareAdapterMemory = SpareMemory(limit: 1)
    /// What the last merged copy left behind.
    let spareMergedMemory = SpareMemory(limit: 1)
    private let adapterCount = Atomic<Int>(0)

    /// A layer's small tensors in f32, padded with zeros to a multiple of 32.
    struct Layer {
        var inputNorm: UnsafePointer<Float>
        var postAttentionNorm: UnsafePointer<Float>
        var queryNorm: UnsafePointer<Float>?
        var keyNorm: UnsafePointer<Float>?
        /// By `LinearKind.ordinal`.
        var biases: [UnsafePointer<Float>?]
    }

    private let cache: PackedModelCache?
    private let identity: String?
    /// What became of the cache, if there was one.
    package let cacheOutcome: PackedModelCache.Outcome

    /// Counts up whenever the same weights are packed into other bytes.
    static let layoutVersion = 1

    /// Packs `weights` with `threads` threads, or reads what an earlier start has packed; they are
    /// not needed afterwards.
    ///
    /// Weights stored more precisely than `type` are rounded to the nearest, ties to even.
    package init(
        _ weights: ModelWeights, type: WeightType, threads: Int = 1,
        cache: PackedModelCache? = nil
    ) throws(InferenceError) {
        let configuration = weights.configuration
        try Self.check(configuration)
        var packing = ModelPacking(weights: weights, type: type)
        try packing.reserve()
        let team = try ThreadTeam(members: threads)
        let identity = cache.flatMap { _ in PackedModelCache.identity(of: weights, type: type) }
        var memory = try packing.memoryPlan.allocate()
        if let cache, let identity {
            packing.isFilled = cache.read(identity, into: memory, with: team)
            // What is packed needs memory that is zeroed.
            if !packing.isFilled { memory = try packing.memoryPlan.allocate() }
        }
        packing.place(in: memory)
        if !packing.isFilled {
            let tasks = packing.tasks
            team.parallel(tasks.count) { index, _ in tasks[index].run() }
        }

        self.configuration = configuration
        self.type = type
        self.memory = memory
        self.cache = cache
        self.identity = identity
        cacheOutcome = identity == nil ? .unused : packing.isFilled ? .read : .packed
        byteCount = memory.byteCount
        linears = packing.linears
        layers = packing.layers
        outputHead = packing.head
        embedding = packing.embedding
        finalNorm = packing.finalNorm
        ropeFrequencies = configuration.rope.inverseFrequencies(headSize: configuration.headSize)
    }

    /// The most bytes that a merged copy takes: those of all linear layers.
    package var mergedByteCount: Int { linears.reduce(0) { $0 + $1.byteCount.roundedUp(to: 64) } }

    /// Writes what was packed into the cache for the next start, if there is one and it is not there
    /// yet; may take as long as the disk does, on any thread.
    package func keep() throws(InferenceError) {
        guard case .packed = cacheOutcome, let cache, let identity else { return }
        try cache.write(identity, memory)
    }

    /// Gives the memory back that the last adapter left behind, where none is expected to follow.
    package func freeSpareAdapterMemory() { spareAdapterMemory.clear() }

    static let largestAdapterOffset = 65_536

    /// Bytes to leave free before an adapter's factors, different for those packed one after the
    /// other.
    ///
    /// Large allocations are aligned alike and adapters are laid out alike: without this, what a
    /// step reads of sixteen adapters at the same time would fall into the same cache sets.
    func nextAdapterOffset() -> Int {
        let index = adapterCount.wrappingAdd(1, ordering: .relaxed).oldValue
        return (index & 63) * 1088 % Self.largestAdapterOffset
    }

    private static func check(_ configuration: ModelConfiguration) throws(InferenceError) {
        let head = configuration.headSize
        guard head >= 2, head % 2 == 0, head <= 1024 else {
            throw InferenceError(
                .unsupportedModel, "head size \(head): it must be even and at most 1024")
        }
        let sizes = [
            configuration.hiddenSize, configuration.intermediateSize, configuration.layerCount,
            configuration.headCount, configuration.kvHeadCount, configuration.vocabularySize,
        ]
        guard sizes.allSatisfy({ (1...(1 << 24)).contains($0) }) else {
            throw InferenceError(.unsupportedModel, "sizes \(sizes): each must be 1 to 2^24")
        }
        guard configuration.headCount % configuration.kvHeadCount == 0 else {
            throw InferenceError(
                .unsupportedModel,
                "\(configuration.headCount) heads cannot share \(configuration.kvHeadCount) "
                    + "key and value heads evenly")
        }
    }
}
