// SPDX-License-Identifier: Apache-2.0

/// The methods of Python's types that templates may call.
enum TemplateMethods {
    /// The names of one type: those that are implemented, and all that Python has, because such a
    /// name never means an item.
    struct Names {
        let supported: Set<String>
        let python: Set<String>
    }

    private static let text = Names(
        supported: [
            "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith",
            "upper", "lower", "title", "capitalize", "replace", "join", "find", "count",
            "removeprefix", "removesuffix", "isdigit",
        ],
        python: [
            "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs",
            "find", "format", "format_map", "index", "isalnum", "isalpha", "isascii", "isdecimal",
            "isdigit", "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle",
            "isupper", "join", "ljust", "lower", "lstrip", "maketrans", "partition",
            "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition",
            "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title",
            "translate", "upper", "zfill",
        ])
    private static let mapping = Names(
        supported: ["items", "keys", "values", "get"],
        python: [
            "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault",
            "update", "values",
        ])
    private static let list = Names(
        supported: ["index", "count"],
        python: [
            "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove",
            "reverse", "sort",
        ])

    /// Every name that can be called.
    static let all = text.supported.union(mapping.supported).union(list.supported).union(["cycle"])

    static func names(of value: RuntimeValue) -> Names? {
        switch value {
        case .string: text
        case .mapping: mapping
        case .sequence: list
        default: nil
        }
    }
}

extension TemplateInterpreter {
    func call(
        _ name: String, of receiver: RuntimeValue, _ arguments: [RuntimeValue],
        _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        try charge(1)
        switch receiver {
        case .string(let text):
            try charge(textBytes: text.utf8.count)
            return try textMethod(name, text, arguments, position)
        case .mapping(let mapping): return try mappingMethod(name, mapping, arguments, position)
        case .sequence(let sequence):
            guard arguments.count == 1 else { throw wrongArguments(name, position) }
            var found: [Int] = []
            for (index, item) in sequence.items.enumerated()
            where try equal(item, arguments[0]) {
                found.append(index)
            }
            if name == "count" { return .int(found.count) }
            guard let first = found.first else {
                throw failure("the list does not hold this element", position)
            }
            return .int(first)
        case .loop(let loop):
            guard !arguments.isEmpty else { throw failure("nothing to cycle", position) }
            return arguments[loop.index0 % arguments.count]
        default: throw failure("'\(receiver.typeName)' has no method '\(name)'", position)
        }
    }

    private func wrongArguments(
        _ name: String, _ position: TemplatePosition
    ) -> TokenizationError {
        failure("these arguments of '\(name)' are not supported", position)
    }

    private func mappingMethod(
        _ name: String, _ mapping: RuntimeMapping, _ arguments: [RuntimeValue],
        _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        if name == "get" {
            guard case .string(let key)? = arguments.first, arguments.count <= 2 else {
                throw wrongArguments(name, position)
            }
            return mapping[key] ?? (arguments.count == 2 ? arguments[1] : .none)
        }
        guard arguments.isEmpty else { throw wrongArguments(name, position) }
        switch name {
        case "items": return try sequence(mapping.pairs, .view)
        case "keys": return try sequence(mapping.keys.map { .string($0) }, .view)
        default: return try sequence(mapping.values, .view)
        }
    }

    private func textMethod(
        _ name: String, _ text: String, _ arguments: [RuntimeValue], _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        switch (name, arguments.count) {
        case ("upper", 0): return .string(PythonText.uppercased(text))
        case ("lower", 0): return .string(PythonText.lowercased(text))
        case ("title", 0): return .string(PythonText.titled(text))
        case ("capitalize", 0): return .string(PythonText.capitalized(text))
        case ("strip", 0...1), ("lstrip", 0...1), ("rstrip", 0...1):
            let characters = try optionalText(name, arguments.first, position)
            return .string(
                PythonText.stripped(
                    text, characters, left: name != "rstrip", right: name != "lstrip"))
        case ("split", 0...2), ("rsplit", 0...2):
            return try split(name, text, arguments, position)
        case ("splitlines", 0...1):
            let keeps = arguments.first?.isTrue ?? false
            return try sequence(
                PythonText.lines(text, keepsEnds: keeps).map { .string($0) })
        case ("startswith", 1), ("endswith", 1):
            return .bool(try hasAffix(name, text, arguments[0], position))
        case ("removeprefix", 1), ("removesuffix", 1):
            return .string(try withoutAffix(name, text, arguments[0], position))
        case ("replace", 2...3):
            guard case .string(let old) = arguments[0], case .string(let new) = arguments[1] else {
                throw wrongArguments(name, position)
            }
            let limit = arguments.count == 3 ? arguments[2].integer : -1
            guard let limit else { throw wrongArguments(name, position) }
            return .string(try replace(text, old, new, limit))
        case ("join", 1): return .string(try join(text, arguments[0], position))
        case ("find", 1), ("count", 1):
            guard case .string(let part) = arguments[0] else {
                throw wrongArguments(name, position)
            }
            return .int(
                name == "find" ? PythonText.find(part, in: text) : PythonText.count(part, in: text))
        case ("isdigit", 0):
            return .bool(
                !text.isEmpty
                    && text.unicodeScalars.allSatisfy {
                        $0.properties.numericType == .decimal || $0.properties.numericType == .digit
                    })
        default: throw wrongArguments(name, position)
        }
    }

    /// An argument that is a text, or absent or none.
    private func optionalText(
        _ name: String, _ value: RuntimeValue?, _ position: TemplatePosition
    ) throws(TokenizationError) -> String? {
        switch value {
        case nil, .some(.none): return nil
        case .string(let text)?: return text
        default: throw wrongArguments(name, position)
        }
    }

    private func split(
        _ name: String, _ text: String, _ arguments: [RuntimeValue], _ position: TemplatePosition
    ) throws(TokenizationError) -> RuntimeValue {
        let separator = try optionalText(name, arguments.first, position)
        let limit = arguments.count == 2 ? arguments[1].integer : -1
        guard let limit, separator?.isEmpty != true, name == "split" || separator != nil else {
            throw wrongArguments(name, position)
        }
        var parts: [String]
        if let separator {
            parts = PythonText.split(text, on: separator, limit: name == "split" ? limit : -1)
            if name == "rsplit" {
                guard limit >= 0, parts.count > limit + 1 else {
                    return try sequence(parts.map { .string($0) })
                }
                guard !PythonText.overlapsItself(separator) else {
                    throw wrongArguments(name, position)
                }
                let kept = parts.suffix(limit)
                let head = parts.dropLast(limit).joined(separator: separator)
                parts = [head] + kept
            }
        } else {
            parts = PythonText.words(text, limit: limit)
        }
        return try sequence(parts.map { .string($0) })
    }

    private func hasAffix(
        _ name: String, _ text: String, _ affix: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> Bool {
        switch affix {
        case .string(let affix):
            return name.hasSuffix("endswith")
                ? text.utf8.reversed().starts(with: affix.utf8.reversed())
                : text.utf8.starts(with: affix.utf8)
        case .sequence(let sequence) where sequence.kind == .tuple:
            for item in sequence.items {
                guard case .string = item else { throw wrongArguments(name, position) }
                if try hasAffix(name, text, item, position) { return true }
            }
            return false
        default: throw wrongArguments(name, position)
        }
    }

    private func withoutAffix(
        _ name: String, _ text: String, _ affix: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> String {
        guard case .string(let part) = affix else { throw wrongArguments(name, position) }
        let isPrefix = name == "removeprefix"
        guard try hasAffix(isPrefix ? "startswith" : "endswith", text, affix, position) else {
            return text
        }
        let bytes = Array(text.utf8)
        let count = part.utf8.count
        return String(
            decoding: isPrefix ? bytes.dropFirst(count) : bytes.dropLast(count), as: UTF8.self)
    }

    private func join(
        _ separator: String, _ value: RuntimeValue, _ position: TemplatePosition
    ) throws(TokenizationError) -> String {
        var result = ""
        for (index, item) in try items(of: value, position).enumerated() {
            guard case .string(let part) = item else {
                throw failure("join needs texts, not '\(item.typeName)'", position)
            }
            if index > 0 { result += separator }
            result += part
            guard result.utf8.count <= Self.textLimit else { break }
        }
        try charge(textBytes: result.utf8.count)
        return result
    }
}
