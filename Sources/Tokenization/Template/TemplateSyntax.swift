// SPDX-License-Identifier: Apache-2.0

/// A place in the source of a template; both count from 1, columns in bytes.
struct TemplatePosition: Sendable, Equatable {
    let line: Int
    let column: Int
}

/// An expression of a template.
struct TemplateExpression: Sendable {
    indirect enum Kind: Sendable {
        case constant(TemplateValue)
        case name(String)
        case list([TemplateExpression])
        case tuple([TemplateExpression])
        case dictionary([(key: TemplateExpression, value: TemplateExpression)])
        case attribute(TemplateExpression, String)
        case item(TemplateExpression, TemplateExpression)
        case slice(TemplateExpression, [TemplateExpression?])
        case call(TemplateExpression, TemplateArguments)
        /// The subject is nil only in the filters of a `set` block.
        case filter(TemplateExpression?, String, TemplateArguments)
        case test(TemplateExpression, String, TemplateArguments)
        case negation(TemplateExpression)
        case sign(TemplateExpression, isMinus: Bool)
        case binary(TemplateExpression, BinaryOperator, TemplateExpression)
        case concatenation([TemplateExpression])
        case and(TemplateExpression, TemplateExpression)
        case or(TemplateExpression, TemplateExpression)
        case comparison(TemplateExpression, [(ComparisonOperator, TemplateExpression)])
        case conditional(
            TemplateExpression, then: TemplateExpression, otherwise: TemplateExpression?)
    }

    let kind: Kind
    let position: TemplatePosition
    /// Levels of nesting, which bound the recursion of the interpreter.
    let depth: Int
}

/// The arguments of a call, a filter or a test.
struct TemplateArguments: Sendable {
    var positional: [TemplateExpression] = []
    var keyword: [(name: String, value: TemplateExpression)] = []

    var all: [TemplateExpression] { positional + keyword.map(\.value) }
    var isEmpty: Bool { positional.isEmpty && keyword.isEmpty }
}

enum BinaryOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
}

enum ComparisonOperator: String, Sendable {
    case equal = "=="
    case unequal = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case contained = "in"
    case notContained = "not in"
}

/// What an assignment or a loop assigns to.
indirect enum TemplateTarget: Sendable {
    case name(String)
    case tuple([TemplateTarget])
    /// `namespace.attribute`.
    case attribute(String, String)
}

/// A macro, or the body of a `call` block, which is a macro called `caller`.
struct TemplateMacro: Sendable {
    let name: String
    let parameters: [(name: String, fallback: TemplateExpression?)]
    let body: [TemplateStatement]
    /// Whether the body asks for `caller`, without which a `call` block cannot use the macro.
    let usesCaller: Bool
}

/// A `for` loop.
struct TemplateLoop: Sendable {
    let target: TemplateTarget
    let iterable: TemplateExpression
    let condition: TemplateExpression?
    let body: [TemplateStatement]
    let otherwise: [TemplateStatement]
    let position: TemplatePosition
}

/// A statement of a template.
indirect enum TemplateStatement: Sendable {
    case text(String)
    case output(TemplateExpression)
    case loop(TemplateLoop)
    case branch(
        [(condition: TemplateExpression, body: [TemplateStatement])],
        otherwise: [TemplateStatement])
    case assignment(TemplateTarget, TemplateExpression)
    case blockAssignment(
        TemplateTarget, filter: TemplateExpression?, body: [TemplateStatement], TemplatePosition)
    case macro(TemplateMacro)
    case callBlock(TemplateExpression, TemplateMacro)
    /// `with`, and `generation`, whose body has its own scope.
    case scope([(TemplateTarget, TemplateExpression)], body: [TemplateStatement])
    case breakLoop
    case continueLoop
}
