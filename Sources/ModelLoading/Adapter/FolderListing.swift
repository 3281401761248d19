// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// Finding the adapters in a directory, and what an adapter may be called.
package enum FolderListing {
    /// One adapter's folder.
    package struct Entry: Sendable, Equatable {
        package let name: String
        package let path: String
    }

    /// The longest name in bytes.
    package static let maximumNameBytes = 128
    /// The most adapters in one directory.
    package static let maximumEntries = 65_536

    /// Every folder in `directory` that holds an `adapter_config.json`, by its name, sorted by
    /// bytes. Names that begin with a dot are passed over: they are other programs' bookkeeping.
    package static func adapters(in directory: String) throws(ModelLoadingError) -> [Entry] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            let exists = FileManager.default.fileExists(atPath: directory)
            throw ModelLoadingError(
                exists ? .unreadable : .notFound,
                exists ? "is not a directory that can be listed" : "there is no such directory",
                path: directory)
        }
        var entries: [Entry] = []
        for name in names where !name.hasPrefix(".") {
            let path = "\(directory)/\(name)"
            let configuration = "\(path)/\(AdapterReading.configurationName)"
            guard FileManager.default.fileExists(atPath: configuration) else { continue }
            try checkName(name, path: path)
            entries.append(Entry(name: name, path: path))
        }
        guard entries.count <= maximumEntries else {
            throw ModelLoadingError(
                .tooLarge, "\(entries.count) adapters are over the limit of \(maximumEntries)",
                path: directory)
        }
        return entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Refuses a name that is empty, too long, or could not be a path component or a log line.
    package static func checkName(
        _ name: String, path: String? = nil
    ) throws(ModelLoadingError) {
        let isPrintable = name.unicodeScalars.allSatisfy {
            $0.properties.generalCategory != .control && $0 != "/"
        }
        guard !name.isEmpty, name.utf8.count <= maximumNameBytes, isPrintable else {
            throw ModelLoadingError(
                .invalidName,
                "an adapter's name must have 1 to \(maximumNameBytes) bytes, without slashes and "
                    + "control characters", path: path, key: name)
        }
    }
}
