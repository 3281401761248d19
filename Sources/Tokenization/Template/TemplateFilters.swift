// SPDX-License-Identifier: Apache-2.0

/// The filters that templates may use.
enum TemplateFilters {
    static let aliases = ["d": "default", "count": "length"]

    /// Filters whose arguments name another filter or test.
    static let takeNames: Set<String> = [
        "map", "select", "reject", "selectattr", "rejectattr",
    ]

    static let signatures: [String: TemplateSignature] = [
        "trim": TemplateSignature(0, "chars"),
        "tojson": TemplateSignature(0, "ensure_ascii", "indent", "separators", "sort_keys"),
        "join": TemplateSignature(0, "d", "attribute"),
        "length": TemplateSignature(),
        "default": TemplateSignature(0, "default_value", "boolean"),
        "upper": TemplateSignature(),
        "lower": TemplateSignature(),
        "capitalize": TemplateSignature(),
        "title": TemplateSignature(),
        "replace": TemplateSignature(2, "old", "new", "count"),
        "first": TemplateSignature(),
        "last": TemplateSignature(),
        "list": TemplateSignature(),
        "items": TemplateSignature(),
        "string": TemplateSignature(),
        "int": TemplateSignature(0, "default"),
        "float": TemplateSignature(0, "default"),
        "abs": TemplateSignature(),
        "safe": TemplateSignature(),
        "indent": TemplateSignature(0, "width", "first", "blank"),
        "unique": TemplateSignature(0, "case_sensitive", "attribute"),
        "reverse": TemplateSignature(),
        "sort": TemplateSignature(0, "reverse", "case_sensitive", "attribute"),
        "dictsort": TemplateSignature(),
        "map": TemplateSignature(),
        "select": TemplateSignature(),
        "reject": TemplateSignature(),
        "selectattr": TemplateSignature(),
        "rejectattr": TemplateSignature(),
    ]
}

extension TemplateInterpreter {
    func filter(
        _ expression: TemplateExpression, _ scope: TemplateScope
    ) throws(TokenizationError) -> RuntimeValue {
        guard case .filter(let subject?, let name, let arguments) = expression.kind else {
            throw failure("the filter has no subject", expression.position)
        }
        return try apply(
            name, to: evaluate(subject, scope), self.arguments(arguments, scope),
            expression.position)
    }

    /// The filters of a `set` block, whose innermost subject is `value`.
    func apply(
        _ expression: TemplateExpression, to value: RuntimeValue, _ scope: TemplateScope
    ) throws(TokenizationError) -> RuntimeValue {
        guard case .filter(let subject, let name, let arguments) = expression.kind else {
            return value
        }
        let inner = try subject.map { (subject) throws(TokenizationError) in
            try apply(subject, to: value, scope)
        }
        return try apply(
            name, to: inner ?? value, self.arguments(arguments, scope), expression.position)
    }

    func apply(
        _ name: String, to value: RuntimeValue, _ arguments: RuntimeArguments,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        switch name {
        case "default":
            let usesTruth = arguments.value(1, "boolean")?.isTrue ?? false
            let isMissing = value.isUndefined || (usesTruth && !value.isTrue)
            return isMissing ? arguments.value(0, "default_value") ?? .string("") : value
        case "tojson": return .string(try json(value, arguments, position))
        case "length": return .int(try count(of: value, position))
        case "trim", "upper", "lower", "capitalize", "title", "replace", "string", "indent",
            "safe":
            return .string(try textFilter(name, value, arguments, position))
        case "int", "float", "abs": return try numberFilter(name, value, arguments, position)
        case "map", "select", "reject", "selectattr", "rejectattr":
            return try generatorFilter(name, value, arguments, position)
        default: return try sequenceFilter(name, value, arguments, position)
        }
    }

    // MARK: - Text

    private func textFilter(
        _ name: String, _ value: RuntimeValue, _ arguments: RuntimeArguments,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> String {
        let text = try text(of: value, position)
        try charge(textBytes: text.utf8.count)
        switch name {
        case "trim":
            var characters: String?
            if let given = arguments.value(0, "chars"), !isNone(given) {
                characters = try self.text(of: given, position)
            }
            return PythonText.stripped(text, characters)
        case "upper": return PythonText.uppercased(text)
        case "lower": return PythonText.lowercased(text)
        case "capitalize": return PythonText.capitalized(text)
        case "title": return PythonText.titledWords(text)
        case "replace":
            let old = try self.text(of: arguments.value(0, "old") ?? .none, position)
            let new = try self.text(of: arguments.value(1, "new") ?? .none, position)
            let limit = arguments.value(2, "count").flatMap { isNone($0) ? nil : $0.integer } ?? -1
            return try replace(text, old, new, limit)
        case "indent": return try indented(text, arguments, position)
        default: return text
        }
    }

    private func isNone(_ value: RuntimeValue) -> Bool {
        if case .none = value { return true }
        return false
    }

    /// `text.replace(old, new, limit)` within the bound on texts.
    func replace(
        _ text: String, _ old: String, _ new: String, _ limit: Int
    ) throws(TokenizationError) -> String {
        let most = old.isEmpty ? text.utf8.count + 1 : text.utf8.count / old.utf8.count
        if new.utf8.count > old.utf8.count, most * new.utf8.count > Self.textLimit / 4 {
            let found =
                old.isEmpty
                ? most : PythonText.occurrences(of: Array(old.utf8), in: Array(text.utf8)).count
            let (bytes, overflow) = found.multipliedReportingOverflow(by: new.utf8.count)
            try charge(textBytes: overflow ? .max : bytes)
        }
        let result = PythonText.replacing(text, old, with: new, limit: limit)
        try charge(textBytes: result.utf8.count)
        return result
    }

    private func indented(
        _ text: String, _ arguments: RuntimeArguments, _ position: TemplatePosition
    ) throws(TokenizationError) -> String {
        let indention: String
        switch arguments.value(0, "width") ?? .int(4) {
        case .string(let given): indention = given
        case .int(let width) where width <= 1000:
            indention = String(repeating: " ", count: max(0, width))
        default: throw failure("indent needs a width", position)
        }
        let first = arguments.value(1, "first")?.isTrue ?? false
        let blank = arguments.value(2, "blank")?.isTrue ?? false
        // As Jinja does it: one more line end makes the last line count.
        let lines = PythonText.lines(text + "\n", keepsEnds: false)
        try charge(textBytes: text.utf8.count + lines.count * indention.utf8.count)
        var result = lines.first ?? ""
        for line in lines.dropFirst() {
            result += "\n"
            if blank || !line.isEmpty { result += indention }
            result += line
        }
        return first ? indention + result : result
    }

    private func json(
        _ value: RuntimeValue, _ arguments: RuntimeArguments, _ position: TemplatePosition
    ) throws(TokenizationError) -> String {
        var indent: Int?
        switch arguments.value(1, "indent") {
        case .int(let width)? where (0...64).contains(width): indent = width
        case nil, .some(.none): break
        default: throw failure("the indent of tojson must be an integer up to 64", position)
        }
        var writer = TemplateJSON(indent: indent, itemSeparator: indent == nil ? ", " : ",")
        writer.escapesNonASCII = arguments.value(0, "ensure_ascii")?.isTrue ?? false
        writer.sortsKeys = arguments.value(3, "sort_keys")?.isTrue ?? false
        switch arguments.value(2, "separators") {
        case nil, .some(.none): break
        case .sequence(let pair)? where pair.items.count == 2:
            writer.itemSeparator = try text(of: pair.items[0], position)
            writer.keySeparator = try text(of: pair.items[1], position)
        default: throw failure("the separators of tojson must be two texts", position)
        }
        var output: [UInt8] = []
        do {
            try writer.write(value, level: 0, to: &output) { (count) throws(TokenizationError) in
                try charge(count <= Self.textLimit ? 1 : stepLimit + 1)
            }
        } catch {
            throw error.code == .templateFailed ? failure(error.message, position) : error
        }
        try charge(textBytes: output.count)
        return String(decoding: output, as: UTF8.self)
    }

    // MARK: - Numbers

    private func numberFilter(
        _ name: String, _ value: RuntimeValue, _ arguments: RuntimeArguments,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        if case .undefined(let reason) = value { throw failure(reason, position) }
        switch name {
        case "int":
            let fallback = arguments.value(0, "default") ?? .int(0)
            if let number = value.integer { return .int(number) }
            if case .string(let text) = value {
                let plain = PythonText.stripped(text, nil)
                if let number = Int(plain) { return .int(number) }
                return Double(plain).flatMap { Int(exactly: $0.rounded(.towardZero)) }
                    .map { .int($0) } ?? fallback
            }
            let whole = value.double.flatMap { Int(exactly: $0.rounded(.towardZero)) }
            return whole.map { .int($0) } ?? fallback
        case "float":
            let fallback = arguments.value(0, "default") ?? .double(0)
            if let number = value.double { return .double(number) }
            guard case .string(let text) = value else { return fallback }
            return Double(PythonText.stripped(text, nil)).map { .double($0) } ?? fallback
        default:
            if let number = value.integer, number != .min { return .int(abs(number)) }
            guard let number = value.double else {
                throw failure("'\(value.typeName)' has no absolute value", position)
            }
            return .double(abs(number))
        }
    }
}
