// SPDX-License-Identifier: Apache-2.0

import HTTPServing
import Testing

@Suite struct APIKeysTests {
    @Test func aKeyOpensAndNamesItsTenant() throws {
        let keys = try APIKeys(text: "# ours\nalpha-key\n\nacme  acme-key\n")
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

    @Test(arguments: [
        ("", 1, "no key"), ("# only\n", 1, "no key"), ("a b c", 1, "expected a key"),
        ("a\nb c d\n", 2, "expected a key"), ("k\nt k", 2, "twice"), ("schlüssel", 1, "ASCII"),
    ])
    func badListsAreRefusedWithTheirLine(text: String, line: Int, part: String) {
        let error = #expect(throws: APIKeys.Rejection.self) { try APIKeys(text: text) }
        #expect(error?.line == line)
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
