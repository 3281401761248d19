// SPDX-License-Identifier: Apache-2.0

/// The tests that templates may use after `is`.
enum TemplateTests {
    static let aliases = [
        "==": "eq", "equalto": "eq", "!=": "ne", ">": "gt", "greaterthan": "gt", ">=": "ge",
        "<": "lt", "lessthan": "lt", "<=": "le",
    ]

    static let signatures: [String: TemplateSignature] = [
        "defined": TemplateSignature(),
        "undefined": TemplateSignature(),
        "none": TemplateSignature(),
        "true": TemplateSignature(),
        "false": TemplateSignature(),
        "boolean": TemplateSignature(),
        "integer": TemplateSignature(),
        "float": TemplateSignature(),
        "number": TemplateSignature(),
        "string": TemplateSignature(),
        "mapping": TemplateSignature(),
        "sequence": TemplateSignature(),
        "iterable": TemplateSignature(),
        "callable": TemplateSignature(),
        "odd": TemplateSignature(),
        "even": TemplateSignature(),
        "divisibleby": TemplateSignature(1, "num"),
        "eq": TemplateSignature(1, "other"),
        "ne": TemplateSignature(1, "other"),
        "lt": TemplateSignature(1, "other"),
        "le": TemplateSignature(1, "other"),
        "gt": TemplateSignature(1, "other"),
        "ge": TemplateSignature(1, "other"),
        "in": TemplateSignature(1, "seq"),
    ]
}

extension TemplateInterpreter {
    func test(
        _ name: String, _ value: RuntimeValue, _ arguments: RuntimeArguments,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> Bool {
        switch name {
        case "odd", "even", "divisibleby":
            let divisor = name == "divisibleby" ? arguments.value(0, "num") ?? .none : .int(2)
            let rest = try binary(value, .modulo, divisor, position)
            return try equal(rest, .int(name == "odd" ? 1 : 0))
        case "eq", "ne", "lt", "le", "gt", "ge", "in":
            let other = arguments.value(0, name == "in" ? "seq" : "other") ?? .none
            let operators: [String: ComparisonOperator] = [
                "eq": .equal, "ne": .unequal, "lt": .less, "le": .lessOrEqual, "gt": .greater,
                "ge": .greaterOrEqual, "in": .contained,
            ]
            return try compare(value, operators[name] ?? .equal, other, position)
        default: return kind(value, is: name)
        }
    }

    private func kind(_ value: RuntimeValue, is name: String) -> Bool {
        switch (name, value) {
        case ("defined", .undefined): false
        case ("defined", _): true
        case ("undefined", .undefined), ("none", .none), ("true", .bool(true)),
            ("false", .bool(false)), ("boolean", .bool), ("integer", .int), ("float", .double),
            ("string", .string), ("mapping", .mapping):
            true
        case ("number", .int), ("number", .double), ("number", .bool): true
        case ("callable", .macro), ("callable", .function), ("callable", .method): true
        case ("sequence", .sequence(let sequence)): sequence.kind != .view
        case ("sequence", .string), ("sequence", .mapping), ("sequence", .undefined): true
        case ("iterable", .sequence), ("iterable", .string), ("iterable", .mapping),
            ("iterable", .undefined), ("iterable", .generator), ("iterable", .loop):
            true
        default: false
        }
    }
}
