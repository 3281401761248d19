// SPDX-License-Identifier: Apache-2.0

/// Replaces `${env:NAME}` and `${env:NAME:-default}` in the text of scalars; `$${` stands for `${`.
///
/// The default takes the place of a variable that is not set, or empty. Since it works on scalars
/// after parsing, a variable cannot add keys.
struct EnvironmentExpansion {
    /// How much text all variables of a document may give together.
    static let maximumBytes = 1 << 20

    struct Fault: Error {
        let message: String
        /// Where in the text, in Unicode scalars from 0.
        let offset: Int
    }

    private let environment: [String: String]
    private var expandedBytes = 0

    init(environment: [String: String]) {
        self.environment = environment
    }

    /// The text with its variables replaced, or `nil` where it has none.
    mutating func expand(_ text: String) throws(Fault) -> String? {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return nil }
        let scalars = Array(text.unicodeScalars)
        var output = String.UnicodeScalarView()
        var index = 0
        var isChanged = false
        while index < scalars.count {
            if Self.starts("$${", in: scalars, at: index) {
                output.append(contentsOf: "${".unicodeScalars)
                index += 3
            } else if Self.starts("${", in: scalars, at: index) {
                let (value, end) = try variable(in: scalars, at: index)
                output.append(contentsOf: value.unicodeScalars)
                index = end
            } else {
                output.append(scalars[index])
                index += 1
                continue
            }
            isChanged = true
        }
        return isChanged ? String(output) : nil
    }

    private mutating func variable(
        in scalars: [Unicode.Scalar], at start: Int
    ) throws(Fault) -> (String, end: Int) {
        guard let close = scalars[start...].firstIndex(of: "}") else {
            throw Fault(message: "'${' is not closed by '}'; write '$${' for '${'", offset: start)
        }
        let inside = String(String.UnicodeScalarView(scalars[(start + 2)..<close]))
        guard let variable = Variable(parsing: inside) else {
            throw Fault(
                message: "'${\(inside.excerpt)}' is not '${env:NAME}' or '${env:NAME:-default}'; "
                    + "write '$${' for '${'", offset: start)
        }
        let value = environment[variable.name] ?? ""
        guard let text = value.isEmpty ? variable.alternative : value else {
            if environment[variable.name] != nil { return ("", close + 1) }
            throw Fault(
                message: "the environment variable \(variable.name.excerpt) is not set; "
                    + "set it or write ${env:\(variable.name.excerpt):-default}", offset: start)
        }
        expandedBytes += text.utf8.count
        guard expandedBytes <= Self.maximumBytes else {
            throw Fault(
                message: "environment variables give more than \(Self.maximumBytes) bytes",
                offset: start)
        }
        return (text, close + 1)
    }

    private static func starts(
        _ prefix: String, in scalars: [Unicode.Scalar], at index: Int
    ) -> Bool {
        scalars[index...].starts(with: prefix.unicodeScalars)
    }
}

/// What stands between `${` and `}`.
private struct Variable {
    let name: String
    let alternative: String?

    init?(parsing text: String) {
        guard text.hasPrefix("env:") else { return nil }
        let rest = text.dropFirst(4)
        let name = rest.prefix { $0 != ":" }
        let tail = rest[name.endIndex...]
        guard tail.isEmpty || tail.hasPrefix(":-") else { return nil }
        guard let first = name.utf8.first, !(0x30...0x39).contains(first),
            name.utf8.allSatisfy(Self.isNameByte)
        else { return nil }
        self.name = String(name)
        alternative = tail.isEmpty ? nil : String(tail.dropFirst(2))
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
