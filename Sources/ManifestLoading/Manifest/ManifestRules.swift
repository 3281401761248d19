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
        checkInstanceNames(&reading)
        checkAdapterNames(&reading)
        checkServiceClasses(&reading)
        checkTenants(&reading)
        checkPreset(&reading)
        for kind in PolicyKind.pipeline { checkSlot(kind, &reading) }
        if reading.diagnostics.isEmpty { warnOfUnusedInstances(&reading) }
    }

    private var instances: [Manifest.PolicyInstance] { manifest.spec.plugins.instances }

    private func checkInstanceNames(_ reading: inout Reading) {
        var names = DistinctNames(what: "instance")
        for (index, instance) in instances.enumerated() {
            names.add(instance.name, path: "spec.plugins.instances[\(index)].name", &reading)
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

    private func checkServiceClasses(_ reading: inout Reading) {
        var names = DistinctNames(what: "service class")
        for (index, entry) in manifest.spec.serviceClasses.enumerated() {
            names.add(entry.name, path: "spec.serviceClasses[\(index)].name", &reading)
        }
        for (index, adapter) in manifest.spec.adapters.enumerated() {
            check(adapter.share, path: "spec.adapters[\(index)]", &reading)
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

    private func checkSlot(_ kind: PolicyKind, _ reading: inout Reading) {
        let reference = manifest.spec.pipeline.reference(to: kind)
        let path = "spec.pipeline.\(kind.rawValue)"
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
            reportUnresolved(reference.value, kind, at: position, &reading)
        }
    }

    private func reportUnresolved(
        _ name: String, _ kind: PolicyKind, at position: SourcePosition, _ reading: inout Reading
    ) {
        let types = reading.policies.filter { $0.kind == kind }.map(\.type).sorted()
        let candidates = instances.map(\.name.value) + types
        let meant = nearestName(to: name, among: candidates)
        let known = meant == nil ? "; known: \(candidates.listed)" : ""
        reading.report(
            "no instance and no \(kind.rawValue) policy is called '\(name)'\(known)", at: position,
            path: "spec.pipeline.\(kind.rawValue)", suggestion: meant)
    }

    private func warnOfUnusedInstances(_ reading: inout Reading) {
        let used = PolicyKind.pipeline.map { manifest.spec.pipeline.reference(to: $0).value }
        for (index, instance) in instances.enumerated() where !used.contains(instance.name.value) {
            guard let position = instance.name.position else { continue }
            reading.warn(
                "no slot of the pipeline names '\(instance.name.value)'", at: position,
                path: "spec.plugins.instances[\(index)].name")
        }
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
