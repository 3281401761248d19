// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A policy that manifests may name: built in, or found in a plugin.
package struct KnownPolicy: Sendable, Equatable {
    package var kind: PolicyKind
    package var type: String
    package var summary: String
    package var version: String
    package var parameters: [ParameterDeclaration]

    /// Whether it is a part of the host, which leaves nothing to isolate.
    package var isBuiltIn = false

    package init(
        kind: PolicyKind, type: String, summary: String, version: String,
        parameters: [ParameterDeclaration]
    ) {
        self.kind = kind
        self.type = type
        self.summary = summary
        self.version = version
        self.parameters = parameters
    }

    /// What `policy` says of itself.
    package init<Described: Policy>(_ policy: Described.Type) {
        self.init(
            kind: policy.kind, type: policy.descriptor.type, summary: policy.descriptor.summary,
            version: policy.descriptor.version, parameters: Described.Parameters.declarations)
    }
}
