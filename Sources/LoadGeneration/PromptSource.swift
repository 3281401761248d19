// SPDX-License-Identifier: Apache-2.0

internal import Workloads

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
    private var random: RandomStream

    /// The same prompts for the same seed and number, which is the request's.
    package init(_ kind: Kind, seed: UInt64, number: Int) {
        self.kind = kind
        random = RandomStream(
            seed: seed, stream: Self.firstStream &+ UInt64(bitPattern: Int64(number)))
    }

    /// Far from the streams that draw arrivals and lengths with the same seed.
    private static let firstStream: UInt64 = 1 << 40

    /// The next prompt, of `tokens` tokens, about as many where it is text; at least one.
    package mutating func next(tokens: Int) -> GenerationBody.Prompt {
        switch kind {
        case .tokens(let limit):
            return .tokens((0..<max(tokens, 1)).map { _ in random.index(below: limit) })
        case .text(let tokensPerWord):
            let words = max(1, Int((Double(tokens) / tokensPerWord).rounded()))
            return .text(text(words: words))
        }
    }

    /// So many words at random, with spaces between.
    mutating func text(words count: Int) -> String {
        (0..<count).map { _ in Self.words[random.index(below: Self.words.count)] }.joined(
            separator: " ")
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
