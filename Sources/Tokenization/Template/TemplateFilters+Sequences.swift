// SPDX-License-Identifier: Apache-2.0

extension TemplateInterpreter {
    func sequenceFilter(
        _ name: String, _ value: RuntimeValue, _ arguments: RuntimeArguments,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        switch name {
        case "first": return try first(of: value, position)
        case "last": return try last(of: value, position)
        case "list": return try sequence(items(of: value, position))
        case "join": return .string(try joined(value, arguments, position))
        case "items":
            if value.isUndefined { return try generator([]) }
            guard case .mapping(let mapping) = value else {
                throw failure("'items' needs a dict, not '\(value.typeName)'", position)
            }
            return try generator(mapping.pairs)
        case "dictsort":
            guard case .mapping(let mapping) = value else {
                throw failure("'dictsort' needs a dict, not '\(value.typeName)'", position)
            }
            let order = try sorted(mapping.keys.map { .string($0) }, .init(), position)
            return try sequence(order.map { mapping.pairs[$0] })
        case "reverse":
            if case .string(let text) = value {
                try charge(textBytes: text.utf8.count)
                return .string(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
            }
            return try generator(items(of: value, position).reversed())
        case "sort":
            let items = try items(of: value, position)
            return try sequence(sorted(items, arguments, position).map { items[$0] })
        case "unique": return try unique(value, arguments, position)
        default: throw failure("the filter '\(name)' is not supported", position)
        }
    }

    private func first(
        of value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        let found: RuntimeValue?
        switch value {
        case .generator(let generator): found = generator.next()
        case .string(let text):
            found = text.unicodeScalars.first.map { .string(String(Character($0))) }
        default: found = try items(of: value, position).first
        }
        return found ?? .undefined("the sequence is empty, it has no first element")
    }

    private func last(
        of value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        let found: RuntimeValue?
        switch value {
        case .generator: throw failure("a generator has no last element; use 'list'", position)
        case .string(let text):
            found = text.unicodeScalars.last.map { .string(String(Character($0))) }
        default: found = try items(of: value, position).last
        }
        return found ?? .undefined("the sequence is empty, it has no last element")
    }

    private func joined(
        _ value: RuntimeValue, _ arguments: RuntimeArguments, _ position: TemplatePosition
    ) throws(TokenizationError) -> String {
        let separator = try text(of: arguments.value(0, "d") ?? .string(""), position)
        var result = ""
        for (index, item) in try items(of: value, position).enumerated() {
            if index > 0 { result += separator }
            result += try text(
                of: attribute(arguments.value(1, "attribute"), of: item, position), position)
            guard result.utf8.count <= Self.textLimit else { break }
        }
        try charge(textBytes: result.utf8.count)
        return result
    }

    /// The attribute a filter was told to look at, `a.b` meaning `b` of `a`; without one the item.
    private func attribute(
        _ path: RuntimeValue?, of item: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        switch path {
        case nil, .some(.none): return item
        case .int(let index)?: return try self.item(.int(index), of: item, position)
        case .string(let path)?:
            var result = item
            for part in PythonText.split(path, on: ".", limit: -1) {
                let isIndex = !part.isEmpty && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
                let key = isIndex ? Int(part).map { RuntimeValue.int($0) } : nil
                result = try self.item(key ?? .string(part), of: result, position)
            }
            return result
        default: throw failure("the attribute must be a name", position)
        }
    }

    /// Text compares without regard to case unless told otherwise.
    private func folded(_ value: RuntimeValue, _ isExact: Bool) -> RuntimeValue {
        guard !isExact, case .string(let text) = value else { return value }
        return .string(PythonText.lowercased(text))
    }

    /// The order in which `items` are sorted, as indices.
    private func sorted(
        _ items: [RuntimeValue], _ arguments: RuntimeArguments, _ position: TemplatePosition
    ) throws(TokenizationError) -> [Int] {
        let isReversed = arguments.value(0, "reverse")?.isTrue ?? false
        let isExact = arguments.value(1, "case_sensitive")?.isTrue ?? false
        var keys: [RuntimeValue] = []
        for item in items {
            let key = try attribute(arguments.value(2, "attribute"), of: item, position)
            keys.append(folded(key, isExact))
        }
        // Merge sort, stable like Python's; the comparison can fail, so not the library's.
        var order = Array(items.indices)
        var width = 1
        while width < order.count {
            var merged: [Int] = []
            for start in stride(from: 0, to: order.count, by: width * 2) {
                var left = order[start..<min(start + width, order.count)]
                var right = order[
                    min(start + width, order.count)..<min(start + 2 * width, order.count)]
                while let low = left.first, let high = right.first {
                    let takesRight =
                        try isReversed
                        ? compare(keys[low], .less, keys[high], position)
                        : compare(keys[high], .less, keys[low], position)
                    merged.append(takesRight ? right.removeFirst() : left.removeFirst())
                    try charge(1)
                }
                merged += left + right
            }
            order = merged
            width *= 2
        }
        return order
    }

    private func unique(
        _ value: RuntimeValue, _ arguments: RuntimeArguments, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        let isExact = arguments.value(0, "case_sensitive")?.isTrue ?? false
        var keys: [RuntimeValue] = []
        var result: [RuntimeValue] = []
        items: for item in try items(of: value, position) {
            let attribute = try attribute(arguments.value(1, "attribute"), of: item, position)
            let key = folded(attribute, isExact)
            for known in keys where try equal(known, key) { continue items }
            keys.append(key)
            result.append(item)
        }
        return try generator(result)
    }

    // MARK: - Filters that take a filter or a test

    func generatorFilter(
        _ name: String, _ value: RuntimeValue, _ arguments: RuntimeArguments,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        var result: [RuntimeValue] = []
        for item in try items(of: value, position) {
            try charge(1)
            if name == "map" {
                result.append(try mapped(item, arguments, position))
            } else if try isSelected(item, name, arguments, position) {
                result.append(item)
            }
        }
        return try generator(result)
    }

    private func mapped(
        _ item: RuntimeValue, _ arguments: RuntimeArguments, _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        guard case .string(let filter)? = arguments.positional.first else {
            let path = arguments.value(.max, "attribute")
            let found = try attribute(path, of: item, position)
            guard found.isUndefined, let fallback = arguments.value(.max, "default") else {
                return found
            }
            return fallback
        }
        let rest = RuntimeArguments(positional: Array(arguments.positional.dropFirst()))
        let plain = TemplateFilters.aliases[filter] ?? filter
        return try apply(plain, to: item, rest, position)
    }

    private func isSelected(
        _ item: RuntimeValue, _ name: String, _ arguments: RuntimeArguments,
        _ position: TemplatePosition
    ) throws(TokenizationError) -> Bool {
        var rest = arguments.positional[...]
        var subject = item
        if name.hasSuffix("attr"), let path = rest.popFirst() {
            subject = try attribute(path, of: item, position)
        }
        let accepts: Bool
        if case .string(let spelled)? = rest.popFirst() {
            accepts = try test(
                TemplateTests.aliases[spelled] ?? spelled, subject,
                RuntimeArguments(positional: Array(rest)), position)
        } else {
            accepts = subject.isTrue
        }
        return accepts != name.hasPrefix("reject")
    }
}

extension RuntimeMapping {
    /// The members as tuples of key and value.
    var pairs: [RuntimeValue] {
        zip(keys, values).map { .tuple([.string($0), $1]) }
    }
}
