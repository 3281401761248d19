// SPDX-License-Identifier: Apache-2.0

/// The `added_tokens` of `tokenizer.json`: what is recognised in text before any splitting.
struct AddedVocabulary: Sendable {
    /// Finds tokens in the text as it came.
    let verbatim: AddedTokenMatcher
    /// Finds tokens in the normalized text.
    let normalized: AddedTokenMatcher
    private var tokens: [Int32: AddedToken] = [:]
    private var ids: [[UInt8]: Int32] = [:]
    private var specials: Set<Int32> = []

    /// The highest id + 1, or 0.
    private(set) var idCount = 0

    func id(of content: [UInt8]) -> Int32? { ids[content] }
    func content(of id: Int32) -> [UInt8]? { tokens[id]?.content }
    func isSpecial(_ id: Int32) -> Bool { specials.contains(id) }

    init(
        _ node: JSONNode?, model: BytePairModel, normalizer: Normalizer?, block: MatchBlock
    ) throws(TokenizationError) {
        var ordered: [AddedToken] = []
        for entry in try node?.elements() ?? [] {
            let token = try Self.read(entry)
            guard !token.content.isEmpty else { continue }
            if let id = ids[token.content] {
                guard tokens[id] == token else {
                    throw entry.failure("the token is listed twice with different properties")
                }
                continue
            }
            try Self.checkID(of: token, model, next: Int32(idCount), entry)
            idCount = max(idCount, Int(token.id) + 1)
            ordered.append(token)
            tokens[token.id] = token
            ids[token.content] = token.id
            if token.isSpecial { specials.insert(token.id) }
        }
        // Special tokens come first: of two equal patterns the first one matches.
        ordered = ordered.filter { $0.isSpecial } + ordered.filter { !$0.isSpecial }
        let late = ordered.filter { $0.isNormalized }
        var patterns: [[UInt8]] = []
        for token in late {
            let pattern = try normalizer?.apply(token.content, originPrefix: 0, block: block).bytes
            guard pattern?.isEmpty != true else {
                throw TokenizationError(
                    .unsupportedFeature, "an added token is normalized to nothing",
                    at: "added_tokens: \(String(decoding: token.content, as: UTF8.self))")
            }
            patterns.append(pattern ?? token.content)
        }
        normalized = try AddedTokenMatcher(late, patterns: patterns)
        let early = ordered.filter { !$0.isNormalized }
        verbatim = try AddedTokenMatcher(early, patterns: early.map(\.content))
    }

    private static func read(_ entry: JSONNode) throws(TokenizationError) -> AddedToken {
        try entry.refuseUnknownKeys(except: [
            "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special",
        ])
        let id = try entry.required("id").count(limit: TokenTable.idLimit - 1)
        return AddedToken(
            id: Int32(id), content: try entry.required("content").bytes(),
            singleWord: try entry.requiredBool("single_word"),
            stripsLeft: try entry.requiredBool("lstrip"),
            stripsRight: try entry.requiredBool("rstrip"),
            isNormalized: try entry.requiredBool("normalized"),
            isSpecial: try entry.requiredBool("special"))
    }

    /// `tokenizers` does not obey the ids of new tokens but counts on from the vocabulary; a file
    /// for which that differs would mean two things.
    private static func checkID(
        of token: AddedToken, _ model: BytePairModel, next: Int32, _ entry: JSONNode
    ) throws(TokenizationError) {
        let size = Int32(model.vocabulary.count)
        let given = model.vocabulary.id(of: token.content) ?? max(size, next)
        guard given == token.id else {
            throw entry.failure(
                "the added token has id \(token.id), but its place in the vocabulary gives "
                    + "\(given); list added tokens by ascending id without gaps")
        }
    }
}

extension AddedTokenMatcher {
    func parts(
        of bytes: [UInt8], using block: MatchBlock
    ) throws(TokenizationError) -> [Part] {
        try bytes.withUnsafeBufferPointer { (buffer) throws(TokenizationError) in
            try parts(of: buffer, using: block)
        }
    }
}
