// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Testing

@testable import PluginLoading

struct ConformanceTests {
    @Test(arguments: builtPlugins, [1, 2, 3] as [UInt64])
    func aBuiltPluginConforms(name: String, seed: UInt64) throws {
        let folder = try TemporaryFolder()
        let library = try PluginLibrary.load(builtPlugin(name), into: folder.path)
        for policy in library.policies {
            let sources = RandomGateFiles.sources(of: policy.descriptor.type, seed: seed)
            #expect(PolicyConformance(seed: seed).violations(of: policy, sources: sources) == [])
        }
    }

    @Test func iterationBatchingWithoutReservationConforms() throws {
        let folder = try TemporaryFolder()
        let library = try PluginLibrary.load(builtPlugin("IterationBatching"), into: folder.path)
        let violations = PolicyConformance(seed: 7).violations(
            of: library.policies[0], values: ["reserveOutput": .boolean(false)])
        #expect(violations == [])
    }
}
