// SPDX-License-Identifier: Apache-2.0

import Foundation
import StrictJSON
import Testing

@testable import Tokenization

/// Prompts must be those of Jinja2 as transformers sets it, see Fixtures/make_templates.py.
struct ChatTemplateReferenceTests {
    /// The moment for which the fixtures were made: 2024-07-03 09:05:07.
    static let clock = TemplateClock(localSeconds: 1_719_997_507)

    static func members(_ json: JSONValue) -> [TemplateValue.Member] {
        guard case .object(let members) = TemplateValue(json) else { return [] }
        return members
    }

    @Test(arguments: [
        "llama2", "llama3", "llama3.1-tools", "mistral", "mistral-v3-tools", "qwen2.5", "qwen3",
        "smollm2", "chatml", "zephyr", "gemma", "macros",
    ])
    func rendersPublishedTemplates(name: String) throws {
        let source = try Fixtures.bytes("templates/\(name).jinja")
        let template = try ChatTemplate(source: String(decoding: source, as: UTF8.self))
        let contexts = try Fixtures.json("contexts.json").elements()
        for entry in try Fixtures.json("templates/\(name).expected.json").elements() {
            let index = try entry.required("context").count(limit: contexts.count - 1)
            check(template, Self.members(contexts[index].value), entry, "\(name) context \(index)")
        }
    }

    /// What Jinja can do and these templates cannot.
    static let refused: Set<String> = [
        "{{ d.items() }}", "{{ range(3) }}", "{{ namespace() }}", "{{ s.upper }}",
        "{% for x in l recursive %}{% endfor %}", "{{ '%s' % 1 }}", "{{ '{}'.format(1) }}",
        "{% block a %}{% endblock %}", "{{ self }}", "{{ lipsum() }}", "{{ l | sum }}",
        "{{ s.__class__ }}", "{{ '\\é' }}",
    ]

    @Test func followsJinjaInEveryRule() throws {
        let document = try Fixtures.json("small_templates.json")
        let context = Self.members(try document.required("context").value)
        for entry in try document.required("cases").elements() {
            let source = try entry.required("source").string()
            do {
                let template = try ChatTemplate(source: source)
                if Self.refused.contains(source) {
                    #expect(throws: TokenizationError.self, "\(source)") {
                        try template.render(context, clock: Self.clock)
                    }
                } else {
                    check(template, context, entry, source)
                }
            } catch let error {
                // What fails in Jinja may be refused when it is read.
                let isExpected = entry.optional("failed") != nil || Self.refused.contains(source)
                #expect(isExpected, "\(source): \(error)")
            }
        }
    }

    private func check(
        _ template: ChatTemplate, _ context: [TemplateValue.Member], _ entry: JSONNode,
        _ what: String
    ) {
        let outcome = Result { () throws(TokenizationError) in
            try template.render(context, clock: Self.clock)
        }
        switch outcome {
        case .success(let text):
            let expected = try? entry.optional("text")?.bytes()
            #expect(Array(text.utf8) == expected, "\(what)\n\(text)")
        case .failure(let error):
            if let raised = entry.optional("raised") {
                #expect(error.code == .templateRaised)
                #expect(error.message == (try? raised.string()))
            } else {
                #expect(entry.optional("failed") != nil, "\(what): \(error)")
                #expect(error.code == .templateFailed, "\(what): \(error)")
            }
        }
    }

    @Test func rendersTheSampleModelsTemplate() throws {
        let tokenizer = try Fixtures.sampleModel()
        for entry in try Fixtures.json("template_reference.json").elements() {
            let text = try tokenizer.renderChat(
                messages: try entry.required("messages").elements().map {
                    TemplateValue($0.value)
                },
                tools: nil, addGenerationPrompt: try entry.requiredBool("add_generation_prompt"),
                clock: Self.clock)
            #expect(text == (try entry.required("text").string()))
        }
    }
}
