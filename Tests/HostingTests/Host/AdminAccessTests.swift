// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPServing
import ManifestLoading
import TestSupport
import Testing

@testable import Hosting

/// The admin surface at an address.
@Suite struct AdminAccessTests {
    private static let token = "0123456789abcdef"

    private func access(host: String = "127.0.0.1") throws -> AdminAccess {
        try AdminAccess(
            token: Array("\(Self.token)\n".utf8), of: "t",
            at: ListenAddress(host: host, port: 9090))
    }

    @Test(
        arguments: [
            ("127.0.0.1", ["host": "127.0.0.1:9090", "authorization": "Bearer \(token)"], nil),
            ("127.0.0.1", ["host": "localhost:1", "authorization": "bearer \(token)"], nil),
            ("::1", ["host": "[::1]:9090", "authorization": "Bearer \(token)"], nil),
            ("10.0.0.1", ["host": "burrow.example.org", "authorization": "Bearer \(token)"], nil),
            ("127.0.0.1", ["host": "127.0.0.1:9090"], 401),
            ("127.0.0.1", ["host": "127.0.0.1:9090", "authorization": "Bearer \(token)x"], 401),
            (
                "127.0.0.1",
                ["host": "127.0.0.1:9090", "authorization": "Bearer 0123456789abcdee"], 401
            ),
            ("127.0.0.1", ["host": "127.0.0.1:9090", "authorization": "Basic \(token)"], 401),
            (
                "127.0.0.1", ["host": "evil.example.org:9090", "authorization": "Bearer \(token)"],
                403
            ),
            ("127.0.0.1", ["authorization": "Bearer \(token)"], 403),
            (
                "127.0.0.1",
                [
                    "host": "localhost", "authorization": "Bearer \(token)",
                    "origin": "http://localhost",
                ],
                403
            ),
            (
                "10.0.0.1",
                ["host": "a", "authorization": "Bearer \(token)", "sec-fetch-mode": "no-cors"], 403
            ),
        ] as [(String, [String: String], Int?)])
    func requestsAreLetInOrNot(_ host: String, _ fields: [String: String], _ status: Int?) throws {
        var headers: HTTPHeaders = [:]
        for (name, value) in fields { headers.append(name, value) }
        let request = HTTPRequest(method: "GET", path: "/admin/status", headers: headers)
        let access = try access(host: host)
        var found: Int?
        do throws(APIError) { try access.check(request) } catch { found = error.status }
        #expect(found == status)
    }

    @Test(arguments: ["", "short", "\n\n", "0123456789abcdef 0123456789abcdef", "0123456789abcdéf"])
    func tokensThatAreNoneAreRefused(_ text: String) {
        #expect(throws: HostError.self) {
            try AdminAccess(
                token: Array(text.utf8), of: "t", at: ListenAddress(host: "::1", port: 1))
        }
    }

    @Test func fileThatEverybodyMayReadIsRefused() throws {
        let folder = try TestFolder()
        let file = try folder.write("t", Self.token)
        let address = ListenAddress(host: "127.0.0.1", port: 9090)
        chmod(file, 0o640)
        _ = try AdminAccess(tokenFile: file, at: address)
        chmod(file, 0o644)
        let error = #expect(throws: HostError.self) {
            try AdminAccess(tokenFile: file, at: address)
        }
        #expect(error?.message.contains("everybody may read it") == true)
        #expect(throws: HostError.self) {
            try AdminAccess(tokenFile: "/dev/zero", at: address)
        }
    }

    @Test(arguments: [false, true])
    func hostAnswersAtItsAddressAndAtItsSocket(isEncrypted: Bool) async throws {
        let files = try TLSHostTests.Files()
        let token = try files.folder.write("token", Self.token)
        chmod(token, 0o600)
        var manifest = isEncrypted ? files.manifest : ServedManifest()
        manifest.server.append("admin: {listen: \"127.0.0.1:0\", tokenFile: \(token)}")
        let server = try await BurrowProcess.start(manifest)
        let address = try #require(server.log.firstMatch(of: /at (https?:\S+) too/)?.1)
        #expect(address.hasPrefix(isEncrypted ? "https://" : "http://"))
        func ask(_ more: String...) async throws -> String {
            try await run(
                "/usr/bin/curl",
                ["--silent", "--cacert", files.certificate, "--write-out", "%{http_code}"] + more
                    + ["\(address)/admin/status"]
            ).output
        }
        #expect(try await ask().hasSuffix("}}401"))
        let good = "Authorization: Bearer \(Self.token)"
        let answer = try await ask("--header", good)
        #expect(answer.hasSuffix("}200") && answer.contains("\"processIdentifier\""))
        #expect(try await ask("--header", good, "--header", "Origin: http://a").hasSuffix("}}403"))
        let status = try await run(Built.burrow, ["status", "--socket", server.adminSocket])
        #expect(status.status == 0, "the socket needs no token")
        try await server.stop()
    }
}
