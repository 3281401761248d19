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
        case .mapping(let mapping): mapping.keys
        case .list(let item): item.keys
        case .variants(let variants): variants.mergedKeys
        case .either(let left, let right): left.keys + right.keys
        case .scalar, .text, .policy, .parameters: []
        }
    }
}

extension [MappingSchema] {
    /// The keys of all variants; required are those that every variant requires.
    fileprivate var mergedKeys: [KeySchema] {
        var keys: [KeySchema] = []
        for key in flatMap(\.keys) where !keys.contains(where: { $0.name == key.name }) {
            var key = key
            key.isRequired = allSatisfy { $0[key.name]?.isRequired ?? false }
            keys.append(key)
        }
        return keys
    }
}
