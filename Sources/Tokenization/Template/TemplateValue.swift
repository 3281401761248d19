// SPDX-License-Identifier: Apache-2.0

package import StrictJSON

/// A value handed to a chat template; objects keep the order of their members.
package indirect enum TemplateValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case array([TemplateValue])
    case object([Member])

    /// One member of an object; of equal names the last counts.
    package struct Member: Sendable, Equatable {
        package let name: String
        package let value: TemplateValue

        package init(_ name: String, _ value: TemplateValue) {
            self.name = name
            self.value = value
        }
    }

    /// Reads a JSON document, keeping strings byte for byte and members in order.
    package init(json: [UInt8]) throws(TokenizationError) {
        self.init(try JSONNode(parsing: json).value)
    }

    /// A value of a request or a file.
    package init(_ json: JSONValue) {
        switch json {
        case .null: self = .null
        case .boolean(let flag): self = .bool(flag)
        case .integer(let number): self = .int(number)
        case .number(let number): self = .double(number)
        case .string(let text): self = .string(text)
        case .array(let elements): self = .array(elements.map { TemplateValue($0) })
        case .object(let object):
            self = .object(object.members.map { Member($0.name, TemplateValue($0.value)) })
        }
    }
}

extension TemplateValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .int(value) }
    package init(arrayLiteral elements: TemplateValue...) { self = .array(elements) }
    package init(nilLiteral: ()) { self = .null }
    package init(dictionaryLiteral elements: (String, TemplateValue)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
}
