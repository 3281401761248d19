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

    /// The Swift types among its policies; each has passed ``PolicyKit/Policy/declarationViolation``.
    package let policies: [any Policy.Type]

    /// How the policies are known and made.
    let entries: [PolicyEntry]

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
        let isForeign = try isForeign(bytes, path: path)
        let copy = try LibraryFile.keep(bytes, named: stem(of: path), in: stateFolder)
        return try open(path, copy: copy, isForeign: isForeign)
    }

    /// Loads a private copy that another process keeps; it is checked as if it were new.
    ///
    /// - Throws: ``PluginError`` with the first fault.
    package static func reopen(_ copy: String) throws(PluginError) -> PluginLibrary {
        let isForeign = try isForeign(try LibraryFile.read(copy), path: copy)
        return try open(copy, copy: copy, isForeign: isForeign)
    }

    /// Makes a policy of the library.
    ///
    /// - Throws: `unknownType`, or `refusedParameters` with what the policy says.
    package func make(
        _ type: String, values: [String: ParameterValue], seed: UInt64
    ) throws(PluginError) -> any Policy {
        guard let entry = entries.first(where: { $0.description.type == type }) else {
            throw PluginError(.unknownType, type, "\(path) has no policy of this type")
        }
        return try entry.instance(values, seed: seed)
    }

    /// Checks a library without running anything of it; true for one with policies in C.
    private static func isForeign(_ bytes: [UInt8], path: String) throws(PluginError) -> Bool {
        let image = try ELFImage(bytes, path: path)
        if try image.contents(ofSection: PluginInspection.headerSection) == nil,
            try CPluginHandshake.isPlugin(image)
        {
            return true
        }
        _ = try PluginInspection(bytes, path: path, host: try HostPolicyKit.current())
        return false
    }

    private static func open(
        _ path: String, copy: String, isForeign: Bool
    ) throws(PluginError) -> PluginLibrary {
        let library = try map(copy, for: path)
        guard !isForeign else {
            let policies = try CPluginHandshake.policies(of: library, path: path)
            return PluginLibrary(
                path: path, loadedFrom: copy, policies: [],
                entries: policies.map {
                    PolicyEntry($0, origin: .library(path), loadedFrom: copy)
                })
        }
        let policies = try export(of: library, path: path).policies
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
        return PluginLibrary(
            path: path, loadedFrom: copy, policies: policies,
            entries: policies.map {
                PolicyEntry($0, origin: .library(path), loadedFrom: copy)
            })
    }

    /// The file's name without `lib` and the extension.
    private static func stem(of path: String) -> String {
        let name = path.split(separator: "/").last ?? "plugin"
        let bare = name.hasPrefix("lib") ? name.dropFirst(3) : name
        let stem = bare.prefix { $0 != "." }
        return stem.isEmpty ? "plugin" : String(stem)
    }

    private static func map(
        _ copy: String, for path: String
    ) throws(PluginError) -> UnsafeMutableRawPointer {
        guard let library = dlopen(copy, RTLD_NOW | RTLD_LOCAL | Int32(RTLD_NODELETE)) else {
            let text = dlerror().map { String(cString: $0) } ?? "no reason given"
            throw LinkerMessage.error(text, for: path, loadedFrom: copy)
        }
        return library
    }

    private static func export(
        of library: UnsafeMutableRawPointer, path: String
    ) throws(PluginError) -> PluginExport {
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
