// SPDX-License-Identifier: Apache-2.0

/// What the dynamic linker says when it refuses a library, with a cure.
enum LinkerMessage {
    /// Reads a text of glibc's `dlerror`: `<file>: undefined symbol: <symbol>`, or
    /// `<library>: cannot open shared object file: <reason>`.
    static func error(_ text: String, for path: String, loadedFrom copy: String) -> PluginError {
        let text = text.hasPrefix("\(copy): ") ? String(text.dropFirst(copy.count + 2)) : text
        if let symbol = text.rest(after: "undefined symbol: ") {
            let name = symbol.prefix { $0 != " " && $0 != "," }
            return PluginError(
                .undefinedSymbol, path,
                "it uses \(demangled(String(name))), which no library that it needs has: link the "
                    + "library that does, then `\(BuildCommand.text(for: path))`")
        }
        if text.contains("cannot open shared object file") {
            let library = text.prefix { $0 != ":" }
            return PluginError(
                .missingLibrary, path,
                "it needs the shared library \(library), which is not installed: install it, or "
                    + "link it into the plugin; `burrow plugin doctor \(path)` looks for all that it "
                    + "needs")
        }
        return PluginError(
            .notLoadable, path,
            "cannot be loaded: \(text); `burrow plugin doctor \(path)` examines it")
    }
}

extension String {
    fileprivate func rest(after text: String) -> Substring? {
        firstRange(of: text).map { self[$0.upperBound...] }
    }
}
