// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Tokenization

struct IncrementalDetokenizerTests {
    @Test(arguments: Fixtures.tokenizers, [true, false])
    func piecesJoinToTheWholeText(name: String, skips: Bool) throws {
        let tokenizer = try Fixtures.tokenizer(name)
        for seed in UInt64(1)...60 {
            var random = SeededRandom(seed: seed)
            let top = Int32(tokenizer.vocabularySize + 2)
            let ids = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                // Byte tokens, when there are any, are the first ones.
                Bool.random(using: &random)
                    ? Int32.random(in: 0..<top, using: &random)
                    : Int32.random(in: 3..<259, using: &random)
            }
            var detokenizer = IncrementalDetokenizer(tokenizer, skipSpecialTokens: skips)
            var text = ""
            for id in ids { text += detokenizer.push(id) }
            text += detokenizer.finish()
            let whole = tokenizer.decode(ids, skipSpecialTokens: skips)
            #expect(text.utf8.elementsEqual(whole.utf8), "seed \(seed), ids \(ids)")
        }
    }

    @Test func scalarInSeveralTokensComesWhole() throws {
        let tokenizer = try Fixtures.tokenizer("gpt2")
        let ids = try tokenizer.encode("🙂é", addSpecialTokens: false)
        var detokenizer = IncrementalDetokenizer(tokenizer, skipSpecialTokens: true)
        let pieces = ids.map { detokenizer.push($0) } + [detokenizer.finish()]
        #expect(ids.count > 3)
        #expect(pieces.filter { !$0.isEmpty } == ["🙂", "é"])
    }

    @Test func unfinishedScalarBecomesAReplacementAtTheEnd() throws {
        let tokenizer = try Fixtures.tokenizer("gpt2")
        let ids = try tokenizer.encode("🙂", addSpecialTokens: false).dropLast()
        var detokenizer = IncrementalDetokenizer(tokenizer, skipSpecialTokens: true)
        #expect(ids.map { detokenizer.push($0) }.joined().isEmpty)
        #expect(detokenizer.finish() == "\u{FFFD}")
        #expect(detokenizer.finish().isEmpty)
    }

    @Test func answerAfterAPromptKeepsItsLeadingSpace() throws {
        let tokenizer = try Fixtures.tokenizer("llama2")
        let prompt = try tokenizer.encode("the", addSpecialTokens: true)
        let answer = try tokenizer.encode("the quick", addSpecialTokens: false)
        var alone = IncrementalDetokenizer(tokenizer, skipSpecialTokens: true)
        var after = IncrementalDetokenizer(tokenizer, skipSpecialTokens: true, after: prompt)
        #expect(answer.map { alone.push($0) }.joined() + alone.finish() == "the quick")
        #expect(answer.map { after.push($0) }.joined() + after.finish() == " the quick")
    }

    @Test func runOfByteTokensWaitsForItsEnd() throws {
        let tokenizer = try Fixtures.tokenizer("llama2")
        func byte(_ value: Int32) -> Int32 { 3 + value }
        var detokenizer = IncrementalDetokenizer(tokenizer, skipSpecialTokens: true)
        #expect(detokenizer.push(byte(0x41)) == "")
        #expect(detokenizer.push(byte(0xC3)) == "")
        let letter = try #require(tokenizer.id(of: "a"))
        #expect(detokenizer.push(letter) == "\u{FFFD}\u{FFFD}a")
        #expect(detokenizer.push(byte(0x42)) == "")
        #expect(detokenizer.finish() == "B")
    }

    @Test func tokensAreShownAsTheyAddToATextInProgress() throws {
        let bytes = try Fixtures.tokenizer("gpt2")
        let space = try #require(bytes.id(of: "Ġ"))
        #expect(bytes.tokenText(space) == " ")
        let part = try #require(bytes.id(of: "Ã"))
        #expect(bytes.tokenBytes(part) == [0xC3])
        #expect(bytes.tokenText(part) == "\u{FFFD}")
        #expect(bytes.tokenText(-1) == nil)
        #expect(bytes.tokenText(.max) == nil)
        let pieces = try Fixtures.tokenizer("llama2")
        #expect(pieces.tokenBytes(3 + 0xC3) == [0xC3])
        #expect(pieces.tokenText(try #require(pieces.id(of: "▁the"))) == " the")
        #expect(pieces.isSpecial(1))
        #expect(!pieces.isSpecial(5))
    }
}
