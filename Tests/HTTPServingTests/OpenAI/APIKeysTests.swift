// SPDX-License-Identifier: Apache-2.0

import HTTPServing
import Testing

@Suite struct APIKeysTests {
    @Test func aKeyOpensAndNamesItsTenant() throws {
        let keys = try APIKeys([
            APIKeys.Key(secret: "alpha-key"), APIKeys.Key(tenant: "acme", secret: "acme-key"),
        ])
        func access(_ header: String?) -> APIKeys.Access {
            keys.access(to: .completions, authorization: header)
        }
        #expect(access("Bearer alpha-key") == .granted(tenant: nil))
        #expect(access("bearer   acme-key") == .granted(tenant: "acme"))
        for header in [
            nil, "", "Bearer", "Bearer ", "Bearer alpha-ke", "Bearer alpha-key2",
            "Bearer ALPHA-KEY",
            "Basic alpha-key", "alpha-key", "Bearer alpha-key\0",
            "Bearer " + String(repeating: "x", count: 600), "Bearer\talpha-key",
        ] {
            guard case .refused(let error) = access(header) else {
                Issue.record("\(header ?? "nil") was let in")
                continue
            }
            #expect(error.status == 401)
            #expect(error.headers.first?.name == "WWW-Authenticate")
            #expect(!error.message.contains("alpha"))
        }
    }

    @Test func someRoutesAndAnEmptyListNeedNone() throws {
        let keys = try APIKeys([APIKeys.Key(secret: "k")])
        #expect(keys.access(to: .health, authorization: nil) == .granted(tenant: nil))
        #expect(
            keys.access(to: .options(allowing: []), authorization: nil) == .granted(tenant: nil))
        #expect(APIKeys.none.access(to: .completions, authorization: nil) == .granted(tenant: nil))
        #expect(APIKeys.none.isEmpty && !keys.isEmpty)
    }

    @Test(
        arguments: [
            (["k", "a b"], 1, "ASCII"), ([""], 0, "1 to 512"), (["k", "l", "k"], 2, "twice"),
            (["schlüssel"], 0, "ASCII"), ([String(repeating: "k", count: 513)], 0, "1 to 512"),
        ] as [([String], Int, String)])
    func badListsAreRefusedWithTheirPosition(secrets: [String], position: Int, part: String) {
        let error = #expect(throws: APIKeys.Rejection.self) {
            try APIKeys(secrets.map { APIKeys.Key(secret: $0) })
        }
        #expect(error?.position == position)
        #expect(error?.message.contains(part) == true)
    }

    @Test func theRightOneOfManyKeysMatches() throws {
        let keys = try APIKeys(
            (0..<50).map { APIKeys.Key(tenant: "t\($0)", secret: "secret-\($0)") })
        for index in [0, 7, 49] {
            #expect(
                keys.access(to: .models, authorization: "Bearer secret-\(index)")
                    == .granted(tenant: "t\(index)"))
        }
    }
}
