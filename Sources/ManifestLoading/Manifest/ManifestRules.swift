// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Spelling

/// What holds between distant parts of a manifest: references, and names that must differ.
///
/// Parts that could not be read have placeholders without a position, which are passed over.
struct ManifestRules {
    let manifest: Manifest
    /// The shapes of synthetic models; `nil` where they are checked elsewhere.
    let presets: [String]?

    func check(_ reading: inout Reading) {
        checkInstanceNames(in: "spec.plugins.instances", &reading)
        checkAdapterNames(&reading)
        checkMixtures(&reading)
        checkServiceClasses(&reading)
        checkTenants(&reading)
        checkPreset(&reading)
        checkAdmin(&reading)
        for kind in PolicyKind.pipeline {
            check(
                manifest.spec.pipeline.reference(to: kind), kind,
                path: "spec.pipeline.\(kind.rawValue)", &reading)
        }
        if reading.diagnostics.isEmpty { warnOfUnusedInstances(&reading) }
    }

    private var instances: [Manifest.PolicyInstance] { manifest.spec.plugins.instances }

    /// What crosses a network carries a token, which others could read.
    private func checkAdmin(_ reading: inout Reading) {
        guard let listener = manifest.spec.server.adminListener, manifest.spec.server.tls == nil,
            let position = listener.listen.position, !listener.listen.value.isLoopback,
            !reading.hasFault(at: "spec.server.tls")
        else { return }
        reading.report(
            "others can reach \(listener.listen.value), and would see the token: set spec.server.tls "
                + "or listen on 127.0.0.1", at: position, path: "spec.server.admin.listen")
    }

    func checkInstanceNames(in path: String, _ reading: inout Reading) {
        var names = DistinctNames(what: "instance")
        for (index, instance) in instances.enumerated() {
            names.add(instance.name, path: "\(path)[\(index)].name", &reading)
        }
    }

    private func checkAdapterNames(_ reading: inout Reading) {
        var names = DistinctNames(what: "adapter")
        names.reserve(manifest.spec.model.servedName, as: "is the name of the base model")
        var synthetic: Manifest.SyntheticAdapters?
        for (index, adapter) in manifest.spec.adapters.enumerated() {
            let path = "spec.adapters[\(index)]"
            switch adapter.source {
            case .directory: break
            case .named(let adapter): names.add(adapter.name, path: "\(path).name", &reading)
            case .synthetic(let adapters) where synthetic != nil:
                reading.report(
                    "a second entry would repeat the names synthetic-0 and on; keep one",
                    at: adapters.count.position, path: "\(path).synthetic")
            case .synthetic(let adapters):
                synthetic = adapters
                for name in adapters.names {
                    names.add(
                        Located(name, at: adapters.count.position), path: "\(path).synthetic",
                        &reading)
                }
            }
        }
    }

    private func checkMixtures(_ reading: inout Reading) {
        var names = DistinctNames(what: "mixture")
        names.reserve(manifest.spec.model.servedName, as: "is the name of the base model")
        for name in manifest.namedAdapters { names.reserve(name, as: "is the name of an adapter") }
        for (index, mixture) in manifest.spec.mixtures.enumerated() {
            let path = "spec.mixtures[\(index)]"
            names.add(mixture.name, path: "\(path).name", &reading)
            checkExperts(of: mixture, path, &reading)
            check(mixture.gating, .gating, path: "\(path).gating", &reading)
        }
    }

    /// What a directory of adapters holds is known only when the host starts.
    private func checkExperts(
        of mixture: Manifest.Mixture, _ path: String, _ reading: inout Reading
    ) {
        let known = manifest.namedAdapters
        var seen: Set<String> = []
        for (index, expert) in mixture.experts.enumerated() {
            let path = "\(path).experts[\(index)]"
            if !seen.insert(expert.value).inserted {
                reading.report(
                    "'\(expert.value)' is an expert of this mixture already", at: expert.position,
                    path: path)
            } else if !known.contains(expert.value), !manifest.hasAdapterDirectory {
                let meant = nearestName(to: expert.value, among: known)
                let list =
                    known.isEmpty ? "; spec.adapters has none" : "; known: \(known.listed)"
                reading.report(
                    "no adapter is called '\(expert.value)'\(meant == nil ? list : "")",
                    at: expert.position, path: path, suggestion: meant)
            }
        }
    }

    private func checkServiceClasses(_ reading: inout Reading) {
        var names = DistinctNames(what: "service class")
        for (index, entry) in manifest.spec.serviceClasses.enumerated() {
            names.add(entry.name, path: "spec.serviceClasses[\(index)].name", &reading)
        }
        for (index, adapter) in manifest.spec.adapters.enumerated() {
            check(adapter.share, path: "spec.adapters[\(index)]", &reading)
        }
        for (index, mixture) in manifest.spec.mixtures.enumerated() {
            check(mixture.share, path: "spec.mixtures[\(index)]", &reading)
        }
        for (index, tenant) in manifest.spec.tenants.enumerated() {
            check(tenant.share, path: "spec.tenants[\(index)]", &reading)
        }
    }

    private func check(_ share: Manifest.Share, path: String, _ reading: inout Reading) {
        let known = manifest.spec.serviceClasses.map(\.name.value)
        guard let name = share.serviceClass, let position = name.position,
            !known.contains(name.value)
        else { return }
        let meant = nearestName(to: name.value, among: known)
        let list = known.isEmpty ? "; spec.serviceClasses has none" : "; known: \(known.listed)"
        reading.report(
            "no service class is called '\(name.value)'\(meant == nil ? list : "")", at: position,
            path: "\(path).serviceClass", suggestion: meant)
    }

    /// Whether the names are those of keys is checked where the file of keys is read.
    private func checkTenants(_ reading: inout Reading) {
        var names = DistinctNames(what: "tenant")
        for (index, tenant) in manifest.spec.tenants.enumerated() {
            let path = "spec.tenants[\(index)].name"
            names.add(tenant.name, path: path, &reading)
            guard index == 0, manifest.spec.server.apiKeys == nil,
                !reading.hasFault(at: "spec.server.apiKeys.file")
            else { continue }
            reading.report(
                "tenants are told apart by their API keys; name a file of keys under "
                    + "server.apiKeys", at: tenant.name.position, path: path)
        }
    }

    private func checkPreset(_ reading: inout Reading) {
        guard let presets, case .synthetic(let model) = manifest.spec.model.source,
            let position = model.preset.position, !presets.contains(model.preset.value)
        else { return }
        reading.report(
            "expected \(presets.asAlternatives), found '\(model.preset.value)'", at: position,
            path: "spec.model.synthetic.preset",
            suggestion: nearestName(to: model.preset.value, among: presets))
    }

    func check(
        _ reference: Located<String>, _ kind: PolicyKind, path: String, _ reading: inout Reading
    ) {
        guard let position = reference.position else { return }
        let instance = instances.first { $0.name.value == reference.value }
        let type = instance?.type.value ?? reference.value
        if let policy = reading.policies.first(where: { $0.type == type }) {
            guard policy.kind != kind else { return }
            let what = instance == nil ? "" : "the instance '\(reference.value)' is "
            reading.report(
                "\(what)'\(type)' answers '\(policy.kind.rawValue)', not '\(kind.rawValue)'",
                at: position, path: path)
        } else if instance == nil {
            let types = reading.policies.filter { $0.kind == kind }.map(\.type).sorted()
            let candidates = instances.map(\.name.value) + types
            let meant = nearestName(to: reference.value, among: candidates)
            let known = meant == nil ? "; known: \(candidates.listed)" : ""
            reading.report(
                "no instance and no \(kind.rawValue) policy is called '\(reference.value)'\(known)",
                at: position, path: path, suggestion: meant)
        }
    }

    private func warnOfUnusedInstances(_ reading: inout Reading) {
        let used =
            PolicyKind.pipeline.map { manifest.spec.pipeline.reference(to: $0).value }
            + manifest.spec.mixtures.map(\.gating.value)
        for (index, instance) in instances.enumerated() where !used.contains(instance.name.value) {
            guard let position = instance.name.position else { continue }
            reading.warn(
                "no slot of the pipeline and no mixture names '\(instance.name.value)'",
                at: position,
                path: "spec.plugins.instances[\(index)].name")
        }
    }
}

extension Manifest {
    /// The adapters that the manifest itself names, in its order.
    fileprivate var namedAdapters: [String] {
        spec.adapters.flatMap { adapter in
            switch adapter.source {
            case .directory: [String]()
            case .named(let named): [named.name.value]
            case .synthetic(let synthetic): synthetic.names
            }
        }
    }

    fileprivate var hasAdapterDirectory: Bool {
        spec.adapters.contains { if case .directory = $0.source { true } else { false } }
    }
}

/// Names of one kind that must differ from one another.
private struct DistinctNames {
    let what: String
    private var uses: [String: String] = [:]

    init(what: String) { self.what = what }

    /// Takes a name out of use; `reason` completes "'name' …".
    mutating func reserve(_ name: String, as reason: String) {
        uses[name] = reason
    }

    mutating func add(_ name: Located<String>, path: String, _ reading: inout Reading) {
        guard let position = name.position else { return }
        if let use = uses[name.value] {
            reading.report("'\(name.value)' \(use)", at: position, path: path)
        } else {
            uses[name.value] = "is the name of another \(what), at line \(position.line)"
        }
    }
}
