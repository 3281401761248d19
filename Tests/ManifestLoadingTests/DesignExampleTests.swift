// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Testing

@testable import ManifestLoading

/// The whole format in one manifest.
@Suite struct DesignExampleTests {
    static let example = """
        apiVersion: burrow/v1
        kind: Host
        metadata: {name: quickstart}
        spec:
          server:   {listen: 127.0.0.1:8080, apiKeys: {file: keys.txt}, tls: {certificate: c.pem, key: k.pem}}
          model:    {path: ../Samples/model, dtype: bf16}          # f32 | bf16 | int8
          adapters:
            - {directory: ../Samples/adapters}                     # every folder in it, by its name
            - {name: legal, path: /models/legal, pinned: true}
            - {synthetic: {count: 16, rank: 16, seed: 1}}          # synthetic-0 … synthetic-15
          mixtures:
            - {name: everything, experts: [roman, french, date], gating: mole}
          replicas: {count: 1, threads: auto, memory: 2GiB, maxBatch: 32, maxStepTokens: 512}
          limits:   {queue: 1024, contextLength: 4096, requestBytes: 1MiB, adapterRoots: [/models]}
          plugins:
            search: [../.build/release]                            # where libraries are looked for
            instances:
              - {name: switch,  type: dlora-batching, parameters: {alpha: 1.0}}
              - {name: credits, type: credit-fairness, parameters: {starvation: 2s}}
              - {name: mole,    type: mole-gate, parameters: {gate: ../Samples/gates/everything}}
          pipeline: {batching: switch, fairness: credits, dispatch: adapter-aware-dispatch, migration: none, residency: lru}
        """

    @Test func itLoads() throws {
        let validation = Fixtures.validate(Self.example)
        #expect(validation.diagnostics == [])
        let manifest = try #require(validation.manifest)
        #expect(manifest.spec.server.tls?.certificate.value == "/manifests/c.pem")
        #expect(manifest.spec.server.tls?.key.value == "/manifests/k.pem")
        #expect(manifest.spec.adapters.count == 3)
        #expect(manifest.selection(of: .batching).parameters == ["alpha": .number(1)])
        let mixture = try #require(manifest.spec.mixtures.first)
        #expect(mixture.experts.map(\.value) == ["roman", "french", "date"])
        let gating = manifest.gating(of: mixture)
        #expect(gating.name == "mole" && gating.type == "mole-gate")
        #expect(
            gating.parameters == ["gate": .string("/manifests/../Samples/gates/everything")],
            "relative to the manifest")
    }
}
