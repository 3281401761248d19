// SPDX-License-Identifier: Apache-2.0

extension TokenizerFile {
    // MARK: - Normalizer

    static func normalizer(
        _ node: JSONNode?, depth: Int = 0
    ) throws(TokenizationError) -> Normalizer? {
        guard let node else { return nil }
        let type = try node.required("type").string()
        if let form = UnicodeForm(rawValue: type) {
            try node.refuseUnknownKeys(except: ["type"])
            return .form(form)
        }
        switch type {
        case "Sequence":
            return .sequence(
                try steps(node, key: "normalizers", depth: depth) {
                    (node, depth) throws(TokenizationError) in
                    try normalizer(node, depth: depth)
                })
        case "Lowercase":
            try node.refuseUnknownKeys(except: ["type"])
            return .lowercase
        case "StripAccents":
            try node.refuseUnknownKeys(except: ["type"])
            return .stripAccents
        case "Strip":
            try node.refuseUnknownKeys(except: ["type", "strip_left", "strip_right"])
            return .strip(
                left: try node.requiredBool("strip_left"),
                right: try node.requiredBool("strip_right"))
        case "Prepend":
            try node.refuseUnknownKeys(except: ["type", "prepend"])
            return .prepend(try node.required("prepend").bytes())
        case "Replace":
            try node.refuseUnknownKeys(except: ["type", "pattern", "content"])
            return .replace(
                try pattern(node.required("pattern")),
                content: try node.required("content").bytes())
        default:
            throw node.unsupported(
                "the normalizer '\(type)' is not supported (known: Sequence, NFC, NFD, NFKC, "
                    + "NFKD, Lowercase, StripAccents, Strip, Prepend, Replace)")
        }
    }

    // MARK: - Pre-tokenizer

    static func preTokenizer(
        _ node: JSONNode?, depth: Int = 0
    ) throws(TokenizationError) -> PreTokenizer? {
        guard let node else { return nil }
        let type = try node.required("type").string()
        switch type {
        case "Sequence":
            return .sequence(
                try steps(node, key: "pretokenizers", depth: depth) {
                    (node, depth) throws(TokenizationError) in
                    try preTokenizer(node, depth: depth)
                })
        case "Split": return try split(node)
        case "ByteLevel": return try byteLevel(node)
        case "Metaspace":
            let (replacement, scheme) = try metaspace(node)
            return .metaspace(
                replacement: replacement, scheme, split: try node.bool("split", default: true))
        case "Digits":
            try node.refuseUnknownKeys(except: ["type", "individual_digits"])
            let isIndividual = try node.requiredBool("individual_digits")
            return .split(
                try CompiledPattern(.numeric), isIndividual ? .isolated : .contiguous,
                inverted: false)
        case "Punctuation":
            try node.refuseUnknownKeys(except: ["type", "behavior"])
            return .split(
                try CompiledPattern(.punctuation), try behavior(node) ?? .isolated, inverted: false)
        case "Whitespace":
            try node.refuseUnknownKeys(except: ["type"])
            let word = ScalarSet.whitespaceWord.items
            let source = "[\(word)]+|[^\(word)\(ScalarSet.space.items)]+"
            return .split(
                try CompiledPattern(pcre: source, shown: "Whitespace"), .removed, inverted: true)
        case "WhitespaceSplit":
            try node.refuseUnknownKeys(except: ["type"])
            return .whitespaceSplit
        default:
            throw node.unsupported(
                "the pre-tokenizer '\(type)' is not supported (known: Sequence, Split, ByteLevel, "
                    + "Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit)")
        }
    }

    private static func split(_ node: JSONNode) throws(TokenizationError) -> PreTokenizer {
        try node.refuseUnknownKeys(except: ["type", "pattern", "behavior", "invert"])
        guard let behavior = try behavior(node) else { throw node.failure("missing 'behavior'") }
        return .split(
            try pattern(node.required("pattern")), behavior,
            inverted: try node.requiredBool("invert"))
    }

    private static func behavior(_ node: JSONNode) throws(TokenizationError) -> SplitBehavior? {
        guard let name = node.optional("behavior") else { return nil }
        guard let behavior = SplitBehavior(rawValue: try name.string()) else {
            throw name.unsupported(
                "unknown behavior (known: Removed, Isolated, MergedWithPrevious, "
                    + "MergedWithNext, Contiguous)")
        }
        return behavior
    }

    private static func byteLevel(_ node: JSONNode) throws(TokenizationError) -> PreTokenizer {
        try node.refuseUnknownKeys(
            except: ["type", "add_prefix_space", "trim_offsets", "use_regex"])
        let usesPattern = try node.bool("use_regex", default: true)
        return .byteLevel(
            addPrefixSpace: try node.requiredBool("add_prefix_space"),
            pattern: usesPattern
                ? try CompiledPattern(oniguruma: PreTokenizer.byteLevelPattern) : nil)
    }

    /// The replacement and scheme of Metaspace, whose older form has only `add_prefix_space`.
    private static func metaspace(
        _ node: JSONNode
    ) throws(TokenizationError) -> ([UInt8], PreTokenizer.PrependScheme) {
        try node.refuseUnknownKeys(except: [
            "type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split",
        ])
        var scheme = PreTokenizer.PrependScheme.always
        if let name = node.optional("prepend_scheme") {
            guard let known = PreTokenizer.PrependScheme(rawValue: try name.string()) else {
                throw name.unsupported("unknown scheme (known: always, first, never)")
            }
            scheme = known
        }
        if let addsSpace = node.optional("add_prefix_space"), try !addsSpace.bool() {
            // `tokenizers` refuses any other scheme beside false.
            guard node.optional("prepend_scheme") == nil || scheme == .never else {
                throw addsSpace.failure("add_prefix_space does not match prepend_scheme")
            }
            scheme = .never
        }
        return (try node.required("replacement").scalar(), scheme)
    }

    // MARK: - Decoder

    static func decoder(_ node: JSONNode?) throws(TokenizationError) -> DecoderChain {
        guard let node else { return DecoderChain(stages: [.join]) }
        let stages = try decoderStages(node, depth: 0)
        var isFused = false
        for stage in stages {
            if isFused, stage == .byteLevel || stage == .byteFallback {
                throw node.unsupported("this order of decoders is not supported")
            }
            isFused = isFused || stage.makesOneText
        }
        return DecoderChain(stages: stages)
    }

    private static func decoderStages(
        _ node: JSONNode, depth: Int
    ) throws(TokenizationError) -> [DecoderChain.Stage] {
        let type = try node.required("type").string()
        switch type {
        case "Sequence":
            return try steps(node, key: "decoders", depth: depth) {
                (node, depth) throws(TokenizationError) in
                try decoderStages(node, depth: depth)
            }.flatMap { $0 }
        case "ByteLevel": return [.byteLevel]
        case "ByteFallback": return [.byteFallback]
        case "Fuse": return [.fuse]
        case "Metaspace":
            let (replacement, scheme) = try metaspace(node)
            return [.metaspace(replacement: replacement, dropsFirst: scheme != .never)]
        case "Replace":
            let pattern = try node.required("pattern")
            guard let text = try pattern.optional("String")?.bytes(), !text.isEmpty else {
                throw pattern.unsupported("a decoder can only replace a non-empty String")
            }
            return [.replace(pattern: text, content: try node.required("content").bytes())]
        case "Strip":
            return [
                .strip(
                    content: try node.required("content").scalar(),
                    start: try node.required("start").count(limit: 1000),
                    stop: try node.required("stop").count(limit: 1000))
            ]
        default:
            throw node.unsupported(
                "the decoder '\(type)' is not supported (known: Sequence, ByteLevel, "
                    + "ByteFallback, Fuse, Metaspace, Replace, Strip)")
        }
    }
}
