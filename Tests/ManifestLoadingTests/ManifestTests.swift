// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import Testing

@testable import ManifestLoading

@Suite struct ManifestTests {
    /// Every key that this version serves.
    static let everything = """
        apiVersion: burrow/v1
        kind: Host
        metadata: {name: quickstart}
        spec:
          server:   {listen: "[::1]:0", apiKeys: {file: keys.txt}, admin: a.sock, drainTimeout: 1m}
          model:    {path: ../Samples/model, dtype: f32, name: smollm2,
                     cache: {directory: cache, limit: 3GiB}}
          adapters:
            - {directory: ../Samples/adapters}
            - {name: legal, path: /models/legal, pinned: true}
            - {synthetic: {count: 16, rank: 8, seed: 1}}
          mixtures:
            - {name: both, experts: [legal, synthetic-3], weight: 2}
            - {name: gated, experts: [legal], gating: mole}
          replicas: {count: 2, threads: 3, memory: 2GiB, adapterMemory: 512MiB,
                     mergedMemory: 0B, maxBatch: 16, maxStepTokens: 256, stallBudget: 150ms,
                     prefixCache: off}
          limits:   {queue: 7, contextLength: 4096, requestBytes: 2MiB, headerBytes: 8KiB, connections: 9,
                     writeBuffer: 64KiB, idleTimeout: 90s, headerTimeout: 20s, adapterRoots: [/models]}
          plugins:
            search: [../.build/release]
            budget: 200us
            instances:
              - {name: switch,  type: dlora-batching, parameters: {alpha: 1.5, mixed: false}}
              - {name: mole, type: mole-gate, parameters: {gate: gates/both}}
              - name: credits
                type: credit-fairness
                parameters: {starvation: 1.5s, table: 8KiB, weights: w.txt, label: no}
          pipeline: {batching: switch, fairness: credits, dispatch: adapter-aware-dispatch,
                     migration: none, residency: lru}
        """

    @Test func everyKeyIsRead() throws {
        let validation = Fixtures.validate(Self.everything)
        #expect(validation.diagnostics == [])
        let spec = try #require(validation.manifest).spec
        #expect(spec.server.listen.value == ListenAddress(host: "::1", port: 0))
        #expect(spec.server.apiKeys?.file.value == "/manifests/keys.txt")
        #expect(spec.server.admin.value == .path("/manifests/a.sock"))
        #expect(spec.server.drainTimeout.value == .seconds(60))
        #expect(spec.model.source == .path(Located("/manifests/../Samples/model")))
        #expect(spec.model.dtype.value == .f32)
        #expect(spec.model.servedName == "smollm2")
        #expect(spec.replicas.threads.value == .count(3))
        #expect(spec.replicas.memory.value == ByteCount(2 << 30))
        #expect(spec.replicas.adapterMemory?.value == ByteCount(512 << 20))
        #expect(spec.replicas.mergedMemory?.value == ByteCount(0))
        #expect(spec.model.cache?.directory?.value == "/manifests/cache")
        #expect(spec.model.cache?.limit.value == ByteCount(3 << 30))
        #expect(spec.replicas.maxStepTokens.value == 256)
        #expect(spec.replicas.stallBudget?.value == .milliseconds(150))
        #expect(spec.replicas.prefixCache.value == .off)
        #expect(spec.limits.contextLength?.value == 4096)
        #expect(spec.limits.writeBuffer.value == ByteCount(64 << 10))
        #expect(spec.limits.idleTimeout.value == .seconds(90))
        #expect(spec.limits.headerTimeout.value == .seconds(20))
        #expect(spec.limits.adapterRoots.map(\.value) == ["/models"])
        #expect(spec.plugins.search.map(\.value) == ["/manifests/../.build/release"])
        #expect(spec.plugins.budget.value == .microseconds(200))
    }

    @Test func adaptersAreOfThreeSorts() throws {
        let manifest = try #require(Fixtures.validate(Self.everything).manifest)
        let synthetic = Manifest.SyntheticAdapters(
            count: Located(16), rank: Located(8), seed: Located(1))
        #expect(
            manifest.spec.adapters == [
                .init(.directory(Located("/manifests/../Samples/adapters"))),
                .init(
                    .named(
                        .init(
                            name: Located("legal"), path: Located("/models/legal"),
                            pinned: Located(true)))),
                .init(.synthetic(synthetic)),
            ])
        #expect(synthetic.names.first == "synthetic-0")
        #expect(synthetic.names.last == "synthetic-15")
    }

    @Test func mixturesNameTheirExpertsAndTheirGate() throws {
        let manifest = try #require(Fixtures.validate(Self.everything).manifest)
        let mixtures = manifest.spec.mixtures
        #expect(mixtures.map(\.name.value) == ["both", "gated"])
        #expect(mixtures.map { $0.experts.map(\.value) } == [["legal", "synthetic-3"], ["legal"]])
        #expect(mixtures.map(\.share.weight.value) == [2, 1])
        #expect(mixtures.map { manifest.gating(of: $0).type } == ["uniform", "mole-gate"])
        #expect(
            manifest.gating(of: mixtures[1]).parameters
                == ["gate": .string("/manifests/gates/both")])
    }

    @Test func aMixtureHasOneToSixtyFourExperts() {
        func faults(_ count: Int) -> [String] {
            let experts = (0..<count).map { "synthetic-\($0)" }.joined(separator: ", ")
            return Fixtures.faults(
                Fixtures.manifest(
                    """
                      adapters: [{synthetic: {count: 65, rank: 8}}]
                      mixtures: [{name: all, experts: [\(experts)]}]
                    """))
        }
        #expect(faults(1) == [] && faults(64) == [])
        for count in [0, 65] {
            #expect(
                faults(count) == [
                    "m.yaml:7:35: error: spec.mixtures[0].experts: a mixture has 1 to 64 experts, "
                        + "this one has \(count)"
                ])
        }
    }

    private static let shares = """
          server: {apiKeys: {file: keys.txt}}
          serviceClasses:
            - {name: interactive, timeToFirstToken: 500ms}
            - {name: batch, timeToFirstToken: 1m}
          tenants:
            - {name: alice, weight: 2.5, serviceClass: interactive}
            - {name: bob}
          adapters:
            - {directory: adapters, weight: 3, serviceClass: batch}
            - {synthetic: {count: 2, rank: 8}, weight: 0.5}
        """

    @Test func classesAndSharesAreRead() throws {
        let spec = try #require(Fixtures.validate(Fixtures.manifest(Self.shares)).manifest).spec
        #expect(spec.serviceClasses.map(\.name.value) == ["interactive", "batch"])
        #expect(
            spec.serviceClasses.map(\.timeToFirstToken.value) == [.milliseconds(500), .seconds(60)])
        #expect(spec.tenants.map(\.name.value) == ["alice", "bob"])
        #expect(spec.tenants.map(\.share.weight.value) == [2.5, 1])
        #expect(spec.tenants.map(\.share.serviceClass?.value) == ["interactive", nil])
        #expect(spec.adapters.map(\.share.weight.value) == [3, 0.5])
        #expect(spec.adapters.map(\.share.serviceClass?.value) == ["batch", nil])
    }

    @Test func tenantsNameKeysAndClassesThatAreThere() {
        let text = Fixtures.manifest(
            Self.shares.replacing("serviceClass: batch", with: "serviceClass: bach")
                .replacing("{name: bob}", with: "{name: alice}"))
        #expect(
            Fixtures.faults(text) == [
                "m.yaml:12:14: error: spec.tenants[1].name: 'alice' is the name of another tenant, "
                    + "at line 11",
                "m.yaml:14:54: error: spec.adapters[0].serviceClass: no service class is called "
                    + "'bach' (did you mean 'batch'?)",
            ])
    }

    @Test func tenantsAreLookedUpInTheFileOfKeys() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "burrow-tenants-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "keys.txt")
        try Data("alice: 12345678\n87654321\n".utf8).write(to: file)
        func unknown(_ name: String) throws -> [String] {
            let document = Fixtures.document(
                Fixtures.manifest(
                    """
                      server: {apiKeys: {file: \(file.path)}}
                      tenants: [{name: \(name)}]
                    """))
            let manifest = document.validate(policies: Fixtures.policies).manifest
            return document.unknownTenants(of: try #require(manifest)).map(\.headline)
        }
        #expect(try unknown("alice") == [])
        #expect(try unknown("key-2") == [])
        #expect(
            try unknown("alic") == [
                "m.yaml:7:20: error: spec.tenants[0].name: no key in \(file.path) has the name "
                    + "'alic' (did you mean 'alice'?)"
            ])
        try FileManager.default.removeItem(at: file)
        #expect(try unknown("alice").count == 1)
    }

    @Test func pipelineSelectsInstancesAndTypes() throws {
        let manifest = try #require(Fixtures.validate(Self.everything).manifest)
        let batching = manifest.selection(of: .batching)
        #expect(batching.name == "switch")
        #expect(batching.type == "dlora-batching")
        #expect(batching.parameters == ["alpha": .number(1.5), "mixed": .boolean(false)])
        let fairness = manifest.selection(of: .fairness)
        #expect(
            fairness.parameters == [
                "starvation": .duration(.milliseconds(1500)), "table": .size(ByteCount(8192)),
                "weights": .string("/manifests/w.txt"), "label": .string("no"),
            ])
        let dispatch = manifest.selection(of: .dispatch)
        #expect(dispatch.type == "adapter-aware-dispatch")
        #expect(dispatch.position == SourcePosition(line: 29, column: 61, endColumn: 83))
        #expect(throws: Never.self) { try CreditParameters(values: fairness.parameters) }
    }

    @Test func everyDefaultIsFilledIn() throws {
        let validation = Fixtures.validate(Fixtures.manifest())
        #expect(validation.diagnostics == [])
        let manifest = try #require(validation.manifest)
        let spec = manifest.spec
        #expect(manifest.metadata.name.value == "test")
        #expect(spec.server.listen.value == ListenAddress(host: "127.0.0.1", port: 8080))
        #expect(spec.server.apiKeys == nil)
        #expect(spec.server.admin.value == .automatic)
        #expect(spec.server.drainTimeout.value == .seconds(30))
        #expect(spec.model.dtype.value == .bf16)
        #expect(spec.model.servedName == "model")
        #expect(spec.adapters == [])
        #expect(spec.replicas.count.value == 1)
        #expect(spec.replicas.threads.value == .automatic)
        #expect(spec.replicas.memory.value == ByteCount(1 << 30))
        #expect(spec.replicas.adapterMemory == nil)
        #expect(spec.replicas.mergedMemory == nil)
        #expect(spec.model.cache == nil)
        #expect(spec.replicas.maxBatch.value == 32)
        #expect(spec.replicas.maxStepTokens.value == 512)
        #expect(spec.replicas.stallBudget == nil)
        #expect(spec.replicas.prefixCache.value == .on)
        #expect(spec.limits == Manifest.Limits())
        #expect(spec.plugins == Manifest.Plugins())
        let defaults = PolicyKind.pipeline.map { manifest.selection(of: $0).type }
        #expect(defaults == ["fcfs-unmerged", "arrival-order", "least-pending", "none", "lru"])
        #expect(PolicyKind.pipeline.allSatisfy { manifest.selection(of: $0).position == nil })
    }

    @Test func defaultLimitsAreThoseOfTheFormat() {
        let limits = Manifest.Limits()
        #expect(limits.queue.value == 1024)
        #expect(limits.contextLength == nil)
        #expect(limits.requestBytes.value == ByteCount(1 << 20))
        #expect(limits.headerBytes.value == ByteCount(16 << 10))
        #expect(limits.connections.value == 1024)
        #expect(limits.writeBuffer.value == ByteCount(256 << 10))
        #expect(limits.idleTimeout.value == .seconds(60))
        #expect(limits.headerTimeout.value == .seconds(10))
        #expect(limits.adapterRoots == [])
        #expect(Manifest.Plugins().budget.value == .milliseconds(1))
        #expect(Manifest.Pipeline().migration.value == "none")
    }

    @Test func movedLinesAreNoChange() throws {
        let first = try #require(Fixtures.validate(Fixtures.manifest()).manifest)
        let moved = try #require(Fixtures.validate("# a comment\n" + Fixtures.manifest()).manifest)
        #expect(first == moved)
        let other = Fixtures.manifest("  limits: {queue: 1}")
        #expect(try #require(Fixtures.validate(other).manifest) != first)
    }

    @Test func jsonLoads() throws {
        let json = """
            {
              "apiVersion": "burrow/v1", "kind": "Host", "metadata": {"name": "json"},
              "spec": {
                "model": {"synthetic": {"preset": "smollm2-360m", "seed": 3}},
                "replicas": {"count": 2, "memory": "512MiB"},
                "plugins": {"instances": [
                  {"name": "c", "type": "credit-fairness", "parameters": {"starvation": "2s"}}]},
                "pipeline": {"fairness": "c"}
              }
            }
            """
        let validation = Fixtures.validate(json)
        #expect(validation.diagnostics == [])
        let manifest = try #require(validation.manifest)
        let model = Manifest.SyntheticModel(preset: Located("smollm2-360m"), seed: Located(3))
        #expect(manifest.spec.model.source == .synthetic(model))
        #expect(manifest.spec.model.servedName == "smollm2-360m")
        #expect(
            manifest.selection(of: .fairness).parameters == ["starvation": .duration(.seconds(2))])
    }

    @Test func pluginSearchIsKnownWhereTheRestIsFaulty() {
        let text = """
            apiVersion: burrow/v2
            spec:
              model: {path: [], pth: 3}
              plugins: {search: [plugins, /more], instances: [{typ: x}], budget: never}
            """
        #expect(Fixtures.document(text).pluginSearch == ["/manifests/plugins", "/more"])
        #expect(Fixtures.document("spec: [").pluginSearch == [])
    }

    @Test func presetsAreCheckedWhereTheyAreKnown() {
        let text = """
            apiVersion: burrow/v1
            kind: Host
            metadata: {name: test}
            spec: {model: {synthetic: {preset: smolm2-360m}}}
            """
        let document = Fixtures.document(text)
        #expect(document.validate(policies: Fixtures.policies).manifest != nil)
        let presets = ["smollm2-135m", "smollm2-360m"]
        let validation = document.validate(policies: Fixtures.policies, presets: presets)
        #expect(validation.manifest == nil)
        #expect(
            validation.diagnostics.map(\.headline) == [
                "m.yaml:4:36: error: spec.model.synthetic.preset: expected smollm2-135m or "
                    + "smollm2-360m, found 'smolm2-360m' (did you mean 'smollm2-360m'?)"
            ])
    }

    @Test func unusedInstanceIsAWarning() {
        let text = Fixtures.manifest(
            "  plugins: {instances: [{name: spare, type: round-robin}]}")
        let validation = Fixtures.validate(text)
        #expect(validation.manifest != nil)
        #expect(
            validation.diagnostics.map(\.headline) == [
                "m.yaml:6:32: warning: spec.plugins.instances[0].name: "
                    + "no slot of the pipeline and no mixture names 'spare'"
            ])
    }
}

@Suite struct AdminListenerTests {
    private func server(_ text: String) throws -> Manifest.Server {
        let validation = Fixtures.validate(
            """
            apiVersion: burrow/v1
            kind: Host
            metadata: {name: a}
            spec:
              model: {path: m}
              server: {\(text)}
            """)
        #expect(validation.diagnostics == [])
        return try #require(validation.manifest).spec.server
    }

    @Test func socketStaysBesideTheAddress() throws {
        let both = try server("admin: {listen: \"localhost:9090\", tokenFile: t}")
        #expect(both.admin.value == .automatic)
        #expect(both.adminListener?.listen.value == ListenAddress(host: "localhost", port: 9090))
        #expect(both.adminListener?.tokenFile.value == "/manifests/t")
        let one = try server("admin: {socket: off, listen: \"[::1]:9090\", tokenFile: /t}")
        #expect(one.admin.value == .off && one.adminListener?.tokenFile.value == "/t")
        #expect(try server("admin: off").adminListener == nil)
    }

    @Test func othersMayReachItOverTLS() throws {
        let open = try server(
            "tls: {certificate: c, key: k}, admin: {listen: \"0.0.0.0:9090\", tokenFile: t}")
        #expect(open.adminListener?.listen.value.host == "0.0.0.0")
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.9.0.1", true), ("::1", true), ("localhost", true),
        ("0.0.0.0", false), ("::", false), ("10.0.0.1", false), ("127.example.org", false),
        ("localhost.example.org", false), ("::ffff:127.0.0.1", false),
    ])
    func loopbackIsToldApart(_ host: String, _ isLoopback: Bool) {
        #expect(ListenAddress(host: host, port: 1).isLoopback == isLoopback)
    }
}
