// SPDX-License-Identifier: Apache-2.0

/// The plugin libraries that this process has looked at, so that a reload reads only what is new.
///
/// A value that belongs to one thread, as the registries that are made from it do.
package struct LibraryCache {
    private struct Entry {
        var stamp: FileStamp
        var answer: Result<PluginLibrary, PluginError>
    }

    private var entries: [String: Entry] = [:]

    /// The private copies that were loaded; they stay mapped while the process lives.
    package private(set) var loadedCopies: Set<String> = []

    package init() {}

    /// The libraries in the folders that have not been looked at as they are now.
    ///
    /// - Throws: `unreadable` for a folder.
    package func unknown(in folders: [String]) throws(PluginError) -> [String] {
        try PluginSearch.libraries(in: folders).filter { path in
            entries[path].map { $0.stamp != FileStamp(of: path) } ?? true
        }
    }

    /// Loads the library at `path` if it has not been; a refusal is remembered and reported by who
    /// asks for its policies.
    package mutating func look(at path: String, stateFolder: String) {
        _ = try? library(at: path, stateFolder: stateFolder)
    }

    /// The library at `path`, loaded if it has not been.
    ///
    /// - Throws: as ``PluginLibrary/load(_:into:)``; a refusal is remembered as long as the file
    ///   stays as it is.
    mutating func library(
        at path: String, stateFolder: String
    ) throws(PluginError) -> PluginLibrary {
        // Before the bytes are read: if they change meanwhile, the stamp is that of the past.
        let stamp = FileStamp(of: path)
        if let entry = entries[path], entry.stamp == stamp { return try entry.answer.get() }
        let answer = Result { () throws(PluginError) in
            try PluginLibrary.load(path, into: stateFolder)
        }
        if let stamp { entries[path] = Entry(stamp: stamp, answer: answer) }
        let library = try answer.get()
        loadedCopies.insert(library.loadedFrom)
        return library
    }
}
