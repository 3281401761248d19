// SPDX-License-Identifier: Apache-2.0

internal import Spelling

extension ManifestDocument {
    /// Tenants of a manifest without faults that its file of keys does not name, or why that file
    /// cannot be used. The file is read only where there are tenants.
    package func unknownTenants(of manifest: Manifest) -> [Diagnostic] {
        guard !manifest.spec.tenants.isEmpty, let file = manifest.spec.server.apiKeys?.file.value
        else { return [] }
        let known: [String]
        do throws(ManifestError) {
            known = APIKeyFile.tenants(of: try APIKeyFile.load(path: file))
        } catch {
            return error.diagnostics
        }
        return manifest.spec.tenants.enumerated().compactMap { index, tenant in
            let name = tenant.name
            if known.contains(name.value) { return nil }
            var fault = diagnostic(
                "no key in \(file) has the name '\(name.value)'", at: name.position,
                path: "spec.tenants[\(index)].name")
            fault.suggestion = nearestName(to: name.value, among: known)
            return fault
        }
    }
}
