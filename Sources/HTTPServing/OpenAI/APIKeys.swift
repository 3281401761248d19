// SPDX-License-Identifier: Apache-2.0

/// The keys that open the API, each perhaps with the name of its tenant.
nonisolated package struct APIKeys: Sendable {
    /// One key.
    package struct Key: Sendable, Equatable {
        /// Nil for a key without a tenant of its own.
        package let tenant: String?
        package let secret: String

        package init(tenant: String? = nil, secret: String) {
            self.tenant = tenant
            self.secret = secret
        }
    }

    /// Why a list of keys was refused.
    package struct Rejection: Error, Sendable, Equatable {
        /// What to change; holds no secret.
        package let message: String
        /// The index of the key in the list.
        package let position: Int
    }

    /// What the check of a request came to.
    package enum Access: Sendable, Equatable {
        /// Let it in; the tenant is that of its key, nil without one.
        case granted(tenant: String?)
        case refused(APIError)
    }

    private struct StoredKey {
        let tenant: String?
        /// Padded with zeros to `longestSecret`, so that comparing never depends on its length.
        let padded: [UInt8]
        let byteCount: Int
    }

    private let keys: [StoredKey]
    private static let longestSecret = 512
    private static let mostKeys = 10_000

    /// Without keys everything is open.
    package static let none = APIKeys(stored: [])

    private init(stored: [StoredKey]) { keys = stored }

    package init(_ list: [Key]) throws(Rejection) {
        guard list.count <= Self.mostKeys else {
            throw Rejection(message: "more than \(Self.mostKeys) keys", position: Self.mostKeys)
        }
        var stored: [StoredKey] = []
        var secrets: Set<[UInt8]> = []
        for (position, key) in list.enumerated() {
            let bytes = Array(key.secret.utf8)
            guard (1...Self.longestSecret).contains(bytes.count),
                bytes.allSatisfy({ (0x21...0x7E).contains($0) })
            else {
                throw Rejection(
                    message: "a key must have 1 to \(Self.longestSecret) visible ASCII characters",
                    position: position)
            }
            guard secrets.insert(bytes).inserted else {
                throw Rejection(message: "the key is in the list twice", position: position)
            }
            let padding = [UInt8](repeating: 0, count: Self.longestSecret - bytes.count)
            stored.append(
                StoredKey(tenant: key.tenant, padded: bytes + padding, byteCount: bytes.count))
        }
        keys = stored
    }

    package var isEmpty: Bool { keys.isEmpty }

    /// Checks the `Authorization` header of a request for `route`.
    ///
    /// The time taken depends on the length of what was sent and the number of keys, and not on
    /// which key matched, where a difference was, or how long the keys are.
    package func access(to route: Route, authorization: String?) -> Access {
        if keys.isEmpty || route.isOpen { return .granted(tenant: nil) }
        guard let authorization else {
            return refusal("This server needs an API key: send Authorization: Bearer with it.")
        }
        guard let token = Self.bearerToken(authorization) else {
            return refusal("The Authorization header must be Bearer, a space and an API key.")
        }
        guard let key = match(Array(token)) else {
            return refusal("The API key is not known to this server.")
        }
        return .granted(tenant: key.tenant)
    }

    private func refusal(_ message: String) -> Access { .refused(APIError(.unauthorized, message)) }

    private static func bearerToken(_ header: String) -> Substring.UTF8View? {
        let scheme = "bearer"
        let bytes = header.utf8
        guard bytes.count > scheme.utf8.count,
            zip(bytes, scheme.utf8).allSatisfy({ $0 | 0x20 == $1 })
        else { return nil }
        let rest = bytes.dropFirst(scheme.utf8.count)
        guard rest.first == 0x20 else { return nil }
        let token = rest.drop { $0 == 0x20 }
        return token.isEmpty ? nil : token
    }

    /// Compares with every key, whole, whatever the outcome of the earlier ones.
    private func match(_ token: [UInt8]) -> StoredKey? {
        guard token.count <= Self.longestSecret else { return nil }
        var found = -1
        for (index, key) in keys.enumerated() {
            var difference = key.byteCount ^ token.count
            for (sent, kept) in zip(token, key.padded) { difference |= Int(sent ^ kept) }
            // All ones exactly when nothing differs.
            let equal = (difference - 1) >> (Int.bitWidth - 1)
            found = (found & ~equal) | (index & equal)
        }
        return found < 0 ? nil : keys[found]
    }
}
