// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The folder of the test bundle, where the build puts the plugins and PolicyKit.
let buildFolder: String = Bundle.main.executableURL!.deletingLastPathComponent().path

/// The plugins that this package builds.
let builtPlugins = [
    "AdapterAwareDispatch", "ConsolidatingDispatch", "GreedyMigration", "ILPMigration",
    "RoundRobin",
    "AdapterPrefixBatching", "ArrowGate", "ClusteredBatching", "CreditFairness", "DLoRABatching",
    "DeadlineFairness", "IterationBatching", "LookaheadBatching", "MergedOnly", "MixedModeBatching",
    "MoLEGate", "PhatgooseGate", "ScoredResidency", "StaticDispatch", "StaticWeights",
    "TokenCounterFairness",
    "WaitingRatioBatching", "XLoRAGate",
]

func builtPlugin(_ name: String) -> String { "\(buildFolder)/lib\(name).so" }

/// A new folder that goes away with the value.
final class TemporaryFolder {
    let path: String

    init() throws {
        let template = FileManager.default.temporaryDirectory.path + "/burrow-XXXXXX"
        var bytes = Array(template.utf8CString)
        guard let made = mkdtemp(&bytes) else {
            throw CocoaError(.fileWriteUnknown)
        }
        path = String(cString: made)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }
}
