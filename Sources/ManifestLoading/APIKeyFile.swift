// SPDX-License-Identifier: Apache-2.0

/// A key that lets a client use the API.
package struct APIKey: Sendable, Equatable {
    /// What logs and metrics call the client.
    package var name: String?
    package var key: String
}

/// Reads files of API keys: one to a line, as `name: key` or the key alone; a word
/// that begins with `#` begins a comment.
///
/// Diagnostics never show a key.
package enum APIKeyFile {
    /// Shorter keys can be guessed.
    package static let minimumKeyBytes = 8
    /// Longer ones, or more of them, are refused.
    package static let maximumKeyBytes = 512
    package static let maximumKeys = 10_000

    /// The keys of the file at `path`, of which there is at least one.
    package static func load(path: String) throws(ManifestError) -> [APIKey] {
        let bytes: [UInt8]
        do throws(FileContents.Failure) {
            bytes = try FileContents.read(path, limit: SourceText.maximumBytes)
        } catch {
            throw ManifestError(
                code: .unreadable,
                diagnostics: [Diagnostic("the file cannot be read: \(error.reason)", in: path)])
        }
        return try parse(bytes, file: path)
    }

    /// What the clients of the keys are called, in order: a key without a name is a tenant too, and
    /// its place in the file tells it apart.
    package static func tenants(of keys: [APIKey]) -> [String] {
        keys.enumerated().map { $1.name ?? "key-\($0 + 1)" }
    }

    static func parse(_ bytes: [UInt8], file: String) throws(ManifestError) -> [APIKey] {
        guard bytes.count <= SourceText.maximumBytes,
            let text = String(validating: bytes, as: UTF8.self)
        else {
            let message = "the file is not UTF-8 of at most \(SourceText.maximumBytes) bytes"
            throw ManifestError(code: .invalid, diagnostics: [Diagnostic(message, in: file)])
        }
        var list = KeyList(file: file)
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() { list.take(line, number: index + 1) }
        if list.keys.isEmpty, list.diagnostics.isEmpty {
            list.diagnostics = [Diagnostic("the file holds no key", in: file)]
        }
        guard list.diagnostics.isEmpty else {
            throw ManifestError(code: .invalid, diagnostics: list.diagnostics)
        }
        return list.keys
    }
}

private struct KeyList {
    let file: String
    private(set) var keys: [APIKey] = []
    var diagnostics: [Diagnostic] = []
    private var lines: [String: Int] = [:]
    private var names: [String: Int] = [:]

    init(file: String) { self.file = file }

    mutating func take(_ line: Substring, number: Int) {
        guard diagnostics.count < ManifestDocument.maximumDiagnostics else { return }
        // A '#' inside a word is part of it: cutting a key there would weaken it silently.
        let words = line.split(whereSeparator: \.isWhitespace).prefix { !$0.hasPrefix("#") }
        guard let first = words.first, let last = words.last else { return }
        func report(_ message: String, at word: Substring) {
            let column = line.unicodeScalars[..<word.startIndex].count + 1
            let position = SourcePosition(
                line: number, column: column, endColumn: column + word.unicodeScalars.count)
            diagnostics.append(Diagnostic(message, in: file, at: position))
        }
        let isNamed = first.hasSuffix(":")
        guard words.count == (isNamed ? 2 : 1) else {
            return report("expected 'name: key' or a key alone", at: first)
        }
        let name = isNamed ? String(first.dropLast()) : nil
        if name == "" { return report("the name before ':' is empty", at: first) }
        if let fault = fault(of: String(last)) { return report(fault, at: last) }
        if let name, let earlier = names[name] {
            return report("the name '\(name.excerpt)' stands at line \(earlier) already", at: first)
        }
        lines[String(last)] = number
        if let name { names[name] = number }
        keys.append(APIKey(name: name, key: String(last)))
    }

    private func fault(of key: String) -> String? {
        if let earlier = lines[key] { return "the same key stands at line \(earlier) already" }
        if keys.count >= APIKeyFile.maximumKeys {
            return "there are more than \(APIKeyFile.maximumKeys) keys"
        }
        if key.utf8.count < APIKeyFile.minimumKeyBytes {
            return "a key has at least \(APIKeyFile.minimumKeyBytes) characters"
        }
        let isToken =
            key.utf8.count <= APIKeyFile.maximumKeyBytes
            && key.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        return isToken
            ? nil : "a key has at most \(APIKeyFile.maximumKeyBytes) characters, all of ASCII"
    }
}
