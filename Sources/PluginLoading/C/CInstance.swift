// SPDX-License-Identifier: Apache-2.0

import CPolicy
import PolicyKit

/// One instance of a policy that was written against `burrow_policy.h`.
final class CInstance {
    /// No policy keeps more.
    private static let mostStateBytes: UInt64 = 16 << 20

    let policy: burrow_policy
    let pointer: UnsafeMutableRawPointer
    private let type: String
    private let errorText = CScratch<CChar>()

    init(
        _ policy: burrow_policy, type: String, values: [burrow_value], seed: UInt64
    ) throws(PolicyError) {
        self.policy = policy
        self.type = type
        let text = errorText.text()
        var error = Self.error(in: text)
        guard let pointer = policy.make?(values, seed, &error) else {
            throw PolicyError(Self.message(in: text, of: type))
        }
        self.pointer = pointer
    }

    deinit { policy.release?(pointer) }

    /// Makes a call that may fail.
    func call(
        _ body: (UnsafeMutableRawPointer, UnsafeMutablePointer<burrow_error>) -> Int32
    ) throws(PolicyError) {
        let text = errorText.text()
        var error = Self.error(in: text)
        guard body(pointer, &error) == BURROW_OK else {
            throw PolicyError(Self.message(in: text, of: type))
        }
    }

    func exportState() -> PolicyState? {
        guard let export = policy.export_state else { return nil }
        var capacity: UInt64 = 4096
        let (schema, bytes) = (CScratch<CChar>(), CScratch<UInt8>())
        for _ in 0..<2 {
            let (text, room) = (schema.text(), bytes.filled(Int(capacity), with: 0))
            var state = burrow_state(
                size: size(of: burrow_state.self),
                schema_capacity: UInt32(CScratch<CChar>.textCapacity), schema: text, bytes: room,
                capacity: capacity, count: 0)
            switch export(pointer, &state) {
            case BURROW_OK where state.count <= capacity:
                return PolicyState(
                    schema: CScratch<CChar>.text(in: text),
                    bytes: Array(UnsafeBufferPointer(start: room, count: Int(state.count))))
            case BURROW_TOO_SMALL where state.count <= Self.mostStateBytes:
                capacity = state.count
            default: return nil
            }
        }
        return nil
    }

    func importState(_ state: PolicyState) throws(PolicyError) {
        guard let take = policy.import_state else {
            throw PolicyError("\(type) keeps no state")
        }
        try call { pointer, error in
            state.schema.withCString { schema in
                state.bytes.withUnsafeBufferPointer { bytes in
                    take(pointer, schema, bytes.baseAddress, UInt64(bytes.count), error)
                }
            }
        }
    }

    private static func error(in text: UnsafeMutablePointer<CChar>) -> burrow_error {
        burrow_error(
            size: size(of: burrow_error.self), capacity: UInt32(CScratch<CChar>.textCapacity),
            text: text)
    }

    private static func message(in text: UnsafePointer<CChar>, of type: String) -> String {
        let message = CScratch<CChar>.text(in: text)
        return message.isEmpty ? "\(type) fails and does not say why" : message
    }
}

/// A policy in C as one in Swift; its declaration is in the library, not in its type.
protocol ForeignPolicy: Policy where Parameters == NoParameters {
    var instance: CInstance { get }

    init(_ instance: CInstance)
}

extension ForeignPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "c-policy", version: "1.0.0", summary: "Stands for a policy in C.")
    }

    static var unmade: PolicyError { PolicyError("a policy in C is made by its library") }

    func exportState() -> PolicyState? { instance.exportState() }

    func importState(_ state: PolicyState) throws(PolicyError) {
        try instance.importState(state)
    }
}

/// The texts that an answer gives as its reason.
extension CScratch<CChar> {
    static func reason(_ text: UnsafePointer<CChar>, isWanted: Bool) -> String {
        isWanted ? Self.text(in: text) : ""
    }
}
