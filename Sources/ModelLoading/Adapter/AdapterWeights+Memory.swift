// SPDX-License-Identifier: Apache-2.0

extension FactorMatrix {
    /// A factor in memory, row-major: as many `floats` as `shape` says.
    package init(name: String, shape: [Int], floats: [Float]) {
        precondition(
            floats.count == shape.reduce(1, *), "\(floats.count) elements of shape \(shape)")
        let storage = CopiedBytes(count: 4 * floats.count) { memory in
            let words = memory.bindMemory(to: UInt32.self)
            for (index, value) in floats.enumerated() {
                words[index] = value.bitPattern.littleEndian
            }
        }
        self.init(TensorView(name: name, type: .f32, shape: shape, storage: storage, offset: 0))
    }
}

extension LoRAFactors {
    /// Factors in memory: `a` is `[rank, inputSize]` and `b` `[outputSize, rank]`, row-major.
    package init(site: AdapterSite, rank: Int, scale: Float, a: [Float], b: [Float]) {
        precondition(rank > 0, "a rank of \(rank)")
        self.init(
            rank: rank, scale: scale,
            a: FactorMatrix(
                name: "\(site.moduleName).lora_A.weight", shape: [rank, a.count / rank], floats: a),
            b: FactorMatrix(
                name: "\(site.moduleName).lora_B.weight", shape: [b.count / rank, rank], floats: b))
    }
}

extension AdapterWeights {
    /// An adapter that was computed, checked as one that was read: layers, ranks, shapes, and that
    /// every element is finite.
    package convenience init(
        name: String, computed sites: [AdapterSite: LoRAFactors], for model: ModelConfiguration,
        baseModelName: String? = nil
    ) throws(ModelLoadingError) {
        try FolderListing.checkName(name)
        guard !sites.isEmpty else {
            throw ModelLoadingError(.missingTensor, "acts on no layer", key: name)
        }
        for site in sites.keys.sorted() {
            guard let factors = sites[site] else { continue }
            try Self.check(factors, at: site, for: model)
        }
        self.init(name: name, path: nil, sites: sites, baseModelName: baseModelName)
    }

    private static func check(
        _ factors: LoRAFactors, at site: AdapterSite, for model: ModelConfiguration
    ) throws(ModelLoadingError) {
        guard (0..<model.layerCount).contains(site.layer) else {
            throw ModelLoadingError(
                .unexpectedTensor, "the base model has only \(model.layerCount) layers",
                key: site.moduleName)
        }
        guard ranks.contains(factors.rank) else {
            throw ModelLoadingError(
                .tooLarge, "rank \(factors.rank) lies outside \(ranks)", key: site.moduleName)
        }
        let wanted = [
            [factors.rank, model.inputSize(of: site.linear)],
            [model.outputSize(of: site.linear), factors.rank],
        ]
        guard [factors.a.shape, factors.b.shape] == wanted else {
            throw ModelLoadingError(
                .wrongShape,
                "has shapes \(factors.a.shape) and \(factors.b.shape), the base model calls for "
                    + "\(wanted[0]) and \(wanted[1])", key: site.moduleName)
        }
        let values = try factors.a.floats() + factors.b.floats() + [factors.scale]
        guard values.allSatisfy(\.isFinite) else {
            throw ModelLoadingError(
                .notFinite, "holds an infinity or a NaN", key: site.moduleName)
        }
    }
}
