// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
internal import ManifestLoading
package import PolicyKit

/// What requests are entitled to, by who sends them and which adapter they name.
nonisolated package struct ServiceShares: Sendable {
    /// The part of an adapter or a tenant.
    package struct Share: Sendable, Equatable {
        /// Service relative to others.
        package var weight = 1.0
        package var serviceClass: String?

        package init(weight: Double = 1, serviceClass: String? = nil) {
            self.weight = weight
            self.serviceClass = serviceClass
        }
    }

    /// The time to the first token that each service class promises, in the manifest's order.
    package var classes: [(name: String, firstToken: Duration)] = []
    /// By the adapter's name, so that what is loaded later under it is treated alike.
    package var adapters: [String: Share] = [:]
    package var tenants: [TenantID: Share] = [:]

    package init() {}

    /// The weight of the adapter of this name; 1 where the manifest has none.
    package func weight(ofAdapter name: String) -> Double { adapters[name]?.weight ?? 1 }

    package func weight(of tenant: TenantID) -> Double { tenants[tenant]?.weight ?? 1 }

    /// The time to the first token that a request is promised: by the class that it names, else by
    /// its tenant's, else by its adapter's.
    ///
    /// - Throws: 400 for a class that there is not.
    func firstTokenTarget(
        asked: String?, tenant: TenantID, model: String
    ) throws(APIError) -> Duration? {
        let name = asked ?? tenants[tenant]?.serviceClass ?? adapters[model]?.serviceClass
        guard let name else { return nil }
        guard let known = classes.first(where: { $0.name == name }) else {
            throw .unknownServiceClass(name, known: classes.map(\.name))
        }
        return known.firstToken
    }
}

nonisolated extension ServiceShares {
    /// Those of the adapters and mixtures of a manifest, and its service classes.
    init(_ manifest: Manifest, _ adapters: [(name: String, share: Share)]) {
        self.init()
        classes = manifest.spec.serviceClasses.map { ($0.name.value, $0.timeToFirstToken.value) }
        for adapter in adapters { self.adapters[adapter.name] = adapter.share }
        for mixture in manifest.spec.mixtures {
            self.adapters[mixture.name.value] = Share(mixture.share)
        }
    }

    init(_ facts: GenerationFacts) {
        self.init(facts.manifest, facts.adapters.map { ($0.name, $0.share) })
    }
}

nonisolated extension ServiceShares.Share {
    init(_ share: Manifest.Share) {
        self.init(weight: share.weight.value, serviceClass: share.serviceClass?.value)
    }
}
