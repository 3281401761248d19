// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Asks the admin surface of a host over its socket, as `curl --unix-socket` would.
struct AdminSocketClient: Sendable {
    let path: String

    init(_ server: BurrowProcess) { path = server.adminSocket }

    /// A reply with its status, lower-case headers and body.
    struct Reply: Sendable {
        var status: Int
        var headers: [String: String]
        var body: [UInt8]

        var json: JSON { get throws { try JSON(parsing: body) } }
    }

    func ask(
        _ method: String, _ target: String, headers: [String] = [], body: String = ""
    ) async throws -> Reply {
        try await onThread { [path] in
            let connection = try WireConnection(socket: path)
            let head = [
                "\(method) \(target) HTTP/1.1", "Host: burrow", "Connection: close",
                "Content-Length: \(body.utf8.count)",
            ]
            try connection.send(
                (head + headers).joined(separator: "\r\n") + "\r\n\r\n" + body)
            let status = try connection.line().split(separator: " ")[1]
            var fields: [String: String] = [:]
            while case let line = try connection.line(), !line.isEmpty {
                let parts = line.split(separator: ":", maxSplits: 1)
                fields[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
            }
            return Reply(
                status: Int(status) ?? 0, headers: fields, body: try connection.rest())
        }
    }

    /// Puts a manifest in force, whatever is.
    func apply(_ manifest: String, force: Bool = false) async throws -> Reply {
        try await ask(
            "PUT", "/admin/manifest\(force ? "?force=1" : "")", headers: ["If-Match: *"],
            body: manifest)
    }

    /// What was tried and what came of it, the latest last.
    func generations() async throws -> [JSON] {
        try await ask("GET", "/admin/generations").json.list
    }

    /// Waits until the latest generation or attempt is as `isWanted` says.
    ///
    /// - Returns: it.
    func latest(where isWanted: @Sendable (JSON) -> Bool) async throws -> JSON {
        var last = JSON.null
        try await eventually("the generation that is wanted") {
            last = try await generations().last ?? .null
            return isWanted(last)
        }
        return last
    }
}
