// SPDX-License-Identifier: Apache-2.0

/// What the format of manifests says of itself, made from the tables that also read it.
package enum ManifestSchema {
    static let root = Section.manifest.schema
}

extension KeySchema {
    /// An example of the value as manifests write it.
    var sample: String? { example ?? defaultValue?.manifestText }
}

extension Schema {
    /// The keys of the mapping that stands here, or in the items of the list that stands here.
    var keys: [KeySchema] {
        switch self {
        case .mapping(let mapping): return mapping.keys
        case .list(let item): return item.keys
        case .variants(let variants):
            var keys: [KeySchema] = []
            for key in variants.flatMap(\.keys) where !keys.contains(where: { $0.name == key.name })
            {
                keys.append(key)
            }
            return keys
        case .scalar, .text, .either, .policy, .parameters, .refused: return []
        }
    }
}
