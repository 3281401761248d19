// SPDX-License-Identifier: Apache-2.0

extension TemplateParser {
    func make(
        _ kind: TemplateExpression.Kind, _ position: TemplatePosition,
        over parts: [TemplateExpression?]
    ) throws(TokenizationError) -> TemplateExpression {
        let depth = (parts.compactMap { $0?.depth }.max() ?? 0) + 1
        guard depth <= Self.depthLimit else {
            throw Self.error(.limitExceeded, "the expression is nested too deep", position)
        }
        return TemplateExpression(kind: kind, position: position, depth: depth)
    }

    // MARK: - Operators, loosest first

    mutating func expression(
        isConditional: Bool = true
    ) throws(TokenizationError) -> TemplateExpression {
        guard depth < Self.depthLimit else {
            throw Self.error(.limitExceeded, "the expression is nested too deep", position)
        }
        depth += 1
        defer { depth -= 1 }
        guard isConditional else { return try disjunction() }
        let start = position
        var result = try disjunction()
        while skip(name: "if") {
            let test = try disjunction()
            let otherwise = skip(name: "else") ? try expression() : nil
            result = try make(
                .conditional(test, then: result, otherwise: otherwise), start,
                over: [test, result, otherwise])
        }
        return result
    }

    private mutating func disjunction() throws(TokenizationError) -> TemplateExpression {
        var left = try conjunction()
        while isName("or") {
            let start = position
            advance()
            let right = try conjunction()
            left = try make(.or(left, right), start, over: [left, right])
        }
        return left
    }

    private mutating func conjunction() throws(TokenizationError) -> TemplateExpression {
        var left = try negation()
        while isName("and") {
            let start = position
            advance()
            let right = try negation()
            left = try make(.and(left, right), start, over: [left, right])
        }
        return left
    }

    private mutating func negation() throws(TokenizationError) -> TemplateExpression {
        var starts: [TemplatePosition] = []
        while isName("not") {
            starts.append(position)
            advance()
        }
        var result = try comparison()
        for start in starts.reversed() {
            result = try make(.negation(result), start, over: [result])
        }
        return result
    }

    private mutating func comparison() throws(TokenizationError) -> TemplateExpression {
        let start = position
        let first = try sum()
        var rest: [(ComparisonOperator, TemplateExpression)] = []
        while let comparison = comparisonOperator() { rest.append((comparison, try sum())) }
        guard !rest.isEmpty else { return first }
        return try make(.comparison(first, rest), start, over: [first] + rest.map(\.1))
    }

    private mutating func comparisonOperator() -> ComparisonOperator? {
        if case .symbol(let symbol) = current.kind,
            let comparison = ComparisonOperator(rawValue: symbol)
        {
            advance()
            return comparison
        }
        if skip(name: "in") { return .contained }
        guard isName("not"), lookahead().kind == .name("in") else { return nil }
        advance()
        advance()
        return .notContained
    }

    private mutating func sum() throws(TokenizationError) -> TemplateExpression {
        var left = try concatenation()
        while isSymbol("+") || isSymbol("-") {
            let start = position
            let operation: BinaryOperator = isSymbol("+") ? .add : .subtract
            advance()
            let right = try concatenation()
            left = try make(.binary(left, operation, right), start, over: [left, right])
        }
        return left
    }

    private mutating func concatenation() throws(TokenizationError) -> TemplateExpression {
        let start = position
        var parts = [try product()]
        while skip(symbol: "~") { parts.append(try product()) }
        return parts.count == 1 ? parts[0] : try make(.concatenation(parts), start, over: parts)
    }

    private mutating func product() throws(TokenizationError) -> TemplateExpression {
        var left = try power()
        while case .symbol(let symbol) = current.kind, ["*", "/", "//", "%"].contains(symbol),
            let operation = BinaryOperator(rawValue: symbol)
        {
            let start = position
            if operation == .modulo, case .constant(.string) = left.kind {
                throw unsupported("formatting with %")
            }
            advance()
            let right = try power()
            left = try make(.binary(left, operation, right), start, over: [left, right])
        }
        return left
    }

    private mutating func power() throws(TokenizationError) -> TemplateExpression {
        var left = try unary()
        while isSymbol("**") {
            let start = position
            advance()
            let right = try unary()
            left = try make(.binary(left, .power, right), start, over: [left, right])
        }
        return left
    }

    private mutating func unary(
        hasFilters: Bool = true
    ) throws(TokenizationError) -> TemplateExpression {
        guard depth < Self.depthLimit else {
            throw Self.error(.limitExceeded, "the expression is nested too deep", position)
        }
        depth += 1
        defer { depth -= 1 }
        let start = position
        var result: TemplateExpression
        if isSymbol("-") || isSymbol("+") {
            let isMinus = isSymbol("-")
            advance()
            let operand = try unary(hasFilters: false)
            result = try make(.sign(operand, isMinus: isMinus), start, over: [operand])
        } else {
            result = try primary()
        }
        result = try postfix(result)
        return hasFilters ? try filters(result) : result
    }

    // MARK: - Primaries

    mutating func primary() throws(TokenizationError) -> TemplateExpression {
        let start = position
        switch current.kind {
        case .name(let name):
            advance()
            if name == "caller" { usesCaller = true }
            return try make(try self.name(name, start), start, over: [])
        case .string(var text):
            advance()
            while case .string(let more) = current.kind {
                text += more
                advance()
            }
            return try make(.constant(.string(text)), start, over: [])
        case .integer(let value):
            advance()
            return try make(.constant(.int(value)), start, over: [])
        case .float(let value):
            advance()
            return try make(.constant(.double(value)), start, over: [])
        case .symbol("("):
            advance()
            let result = try tupleOrExpression(isParenthesized: true)
            try expect(symbol: ")")
            return result
        case .symbol("["): return try list()
        case .symbol("{"): return try dictionary()
        default: throw malformed("expected an expression")
        }
    }

    private func name(
        _ name: String, _ start: TemplatePosition
    ) throws(TokenizationError) -> TemplateExpression.Kind {
        switch name {
        case "true", "True": return .constant(.bool(true))
        case "false", "False": return .constant(.bool(false))
        case "none", "None": return .constant(.null)
        case "self", "super", "varargs", "kwargs", "lipsum", "cycler", "joiner":
            throw Self.error(
                .unsupportedTemplate, "the name '\(name)' is not supported in chat templates",
                start)
        default: return .name(name)
        }
    }

    /// Expressions separated by commas make a tuple; one alone is itself.
    mutating func tupleOrExpression(
        isConditional: Bool = true, isParenthesized: Bool = false
    ) throws(TokenizationError) -> TemplateExpression {
        let start = position
        var parts: [TemplateExpression] = []
        var isTuple = false
        while true {
            if !parts.isEmpty { try expect(symbol: ",") }
            if isTupleEnd { break }
            parts.append(try expression(isConditional: isConditional))
            guard isSymbol(",") else { break }
            isTuple = true
        }
        if !isTuple, let only = parts.first { return only }
        guard isTuple || isParenthesized else { throw malformed("expected an expression") }
        return try make(.tuple(parts), start, over: parts)
    }

    private var isTupleEnd: Bool {
        switch current.kind {
        case .outputEnd, .blockEnd, .symbol(")"), .end: true
        default: false
        }
    }

    private mutating func list() throws(TokenizationError) -> TemplateExpression {
        let start = position
        advance()
        var parts: [TemplateExpression] = []
        while !isSymbol("]") {
            if !parts.isEmpty { try expect(symbol: ",") }
            if isSymbol("]") { break }
            parts.append(try expression())
        }
        advance()
        return try make(.list(parts), start, over: parts)
    }

    private mutating func dictionary() throws(TokenizationError) -> TemplateExpression {
        let start = position
        advance()
        var pairs: [(key: TemplateExpression, value: TemplateExpression)] = []
        while !isSymbol("}") {
            if !pairs.isEmpty { try expect(symbol: ",") }
            if isSymbol("}") { break }
            let key = try expression()
            if case .constant(let constant) = key.kind {
                guard case .string = constant else { throw unsupported("a key that is no string") }
            }
            try expect(symbol: ":")
            pairs.append((key, try expression()))
        }
        advance()
        return try make(.dictionary(pairs), start, over: pairs.flatMap { [$0.key, $0.value] })
    }

    // MARK: - Targets

    /// What `set` and `for` assign to.
    mutating func target(
        allowsAttribute: Bool, isSingle: Bool = false
    ) throws(TokenizationError) -> TemplateTarget {
        var parts = [try singleTarget(allowsAttribute: allowsAttribute)]
        var isTuple = false
        while !isSingle, skip(symbol: ",") {
            isTuple = true
            guard case .name(let name) = current.kind, name != "in" else { break }
            parts.append(try singleTarget(allowsAttribute: allowsAttribute))
        }
        return isTuple ? .tuple(parts) : parts[0]
    }

    private mutating func singleTarget(
        allowsAttribute: Bool
    ) throws(TokenizationError) -> TemplateTarget {
        if skip(symbol: "(") {
            guard depth < Self.depthLimit else { throw malformed("nested too deep") }
            depth += 1
            defer { depth -= 1 }
            let inner = try target(allowsAttribute: allowsAttribute)
            try expect(symbol: ")")
            return inner
        }
        let name = try identifier()
        if allowsAttribute, skip(symbol: ".") { return .attribute(name, try identifier()) }
        try assign(name)
        return .name(name)
    }

    /// Notes that the template assigns `name`.
    mutating func assign(_ name: String) throws(TokenizationError) {
        let reserved = ["true", "True", "false", "False", "none", "None", "loop", "caller"]
        guard !reserved.contains(name) else { throw malformed("'\(name)' cannot be assigned") }
        assigned.insert(name)
    }
}
