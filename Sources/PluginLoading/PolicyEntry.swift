// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// A policy type of the host or of a library, and how an instance of it is made.
struct PolicyEntry {
    typealias Making =
        (_ values: [String: ParameterValue], _ seed: UInt64) throws(PolicyError) -> any Policy

    let description: PolicyDescription

    /// The private copy of the library; `nil` for what is built in.
    let loadedFrom: String?
    let make: Making

    /// A policy that is a Swift type.
    init(
        _ policy: any Policy.Type, origin: PolicyDescription.Origin, loadedFrom: String? = nil
    ) {
        description = PolicyDescription(policy, origin: origin)
        self.loadedFrom = loadedFrom
        make = { values, seed throws(PolicyError) in
            try Self.instance(of: policy, values: values, seed: seed)
        }
    }

    /// A policy in C.
    init(_ policy: CPolicyType, origin: PolicyDescription.Origin, loadedFrom: String) {
        description = PolicyDescription(
            kind: policy.kind, descriptor: policy.descriptor, parameters: policy.parameters,
            origin: origin)
        self.loadedFrom = loadedFrom
        make = policy.make
    }

    /// An instance, with the given parameters and the defaults of the rest.
    ///
    /// - Throws: `refusedParameters` with what the policy says.
    func instance(
        _ values: [String: ParameterValue], seed: UInt64
    ) throws(PluginError) -> any Policy {
        do throws(PolicyError) {
            return try make(values, seed)
        } catch {
            throw PluginError(.refusedParameters, description.type, error.description)
        }
    }

    private static func instance<Opened: Policy>(
        of type: Opened.Type, values: [String: ParameterValue], seed: UInt64
    ) throws(PolicyError) -> any Policy {
        try Opened(parameters: Opened.Parameters(values: values), seed: seed)
    }
}
