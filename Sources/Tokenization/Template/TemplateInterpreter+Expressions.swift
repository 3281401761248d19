// SPDX-License-Identifier: Apache-2.0

extension TemplateInterpreter {
    func evaluate(
        _ expression: TemplateExpression, _ scope: TemplateScope, caller: RuntimeMacro? = nil
    ) throws(TokenizationError) -> RuntimeValue {
        try enter()
        defer { depth -= 1 }
        switch expression.kind {
        case .constant(let value): return try constant(value)
        case .name(let name): return scope.find(name) ?? .undefined("'\(name)' is undefined")
        case .attribute, .item, .slice: return try access(expression, scope)
        case .call(let function, let arguments):
            return try call(function, arguments, scope, caller: caller)
        case .filter(_, _, _): return try filter(expression, scope)
        case .test(let subject, let name, let arguments):
            return .bool(
                try test(
                    name, evaluate(subject, scope), self.arguments(arguments, scope),
                    expression.position))
        case .list, .tuple, .dictionary: return try collection(expression, scope)
        case .and, .or, .negation, .conditional: return try logic(expression, scope)
        case .sign, .binary, .concatenation: return try arithmetic(expression, scope)
        case .comparison(let first, let rest):
            return .bool(try comparison(first, rest, scope, expression.position))
        }
    }

    func arguments(
        _ arguments: TemplateArguments, _ scope: TemplateScope
    ) throws(TokenizationError) -> RuntimeArguments {
        var result = RuntimeArguments()
        for argument in arguments.positional {
            result.positional.append(try evaluate(argument, scope))
        }
        for argument in arguments.keyword {
            result.keyword.append((argument.name, try evaluate(argument.value, scope)))
        }
        return result
    }

    private func collection(
        _ expression: TemplateExpression, _ scope: TemplateScope
    ) throws(TokenizationError) -> RuntimeValue {
        switch expression.kind {
        case .list(let parts), .tuple(let parts):
            var items: [RuntimeValue] = []
            for part in parts { items.append(try evaluate(part, scope)) }
            if case .tuple = expression.kind { return try sequence(items, .tuple) }
            return try sequence(items)
        case .dictionary(let pairs):
            var result = RuntimeMapping()
            for pair in pairs {
                guard case .string(let key) = try evaluate(pair.key, scope) else {
                    throw failure("the keys of a dict must be strings here", pair.key.position)
                }
                result.set(key, try evaluate(pair.value, scope))
            }
            return try mapping(result)
        default: return .none
        }
    }

    private func logic(
        _ expression: TemplateExpression, _ scope: TemplateScope
    ) throws(TokenizationError) -> RuntimeValue {
        switch expression.kind {
        case .and(let left, let right):
            let value = try evaluate(left, scope)
            return value.isTrue ? try evaluate(right, scope) : value
        case .or(let left, let right):
            let value = try evaluate(left, scope)
            return value.isTrue ? value : try evaluate(right, scope)
        case .negation(let operand): return .bool(try !evaluate(operand, scope).isTrue)
        case .conditional(let condition, let then, let otherwise):
            if try evaluate(condition, scope).isTrue { return try evaluate(then, scope) }
            if let otherwise { return try evaluate(otherwise, scope) }
            return .undefined("the inline if without else was false")
        default: return .none
        }
    }

    private func arithmetic(
        _ expression: TemplateExpression, _ scope: TemplateScope
    ) throws(TokenizationError) -> RuntimeValue {
        switch expression.kind {
        case .sign(let operand, let isMinus):
            return try sign(evaluate(operand, scope), isMinus: isMinus, expression.position)
        case .binary(let left, let operation, let right):
            return try binary(
                evaluate(left, scope), operation, evaluate(right, scope), expression.position)
        case .concatenation(let parts):
            var result = ""
            for part in parts {
                result += try text(of: evaluate(part, scope), part.position)
                try charge(textBytes: result.utf8.count)
            }
            return .string(result)
        default: return .none
        }
    }

    private func comparison(
        _ first: TemplateExpression, _ rest: [(ComparisonOperator, TemplateExpression)],
        _ scope: TemplateScope, _ position: TemplatePosition
    ) throws(TokenizationError) -> Bool {
        var left = try evaluate(first, scope)
        for (comparison, expression) in rest {
            let right = try evaluate(expression, scope)
            guard try compare(left, comparison, right, position) else { return false }
            left = right
        }
        return true
    }

    // MARK: - Access

    private func access(
        _ expression: TemplateExpression, _ scope: TemplateScope
    ) throws(TokenizationError) -> RuntimeValue {
        switch expression.kind {
        case .attribute(let subject, let name):
            return try attribute(name, of: evaluate(subject, scope), expression.position)
        case .item(let subject, let key):
            return try item(
                evaluate(key, scope), of: evaluate(subject, scope), expression.position)
        case .slice(let subject, let bounds):
            let value = try evaluate(subject, scope)
            var numbers: [Int?] = []
            for bound in bounds {
                guard let bound else {
                    numbers.append(nil)
                    continue
                }
                switch try evaluate(bound, scope) {
                case .int(let number): numbers.append(number)
                case .none: numbers.append(nil)
                default: throw failure("slice bounds must be integers", bound.position)
                }
            }
            return try slice(value, numbers, expression.position)
        default: return .none
        }
    }

    /// `value.name`: an attribute of the type, else an item.
    func attribute(
        _ name: String, of value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        switch value {
        case .undefined(let reason): throw failure(reason, position)
        case .namespace(let namespace):
            return namespace.attributes[name]
                ?? .undefined("the namespace has no attribute '\(name)'")
        case .loop(let loop):
            if name == "cycle" { return .method(value, name) }
            guard let found = try loop.attribute(name) else {
                throw failure("'loop.\(name)' is not supported", position)
            }
            return found
        case .mapping(let mapping):
            if let method = try method(name, of: value, position) { return method }
            return mapping[name] ?? .undefined("the dict has no attribute '\(name)'")
        default:
            return try method(name, of: value, position)
                ?? .undefined("'\(value.typeName)' has no attribute '\(name)'")
        }
    }

    private func method(
        _ name: String, of value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue? {
        guard let known = TemplateMethods.names(of: value), known.python.contains(name) else {
            return nil
        }
        guard known.supported.contains(name) else {
            throw failure("the method '\(value.typeName).\(name)' is not supported", position)
        }
        return .method(value, name)
    }

    /// `value[key]`: an item, else an attribute of that name.
    func item(
        _ key: RuntimeValue, of value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        if case .undefined(let reason) = value { throw failure(reason, position) }
        switch (value, key) {
        case (.mapping(let mapping), .string(let name)):
            if let found = mapping[name] { return found }
            return try method(name, of: value, position)
                ?? .undefined("the dict has no key '\(name)'")
        case (.sequence(let sequence), _) where sequence.kind != .view && key.integer != nil:
            let index = key.integer ?? 0
            let count = sequence.items.count
            let place = index < 0 ? index + count : index
            guard (0..<count).contains(place) else {
                return .undefined("the \(sequence.kind.rawValue) has no element \(index)")
            }
            return sequence.items[place]
        case (.string(let text), _) where key.integer != nil:
            let index = key.integer ?? 0
            try charge(textBytes: text.utf8.count)
            let scalars = Array(text.unicodeScalars)
            let place = index < 0 ? index + scalars.count : index
            guard scalars.indices.contains(place) else {
                return .undefined("the text has no character \(index)")
            }
            return .string(String(Character(scalars[place])))
        case (_, .string(let name)):
            return try attribute(name, of: value, position)
        default: return .undefined("'\(value.typeName)' has no such element")
        }
    }

    private func slice(
        _ value: RuntimeValue, _ bounds: [Int?], _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        let step = bounds.count > 2 ? bounds[2] ?? 1 : 1
        guard step != 0, step != .min else {
            throw failure("the step of a slice must not be zero", position)
        }
        func places(_ count: Int) -> [Int] {
            Self.places(bounds[0], bounds[1], step: step, count: count)
        }
        switch value {
        case .undefined(let reason): throw failure(reason, position)
        case .string(let text):
            try charge(textBytes: text.utf8.count)
            let scalars = Array(text.unicodeScalars)
            var result = String.UnicodeScalarView()
            for place in places(scalars.count) { result.append(scalars[place]) }
            return .string(String(result))
        case .sequence(let sequence) where sequence.kind != .view:
            return try self.sequence(
                places(sequence.items.count).map { sequence.items[$0] }, sequence.kind)
        default: return .undefined("'\(value.typeName)' cannot be sliced")
        }
    }

    /// The indices of a slice as Python computes them.
    static func places(_ low: Int?, _ high: Int?, step: Int, count: Int) -> [Int] {
        func clip(_ bound: Int, _ least: Int, _ most: Int) -> Int {
            min(max(bound < 0 ? bound &+ count : bound, least), most)
        }
        if step > 0 {
            let start = clip(low ?? 0, 0, count)
            let end = clip(high ?? count, 0, count)
            return start < end ? Array(stride(from: start, to: end, by: step)) : []
        }
        let start = low.map { clip($0, -1, count - 1) } ?? count - 1
        let end = high.map { clip($0, -1, count - 1) } ?? -1
        return start > end ? Array(stride(from: start, to: end, by: step)) : []
    }

    // MARK: - Calls

    private func call(
        _ function: TemplateExpression, _ arguments: TemplateArguments, _ scope: TemplateScope,
        caller: RuntimeMacro?
    ) throws(TokenizationError) -> RuntimeValue {
        let target = try evaluate(function, scope)
        let values = try self.arguments(arguments, scope)
        switch target {
        case .macro(let macro):
            return try call(macro, values, caller: caller, function.position)
        case .function(let name) where caller == nil:
            return try call(name, values, function.position)
        case .method(let receiver, let name) where caller == nil:
            guard values.keyword.isEmpty else {
                throw failure("'\(name)' is called with a named argument", function.position)
            }
            return try call(name, of: receiver, values.positional, function.position)
        case .undefined(let reason): throw failure(reason, function.position)
        default: throw failure("'\(target.typeName)' cannot be called", function.position)
        }
    }

    private func call(
        _ function: TemplateFunction, _ arguments: RuntimeArguments, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        switch function {
        case .raiseException:
            let message = arguments.positional.first ?? .string("the chat template refused")
            throw TemplateParser.error(.templateRaised, try text(of: message, position), position)
        case .strftimeNow:
            guard case .string(let format)? = arguments.value(0, "format") else {
                throw failure("strftime_now needs a format", position)
            }
            return .string(try now(format, position))
        case .range: return try range(arguments, position)
        case .namespace: return makeNamespace(try dictionary(arguments, position))
        case .dict: return try mapping(dictionary(arguments, position))
        }
    }

    /// The arguments of `dict(…)` and `namespace(…)`.
    private func dictionary(
        _ arguments: RuntimeArguments, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeMapping {
        var result = RuntimeMapping()
        switch arguments.positional.first {
        case nil: break
        case .mapping(let mapping)? where arguments.positional.count == 1: result = mapping
        default: throw failure("only a dict and named arguments are supported here", position)
        }
        for argument in arguments.keyword { result.set(argument.name, argument.value) }
        return result
    }

    private func range(
        _ arguments: RuntimeArguments, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        let numbers = arguments.positional.compactMap(\.integer)
        guard arguments.keyword.isEmpty, (1...3).contains(numbers.count),
            numbers.count == arguments.positional.count
        else { throw failure("range needs one to three integers", position) }
        let start = numbers.count == 1 ? 0 : numbers[0]
        let end = numbers.count == 1 ? numbers[0] : numbers[1]
        let step = numbers.count == 3 ? numbers[2] : 1
        guard step != 0 else { throw failure("the step of a range must not be zero", position) }
        // Jinja's sandbox refuses longer ranges as well.
        let limit = 100_000
        let (distance, overflow) = end.subtractingReportingOverflow(start)
        let reach = distance.magnitude / step.magnitude
        guard !overflow, reach <= UInt(limit) else {
            throw failure("the range is longer than \(limit)", position)
        }
        let items = stride(from: start, to: end, by: step).map { RuntimeValue.int($0) }
        return try sequence(items, .range)
    }
}

extension RuntimeValue {
    /// An integer, with booleans as 0 and 1.
    var integer: Int? {
        switch self {
        case .int(let number): number
        case .bool(let flag): flag ? 1 : 0
        default: nil
        }
    }

    /// A number of any kind.
    var double: Double? {
        if case .double(let number) = self { return number }
        return integer.map(Double.init)
    }
}
