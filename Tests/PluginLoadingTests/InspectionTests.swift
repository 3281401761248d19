// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import TestSupport
import Testing

@testable import PluginLoading

struct InspectionTests {
    @Test func theHostKnowsItsOwnPolicyKit() throws {
        let host = try HostPolicyKit.current()
        #expect(host.path == "\(buildFolder)/libPolicyKit.so")
        #expect(host.symbols.contains(HostPolicyKit.guardSymbol))
        #expect(host.compilers.count == 1)
    }

    @Test(arguments: builtPlugins)
    func aBuiltPluginIsReadWithoutLoading(name: String) throws {
        let inspection = try PluginLibrary.inspect(builtPlugin(name))
        #expect(inspection.interface == policyKitInterface)
        #expect(inspection.compilers == (try HostPolicyKit.current().compilers))
        #expect(inspection.neededLibraries.contains("libPolicyKit.so"))
    }

    /// Random damage gives an answer or a refusal, never a trap.
    @Test func damagedFilesNeverTrap() throws {
        let host = try HostPolicyKit.current()
        let folder = try TemporaryFolder()
        let small = try Toolchain.buildC(PluginSource.c(), name: "Small", in: folder)
        let originals = [
            try LibraryFile.read(small), try LibraryFile.read(builtPlugin("MergedOnly")),
        ]
        var outcomes: [PluginError.Code?: Int] = [:]
        var count = 0
        FuzzRun(seconds: 2, seed: 1).forEachRound { random, _ in
            count += 1
            let bytes = Self.damage(originals[count % 8 == 0 ? 1 : 0], from: &random)
            do throws(PluginError) {
                _ = try PluginInspection(bytes, path: "fuzz", host: host)
                outcomes[nil, default: 0] += 1
            } catch {
                outcomes[error.code, default: 0] += 1
            }
        }
        // Damage reaches the deep checks too, not only the first.
        #expect(outcomes.keys.count >= 4, "\(count) files: \(outcomes)")
    }

    private static func damage(
        _ original: [UInt8], from random: inout SeededRandom
    ) -> [UInt8] {
        var bytes = original
        let sections = Self.offset(of: 40, in: bytes)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let start =
                switch Int.random(in: 0...3, using: &random) {
                case 0: Int.random(in: 0..<64, using: &random)
                case 1: Int.random(in: sections..<bytes.count, using: &random)
                case 2: Int.random(in: 0..<min(bytes.count, 4_096), using: &random)
                default: Int.random(in: 0..<bytes.count, using: &random)
                }
            let values: [UInt8] = [0, 1, 0x7f, 0x80, 0xff, .random(in: 0...255, using: &random)]
            let value = values.randomElement(using: &random)!
            for index
                in start..<min(bytes.count, start + [1, 2, 4, 8].randomElement(using: &random)!)
            {
                bytes[index] = value
            }
        }
        if Int.random(in: 0...9, using: &random) == 0 {
            bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
        }
        return bytes
    }

    private static func offset(of field: Int, in bytes: [UInt8]) -> Int {
        Int(ELFBytes(bytes: bytes).integer(UInt64.self, at: UInt64(field)) ?? 0)
    }
}
