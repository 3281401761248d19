// SPDX-License-Identifier: Apache-2.0

/// A request that is refused before any handler sees it: the status and what the client must mend.
package nonisolated struct HTTPFault: Error, Equatable, Sendable {
    package let status: Int
    package let message: String

    init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }

    static func badRequest(_ message: String) -> HTTPFault { HTTPFault(400, message) }

    /// The refusal in the shape of an OpenAI error.
    var body: [UInt8] {
        let type = status >= 500 ? "ServerError" : "BadRequestError"
        let text =
            "{\"error\":{\"message\":\(Self.quoted(message)),\"type\":\"\(type)\","
            + "\"param\":null,\"code\":\(status)}}"
        return Array(text.utf8)
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20: result += " "
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
