// SPDX-License-Identifier: Apache-2.0

/// Builds the tree of a template, refusing everything whose meaning is not implemented.
///
/// Follows the grammar of `jinja2/parser.py` 3.1.
struct TemplateParser {
    /// Nesting of blocks and expressions above this is refused.
    static let depthLimit = 100
    static let sourceLimit = 1 << 20

    private let tokens: [TemplateToken]
    private var index = 0
    /// Open blocks and expressions.
    var depth = 0
    private var loopDepth = 0
    /// Names that something in the template assigns: only these can be called.
    var assigned: Set<String> = []
    /// Calls by name, checked when all assignments are known.
    var calls: [(name: String, position: TemplatePosition)] = []
    /// Whether the macro being read names `caller`.
    var usesCaller = false
    /// Uses of `safe` other than at the end of an output.
    var safeFilters: [TemplatePosition] = []

    static func parse(_ source: String) throws(TokenizationError) -> [TemplateStatement] {
        guard source.utf8.count <= sourceLimit else {
            throw TokenizationError(.limitExceeded, "the template is above \(sourceLimit) bytes")
        }
        var parser = TemplateParser(tokens: try TemplateLexer.tokens(of: source))
        let body = try parser.statements(until: [])
        try parser.checkCalls()
        try parser.refuseSafe()
        return body
    }

    private init(tokens: [TemplateToken]) { self.tokens = tokens }

    static func error(
        _ code: TokenizationError.Code, _ message: String, _ position: TemplatePosition
    ) -> TokenizationError {
        TokenizationError(
            code, message, at: "line \(position.line), column \(position.column)")
    }

    // MARK: - Tokens

    /// The current token; the last one is `end`, which is never passed.
    var current: TemplateToken { tokens[index] }
    var position: TemplatePosition { current.position }

    func lookahead() -> TemplateToken { tokens[min(index + 1, tokens.count - 1)] }

    mutating func advance() { index = min(index + 1, tokens.count - 1) }

    func malformed(_ message: String) -> TokenizationError {
        Self.error(.malformedTemplate, message, position)
    }

    func unsupported(_ what: String) -> TokenizationError {
        Self.error(.unsupportedTemplate, "\(what) is not supported in chat templates", position)
    }

    func isSymbol(_ symbol: String) -> Bool { current.kind == .symbol(symbol) }
    func isName(_ name: String) -> Bool { current.kind == .name(name) }

    mutating func skip(symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        advance()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard isName(name) else { return false }
        advance()
        return true
    }

    mutating func expect(symbol: String) throws(TokenizationError) {
        guard skip(symbol: symbol) else { throw malformed("expected '\(symbol)'") }
    }

    mutating func expect(name: String) throws(TokenizationError) {
        guard skip(name: name) else { throw malformed("expected '\(name)'") }
    }

    mutating func identifier() throws(TokenizationError) -> String {
        guard case .name(let name) = current.kind else { throw malformed("expected a name") }
        advance()
        return name
    }

    private mutating func endBlock() throws(TokenizationError) {
        guard current.kind == .blockEnd else { throw malformed("expected the end of the tag") }
        advance()
    }

    // MARK: - Statements

    /// Statements up to a tag whose name is in `ends`, which becomes the current token; with no
    /// `ends`, up to the end of the source.
    private mutating func statements(
        until ends: [String]
    ) throws(TokenizationError) -> [TemplateStatement] {
        guard depth < Self.depthLimit else {
            throw Self.error(.limitExceeded, "blocks are nested too deep", position)
        }
        depth += 1
        defer { depth -= 1 }
        var body: [TemplateStatement] = []
        while true {
            switch current.kind {
            case .text(let text):
                advance()
                body.append(.text(text))
            case .outputBegin:
                advance()
                body.append(.output(try output()))
            case .blockBegin:
                advance()
                if case .name(let name) = current.kind, ends.contains(name) { return body }
                if let statement = try statement() { body.append(statement) }
            default:
                guard ends.isEmpty, current.kind == .end else {
                    throw malformed("expected '\(ends.joined(separator: "' or '"))'")
                }
                return body
            }
        }
    }

    private mutating func output() throws(TokenizationError) -> TemplateExpression {
        var expression = try tupleOrExpression()
        // As the last filter of an output `safe` changes nothing, because nothing is escaped.
        if case .filter(let inner?, "safe", _) = expression.kind {
            expression = inner
            safeFilters.removeLast()
        }
        guard current.kind == .outputEnd else { throw malformed("expected '}}'") }
        advance()
        return expression
    }

    private mutating func statement() throws(TokenizationError) -> TemplateStatement? {
        let start = position
        let name = try identifier()
        switch name {
        case "for": return .loop(try loop(start))
        case "if": return try branch()
        case "set": return try assignment(start)
        case "macro": return .macro(try macro())
        case "call": return try callBlock()
        case "with": return try with()
        case "generation":
            try endBlock()
            let body = try block(end: "endgeneration", inLoop: false)
            return .scope([], body: body)
        case "break", "continue":
            guard loopDepth > 0 else { throw malformed("'\(name)' outside of a loop") }
            try endBlock()
            return name == "break" ? .breakLoop : .continueLoop
        case let name where name.hasPrefix("end") || name == "else" || name == "elif":
            throw Self.error(.malformedTemplate, "unexpected '\(name)'", start)
        default:
            throw Self.error(
                .unsupportedTemplate, "the tag '\(name)' is not supported in chat templates", start)
        }
    }

    /// The body of a tag and the tag that ends it.
    private mutating func block(
        end: String, inLoop: Bool? = nil
    ) throws(TokenizationError) -> [TemplateStatement] {
        let outer = loopDepth
        if let inLoop { loopDepth = inLoop ? outer + 1 : 0 }
        defer { loopDepth = outer }
        let body = try statements(until: [end])
        advance()
        try endBlock()
        return body
    }

    private mutating func loop(_ start: TemplatePosition) throws(TokenizationError) -> TemplateLoop
    {
        let target = try target(allowsAttribute: false)
        try expect(name: "in")
        let iterable = try tupleOrExpression(isConditional: false)
        let condition = skip(name: "if") ? try expression() : nil
        if isName("recursive") { throw unsupported("a recursive loop") }
        try endBlock()
        loopDepth += 1
        let body = try statements(until: ["else", "endfor"])
        loopDepth -= 1
        var otherwise: [TemplateStatement] = []
        if skip(name: "else") {
            try endBlock()
            otherwise = try statements(until: ["endfor"])
        }
        advance()
        try endBlock()
        return TemplateLoop(
            target: target, iterable: iterable, condition: condition, body: body,
            otherwise: otherwise, position: start)
    }

    private mutating func branch() throws(TokenizationError) -> TemplateStatement {
        var branches: [(condition: TemplateExpression, body: [TemplateStatement])] = []
        var otherwise: [TemplateStatement] = []
        while true {
            let condition = try tupleOrExpression(isConditional: false)
            try endBlock()
            let body = try statements(until: ["elif", "else", "endif"])
            branches.append((condition, body))
            if skip(name: "elif") { continue }
            if skip(name: "else") {
                try endBlock()
                otherwise = try statements(until: ["endif"])
            }
            advance()
            try endBlock()
            return .branch(branches, otherwise: otherwise)
        }
    }

    private mutating func assignment(
        _ start: TemplatePosition
    ) throws(TokenizationError) -> TemplateStatement {
        let target = try target(allowsAttribute: true)
        if skip(symbol: "=") {
            let value = try tupleOrExpression()
            try endBlock()
            return .assignment(target, value)
        }
        var filter: TemplateExpression?
        while isSymbol("|") { filter = try self.filter(of: filter) }
        try endBlock()
        let body = try block(end: "endset", inLoop: nil)
        return .blockAssignment(target, filter: filter, body: body, start)
    }

    private mutating func with() throws(TokenizationError) -> TemplateStatement {
        var assignments: [(TemplateTarget, TemplateExpression)] = []
        while current.kind != .blockEnd {
            if !assignments.isEmpty { try expect(symbol: ",") }
            let target = try target(allowsAttribute: false, isSingle: true)
            try expect(symbol: "=")
            let value = try expression()
            assignments.append((target, value))
        }
        try endBlock()
        return .scope(assignments, body: try block(end: "endwith"))
    }

    // MARK: - Macros

    private mutating func macro() throws(TokenizationError) -> TemplateMacro {
        let name = try identifier()
        try assign(name)
        let parameters = try parameters()
        try endBlock()
        let outer = usesCaller
        usesCaller = false
        let body = try block(end: "endmacro", inLoop: false)
        defer { usesCaller = usesCaller || outer }
        return TemplateMacro(
            name: name, parameters: parameters, body: body, usesCaller: usesCaller)
    }

    private mutating func callBlock() throws(TokenizationError) -> TemplateStatement {
        let parameters = isSymbol("(") ? try parameters() : []
        let call = try expression()
        guard case .call = call.kind else { throw malformed("expected a call") }
        try endBlock()
        let body = try block(end: "endcall", inLoop: false)
        return .callBlock(
            call,
            TemplateMacro(name: "caller", parameters: parameters, body: body, usesCaller: false))
    }

    private mutating func parameters()
        throws(TokenizationError) -> [(name: String, fallback: TemplateExpression?)]
    {
        try expect(symbol: "(")
        var parameters: [(name: String, fallback: TemplateExpression?)] = []
        while !isSymbol(")") {
            if !parameters.isEmpty { try expect(symbol: ",") }
            let name = try identifier()
            try assign(name)
            if skip(symbol: "=") {
                let fallback = try expression()
                parameters.append((name, fallback))
            } else {
                guard parameters.last?.fallback == nil else {
                    throw malformed("a parameter without a default follows one with a default")
                }
                parameters.append((name, nil))
            }
        }
        advance()
        return parameters
    }
}
