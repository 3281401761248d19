// SPDX-License-Identifier: Apache-2.0

/// Names one sequence that is being generated; never reused while the process lives.
///
/// A request for `n` choices is `n` sequences, each with an identifier of its own.
@frozen
public struct RequestID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    @inlinable
    public static func < (left: RequestID, right: RequestID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Names one generation of one adapter; `base` is the model without an adapter.
///
/// An adapter that is replaced under the same name gets a new identifier, so nothing computed with
/// the old weights can be taken for the new. Never reused while the process lives.
@frozen
public struct AdapterID: Hashable, Comparable, Sendable {
    public let rawValue: UInt32

    /// The base model: no adapter.
    @inlinable
    public static var base: AdapterID { AdapterID(rawValue: 0) }

    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable
    public var isBase: Bool { rawValue == 0 }

    @inlinable
    public static func < (left: AdapterID, right: AdapterID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Names who sent a request: the index of the API key, 0 where no keys are asked for.
@frozen
public struct TenantID: Hashable, Comparable, Sendable {
    public let rawValue: UInt32

    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable
    public static func < (left: TenantID, right: TenantID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Names one replica of the model in the fleet: its position, from 0.
@frozen
public struct ReplicaID: Hashable, Comparable, Sendable {
    public let rawValue: Int

    @inlinable
    public init(rawValue: Int) { self.rawValue = rawValue }

    @inlinable
    public static func < (left: ReplicaID, right: ReplicaID) -> Bool {
        left.rawValue < right.rawValue
    }
}
