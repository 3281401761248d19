// SPDX-License-Identifier: Apache-2.0

/// A whole request, as a handler gets it.
package nonisolated struct HTTPRequest: Sendable, Equatable {
    /// In capitals, as `GET`; one of those that the parser knows.
    package var method: String
    /// Without percent-encoding; UTF-8 without control characters, begins with a slash (or is the
    /// `*` of OPTIONS).
    package var path: String
    /// What follows the question mark, still encoded; empty when there is none.
    package var query: String
    package var headers: HTTPHeaders
    package var body: [UInt8]
    /// The address of the client, as `127.0.0.1:5000`.
    package var peer: String

    package init(
        method: String, path: String, query: String = "", headers: HTTPHeaders = [:],
        body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = ""
    }

    /// The names and values of the query in order, decoded; a name without `=` has an empty value.
    package var queryItems: [(name: String, value: String)] {
        query.utf8.split(separator: 0x26).map { item in
            let mark = item.firstIndex(of: 0x3d)
            let name = item[..<(mark ?? item.endIndex)]
            let value = mark.map { item[item.index(after: $0)...] } ?? item[item.endIndex...]
            return (Self.decoded(name), Self.decoded(value))
        }
    }

    /// The first value of that name in the query.
    package func queryValue(_ name: String) -> String? {
        queryItems.first { $0.name == name }?.value
    }

    private static func decoded(_ bytes: Substring.UTF8View) -> String {
        // A request off the wire was checked; one made by a program may hold anything.
        (try? RequestTarget.decoded(bytes, plusIsSpace: true))
            ?? String(decoding: bytes, as: UTF8.self)
    }
}
