// SPDX-License-Identifier: Apache-2.0

/// The inside of a PCRE2 character class that means what `tokenizers` means by a set.
///
/// PCRE2 10.42 knows Unicode 14; what later versions added comes from ``UnicodeTables``.
struct ScalarSet: Sendable, Equatable {
    /// Class items such as `\p{L}\x{1c89}-\x{1c8a}`, without the brackets.
    let items: String

    static let word = ScalarSet(
        items: #"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}"# + ranges(UnicodeTables.word))
    static let digit = category("Nd")
    static let space = ScalarSet(items: #"\p{White_Space}"#)
    static let hexDigit = ScalarSet(items: "0-9A-Fa-f")
    static let alphabetic = ScalarSet(
        items: #"\p{Alphabetic}"# + ranges(UnicodeTables.alphabetic))

    /// `\w` as the Whitespace pre-tokenizer and `single_word` understand it.
    static let whitespaceWord = ScalarSet(
        items: #"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200c}\x{200d}"#
            + ranges(UnicodeTables.whitespaceWord))
    /// What the Digits pre-tokenizer splits.
    static let numeric = ScalarSet(items: #"\p{N}"# + ranges(UnicodeTables.numeric))
    /// What the Punctuation pre-tokenizer splits.
    static let punctuation = ScalarSet(items: ranges(UnicodeTables.punctuation))

    /// A general category of one or two letters.
    static func category(_ name: String) -> ScalarSet {
        let added = UnicodeTables.categories.split(separator: " ")
            .filter { $0.hasPrefix(name) }
            .compactMap { $0.split(separator: ":").last }
        return ScalarSet(items: "\\p{\(name)}" + ranges(added))
    }

    /// A script by its Unicode name, or nil when it is not a known one.
    static func script(_ name: String) -> ScalarSet? {
        for entry in UnicodeTables.scripts.split(separator: " ") {
            let parts = entry.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].lowercased() == name else { continue }
            return ScalarSet(items: "\\p{sc:\(parts[0])}" + ranges(parts[1].split(separator: ",")))
        }
        return nil
    }

    /// The set that `\p{name}` means, or nil when the name is not known here.
    static func property(_ name: String) -> ScalarSet? {
        let plain = name.filter { $0 != " " && $0 != "_" && $0 != "-" }.lowercased()
        if let long = longCategories[plain] { return category(long) }
        let categories = [
            "l", "n", "m", "p", "s", "z", "lu", "ll", "lt", "lm", "lo", "nd", "nl", "no", "mn",
            "mc", "me", "pc", "pd", "ps", "pe", "pi", "pf", "po", "sm", "sc", "sk", "so", "zs",
            "zl", "zp", "cc", "cf",
        ]
        if categories.contains(plain) {
            return category(plain.prefix(1).uppercased() + plain.dropFirst())
        }
        switch plain {
        case "alphabetic", "alpha": return alphabetic
        case "whitespace", "space": return space
        case "digit": return digit
        case "word": return word
        case "any": return ScalarSet(items: #"\x{0}-\x{10ffff}"#)
        default: return script(plain)
        }
    }

    /// The set of a POSIX bracket such as `[:alpha:]`, or nil when it is not known here.
    static func bracket(_ name: String) -> ScalarSet? {
        switch name {
        case "alpha": alphabetic
        case "digit": digit
        case "space": space
        case "word": word
        case "xdigit": hexDigit
        case "punct": ScalarSet(items: category("P").items + category("S").items)
        default: nil
        }
    }

    private static let longCategories = [
        "letter": "L", "number": "N", "mark": "M", "punctuation": "P", "symbol": "S",
        "separator": "Z", "uppercaseletter": "Lu", "lowercaseletter": "Ll",
        "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
        "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
    ]

    private static func ranges(_ table: String) -> String {
        ranges(table.split(separator: " "))
    }

    private static func ranges(_ words: [Substring]) -> String {
        words.map { word in
            word.split(separator: "-").map { "\\x{\($0)}" }.joined(separator: "-")
        }.joined()
    }
}

/// Sorted, disjoint ranges of scalars, for membership in Swift code.
struct ScalarRanges: Sendable {
    private let ranges: [ClosedRange<UInt32>]

    init(_ table: String) {
        ranges = table.split(separator: " ").compactMap { word in
            let ends = word.split(separator: "-").compactMap { UInt32($0, radix: 16) }
            guard let first = ends.first, let last = ends.last else { return nil }
            return first...max(first, last)
        }
    }

    func contains(_ value: UInt32) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(value)
    }
}
