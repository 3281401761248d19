// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// Keys and values of all layers, in pages of 16 tokens, in f32.
///
/// Keys of one page and head are `[headSize][16 tokens]`, so that a vector holds the scores of a
/// page; values are `[16 tokens][headSize padded to 16]`.
struct KeyValueCache {
    private let memory: AlignedMemory
    private let keyLayerStride: Int
    private let valueLayerStride: Int
    private let valueOffset: Int
    private let prototype: KernelCache

    init(model: ModelConfiguration, pageCount: Int) throws(InferenceError) {
        let tokens = ExecutorConfiguration.pageTokens
        let valueStride = model.headSize.roundedUp(to: 16)
        let keyHead = model.headSize * tokens
        let valueHead = valueStride * tokens
        keyLayerStride = try checkedProduct(
            [pageCount, model.kvHeadCount, keyHead], for: "keys and values")
        valueLayerStride = try checkedProduct(
            [pageCount, model.kvHeadCount, valueHead], for: "keys and values")
        var plan = MemoryPlan(for: "keys and values")
        _ = try plan.reserve(model.layerCount, keyLayerStride, 4)
        valueOffset = try plan.reserve(model.layerCount, valueLayerStride, 4)
        memory = try plan.allocate()
        let base = memory.base.assumingMemoryBound(to: Float.self)
        prototype = KernelCache(
            keys: base, values: base, key_page_stride: model.kvHeadCount * keyHead,
            value_page_stride: model.kvHeadCount * valueHead, key_head_stride: keyHead,
            value_head_stride: valueHead, value_stride: valueStride)
    }

    var byteCount: Int { memory.byteCount }

    /// One layer's pages.
    func layer(_ layer: Int) -> KernelCache {
        var cache = prototype
        cache.keys = prototype.keys + layer * keyLayerStride
        cache.values =
            (memory.base + valueOffset).assumingMemoryBound(to: Float.self)
            + layer * valueLayerStride
        return cache
    }
}
