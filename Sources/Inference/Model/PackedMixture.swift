// SPDX-License-Identifier: Apache-2.0

internal import ModelLoading
internal import PolicyKit

/// Ranks of one expert for one linear layer, among the stacked ranks of a group.
struct RankSpan: BitwiseCopyable {
    let first: Int
    let count: Int
    let expert: Int
    /// The linear layer, in the order of `LinearGroup.kinds`.
    let part: Int
}

/// How the ranks of one group in one layer are weighed.
struct GatedGroup: BitwiseCopyable {
    var spans: UnsafeBufferPointer<RankSpan>
    /// Sets of weights of each row at the point that counts here.
    var sets = 1
    /// The set of the first linear layer, and how much further the next one's is.
    var firstSet = 0
    var setStep = 0
    /// Whether the weights depend on the ranks themselves, so that all must be there before any is
    /// weighed.
    var isWeighedLate = false
    /// Ranks of all experts, without padding.
    var width = 0

    /// The set of weights for a linear layer.
    func set(ofPart part: Int) -> Int { firstSet + part * setStep }
}

/// The experts and the gate of a mixture, beside its stacked factors.
///
/// Safety of the unchecked conformance: all memory is written in `init` only.
final class PackedMixture: @unchecked Sendable {
    let name: String
    let gate: any Gate
    let traits: GateTraits
    let expertCount: Int
    /// Sets of weights of a row at each point, and the most of any.
    let sets: [Int]
    let maximumSets: Int
    /// Floats of state for each token at one point.
    let pointStateFloats: Int
    /// The most floats that the gate reads of a row at any point.
    let maximumWidth: Int
    /// For each place the index of the point there, or -1.
    let points: UnsafeMutablePointer<Int32>
    /// `[layer * 4 + group]`
    let groups: UnsafeMutablePointer<GatedGroup>
    private let spans: UnsafeMutablePointer<RankSpan>

    /// Floats of state for each token, over all points.
    var stateFloats: Int { pointStateFloats * sets.count }

    /// Whether a pass of the base model goes before.
    var readsFinalHidden: Bool { points[GatePlaces.finalHidden] >= 0 }

    /// Checks what the gate says of itself against the model; `spans` are those of each group.
    init(
        name: String, experts: Int, gate: any Gate, spans: [[RankSpan]], model: ModelConfiguration
    ) throws(InferenceError) {
        let traits = gate.traits
        let schedule = GateSchedule(mixture: name, traits: traits, layers: model.layerCount)
        let points = try schedule.points()
        let all = spans.flatMap(\.self)
        let memory = UnsafeMutablePointer<RankSpan>.allocate(capacity: max(1, all.count))
        memory.initialize(from: all, count: all.count)
        var start = 0
        var groups = spans.map { own in
            defer { start += own.count }
            return GatedGroup(
                spans: UnsafeBufferPointer(start: memory + start, count: own.count),
                width: own.reduce(0) { $0 + $1.count })
        }
        do throws(InferenceError) {
            try schedule.apply(points, to: &groups)
        } catch {
            memory.deallocate()
            throw error
        }
        self.name = name
        self.gate = gate
        self.traits = traits
        expertCount = experts
        sets = traits.points.map(\.matrices)
        maximumSets = sets.max() ?? 1
        pointStateFloats = traits.stateFloats
        maximumWidth = max(
            model.hiddenSize, model.intermediateSize, model.inputSize(of: .o),
            groups.map(\.width).max() ?? 0)
        self.spans = memory
        self.points = .allocate(capacity: points.count)
        self.points.initialize(from: points, count: points.count)
        self.groups = .allocate(capacity: groups.count)
        self.groups.initialize(from: groups, count: groups.count)
    }

    deinit {
        points.deallocate()
        groups.deallocate()
        spans.deallocate()
    }
}

/// Where a gate is asked, checked against the model.
struct GateSchedule {
    let mixture: String
    let traits: GateTraits
    let layers: Int

    private func fail(_ message: String) -> InferenceError {
        InferenceError(.invalidMixture, "the gate of mixture \(mixture) \(message)")
    }

    /// For each place the index of the point there, or -1.
    func points() throws(InferenceError) -> [Int32] {
        guard traits.stateFloats >= 0,
            traits.stateFloats <= ExecutorConfiguration.maximumGateStateFloats
        else {
            throw fail("keeps \(traits.stateFloats) floats of state for each token and point")
        }
        var points = [Int32](repeating: -1, count: GatePlaces.count(layers: layers))
        var last = -1
        for (index, point) in traits.points.enumerated() {
            guard let place = GatePlaces.place(of: point, layers: layers) else {
                throw fail(
                    "is asked at point \(index) in layer \(point.layer) of \(layers), which does "
                        + "not go with \(point.reading)")
            }
            guard place > last else {
                throw fail("is asked at point \(index) out of the order of the computation")
            }
            guard point.coveredLayers == 0 || point.coveredLayers == layers else {
                throw fail("gives weights for \(point.coveredLayers) layers of \(layers)")
            }
            let isFirst = point.layer == -1 || (point.layer == 0 && point.reading == .blockInput)
            guard point.coveredLayers == 0 || (traits.points.count == 1 && isFirst) else {
                throw fail("gives all weights at point \(index), which is not its only one")
            }
            points[place] = Int32(index)
            last = place
        }
        guard last >= 0 else { throw fail("is asked nowhere; it needs a point at least") }
        return points
    }

    /// Says for each group which weights count there.
    ///
    /// Weights hold until the next point; but those of single linear layers are for the group that
    /// their point stands before, and nobody else.
    func apply(_ points: [Int32], to groups: inout [GatedGroup]) throws(InferenceError) {
        var current: Int32 = -1
        for layer in 0..<layers {
            if let point = find(points[GatePlaces.blockInput(layer)]) { current = point }
            if layer == 0, current < 0 {
                current = max(points[GatePlaces.tokens], points[GatePlaces.finalHidden])
            }
            for group in LinearGroup.allCases {
                let early = find(points[GatePlaces.input(layer, group)])
                let late = find(points[GatePlaces.shrunk(layer, group)])
                current = late ?? early ?? current
                let index = layer * LinearGroup.allCases.count + group.rawValue
                guard groups[index].width > 0 else { continue }
                guard current >= 0 else {
                    throw fail(
                        "is not asked before experts act in block \(layer) on "
                            + "\(group.kinds[0].moduleName); add a point before that")
                }
                let point = traits.points[Int(current)]
                guard point.matrices == 1 || point.coveredLayers > 0 || (early ?? late) != nil
                else {
                    throw fail(
                        "gives weights for single matrices at point \(current), which cannot hold "
                            + "for \(group.kinds[0].moduleName) in block \(layer); add a point there"
                    )
                }
                groups[index].sets = point.matrices
                let matrices = MatrixGroup.allCases[group.rawValue].matrices
                let place = matrices.map { point.set(of: MatrixPlace(layer: layer, matrix: $0)) }
                groups[index].firstSet = place[0]
                groups[index].setStep = place.count > 1 ? place[1] - place[0] : 0
                groups[index].isWeighedLate = late != nil
            }
        }
    }

    private func find(_ point: Int32) -> Int32? { point < 0 ? nil : point }
}
