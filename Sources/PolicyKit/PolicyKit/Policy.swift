// SPDX-License-Identifier: Apache-2.0

/// The question that a policy answers.
public enum PolicyKind: String, CaseIterable, Sendable {
    /// Who runs in the next iteration, and in which mode.
    case batching
    /// Whose turn it is.
    case fairness
    /// Which replica takes a request.
    case dispatch
    /// What moves between replicas.
    case migration
    /// Which adapter leaves a replica's memory.
    case residency
    /// What the experts of a mixture count for each token.
    case gating

    /// The kinds that have a slot in a manifest's pipeline; gates are named by mixtures.
    public static var pipeline: [PolicyKind] {
        [.batching, .fairness, .dispatch, .migration, .residency]
    }
}

/// What a policy says of itself: shown by `burrow plugin describe`, used in manifests.
public struct PolicyDescriptor: Sendable {
    /// The name that manifests use: kebab case, `<what>-<role>`, as `credit-fairness`.
    public let type: String

    /// The version of the policy itself, as `1.2.0`.
    public let version: String

    /// What the policy does and when to choose it, in one or two sentences.
    public let summary: String

    public init(type: String, version: String, summary: String) {
        self.type = type
        self.version = version
        self.summary = summary
    }
}

/// A scheduling decision that a plugin makes.
///
/// A policy is synchronous: no input or output, no threads, no clock and no randomness but what it
/// is handed. All calls come from one thread. It may throw; the host then decides with the built-in
/// default of that kind and counts a strike. An answer is checked before it is used.
///
/// Conform to one of ``BatchingPolicy``, ``FairnessPolicy``, ``DispatchPolicy``,
/// ``MigrationPolicy``, ``ResidencyPolicy`` or ``GatingPolicy``, not to this protocol alone.
public protocol Policy: AnyObject {
    /// The typed parameters that a manifest may set.
    associatedtype Parameters: PolicyParameters

    /// Which question the policy answers.
    static var kind: PolicyKind { get }

    /// Name, version and summary.
    static var descriptor: PolicyDescriptor { get }

    /// Makes a policy; `seed` is the only source of randomness it may use.
    ///
    /// - Throws: ``PolicyError`` where parameters contradict one another.
    init(parameters: Parameters, seed: UInt64) throws(PolicyError)

    /// State that a reload hands to the next instance, or `nil` where there is none worth keeping.
    func exportState() -> PolicyState?

    /// Takes what ``exportState()`` of an earlier instance gave, perhaps of an older version.
    ///
    /// - Throws: ``PolicyError`` where the state cannot be used; the policy then starts afresh.
    func importState(_ state: PolicyState) throws(PolicyError)
}

extension Policy {
    public func exportState() -> PolicyState? { nil }
    public func importState(_ state: PolicyState) throws(PolicyError) {
        throw PolicyError("\(Self.descriptor.type) keeps no state")
    }
}

/// What a policy carries over a reload.
public struct PolicyState: Sendable, Equatable {
    /// Names the layout of `bytes`, as `credits/2`: an importer refuses a layout it does not know.
    public var schema: String
    public var bytes: [UInt8]

    public init(schema: String, bytes: [UInt8]) {
        self.schema = schema
        self.bytes = bytes
    }
}

/// Why a policy cannot do what it was asked.
public struct PolicyError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// The parameters of a policy that takes none.
public struct NoParameters: PolicyParameters {
    public init() {}
}
