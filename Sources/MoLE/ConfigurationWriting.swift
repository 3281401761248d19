// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension MoLEConfiguration {
    /// The content of `mole_config.json`: the same configuration gives the same bytes.
    package var jsonText: String {
        let experts = experts.map { expert in
            FileValue.object([
                "name": .string(expert.name), "sha256": .string(expert.sha256),
                "rank": .number(Double(expert.rank)),
            ])
        }
        let file = FileValue.object([
            "format": .string(Self.format), "base_sha256": .string(baseDigest),
            "experts": .array(experts), "reading": .string(reading.rawValue),
            "granularity": .string(granularity.rawValue), "layer": .number(Double(layer)),
            "pooling": .string(pooling.rawValue), "pool_span": .string(poolSpan.rawValue),
            "pool_divisor": .string(poolDivisor.rawValue),
            "normalisation": .string(normalisation.rawValue), "eps": .number(epsilon),
            "hidden": .number(Double(hidden)), "top_k": .number(Double(topK)),
            "null_expert": .boolean(hasNullExpert), "mask": .string(mask.rawValue),
            "training": .object(training),
        ])
        return file.jsonText(indent: 0) + "\n"
    }
}

extension FileValue {
    /// The value as JSON, the keys of an object in the order of their names.
    fileprivate func jsonText(indent: Int) -> String {
        switch self {
        case .null: return "null"
        case .boolean(let boolean): return "\(boolean)"
        case .number(let number):
            if let integer = Int(exactly: number) { return "\(integer)" }
            return number.isFinite ? "\(number)" : "null"
        case .string(let string): return Self.quoted(string)
        case .array(let values):
            return Self.list(values.map { $0.jsonText(indent: indent + 1) }, "[", "]", indent)
        case .object(let members):
            let lines = members.sorted { $0.key < $1.key }.map { key, value in
                "\(Self.quoted(key)): \(value.jsonText(indent: indent + 1))"
            }
            return Self.list(lines, "{", "}", indent)
        }
    }

    private static func list(
        _ lines: [String], _ open: String, _ close: String, _ indent: Int
    ) -> String {
        if lines.isEmpty { return open + close }
        let margin = String(repeating: "  ", count: indent)
        let body = lines.map { "\(margin)  \($0)" }.joined(separator: ",\n")
        return "\(open)\n\(body)\n\(margin)\(close)"
    }

    private static func quoted(_ string: String) -> String {
        var text = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}
