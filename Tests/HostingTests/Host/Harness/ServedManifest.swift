// SPDX-License-Identifier: Apache-2.0

/// A manifest of the sample model, with what a suite wants to be different.
struct ServedManifest: Sendable {
    var dtype = "bf16"
    var server: [String] = []
    var adapters: [String] = ["{directory: \(Built.samples)/adapters}"]
    var replicas = ["memory: 256MiB", "maxBatch: 32"]
    var limits: [String] = []
    /// Where plugins are looked for.
    var search = [Built.folder]
    var plugins: [String] = []
    var pipeline: [String] = []
    /// Further lines of `spec`.
    var spec: [String] = []

    var text: String {
        """
        apiVersion: burrow/v1
        kind: Host
        metadata: {name: test}
        spec:
          server: {\((["listen: 127.0.0.1:8080"] + server).joined(separator: ", "))}
          model: {path: \(Built.samples)/model, name: sample, dtype: \(dtype)}
          adapters: [\(adapters.joined(separator: ", "))]
          replicas: {\(replicas.joined(separator: ", "))}
          limits: {\(limits.joined(separator: ", "))}
          plugins: {\((["search: [\(search.joined(separator: ", "))]"] + plugins).joined(separator: ", "))}
          pipeline: {\(pipeline.joined(separator: ", "))}
        \(spec.map { "  \($0)\n" }.joined())
        """
    }
}
