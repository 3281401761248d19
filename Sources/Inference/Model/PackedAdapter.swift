// SPDX-License-Identifier: Apache-2.0

internal import CKernels
package import ModelLoading
package import PolicyKit

/// A LoRA adapter or a mixture of them in the layout the kernels read, for one base model; can be
/// built on any thread.
///
/// Every site keeps its own rank. Factors stay bf16 if the adapter is stored in bf16, else f32.
///
/// Safety of the unchecked conformance: all memory is written in `init` only.
package final class PackedAdapter: @unchecked Sendable {
    package let name: String
    /// Bytes in memory.
    package let byteCount: Int
    /// The highest rank at any linear layer; of a mixture, all experts' together.
    package let maximumRank: Int
    package let type: WeightType
    /// The model it was packed for; a step with another one is refused.
    package let model: PackedModel
    package let sites: [AdapterSite]

    /// `[layer * 4 + group]`
    let groups: UnsafeMutablePointer<AdapterGroup>
    let groupCount: Int
    /// The most rows of A that one group stacks up, with padding.
    let maximumStackedRank: Int
    /// The experts and the gate of a mixture; nil for an adapter.
    let mixture: PackedMixture?
    private let memory: AlignedMemory

    /// Packs an adapter with the members of `team`, the calling thread among them, or alone.
    ///
    /// - Throws: `unreadableAdapter` where its file has changed for the worse since it was opened.
    package convenience init(
        _ adapter: AdapterWeights, for model: PackedModel, team: ThreadTeam? = nil
    ) throws(InferenceError) {
        try self.init(
            AdapterPacking(name: adapter.name, experts: [adapter], model: model), team: team
        ) { _ throws(InferenceError) in nil }
    }

    /// Stacks the experts of a mixture: an adapter with all their ranks, which `gate` weighs.
    ///
    /// It serves wherever an adapter does, with a ``ChunkGating`` and the factor 1, but cannot be
    /// merged. Factors are bf16 if all experts are stored in bf16.
    ///
    /// - Throws: `invalidMixture` where there are too few or too many experts, or what the gate
    ///   says of itself does not fit the model; otherwise as for an adapter.
    package convenience init(
        mixture name: String, experts: [AdapterWeights], gate: any Gate, for model: PackedModel,
        team: ThreadTeam? = nil
    ) throws(InferenceError) {
        guard (1...MixtureDescription.maximumExperts).contains(experts.count) else {
            throw InferenceError(
                .invalidMixture,
                "mixture \(name) has \(experts.count) experts; it must have 1 to "
                    + "\(MixtureDescription.maximumExperts)")
        }
        try self.init(AdapterPacking(name: name, experts: experts, model: model), team: team) {
            packing throws(InferenceError) in
            try PackedMixture(
                name: name, experts: experts.count, gate: gate, spans: packing.rankSpans,
                model: model.configuration)
        }
    }

    private init(
        _ packing: AdapterPacking, team: ThreadTeam?,
        mixture: (AdapterPacking) throws(InferenceError) -> PackedMixture?
    ) throws(InferenceError) {
        var packing = packing
        try packing.check()
        try packing.reserve()
        self.mixture = try mixture(packing)
        let memory = try packing.model.spareAdapterMemory.take(packing.memoryPlan)
        let groups = packing.place(in: memory)
        try packing.fill(memory, with: team)
        name = packing.name
        model = packing.model
        self.memory = memory
        type = packing.type
        byteCount = memory.byteCount
        maximumRank = groups.reduce(0) { most, group in
            (0..<3).reduce(most) { max($0, group.part($1).rank) }
        }
        sites = Set(packing.experts.flatMap(\.sites.keys)).sorted()
        maximumStackedRank = groups.map(\.rank).max() ?? 0
        groupCount = groups.count
        self.groups = .allocate(capacity: groups.count)
        self.groups.initialize(from: groups, count: groups.count)
    }

    /// Whether it is a mixture of experts.
    package var isMixture: Bool { mixture != nil }

    /// What the gate of a mixture says of itself; nil for an adapter.
    package var gateTraits: GateTraits? { mixture?.traits }

    deinit {
        groups.deallocate()
        model.spareAdapterMemory.give(memory)
    }

    func group(layer: Int, _ group: LinearGroup) -> AdapterGroup {
        groups[layer * LinearGroup.allCases.count + group.rawValue]
    }
}

/// The second factor of one linear layer and where its inputs lie among the stacked ranks.
struct AdapterPart {
    /// nil where the adapter does not act.
    var weights: UnsafeRawPointer?
    var rankOffset = 0
    var rank = 0
    var outputs = 0

    func matrix(type: WeightType) -> PackedMatrix? {
        weights.map {
            PackedMatrix(weights: $0, outputs: outputs, inputs: rank, type: type)
        }
    }
}

/// The factors of the linear layers of one group: their A matrices stacked, their B matrices apart.
///
/// A part's ranks start at an even row, since B is read by pairs.
struct AdapterGroup {
    var a: UnsafeRawPointer?
    var scales: UnsafePointer<Float>?
    /// Stacked rows of A with padding; 0 where the adapter does not act.
    var rank = 0
    /// Inputs rounded up to a multiple of 32.
    var depth = 0
    var type = WeightType.f32
    /// In the order of `LinearGroup.kinds`; a tuple, so that copies count no references.
    var parts = (AdapterPart(), AdapterPart(), AdapterPart())

    func part(_ index: Int) -> AdapterPart {
        switch index {
        case 0: parts.0
        case 1: parts.1
        default: parts.2
        }
    }

    mutating func set(_ part: AdapterPart, at index: Int) {
        switch index {
        case 0: parts.0 = part
        case 1: parts.1 = part
        default: parts.2 = part
        }
    }
}
