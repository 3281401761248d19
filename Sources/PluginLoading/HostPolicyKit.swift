// SPDX-License-Identifier: Apache-2.0

import Glibc
internal import PolicyKit

/// `Dl_info`, which glibc declares for GNU sources only; four pointers.
private struct AddressInformation {
    var fileName: UnsafePointer<CChar>?
    var base: UnsafeMutableRawPointer?
    var symbolName: UnsafePointer<CChar>?
    var symbolAddress: UnsafeMutableRawPointer?
}

@_silgen_name("dladdr")
private func dladdr(
    _ address: UnsafeRawPointer, _ place: UnsafeMutablePointer<AddressInformation>
) -> CInt

/// The PolicyKit library of this process, which every plugin must share.
package struct HostPolicyKit: Sendable {
    /// Where the dynamic linker found it.
    package let path: String

    /// Who compiled it, from its `.comment` section; one text per release of the compiler.
    package let compilers: Set<String>

    /// The symbols that plugins may use.
    let symbols: Set<String>

    /// The name by which plugins ask for it.
    var libraryName: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// Present in each library that was built for ``policyKitInterface``.
    static let guardSymbol = "$s9PolicyKit06policyB6Guard4yyF"

    /// What every symbol of PolicyKit begins with.
    static let symbolPrefix = "$s9PolicyKit"

    /// The library that this process runs with, read once.
    package static func current() throws(PluginError) -> HostPolicyKit { try found.get() }

    private static let found: Result<HostPolicyKit, PluginError> = Result {
        () throws(PluginError) in
        try HostPolicyKit(path: try locate())
    }

    init(path: String) throws(PluginError) {
        let image = try ELFImage(try LibraryFile.read(path), path: path)
        self.path = path
        self.compilers = try image.compilers()
        self.symbols = Set(
            try image.dynamicSymbols().lazy.filter(\.isDefined).map(\.name))
        guard !compilers.isEmpty else {
            throw PluginError(
                .damaged, path,
                "does not say which compiler built it, so no plugin can be compared with it: "
                    + "install it without `strip --remove-section=.comment`")
        }
    }

    private static func locate() throws(PluginError) -> String {
        var place = AddressInformation()
        guard let symbol = dlsym(nil, guardSymbol), dladdr(symbol, &place) != 0,
            let name = place.fileName
        else {
            throw PluginError(
                .missingLibrary, "libPolicyKit.so",
                "this process runs without it, so it cannot load plugins: link the product "
                    + "PolicyKit, which is dynamic")
        }
        return String(cString: name)
    }
}

extension ELFImage {
    /// The releases of the Swift compiler that made parts of the library.
    func compilers() throws(PluginError) -> Set<String> {
        guard let comments = try contents(ofSection: ".comment") else { return [] }
        return Set(ELFStrings(bytes: comments).all.filter { $0.hasPrefix("clang version ") })
    }
}
