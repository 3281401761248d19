// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// The places of a forward pass at which a gate may be asked, numbered in the order of the
/// computation.
enum GatePlaces {
    static let tokens = 0
    static let finalHidden = 1
    private static let beforeBlocks = 2
    private static let perLayer = 1 + 2 * LinearGroup.allCases.count

    static func count(layers: Int) -> Int { beforeBlocks + layers * perLayer }

    static func blockInput(_ layer: Int) -> Int { beforeBlocks + layer * perLayer }

    /// Before the linear layers of a group read their input.
    static func input(_ layer: Int, _ group: LinearGroup) -> Int {
        blockInput(layer) + 1 + 2 * group.rawValue
    }

    /// When the ranks of a group have been computed.
    static func shrunk(_ layer: Int, _ group: LinearGroup) -> Int { input(layer, group) + 1 }

    /// Where a point is, or nil if its layer is not one of the model's or does not go with what it
    /// reads.
    static func place(of point: GatePoint, layers: Int) -> Int? {
        switch point.reading {
        case .tokens, .finalHidden:
            guard point.layer == -1 else { return nil }
            return point.reading == .tokens ? tokens : finalHidden
        case .blockInput, .input, .shrunk:
            guard (0..<layers).contains(point.layer) else { return nil }
        }
        switch point.reading {
        case .input(let group): return LinearGroup(group).map { input(point.layer, $0) }
        case .shrunk(let group): return LinearGroup(group).map { shrunk(point.layer, $0) }
        default: return blockInput(point.layer)
        }
    }
}

extension LinearGroup {
    /// The same group by the name that gates have for it; both count alike.
    init?(_ group: MatrixGroup) { self.init(rawValue: Int(group.rawValue)) }
}
