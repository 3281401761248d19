// SPDX-License-Identifier: Apache-2.0

/// Header fields in their order; names are kept in lower case and compared without regard to case.
package nonisolated struct HTTPHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    package struct Field: Sendable, Equatable {
        /// In lower case.
        package let name: String
        package let value: String
    }

    package private(set) var fields: [Field] = []

    package init() {}

    package init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { append(name, value) }
    }

    /// Adds a field after those that there are, whatever their names.
    ///
    /// Control characters in `value`, line ends above all, become spaces. A `name` that is not a
    /// token of RFC 9110 §5.6.2 is a mistake of the program.
    package mutating func append(_ name: String, _ value: String) {
        precondition(
            !name.isEmpty && name.utf8.allSatisfy(\.isTokenByte), "'\(name)' is no header name")
        fields.append(Field(name: name.lowercased(), value: Self.sanitised(value)))
    }

    /// Adds a field as a parser found it, its name in lower case and its value without controls.
    mutating func append(parsedName name: String, value: String) {
        fields.append(Field(name: name, value: value))
    }

    /// Adds the fields of `others` behind those that there are.
    package mutating func append(contentsOf others: HTTPHeaders) { fields += others.fields }

    mutating func reserveCapacity(_ count: Int) { fields.reserveCapacity(count) }

    /// The value of the first field of that name.
    package subscript(name: String) -> String? {
        fields.first { $0.matches(name) }?.value
    }

    /// The values of all fields of that name, in order.
    package func values(_ name: String) -> [String] {
        fields.filter { $0.matches(name) }.map(\.value)
    }

    private static func sanitised(_ value: String) -> String {
        let isClean = value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
        guard !isClean else { return value }
        let bytes = value.utf8.map { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 ? $0 : 0x20 }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension HTTPHeaders.Field {
    nonisolated fileprivate func matches(_ other: String) -> Bool {
        name.utf8.count == other.utf8.count
            && zip(name.utf8, other.utf8).allSatisfy { $0 == $1.lowercasedASCII }
    }
}

extension UInt8 {
    /// Whether the byte may stand in a method or a header name (RFC 9110 §5.6.2).
    nonisolated var isTokenByte: Bool {
        switch self {
        case 0x61...0x7a, 0x41...0x5a, 0x30...0x39: true  // a-z A-Z 0-9
        case 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e, 0x5f, 0x60, 0x7c, 0x7e: true
        default: false
        }
    }

    nonisolated var lowercasedASCII: UInt8 { self >= 0x41 && self <= 0x5a ? self | 0x20 : self }

    /// The value of a hexadecimal digit.
    nonisolated var hexadecimalValue: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x41 + 10
        case 0x61...0x66: self - 0x61 + 10
        default: nil
        }
    }
}
