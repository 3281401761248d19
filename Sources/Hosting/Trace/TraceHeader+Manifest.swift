// SPDX-License-Identifier: Apache-2.0

package import ManifestLoading
internal import PolicyKit

nonisolated extension TraceHeader {
    /// The same recording, with its questions for the policies of a manifest, which begin afresh.
    package func asking(_ manifest: Manifest) -> TraceHeader {
        var header = self
        header.batching = Policy(manifest.selection(of: .batching), seed: batching.seed)
        header.fairness = Policy(manifest.selection(of: .fairness), seed: fairness.seed)
        return header
    }
}

nonisolated extension TraceHeader.Policy {
    fileprivate init(_ selection: PolicySelection, seed: UInt64) {
        self.init(
            name: selection.name, type: selection.type, parameters: selection.parameters,
            seed: seed)
        isolatedMemory = selection.isolatedMemory
    }
}
