// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Finding plugin libraries in folders.
package enum PluginSearch {
    /// The files `lib….so` of the folders, in the order of the folders and of the names; a file
    /// that is reached by two ways comes once.
    ///
    /// - Throws: `unreadable` for a folder.
    package static func libraries(in folders: [String]) throws(PluginError) -> [String] {
        var seen: Set<String> = []
        var paths: [String] = []
        for folder in folders {
            for name in try names(in: folder)
            where name.hasPrefix("lib") && name.hasSuffix(".so") {
                let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
                if seen.insert(canonical(path)).inserted { paths.append(path) }
            }
        }
        return paths
    }

    private static func names(in folder: String) throws(PluginError) -> [String] {
        guard let stream = opendir(folder) else {
            let reason = String(cString: strerror(errno))
            throw PluginError(
                .unreadable, folder,
                "the plugin folder cannot be read: \(reason); make it, as "
                    + "`\(BuildCommand.text(for: folder))` does, or take it out of "
                    + "`plugins.search`")
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        return names.sorted()
    }

    private static func canonical(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
