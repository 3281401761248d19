// SPDX-License-Identifier: Apache-2.0

/// The typed parameters of a policy, declared once as stored properties marked ``Parameter``.
///
/// ```swift
/// struct Parameters: PolicyParameters {
///     @Parameter("How long a request may be passed over.", in: .zero ... .seconds(60))
///     var starvation: Duration = .seconds(2)
/// }
/// ```
/// The declaration drives decoding, error messages with line and column, `burrow plugin describe`
/// and the JSON Schema of the manifest.
public protocol PolicyParameters {
    /// Makes parameters with their defaults.
    init()
}

/// A value that a manifest gives to a parameter.
public enum ParameterValue: Sendable, Equatable {
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    /// Written `200us`, `5ms`, `2s`.
    case duration(Duration)
    /// A count of bytes, written `512KiB`, `2MiB`.
    case size(ByteCount)
}

/// A count of bytes, which manifests write as `512MiB`.
@frozen
public struct ByteCount: Hashable, Comparable, Sendable {
    public var bytes: Int64

    @inlinable
    public init(_ bytes: Int64) { self.bytes = bytes }

    @inlinable
    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
}

/// A path, which manifests write relative to themselves and policies receive absolute.
public struct ParameterPath: Hashable, Sendable {
    public var path: String

    public init(_ path: String) { self.path = path }
}

/// What a manifest may write for a parameter.
public enum ParameterType: Sendable, Equatable {
    case boolean
    case integer(ClosedRange<Int64>?)
    case number(ClosedRange<Double>?)
    case string
    /// One of these words.
    case choice([String])
    case path
    case duration(ClosedRange<Duration>?)
    case size(ClosedRange<ByteCount>?)
}

/// One declared parameter.
public struct ParameterDeclaration: Sendable, Equatable {
    /// The key in the manifest: the name of the Swift property.
    public let name: String
    public let type: ParameterType
    public let defaultValue: ParameterValue
    public let documentation: String

    /// Declares a parameter of a policy that is no Swift type.
    public init(
        name: String, type: ParameterType, defaultValue: ParameterValue, documentation: String
    ) {
        self.name = name
        self.type = type
        self.defaultValue = defaultValue
        self.documentation = documentation
    }
}

/// A Swift type that a parameter may have.
public protocol ParameterRepresentable: Sendable {
    /// The type without a range.
    static var parameterType: ParameterType { get }

    /// The value, or `nil` where `value` is of another type.
    init?(_ value: ParameterValue)

    var parameterValue: ParameterValue { get }
}

/// Marks a stored property of ``PolicyParameters`` as a parameter that manifests may set.
@propertyWrapper
public struct Parameter<Value: ParameterRepresentable> {
    let box: Box
    let type: ParameterType
    let documentation: String

    final class Box {
        var value: Value
        init(_ value: Value) { self.value = value }
    }

    public var wrappedValue: Value { box.value }

    /// A parameter without a range.
    public init(wrappedValue: Value, _ documentation: String) {
        self.box = Box(wrappedValue)
        self.type = Value.parameterType
        self.documentation = documentation
    }
}

extension Parameter where Value == Int {
    public init(wrappedValue: Int, _ documentation: String, in range: ClosedRange<Int>) {
        self.box = Box(wrappedValue)
        self.type = .integer(Int64(range.lowerBound)...Int64(range.upperBound))
        self.documentation = documentation
    }
}

extension Parameter where Value == Double {
    public init(wrappedValue: Double, _ documentation: String, in range: ClosedRange<Double>) {
        self.box = Box(wrappedValue)
        self.type = .number(range)
        self.documentation = documentation
    }
}

extension Parameter where Value == Duration {
    public init(wrappedValue: Duration, _ documentation: String, in range: ClosedRange<Duration>) {
        self.box = Box(wrappedValue)
        self.type = .duration(range)
        self.documentation = documentation
    }
}

extension Parameter where Value == ByteCount {
    public init(
        wrappedValue: ByteCount, _ documentation: String, in range: ClosedRange<ByteCount>
    ) {
        self.box = Box(wrappedValue)
        self.type = .size(range)
        self.documentation = documentation
    }
}

/// What the host needs of a parameter, whatever its Swift type.
protocol DeclaredParameter {
    func declaration(named name: String) -> ParameterDeclaration
    func set(_ value: ParameterValue) -> Bool
}

extension Parameter: DeclaredParameter {
    func declaration(named name: String) -> ParameterDeclaration {
        ParameterDeclaration(
            name: name, type: type, defaultValue: box.value.parameterValue,
            documentation: documentation)
    }

    func set(_ value: ParameterValue) -> Bool {
        guard let typed = Value(value) else { return false }
        box.value = typed
        return true
    }
}

extension PolicyParameters {
    /// What may be set, in the order of declaration.
    public static var declarations: [ParameterDeclaration] {
        Self().declared.map { $0.parameter.declaration(named: $0.name) }
    }

    /// Parameters with the given values and the defaults of the rest.
    ///
    /// - Throws: ``PolicyError`` for a name that is not declared, or a value of another type or
    ///   outside the range. The host has checked that where the position in the manifest is known.
    public init(values: [String: ParameterValue]) throws(PolicyError) {
        self.init()
        let declared = declared
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            guard let match = declared.first(where: { $0.name == name }) else {
                throw PolicyError("there is no parameter '\(name)'")
            }
            let declaration = match.parameter.declaration(named: name)
            if let error = declaration.violation(of: value) { throw error }
            guard match.parameter.set(value) else {
                throw PolicyError("parameter '\(name)' does not take \(value.spelling)")
            }
        }
    }

    private var declared: [(name: String, parameter: any DeclaredParameter)] {
        Mirror(reflecting: self).children.compactMap { child in
            guard let label = child.label, let parameter = child.value as? any DeclaredParameter
            else { return nil }
            return (label.hasPrefix("_") ? String(label.dropFirst()) : label, parameter)
        }
    }
}
