// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Part of libswiftCore; allocates its answer with `malloc` where it is given no buffer.
@_silgen_name("swift_demangle")
private func swiftDemangle(
    _ name: UnsafePointer<CChar>, _ length: Int, _ buffer: UnsafeMutablePointer<CChar>?,
    _ bufferLength: UnsafeMutablePointer<Int>?, _ flags: UInt32
) -> UnsafeMutablePointer<CChar>?

/// The symbol as Swift source would write it; the symbol itself where it is no Swift symbol.
func demangled(_ symbol: String) -> String {
    guard let text = swiftDemangle(symbol, symbol.utf8.count, nil, nil, 0) else { return symbol }
    defer { free(text) }
    return String(cString: text)
}

/// A conformance that a library declares for a type and a protocol that are both not its own.
struct ForeignConformance {
    let type: String
    let proto: String

    /// Reads the symbol of a conformance: `protocol conformance descriptor for T : P in M`.
    init?(symbol: String) {
        guard symbol.hasPrefix("$s"), symbol.hasSuffix("Mc") else { return nil }
        let text = demangled(symbol)
        let introduction = "protocol conformance descriptor for "
        guard text.hasPrefix(introduction), let inModule = text.lastRange(of: " in ") else {
            return nil
        }
        let module = text[inModule.upperBound...]
        let pair = text[
            text.index(text.startIndex, offsetBy: introduction.count)..<inModule.lowerBound]
        guard let colon = pair.lastRange(of: " : ") else { return nil }
        let type = pair[..<colon.lowerBound]
        let proto = pair[colon.upperBound...]
        let own = [type, proto].contains { side in
            side.contains("\(module).") || side.contains("(extension in \(module))")
        }
        if own { return nil }
        self.type = String(type)
        self.proto = String(proto)
    }
}

extension StringProtocol {
    fileprivate func lastRange(of text: String) -> Range<Index>? {
        var found: Range<Index>?
        var rest = self[...]
        while let range = rest.firstRange(of: text) {
            found = range
            rest = rest[range.upperBound...]
        }
        return found
    }
}
