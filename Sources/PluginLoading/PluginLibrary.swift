// SPDX-License-Identifier: Apache-2.0

import Glibc
package import PolicyKit

/// A plugin library that is loaded; it stays so while the process lives.
///
/// Unloading is not offered: the Swift runtime keeps addresses of a library's type records, so the
/// next dynamic cast after a `dlclose` would crash.
package struct PluginLibrary {
    /// Where the library was found.
    package let path: String

    /// The private copy that is mapped.
    package let loadedFrom: String

    /// What tells these bytes from all others of this name: that of the private copy.
    package var build: String {
        let name = loadedFrom.split(separator: "/").last.map(String.init) ?? loadedFrom
        return name.hasSuffix(".so") ? String(name.dropLast(3)) : name
    }

    /// The policies in it; each has passed ``PolicyKit/Policy/declarationViolation``.
    package let policies: [any Policy.Type]

    /// Reads a library without running anything of it.
    ///
    /// - Throws: ``PluginError`` with the first fault; its message says how to cure it.
    package static func inspect(_ path: String) throws(PluginError) -> PluginInspection {
        try PluginInspection(
            try LibraryFile.read(path), path: path, host: try HostPolicyKit.current())
    }

    /// Checks a library, keeps a private copy in `stateFolder`, and loads that.
    ///
    /// The same bytes loaded again give the types of the first time. A rebuilt library of the same
    /// name is loaded beside the old one, and both go on working.
    ///
    /// - Throws: ``PluginError`` with the first fault; its message says how to cure it.
    package static func load(
        _ path: String, into stateFolder: String
    ) throws(PluginError) -> PluginLibrary {
        let bytes = try LibraryFile.read(path)
        _ = try PluginInspection(bytes, path: path, host: try HostPolicyKit.current())
        let copy = try LibraryFile.keep(bytes, named: stem(of: path), in: stateFolder)
        let policies = try export(of: path, loadedFrom: copy).policies
        guard !policies.isEmpty else {
            throw PluginError(
                .noPolicies, path,
                "it exports no policies: name them in `PluginExport.retained([…])`, then "
                    + "`\(BuildCommand.text(for: path))`")
        }
        for policy in policies {
            if let error = policy.declarationViolation {
                throw PluginError(
                    .invalidDeclaration, path,
                    "policy \(policy): \(error.description); mend that, then "
                        + "`\(BuildCommand.text(for: path))`")
            }
        }
        return PluginLibrary(path: path, loadedFrom: copy, policies: policies)
    }

    /// The file's name without `lib` and the extension.
    private static func stem(of path: String) -> String {
        let name = path.split(separator: "/").last ?? "plugin"
        let bare = name.hasPrefix("lib") ? name.dropFirst(3) : name
        let stem = bare.prefix { $0 != "." }
        return stem.isEmpty ? "plugin" : String(stem)
    }

    private static func export(
        of path: String, loadedFrom copy: String
    ) throws(PluginError) -> PluginExport {
        guard let library = dlopen(copy, RTLD_NOW | RTLD_LOCAL | Int32(RTLD_NODELETE)) else {
            let text = dlerror().map { String(cString: $0) } ?? "no reason given"
            throw LinkerMessage.error(text, for: path, loadedFrom: copy)
        }
        guard let symbol = dlsym(library, PluginInspection.entryPoint) else {
            throw PluginError(
                .missingEntryPoint, path,
                "it has no entry point '\(PluginInspection.entryPoint)': "
                    + "`\(BuildCommand.text(for: path))` makes one of what `burrow plugin new` writes"
            )
        }
        typealias EntryPoint = @convention(c) () -> UnsafeMutableRawPointer?
        guard let answer = unsafeBitCast(symbol, to: EntryPoint.self)() else {
            throw PluginError(
                .missingEntryPoint, path,
                "its entry point answers with nothing: return `PluginExport.retained([…])`, then "
                    + "`\(BuildCommand.text(for: path))`")
        }
        return Unmanaged<PluginExport>.fromOpaque(answer).takeRetainedValue()
    }
}
