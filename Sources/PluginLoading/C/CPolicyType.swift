// SPDX-License-Identifier: Apache-2.0

import CPolicy
import Glibc
import PolicyKit

/// A policy as a C library declares it.
struct CPolicyType {
    /// No policy has more.
    private static let mostParameters: UInt64 = 256

    let kind: PolicyKind
    let descriptor: PolicyDescriptor
    let parameters: [ParameterDeclaration]
    private let policy: burrow_policy

    /// - Throws: ``PolicyError`` with the first fault of the declaration.
    init(_ place: UnsafePointer<burrow_policy>) throws(PolicyError) {
        let least = size(of: burrow_policy.self)
        guard place.pointee.size >= least else {
            throw PolicyError(
                "its burrow_policy has \(place.pointee.size) bytes, this host needs \(least)")
        }
        policy = place.pointee
        kind = try Self.kind(of: policy)
        descriptor = PolicyDescriptor(
            type: boundedText(policy.type), version: boundedText(policy.version),
            summary: boundedText(policy.summary))
        parameters = try Self.parameters(of: policy)
        guard policy.make != nil, policy.release != nil else {
            throw PolicyError("'\(descriptor.type)' has no functions make and release")
        }
        let violation =
            descriptor.violation ?? ParameterDeclaration.violation(of: parameters)
        if let violation { throw violation }
    }

    /// Makes an instance with the given values and the defaults of the rest.
    func make(
        _ values: [String: ParameterValue], seed: UInt64
    ) throws(PolicyError) -> any Policy {
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            guard let declared = parameters.first(where: { $0.name == name }) else {
                throw PolicyError("there is no parameter '\(name)'")
            }
            if let error = declared.violation(of: value) { throw error }
        }
        let texts = CTexts()
        let all = parameters.map { texts.value(values[$0.name] ?? $0.defaultValue, of: $0.type) }
        let instance = try CInstance(policy, type: descriptor.type, values: all, seed: seed)
        switch kind {
        case .batching: return CBatchingPolicy(instance)
        case .fairness: return CFairnessPolicy(instance)
        case .dispatch: return CDispatchPolicy(instance)
        case .residency: return CResidencyPolicy(instance)
        default: throw PolicyError("no policy in C is of kind \(kind.rawValue)")
        }
    }

    // MARK: - Reading a declaration

    /// The kind, whose table must be there and whole.
    private static func kind(of policy: burrow_policy) throws(PolicyError) -> PolicyKind {
        let name = boundedText(policy.type)
        let (kind, found, needed, isWhole): (PolicyKind, UInt32?, UInt32, Bool) =
            switch policy.kind {
            case BURROW_BATCHING.rawValue:
                (
                    .batching, policy.batching?.pointee.size, size(of: burrow_batching.self),
                    policy.batching?.pointee.plan != nil
                )
            case BURROW_FAIRNESS.rawValue:
                (
                    .fairness, policy.fairness?.pointee.size, size(of: burrow_fairness.self),
                    policy.fairness?.pointee.arrange != nil
                )
            case BURROW_DISPATCH.rawValue:
                (
                    .dispatch, policy.dispatch?.pointee.size, size(of: burrow_dispatch.self),
                    policy.dispatch?.pointee.choose != nil
                )
            case BURROW_RESIDENCY.rawValue:
                (
                    .residency, policy.residency?.pointee.size, size(of: burrow_residency.self),
                    policy.residency?.pointee.evict != nil
                )
            default: throw PolicyError("'\(name)' is of kind \(policy.kind), which there is not")
            }
        guard let found else {
            throw PolicyError("'\(name)' has no table burrow_\(kind.rawValue)")
        }
        guard found >= needed else {
            throw PolicyError(
                "the burrow_\(kind.rawValue) of '\(name)' has \(found) bytes, this host needs "
                    + "\(needed)")
        }
        guard isWhole else {
            throw PolicyError("the burrow_\(kind.rawValue) of '\(name)' does not decide anything")
        }
        return kind
    }

    private static func parameters(
        of policy: burrow_policy
    ) throws(PolicyError) -> [ParameterDeclaration] {
        guard policy.parameter_count > 0 else { return [] }
        let needed = size(of: burrow_parameter.self)
        guard policy.parameter_count <= mostParameters, let first = policy.parameters,
            policy.parameter_stride >= UInt64(needed), policy.parameter_stride <= 65_536
        else {
            throw PolicyError(
                "its parameters are \(policy.parameter_count) of \(policy.parameter_stride) bytes; "
                    + "there may be \(mostParameters), each of at least \(needed)")
        }
        var declarations: [ParameterDeclaration] = []
        for index in 0..<Int(policy.parameter_count) {
            let place = UnsafeRawPointer(first) + index * Int(policy.parameter_stride)
            declarations.append(
                try ParameterDeclaration(place.loadUnaligned(as: burrow_parameter.self)))
        }
        return declarations
    }
}

/// Texts that C reads during one call.
private final class CTexts {
    private var texts: [UnsafeMutablePointer<CChar>] = []

    deinit { for text in texts { free(text) } }

    func value(_ value: ParameterValue, of type: ParameterType) -> burrow_value {
        var result = burrow_value(integer: 0, number: 0, string: nil)
        switch value {
        case .boolean(let boolean): result.integer = boolean ? 1 : 0
        case .integer(let integer):
            result.integer = integer
            result.number = Double(integer)
        case .number(let number): result.number = number
        case .duration(let duration): result.integer = duration.saturatingNanoseconds
        case .size(let size): result.integer = size.bytes
        case .string(let string):
            if let text = strdup(string) {
                texts.append(text)
                result.string = UnsafePointer(text)
            }
        @unknown default: break
        }
        return result
    }
}

extension ParameterDeclaration {
    fileprivate init(_ parameter: burrow_parameter) throws(PolicyError) {
        let name = boundedText(parameter.name)
        let value = parameter.default_value
        let type = try ParameterType(parameter, name: name)
        let standard: ParameterValue =
            switch type {
            case .boolean: .boolean(value.integer != 0)
            case .integer: .integer(value.integer)
            case .number: .number(value.number)
            case .duration: .duration(.nanoseconds(value.integer))
            case .size: .size(ByteCount(value.integer))
            default: .string(boundedText(value.string))
            }
        guard !name.isEmpty else { throw PolicyError("a parameter has no name") }
        self.init(
            name: name, type: type, defaultValue: standard,
            documentation: boundedText(parameter.documentation))
    }
}

extension ParameterType {
    fileprivate init(_ parameter: burrow_parameter, name: String) throws(PolicyError) {
        let (least, most) = (parameter.least, parameter.most)
        let isBounded = parameter.has_range != 0
        guard !isBounded || (least.integer <= most.integer && least.number <= most.number) else {
            throw PolicyError("the range of parameter '\(name)' ends before it begins")
        }
        switch parameter.type {
        case BURROW_BOOLEAN.rawValue: self = .boolean
        case BURROW_INTEGER.rawValue:
            self = .integer(isBounded ? least.integer...most.integer : nil)
        case BURROW_NUMBER.rawValue:
            self = .number(isBounded ? least.number...most.number : nil)
        case BURROW_STRING.rawValue: self = .string
        case BURROW_PATH.rawValue: self = .path
        case BURROW_CHOICE.rawValue:
            guard let choices = parameter.choices, (1...256).contains(parameter.choice_count) else {
                throw PolicyError("the choices of parameter '\(name)' are none or too many")
            }
            self = .choice((0..<Int(parameter.choice_count)).map { boundedText(choices[$0]) })
        case BURROW_DURATION.rawValue:
            self = .duration(
                isBounded ? .nanoseconds(least.integer) ... .nanoseconds(most.integer) : nil)
        case BURROW_SIZE.rawValue:
            self = .size(isBounded ? ByteCount(least.integer)...ByteCount(most.integer) : nil)
        default:
            throw PolicyError(
                "parameter '\(name)' has the type \(parameter.type), of which there "
                    + "is none")
        }
    }
}
