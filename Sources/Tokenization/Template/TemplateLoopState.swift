// SPDX-License-Identifier: Apache-2.0

/// One running `for` loop and what the name `loop` gives inside it.
///
/// With a condition elements are looked at only when they are needed, as Jinja does, because the
/// condition may depend on what the body changes.
final class TemplateLoopState {
    typealias Accepts = (RuntimeValue) throws(TokenizationError) -> Bool

    private let items: [RuntimeValue]
    private var accepts: Accepts?
    private var source = 0
    /// Accepted elements that the loop has not reached.
    private var ahead: [RuntimeValue] = []
    private var previous: RuntimeValue?
    private var current: RuntimeValue?
    /// Elements begun so far.
    private var begun = 0
    /// Levels of containers in the elements, as of ``RuntimeValue/depth``.
    let depth: Int

    init(_ items: [RuntimeValue], accepts: Accepts?) {
        self.items = items
        self.accepts = accepts
        depth = (items.lazy.map(\.depth).max() ?? 0) + 1
    }

    /// Forgets the condition, which refers to the interpreter.
    func end() { accepts = nil }

    private func pull() throws(TokenizationError) -> RuntimeValue? {
        while source < items.count {
            let item = items[source]
            source += 1
            guard let accepts else { return item }
            if try accepts(item) { return item }
        }
        return nil
    }

    private func peek() throws(TokenizationError) -> RuntimeValue? {
        if ahead.isEmpty, let item = try pull() { ahead.append(item) }
        return ahead.first
    }

    /// Goes on to the next element.
    func next() throws(TokenizationError) -> RuntimeValue? {
        let item = ahead.isEmpty ? try pull() : ahead.removeFirst()
        guard let item else { return nil }
        previous = current
        current = item
        begun += 1
        return item
    }

    private func length() throws(TokenizationError) -> Int {
        guard accepts != nil else { return items.count }
        while let item = try pull() { ahead.append(item) }
        return begun + ahead.count
    }

    /// The value of `loop.name`, or nil when there is no such attribute.
    func attribute(_ name: String) throws(TokenizationError) -> RuntimeValue? {
        switch name {
        case "index": .int(begun)
        case "index0": .int(begun - 1)
        case "first": .bool(begun == 1)
        case "last": .bool(try peek() == nil)
        case "length": .int(try length())
        case "revindex": .int(try length() - begun + 1)
        case "revindex0": .int(try length() - begun)
        case "previtem": previous ?? .undefined("there is no previous item")
        case "nextitem": try peek() ?? .undefined("there is no next item")
        // Only recursion makes loops deeper.
        case "depth": .int(1)
        case "depth0": .int(0)
        default: nil
        }
    }

    var index0: Int { begun - 1 }
}
