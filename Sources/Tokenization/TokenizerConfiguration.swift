// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// What `tokenizer_config.json` and its neighbours say beside the tokenizer itself.
package struct TokenizerConfiguration: Sendable {
    /// The names under which templates know special tokens.
    static let tokenNames = [
        "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
    ]

    /// Special tokens by those names, in their order.
    package private(set) var specialTokens: [(name: String, content: String)] = []
    /// `additional_special_tokens`.
    package private(set) var additionalTokens: [String] = []
    /// Sources of chat templates; the usual one is called `default`.
    private var templates: [(name: String, source: String)] = []

    package init() {}

    /// Reads `tokenizer_config.json`; keys that do not concern text are ignored.
    package init(json: [UInt8]) throws(TokenizationError) {
        let root = try JSONNode(parsing: json)
        _ = try root.members()
        try addTokens(from: root)
        if let template = root.optional("chat_template") { try readTemplates(template) }
    }

    /// Takes the special tokens of `special_tokens_map.json` that are not known yet.
    package mutating func addTokens(mapJSON json: [UInt8]) throws(TokenizationError) {
        try addTokens(from: JSONNode(parsing: json))
    }

    /// Uses `source` as the template called `default`, in place of any other.
    package mutating func setTemplate(_ source: String) {
        templates.removeAll { $0.name == "default" }
        templates.append((name: "default", source: source))
    }

    /// Forgets all templates: conversations cannot be rendered, prompts can be tokenized.
    package mutating func removeTemplates() { templates = [] }

    /// The text that stands for `name`, for example `eos_token`.
    package func token(_ name: String) -> String? {
        specialTokens.first { $0.name == name }?.content
    }

    func template(named name: String) throws(TokenizationError) -> ChatTemplate? {
        guard let found = templates.first(where: { $0.name == name }) else { return nil }
        return try ChatTemplate(
            source: found.source,
            name: name == "default" ? "chat_template" : "chat_template \(name)")
    }

    private mutating func addTokens(from root: JSONNode) throws(TokenizationError) {
        for name in Self.tokenNames where token(name) == nil {
            guard let node = root.optional(name) else { continue }
            specialTokens.append((name: name, content: try Self.content(node)))
        }
        if additionalTokens.isEmpty, let list = root.optional("additional_special_tokens") {
            for node in try list.elements() { additionalTokens.append(try Self.content(node)) }
        }
    }

    /// A token is written as a string or as an object with `content`.
    private static func content(_ node: JSONNode) throws(TokenizationError) -> String {
        if case .object = node.value { return try node.required("content").string() }
        return try node.string()
    }

    private mutating func readTemplates(_ node: JSONNode) throws(TokenizationError) {
        guard case .array = node.value else {
            templates = [(name: "default", source: try node.string())]
            return
        }
        for entry in try node.elements() {
            templates.append(
                (
                    name: try entry.required("name").string(),
                    source: try entry.required("template").string()
                ))
        }
    }
}
