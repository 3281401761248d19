// SPDX-License-Identifier: Apache-2.0

/// Makes prompts of a wished length that have nothing in common, so that no cache helps.
package struct PromptSource: Sendable {
    /// What prompts are made of.
    package enum Kind: Sendable, Equatable {
        /// Token ids from 0 to below the limit, at random.
        case tokens(below: Int)
        /// Words, so many tokens each on average.
        case text(tokensPerWord: Double)
    }

    package let kind: Kind
    private var state: UInt64

    /// The same prompts for the same seed.
    package init(_ kind: Kind, seed: UInt64) {
        self.kind = kind
        state = seed
    }

    /// The next prompt, of `tokens` tokens, about as many where it is text; at least one.
    package mutating func next(tokens: Int) -> GenerationBody.Prompt {
        switch kind {
        case .tokens(let limit):
            return .tokens((0..<max(tokens, 1)).map { _ in below(limit) })
        case .text(let tokensPerWord):
            let words = max(1, Int((Double(tokens) / tokensPerWord).rounded()))
            return .text(text(words: words))
        }
    }

    /// So many words at random, with spaces between.
    mutating func text(words count: Int) -> String {
        (0..<count).map { _ in Self.words[below(Self.words.count)] }.joined(separator: " ")
    }

    private mutating func below(_ limit: Int) -> Int {
        Int(bits() % UInt64(max(limit, 1)))
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    private mutating func bits() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Common English words.
    private static let words = """
        time year people way day man thing woman life child world school state family student group \
        country problem hand part place case week company system program question work government \
        number night point home water room mother area money story fact month lot right study book \
        eye job word business issue side kind head house service friend father power hour game line \
        end member law car city name team minute idea body back parent face level office door health \
        person art war history party result change morning reason research girl guy moment air teacher
        """.split(separator: " ").map(String.init)
}
