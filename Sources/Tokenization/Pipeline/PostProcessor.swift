// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// What the `post_processor` of `tokenizer.json` puts around the ids of one text.
struct PostProcessor: Sendable, Equatable {
    var prefix: [Int32] = []
    var suffix: [Int32] = []

    init(prefix: [Int32] = [], suffix: [Int32] = []) {
        self.prefix = prefix
        self.suffix = suffix
    }

    /// Reads the node; `nil` means there is none.
    init(_ node: JSONNode?) throws(TokenizationError) {
        guard let node else { return }
        switch try node.required("type").string() {
        case "ByteLevel":
            // Only offsets are changed by it.
            try node.refuseUnknownKeys(
                except: ["type", "add_prefix_space", "trim_offsets", "use_regex"])
        case "TemplateProcessing": try readTemplate(node)
        case "Sequence":
            try node.refuseUnknownKeys(except: ["type", "processors"])
            for step in try node.required("processors").elements() {
                let inner = try PostProcessor(step)
                prefix = inner.prefix + prefix
                suffix += inner.suffix
            }
        case let name:
            throw node.unsupported(
                "the post-processor '\(name)' is not supported "
                    + "(known: ByteLevel, TemplateProcessing, Sequence)")
        }
    }

    private mutating func readTemplate(_ node: JSONNode) throws(TokenizationError) {
        try node.refuseUnknownKeys(except: ["type", "single", "pair", "special_tokens"])
        let specials = try Self.specialTokens(node.optional("special_tokens"))
        var sawText = false
        for element in try node.required("single").elements() {
            if let sequence = element.optional("Sequence") {
                guard try sequence.required("id").string() == "A", !sawText else {
                    throw element.unsupported("a template must hold the sequence A exactly once")
                }
                sawText = true
                continue
            }
            let name = try element.required("SpecialToken").required("id").bytes()
            guard let ids = specials.last(where: { $0.name == name })?.ids else {
                throw element.failure("the special token is not listed in special_tokens")
            }
            if sawText { suffix += ids } else { prefix += ids }
        }
        guard sawText else {
            throw node.unsupported("a template must hold the sequence A exactly once")
        }
    }

    private static func specialTokens(
        _ node: JSONNode?
    ) throws(TokenizationError) -> [(name: [UInt8], ids: [Int32])] {
        guard let node else { return [] }
        var result: [(name: [UInt8], ids: [Int32])] = []
        for member in try node.members() {
            let entry = JSONNode(value: member.value, path: "\(node.path).\(member.name)")
            var ids: [Int32] = []
            for id in try entry.required("ids").elements() {
                ids.append(Int32(try id.count(limit: TokenTable.idLimit - 1)))
            }
            result.append((Array(member.name.utf8), ids))
        }
        return result
    }
}
