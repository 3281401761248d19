// SPDX-License-Identifier: Apache-2.0

/// A value while a template runs, with the distinctions that Python makes.
indirect enum RuntimeValue {
    /// Absent; the text says what was missing.
    case undefined(String)
    case none
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case sequence(RuntimeSequence)
    case mapping(RuntimeMapping)
    case namespace(RuntimeNamespace)
    case macro(RuntimeMacro)
    case function(TemplateFunction)
    case loop(TemplateLoopState)
    case generator(RuntimeGenerator)
    /// A method of a value that has not been called yet.
    case method(RuntimeValue, String)

    static func list(_ items: [RuntimeValue]) -> RuntimeValue {
        .sequence(RuntimeSequence(items, .list))
    }

    static func tuple(_ items: [RuntimeValue]) -> RuntimeValue {
        .sequence(RuntimeSequence(items, .tuple))
    }

    /// Levels of containers within containers.
    var depth: Int {
        switch self {
        case .sequence(let sequence): sequence.depth
        case .mapping(let mapping): mapping.depth
        case .method(let receiver, _): receiver.depth + 1
        case .loop(let loop): loop.depth
        case .generator(let generator): generator.depth
        default: 0
        }
    }

    /// The name Python gives to the type, for messages.
    var typeName: String {
        switch self {
        case .undefined: "undefined"
        case .none: "None"
        case .bool: "bool"
        case .int: "int"
        case .double: "float"
        case .string: "str"
        case .sequence(let sequence): sequence.kind.rawValue
        case .mapping: "dict"
        case .namespace: "namespace"
        case .macro: "macro"
        case .function, .method: "function"
        case .loop: "loop"
        case .generator: "generator"
        }
    }

    /// Python's truth value.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let flag): flag
        case .int(let number): number != 0
        case .double(let number): number != 0
        case .string(let text): !text.isEmpty
        case .sequence(let sequence): !sequence.items.isEmpty
        case .mapping(let mapping): mapping.count > 0
        case .namespace, .macro, .function, .loop, .generator, .method: true
        }
    }

    var isUndefined: Bool {
        if case .undefined = self { return true }
        return false
    }
}

/// A list or what behaves like one.
struct RuntimeSequence {
    enum Kind: String {
        case list
        case tuple
        /// What `dict.items()` and its kin give: counted and iterable, but without indices.
        case view = "dict view"
        case range
    }

    let items: [RuntimeValue]
    let kind: Kind
    let depth: Int

    init(_ items: [RuntimeValue], _ kind: Kind) {
        self.items = items
        self.kind = kind
        depth = (items.lazy.map(\.depth).max() ?? 0) + 1
    }
}

/// A dictionary with string keys in the order of insertion, compared byte by byte.
struct RuntimeMapping {
    private(set) var keys: [String] = []
    private(set) var values: [RuntimeValue] = []
    private(set) var depth = 1
    /// Where each key is, once there are too many to look at one by one.
    private var index: [[UInt8]: Int] = [:]

    private static let scanLimit = 12

    var count: Int { keys.count }

    private func position(of key: String) -> Int? {
        if keys.count > Self.scanLimit { return index[Array(key.utf8)] }
        return keys.firstIndex { PythonText.equal($0, key) }
    }

    subscript(key: String) -> RuntimeValue? {
        position(of: key).map { values[$0] }
    }

    mutating func set(_ key: String, _ value: RuntimeValue) {
        depth = max(depth, value.depth + 1)
        if let position = position(of: key) {
            values[position] = value
            return
        }
        keys.append(key)
        values.append(value)
        if keys.count == Self.scanLimit + 1 {
            for (position, key) in keys.enumerated() { index[Array(key.utf8)] = position }
        } else if keys.count > Self.scanLimit {
            index[Array(key.utf8)] = keys.count - 1
        }
    }
}

/// What `namespace(…)` makes: the only thing whose attributes a template can set.
final class RuntimeNamespace {
    var attributes = RuntimeMapping()
}

/// A macro with the scope it was defined in.
final class RuntimeMacro {
    let definition: TemplateMacro
    let scope: TemplateScope

    init(_ definition: TemplateMacro, _ scope: TemplateScope) {
        self.definition = definition
        self.scope = scope
    }
}

/// What `map`, `select` and their kin give: always true, and used up by being looked at.
final class RuntimeGenerator {
    private let items: [RuntimeValue]
    private var position = 0
    let depth: Int

    init(_ items: [RuntimeValue]) {
        self.items = items
        depth = (items.lazy.map(\.depth).max() ?? 0) + 1
    }

    func next() -> RuntimeValue? {
        guard position < items.count else { return nil }
        defer { position += 1 }
        return items[position]
    }

    func rest() -> [RuntimeValue] {
        defer { position = items.count }
        return Array(items[position...])
    }
}

/// The names of one block; looked up outwards.
final class TemplateScope {
    private var names: [String: RuntimeValue] = [:]
    let parent: TemplateScope?

    init(parent: TemplateScope?) { self.parent = parent }

    func find(_ name: String) -> RuntimeValue? {
        var scope: TemplateScope? = self
        while let here = scope {
            if let value = here.names[name] { return value }
            scope = here.parent
        }
        return nil
    }

    func set(_ name: String, _ value: RuntimeValue) { names[name] = value }

    /// Lets go of everything, to break cycles through macros.
    func clear() { names = [:] }
}

/// The functions every template can call.
enum TemplateFunction: String, CaseIterable {
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
    case range
    case namespace
    case dict
}
