// SPDX-License-Identifier: Apache-2.0

/// What a plugin should not do although a host loads it.
package enum PluginLint: String, CaseIterable, Sendable {
    /// Code that runs when the library is loaded, before the host can contain it.
    case constructor
    /// Code that would run when the host ends.
    case exitHook
    /// Threads of its own: a policy is synchronous.
    case threads
    /// Looking types up by name finds those of the first build that was loaded.
    case lookupByName
    /// A clock, chance or a file of its own: answers could not be repeated.
    case outsideWorld
    /// C symbols besides the entry point, which may meet others of the same name.
    case exportedSymbols

    /// `atexit` itself is a part of each library that calls it.
    private static let exitHooks: Set<String> = ["__cxa_atexit", "on_exit", "__cxa_at_quick_exit"]
    private static let threadFunctions: Set<String> = [
        "pthread_create", "thrd_create", "fork", "vfork", "clone", "dispatch_async",
        "dispatch_async_f", "dispatch_after", "dispatch_after_f", "dispatch_queue_create",
        "swift_task_create",
    ]
    private static let lookups: Set<String> = ["dlsym", "dlopen"]
    private static let outside: Set<String> = [
        "clock_gettime", "gettimeofday", "time", "swift_stdlib_random", "getrandom", "rand",
        "random", "open", "open64", "fopen", "fopen64", "socket",
    ]

    // What Swift's own modules offer of these, by the beginnings of the symbols.
    private static let threadPrefixes = ["$s10Foundation6ThreadC", "$s8Dispatch0A5QueueC"]
    private static let lookupPrefixes = ["$ss11_typeByName", "$s10Foundation17NSClassFromString"]
    private static let outsidePrefixes = [
        "$ss15ContinuousClockV3now", "$ss15SuspendingClockV3now",
        "$s20FoundationEssentials4DateV3now", "$s20FoundationEssentials4DateVACycfC",
        "$s20FoundationEssentials11ProcessInfoC", "$s20FoundationEssentials4DataV10contentsOf",
    ]

    /// Symbols that linkers and the Swift compiler put into every library.
    private static let ofTheLinker: Set<String> = [
        "_init", "_fini", "_edata", "_end", "__bss_start", PluginInspection.entryPoint,
    ]

    static func findings(
        in image: ELFImage, symbols: [ELFImage.Symbol]
    ) -> [PluginExamination.Finding] {
        let wanted = Set(symbols.lazy.filter { !$0.isDefined }.map(\.name))
        var findings: [PluginExamination.Finding] = []
        func note(_ lint: PluginLint, _ names: Set<String>, _ message: (String) -> String) {
            guard !names.isEmpty else { return }
            let listed = names.sorted().map(demangled)
            let rest = listed.count > 5 ? " and \(listed.count - 5) more" : ""
            let text = listed.prefix(5).joined(separator: ", ") + rest
            findings.append(
                PluginExamination.Finding(
                    severity: .warning, code: lint.rawValue, message: message(text)))
        }
        let constructors = constructorCount(of: image)
        if constructors > 0 {
            note(.constructor, ["\(constructors)"]) {
                "it runs code when it is loaded (constructors: \($0)), before a host can contain it: "
                    + "make globals lazy, and take out `__attribute__((constructor))` and C++ objects "
                    + "with static storage"
            }
        }
        note(.exitHook, wanted.intersection(exitHooks)) {
            "it calls \($0), as `atexit` and C++ objects with static storage do: a library is never "
                + "unloaded, and the host's end is not its business"
        }
        note(.threads, select(wanted, threadFunctions, threadPrefixes)) {
            "it calls \($0): a policy is synchronous; what takes long a migration policy answers "
                + "with `.solve`"
        }
        note(.lookupByName, select(wanted, lookups, lookupPrefixes)) {
            "it calls \($0): after a reload a name finds what the first build had; name types in "
                + "the source"
        }
        note(.outsideWorld, select(wanted, outside, outsidePrefixes)) {
            "it calls \($0): a decision that depends on more than what the policy is shown cannot "
                + "be replayed; use the instant, the seed and the sources that it is handed"
        }
        note(.exportedSymbols, exportedNames(symbols)) {
            "it exports \($0): compile C with `-fvisibility=hidden`, since a symbol of the same "
                + "name in the host would be called instead"
        }
        return findings
    }

    private static func select(
        _ symbols: Set<String>, _ names: Set<String>, _ prefixes: [String]
    ) -> Set<String> {
        symbols.filter { symbol in
            names.contains(symbol) || prefixes.contains { symbol.hasPrefix($0) }
        }
    }

    /// Functions in `.init_array` beyond those of every library: one of the C start files, and one
    /// of Swift's that registers its types.
    private static func constructorCount(of image: ELFImage) -> Int {
        guard let section = image.sections.first(where: { $0.name == ".init_array" }) else {
            return 0
        }
        let holdsSwift = image.sections.contains { $0.name.hasPrefix("swift5_") }
        return max(0, Int(clamping: section.size / 8) - (holdsSwift ? 2 : 1))
    }

    private static func exportedNames(_ symbols: [ELFImage.Symbol]) -> Set<String> {
        Set(
            symbols.lazy.filter { symbol in
                symbol.isDefined && !symbol.isWeak && !symbol.name.isEmpty
                    && !symbol.name.hasPrefix("$s") && !symbol.name.hasPrefix("_Z")
                    && !symbol.name.hasPrefix("__start_") && !symbol.name.hasPrefix("__stop_")
                    && !symbol.name.hasPrefix("symbolic ")
                    && !symbol.name.hasPrefix("associated conformance ")
                    && !symbol.name.hasPrefix("get_type_metadata ")
                    && !symbol.name.hasPrefix("__swift_")
                    && !ofTheLinker.contains(symbol.name)
            }.map(\.name))
    }
}
