// SPDX-License-Identifier: Apache-2.0

import PolicyKit

@testable import ManifestLoading

/// The parameters of the policies that these tests know: one of every type.
struct SwitchParameters: PolicyParameters {
    @Parameter("How much the merged mode must win.", in: 0...10)
    var alpha: Double = 1
    @Parameter("How many iterations a mode lasts at least.", in: 1...1000)
    var hold: Int = 8
    @Parameter("Whether batches may be mixed.")
    var mixed: Bool = true
    @Parameter("How ties are broken.")
    var order: TieOrder = .oldest
}

enum TieOrder: String, ParameterChoice {
    case oldest, newest
}

struct CreditParameters: PolicyParameters {
    @Parameter("How long a request may be passed over.", in: .zero ... .seconds(60))
    var starvation: Duration = .seconds(2)
    @Parameter("How much state is kept.", in: ByteCount(1024)...ByteCount(1 << 20))
    var table: ByteCount = ByteCount(4096)
    @Parameter("Where weights are read from.")
    var weights: ParameterPath = ParameterPath("")
    @Parameter("What logs call it.")
    var label: String = ""
}

struct GateParameters: PolicyParameters {
    @Parameter("Where the gate is.")
    var gate: ParameterPath = ParameterPath("")
}

enum Fixtures {
    static let policies = [
        policy(.batching, "fcfs-unmerged"), policy(.fairness, "arrival-order"),
        policy(.dispatch, "least-pending"), policy(.migration, "none"),
        policy(.residency, "lru"),
        policy(.batching, "dlora-batching", SwitchParameters.declarations),
        policy(.fairness, "credit-fairness", CreditParameters.declarations),
        policy(.dispatch, "adapter-aware-dispatch"), policy(.dispatch, "round-robin"),
        policy(.gating, "uniform"), policy(.gating, "mole-gate", GateParameters.declarations),
    ]

    private static let builtIn: Set<String> = [
        "fcfs-unmerged", "arrival-order", "least-pending", "none", "lru", "uniform",
    ]

    private static func policy(
        _ kind: PolicyKind, _ type: String, _ parameters: [ParameterDeclaration] = []
    ) -> KnownPolicy {
        var known = KnownPolicy(
            kind: kind, type: type, summary: "Answers \(kind.rawValue).", version: "1.0.0",
            parameters: parameters)
        known.isBuiltIn = builtIn.contains(type)
        return known
    }

    /// The smallest manifest, with `spec` added to its `spec` at an indentation of two.
    static func manifest(_ spec: String = "") -> String {
        """
        apiVersion: burrow/v1
        kind: Host
        metadata: {name: test}
        spec:
          model: {path: model}
        \(spec)
        """
    }

    static func document(_ text: String, environment: [String: String] = [:]) -> ManifestDocument {
        ManifestDocument(
            Array(text.utf8), file: "m.yaml", directory: "/manifests", environment: environment)
    }

    static func validate(
        _ text: String, environment: [String: String] = [:]
    ) -> ManifestValidation {
        document(text, environment: environment).validate(policies: policies)
    }

    /// The headlines of what is wrong.
    static func faults(_ text: String, environment: [String: String] = [:]) -> [String] {
        validate(text, environment: environment).diagnostics.map(\.headline)
    }
}
