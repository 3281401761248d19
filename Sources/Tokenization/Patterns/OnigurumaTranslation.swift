// SPDX-License-Identifier: Apache-2.0

/// Rewrites a regular expression from Oniguruma's syntax (`ONIG_SYNTAX_ONIGURUMA`) into PCRE2's.
///
/// Differences that matter: `\h` is a hexadecimal digit, `(?m)` lets the dot match a newline,
/// `(?i)` in the middle of a group covers its later alternatives, `{n,m}+` repeats instead of being
/// possessive, `\w`, `\d`, `\s` and properties follow a newer Unicode. Whatever is not known to
/// mean the same is refused. Source: Oniguruma `doc/RE` and `doc/SYNTAX.md`.
struct OnigurumaTranslation {
    private struct Group {
        let start: Int
        /// Groups opened for an isolated option, closed together with this one.
        var optionGroups = 0
    }

    private static let depthLimit = 100

    private var scalars: [Unicode.Scalar]
    private var position = 0
    private var output: [UInt8] = []
    private var groups: [Group] = [Group(start: 0)]
    /// Where the last atom begins in `output`, or nil when there is none to repeat.
    private var atom: Int?

    static func translate(_ source: String) throws(TokenizationError) -> String {
        guard source.utf8.count <= CompiledPattern.sourceLimit else {
            throw TokenizationError(.limitExceeded, "the regular expression is too long")
        }
        var translation = OnigurumaTranslation(scalars: Array(source.unicodeScalars))
        try translation.run()
        return String(decoding: translation.output, as: UTF8.self)
    }

    private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private func refuse(_ what: String) -> TokenizationError {
        TokenizationError(
            .unsupportedFeature,
            "\(what) at character \(position) of a regular expression is not supported")
    }

    private func peek(_ offset: Int = 0) -> Unicode.Scalar? {
        position + offset < scalars.count ? scalars[position + offset] : nil
    }

    private mutating func emit(_ text: String) { output += text.utf8 }

    private mutating func emitAtom(_ text: String) {
        atom = output.count
        emit(text)
    }

    private mutating func run() throws(TokenizationError) {
        while let scalar = peek() {
            position += 1
            switch scalar {
            case "\\": try escape()
            case "[": emitAtom(try characterClass())
            case "(": try openGroup()
            case ")": try closeGroup()
            case "|":
                emit("|")
                atom = nil
            case "*", "+", "?": try simpleQuantifier(scalar)
            case "{": try interval()
            case "^", "$", ".": emitAtom(String(Character(scalar)))
            default: emitAtom(Self.literal(scalar))
            }
        }
        guard groups.count == 1 else { throw refuse("an unclosed group") }
        emit(String(repeating: ")", count: groups[0].optionGroups))
    }

    /// One scalar as PCRE2 source that stands for itself, inside a class or outside.
    private static func literal(_ scalar: Unicode.Scalar) -> String {
        let value = scalar.value
        let isPlain =
            (0x30...0x39).contains(value) || (0x41...0x5A).contains(value)
            || (0x61...0x7A).contains(value)
        if isPlain { return String(Character(scalar)) }
        return "\\x{\(String(value, radix: 16))}"
    }
}

// MARK: - Groups and quantifiers

extension OnigurumaTranslation {
    private mutating func openGroup() throws(TokenizationError) {
        guard groups.count < Self.depthLimit else { throw refuse("nesting this deep") }
        let start = output.count
        atom = nil
        guard peek() == "?" else {
            groups.append(Group(start: start))
            return emit("(?:")
        }
        position += 1
        for opener in [":", "=", "!", ">", "<=", "<!"] where isNext(opener) {
            position += opener.unicodeScalars.count
            groups.append(Group(start: start))
            return emit("(?\(opener)")
        }
        if peek() == "#" {
            while let scalar = peek(), scalar != ")" { position += scalar == "\\" ? 2 : 1 }
            position += 1
        } else if peek() == "<" {
            while let scalar = peek(), scalar != ">" { position += 1 }
            position += 1
            groups.append(Group(start: start))
            emit("(?:")
        } else {
            try options(from: start)
        }
    }

    private func isNext(_ text: String) -> Bool {
        scalars.dropFirst(position).starts(with: text.unicodeScalars)
    }

    private mutating func options(from start: Int) throws(TokenizationError) {
        var flags = ""
        while let scalar = peek(), scalar != ":", scalar != ")" {
            switch scalar {
            case "i", "-": flags.unicodeScalars.append(scalar)
            case "m": flags += "s"
            default: throw refuse("the group '(?\(scalar)'")
            }
            position += 1
        }
        guard let end = peek() else { throw refuse("an unclosed group") }
        position += 1
        if end == ":" {
            groups.append(Group(start: start))
        } else {
            groups[groups.count - 1].optionGroups += 1
        }
        emit("(?\(flags):")
    }

    private mutating func closeGroup() throws(TokenizationError) {
        guard groups.count > 1, let group = groups.popLast() else {
            throw refuse("an unmatched ')'")
        }
        emit(String(repeating: ")", count: group.optionGroups + 1))
        atom = group.start
    }

    private mutating func simpleQuantifier(_ scalar: Unicode.Scalar) throws(TokenizationError) {
        guard atom != nil else { throw refuse("a quantifier without something to repeat") }
        emit(String(Character(scalar)))
        if let next = peek(), next == "?" || next == "+" {
            emit(String(Character(next)))
            position += 1
        }
        atom = nil
    }

    private mutating func interval() throws(TokenizationError) {
        let start = position
        let low = number()
        let hasComma = peek() == ","
        if hasComma { position += 1 }
        let high = hasComma ? number() : low
        guard peek() == "}", low != nil || high != nil else {
            position = start
            return emitAtom("\\{")
        }
        position += 1
        guard let atom else { throw refuse("a quantifier without something to repeat") }
        guard max(low ?? 0, high ?? 0) <= 10_000 else { throw refuse("a repeat above 10000") }
        emit(hasComma ? "{\(low ?? 0),\(high.map(String.init) ?? "")}" : "{\(low ?? 0)}")
        if peek() == "+" || (peek() == "?" && !hasComma) {
            output.insert(contentsOf: "(?:".utf8, at: atom)
            emit(peek() == "+" ? ")+" : ")?")
            position += 1
        } else if peek() == "?" {
            emit("?")
            position += 1
        }
        self.atom = nil
    }

    private mutating func number() -> Int? {
        let start = position
        while let scalar = peek(), ("0"..."9").contains(scalar) { position += 1 }
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars[start..<position])
        return text.isEmpty ? nil : Int(text) ?? .max
    }
}

// MARK: - Escapes

extension OnigurumaTranslation {
    private mutating func escape() throws(TokenizationError) {
        guard let scalar = peek() else { throw refuse("a trailing backslash") }
        switch scalar {
        case "A", "z", "Z", "G", "R":
            position += 1
            emitAtom("\\\(scalar)")
        case "b", "B":
            position += 1
            let word = "[\(ScalarSet.word.items)]"
            let same = scalar == "B"
            emitAtom("(?:(?<=\(word))(?\(same ? "=" : "!")\(word))")
            emit("|(?<!\(word))(?\(same ? "!" : "=")\(word)))")
        default:
            if let (set, isNegated) = try setEscape() {
                emitAtom("[\(isNegated ? "^" : "")\(set.items)]")
            } else {
                emitAtom(Self.literal(try scalarEscape(inClass: false)))
            }
        }
    }

    /// `\w`, `\p{L}` and the like after the backslash; nil when it is not such an escape.
    private mutating func setEscape() throws(TokenizationError) -> (ScalarSet, Bool)? {
        guard let scalar = peek() else { return nil }
        let set: ScalarSet
        switch scalar {
        case "w", "W": set = .word
        case "d", "D": set = .digit
        case "s", "S": set = .space
        case "h", "H": set = .hexDigit
        case "p", "P": return try property(isNegated: scalar == "P")
        default: return nil
        }
        position += 1
        return (set, ("A"..."Z").contains(scalar))
    }

    private mutating func property(isNegated: Bool) throws(TokenizationError) -> (ScalarSet, Bool) {
        guard peek(1) == "{" else { throw refuse("a property without braces") }
        position += 2
        var isNegated = isNegated
        if peek() == "^" {
            isNegated.toggle()
            position += 1
        }
        var name = ""
        while let scalar = peek(), scalar != "}" {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        position += 1
        guard let set = ScalarSet.property(name) else { throw refuse("the property '\(name)'") }
        return (set, isNegated)
    }

    private mutating func scalarEscape(
        inClass: Bool
    ) throws(TokenizationError) -> Unicode.Scalar {
        guard let scalar = peek() else { throw refuse("a trailing backslash") }
        position += 1
        switch scalar {
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "f": return "\u{0C}"
        case "v": return "\u{0B}"
        case "a": return "\u{07}"
        case "e": return "\u{1B}"
        case "b" where inClass: return "\u{08}"
        case "x": return try hexadecimal(digits: 2)
        case "u": return try hexadecimal(digits: 4)
        case "0": return "\0"
        case "a"..."z", "A"..."Z", "0"..."9": throw refuse("the escape '\\\(scalar)'")
        default: return scalar
        }
    }

    private mutating func hexadecimal(digits: Int) throws(TokenizationError) -> Unicode.Scalar {
        let isBraced = peek() == "{"
        if isBraced { position += 1 }
        var value: UInt32 = 0
        var count = 0
        while count < (isBraced ? 8 : digits), let scalar = peek(), scalar.isASCII,
            let digit = Character(scalar).hexDigitValue
        {
            value = value << 4 | UInt32(digit)
            count += 1
            position += 1
        }
        if isBraced {
            guard peek() == "}" else { throw refuse("this hexadecimal escape") }
            position += 1
        }
        guard count > 0, isBraced || count == digits || digits == 2,
            isBraced || value < 0x80
                || digits == 4, let scalar = Unicode.Scalar(value)
        else { throw refuse("this hexadecimal escape") }
        return scalar
    }
}

// MARK: - Character classes

extension OnigurumaTranslation {
    /// A class after its opening bracket, as PCRE2 source.
    private mutating func characterClass() throws(TokenizationError) -> String {
        var isNegated = false
        if peek() == "^" {
            isNegated = true
            position += 1
        }
        var items = ""
        var complements: [String] = []
        var isFirst = true
        while let scalar = peek(), isFirst || scalar != "]" {
            isFirst = false
            if scalar == "&", peek(1) == "&" { throw refuse("an intersection of classes") }
            if scalar == "[" {
                items += try bracket(&complements)
            } else if let (set, negated) = try classSetEscape() {
                if negated { complements.append("[^\(set.items)]") } else { items += set.items }
            } else {
                items += try classRange()
            }
        }
        guard peek() == "]" else { throw refuse("an unclosed class") }
        position += 1
        return Self.combine(items, complements, isNegated: isNegated)
    }

    /// A class that also holds complements of sets, which PCRE2 cannot say inside the brackets.
    private static func combine(
        _ items: String, _ complements: [String], isNegated: Bool
    ) -> String {
        if complements.isEmpty { return "[\(isNegated ? "^" : "")\(items)]" }
        if isNegated {
            let rest = items.isEmpty ? "(?s:.)" : "[^\(items)]"
            return "(?:" + complements.map { "(?!\($0))" }.joined() + rest + ")"
        }
        let parts = (items.isEmpty ? [] : ["[\(items)]"]) + complements
        return "(?:" + parts.joined(separator: "|") + ")"
    }

    private mutating func classSetEscape() throws(TokenizationError) -> (ScalarSet, Bool)? {
        guard peek() == "\\" else { return nil }
        position += 1
        if let found = try setEscape() { return found }
        position -= 1
        return nil
    }

    private mutating func bracket(
        _ complements: inout [String]
    ) throws(TokenizationError) -> String {
        guard peek(1) == ":" else { throw refuse("a class within a class") }
        position += 2
        let isNegated = peek() == "^"
        if isNegated { position += 1 }
        var name = ""
        while let scalar = peek(), scalar != ":" {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard peek(1) == "]", let set = ScalarSet.bracket(name) else {
            throw refuse("the class '[:\(name):]'")
        }
        position += 2
        guard isNegated else { return set.items }
        complements.append("[^\(set.items)]")
        return ""
    }

    private mutating func classRange() throws(TokenizationError) -> String {
        let low = try classScalar()
        guard peek() == "-", let end = peek(1), end != "]", end != "[" else {
            return Self.literal(low)
        }
        let dash = position
        position += 1
        if peek() == "\\", let next = peek(1), "wWdDsShHpP".unicodeScalars.contains(next) {
            position = dash
            return Self.literal(low)
        }
        let high = try classScalar()
        guard low.value <= high.value else { throw refuse("an inverted range") }
        return "\(Self.literal(low))-\(Self.literal(high))"
    }

    private mutating func classScalar() throws(TokenizationError) -> Unicode.Scalar {
        guard let scalar = peek() else { throw refuse("an unclosed class") }
        position += 1
        return scalar == "\\" ? try scalarEscape(inClass: true) : scalar
    }
}
