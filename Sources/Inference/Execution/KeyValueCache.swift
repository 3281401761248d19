// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// How keys and values are kept. Attention computes in f32 with both.
package enum KeyValueType: String, Sendable, CaseIterable, Codable {
    case f32
    /// Half the memory; each key and value is rounded once, to the nearest.
    case bf16

    var byteCount: Int { self == .f32 ? 4 : 2 }

    var kernelType: KernelType { self == .f32 ? KERNEL_F32 : KERNEL_BF16 }

    /// Elements of one token's values of one head, with padding.
    func valueStride(headSize: Int) -> Int { headSize.roundedUp(to: self == .f32 ? 16 : 32) }
}

/// Keys and values of all layers, in pages of 16 tokens; their layout is that of `KernelCache`.
struct KeyValueCache {
    private let memory: AlignedMemory
    private let keyLayerBytes: Int
    private let valueLayerBytes: Int
    private let valueOffset: Int
    private let prototype: KernelCache

    init(
        model: ModelConfiguration, type: KeyValueType, pageCount: Int
    ) throws(InferenceError) {
        let tokens = ExecutorConfiguration.pageTokens
        let valueStride = type.valueStride(headSize: model.headSize)
        let keyHead = model.headSize * tokens
        let valueHead = valueStride * tokens
        keyLayerBytes = try checkedProduct(
            [pageCount, model.kvHeadCount, keyHead, type.byteCount], for: "keys and values")
        valueLayerBytes = try checkedProduct(
            [pageCount, model.kvHeadCount, valueHead, type.byteCount], for: "keys and values")
        var plan = MemoryPlan(for: "keys and values")
        _ = try plan.reserve(model.layerCount, keyLayerBytes)
        valueOffset = try plan.reserve(model.layerCount, valueLayerBytes)
        memory = try plan.allocate()
        prototype = KernelCache(
            type: type.kernelType, keys: memory.base, values: memory.base,
            key_page_stride: model.kvHeadCount * keyHead,
            value_page_stride: model.kvHeadCount * valueHead, key_head_stride: keyHead,
            value_head_stride: valueHead, value_stride: valueStride)
    }

    var byteCount: Int { memory.byteCount }

    /// One layer's pages.
    func layer(_ layer: Int) -> KernelCache {
        var cache = prototype
        cache.keys = memory.base + layer * keyLayerBytes
        cache.values = memory.base + valueOffset + layer * valueLayerBytes
        return cache
    }
}
