// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Where a server listens.
package struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// A name or an address; an IPv6 address without brackets.
    package var host: String
    /// 0 lets the system choose.
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `127.0.0.1:8080`, `[::1]:8080`.
    package var description: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

extension ListenAddress {
    /// Whether only this machine reaches it.
    package var isLoopback: Bool {
        host == "localhost" || host == "::1"
            || host.hasPrefix("127.") && !host.contains(":")
                && host.allSatisfy { $0 == "." || $0.isASCII && $0.isNumber }
    }

    /// Reads `host:port`; `source` is what the message names, as a command-line option.
    package static func parse(
        _ text: String, from source: String
    ) throws(ManifestError) -> ListenAddress {
        do {
            return try ListenAddress(parsing: text)
        } catch {
            let fault = Diagnostic(error.message, in: source)
            throw ManifestError(code: .invalid, diagnostics: [fault])
        }
    }

    /// Reads `host:port`.
    init(parsing text: String) throws(ValueFault) {
        guard let colon = text.lastIndex(of: ":") else {
            throw ValueFault("expected host:port, as 127.0.0.1:8080, found '\(text.excerpt)'")
        }
        let digits = text[text.index(after: colon)...]
        let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isNumber, let port = UInt16(digits) else {
            throw ValueFault(
                "expected a port from 0 to 65535 after the colon, found '\(String(digits).excerpt)'"
            )
        }
        self.init(host: try Self.host(text[..<colon]), port: port)
    }

    private static func host(_ text: Substring) throws(ValueFault) -> String {
        if text.isEmpty {
            throw ValueFault("the host is missing; write 0.0.0.0 to listen on every address")
        }
        if text.hasPrefix("["), text.hasSuffix("]") {
            let address = String(text.dropFirst().dropLast())
            var bytes = in6_addr()
            guard !address.utf8.contains(0), inet_pton(AF_INET6, address, &bytes) == 1 else {
                throw ValueFault("'\(address.excerpt)' is not an IPv6 address")
            }
            return address
        }
        if text.contains(":") {
            throw ValueFault("an IPv6 address stands in brackets, as [::1]:8080")
        }
        return try nameOrIPv4(String(text))
    }

    private static func nameOrIPv4(_ host: String) throws(ValueFault) -> String {
        let isName =
            host.utf8.count <= 253
            && host.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        guard isName else {
            throw ValueFault("'\(host.excerpt)' is neither a host name nor an address")
        }
        let isNumeric = host.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) }
        var bytes = in_addr()
        guard !isNumeric || inet_pton(AF_INET, host, &bytes) == 1 else {
            throw ValueFault("'\(host)' is not an IPv4 address")
        }
        return host
    }
}
