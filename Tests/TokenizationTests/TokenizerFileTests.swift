// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tokenization

struct TokenizerFileTests {
    /// A tokenizer with one part replaced.
    private static func json(
        model: String = #"{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}"#,
        extra: String = ""
    ) -> [UInt8] {
        Array(#"{"model":\#(model)\#(extra)}"#.utf8)
    }

    @Test func canonicallyEquivalentTokensStayApart() throws {
        let model = """
            {"type":"BPE","vocab":{"\u{E9}":0,"e":1,"\u{301}":2,"e\u{301}":3,
            "\\u00c5":4,"\\u212b":5},
            "merges":[["e","\u{301}"]]}
            """
        let tokenizer = try Tokenizer(json: Self.json(model: model))
        #expect(tokenizer.vocabularySize == 6)
        #expect(try tokenizer.encode("\u{E9}", addSpecialTokens: false) == [0])
        #expect(try tokenizer.encode("e\u{301}", addSpecialTokens: false) == [3])
        #expect(try tokenizer.encode("\u{C5}\u{212B}", addSpecialTokens: false) == [4, 5])
        #expect(tokenizer.id(of: "e\u{301}") == 3)
        #expect(
            Array(tokenizer.decode([3, 0], skipSpecialTokens: false).utf8)
                == Array("e\u{301} \u{E9}".utf8))
    }

    @Test(arguments: [
        (#","normalizer":{"type":"Nmt"}"#, "normalizer: the normalizer 'Nmt' is not supported"),
        (
            #","normalizer":{"type":"Sequence","normalizers":[{"type":"Precompiled"}]}"#,
            "normalizer.normalizers[0]: the normalizer 'Precompiled'"
        ),
        (#","pre_tokenizer":{"type":"BertPreTokenizer"}"#, "the pre-tokenizer 'BertPreTokenizer'"),
        (
            #"""
            ,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a)\\1"},
            "behavior":"Isolated","invert":false}
            """#,
            "the escape '\\1'"
        ),
        (
            #"""
            ,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a&&b]"},
            "behavior":"Isolated","invert":false}
            """#,
            "an intersection of classes"
        ),
        (
            #"""
            ,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Sideways",
            "invert":false}
            """#,
            "unknown behavior"
        ),
        (
            #","pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"new_option":1}"#,
            "key 'new_option' is not supported"
        ),
        (#","decoder":{"type":"CTC"}"#, "the decoder 'CTC' is not supported"),
        (
            #","decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteFallback"}]}"#,
            "this order of decoders"
        ),
        (#","post_processor":{"type":"BertProcessing"}"#, "the post-processor 'BertProcessing'"),
        (#","truncation":{"max_length":5}"#, "set it to null"),
        (#","padding":{"strategy":{"Fixed":5}}"#, "set it to null"),
        (#","shape":1"#, "key 'shape' is not supported"),
        (#","version":"2.0""#, "version 2.0"),
        (
            #"""
            ,"added_tokens":[{"id":9,"content":"x","single_word":false,"lstrip":false,
            "rstrip":false,"normalized":false,"special":true}]
            """#,
            "the added token has id 9, but its place in the vocabulary gives 3"
        ),
    ])
    func unsupportedPartsAreRefusedByName(extra: String, message: String) throws {
        let error = #expect(throws: TokenizationError.self) {
            try Tokenizer(json: Self.json(extra: extra))
        }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "none")")
    }

    @Test(arguments: [
        (#"{"type":"WordPiece","vocab":{}}"#, "the model 'WordPiece'"),
        (#"{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}"#, "dropout"),
        (#"{"type":"BPE","vocab":{"a":0},"merges":["a b"]}"#, "merge 0 names a token outside"),
        (#"{"type":"BPE","vocab":{"a":0},"merges":["a"]}"#, "merge 0 must be two tokens"),
        (#"{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}"#, "is there twice"),
        (#"{"type":"BPE","vocab":{"a":-1},"merges":[]}"#, "must be from 0"),
        (#"{"type":"BPE","vocab":{"a":4000000000},"merges":[]}"#, "must be from 0"),
        (#"{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"<unk>"}"#, "unknown token"),
        (#"{"type":"BPE","vocab":{"a":0}}"#, "missing key 'merges'"),
        (#"{"type":"BPE","vocab":[],"merges":[]}"#, "expected an object, found an array"),
    ])
    func faultyModelsAreRefused(model: String, message: String) throws {
        let error = #expect(throws: TokenizationError.self) {
            try Tokenizer(json: Self.json(model: model))
        }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "none")")
    }

    @Test func malformedJSONIsRefusedWithItsPlace() {
        let error = #expect(throws: TokenizationError.self) {
            try Tokenizer(json: Array("{\"version\": \"1.0\",\n  \"model\": {\"a\": 1,}}".utf8))
        }
        #expect(error?.code == .malformedJSON)
        #expect(error?.location == "line 2, column 20")
        #expect(error?.message == "expected a name in double quotes, found '}'")
        let deep = Array(String(repeating: "[", count: 1000).utf8)
        let nested = #expect(throws: TokenizationError.self) { try Tokenizer(json: deep) }
        #expect(nested?.message == "nested deeper than 96 levels")
    }

    @Test func repeatedKeysAreRefused() {
        let error = #expect(throws: TokenizationError.self) {
            try Tokenizer(json: Self.json(model: #"{"vocab":{"a":0,"\u0061":1},"merges":[]}"#))
        }
        #expect(error?.message == "duplicate name \"a\"")
    }

    @Test func aByteOrderMarkMayComeFirst() throws {
        let tokenizer = try Tokenizer(json: [0xEF, 0xBB, 0xBF] + Self.json())
        #expect(tokenizer.vocabularySize == (try Tokenizer(json: Self.json()).vocabularySize))
    }

    @Test func folderWithoutATokenizerIsNamed() {
        let error = #expect(throws: TokenizationError.self) {
            try Tokenizer.load(folder: "/nonexistent/model")
        }
        #expect(error?.code == .unreadableFile)
        #expect(error?.description.contains("/nonexistent/model/tokenizer.json") == true)
    }

    @Test func configurationGivesTokensAndTemplates() throws {
        let json = """
            {"bos_token":{"content":"<s>","lstrip":false},"eos_token":"</s>","pad_token":null,
            "chat_template":[{"name":"default","template":"{{ bos_token }}d"},
            {"name":"tool_use","template":"t{{ tools|length }}"}],
            "additional_special_tokens":["<x>"]}
            """
        let tokenizer = try Tokenizer(json: Self.json(), configuration: Array(json.utf8))
        #expect(tokenizer.configuration.token("bos_token") == "<s>")
        #expect(tokenizer.configuration.token("eos_token") == "</s>")
        #expect(tokenizer.configuration.token("pad_token") == nil)
        let clock = TemplateClock(localSeconds: 0)
        #expect(
            try tokenizer.renderChat(
                messages: [], tools: nil, addGenerationPrompt: true, clock: clock) == "<s>d")
        #expect(
            try tokenizer.renderChat(
                messages: [], tools: [1, 2], addGenerationPrompt: true, clock: clock) == "t2")
    }

    @Test func modelWithoutATemplateSaysSo() throws {
        let tokenizer = try Tokenizer(json: Self.json())
        let error = #expect(throws: TokenizationError.self) {
            try tokenizer.renderChat(
                messages: [], tools: nil, addGenerationPrompt: true,
                clock: TemplateClock(localSeconds: 0))
        }
        #expect(error?.code == .unsupportedTemplate)
    }
}
