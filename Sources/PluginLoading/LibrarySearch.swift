// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Where the dynamic linker would find the libraries that another needs; nothing is loaded.
struct LibrarySearch {
    /// How a needed library fares.
    enum Finding: Equatable {
        /// At this path.
        case found(String)
        /// This process has it, from a place that is not searched.
        case loaded
        /// Beside the library that needs it, where a host does not look: it loads a private copy,
        /// which lies elsewhere.
        case beside(String)
        case missing
    }

    /// The folders of `ld.so`, after those that a library names.
    let systemFolders: [String]

    init(environment libraryPath: String?) {
        let configured = Self.configuredFolders("/etc/ld.so.conf", depth: 0)
        let architecture = Self.architectureFolder
        systemFolders =
            (libraryPath ?? "").split(separator: ":").map(String.init) + configured
            + [
                "/lib/\(architecture)", "/usr/lib/\(architecture)", "/lib64", "/usr/lib64", "/lib",
                "/usr/lib",
            ]
    }

    /// As the environment of this process has it.
    init() {
        self.init(environment: getenv("LD_LIBRARY_PATH").map { String(cString: $0) })
    }

    /// Looks for the library `name` that the file at `path` needs, which names `runPaths`.
    ///
    /// Where the file is a plugin, a host loads a copy of it from elsewhere.
    func find(
        _ name: String, neededBy path: String, runPaths: [String], isPlugin: Bool
    ) -> Finding {
        if name.contains("/") { return access(name, R_OK) == 0 ? .found(name) : .missing }
        let origin = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            .joined(separator: "/")
        var beside: String?
        for folder in runPaths {
            let isOwn = folder.contains("$ORIGIN") || folder.contains("${ORIGIN}")
            let place = folder.replacing("${ORIGIN}", with: origin).replacing(
                "$ORIGIN", with: origin)
            guard access("\(place)/\(name)", R_OK) == 0 else { continue }
            if !isOwn || !isPlugin { return .found("\(place)/\(name)") }
            beside = "\(place)/\(name)"
        }
        for folder in systemFolders where access("\(folder)/\(name)", R_OK) == 0 {
            return .found("\(folder)/\(name)")
        }
        if let handle = dlopen(name, RTLD_LAZY | Int32(RTLD_NOLOAD)) {
            dlclose(handle)
            return .loaded
        }
        return beside.map(Finding.beside) ?? .missing
    }

    /// The folders that a file in the format of `ld.so.conf` lists, with those that it includes.
    private static func configuredFolders(_ path: String, depth: Int) -> [String] {
        guard depth < 4, let bytes = try? LibraryFile.read(path), bytes.count < 1 << 20 else {
            return []
        }
        var folders: [String] = []
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }
            if words.first == "include" {
                for pattern in words.dropFirst() {
                    for file in files(matching: String(pattern)) {
                        folders += configuredFolders(file, depth: depth + 1)
                    }
                }
            } else if let folder = words.first, folder.hasPrefix("/") {
                folders.append(String(folder))
            }
        }
        return folders
    }

    private static func files(matching pattern: String) -> [String] {
        var matches = glob_t()
        defer { globfree(&matches) }
        guard glob(pattern, 0, nil, &matches) == 0, let paths = matches.gl_pathv else { return [] }
        return (0..<Int(matches.gl_pathc)).compactMap { index in
            paths[index].map { String(cString: $0) }
        }
    }

    private static var architectureFolder: String {
        #if arch(arm64)
            "aarch64-linux-gnu"
        #else
            "x86_64-linux-gnu"
        #endif
    }
}
