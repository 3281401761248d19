// SPDX-License-Identifier: Apache-2.0

internal import CKernels
internal import ModelLoading

/// Row widths and block sizes that follow from the model.
struct StepShape {
    /// Rows that one task computes at a time; their results stay in the second cache.
    static let rowBlock = 192
    /// Up to so many rows, weights and factors come from memory for one product alone.
    static let streamedRows = Int(KERNEL_STREAMED_ROWS)
    /// Panels that one task computes at a time, at most.
    static let panelBlock = 8
    /// Weights of one task at few rows: enough to stream, few enough to share out evenly.
    static let taskBytes = 128 * 1024
    /// Queries that attention takes at a time.
    static let attentionQueries = 32

    let hidden: Int
    let keyColumn: Int
    let valueColumn: Int
    let projections: Int
    let attended: Int
    let intermediate: Int
    let angles: Int
    /// Query heads for each key and value head.
    let group: Int
    /// Rows that attention takes at a time.
    let attentionRows: Int
    let headSize: Int
    /// Floats of one query's attention state.
    let stateStride: Int

    init(_ model: ModelConfiguration) {
        let width = PackedMatrix.panelWidth
        hidden = model.hiddenSize.roundedUp(to: width)
        keyColumn = model.outputSize(of: .q).roundedUp(to: width)
        valueColumn = keyColumn + model.outputSize(of: .k).roundedUp(to: width)
        projections = valueColumn + model.outputSize(of: .v).roundedUp(to: width)
        attended = model.outputSize(of: .q).roundedUp(to: width)
        intermediate = model.intermediateSize.roundedUp(to: width)
        headSize = model.headSize
        angles = model.headSize
        group = model.headCount / model.kvHeadCount
        attentionRows = Self.attentionRows(group: group)
        // Room for the padding of either type of keys and values.
        stateStride = 32 + model.headSize.roundedUp(to: 32)
    }

    /// As many rows as make up to `attentionQueries` queries, in whole eights if that is possible.
    private static func attentionRows(group: Int) -> Int {
        let most = max(1, attentionQueries / group)
        return (1...most).last { $0 * group % 8 == 0 } ?? most
    }

    /// First column of each linear layer's outputs in its group's row.
    func column(of kind: LinearKind) -> Int {
        switch kind {
        case .k: keyColumn
        case .v: valueColumn
        case .q, .o, .gate, .up, .down: 0
        }
    }

    /// Floats of the states of one attention task.
    var stateFloats: Int { attentionRows * group * stateStride }

    var member: MemberShape {
        MemberShape(
            block: Self.rowBlock * 2 * Self.panelBlock * PackedMatrix.panelWidth,
            queries: (attentionRows * group * headSize).roundedUp(to: 16), state: stateFloats)
    }
}

/// Floats of one team member's scratch.
struct MemberShape {
    let block: Int
    let queries: Int
    let state: Int

    var floats: Int { block + queries + 2 * state }
}

/// One team member's scratch.
struct MemberScratch {
    /// Results of a task before they go where they belong: two times `[rowBlock, panelBlock * 32]`.
    let block: UnsafeMutablePointer<Float>
    let queries: UnsafeMutablePointer<Float>
    let state: UnsafeMutablePointer<Float>
    let segmentState: UnsafeMutablePointer<Float>

    init(_ shape: MemberShape, at base: UnsafeMutablePointer<Float>) {
        block = base
        queries = block + shape.block
        state = queries + shape.queries
        segmentState = state + shape.state
    }
}
