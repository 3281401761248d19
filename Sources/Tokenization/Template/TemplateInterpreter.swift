// SPDX-License-Identifier: Apache-2.0

/// Runs a parsed template once.
///
/// A class, because macros and loop conditions refer back to it; used by one thread at a time.
final class TemplateInterpreter {
    /// Evaluated nodes, and roughly bytes of text handled / 64.
    static let usualStepLimit = 2_000_000
    /// Bytes of one text, of the output too.
    static let textLimit = 16 << 20
    /// Elements of one sequence.
    static let elementLimit = 1 << 20
    /// Nested evaluations, which bounds the stack.
    static let depthLimit = 350
    /// Nesting of lists and dictionaries.
    static let valueDepthLimit = 100

    private let clock: TemplateClock
    let stepLimit: Int
    private var steps = 0
    var depth = 0
    private var buffer: [UInt8] = []
    /// What may refer to itself, to be taken apart at the end.
    private var scopes: [TemplateScope] = []
    private var namespaces: [RuntimeNamespace] = []

    /// How a statement ended.
    enum Flow {
        case normal, brokeLoop, continuedLoop
    }

    init(clock: TemplateClock, stepLimit: Int) {
        self.clock = clock
        self.stepLimit = stepLimit
    }

    deinit {
        for scope in scopes { scope.clear() }
        for namespace in namespaces { namespace.attributes = RuntimeMapping() }
    }

    func run(
        _ body: [TemplateStatement], context: [TemplateValue.Member]
    ) throws(TokenizationError) -> String {
        let globals = TemplateScope(parent: nil)
        for function in TemplateFunction.allCases {
            globals.set(function.rawValue, .function(function))
        }
        for member in context { globals.set(member.name, try value(member.value)) }
        _ = try execute(body, TemplateScope(parent: globals))
        return String(decoding: buffer, as: UTF8.self)
    }

    // MARK: - Bounds and errors

    func failure(_ message: String, _ position: TemplatePosition?) -> TokenizationError {
        guard let position else { return TokenizationError(.templateFailed, message) }
        return TemplateParser.error(.templateFailed, message, position)
    }

    func charge(_ amount: Int) throws(TokenizationError) {
        steps += min(amount, stepLimit + 1)
        guard steps <= stepLimit else {
            throw TokenizationError(.limitExceeded, "the chat template does not come to an end")
        }
    }

    /// Notes that a text of `count` bytes is made or read.
    func charge(textBytes count: Int) throws(TokenizationError) {
        guard count <= Self.textLimit else {
            throw TokenizationError(
                .limitExceeded, "the chat template makes a text above \(Self.textLimit) bytes")
        }
        try charge(count / 64)
    }

    func enter() throws(TokenizationError) {
        try charge(1)
        guard depth < Self.depthLimit else {
            throw TokenizationError(.limitExceeded, "the chat template recurses too deep")
        }
        depth += 1
    }

    /// A sequence within the bounds on length and nesting.
    func sequence(
        _ items: [RuntimeValue], _ kind: RuntimeSequence.Kind = .list
    ) throws(TokenizationError) -> RuntimeValue {
        try charge(items.count / 8)
        let sequence = RuntimeSequence(items, kind)
        guard sequence.depth <= Self.valueDepthLimit, items.count <= Self.elementLimit else {
            throw TokenizationError(.limitExceeded, "the chat template makes too large a list")
        }
        return .sequence(sequence)
    }

    func generator(_ items: [RuntimeValue]) throws(TokenizationError) -> RuntimeValue {
        try charge(items.count / 8)
        let generator = RuntimeGenerator(items)
        guard generator.depth <= Self.valueDepthLimit else {
            throw TokenizationError(.limitExceeded, "the chat template nests values too deep")
        }
        return .generator(generator)
    }

    func mapping(_ mapping: RuntimeMapping) throws(TokenizationError) -> RuntimeValue {
        guard mapping.depth <= Self.valueDepthLimit, mapping.count <= Self.elementLimit else {
            throw TokenizationError(.limitExceeded, "the chat template makes too large a dict")
        }
        return .mapping(mapping)
    }

    /// A value of the caller as a value of the template.
    private func value(
        _ value: TemplateValue, level: Int = 0
    ) throws(TokenizationError) -> RuntimeValue {
        guard level < Self.valueDepthLimit else {
            throw TokenizationError(.limitExceeded, "a value of the request is nested too deep")
        }
        switch value {
        case .null: return .none
        case .bool(let flag): return .bool(flag)
        case .int(let number): return .int(number)
        case .double(let number): return .double(number)
        case .string(let text): return .string(text)
        case .array(let elements):
            var items: [RuntimeValue] = []
            items.reserveCapacity(elements.count)
            for element in elements { items.append(try self.value(element, level: level + 1)) }
            return .list(items)
        case .object(let members):
            var mapping = RuntimeMapping()
            for member in members {
                mapping.set(member.name, try self.value(member.value, level: level + 1))
            }
            return .mapping(mapping)
        }
    }

    func constant(_ constant: TemplateValue) throws(TokenizationError) -> RuntimeValue {
        try value(constant)
    }

    // MARK: - Output

    private func write(_ text: String) throws(TokenizationError) {
        buffer += text.utf8
        try charge(textBytes: text.utf8.count)
        guard buffer.count <= Self.textLimit else {
            throw TokenizationError(
                .limitExceeded, "the chat template writes more than \(Self.textLimit) bytes")
        }
    }

    /// The text that `body` writes.
    func capture(
        _ body: () throws(TokenizationError) -> Void
    ) throws(TokenizationError) -> String {
        let outer = buffer
        buffer = []
        defer { buffer = outer }
        try body()
        return String(decoding: buffer, as: UTF8.self)
    }

    // MARK: - Statements

    func execute(
        _ body: [TemplateStatement], _ scope: TemplateScope
    ) throws(TokenizationError) -> Flow {
        try enter()
        defer { depth -= 1 }
        for statement in body {
            let flow = try execute(statement, scope)
            guard case .normal = flow else { return flow }
        }
        return .normal
    }

    private func execute(
        _ statement: TemplateStatement, _ scope: TemplateScope
    ) throws(TokenizationError) -> Flow {
        switch statement {
        case .text(let text): try write(text)
        case .output(let expression):
            try write(try text(of: evaluate(expression, scope), expression.position))
        case .loop(let loop): return try run(loop, scope)
        case .branch(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition, scope).isTrue {
                return try execute(branch.body, scope)
            }
            return try execute(otherwise, scope)
        case .assignment(let target, let expression):
            try assign(evaluate(expression, scope), to: target, scope, expression.position)
        case .blockAssignment(let target, let filter, let body, let position):
            try assignBlock(body, filter, to: target, scope, position)
        case .macro(let definition):
            scopes.append(scope)
            scope.set(definition.name, .macro(RuntimeMacro(definition, scope)))
        case .callBlock(let call, let caller):
            let value = try evaluate(call, scope, caller: RuntimeMacro(caller, scope))
            try write(try text(of: value, call.position))
        case .scope(let assignments, let body):
            return try runScope(assignments, body, scope)
        case .breakLoop: return .brokeLoop
        case .continueLoop: return .continuedLoop
        }
        return .normal
    }

    private func runScope(
        _ assignments: [(TemplateTarget, TemplateExpression)], _ body: [TemplateStatement],
        _ scope: TemplateScope
    ) throws(TokenizationError) -> Flow {
        let inner = TemplateScope(parent: scope)
        for (target, expression) in assignments {
            try assign(evaluate(expression, scope), to: target, inner, expression.position)
        }
        return try execute(body, inner)
    }

    private func assignBlock(
        _ body: [TemplateStatement], _ filter: TemplateExpression?, to target: TemplateTarget,
        _ scope: TemplateScope, _ position: TemplatePosition
    ) throws(TokenizationError) {
        let inner = TemplateScope(parent: scope)
        var value = RuntimeValue.string(
            try capture { () throws(TokenizationError) in _ = try execute(body, inner) })
        if let filter { value = try apply(filter, to: value, scope) }
        try assign(value, to: target, scope, position)
    }

    private func run(
        _ loop: TemplateLoop, _ scope: TemplateScope
    ) throws(TokenizationError) -> Flow {
        let items = try self.items(of: evaluate(loop.iterable, scope), loop.iterable.position)
        var accepts: TemplateLoopState.Accepts?
        if let condition = loop.condition {
            accepts = { (item) throws(TokenizationError) in
                let inner = TemplateScope(parent: scope)
                try self.assign(item, to: loop.target, inner, loop.position)
                return try self.evaluate(condition, inner).isTrue
            }
        }
        let state = TemplateLoopState(items, accepts: accepts)
        defer { state.end() }
        var isEmpty = true
        while let item = try state.next() {
            isEmpty = false
            let inner = TemplateScope(parent: scope)
            inner.set("loop", .loop(state))
            try assign(item, to: loop.target, inner, loop.position)
            if case .brokeLoop = try execute(loop.body, inner) { return .normal }
        }
        guard isEmpty else { return .normal }
        return try execute(loop.otherwise, TemplateScope(parent: scope))
    }

    func assign(
        _ value: RuntimeValue, to target: TemplateTarget, _ scope: TemplateScope,
        _ position: TemplatePosition
    ) throws(TokenizationError) {
        switch target {
        case .name(let name): scope.set(name, value)
        case .tuple(let targets):
            let items = try self.items(of: value, position)
            guard items.count == targets.count else {
                throw failure(
                    "cannot unpack \(items.count) values into \(targets.count) names", position)
            }
            for (target, item) in zip(targets, items) {
                try assign(item, to: target, scope, position)
            }
        case .attribute(let name, let attribute):
            guard case .namespace(let namespace)? = scope.find(name) else {
                throw failure("'\(name)' is not a namespace", position)
            }
            try charge(1)
            namespace.attributes.set(attribute, value)
        }
    }

    // MARK: - Calls

    func makeNamespace(_ attributes: RuntimeMapping) -> RuntimeValue {
        let namespace = RuntimeNamespace()
        namespace.attributes = attributes
        namespaces.append(namespace)
        return .namespace(namespace)
    }

    func now(_ format: String, _ position: TemplatePosition) throws(TokenizationError) -> String {
        try clock.text(format, at: position)
    }

    /// Runs a macro and gives what it writes.
    func call(
        _ macro: RuntimeMacro, _ arguments: RuntimeArguments, caller: RuntimeMacro?,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        try enter()
        defer { depth -= 1 }
        let definition = macro.definition
        let inner = TemplateScope(parent: macro.scope)
        var keyword = arguments.keyword
        guard arguments.positional.count <= definition.parameters.count else {
            throw failure("too many arguments for macro '\(definition.name)'", position)
        }
        for (index, parameter) in definition.parameters.enumerated() {
            let named = keyword.firstIndex { $0.name == parameter.name }
            if index < arguments.positional.count {
                guard named == nil else {
                    throw failure("argument '\(parameter.name)' is given twice", position)
                }
                inner.set(parameter.name, arguments.positional[index])
            } else if let named {
                inner.set(parameter.name, keyword.remove(at: named).value)
            } else if let fallback = parameter.fallback {
                inner.set(parameter.name, try evaluate(fallback, inner))
            } else {
                inner.set(
                    parameter.name, .undefined("parameter '\(parameter.name)' was not provided"))
            }
        }
        guard keyword.isEmpty else {
            throw failure(
                "macro '\(definition.name)' has no argument '\(keyword[0].name)'", position)
        }
        if let caller {
            guard definition.usesCaller else {
                throw failure("macro '\(definition.name)' does not use 'caller'", position)
            }
            inner.set("caller", .macro(caller))
        } else if definition.usesCaller {
            inner.set("caller", .undefined("there is no caller"))
        }
        let text = try capture { () throws(TokenizationError) in
            _ = try execute(definition.body, inner)
        }
        try charge(textBytes: text.utf8.count)
        return .string(text)
    }
}

/// Evaluated arguments of a call, a filter or a test.
struct RuntimeArguments {
    var positional: [RuntimeValue] = []
    var keyword: [(name: String, value: RuntimeValue)] = []

    /// The argument at `index` or called `name`.
    func value(_ index: Int, _ name: String) -> RuntimeValue? {
        if index < positional.count { return positional[index] }
        return keyword.first { $0.name == name }?.value
    }
}
