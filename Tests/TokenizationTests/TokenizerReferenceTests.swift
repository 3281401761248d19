// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tokenization

/// Ids and texts must be those of Hugging Face `tokenizers`, see Fixtures/make_fixtures.py.
struct TokenizerReferenceTests {
    @Test(arguments: Fixtures.tokenizers)
    func encodesAsTheReference(name: String) throws {
        let tokenizer = try Fixtures.tokenizer(name)
        let expected = try Fixtures.json("tokenizers/\(name).expected.json").required("ids")
        for (text, ids) in zip(try Fixtures.texts(), try expected.elements()) {
            let found = try tokenizer.encode(text, addSpecialTokens: false)
            let joined = found.map(String.init).joined(separator: " ")
            #expect(joined == (try ids.string()), "\(escaped(text))")
        }
    }

    @Test(arguments: Fixtures.tokenizers)
    func decodesAsTheReference(name: String) throws {
        let tokenizer = try Fixtures.tokenizer(name)
        let expected = try Fixtures.json("tokenizers/\(name).expected.json")
        for (index, text) in try Fixtures.texts().enumerated() {
            let ids = try tokenizer.encode(text, addSpecialTokens: false)
            let whole = try expected.required("decoded").optional("\(index)")?.bytes()
            let skipped = try expected.required("skipped").optional("\(index)")?.bytes()
            let decoded = whole ?? Array(text.utf8)
            #expect(Array(tokenizer.decode(ids, skipSpecialTokens: false).utf8) == decoded)
            #expect(
                Array(tokenizer.decode(ids, skipSpecialTokens: true).utf8) == skipped ?? decoded)
        }
        for entry in try expected.required("random").elements() {
            let ids = try entry.required("ids").integers()
            #expect(
                Array(tokenizer.decode(ids, skipSpecialTokens: false).utf8)
                    == (try entry.required("text").bytes()), "\(ids)")
            #expect(
                Array(tokenizer.decode(ids, skipSpecialTokens: true).utf8)
                    == (try entry.required("skipped").bytes()), "\(ids)")
        }
    }

    @Test(arguments: Fixtures.tokenizers)
    func addsSpecialTokensAsTheReference(name: String) throws {
        let tokenizer = try Fixtures.tokenizer(name)
        let expected = try Fixtures.json("tokenizers/\(name).expected.json")
        #expect(
            try tokenizer.encode("a b", addSpecialTokens: true)
                == expected.required("special").integers())
    }

    @Test func sampleModelEncodesAsTheReference() throws {
        let tokenizer = try Fixtures.sampleModel()
        #expect(tokenizer.vocabularySize == 509)
        #expect(tokenizer.configuration.token("eos_token") == "<|im_end|>")
        for entry in try Fixtures.json("tokenizer_reference.json").elements() {
            let text = try entry.required("text").string()
            #expect(
                try tokenizer.encode(text, addSpecialTokens: true)
                    == entry.required("ids").integers(), "\(escaped(text))")
        }
    }

    private func escaped(_ text: String) -> String {
        text.unicodeScalars.map { $0.escaped(asASCII: true) }.joined()
    }
}
