// SPDX-License-Identifier: Apache-2.0

/// A value of a YAML document with its place; aliases are expanded.
///
/// Scalars are text: what they mean is for the schema to say, so that `no` may be a name.
struct Node: Sendable {
    enum Content: Sendable {
        case scalar(Scalar)
        case list([Node])
        case mapping([Entry])
        /// Something whose fault has been reported; readers pass over it silently.
        case faulty
    }

    struct Scalar: Sendable {
        let text: String
        /// Written in quotes or as a block, or tagged `!!str`: never a number, a boolean or null.
        let isQuoted: Bool

        var isNull: Bool { !isQuoted && ["", "~", "null", "Null", "NULL"].contains(text) }
    }

    struct Entry: Sendable {
        let key: String
        let keyPosition: SourcePosition
        let value: Node
    }

    let content: Content
    let position: SourcePosition
    /// How many values are in it, itself included, with aliases expanded.
    let count: Int
    /// How deep it nests; 1 for a scalar.
    let height: Int

    init(_ content: Content, at position: SourcePosition) {
        self.content = content
        self.position = position
        let children: [Node] =
            switch content {
            case .scalar, .faulty: []
            case .list(let items): items
            case .mapping(let entries): entries.map(\.value)
            }
        count = children.reduce(1) { $0 + $1.count }
        height = 1 + (children.map(\.height).max() ?? 0)
    }

    /// What stands there, for messages: `'fast'`, `a list`.
    var summary: String {
        switch content {
        case .scalar(let scalar) where scalar.isNull: "nothing"
        case .scalar(let scalar): "'\(scalar.text.excerpt)'"
        case .list: "a list"
        case .mapping: "a mapping"
        case .faulty: "a fault"
        }
    }
}
