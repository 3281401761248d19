// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// A manifest whose every value has been checked: types, ranges, references, policy parameters.
///
/// It mirrors the document. Defaults are filled in and have no position; paths are absolute.
/// `ManifestSections` declares the keys, what they mean and what they may hold.
package struct Manifest: Sendable, Equatable {
    package var apiVersion = Located("burrow/v1")
    package var kind = Located("Host")
    package var metadata = Metadata()
    package var spec = Spec()

    package struct Metadata: Sendable, Equatable {
        package var name = Located("")
    }

    package struct Spec: Sendable, Equatable {
        package var server = Server()
        package var model = Model()
        package var adapters: [Adapter] = []
        package var mixtures: [Mixture] = []
        package var serviceClasses: [ServiceClass] = []
        package var tenants: [Tenant] = []
        package var replicas = Replicas()
        package var limits = Limits()
        package var plugins = Plugins()
        package var pipeline = Pipeline()
        package var reload = Reload()
        /// Files of policy tests, and folders of them.
        package var tests: [Located<String>] = []
    }

    /// When a new generation is taken back after all.
    package struct Reload: Sendable, Equatable {
        /// How long it is watched; zero does without.
        package var probation = Located(Duration.seconds(30))
        package var failedShare = Located(0.05)
        package var tokenGapFactor = Located(3.0)

        package var isUnwatched: Bool { probation.value == .zero }
    }

    package struct Server: Sendable, Equatable {
        package var listen = Located(ListenAddress(host: "127.0.0.1", port: 8080))
        package var apiKeys: APIKeys?
        package var tls: TLS?
        package var admin = Located(AdminSocket.automatic)
        package var adminListener: AdminListener?
        package var drainTimeout = Located(Duration.seconds(30))
    }

    /// Where the admin surface is, a Unix socket.
    package enum AdminSocket: Sendable, Equatable {
        /// In the user's run-time folder, by the host's name.
        case automatic
        /// Nowhere.
        case off
        case path(String)
    }

    /// Where the admin surface is reached with a token, beside its socket.
    package struct AdminListener: Sendable, Equatable {
        package var listen = Located(ListenAddress(host: "127.0.0.1", port: 0))
        package var tokenFile = Located("")
    }

    /// The admin surface as a mapping.
    package struct AdminSurface: Sendable, Equatable {
        package var socket = Located(AdminSocket.automatic)
        package var listener = AdminListener()
    }

    /// Files in PEM.
    package struct TLS: Sendable, Equatable {
        package var certificate = Located("")
        package var key = Located("")
    }

    package struct APIKeys: Sendable, Equatable {
        /// Read with ``APIKeyFile/load(path:)``.
        package var file = Located("")
    }

    package struct Model: Sendable, Equatable {
        package enum Source: Sendable, Equatable {
            case path(Located<String>)
            case synthetic(SyntheticModel)
        }

        package var source = Source.path(Located(""))
        package var dtype = Located(ElementType.bf16)
        package var name: Located<String>?
        package var cache: ModelCache?

        /// The name that clients use: `name`, else the folder's name or the preset.
        package var servedName: String {
            if let name { return name.value }
            switch source {
            case .path(let path):
                return path.value.split(separator: "/").last.map(String.init) ?? ""
            case .synthetic(let model): return model.preset.value
            }
        }
    }

    /// Where packed models are kept for the next start.
    package struct ModelCache: Sendable, Equatable {
        /// By default `burrow` in the user's cache folder.
        package var directory: Located<String>?
        package var limit = Located(ByteCount(16 << 30))
    }

    /// How the base weights are kept in memory.
    package enum ElementType: String, Sendable, ParameterChoice {
        case f32, bf16, int8
    }

    package struct SyntheticModel: Sendable, Equatable {
        package var preset = Located("")
        package var seed = Located(UInt64(0))
    }

    /// One adapter, or several that are alike.
    package struct Adapter: Sendable, Equatable {
        package enum Source: Sendable, Equatable {
            /// Every folder in this one, by its name.
            case directory(Located<String>)
            case named(NamedAdapter)
            case synthetic(SyntheticAdapters)
        }

        package var source: Source
        /// Of each of them.
        package var share = Share()

        package init(_ source: Source) { self.source = source }
    }

    /// What requests of an adapter or a tenant are entitled to.
    package struct Share: Sendable, Equatable {
        /// Service relative to others.
        package var weight = Located(1.0)
        package var serviceClass: Located<String>?
    }

    /// A promise to requests that name it.
    package struct ServiceClass: Sendable, Equatable {
        package var name = Located("")
        /// From arrival to the first token.
        package var timeToFirstToken = Located(Duration.zero)
    }

    /// One of those who have an API key.
    package struct Tenant: Sendable, Equatable {
        /// The name of its key in the file of `server.apiKeys`.
        package var name = Located("")
        package var share = Share()
    }

    package struct NamedAdapter: Sendable, Equatable {
        package var name = Located("")
        package var path = Located("")
        package var pinned = Located(false)
    }

    package struct SyntheticAdapters: Sendable, Equatable {
        package var count = Located(0)
        package var rank = Located(0)
        package var seed = Located(UInt64(0))

        /// `synthetic-0` and on.
        package var names: [String] { (0..<count.value).map { "synthetic-\($0)" } }
    }

    /// Adapters that answer together, each weighed by a gate.
    package struct Mixture: Sendable, Equatable {
        package var name = Located("")
        /// Names of adapters, in the order that the gate knows them by.
        package var experts: [Located<String>] = []
        /// The name of an instance or a type of a gating policy.
        package var gating = Located("uniform")
        package var share = Share()
    }

    package struct Replicas: Sendable, Equatable {
        package var count = Located(1)
        package var threads = Located(ThreadCount.automatic)
        package var pinned = Located(false)
        /// For the KV pages, the adapters and the merged copies of one replica together.
        package var memory = Located(ByteCount(1 << 30))
        package var kvDtype = Located(KeyValueElementType.f32)
        package var adapterMemory: Located<ByteCount>?
        package var mergedMemory: Located<ByteCount>?
        package var maxBatch = Located(32)
        package var maxStepTokens = Located(512)
        package var prefixCache = Located(Switch.on)
        /// `nil` lets `maxStepTokens` alone cut prompts up.
        package var stallBudget: Located<Duration>?
    }

    /// How keys and values are kept in memory.
    package enum KeyValueElementType: String, Sendable, ParameterChoice {
        case f32, bf16
    }

    /// Whether something is done.
    package enum Switch: String, Sendable, ParameterChoice {
        case on, off
    }

    /// How many threads compute in one replica.
    package enum ThreadCount: Sendable, Equatable {
        case automatic
        case count(Int)
    }

    package struct Limits: Sendable, Equatable {
        package var queue = Located(1024)
        /// `nil` is the context length of the model.
        package var contextLength: Located<Int>?
        package var requestBytes = Located(ByteCount(1 << 20))
        package var headerBytes = Located(ByteCount(16 << 10))
        package var connections = Located(1024)
        package var writeBuffer = Located(ByteCount(256 << 10))
        package var idleTimeout = Located(Duration.seconds(60))
        package var headerTimeout = Located(Duration.seconds(10))
        package var adapterRoots: [Located<String>] = []
    }

    package struct Plugins: Sendable, Equatable {
        package var search: [Located<String>] = []
        package var instances: [PolicyInstance] = []
        /// How long one call of a policy may take.
        package var budget = Located(Duration.milliseconds(1))
        /// How long a call may take before the watchdog speaks up.
        package var stall = Located(Duration.seconds(5))
    }

    package struct PolicyInstance: Sendable, Equatable {
        package var name = Located("")
        package var type = Located("")
        /// What the manifest sets; what it leaves out keeps the policy's default.
        package var parameters: [String: ParameterValue] = [:]
        package var isolation = Located(PolicyPlace.inline)
        /// What its process may take for itself; only where it has one.
        package var memory: Located<ByteCount>?
    }

    /// Where a policy runs.
    package enum PolicyPlace: String, ParameterChoice {
        case inline
        case process
    }

    /// For each question the name of an instance or a policy type.
    package struct Pipeline: Sendable, Equatable {
        package var batching = Located("fcfs-unmerged")
        package var fairness = Located("arrival-order")
        package var dispatch = Located("least-pending")
        package var residency = Located("lru")
        package var migration = Located("none")
    }
}

/// The policy that answers one question, as the manifest selects it.
package struct PolicySelection: Sendable, Equatable {
    package var kind: PolicyKind
    /// The instance's name, or the type where a type is named directly.
    package var name: String
    package var type: String
    package var parameters: [String: ParameterValue]
    /// What its process may take for itself; `nil` where it has none.
    package var isolatedMemory: ByteCount?
    /// Where the pipeline or a mixture names it; `nil` for a default.
    package var position: SourcePosition?
}

extension Manifest {
    /// The policy in the slot of `kind`.
    package func selection(of kind: PolicyKind) -> PolicySelection {
        selection(of: kind, spec.pipeline.reference(to: kind))
    }

    /// The policy that weighs the experts of a mixture.
    package func gating(of mixture: Mixture) -> PolicySelection {
        selection(of: .gating, mixture.gating)
    }

    private func selection(
        of kind: PolicyKind, _ reference: Located<String>
    ) -> PolicySelection {
        let instance = spec.plugins.instances.first { $0.name.value == reference.value }
        let isolatedMemory: ByteCount? =
            if let instance, instance.isolation.value == .process {
                instance.memory?.value ?? Self.isolatedMemory
            } else { nil }
        return PolicySelection(
            kind: kind, name: reference.value, type: instance?.type.value ?? reference.value,
            parameters: instance?.parameters ?? [:], isolatedMemory: isolatedMemory,
            position: reference.position)
    }

    /// What the process of a policy may take where the manifest does not say.
    package static let isolatedMemory = ByteCount(256 << 20)
}

extension Manifest {
    /// The same host with the built-in default in one slot of the pipeline.
    package func withBuiltInPolicy(of kind: PolicyKind) -> Manifest {
        var manifest = self
        let builtIn = Pipeline()
        switch kind {
        case .batching: manifest.spec.pipeline.batching = builtIn.batching
        case .fairness: manifest.spec.pipeline.fairness = builtIn.fairness
        case .dispatch: manifest.spec.pipeline.dispatch = builtIn.dispatch
        case .migration: manifest.spec.pipeline.migration = builtIn.migration
        case .residency: manifest.spec.pipeline.residency = builtIn.residency
        case .gating: break
        @unknown default: break
        }
        return manifest
    }

    /// The same host with the built-in default of every kind of policy.
    package var withBuiltInPolicies: Manifest {
        var manifest = self
        manifest.spec.pipeline = Pipeline()
        for index in manifest.spec.mixtures.indices {
            manifest.spec.mixtures[index].gating = Mixture().gating
        }
        return manifest
    }
}

extension Manifest.Pipeline {
    /// What the slot of `kind` names.
    package func reference(to kind: PolicyKind) -> Located<String> {
        switch kind {
        case .batching: batching
        case .fairness: fairness
        case .dispatch: dispatch
        case .migration: migration
        case .residency: residency
        case .gating: preconditionFailure("gates are named by mixtures")
        @unknown default: preconditionFailure("the manifest has no slot for \(kind)")
        }
    }
}
