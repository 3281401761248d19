// SPDX-License-Identifier: Apache-2.0

extension Policy {
    /// The first fault in how the policy declares itself, or `nil`.
    ///
    /// The host refuses a policy with a fault: a name that no manifest can write, a kind that its
    /// protocol does not match, a parameter whose default lies outside its range.
    public static var declarationViolation: PolicyError? {
        descriptor.violation ?? kindViolation
            ?? ParameterDeclaration.violation(of: Parameters.declarations)
    }

    private static var kindViolation: PolicyError? {
        let type: any Policy.Type = Self.self
        var kinds: [PolicyKind] = []
        if type is any BatchingPolicy.Type { kinds.append(.batching) }
        if type is any FairnessPolicy.Type { kinds.append(.fairness) }
        if type is any DispatchPolicy.Type { kinds.append(.dispatch) }
        if type is any MigrationPolicy.Type { kinds.append(.migration) }
        if type is any ResidencyPolicy.Type { kinds.append(.residency) }
        if type is any GatingPolicy.Type { kinds.append(.gating) }
        if kinds == [kind] { return nil }
        let names = kinds.map(\.rawValue).joined(separator: " and ")
        return PolicyError(
            "its kind is \(kind.rawValue), but it conforms to "
                + (names.isEmpty ? "no protocol of a kind" : "the protocol of \(names)"))
    }

}

extension PolicyDescriptor {
    /// The first fault in name, version and summary, or `nil`.
    public var violation: PolicyError? {
        if !type.isKebabCase {
            return PolicyError("the type '\(type)' is not in kebab case, as 'credit-fairness'")
        }
        if !version.isDottedTriple {
            return PolicyError("the version '\(version)' is not of the form '1.2.0'")
        }
        return summary.isEmpty ? PolicyError("the summary is empty") : nil
    }
}

extension ParameterDeclaration {
    /// The first fault in a policy's parameters, or `nil`.
    public static func violation(of declarations: [ParameterDeclaration]) -> PolicyError? {
        var names: Set<String> = []
        for declaration in declarations {
            if !names.insert(declaration.name).inserted {
                return PolicyError("it declares the parameter '\(declaration.name)' twice")
            }
            if let error = declaration.violation(of: declaration.defaultValue) {
                return PolicyError("the default is not allowed: \(error.description)")
            }
        }
        return nil
    }
}

extension String {
    /// Lowercase words of letters and digits, parted by single hyphens, a letter first.
    fileprivate var isKebabCase: Bool {
        guard utf8.count <= 64, let first = utf8.first, (97...122).contains(first) else {
            return false
        }
        return split(separator: "-", omittingEmptySubsequences: false).allSatisfy { word in
            !word.isEmpty
                && word.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) }
        }
    }

    fileprivate var isDottedTriple: Bool {
        let parts = split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 3
            && parts.allSatisfy { part in
                (1...9).contains(part.utf8.count)
                    && part.utf8.allSatisfy { (48...57).contains($0) }
            }
    }
}
