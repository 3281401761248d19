// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Tokenization

/// Damaged input gives an error or a result, never a trap.
struct TokenizationFuzzTests {
    /// A small tokenizer with every kind of part, so that mutations reach the readers.
    private static let tokenizer = """
        {"version":"1.0","added_tokens":[{"id":6,"content":"<s>","single_word":true,
        "lstrip":true,"rstrip":true,"normalized":true,"special":true}],
        "normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Prepend",
        "prepend":"_"},{"type":"Replace","pattern":{"Regex":"[\\\\s\\\\W]+"},"content":"_"},
        {"type":"Lowercase"},{"type":"StripAccents"},{"type":"Strip","strip_left":true,
        "strip_right":true}]},"pre_tokenizer":{"type":"Sequence",
        "pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s)|\\\\p{L}{1,
        3}+|[^\\\\S\\\\p{N}]|\\\\b"},"behavior":"MergedWithNext","invert":false},
        {"type":"Digits","individual_digits":true},{"type":"Metaspace","replacement":"_",
        "prepend_scheme":"first","split":true},{"type":"Punctuation","behavior":"Contiguous"}]},
        "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>",
        "type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>",
        "ids":[6]}}},"decoder":{"type":"Sequence","decoders":[{"type":"Replace",
        "pattern":{"String":"_"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
        {"type":"Strip","content":" ","start":1,"stop":1}]},"model":{"type":"BPE",
        "unk_token":"?","fuse_unk":false,"byte_fallback":true,"ignore_merges":true,
        "continuing_subword_prefix":"#","end_of_word_suffix":"/","vocab":{"?":0,"a":1,"#b":2,
        "ab":3,"#b/":4,"ab/":5},"merges":["a #b",["a","#b/"]]}}
        """

    @Test func mutatedTokenizersNeverTrap() throws {
        let mutator = ByteMutator(pieces: [
            "null", "\"Regex\"", "(?i)", "[^", "\\\\p{Lu}", "{2,3}", "-1", "1e9", "\"\"", "{}",
            "[]", "true",
            "ByteLevel", "Metaspace", "\"never\"", "\u{301}",
        ])
        let texts = [
            "", "ab AB <s> 12 é\u{301} 🙂", "a_b<s>'s\n\n x", String(repeating: "ab", count: 50),
        ]
        FuzzRun(seconds: 0, rounds: 250, seed: 1).forEachRound { random, seed in
            let json = mutator.mutate(Array(Self.tokenizer.utf8), with: &random)
            guard let tokenizer = try? Tokenizer(json: json) else { return }
            for text in texts {
                guard let ids = try? tokenizer.encode(text, addSpecialTokens: true) else {
                    continue
                }
                var detokenizer = IncrementalDetokenizer(tokenizer, skipSpecialTokens: false)
                var pieces = ids.map { detokenizer.push($0) }.joined()
                pieces += detokenizer.finish()
                let whole = tokenizer.decode(ids, skipSpecialTokens: false)
                #expect(pieces.utf8.elementsEqual(whole.utf8), "seed \(seed)")
                for id in ids { _ = tokenizer.tokenText(id) }
            }
        }
    }

    @Test func mutatedTemplatesNeverTrap() throws {
        let names = ["llama3.1-tools", "mistral-v3-tools", "qwen3", "gemma", "macros", "zephyr"]
        let sources = try names.map { try Fixtures.bytes("templates/\($0).jinja") }
        let contexts = try Fixtures.json("contexts.json").elements()
            .map { ChatTemplateReferenceTests.members($0.value) }
        let mutator = ByteMutator(pieces: [
            "{{", "}}", "{%", "%}", "{%-", "-}}", "{#", "#}", "{% raw %}", "{% endfor %}",
            "{% for x in y %}",
            "|tojson", "|length", "[::-1]", "(", ")", "~", "**", "//", "9223372036854775807", "-",
            "loop.last",
            "namespace()", "{% set x = x + x %}", "is", "not", "'", "\"", "\\", "range(99999)",
            "|join",
            "|map('upper')|list", "|sort", ".split()", "\u{301}", "{% break %}", "caller()",
        ])
        FuzzRun(seconds: 0, rounds: 400, seed: 1).forEachRound { random, _ in
            let source = sources.randomElement(using: &random) ?? []
            let text = String(decoding: mutator.mutate(source, with: &random), as: UTF8.self)
            guard let template = try? ChatTemplate(source: text) else { return }
            for _ in 0..<3 {
                let context = contexts.randomElement(using: &random) ?? []
                _ = try? template.render(context, clock: ChatTemplateReferenceTests.clock)
            }
        }
    }
}
