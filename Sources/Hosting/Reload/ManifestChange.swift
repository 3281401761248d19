// SPDX-License-Identifier: Apache-2.0

/// One difference between two generations.
nonisolated package struct ManifestChange: Codable, Sendable, Equatable {
    package enum Sign: String, Codable, Sendable {
        case added = "+"
        case removed = "-"
        case changed = "~"
        /// The same words, other code or other weights.
        case rebuilt = "↻"
    }

    package var sign: Sign

    /// What it is, as `adapter legal` or `limits.queue`.
    package var item: String

    /// What it was and what it becomes.
    package var text: String

    /// Whether only a new start of the host brings it about.
    package var needsRestart: Bool

    /// Where the new manifest says it.
    package var line: Int?
    package var column: Int?

    /// A line of `burrow plan`.
    package var description: String {
        let head = "\(sign.rawValue) \(item)"
        return text.isEmpty ? head : "\(head): \(text)"
    }
}
