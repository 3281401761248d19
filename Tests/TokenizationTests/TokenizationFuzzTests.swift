// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Tokenization

/// Damaged input gives an error or a result, never a trap. `BURROW_FUZZ_SECONDS` runs longer.
struct TokenizationFuzzTests {
    /// Rounds of a fuzz test: a fixed number, or as many as fit into the seconds asked for.
    private static func rounds(_ count: Int, _ body: (inout SplitMix64, UInt64) throws -> Void)
        rethrows
    {
        let asked = ProcessInfo.processInfo.environment["BURROW_FUZZ_SECONDS"].flatMap(Double.init)
        let end = asked.map { Date().addingTimeInterval($0) }
        var seed: UInt64 = 1
        while end.map({ Date() < $0 }) ?? (seed <= UInt64(count)) {
            var random = SplitMix64(seed: seed)
            try body(&random, seed)
            seed += 1
        }
    }

    private static func mutate(
        _ source: [UInt8], words: [[UInt8]], _ random: inout SplitMix64
    ) -> [UInt8] {
        var bytes = source
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            let length = min(Int.random(in: 0...12, using: &random), bytes.count - place)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.removeSubrange(place..<place + length)
            case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
            case 2: bytes.insert(contentsOf: Array(bytes[place..<place + length]), at: place)
            case 3: bytes.insert(contentsOf: words.randomElement(using: &random) ?? [], at: place)
            default:
                if place < bytes.count { bytes[place] = UInt8.random(in: 0...255, using: &random) }
            }
        }
        return bytes
    }

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
        let words = [
            "null", "\"Regex\"", "(?i)", "[^", "\\\\p{Lu}", "{2,3}", "-1", "1e9", "\"\"", "{}",
            "[]", "true",
            "ByteLevel", "Metaspace", "\"never\"", "\u{301}",
        ].map { Array($0.utf8) }
        let texts = [
            "", "ab AB <s> 12 é\u{301} 🙂", "a_b<s>'s\n\n x", String(repeating: "ab", count: 50),
        ]
        Self.rounds(250) { random, seed in
            let json = Self.mutate(Array(Self.tokenizer.utf8), words: words, &random)
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
        let words = [
            "{{", "}}", "{%", "%}", "{%-", "-}}", "{#", "#}", "{% raw %}", "{% endfor %}",
            "{% for x in y %}",
            "|tojson", "|length", "[::-1]", "(", ")", "~", "**", "//", "9223372036854775807", "-",
            "loop.last",
            "namespace()", "{% set x = x + x %}", "is", "not", "'", "\"", "\\", "range(99999)",
            "|join",
            "|map('upper')|list", "|sort", ".split()", "\u{301}", "{% break %}", "caller()",
        ].map { Array($0.utf8) }
        Self.rounds(400) { random, _ in
            let source = sources.randomElement(using: &random) ?? []
            let mutated = Self.mutate(source, words: words, &random)
            let text = String(decoding: mutated, as: UTF8.self)
            guard let template = try? ChatTemplate(source: text) else { return }
            for _ in 0..<3 {
                let context = contexts.randomElement(using: &random) ?? []
                _ = try? template.render(context, clock: ChatTemplateReferenceTests.clock)
            }
        }
    }

    @Test func anyBytesAreReadAsJSONOrRefused() {
        let words = ["{\"a\":", "[", "]", "\\u", "\\ud83d", "1e", "tru"].map { Array($0.utf8) }
        Self.rounds(1000) { random, _ in
            let source = Array("{\"a\":[1,2.5,\"x\\u00e9\",null,true],\"b\":{\"c\":\"\"}}".utf8)
            _ = try? JSONReader.parse(Self.mutate(source, words: words, &random))
        }
    }
}
