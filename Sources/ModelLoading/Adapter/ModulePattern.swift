// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A regular expression over module names, with Python's meaning, from an adapter's configuration.
///
/// Names without regular-expression characters, nearly all there are, are compared directly.
struct ModulePattern {
    enum Anchoring {
        /// `(.*\.)?(pattern)$`, the rule of `rank_pattern` and `alpha_pattern`.
        case pathSuffix
        /// The whole name, as `re.fullmatch`, the rule of a string in `target_modules`.
        case wholeName
    }

    private enum Matcher {
        /// Characters of a plain pattern, where `.` stands for any one.
        case plain([UInt8])
        case expression(NSRegularExpression)
    }

    private static let maximumLength = 4096
    /// Each is a few thousand steps of the engine: ample for any honest pattern on a short name.
    private static let maximumProgressReports = 64

    private let text: String
    private let anchoring: Anchoring
    private let matcher: Matcher

    /// Compiles a pattern; the error carries neither path nor key.
    init(_ text: String, _ anchoring: Anchoring) throws(ModelLoadingError) {
        self.text = text
        self.anchoring = anchoring
        guard text.utf8.count <= Self.maximumLength else {
            throw ModelLoadingError(
                .tooLarge, "a pattern of over \(Self.maximumLength) characters")
        }
        let isPlain = text.utf8.allSatisfy {
            $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_")
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20)
        }
        matcher =
            isPlain ? .plain(Array(text.utf8)) : .expression(try Self.compile(text, anchoring))
    }

    private static func compile(
        _ text: String, _ anchoring: Anchoring
    ) throws(ModelLoadingError) -> NSRegularExpression {
        // Inside brackets, ICU reads these as set operations and Python as characters.
        if let difference = ["&&", "--", "[["].first(where: text.contains) {
            throw ModelLoadingError(
                .unsupportedAdapter,
                "the pattern \"\(text)\" contains \(difference), whose meaning is not Python's here"
            )
        }
        let prefix = anchoring == .pathSuffix ? "(?:.*\\.)?" : ""
        do {
            // Alone first: a stray parenthesis must not pair up with those of the frame.
            _ = try NSRegularExpression(pattern: text)
            return try NSRegularExpression(pattern: "\\A\(prefix)(?:\(text))\\z")
        } catch {
            throw ModelLoadingError(
                .unsupportedAdapter, "the pattern \"\(text)\" is not a regular expression")
        }
    }

    /// Whether the pattern covers a module; throws if deciding takes too many steps.
    func matches(_ name: String) throws(ModelLoadingError) -> Bool {
        switch matcher {
        case .plain(let pattern): return matchesPlainly(pattern, Array(name.utf8))
        case .expression(let expression): return try matches(name, expression)
        }
    }

    private func matchesPlainly(_ pattern: [UInt8], _ name: [UInt8]) -> Bool {
        let start = name.count - pattern.count
        switch anchoring {
        case .wholeName: guard start == 0 else { return false }
        case .pathSuffix:
            guard start == 0 || start > 0 && name[start - 1] == UInt8(ascii: ".") else {
                return false
            }
        }
        return zip(pattern, name[start...]).allSatisfy { $0 == UInt8(ascii: ".") || $0 == $1 }
    }

    private func matches(
        _ name: String, _ expression: NSRegularExpression
    ) throws(ModelLoadingError) -> Bool {
        var isMatch = false
        var reports = 0
        let range = NSRange(name.startIndex..., in: name)
        expression.enumerateMatches(in: name, options: [.reportProgress], range: range) {
            result, _, stop in
            if result != nil {
                isMatch = true
                stop.pointee = true
            } else {
                reports += 1
                if reports > Self.maximumProgressReports { stop.pointee = true }
            }
        }
        guard reports <= Self.maximumProgressReports else {
            throw ModelLoadingError(
                .unsupportedAdapter,
                "the pattern \"\(text)\" takes too many steps on \"\(name)\"; simplify it")
        }
        return isMatch
    }
}
