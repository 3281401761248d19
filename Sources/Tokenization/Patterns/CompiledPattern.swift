// SPDX-License-Identifier: Apache-2.0

import CPCRE2

/// A regular expression compiled by PCRE2, with just-in-time code where the machine allows it.
///
/// `@unchecked Sendable`: PCRE2 does not change `code` and `context` after compilation, and each
/// search brings its own ``MatchBlock``.
final class CompiledPattern: @unchecked Sendable {
    /// Backtracking steps of one search; the published patterns need about one per character.
    static let matchLimit: UInt32 = 20_000_000
    /// Memory of the interpreter in KiB, used only when the machine stack of the compiled code
    /// does not suffice.
    static let heapLimitKiB: UInt32 = 64 * 1024
    static let sourceLimit = 64 * 1024

    private let code: OpaquePointer
    private let context: OpaquePointer

    /// Compiles what `tokenizer.json` calls a `Regex`, which is in the syntax of Oniguruma.
    convenience init(oniguruma source: String) throws(TokenizationError) {
        try self.init(pcre: OnigurumaTranslation.translate(source), shown: source)
    }

    /// Compiles a class of scalars, repeated when `oneOrMore`.
    convenience init(_ set: ScalarSet, oneOrMore: Bool = false) throws(TokenizationError) {
        try self.init(pcre: "[\(set.items)]" + (oneOrMore ? "+" : ""), shown: set.items)
    }

    init(pcre: String, shown source: String) throws(TokenizationError) {
        var errorCode: Int32 = 0
        var errorOffset = 0
        // Lines end with LF for `.`, `^` and `$`, as they do in Oniguruma.
        let bytes = Array("(*LF)\(pcre)".utf8)
        let options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | UInt32(PCRE2_NEVER_BACKSLASH_C)
        guard
            let code = pcre2_compile_8(
                bytes, bytes.count, options, &errorCode, &errorOffset, nil)
        else {
            throw TokenizationError(
                .unsupportedFeature,
                "the regular expression \(source) cannot be compiled: \(Self.message(errorCode))")
        }
        guard let context = pcre2_match_context_create_8(nil) else {
            pcre2_code_free_8(code)
            throw TokenizationError(.limitExceeded, "out of memory for a regular expression")
        }
        pcre2_set_match_limit_8(context, Self.matchLimit)
        pcre2_set_heap_limit_8(context, Self.heapLimitKiB)
        // Without just-in-time code the interpreter gives the same matches, more slowly.
        pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
        self.code = code
        self.context = context
    }

    deinit {
        pcre2_match_context_free_8(context)
        pcre2_code_free_8(code)
    }

    private static func message(_ code: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = pcre2_get_error_message_8(code, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(Int(count)), as: UTF8.self) : "\(code)"
    }

    /// Calls `body` with each match from left to right; `subject` must be valid UTF-8.
    ///
    /// An empty match directly after another match is skipped, as the `onig` crate does.
    func forEachMatch(
        in subject: UnsafeBufferPointer<UInt8>, using block: MatchBlock,
        _ body: (Range<Int>) -> Void
    ) throws(TokenizationError) {
        guard let base = subject.baseAddress else { return }
        var start = 0
        var previousEnd = -1
        while start <= subject.count, try search(base, subject.count, from: start, block) {
            let match = block.range
            if match.isEmpty, match.upperBound == previousEnd {
                start += start < subject.count ? UTF8Text.length(ofLead: subject[start]) : 1
                continue
            }
            start = match.upperBound
            previousEnd = start
            body(match)
        }
    }

    /// Whether the pattern matches at exactly `index` of `subject`.
    func matches(
        _ subject: UnsafeBufferPointer<UInt8>, at index: Int, using block: MatchBlock
    ) throws(TokenizationError) -> Bool {
        guard let base = subject.baseAddress, index < subject.count else { return false }
        return try search(base, subject.count, from: index, block, PCRE2_ANCHORED)
    }

    private func search(
        _ base: UnsafePointer<UInt8>, _ count: Int, from start: Int, _ block: MatchBlock,
        _ extra: UInt32 = 0
    ) throws(TokenizationError) -> Bool {
        let options = PCRE2_NO_UTF_CHECK | extra
        var result = pcre2_match_8(code, base, count, start, options, block.pointer, context)
        if result == PCRE2_ERROR_JIT_STACKLIMIT {
            result = pcre2_match_8(
                code, base, count, start, options | PCRE2_NO_JIT, block.pointer, context)
        }
        if result == PCRE2_ERROR_NOMATCH { return false }
        guard result >= 0 else {
            throw TokenizationError(
                .limitExceeded,
                "splitting the text needs too much work (\(Self.message(result))); send less text")
        }
        return true
    }
}

/// The result registers of one search at a time.
final class MatchBlock {
    fileprivate let pointer: OpaquePointer

    init() throws(TokenizationError) {
        guard let pointer = pcre2_match_data_create_8(1, nil) else {
            throw TokenizationError(.limitExceeded, "out of memory for a regular expression")
        }
        self.pointer = pointer
    }

    deinit { pcre2_match_data_free_8(pointer) }

    /// Where the last match was.
    fileprivate var range: Range<Int> {
        let ends = pcre2_get_ovector_pointer_8(pointer)
        guard let ends else { return 0..<0 }
        return ends[0]..<max(ends[0], ends[1])
    }
}
