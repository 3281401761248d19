// SPDX-License-Identifier: Apache-2.0

internal import CKernels
package import ModelLoading

/// A LoRA adapter in the layout the kernels read, for one base model; can be built on any thread.
///
/// Every site keeps its own rank. Factors stay bf16 if the adapter is stored in bf16, else f32.
///
/// Safety of the unchecked conformance: all memory is written in `init` only.
package final class PackedAdapter: @unchecked Sendable {
    package let name: String
    /// Bytes in memory.
    package let byteCount: Int
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
    private let memory: AlignedMemory

    /// Packs an adapter with the members of `team`, the calling thread among them, or alone.
    ///
    /// - Throws: `unreadableAdapter` where its file has changed for the worse since it was opened.
    package init(
        _ adapter: AdapterWeights, for model: PackedModel, team: ThreadTeam? = nil
    ) throws(InferenceError) {
        var packing = AdapterPacking(adapter: adapter, model: model)
        try packing.check()
        try packing.reserve()
        let memory = try model.spareAdapterMemory.take(packing.memoryPlan)
        let groups = packing.place(in: memory)
        try packing.fill(memory, with: team)
        name = adapter.name
        self.model = model
        self.memory = memory
        type = packing.type
        byteCount = memory.byteCount
        maximumRank = adapter.maximumRank
        sites = adapter.sites.keys.sorted()
        maximumStackedRank = groups.map(\.rank).max() ?? 0
        groupCount = groups.count
        self.groups = .allocate(capacity: groups.count)
        self.groups.initialize(from: groups, count: groups.count)
    }

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
