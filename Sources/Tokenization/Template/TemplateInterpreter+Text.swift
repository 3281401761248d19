// SPDX-License-Identifier: Apache-2.0

extension TemplateInterpreter {
    /// `str(value)`: what an output writes.
    func text(
        of value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> String {
        switch value {
        case .undefined: return ""
        case .string(let text): return text
        default: return try literal(of: value, position)
        }
    }

    /// `repr(value)`.
    private func literal(
        of value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> String {
        try enter()
        defer { depth -= 1 }
        switch value {
        case .undefined: return "Undefined"
        case .none: return "None"
        case .bool(let flag): return flag ? "True" : "False"
        case .int(let number): return String(number)
        case .double(let number): return PythonText.number(number)
        case .string(let text):
            try charge(textBytes: text.utf8.count)
            return PythonText.quoted(text)
        case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple:
            var parts: [String] = []
            for item in sequence.items { parts.append(try literal(of: item, position)) }
            let inner = parts.joined(separator: ", ")
            try charge(textBytes: inner.utf8.count)
            if sequence.kind == .list { return "[\(inner)]" }
            return parts.count == 1 ? "(\(inner),)" : "(\(inner))"
        case .mapping(let mapping):
            var parts: [String] = []
            for (key, value) in zip(mapping.keys, mapping.values) {
                parts.append("\(PythonText.quoted(key)): \(try literal(of: value, position))")
            }
            let inner = parts.joined(separator: ", ")
            try charge(textBytes: inner.utf8.count)
            return "{\(inner)}"
        default:
            throw failure("'\(value.typeName)' cannot be written as text", position)
        }
    }

    /// The elements a loop visits.
    func items(
        of value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> [RuntimeValue] {
        switch value {
        case .undefined: return []
        case .sequence(let sequence): return sequence.items
        case .generator(let generator): return generator.rest()
        case .mapping(let mapping):
            try charge(mapping.count / 8)
            return mapping.keys.map { .string($0) }
        case .string(let text):
            try charge(text.utf8.count / 8)
            guard text.utf8.count <= Self.elementLimit else {
                throw TokenizationError(
                    .limitExceeded, "the chat template takes a long text apart")
            }
            return text.unicodeScalars.map { .string(String(Character($0))) }
        default: throw failure("'\(value.typeName)' has no elements to go through", position)
        }
    }

    /// `len(value)`.
    func count(
        of value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> Int {
        switch value {
        case .undefined: return 0
        case .sequence(let sequence): return sequence.items.count
        case .mapping(let mapping): return mapping.count
        case .string(let text):
            try charge(textBytes: text.utf8.count)
            return text.unicodeScalars.count
        default: throw failure("'\(value.typeName)' has no length", position)
        }
    }
}

/// Writes a value as Python's `json.dumps` does.
struct TemplateJSON {
    /// Spaces per level, or nil for one line.
    var indent: Int?
    var itemSeparator: String
    var keySeparator = ": "
    var sortsKeys = false
    var escapesNonASCII = false

    /// Appends `value`; `charge` is told for every value how many bytes there are by then.
    func write(
        _ value: RuntimeValue, level: Int, to output: inout [UInt8],
        charge: (Int) throws(TokenizationError) -> Void
    ) throws(TokenizationError) {
        try charge(output.count)
        switch value {
        case .none: output += "null".utf8
        case .bool(let flag): output += (flag ? "true" : "false").utf8
        case .int(let number): output += String(number).utf8
        case .double(let number): output += Self.number(number).utf8
        case .string(let text): write(text, to: &output)
        case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple:
            try writeGroup("[]", count: sequence.items.count, level, &output) {
                (index, output) throws(TokenizationError) in
                try write(sequence.items[index], level: level + 1, to: &output, charge: charge)
            }
        case .mapping(let mapping):
            let order =
                sortsKeys
                ? mapping.keys.indices.sorted {
                    PythonText.precedes(mapping.keys[$0], mapping.keys[$1])
                } : Array(mapping.keys.indices)
            try writeGroup("{}", count: mapping.count, level, &output) {
                (index, output) throws(TokenizationError) in
                write(mapping.keys[order[index]], to: &output)
                output += keySeparator.utf8
                try write(
                    mapping.values[order[index]], level: level + 1, to: &output, charge: charge)
            }
        default:
            throw TokenizationError(
                .templateFailed, "'\(value.typeName)' cannot be written as JSON")
        }
    }

    private func writeGroup(
        _ brackets: StaticString, count: Int, _ level: Int, _ output: inout [UInt8],
        _ element: (Int, inout [UInt8]) throws(TokenizationError) -> Void
    ) throws(TokenizationError) {
        output.append(brackets.utf8Start[0])
        for index in 0..<count {
            if index > 0 { output += itemSeparator.utf8 }
            breakLine(level + 1, &output)
            try element(index, &output)
        }
        if count > 0 { breakLine(level, &output) }
        output.append(brackets.utf8Start[1])
    }

    private func breakLine(_ level: Int, _ output: inout [UInt8]) {
        guard let indent else { return }
        output.append(0x0A)
        output += [UInt8](repeating: 0x20, count: indent * level)
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return PythonText.number(value)
    }

    private func write(_ text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\"".utf8
            case "\\": output += "\\\\".utf8
            case "\n": output += "\\n".utf8
            case "\r": output += "\\r".utf8
            case "\t": output += "\\t".utf8
            case "\u{08}": output += "\\b".utf8
            case "\u{0C}": output += "\\f".utf8
            case "\u{00}"..."\u{1F}": escape(UInt16(scalar.value), &output)
            default:
                if scalar.isASCII || !escapesNonASCII {
                    UTF8Text.append(scalar, to: &output)
                } else {
                    for unit in UTF16.encode(scalar) ?? .init() { escape(unit, &output) }
                }
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    private func escape(_ unit: UInt16, _ output: inout [UInt8]) {
        let digits = String(unit, radix: 16)
        output += "\\u".utf8
        output += [UInt8](repeating: UInt8(ascii: "0"), count: 4 - digits.utf8.count)
        output += digits.utf8
    }
}
