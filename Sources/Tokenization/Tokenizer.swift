// SPDX-License-Identifier: Apache-2.0

/// A tokenizer as a Hugging Face `tokenizer.json` describes it, immutable after loading.
///
/// Gives the ids of the `tokenizers` library on any text, or refuses the file.
package final class Tokenizer: Sendable {
    /// Longer texts are refused.
    package static let textLimit = 64 << 20

    let model: BytePairModel
    let normalizer: Normalizer?
    let preTokenizer: PreTokenizer?
    let postProcessor: PostProcessor
    let decoder: DecoderChain
    private let added: AddedVocabulary

    /// Special tokens and other facts of `tokenizer_config.json`.
    package let configuration: TokenizerConfiguration
    /// The template for conversations, if the model has one.
    package let chatTemplate: ChatTemplate?
    /// The template for conversations with tools, when the model names one separately.
    package let toolUseTemplate: ChatTemplate?

    /// Reads the contents of `tokenizer.json` and, if there is one, `tokenizer_config.json`.
    package convenience init(
        json: [UInt8], configuration: [UInt8]? = nil
    ) throws(TokenizationError) {
        let settings = try configuration.map { (bytes) throws(TokenizationError) in
            try TokenizerConfiguration(json: bytes)
        }
        try self.init(json: json, configuration: settings ?? TokenizerConfiguration())
    }

    /// Reads the contents of `tokenizer.json` with a configuration read before.
    package init(
        json: [UInt8], configuration: TokenizerConfiguration
    ) throws(TokenizationError) {
        let root = try JSONNode(parsing: json)
        try TokenizerFile.checkTop(root)
        let block = try MatchBlock()
        let normalizer = try TokenizerFile.normalizer(root.optional("normalizer"))
        let preTokenizer = try TokenizerFile.preTokenizer(root.optional("pre_tokenizer"))
        let model = try TokenizerFile.model(root.required("model"))
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.model = model
        postProcessor = try PostProcessor(root.optional("post_processor"))
        decoder = try TokenizerFile.decoder(root.optional("decoder"))
        added = try AddedVocabulary(
            root.optional("added_tokens"), model: model, normalizer: normalizer, block: block)
        self.configuration = configuration
        chatTemplate = try configuration.template(named: "default")
        toolUseTemplate = try configuration.template(named: "tool_use")
    }

    // MARK: - Vocabulary

    /// The highest id + 1.
    package var vocabularySize: Int { max(model.vocabulary.idCount, added.idCount) }

    /// The id of a token by its string as the vocabulary spells it.
    package func id(of token: String) -> Int32? {
        let bytes = Array(token.utf8)
        return added.id(of: bytes) ?? model.vocabulary.id(of: bytes)
    }

    /// Whether `id` is a token that `skipSpecialTokens` leaves out.
    package func isSpecial(_ id: Int32) -> Bool { added.isSpecial(id) }

    /// The string of a token as the vocabulary spells it, in UTF-8.
    func tokenString(_ id: Int32) -> [UInt8]? {
        added.content(of: id) ?? model.vocabulary.bytes(of: id)
    }

    /// The bytes a token adds to a text it does not begin.
    package func tokenBytes(_ id: Int32) -> [UInt8]? {
        tokenString(id).map { decoder.bytes(of: $0) }
    }

    /// ``tokenBytes(_:)`` as text, with U+FFFD for what is not UTF-8 by itself.
    package func tokenText(_ id: Int32) -> String? {
        tokenBytes(id).map { String(decoding: $0, as: UTF8.self) }
    }

    // MARK: - Encoding

    /// The ids of `text`; tokens of the post-processor, such as the beginning of the text, are
    /// added when `addSpecialTokens`. Special tokens that `text` spells out are recognised.
    ///
    /// Throws `limitExceeded` when the text is too long or a pattern backtracks without end.
    package func encode(
        _ text: String, addSpecialTokens: Bool
    ) throws(TokenizationError) -> [Int32] {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.textLimit else {
            throw TokenizationError(
                .limitExceeded,
                "the text has \(bytes.count) bytes; at most \(Self.textLimit) are tokenized")
        }
        var encoding = Encoding(block: try MatchBlock())
        if addSpecialTokens { encoding.ids += postProcessor.prefix }
        try encodeSections(bytes, &encoding)
        if addSpecialTokens { encoding.ids += postProcessor.suffix }
        return encoding.ids
    }

    /// The ids of a rendered chat template, which spells all special tokens itself.
    package func encodeChat(_ text: String) throws(TokenizationError) -> [Int32] {
        try encode(text, addSpecialTokens: false)
    }

    private struct Encoding {
        let block: MatchBlock
        var ids: [Int32] = []
        var workspace = BytePairModel.Workspace()
    }

    /// Added tokens that are looked for in the text as it is, then everything between them.
    private func encodeSections(
        _ bytes: [UInt8], _ encoding: inout Encoding
    ) throws(TokenizationError) {
        for part in try added.verbatim.parts(of: bytes, using: encoding.block) {
            switch part {
            case .token(let id): encoding.ids.append(id)
            case .text(let range):
                let origin = range.lowerBound == 0 ? UTF8Text.length(ofLead: bytes[0]) : 0
                try encodeSection(Array(bytes[range]), origin, &encoding)
            }
        }
    }

    /// Normalizes a section, then added tokens that are looked for in normalized text.
    private func encodeSection(
        _ bytes: [UInt8], _ originPrefix: Int, _ encoding: inout Encoding
    ) throws(TokenizationError) {
        var section = (bytes: bytes, originPrefix: originPrefix)
        if let normalizer {
            section = try normalizer.apply(
                bytes, originPrefix: originPrefix, block: encoding.block)
        }
        for part in try added.normalized.parts(of: section.bytes, using: encoding.block) {
            switch part {
            case .token(let id): encoding.ids.append(id)
            case .text(let range):
                let origin = max(0, section.originPrefix - range.lowerBound)
                let text = PieceText(Array(section.bytes[range]), originPrefix: origin)
                try encodeText(text, &encoding)
            }
        }
    }

    private func encodeText(
        _ text: PieceText, _ encoding: inout Encoding
    ) throws(TokenizationError) {
        var text = text
        try preTokenizer?.apply(to: &text, block: encoding.block)
        text.bytes.withUnsafeBufferPointer { buffer in
            for piece in text.pieces {
                model.encode(
                    UnsafeBufferPointer(rebasing: buffer[piece]), into: &encoding.ids,
                    workspace: &encoding.workspace)
            }
        }
    }

    // MARK: - Decoding

    /// The text of `ids`; ids that are no token are left out, bytes that are not UTF-8 become
    /// U+FFFD.
    package func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool) -> String {
        var stream = DecoderStream(decoder)
        var bytes: [UInt8] = []
        for id in ids {
            guard let token = tokenString(id) else { continue }
            if skipSpecialTokens, isSpecial(id) { continue }
            bytes += stream.push(token)
        }
        bytes += stream.finish()
        return String(decoding: bytes, as: UTF8.self)
    }
}
