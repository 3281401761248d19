// SPDX-License-Identifier: Apache-2.0

/// Why a piece of text is not the value that its place wants; the caller knows the place.
struct ValueFault: Error, Equatable {
    let message: String
    let suggestion: String?

    init(_ message: String, suggestion: String? = nil) {
        self.message = message
        self.suggestion = suggestion
    }
}

extension String {
    /// Short enough to be quoted in a message, and on one line.
    var excerpt: String {
        let limit = 60
        var text = ""
        for (index, scalar) in unicodeScalars.enumerated() {
            if index == limit { return text + "…" }
            let isControl = scalar.properties.generalCategory == .control
            text.unicodeScalars.append(isControl ? "\u{FFFD}" : scalar)
        }
        return text
    }
}
