// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import ManifestLoading

/// Who may use the admin surface: those at its socket, which the system guards, and at its address
/// those who know the token and are no browser.
nonisolated struct AdminAccess {
    /// More bytes than these are no token.
    private static let mostBytes = 4096
    private static let leastCharacters = 16

    private let token: APIKeys
    private let address: ListenAddress

    /// Reads the token's file.
    init(tokenFile file: String, at address: ListenAddress) throws(HostError) {
        let bytes: [UInt8]
        do {
            bytes = try FileContents.readWhole(file, limit: Self.mostBytes, isSecret: true)
        } catch {
            throw HostError(
                .badConfiguration, "spec.server.admin.tokenFile: \(file): \(error.reason)")
        }
        try self.init(token: bytes, of: file, at: address)
    }

    init(token bytes: [UInt8], of file: String, at address: ListenAddress) throws(HostError) {
        self.address = address
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard let word = words.first, words.count == 1, word.utf8.count >= Self.leastCharacters
        else {
            throw HostError(
                .badConfiguration,
                "spec.server.admin.tokenFile: \(file): it must hold one token of at least "
                    + "\(Self.leastCharacters) characters and nothing else")
        }
        do {
            token = try APIKeys([APIKeys.Key(secret: String(word))])
        } catch {
            throw HostError(
                .badConfiguration, "spec.server.admin.tokenFile: \(file): \(error.message)")
        }
    }

    /// Lets a request that came to the address pass, or says why not.
    func check(_ request: HTTPRequest) throws(APIError) {
        // A page in a browser of this machine reaches its addresses too. No client sends these.
        let marks = ["origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"]
        guard marks.allSatisfy({ request.headers[$0] == nil }) else {
            throw APIError(.forbidden, "The admin surface is not for browsers.")
        }
        // A name that leads here by somebody else's doing is not one of ours.
        guard !address.isLoopback || isOurs(request.headers["host"] ?? "") else {
            throw APIError(
                .forbidden,
                "The Host header must be \(address) or localhost, as the admin surface is.")
        }
        let access = token.access(to: .adapters, authorization: request.headers["authorization"])
        guard case .granted = access else {
            throw APIError(
                .unauthorized,
                "The admin surface needs its token: send Authorization: Bearer with it.")
        }
    }

    private func isOurs(_ host: String) -> Bool {
        var name = host[...]
        if let colon = name.lastIndex(of: ":"),
            name[name.index(after: colon)...].allSatisfy(\.isNumber)
        {
            name = name[..<colon]
        }
        let known = ["localhost", "127.0.0.1", "[::1]", address.host, "[\(address.host)]"]
        return known.contains(name.lowercased())
    }
}
