// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// Lays out a model's weights in one allocation and lists what is to be packed where.
struct ModelPacking {
    let weights: ModelWeights
    let type: WeightType
    var memoryPlan = MemoryPlan(for: "the packed model")
    /// Whether the memory holds everything already, so that only addresses are filled in.
    var isFilled = false

    private(set) var linears: [PackedMatrix] = []
    private(set) var layers: [PackedModel.Layer] = []
    private(set) var tasks: [PackingTask] = []
    private(set) var embedding: UnsafeRawPointer?
    private var headMatrix: PackedMatrix?
    private var finalNormValues: UnsafePointer<Float>?

    private var offsets: [Int] = []
    private var next = 0

    init(weights: ModelWeights, type: WeightType) {
        self.weights = weights
        self.type = type
    }

    var head: PackedMatrix {
        guard let headMatrix else { preconditionFailure("place(in:) comes first") }
        return headMatrix
    }

    var finalNorm: UnsafePointer<Float> {
        guard let finalNormValues else { preconditionFailure("place(in:) comes first") }
        return finalNormValues
    }

    private var configuration: ModelConfiguration { weights.configuration }

    private var vectors: [(layer: Int, views: [TensorView?])] {
        (0..<configuration.layerCount).map { layer in
            let norms = NormKind.allCases.map { weights.norm(layer: layer, $0) }
            let biases = LinearKind.allCases.map { weights.bias(layer: layer, $0) }
            return (layer, norms + biases)
        }
    }

    private func matrix(_ view: TensorView, at pointer: UnsafeRawPointer) -> PackedMatrix {
        PackedMatrix(weights: pointer, outputs: view.shape[0], inputs: view.shape[1], type: type)
    }

    /// Reserves memory in the order in which a step reads it.
    mutating func reserve() throws(InferenceError) {
        let nowhere = UnsafeRawPointer(bitPattern: 64)!  // only sizes are asked for
        for layer in 0..<configuration.layerCount {
            for kind in LinearKind.allCases {
                let size = matrix(weights.linear(layer: layer, kind), at: nowhere)
                offsets.append(try memoryPlan.reserve(size.panels, size.panelBytes))
            }
        }
        let size = matrix(weights.outputHead, at: nowhere)
        offsets.append(try memoryPlan.reserve(size.panels, size.panelBytes))
        for (_, views) in vectors {
            for case let view? in views {
                offsets.append(try memoryPlan.reserve(view.elementCount.roundedUp(to: 32), 4))
            }
        }
        offsets.append(try memoryPlan.reserve(configuration.hiddenSize.roundedUp(to: 32), 4))
        if !configuration.tiedEmbeddings {
            offsets.append(
                try memoryPlan.reserve(
                    configuration.vocabularySize, configuration.hiddenSize,
                    type.unpackedType.byteCount))
        }
    }

    /// Fills in the addresses, converts the small tensors, and lists the packing of the others; the
    /// values only where the memory does not hold them.
    mutating func place(in memory: AlignedMemory) {
        next = 0
        for layer in 0..<configuration.layerCount {
            for kind in LinearKind.allCases {
                linears.append(pack(weights.linear(layer: layer, kind), in: memory))
            }
        }
        headMatrix = pack(weights.outputHead, in: memory)
        for (_, views) in vectors {
            let placed = views.map { $0.map { convert($0, in: memory) } }
            guard let input = placed[0], let postAttention = placed[1] else {
                preconditionFailure("every layer has its two norms: loading checks it")
            }
            layers.append(
                PackedModel.Layer(
                    inputNorm: input, postAttentionNorm: postAttention, queryNorm: placed[2],
                    keyNorm: placed[3], biases: Array(placed[4...])))
        }
        finalNormValues = convert(weights.finalNorm, in: memory)
        if !configuration.tiedEmbeddings { embedding = copyEmbedding(in: memory) }
    }

    private mutating func take(in memory: AlignedMemory) -> UnsafeMutableRawPointer {
        defer { next += 1 }
        return memory.base + offsets[next]
    }

    private mutating func pack(_ view: TensorView, in memory: AlignedMemory) -> PackedMatrix {
        let packed = matrix(view, at: take(in: memory))
        tasks += PackingTask.tasks(packing: view, into: packed)
        return packed
    }

    private mutating func convert(
        _ view: TensorView, in memory: AlignedMemory
    ) -> UnsafePointer<Float> {
        let target = take(in: memory).assumingMemoryBound(to: Float.self)
        if isFilled { return UnsafePointer(target) }
        view.withUnsafeBytes { bytes in
            kernel_convert(bytes.baseAddress, view.type.kernelType, view.elementCount, target)
        }
        return UnsafePointer(target)
    }

    private mutating func copyEmbedding(in memory: AlignedMemory) -> UnsafeRawPointer {
        let target = take(in: memory)
        if isFilled { return UnsafeRawPointer(target) }
        let view = weights.embedding
        view.withUnsafeBytes { bytes in
            kernel_copy(
                bytes.baseAddress, view.type.kernelType, view.elementCount,
                type.unpackedType.kernelType, target)
        }
        return UnsafeRawPointer(target)
    }
}
