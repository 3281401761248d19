// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// The name of a new policy, and the Swift names that follow from it.
package struct PluginName: Sendable, Equatable {
    /// What manifests write, in kebab case, as `night-shift-fairness`.
    package let type: String

    /// The name of the Swift type, its module and its library, as `NightShiftFairness`.
    ///
    /// It ends in the kind, so that it can be no type of PolicyKit or of the standard library.
    package let swiftName: String

    /// The longest name; as long as a manifest's names may be.
    package static let longest = 64

    /// What a package's folder may not be called beside the packages that it depends on.
    private static let reserved: Set<String> = ["policykit", "policykittesting"]

    /// Checks a name.
    ///
    /// - Throws: `invalidName`, with a name that would do.
    package init(_ text: String, kind: PolicyKind) throws(ScaffoldError) {
        let words = text.split(separator: "-", omittingEmptySubsequences: false)
        let isKebabCase = words.allSatisfy { word in
            !word.isEmpty && word.utf8.allSatisfy { Self.isLower($0) || Self.isDigit($0) }
        }
        guard isKebabCase, let first = text.utf8.first, Self.isLower(first) else {
            throw ScaffoldError(
                .invalidName,
                "'\(text)' is no name for a policy: write lowercase words of letters and digits "
                    + "with hyphens between them, a letter first, as '\(Self.near(text, kind))'")
        }
        guard text.utf8.count <= Self.longest else {
            throw ScaffoldError(
                .invalidName,
                "'\(text)' has \(text.utf8.count) letters: a policy's name has at most "
                    + "\(Self.longest)")
        }
        guard !Self.reserved.contains(text) else {
            throw ScaffoldError(
                .invalidName,
                "'\(text)' is the name of a package of Burrow's, of which there can be one only: "
                    + "choose another, as 'my-\(text)'")
        }
        self.type = text
        self.swiftName = Self.swiftName(words, kind)
    }

    private static func swiftName(_ words: [Substring], _ kind: PolicyKind) -> String {
        var words = words.map(String.init)
        if words.count > 1, words.last == "policy" { words.removeLast() }
        if words.last != kind.rawValue { words.append(kind.rawValue) }
        return words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// The text in kebab case, as far as that can be guessed.
    private static func near(_ text: String, _ kind: PolicyKind) -> String {
        var words: [String] = []
        var word = ""
        var wasLower = false
        for letter in text.utf8.prefix(longest) {
            let isUpper = (65...90).contains(letter)
            let lower = isUpper ? letter + 32 : letter
            let isWord = isLower(lower) || isDigit(lower) && !(words.isEmpty && word.isEmpty)
            if !isWord || isUpper && wasLower {
                if !word.isEmpty { words.append(word) }
                word = ""
            }
            if isWord { word.unicodeScalars.append(Unicode.Scalar(lower)) }
            wasLower = isLower(letter)
        }
        if !word.isEmpty { words.append(word) }
        return words.isEmpty ? "my-\(kind.rawValue)" : words.joined(separator: "-")
    }

    private static func isLower(_ letter: UInt8) -> Bool { (97...122).contains(letter) }
    private static func isDigit(_ letter: UInt8) -> Bool { (48...57).contains(letter) }
}
