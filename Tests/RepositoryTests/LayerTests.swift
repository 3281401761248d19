// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

/// The layer table of ARCHITECTURE.md, and that the sources keep to it.
struct LayerTests {
    /// Which modules of the project a target may import.
    static let layers: [String: Set<String>] = [
        "PolicyKit": [],
        "PolicyKitTesting": ["PolicyKit"],
        "StrictJSON": [],
        "Spelling": [],
        "Workloads": ["StrictJSON"],
        "LoadGeneration": ["StrictJSON", "Spelling", "Workloads", "CCurl"],
        "MoLE": ["PolicyKit"],
        "Rebalancing": ["PolicyKit"],
        "IntegerRebalancing": ["Rebalancing", "CCbc"],
        "Scheduling": ["PolicyKit"],
        "Simulation": ["StrictJSON", "Scheduling", "Workloads", "PolicyKit"],
        "ManifestLoading": ["Spelling", "CLibYAML", "PolicyKit"],
        "Tokenization": ["StrictJSON", "CPCRE2"],
        "ModelLoading": ["StrictJSON", "CLibCrypto"],
        "Inference": ["ModelLoading", "CKernels", "COpenBLAS", "PolicyKit"],
        "Training": [
            "Inference", "ModelLoading", "MoLE", "StrictJSON", "Tokenization", "COpenBLAS",
            "PolicyKit",
        ],
        "Composition": [
            "StrictJSON", "ModelLoading", "Inference", "Tokenization", "COpenBLAS", "PolicyKit",
        ],
        "LoopIO": ["CLibuv", "CLinux"],
        "Supervision": ["CLinux"],
        "PluginLoading": ["Spelling", "CPolicy", "PolicyKit"],
        "PolicyIsolation": ["CIsolation", "CLinux", "PluginLoading", "PolicyKit"],
        "PolicyTesting": [
            "ManifestLoading", "PluginLoading", "Scheduling", "Simulation", "Workloads",
            "PolicyKit",
        ],
        "PluginScaffolding": ["PolicyKit"],
        "HTTPServing": ["StrictJSON", "Spelling", "LoopIO", "CHTTPParser", "COpenSSL"],
        "Hosting": [
            "StrictJSON", "Spelling", "Scheduling", "ManifestLoading", "Tokenization",
            "ModelLoading",
            "Inference", "LoopIO", "PluginLoading", "PolicyIsolation", "PolicyTesting",
            "HTTPServing", "Supervision", "PolicyKit",
        ],
        "burrow": [
            "Hosting", "Supervision", "Scheduling", "ManifestLoading", "ModelLoading", "Inference",
            "PluginLoading", "PolicyIsolation", "Workloads", "LoadGeneration", "Simulation",
            "StrictJSON", "MoLE", "PolicyTesting", "Tokenization", "Composition", "Training",
            "PluginScaffolding", "PolicyKit", "PolicyKitTesting",
        ],
    ]

    static let modules = Set(layers.keys).union([
        "CLibuv", "CLibYAML", "COpenBLAS", "CPCRE2", "CHTTPParser", "CCurl", "CLibCrypto",
        "COpenSSL", "CKernels", "CCbc", "CLinux", "CIsolation", "CPolicy",
    ])

    static func imports(of path: String) throws -> [(line: Int, module: String)] {
        try Repository.lines(path).enumerated().compactMap { number, line in
            let words = line.split(separator: " ")
            guard let at = words.firstIndex(of: "import"), at < 3, words.count > at + 1,
                line.first != " ", !line.hasPrefix("//")
            else { return nil }
            let module = words[at + 1].split(separator: ".").first.map(String.init) ?? ""
            return (number + 1, module)
        }
    }

    @Test(arguments: layers.keys.sorted())
    func importsPointDownwards(_ target: String) throws {
        let allowed = try #require(Self.layers[target])
        let files = Repository.files(in: ["Sources/\(target)"], endings: [".swift"])
        #expect(!files.isEmpty, "Sources/\(target) has no source")
        for file in files {
            for (line, module) in try Self.imports(of: file)
            where Self.modules.contains(module) && module != target {
                #expect(
                    allowed.contains(module),
                    "\(file):\(line): error: \(target) may not import \(module)")
            }
        }
    }

    /// What plugins have linked into them besides: the gate of MoLE the formula that training shares
    /// with it, the two that migrate their common problem.
    static let ownModules: [String: Set<String>] = [
        "MoLEGate": ["MoLE"], "GreedyMigration": ["Rebalancing"],
        "ILPMigration": ["Rebalancing", "IntegerRebalancing"],
    ]

    @Test func pluginsImportOnlyPolicyKit() throws {
        let files = Repository.files(in: ["Plugins"], endings: [".swift"])
        #expect(!files.isEmpty)
        for file in files {
            for (line, module) in try Self.imports(of: file) {
                let plugin = file.split(separator: "/")[1]
                let isShared = Self.ownModules[String(plugin)]?.contains(module) == true
                #expect(
                    module == "PolicyKit" || isShared,
                    "\(file):\(line): error: a plugin may import nothing but PolicyKit")
            }
        }
    }

    @Test func schedulingNamesNoClockThreadOrLock() throws {
        let banned = [
            "import Foundation", "import Glibc", "import Dispatch", "import Synchronization",
            "ContinuousClock", "SuspendingClock", "Task {", "async ", "await ", "Mutex<",
            "NSLock", "Thread",
        ]
        for file in Repository.files(in: ["Sources/Scheduling"], endings: [".swift"]) {
            for (number, line) in try Repository.lines(file).enumerated()
            where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                for word in banned where line.contains(word) {
                    Issue.record("\(file):\(number + 1): error: Scheduling may not use '\(word)'")
                }
            }
        }
    }

    @Test func onlyManifestLoadingKnowsYAML() throws {
        for file in Repository.files(in: ["Sources"], endings: [".swift"])
        where !file.hasPrefix("Sources/ManifestLoading/") {
            for (line, module) in try Self.imports(of: file) where module == "CLibYAML" {
                Issue.record("\(file):\(line): error: only ManifestLoading may import CLibYAML")
            }
        }
    }

    @Test func theTableInTheArchitectureIsTheOneTested() throws {
        let architecture = try Repository.text("ARCHITECTURE.md")
        for (target, allowed) in Self.layers {
            let row = architecture.split(separator: "\n").first { $0.hasPrefix("| `\(target)` |") }
            let cells = try #require(row, "ARCHITECTURE.md has no row for \(target)")
                .split(separator: "|")
            let last = try #require(cells.last { !$0.allSatisfy { $0 == " " } })
            let named = Set(
                last.split(separator: "`").map(String.init).filter(Self.modules.contains))
            #expect(named == allowed, "ARCHITECTURE.md's row for \(target)")
        }
    }
}
