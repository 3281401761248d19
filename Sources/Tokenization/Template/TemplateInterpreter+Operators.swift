// SPDX-License-Identifier: Apache-2.0

import Foundation

extension TemplateInterpreter {
    // MARK: - Arithmetic

    func sign(
        _ value: RuntimeValue, isMinus: Bool, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        if case .undefined(let reason) = value { throw failure(reason, position) }
        if case .double(let number) = value { return .double(isMinus ? -number : number) }
        guard let number = value.integer, number != .min else {
            throw failure("'\(value.typeName)' has no sign", position)
        }
        return .int(isMinus ? -number : number)
    }

    func binary(
        _ left: RuntimeValue, _ operation: BinaryOperator, _ right: RuntimeValue,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        for operand in [left, right] {
            if case .undefined(let reason) = operand { throw failure(reason, position) }
        }
        if let low = left.integer, let high = right.integer {
            return try integers(low, operation, high, position)
        }
        if let low = left.double, let high = right.double {
            return try doubles(low, operation, high, position)
        }
        switch (left, operation, right) {
        case (.string(let low), .add, .string(let high)):
            try charge(textBytes: low.utf8.count + high.utf8.count)
            return .string(low + high)
        case (.sequence(let low), .add, .sequence(let high))
        where low.kind == high.kind && (low.kind == .list || low.kind == .tuple):
            return try sequence(low.items + high.items, low.kind)
        case (.string(let text), .multiply, _) where right.integer != nil:
            return try repeated(text, right.integer ?? 0)
        case (_, .multiply, .string(let text)) where left.integer != nil:
            return try repeated(text, left.integer ?? 0)
        case (.sequence(let items), .multiply, _)
        where right.integer != nil && items.kind == .list:
            return try repeated(items.items, right.integer ?? 0)
        default:
            throw failure(
                "'\(operation.rawValue)' is not possible between '\(left.typeName)' and "
                    + "'\(right.typeName)'", position)
        }
    }

    private func repeated(
        _ text: String, _ count: Int
    ) throws(TokenizationError) -> RuntimeValue {
        let (bytes, overflow) = text.utf8.count.multipliedReportingOverflow(by: max(0, count))
        try charge(textBytes: overflow ? .max : bytes)
        return .string(text.isEmpty ? "" : String(repeating: text, count: max(0, count)))
    }

    private func repeated(
        _ items: [RuntimeValue], _ count: Int
    ) throws(TokenizationError) -> RuntimeValue {
        let (total, overflow) = items.count.multipliedReportingOverflow(by: max(0, count))
        guard !overflow, total <= Self.elementLimit else {
            throw TokenizationError(.limitExceeded, "the chat template makes too large a list")
        }
        var result: [RuntimeValue] = []
        for _ in 0..<(items.isEmpty ? 0 : max(0, count)) { result += items }
        return try sequence(result)
    }

    private func integers(
        _ left: Int, _ operation: BinaryOperator, _ right: Int, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        var result: (partialValue: Int, overflow: Bool)
        switch operation {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .divide: return try doubles(Double(left), .divide, Double(right), position)
        case .floorDivide, .modulo:
            guard right != 0 else { throw failure("division by zero", position) }
            let (quotient, overflow) = left.dividedReportingOverflow(by: right)
            let remainder = overflow ? 0 : left % right
            let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
            if operation == .modulo { return .int(isBelow ? remainder + right : remainder) }
            result = (isBelow ? quotient - 1 : quotient, overflow)
        case .power:
            guard right >= 0 else { return .double(pow(Double(left), Double(right))) }
            result = Self.power(left, right)
        }
        guard !result.overflow else { throw failure("the number is too large", position) }
        return .int(result.partialValue)
    }

    private static func power(_ base: Int, _ exponent: Int) -> (Int, Bool) {
        var result = 1
        if (-1...1).contains(base) {
            return (base == -1 && exponent % 2 == 0 || exponent == 0 ? 1 : base, false)
        }
        for _ in 0..<min(exponent, 64) {
            let (next, overflow) = result.multipliedReportingOverflow(by: base)
            if overflow { return (0, true) }
            result = next
        }
        return (result, exponent > 64)
    }

    private func doubles(
        _ left: Double, _ operation: BinaryOperator, _ right: Double, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        let needsDivisor = operation == .divide || operation == .floorDivide || operation == .modulo
        guard right != 0 || !needsDivisor else { throw failure("division by zero", position) }
        switch operation {
        case .add: return .double(left + right)
        case .subtract: return .double(left - right)
        case .multiply: return .double(left * right)
        case .divide: return .double(left / right)
        case .floorDivide: return .double((left / right).rounded(.down))
        case .modulo:
            let remainder = fmod(left, right)
            let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
            return .double(isBelow ? remainder + right : remainder)
        case .power: return .double(pow(left, right))
        }
    }

    // MARK: - Comparison

    func compare(
        _ left: RuntimeValue, _ comparison: ComparisonOperator, _ right: RuntimeValue,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> Bool {
        switch comparison {
        case .equal: return try equal(left, right)
        case .unequal: return try !equal(left, right)
        case .contained: return try contains(right, left, position)
        case .notContained: return try !contains(right, left, position)
        case .less: return try precedes(left, right, position)
        case .greater: return try precedes(right, left, position)
        case .lessOrEqual:
            let isLess = try precedes(left, right, position)
            return try isLess ? true : equal(left, right)
        case .greaterOrEqual:
            let isGreater = try precedes(right, left, position)
            return try isGreater ? true : equal(left, right)
        }
    }

    func equal(_ left: RuntimeValue, _ right: RuntimeValue) throws(TokenizationError) -> Bool {
        try charge(1)
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let low), .string(let high)):
            try charge(min(low.utf8.count, high.utf8.count) / 64)
            return PythonText.equal(low, high)
        case (.sequence(let low), .sequence(let high)):
            guard low.kind == high.kind, low.items.count == high.items.count else { return false }
            for (one, other) in zip(low.items, high.items) {
                guard try equal(one, other) else { return false }
            }
            return true
        case (.mapping(let low), .mapping(let high)):
            guard low.count == high.count else { return false }
            for (key, value) in zip(low.keys, low.values) {
                guard let other = high[key], try equal(value, other) else { return false }
            }
            return true
        case (.namespace(let low), .namespace(let high)): return low === high
        case (.macro(let low), .macro(let high)): return low === high
        case (.generator(let low), .generator(let high)): return low === high
        case (.loop(let low), .loop(let high)): return low === high
        case (.function(let low), .function(let high)): return low == high
        default:
            if let low = left.integer, let high = right.integer { return low == high }
            guard let low = left.double, let high = right.double else { return false }
            return low == high
        }
    }

    private func precedes(
        _ left: RuntimeValue, _ right: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> Bool {
        for operand in [left, right] {
            if case .undefined(let reason) = operand { throw failure(reason, position) }
        }
        if let low = left.integer, let high = right.integer { return low < high }
        if let low = left.double, let high = right.double { return low < high }
        switch (left, right) {
        case (.string(let low), .string(let high)):
            try charge(min(low.utf8.count, high.utf8.count) / 64)
            return PythonText.precedes(low, high)
        case (.sequence(let low), .sequence(let high))
        where low.kind == high.kind && (low.kind == .list || low.kind == .tuple):
            for (one, other) in zip(low.items, high.items) where try !equal(one, other) {
                return try precedes(one, other, position)
            }
            return low.items.count < high.items.count
        default:
            throw failure(
                "'\(left.typeName)' and '\(right.typeName)' have no order", position)
        }
    }

    /// Whether `item` is in `container`.
    func contains(
        _ container: RuntimeValue, _ item: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> Bool {
        switch container {
        case .undefined: return false
        case .string(let text):
            guard case .string(let part) = item else {
                throw failure("'in' a text needs a text, not '\(item.typeName)'", position)
            }
            try charge(textBytes: text.utf8.count)
            let pattern = Array(part.utf8)
            if pattern.isEmpty { return true }
            return !PythonText.occurrences(of: pattern, in: Array(text.utf8)).isEmpty
        case .sequence(let sequence):
            for element in sequence.items where try equal(element, item) { return true }
            return false
        case .mapping(let mapping):
            guard case .string(let key) = item else { return false }
            return mapping[key] != nil
        case .generator(let generator):
            while let element = generator.next() {
                if try equal(element, item) { return true }
            }
            return false
        default: throw failure("'\(container.typeName)' has no elements", position)
        }
    }
}
