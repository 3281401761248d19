// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// Reads the parts of a `tokenizer.json`; what is not known here is refused by name.
enum TokenizerFile {
    private static let depthLimit = 16

    static func checkTop(_ root: JSONNode) throws(TokenizationError) {
        try root.refuseUnknownKeys(except: [
            "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
            "post_processor", "decoder", "model",
        ])
        if let version = try root.optional("version")?.string(), version != "1.0" {
            throw root.unsupported("tokenizer version \(version) is not supported (known: 1.0)")
        }
        if let truncation = root.optional("truncation") {
            throw truncation.unsupported("truncation would cut prompts; set it to null")
        }
        if let padding = root.optional("padding") {
            let strategy = padding.optional("strategy")?.value
            guard strategy == .string("BatchLongest"),
                padding.optional("pad_to_multiple_of") == nil
            else { throw padding.unsupported("padding would lengthen prompts; set it to null") }
        }
    }

    // MARK: - Model

    static func model(_ node: JSONNode) throws(TokenizationError) -> BytePairModel {
        if let type = try node.optional("type")?.string(), type != "BPE" {
            throw node.unsupported("the model '\(type)' is not supported (known: BPE)")
        }
        try node.refuseUnknownKeys(except: [
            "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
            "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges",
        ])
        if let dropout = node.optional("dropout"), dropout.value != .integer(0),
            dropout.value != .number(0)
        {
            throw dropout.unsupported("dropout makes ids random; set it to null")
        }
        let vocabulary = try vocabulary(node.required("vocab"))
        let prefix = try node.optional("continuing_subword_prefix")?.bytes() ?? []
        let merges = try merges(node.required("merges"), vocabulary, prefixCount: prefix.count)
        var model = BytePairModel(vocabulary: vocabulary, merges: merges)
        model.continuingPrefix = prefix
        model.endSuffix = try node.optional("end_of_word_suffix")?.bytes() ?? []
        model.ignoreMerges = try node.bool("ignore_merges", default: false)
        model.byteFallback = try node.bool("byte_fallback", default: false)
        model.fuseUnknown = try node.bool("fuse_unk", default: false)
        if let unknown = node.optional("unk_token") {
            model.unknown = try vocabulary.id(of: unknown.bytes())
            guard model.unknown != nil || hasAllBytes(vocabulary) else {
                throw unknown.failure("the unknown token is not in the vocabulary")
            }
        }
        return model
    }

    /// Whether no byte can be unknown, so that the unknown token is never asked for.
    private static func hasAllBytes(_ vocabulary: TokenTable) -> Bool {
        ByteAlphabet.encoded.allSatisfy { vocabulary.id(of: $0) != nil }
    }

    private static func vocabulary(_ node: JSONNode) throws(TokenizationError) -> TokenTable {
        let members = try node.members()
        var table = TokenTable(expected: members.count)
        for member in members {
            guard case .integer(let id) = member.value, (0..<TokenTable.idLimit).contains(id) else {
                throw node.failure(
                    "the id of '\(member.name)' must be from 0 to \(TokenTable.idLimit - 1)")
            }
            guard table.insert(member.name, id: Int32(id)) else {
                throw node.failure("'\(member.name)' or its id \(id) is there twice")
            }
        }
        return table
    }

    private static func merges(
        _ node: JSONNode, _ vocabulary: TokenTable, prefixCount: Int
    ) throws(TokenizationError) -> MergeTable {
        guard case .array(let elements) = node.value else {
            throw node.failure("expected an array, found \(node.value.kind)")
        }
        var table = MergeTable(count: elements.count)
        var rank: UInt32 = 0
        var joined: [UInt8] = []
        for (index, element) in elements.enumerated() {
            guard var (left, right) = pair(element) else {
                if case .string(let line) = element, isVersion(line) { continue }
                throw node.failure("merge \(index) must be two tokens")
            }
            joined.removeAll(keepingCapacity: true)
            left.withUTF8 { joined += $0 }
            right.withUTF8 { joined += $0.dropFirst(prefixCount) }
            guard let leftID = left.withUTF8({ vocabulary.id(of: $0) }),
                let rightID = right.withUTF8({ vocabulary.id(of: $0) }),
                right.utf8.count >= prefixCount, let id = vocabulary.id(of: joined)
            else { throw node.failure("merge \(index) names a token outside the vocabulary") }
            table.insert(leftID, rightID, MergeTable.Merge(rank: rank, id: id))
            rank += 1
        }
        return table
    }

    /// The first line of a `merges.txt`, which some files keep.
    private static func isVersion(_ line: String) -> Bool {
        line.utf8.starts(with: "#version".utf8)
    }

    /// A merge as `"a b"` or as `["a", "b"]`.
    private static func pair(_ element: JSONValue) -> (Substring, Substring)? {
        switch element {
        case .string(let line):
            let parts = line.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
            guard parts.count == 2, !isVersion(line) else { return nil }
            return (Substring(parts[0]), Substring(parts[1]))
        case .array(let parts):
            guard parts.count == 2, case .string(let left) = parts[0],
                case .string(let right) = parts[1]
            else { return nil }
            return (Substring(left), Substring(right))
        default: return nil
        }
    }

    // MARK: - Patterns

    /// `{"String": …}` or `{"Regex": …}`.
    static func pattern(_ node: JSONNode) throws(TokenizationError) -> CompiledPattern {
        do {
            if let literal = try node.optional("String")?.bytes() {
                return try CompiledPattern(pcre: escaped(literal), shown: "")
            }
            return try CompiledPattern(oniguruma: node.required("Regex").string())
        } catch {
            throw error.location == nil ? error.located(in: node.path) : error
        }
    }

    private static func escaped(_ literal: [UInt8]) -> String {
        String(decoding: literal, as: UTF8.self).unicodeScalars
            .map { "\\x{\(String($0.value, radix: 16))}" }.joined()
    }

    /// The steps of a `Sequence`, each read by `read`.
    static func steps<Step>(
        _ node: JSONNode, key: String, depth: Int,
        _ read: (JSONNode, Int) throws(TokenizationError) -> Step?
    ) throws(TokenizationError) -> [Step] {
        guard depth < depthLimit else {
            throw TokenizationError(.limitExceeded, "nested too deep", at: node.path)
        }
        try node.refuseUnknownKeys(except: ["type", key])
        var steps: [Step] = []
        for element in try node.required(key).elements() {
            if let step = try read(element, depth + 1) { steps.append(step) }
        }
        return steps
    }
}
