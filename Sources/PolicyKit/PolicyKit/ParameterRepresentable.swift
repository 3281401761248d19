// SPDX-License-Identifier: Apache-2.0

extension Bool: ParameterRepresentable {
    public static var parameterType: ParameterType { .boolean }
    public var parameterValue: ParameterValue { .boolean(self) }

    public init?(_ value: ParameterValue) {
        guard case .boolean(let boolean) = value else { return nil }
        self = boolean
    }
}

extension Int: ParameterRepresentable {
    public static var parameterType: ParameterType { .integer(nil) }
    public var parameterValue: ParameterValue { .integer(Int64(self)) }

    public init?(_ value: ParameterValue) {
        guard case .integer(let integer) = value else { return nil }
        self.init(exactly: integer)
    }
}

extension Double: ParameterRepresentable {
    public static var parameterType: ParameterType { .number(nil) }
    public var parameterValue: ParameterValue { .number(self) }

    public init?(_ value: ParameterValue) {
        switch value {
        case .number(let number): self = number
        case .integer(let integer): self = Double(integer)
        default: return nil
        }
    }
}

extension String: ParameterRepresentable {
    public static var parameterType: ParameterType { .string }
    public var parameterValue: ParameterValue { .string(self) }

    public init?(_ value: ParameterValue) {
        guard case .string(let string) = value else { return nil }
        self = string
    }
}

extension Duration: ParameterRepresentable {
    public static var parameterType: ParameterType { .duration(nil) }
    public var parameterValue: ParameterValue { .duration(self) }

    public init?(_ value: ParameterValue) {
        guard case .duration(let duration) = value else { return nil }
        self = duration
    }
}

extension ByteCount: ParameterRepresentable {
    public static var parameterType: ParameterType { .size(nil) }
    public var parameterValue: ParameterValue { .size(self) }

    public init?(_ value: ParameterValue) {
        guard case .size(let size) = value else { return nil }
        self = size
    }
}

extension ParameterPath: ParameterRepresentable {
    public static var parameterType: ParameterType { .path }
    public var parameterValue: ParameterValue { .string(path) }

    public init?(_ value: ParameterValue) {
        guard case .string(let path) = value else { return nil }
        self.init(path)
    }
}

/// A choice among words: an enumeration with string raw values that conforms to
/// ``ParameterChoice`` is a parameter type.
public protocol ParameterChoice: ParameterRepresentable, CaseIterable, RawRepresentable
where RawValue == String {}

extension ParameterChoice {
    public static var parameterType: ParameterType { .choice(allCases.map(\.rawValue)) }
    public var parameterValue: ParameterValue { .string(rawValue) }

    public init?(_ value: ParameterValue) {
        guard case .string(let word) = value else { return nil }
        self.init(rawValue: word)
    }
}
