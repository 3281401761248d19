// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// What a plugin library says of itself before it is loaded.
package struct PluginInspection: Sendable, Equatable {
    package let path: String

    /// The number of the plugin interface that it was built for.
    package let interface: UInt32

    /// The releases of the compiler that built it.
    package let compilers: Set<String>

    /// The libraries that it needs.
    package let neededLibraries: [String]

    static let headerSection = "burrow_plugin"
    static let headerSize: UInt64 = 16
    static let entryPoint = "burrow_plugin_export"

    /// Checks all that can be checked without running anything of the library.
    ///
    /// - Throws: ``PluginError`` with the first fault; its message says how to cure it.
    init(_ bytes: [UInt8], path: String, host: HostPolicyKit) throws(PluginError) {
        let image = try ELFImage(bytes, path: path)
        self.path = path
        self.interface = try Self.interface(of: image)
        self.compilers = try Self.compilers(of: image, host: host)
        self.neededLibraries = try image.neededLibraries()
        let symbols = try image.dynamicSymbols()
        try Self.checkSharing(symbols, needed: neededLibraries, path: path, host: host)
        try Self.checkRuntime(image, needed: neededLibraries)
        try Self.checkConformances(symbols, path: path)
        try Self.checkSymbols(symbols, path: path, host: host)
    }

    static func interface(of image: ELFImage) throws(PluginError) -> UInt32 {
        guard let header = try image.contents(ofSection: headerSection) else {
            throw PluginError(
                .notAPlugin, image.path,
                "not a policy plugin: it has no section '\(headerSection)'; declare the header "
                    + "that `burrow plugin new` writes")
        }
        let reader = ELFBytes(bytes: Array(header))
        guard let magic = reader.integer(UInt64.self, at: 0), magic == policyPluginMagic,
            let size = reader.integer(UInt32.self, at: 8), UInt64(size) >= headerSize,
            let interface = reader.integer(UInt32.self, at: 12)
        else {
            throw PluginError(
                .notAPlugin, image.path,
                "not a policy plugin: its section '\(headerSection)' does not hold the header "
                    + "that `burrow plugin new` writes")
        }
        guard interface == policyKitInterface else {
            throw PluginError(
                .wrongInterface, image.path,
                "built for PolicyKit interface \(interface), this host has interface "
                    + "\(policyKitInterface): \(rebuild(image.path))")
        }
        return interface
    }

    static func compilers(
        of image: ELFImage, host: HostPolicyKit
    ) throws(PluginError) -> Set<String> {
        let compilers = try image.compilers()
        guard !compilers.isEmpty, compilers.isSubset(of: host.compilers) else {
            let found = compilers.subtracting(host.compilers).sorted().joined(separator: ", ")
            throw PluginError(
                .wrongCompiler, image.path,
                "built by \(found.isEmpty ? "an unknown compiler" : "'\(found)'"), this host by "
                    + "'\(host.compilers.sorted().joined(separator: ", "))': rebuild it with the "
                    + "host's compiler and `\(BuildCommand.text(for: image.path))`; `swift --version` "
                    + "shows which is installed")
        }
        return compilers
    }

    /// The library uses the host's PolicyKit and carries none of its own.
    static func checkSharing(
        _ symbols: [ELFImage.Symbol], needed: [String], path: String, host: HostPolicyKit
    ) throws(PluginError) {
        let carriesItsOwn = symbols.contains {
            $0.isDefined && $0.name == HostPolicyKit.guardSymbol
        }
        guard carriesItsOwn || !needed.contains(host.libraryName) else { return }
        throw PluginError(
            .staticPolicyKit, path,
            carriesItsOwn
                ? "PolicyKit is linked into it statically: depend on the product PolicyKit of the "
                    + "package PolicyKit, then `\(BuildCommand.text(for: path))`"
                : "it does not need \(host.libraryName), so PolicyKit is missing or linked into it "
                    + "statically: depend on the product PolicyKit, then "
                    + "`\(BuildCommand.text(for: path))`")
    }

    /// The library uses the host's Swift runtime and carries none of its own.
    ///
    /// A runtime that is linked in is hidden, so it shows only in that there is Swift code and no
    /// need of the shared one.
    static func checkRuntime(_ image: ELFImage, needed: [String]) throws(PluginError) {
        let holdsSwift = image.sections.contains { $0.name.hasPrefix("swift5_") && $0.size > 0 }
        guard holdsSwift, !needed.contains("libswiftCore.so") else { return }
        throw PluginError(
            .staticRuntime, image.path,
            "a Swift runtime is linked into it statically, which would know none of this host's "
                + "types: leave out `-static-stdlib` and build it with "
                + "`\(BuildCommand.text(for: image.path))`")
    }

    static func checkConformances(
        _ symbols: [ELFImage.Symbol], path: String
    ) throws(PluginError) {
        for symbol in symbols where symbol.isDefined {
            guard let foreign = ForeignConformance(symbol: symbol.name) else { continue }
            throw PluginError(
                .foreignConformance, path,
                "it makes \(foreign.type) conform to \(foreign.proto), neither of which is its "
                    + "own; that would hold for the whole host and for ever: remove the "
                    + "`@retroactive` conformance, or use a type of the plugin, then "
                    + "`\(BuildCommand.text(for: path))`")
        }
    }

    static func checkSymbols(
        _ symbols: [ELFImage.Symbol], path: String, host: HostPolicyKit
    ) throws(PluginError) {
        for symbol in symbols where !symbol.isDefined && !symbol.isWeak {
            guard symbol.name.hasPrefix(HostPolicyKit.symbolPrefix),
                !host.symbols.contains(symbol.name)
            else { continue }
            throw PluginError(
                .undefinedSymbol, path,
                "it uses \(demangled(symbol.name)), which this host's PolicyKit does not have: "
                    + rebuild(path))
        }
        guard symbols.contains(where: { $0.isDefined && $0.name == entryPoint }) else {
            throw PluginError(
                .missingEntryPoint, path,
                "it has no entry point '\(entryPoint)': export one with "
                    + "`@c(\(entryPoint)) public func`, as `burrow plugin new` writes it, then "
                    + "`\(BuildCommand.text(for: path))`")
        }
        guard symbols.contains(where: { $0.name == HostPolicyKit.guardSymbol }) else {
            throw PluginError(
                .missingEntryPoint, path,
                "its entry point does not answer with `PluginExport.retained(_:)`: write it as "
                    + "`burrow plugin new` does, then `\(BuildCommand.text(for: path))`")
        }
    }

    private static func rebuild(_ path: String) -> String {
        "rebuild it against this host's PolicyKit with `\(BuildCommand.text(for: path))`"
    }
}
