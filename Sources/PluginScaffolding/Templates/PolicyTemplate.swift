// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// The policy that a new package of one kind begins with: small, of some use, and to be replaced.
struct PolicyTemplate: Sendable {
    /// What the policy does, in one sentence.
    let summary: String

    /// The name of its one parameter, and a value that a manifest may write.
    let parameter: String
    let manifestValue: String

    /// The ends of the parameter's range, as Swift expressions of `ParameterValue`.
    let ends: [String]

    /// The protocol that it conforms to.
    let conformance: String

    /// The declaration of the parameter, and the property that keeps its value.
    let declaration: String
    let property: String

    /// Methods and other members, without indentation.
    let members: String

    /// Declarations behind the type, each with an empty line before it.
    var others = ""

    /// Tests of what this policy promises beside the rules of its kind, with `POLICY` for its name.
    let promises: String

    init(
        summary: String, parameter: String, manifestValue: String, ends: [String],
        conformance: String, declaration: String, property: String, members: String,
        others: String = "", promises: String
    ) {
        self.summary = summary
        self.parameter = parameter
        self.manifestValue = manifestValue
        self.ends = ends
        self.conformance = conformance
        self.declaration = declaration
        self.property = property
        self.members = members
        self.others = others
        self.promises = promises
    }

    init(_ kind: PolicyKind) {
        switch kind {
        case .batching: self = .batching
        case .fairness: self = .fairness
        case .dispatch: self = .dispatch
        case .migration: self = .migration
        case .residency: self = .residency
        case .gating: self = .gating
        @unknown default: preconditionFailure("there is no template for \(kind.rawValue)")
        }
    }

    /// The source of the type.
    func source(_ swiftName: String, _ type: String) -> String {
        """
        /// \(summary)
        final class \(swiftName): \(conformance) {
            /// What a manifest may set; the declaration is also what checks the manifest, and what
            /// `burrow plugin describe` shows.
            struct Parameters: PolicyParameters {
        \(declaration.indented(by: 8))
            }

            static var descriptor: PolicyDescriptor {
                PolicyDescriptor(
                    type: "\(type)", version: "0.1.0",
                    summary: \(PluginScaffold.literal(summary)))
            }

            private let \(property)

            /// `seed` is the only source of randomness that a policy may use.
            init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
                \(parameter) = parameters.\(parameter)
            }

        \(members.indented(by: 4))
        }
        \(others)
        """
    }

    func tests(_ swiftName: String) -> String {
        promises.replacing("POLICY", with: swiftName)
    }
}
