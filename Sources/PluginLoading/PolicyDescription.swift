// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// What is known of a policy type without making one: for the CLI, and for checking manifests.
package struct PolicyDescription: Sendable, Equatable {
    /// Where a policy comes from.
    package enum Origin: Sendable, Equatable, CustomStringConvertible {
        case builtIn
        /// The path of the library, as it was found.
        case library(String)

        package var description: String {
            switch self {
            case .builtIn: "built in"
            case .library(let path): path
            }
        }
    }

    package let kind: PolicyKind
    package let type: String
    package let version: String
    package let summary: String
    package let origin: Origin
    package let parameters: [ParameterDeclaration]

    init(_ policy: any Policy.Type, origin: Origin) {
        let descriptor = policy.descriptor
        self.kind = policy.kind
        self.type = descriptor.type
        self.version = descriptor.version
        self.summary = descriptor.summary
        self.origin = origin
        self.parameters = Self.declarations(of: policy)
    }

    init(
        kind: PolicyKind, descriptor: PolicyDescriptor, parameters: [ParameterDeclaration],
        origin: Origin
    ) {
        self.kind = kind
        self.type = descriptor.type
        self.version = descriptor.version
        self.summary = descriptor.summary
        self.origin = origin
        self.parameters = parameters
    }

    private static func declarations<Opened: Policy>(
        of policy: Opened.Type
    ) -> [ParameterDeclaration] {
        Opened.Parameters.declarations
    }
}
