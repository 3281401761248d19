// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import ManifestLoading

@Suite struct APIKeyFileTests {
    @Test func keysHaveNamesOrNone() throws {
        let text = """
            # who may use the API
            alice: sk-0123456789   # the first

              bob:  sk-#abcdefgh
            sk:with:colons
            """
        let keys = try APIKeyFile.parse(Array(text.utf8), file: "keys.txt")
        #expect(
            keys == [
                APIKey(name: "alice", key: "sk-0123456789"),
                APIKey(name: "bob", key: "sk-#abcdefgh"), APIKey(name: nil, key: "sk:with:colons"),
            ])
    }

    static let faults: [(String, String)] = [
        ("", "k: error: the file holds no key"),
        ("# nothing\n\n", "k: error: the file holds no key"),
        ("short", "k:1:1: error: a key has at least 8 characters"),
        ("a: short", "k:1:4: error: a key has at least 8 characters"),
        ("a:", "k:1:1: error: expected 'name: key' or a key alone"),
        ("a: b c", "k:1:1: error: expected 'name: key' or a key alone"),
        (": 0123456789", "k:1:1: error: the name before ':' is empty"),
        ("a: 0123456789\nb: 0123456789", "k:2:4: error: the same key stands at line 1 already"),
        ("a: 0123456789\na: 9876543210", "k:2:1: error: the name 'a' stands at line 1 already"),
        ("012345678ä", "k:1:1: error: a key has at most 512 characters, all of ASCII"),
    ]

    @Test(arguments: faults)
    func faultyFileIsRefused(text: String, expected: String) {
        let error = #expect(throws: ManifestError.self) {
            try APIKeyFile.parse(Array(text.utf8), file: "k")
        }
        #expect(error?.diagnostics.map(\.rendered) == [expected])
        #expect(error?.code == .invalid)
    }

    @Test func faultsOfAllLinesAreReportedAndNoKeyIsShown() {
        let text = "one\ntwo\n0123456789\n0123456789\n"
        let error = #expect(throws: ManifestError.self) {
            try APIKeyFile.parse(Array(text.utf8), file: "k")
        }
        #expect(error?.diagnostics.count == 3)
        #expect(error?.description.contains("0123456789") == false)
    }

    @Test func missingFileIsUnreadable() {
        let error = #expect(throws: ManifestError.self) {
            try APIKeyFile.load(path: "/nowhere/keys.txt")
        }
        #expect(error?.code == .unreadable)
    }
}
