// SPDX-License-Identifier: Apache-2.0

/// A server that speaks the OpenAI API, and how to reach it.
package struct Endpoint: Sendable {
    /// Without `/v1` and without a slash at its end.
    package let address: String
    package var apiKey: String?
    /// A file of certificates to trust instead of the system's.
    package var authorities: String?
    /// How long one request may take from the moment it is sent.
    package var timeout: Duration = .seconds(600)

    /// Takes `http://host:port`, with or without `/v1`.
    package init(_ text: String) throws(LoadError) {
        var text = text.contains("://") ? text : "http://\(text)"
        guard text.hasPrefix("http://") || text.hasPrefix("https://") else {
            throw LoadError("'\(text)' is neither http:// nor https://")
        }
        while text.hasSuffix("/") { text.removeLast() }
        if text.hasSuffix("/v1") { text.removeLast(3) }
        let host = text.drop { $0 != "/" }.dropFirst(2)
        guard !host.isEmpty, !text.contains(where: { $0.isWhitespace || $0.isNewline }),
            text.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0 != "?" && $0 != "#" })
        else {
            throw LoadError("'\(text)' is no address: write it as http://127.0.0.1:8080")
        }
        address = text
    }
}
