// SPDX-License-Identifier: Apache-2.0

/// All that can be said against a plugin library without running anything of it.
package struct PluginExamination: Sendable, Equatable {
    /// One fault, with its cure.
    package struct Finding: Sendable, Equatable {
        package enum Severity: String, Sendable {
            /// A host refuses the library.
            case error
            /// A host takes it, and may be sorry.
            case warning
        }

        package let severity: Severity

        /// Names the sort of fault for programs: a ``PluginError/Code`` or a ``PluginLint``.
        package let code: String
        package let message: String
    }

    package let path: String

    /// The number of the interface that it was built for, who built it and what it needs, as far as
    /// that could be read.
    package private(set) var interface: UInt32?
    package private(set) var compilers: Set<String> = []
    package private(set) var neededLibraries: [String] = []

    package private(set) var findings: [Finding] = []

    /// Whether a host would load it.
    package var isLoadable: Bool { !findings.contains { $0.severity == .error } }

    /// Examines the library at `path`.
    ///
    /// Unlike ``PluginLibrary/inspect(_:)`` it does not stop at the first fault.
    package init(_ path: String) {
        self.path = path
        do throws(PluginError) {
            let host = try HostPolicyKit.current()
            let image = try ELFImage(try LibraryFile.read(path), path: path)
            try examine(image, host: host)
        } catch {
            add(error)
        }
    }

    private mutating func examine(_ image: ELFImage, host: HostPolicyKit) throws(PluginError) {
        do throws(PluginError) {
            interface = try PluginInspection.interface(of: image)
        } catch {
            // What is no plugin at all has no other faults worth telling.
            if error.code == .notAPlugin { throw error }
            add(error)
        }
        compilers = try image.compilers()
        neededLibraries = try image.neededLibraries()
        let symbols = try image.dynamicSymbols()
        let (needed, path) = (neededLibraries, path)
        let faults = [
            Self.fault { () throws(PluginError) in
                _ = try PluginInspection.compilers(of: image, host: host)
            },
            Self.fault { () throws(PluginError) in
                try PluginInspection.checkSharing(symbols, needed: needed, path: path, host: host)
            },
            Self.fault { () throws(PluginError) in
                try PluginInspection.checkRuntime(image, needed: needed)
            },
            Self.fault { () throws(PluginError) in
                try PluginInspection.checkConformances(symbols, path: path)
            },
            Self.fault { () throws(PluginError) in
                try PluginInspection.checkSymbols(symbols, path: path, host: host)
            },
        ]
        for fault in faults {
            if let fault { add(fault) }
        }
        var dependencies = Dependencies(host: host, search: LibrarySearch())
        for fault in try dependencies.faults(of: image, symbols: symbols) { add(fault) }
        findings += PluginLint.findings(in: image, symbols: symbols)
    }

    private static func fault(_ check: () throws(PluginError) -> Void) -> PluginError? {
        do throws(PluginError) {
            try check()
            return nil
        } catch {
            return error
        }
    }

    /// A fault that two checks find is told once.
    private mutating func add(_ error: PluginError) {
        let finding = Finding(
            severity: .error, code: error.code.rawValue, message: error.message)
        if !findings.contains(finding) { findings.append(finding) }
    }
}

/// Whether all is there that a library needs, and that what it needs needs.
private struct Dependencies {
    let host: HostPolicyKit
    let search: LibrarySearch

    /// No chain of libraries is longer.
    private static let most = 500

    /// What the libraries found so far offer.
    private var offered: Set<String> = []
    private var seen: Set<String> = []

    /// Whether every library's file was found, so that a symbol that none has is missing for sure.
    private var isComplete = true

    init(host: HostPolicyKit, search: LibrarySearch) {
        self.host = host
        self.search = search
    }

    mutating func faults(
        of image: ELFImage, symbols: [ELFImage.Symbol]
    ) throws(PluginError) -> [PluginError] {
        var faults: [PluginError] = []
        var waiting = [image]
        while let next = waiting.popLast() {
            let runPaths = try next.runPaths()
            for name in try next.neededLibraries() where seen.insert(name).inserted {
                if name == host.libraryName {
                    offered.formUnion(host.symbols)
                    continue
                }
                let finding = search.find(
                    name, neededBy: next.path, runPaths: runPaths,
                    isPlugin: next.path == image.path)
                switch finding {
                case .found(let path):
                    if let library = visit(path) { waiting.append(library) }
                case .loaded: isComplete = false
                case .beside(let place):
                    isComplete = false
                    faults.append(besideFault(name, at: place, of: image.path))
                case .missing:
                    isComplete = false
                    faults.append(missingFault(name, neededBy: next.path, of: image.path))
                }
            }
        }
        if isComplete { faults += undefined(symbols, path: image.path) }
        return faults
    }

    private mutating func visit(_ path: String) -> ELFImage? {
        guard seen.count < Self.most, let bytes = try? LibraryFile.read(path),
            let library = try? ELFImage(bytes, path: path),
            let symbols = try? library.dynamicSymbols()
        else {
            // A linker script, or what the linker itself would pass over.
            isComplete = false
            return nil
        }
        for symbol in symbols where symbol.isDefined { offered.insert(symbol.name) }
        return library
    }

    private func besideFault(_ name: String, at place: String, of path: String) -> PluginError {
        PluginError(
            .missingLibrary, path,
            "it needs \(name), which lies beside it at \(place), where a host does not look: hosts "
                + "load a copy of the plugin from their cache; install the library, or link it "
                + "statically, then `\(BuildCommand.text(for: path))`")
    }

    private func missingFault(
        _ name: String, neededBy needer: String, of path: String
    ) -> PluginError {
        let subject = needer == path ? "it" : needer
        return PluginError(
            .missingLibrary, path,
            "\(subject) needs the shared library \(name), which is not installed: install it, or "
                + "link it statically, then `\(BuildCommand.text(for: path))`")
    }

    private func undefined(_ symbols: [ELFImage.Symbol], path: String) -> [PluginError] {
        symbols.filter { symbol in
            !symbol.isDefined && !symbol.isWeak && !symbol.name.isEmpty
                && !symbol.name.hasPrefix(HostPolicyKit.symbolPrefix)
                && !offered.contains(symbol.name)
        }.map { symbol in
            PluginError(
                .undefinedSymbol, path,
                "it uses \(demangled(symbol.name)), which no library that it needs has: link the "
                    + "library that does, then `\(BuildCommand.text(for: path))`")
        }
    }
}
