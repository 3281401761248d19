// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
import Spelling

/// The policy types that manifests may name: the built-in ones and those of plugin libraries.
///
/// A value: each generation of the host builds its own. To be used on one thread, as the policies
/// are.
package struct PolicyRegistry {
    private(set) var entries: [String: PolicyEntry] = [:]

    /// The libraries that are loaded for this registry, in the order of the search.
    package private(set) var libraries: [PluginLibrary] = []

    /// The libraries in the search folders that were refused; they hide no type that was found.
    package private(set) var refusals: [PluginError] = []

    /// A registry of the policies that the host brings itself.
    ///
    /// - Throws: `duplicateType` or `invalidDeclaration`.
    package init(builtIn: [any Policy.Type]) throws(PluginError) {
        for policy in builtIn {
            if let error = policy.declarationViolation {
                throw PluginError(.invalidDeclaration, "\(policy)", error.description)
            }
            try add(PolicyEntry(policy, origin: .builtIn))
        }
    }

    /// Loads each plugin among the files `lib….so` of the folders, in the order of the folders and
    /// of the names.
    ///
    /// Other libraries are passed over. A plugin that is refused is noted in ``refusals``, so that
    /// a stale library that no manifest names stops nobody.
    ///
    /// What `cache` knows already is not read again.
    ///
    /// - Throws: `unreadable` for a folder; `duplicateType` where two libraries, or a library and
    ///   the host, have a type of the same name; `stateFolder`.
    package mutating func load(
        from folders: [String], stateFolder: String, cache: inout LibraryCache
    ) throws(PluginError) {
        for path in try PluginSearch.libraries(in: folders) {
            let library: PluginLibrary
            do throws(PluginError) {
                library = try cache.library(at: path, stateFolder: stateFolder)
            } catch {
                switch error.code {
                case .notAPlugin: continue
                case .stateFolder: throw error
                default: refusals.append(error)
                }
                continue
            }
            for entry in library.entries { try add(entry) }
            libraries.append(library)
        }
    }

    /// What tells the code of a type from every other: the library's bytes; `nil` where the type is
    /// built in or unknown.
    package func build(of type: String) -> String? {
        guard case .library(let path) = entries[type]?.description.origin else { return nil }
        return libraries.first { $0.path == path }?.build
    }

    /// All types, by kind and name.
    package var descriptions: [PolicyDescription] {
        entries.values.map(\.description).sorted { left, right in
            (left.kind.rawValue, left.type) < (right.kind.rawValue, right.type)
        }
    }

    /// What is known of one type.
    ///
    /// - Throws: `unknownType`, with the nearest name.
    package func description(of type: String) throws(PluginError) -> PolicyDescription {
        try entry(of: type).description
    }

    func entry(of type: String) throws(PluginError) -> PolicyEntry {
        if let entry = entries[type] { return entry }
        var message = "there is no policy of this type"
        if let nearest = nearestName(to: type, among: entries.keys.sorted()) {
            message += "; did you mean '\(nearest)'?"
        } else {
            message += "; known are \(entries.keys.sorted().joined(separator: ", "))"
        }
        if !refusals.isEmpty {
            message +=
                "; it may be in a library that was refused: "
                + refusals.map(\.description).joined(separator: "; ")
        }
        throw PluginError(.unknownType, type, message)
    }

    /// As ``load(from:stateFolder:cache:)``, with nothing known before.
    package mutating func load(
        from folders: [String], stateFolder: String
    ) throws(PluginError) {
        var cache = LibraryCache()
        try load(from: folders, stateFolder: stateFolder, cache: &cache)
    }

    /// The private copy of the library that a type is from; `nil` for one that is built in.
    ///
    /// - Throws: `unknownType`.
    package func loadedLibrary(of type: String) throws(PluginError) -> String? {
        try entry(of: type).loadedFrom
    }

    private mutating func add(_ entry: PolicyEntry) throws(PluginError) {
        let description = entry.description
        if let existing = entries[description.type] {
            throw PluginError(
                .duplicateType, description.type,
                "two policies have this type: \(existing.description.origin) and "
                    + "\(description.origin); rename one, or take one library out of the search "
                    + "folders")
        }
        entries[description.type] = entry
    }
}
