// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import ManifestLoading
internal import PolicyKit

/// One value of a manifest that a reload can change or must refuse to.
nonisolated struct ManifestSetting: Sendable {
    let path: String
    let needsRestart: Bool
    let text: @Sendable (Manifest) -> String
    let position: @Sendable (Manifest) -> SourcePosition?

    fileprivate init<Value>(
        _ path: String, needsRestart: Bool = false,
        _ value: @escaping @Sendable (Manifest) -> Located<Value>
    ) {
        self.path = path
        self.needsRestart = needsRestart
        text = { Self.text(of: value($0).value) }
        position = { value($0).position }
    }

    /// For a value that may be missing, whose default is then in force.
    fileprivate init<Value>(
        optional path: String, needsRestart: Bool = false,
        _ value: @escaping @Sendable (Manifest) -> Located<Value>?
    ) {
        self.path = path
        self.needsRestart = needsRestart
        text = { value($0).map { Self.text(of: $0.value) } ?? "default" }
        position = { value($0)?.position }
    }

    /// For a part with several values.
    fileprivate init(
        _ path: String, needsRestart: Bool = false, part: @escaping @Sendable (Manifest) -> String
    ) {
        self.path = path
        self.needsRestart = needsRestart
        text = part
        position = { _ in nil }
    }

    private static func text<Value>(of value: Value) -> String { "\(value)" }
}

/// The values of a manifest outside adapters, mixtures and policies.
nonisolated enum ManifestSettings {
    static let all: [ManifestSetting] = restarting + live

    /// What the sockets, the weights and the memory are made with.
    private static let restarting: [ManifestSetting] = [
        ManifestSetting("metadata.name", needsRestart: true) { $0.metadata.name },
        ManifestSetting("server.listen", needsRestart: true) { $0.spec.server.listen },
        ManifestSetting("server.admin", needsRestart: true) { $0.spec.server.admin },
        ManifestSetting(
            "server.adminListener", needsRestart: true,
            part: {
                $0.spec.server.adminListener.map { "\($0.listen.value)" } ?? "none"
            }),
        ManifestSetting(
            "server.tls", needsRestart: true,
            part: {
                $0.spec.server.tls.map { "\($0.certificate.value), \($0.key.value)" } ?? "none"
            }),
        ManifestSetting("model", needsRestart: true, part: { $0.spec.model.text }),
        ManifestSetting("model.cache", needsRestart: true, part: { $0.spec.model.cacheText }),
        ManifestSetting("replicas.count", needsRestart: true) { $0.spec.replicas.count },
        ManifestSetting("replicas.threads", needsRestart: true) { $0.spec.replicas.threads },
        ManifestSetting("replicas.pinned", needsRestart: true) { $0.spec.replicas.pinned },
        ManifestSetting("replicas.memory", needsRestart: true) { $0.spec.replicas.memory },
        ManifestSetting("replicas.kvDtype", needsRestart: true) { $0.spec.replicas.kvDtype },
        ManifestSetting(optional: "replicas.adapterMemory", needsRestart: true) {
            $0.spec.replicas.adapterMemory
        },
        ManifestSetting(optional: "replicas.mergedMemory", needsRestart: true) {
            $0.spec.replicas.mergedMemory
        },
        ManifestSetting("replicas.maxBatch", needsRestart: true) { $0.spec.replicas.maxBatch },
        ManifestSetting("replicas.maxStepTokens", needsRestart: true) {
            $0.spec.replicas.maxStepTokens
        },
        ManifestSetting("replicas.prefixCache", needsRestart: true) {
            $0.spec.replicas.prefixCache
        },
        ManifestSetting(optional: "replicas.stallBudget", needsRestart: true) {
            $0.spec.replicas.stallBudget
        },
        ManifestSetting(optional: "limits.contextLength", needsRestart: true) {
            $0.spec.limits.contextLength
        },
    ]

    private static let live: [ManifestSetting] = [
        ManifestSetting("server.drainTimeout") { $0.spec.server.drainTimeout },
        ManifestSetting(optional: "server.apiKeys") { $0.spec.server.apiKeys?.file },
        ManifestSetting("limits.queue") { $0.spec.limits.queue },
        ManifestSetting("limits.requestBytes") { $0.spec.limits.requestBytes },
        ManifestSetting("limits.headerBytes") { $0.spec.limits.headerBytes },
        ManifestSetting("limits.connections") { $0.spec.limits.connections },
        ManifestSetting("limits.writeBuffer") { $0.spec.limits.writeBuffer },
        ManifestSetting("limits.idleTimeout") { $0.spec.limits.idleTimeout },
        ManifestSetting("limits.headerTimeout") { $0.spec.limits.headerTimeout },
        ManifestSetting(
            "limits.adapterRoots", part: { "\($0.spec.limits.adapterRoots.map(\.value))" }),
        ManifestSetting("plugins.budget") { $0.spec.plugins.budget },
        ManifestSetting("plugins.stall", needsRestart: true) { $0.spec.plugins.stall },
        ManifestSetting("reload.probation") { $0.spec.reload.probation },
        ManifestSetting("reload.failedShare") { $0.spec.reload.failedShare },
        ManifestSetting("reload.tokenGapFactor") { $0.spec.reload.tokenGapFactor },
        ManifestSetting("serviceClasses", part: { $0.spec.serviceClassText }),
        ManifestSetting("tenants", part: { $0.spec.tenantText }),
        ManifestSetting("tests", part: { "\($0.spec.tests.map(\.value))" }),
    ]
}

nonisolated extension Manifest.Model {
    fileprivate var text: String {
        let origin =
            switch source {
            // However the folder is named, it is the same model.
            case .path(let path): URL(fileURLWithPath: path.value).resolvingSymlinksInPath().path
            case .synthetic(let model): "\(model.preset.value), seed \(model.seed.value)"
            }
        return "\(servedName): \(origin), \(dtype.value)"
    }

    fileprivate var cacheText: String {
        guard let cache else { return "none" }
        return "\(cache.directory?.value ?? "default"), \(cache.limit.value.bytes) B"
    }
}

nonisolated extension Manifest.Spec {
    fileprivate var serviceClassText: String {
        "\(serviceClasses.map { "\($0.name.value): \($0.timeToFirstToken.value)" })"
    }

    fileprivate var tenantText: String {
        let tenants = tenants.map { tenant in
            let service = tenant.share.serviceClass.map { ", class \($0.value)" } ?? ""
            return "\(tenant.name.value): weight \(tenant.share.weight.value)\(service)"
        }
        return "\(tenants)"
    }
}
