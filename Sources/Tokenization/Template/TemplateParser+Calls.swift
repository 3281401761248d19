// SPDX-License-Identifier: Apache-2.0

/// How many arguments a filter, a test or a method takes and by which names.
struct TemplateSignature: Sendable {
    var required = 0
    var parameters: [String] = []

    init(_ required: Int = 0, _ parameters: String...) {
        self.required = required
        self.parameters = parameters
    }
}

extension TemplateParser {
    // MARK: - Attributes, items, calls

    mutating func postfix(
        _ subject: TemplateExpression
    ) throws(TokenizationError) -> TemplateExpression {
        var result = subject
        while true {
            if isSymbol(".") {
                result = try attribute(of: result)
            } else if isSymbol("[") {
                result = try item(of: result)
            } else if isSymbol("(") {
                result = try call(of: result)
            } else {
                return result
            }
        }
    }

    private mutating func attribute(
        of subject: TemplateExpression
    ) throws(TokenizationError) -> TemplateExpression {
        advance()
        let start = position
        if case .integer(let index) = current.kind {
            advance()
            let key = try make(.constant(.int(index)), start, over: [])
            return try make(.item(subject, key), start, over: [subject, key])
        }
        let name = try identifier()
        if name.hasPrefix("__") { throw unsupported("the attribute '\(name)'") }
        if isSymbol("("), !TemplateMethods.all.contains(name) {
            throw Self.error(
                .unsupportedTemplate,
                "the method '\(name)' is not supported in chat templates", start)
        }
        return try make(.attribute(subject, name), start, over: [subject])
    }

    private mutating func item(
        of subject: TemplateExpression
    ) throws(TokenizationError) -> TemplateExpression {
        let start = position
        advance()
        var bounds: [TemplateExpression?] = []
        var isSlice = false
        var pending: TemplateExpression?
        while !isSymbol("]") {
            if skip(symbol: ":") {
                isSlice = true
                bounds.append(pending)
                pending = nil
            } else {
                guard pending == nil else { throw malformed("expected ']'") }
                pending = try expression()
            }
        }
        bounds.append(pending)
        advance()
        guard isSlice else {
            guard let key = pending else { throw malformed("expected an index") }
            return try make(.item(subject, key), start, over: [subject, key])
        }
        guard bounds.count <= 3 else { throw malformed("a slice has at most three parts") }
        return try make(.slice(subject, bounds), start, over: [subject] + bounds)
    }

    private mutating func call(
        of subject: TemplateExpression
    ) throws(TokenizationError) -> TemplateExpression {
        let start = position
        switch subject.kind {
        case .name(let name): calls.append((name, subject.position))
        case .attribute: break
        default: throw unsupported("this call")
        }
        let arguments = try arguments()
        if case .name("strftime_now") = subject.kind,
            case .constant(.string(let format))? = arguments.positional.first?.kind
        {
            try TemplateClock.check(format, at: start)
        }
        return try make(.call(subject, arguments), start, over: [subject] + arguments.all)
    }

    private mutating func arguments() throws(TokenizationError) -> TemplateArguments {
        advance()
        var result = TemplateArguments()
        while !isSymbol(")") {
            if !result.isEmpty {
                try expect(symbol: ",")
                if isSymbol(")") { break }
            }
            if isSymbol("*") || isSymbol("**") { throw unsupported("unpacking of arguments") }
            if case .name(let name) = current.kind, lookahead().kind == .symbol("=") {
                advance()
                advance()
                guard !result.keyword.contains(where: { $0.name == name }) else {
                    throw malformed("the argument '\(name)' is given twice")
                }
                result.keyword.append((name, try expression()))
            } else {
                guard result.keyword.isEmpty else {
                    throw malformed("a positional argument follows a named one")
                }
                result.positional.append(try expression())
            }
        }
        advance()
        return result
    }

    /// Calls are only possible to functions of the host and to what the template defines.
    func checkCalls() throws(TokenizationError) {
        let known = TemplateFunction.allCases.map(\.rawValue) + ["caller"]
        for call in calls where !assigned.contains(call.name) && !known.contains(call.name) {
            throw Self.error(
                .unsupportedTemplate,
                "the function '\(call.name)' is not supported in chat templates", call.position)
        }
    }

    // MARK: - Filters and tests

    mutating func filters(
        _ subject: TemplateExpression
    ) throws(TokenizationError) -> TemplateExpression {
        var result = subject
        while true {
            if isSymbol("|") {
                result = try filter(of: result)
            } else if isName("is") {
                result = try test(of: result)
            } else if isSymbol("(") {
                throw unsupported("a call of a filter's result")
            } else {
                return result
            }
        }
    }

    mutating func filter(
        of subject: TemplateExpression?
    ) throws(TokenizationError) -> TemplateExpression {
        advance()
        let start = position
        let spelled = try identifier()
        let name = TemplateFilters.aliases[spelled] ?? spelled
        guard let signature = TemplateFilters.signatures[name] else {
            throw Self.error(
                .unsupportedTemplate,
                "the filter '\(spelled)' is not supported in chat templates", start)
        }
        let arguments = isSymbol("(") ? try self.arguments() : TemplateArguments()
        if TemplateFilters.takeNames.contains(name) {
            try checkNamed(name, arguments, start)
        } else {
            try check(arguments, signature, "filter '\(name)'", start)
        }
        if name == "safe" { safeFilters.append(start) }
        return try make(
            .filter(subject, name, arguments), start, over: [subject] + arguments.all)
    }

    /// `map`, `select` and their kin name another filter or test in an argument.
    private func checkNamed(
        _ name: String, _ arguments: TemplateArguments, _ start: TemplatePosition
    ) throws(TokenizationError) {
        func refuse(_ what: String) -> TokenizationError {
            Self.error(.unsupportedTemplate, "\(what) of '\(name)' is not supported", start)
        }
        if name == "map", arguments.positional.isEmpty {
            let known = ["attribute", "default"]
            guard arguments.keyword.contains(where: { $0.name == "attribute" }),
                arguments.keyword.allSatisfy({ known.contains($0.name) })
            else { throw refuse("this use") }
            return
        }
        guard arguments.keyword.isEmpty else { throw refuse("a named argument") }
        let skipped = name.hasSuffix("attr") ? 1 : 0
        guard arguments.positional.count >= skipped else { throw refuse("this use") }
        guard arguments.positional.count > skipped else { return }
        guard case .constant(.string(let inner)) = arguments.positional[skipped].kind else {
            throw refuse("a computed name")
        }
        let rest = TemplateArguments(
            positional: Array(arguments.positional.dropFirst(skipped + 1)))
        let table = name == "map" ? TemplateFilters.signatures : TemplateTests.signatures
        let aliases = name == "map" ? TemplateFilters.aliases : TemplateTests.aliases
        let plain = aliases[inner] ?? inner
        guard let signature = table[plain], !TemplateFilters.takeNames.contains(plain),
            plain != "safe"
        else { throw refuse("'\(inner)' as an argument") }
        try check(rest, signature, "'\(inner)'", start)
    }

    private mutating func test(
        of subject: TemplateExpression
    ) throws(TokenizationError) -> TemplateExpression {
        let start = position
        advance()
        let isNegated = skip(name: "not")
        let nameStart = position
        let spelled = try identifier()
        let name = TemplateTests.aliases[spelled] ?? spelled
        guard let signature = TemplateTests.signatures[name] else {
            throw Self.error(
                .unsupportedTemplate,
                "the test '\(spelled)' is not supported in chat templates", nameStart)
        }
        let arguments = try testArguments()
        try check(arguments, signature, "test '\(spelled)'", nameStart)
        let result = try make(
            .test(subject, name, arguments), start, over: [subject] + arguments.all)
        return isNegated ? try make(.negation(result), start, over: [result]) : result
    }

    private mutating func testArguments() throws(TokenizationError) -> TemplateArguments {
        switch current.kind {
        case .symbol("("): return try arguments()
        case .name("else"), .name("or"), .name("and"): return TemplateArguments()
        case .name("is"): throw malformed("tests cannot be chained with 'is'")
        case .name, .string, .integer, .float, .symbol("["), .symbol("{"):
            return TemplateArguments(positional: [try postfix(try primary())])
        default: return TemplateArguments()
        }
    }

    private func check(
        _ arguments: TemplateArguments, _ signature: TemplateSignature, _ what: String,
        _ start: TemplatePosition
    ) throws(TokenizationError) {
        let count = arguments.positional.count
        let named = arguments.keyword.map(\.name)
        let taken = signature.parameters.prefix(count)
        guard count <= signature.parameters.count,
            named.allSatisfy({ signature.parameters.contains($0) && !taken.contains($0) }),
            signature.parameters.prefix(signature.required)
                .allSatisfy({ taken.contains($0) || named.contains($0) })
        else {
            throw Self.error(
                .unsupportedTemplate, "these arguments of the \(what) are not supported", start)
        }
    }

    /// `safe` marks text as not to be escaped, and what is then added to it is escaped: only as
    /// the last filter of an output does it mean nothing.
    func refuseSafe() throws(TokenizationError) {
        guard let position = safeFilters.first else { return }
        throw Self.error(
            .unsupportedTemplate, "'safe' is only supported at the end of an output", position)
    }
}
