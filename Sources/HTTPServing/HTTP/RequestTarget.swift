// SPDX-License-Identifier: Apache-2.0

/// The target of a request line, taken apart and decoded (RFC 9112 §3.2).
nonisolated struct RequestTarget: Equatable {
    /// Without percent-encoding; begins with a slash, or is `*`.
    var path: String
    /// What follows the question mark, still encoded; empty when there is none.
    var query: String

    init(_ bytes: UnsafeBufferPointer<UInt8>, method: String) throws(HTTPFault) {
        var rest = Self.withoutAuthority(bytes)
        if rest.count == 1, rest.first == 0x2a, method == "OPTIONS" {
            (path, query) = ("*", "")
            return
        }
        guard rest.first == 0x2f else {
            throw .badRequest("the request target must begin with a slash")
        }
        guard !rest.contains(0x23) else {
            throw .badRequest("the request target holds a fragment")
        }
        var query = rest[rest.endIndex...]
        if let mark = rest.firstIndex(of: 0x3f) {
            query = rest[(mark + 1)...]
            rest = rest[..<mark]
        }
        path = try Self.decoded(rest, plusIsSpace: false)
        self.query = String(decoding: query, as: UTF8.self)
        // Checked here once, so that reading a value later cannot fail.
        _ = try Self.decoded(query, plusIsSpace: true)
    }

    /// Drops `http://host:port` of the absolute form, which a server must take.
    private static func withoutAuthority(
        _ bytes: UnsafeBufferPointer<UInt8>
    ) -> Slice<UnsafeBufferPointer<UInt8>> {
        for scheme in ["http://", "https://"] {
            let prefix = scheme.utf8
            guard bytes.count > prefix.count,
                zip(bytes, prefix).allSatisfy({ $0.lowercasedASCII == $1 })
            else { continue }
            let authority = bytes[prefix.count...]
            guard let slash = authority.firstIndex(of: 0x2f) else { continue }
            return bytes[slash...]
        }
        return bytes[...]
    }

    /// Resolves percent-encoding; what comes out must be UTF-8 without control characters.
    static func decoded(
        _ bytes: some Collection<UInt8>, plusIsSpace: Bool
    ) throws(HTTPFault) -> String {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        func nextDigit() -> UInt8? {
            bytes.formIndex(after: &index)
            return index < bytes.endIndex ? bytes[index].hexadecimalValue : nil
        }
        while index < bytes.endIndex {
            var byte = bytes[index]
            if byte == 0x25 {
                guard let high = nextDigit(), let low = nextDigit() else {
                    throw .badRequest("the request target holds a percent sign without two digits")
                }
                byte = high << 4 | low
            } else if byte == 0x2b, plusIsSpace {
                byte = 0x20
            }
            guard byte >= 0x20, byte != 0x7f else {
                throw .badRequest("the request target holds a control character")
            }
            result.append(byte)
            bytes.formIndex(after: &index)
        }
        guard let text = String(validating: result, as: UTF8.self) else {
            throw .badRequest("the request target is not UTF-8")
        }
        return text
    }
}
