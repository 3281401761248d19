// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import ManifestLoading
internal import PolicyKit

/// Who may use the API, and which tenant each is.
nonisolated struct KeyRing: Sendable {
    let keys: APIKeys

    /// The tenants of the keys, in the order of the file.
    private let names: [String]

    /// By the name of a key; those of keys that are gone stay, as their requests may.
    private var tenants: [String: TenantID] = [:]

    /// - Throws: `HostError` where the key file cannot be used.
    init(_ manifest: Manifest) throws(HostError) {
        guard let file = manifest.spec.server.apiKeys?.file.value else {
            keys = .none
            names = []
            return
        }
        let list: [APIKey]
        do {
            list = try APIKeyFile.load(path: file)
        } catch {
            throw HostError(error.diagnostics)
        }
        let named = zip(APIKeyFile.tenants(of: list), list).map { name, key in
            APIKeys.Key(tenant: name, secret: key.key)
        }
        do {
            keys = try APIKeys(named)
        } catch {
            throw HostError(.badConfiguration, "\(file): key \(error.position): \(error.message)")
        }
        names = named.map { $0.tenant ?? "" }
        number()
    }

    /// Gives a tenant that the ring before knew the number that it had there, so that policies go on
    /// with the same accounts.
    mutating func follow(_ before: KeyRing) {
        tenants = before.tenants
        number()
    }

    private mutating func number() {
        var next = (tenants.values.map(\.rawValue).max() ?? 0) &+ 1
        for name in names where tenants[name] == nil {
            tenants[name] = TenantID(rawValue: next)
            next &+= 1
        }
    }

    /// The number of a tenant; 0 for those without a key of their own.
    func tenant(named name: String?) -> TenantID {
        name.flatMap { tenants[$0] } ?? TenantID(rawValue: 0)
    }

    /// What each tenant of the manifest is entitled to.
    func shares(of manifest: Manifest) -> [TenantID: ServiceShares.Share] {
        var shares: [TenantID: ServiceShares.Share] = [:]
        for entry in manifest.spec.tenants {
            guard let tenant = tenants[entry.name.value] else { continue }
            shares[tenant] = ServiceShares.Share(entry.share)
        }
        return shares
    }
}
