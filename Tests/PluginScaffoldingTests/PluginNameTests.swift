// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import PluginScaffolding

struct PluginNameTests {
    @Test(arguments: [
        ("night-shift", PolicyKind.fairness, "NightShiftFairness"),
        ("night-shift-fairness", .fairness, "NightShiftFairness"),
        ("my-policy", .batching, "MyBatching"),
        ("batching-policy", .batching, "Batching"),
        ("policy", .gating, "PolicyGating"),
        ("x2", .residency, "X2Residency"),
        ("a-1-b", .dispatch, "A1BDispatch"),
    ])
    func theSwiftNameEndsInTheKind(text: String, kind: PolicyKind, swiftName: String) throws {
        let name = try PluginName(text, kind: kind)
        #expect(name.type == text)
        #expect(name.swiftName == swiftName)
    }

    @Test(arguments: [
        ("MyPolicy", "my-policy"), ("my_policy", "my-policy"), ("my policy", "my-policy"),
        ("-a", "a"), ("a-", "a"), ("a--b", "a-b"), ("2fast", "fast"), ("", "my-migration"),
        ("../escape", "escape"), ("a/b", "a-b"), ("größe", "gr-e"), ("***", "my-migration"),
    ])
    func aWrongNameIsRefusedWithARightOne(text: String, suggestion: String) throws {
        let error = #expect(throws: ScaffoldError.self) {
            try PluginName(text, kind: .migration)
        }
        #expect(error?.code == .invalidName)
        #expect(error?.description.contains("as '\(suggestion)'") == true, "\(error!)")
        #expect(throws: Never.self) { try PluginName(suggestion, kind: .migration) }
    }

    @Test(arguments: ["policykit", "policykittesting"])
    func thePackagesOfBurrowKeepTheirNames(text: String) {
        let error = #expect(throws: ScaffoldError.self) { try PluginName(text, kind: .dispatch) }
        #expect(error?.description.contains("'my-\(text)'") == true)
    }

    @Test func aNameHasAnEnd() {
        #expect(throws: Never.self) {
            try PluginName(String(repeating: "a", count: 64), kind: .gating)
        }
        let error = #expect(throws: ScaffoldError.self) {
            try PluginName(String(repeating: "a", count: 65), kind: .gating)
        }
        #expect(error?.description.contains("at most 64") == true)
    }
}
