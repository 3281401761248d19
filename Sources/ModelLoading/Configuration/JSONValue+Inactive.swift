// SPDX-License-Identifier: Apache-2.0

import StrictJSON

extension JSONValue {
    /// Whether the value is one that stands for "not used": null, false, zero, empty.
    var isInactive: Bool {
        switch self {
        case .null: true
        case .boolean(let value): !value
        case .integer(let value): value == 0
        case .number(let value): value == 0
        case .string(let value): value.isEmpty
        case .array(let values): values.isEmpty
        case .object(let object): object.members.isEmpty
        }
    }

    /// The value in JSON, lists and all, cut to a length that fits in a message.
    var excerpt: String {
        let text =
            switch self {
            case .null, .boolean, .integer, .number: shown
            case .string(let value): "\"\(value)\""
            case .array(let values):
                "[" + values.prefix(8).map(\.excerpt).joined(separator: ", ")
                    + (values.count > 8 ? ", …]" : "]")
            case .object(let object):
                "{" + object.members.prefix(8).map(\.name).joined(separator: ", ") + "}"
            }
        return text.excerpt(80)
    }
}
