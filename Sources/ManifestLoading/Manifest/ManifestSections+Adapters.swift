// SPDX-License-Identifier: Apache-2.0

import PolicyKit

// The keys of adapters, and of who is entitled to what.

extension Form where Value == Manifest.Adapter {
    static let adapter = Form.variants([
        Section(
            .init(.directory(Located(""))),
            [
                Field(
                    "directory", .path, "A folder; every folder in it is an adapter of its name.",
                    set: { $0.source = .directory(Located($1, at: $2)) }
                ).required(example: "../Samples/adapters")
            ] + shared),
        Section(
            .init(.named(Manifest.NamedAdapter())),
            [
                Field(
                    "path", .path, "The folder of one adapter.",
                    set: { adapter, path, position in
                        adapter.change { $0.path = Located(path, at: position) }
                    }
                ).required(example: "/models/legal"),
                Field(
                    "name", .name, "The name that clients use.",
                    set: { adapter, name, position in
                        adapter.change { $0.name = Located(name, at: position) }
                    }
                ).required(example: "legal"),
                Field(
                    "pinned", .boolean, "Whether the adapter stays in memory from the start.",
                    default: { _ in .boolean(false) },
                    set: { adapter, isPinned, position in
                        adapter.change { $0.pinned = Located(isPinned, at: position) }
                    }),
            ] + shared),
        Section(
            .init(.synthetic(Manifest.SyntheticAdapters())),
            [
                Field(
                    "synthetic", .section(.syntheticAdapters),
                    "Adapters of random weights, synthetic-0 and on, for benchmarks.",
                    set: { adapter, synthetic, _ in adapter.source = .synthetic(synthetic) }
                ).required(example: "{count: 16, rank: 16, seed: 1}")
            ] + shared),
    ])

    private static let shared: [Field<Value>] = [
        Field("weight", \.share.weight, .weight, "The share of service, relative to others."),
        Field(
            "serviceClass", \.share.serviceClass, .name,
            "The service class of requests that name none and whose tenant has none."
        ).example("interactive"),
    ]
}

extension Section where Root == Manifest.Mixture {
    static let mixture = Section(
        .init(),
        [
            Field("name", \.name, .name, "The name that clients use.")
                .required(example: "everything"),
            Field(
                "experts", \.experts, .list(ofLocated: .name),
                "The adapters that answer together, in the order that the gate knows them by."
            ).required(example: "[roman, french, date]"),
            Field(
                "gating", \.gating, .policy(.gating),
                "The policy that weighs the experts, token by token."),
            Field("weight", \.share.weight, .weight, "The share of service, relative to others."),
            Field(
                "serviceClass", \.share.serviceClass, .name,
                "The service class of requests that name none and whose tenant has none."
            ).example("interactive"),
        ],
        rule: { _, place, reading in
            let limit = MixtureDescription.maximumExperts
            guard let experts = place["experts"], case .list(let nodes) = experts.node.content,
                !(1...limit).contains(nodes.count)
            else { return }
            reading.report(
                "a mixture has 1 to \(limit) experts, this one has \(nodes.count)",
                at: experts.node.position, path: experts.path)
        })
}

extension Manifest.Adapter {
    fileprivate mutating func change(_ body: (inout Manifest.NamedAdapter) -> Void) {
        guard case .named(var adapter) = source else { return }
        body(&adapter)
        source = .named(adapter)
    }
}

extension Section where Root == Manifest.SyntheticAdapters {
    static let syntheticAdapters = Section(
        .init(),
        [
            Field("count", \.count, .integer(1...4096), "How many adapters there are.")
                .required(example: "16"),
            Field("rank", \.rank, .integer(1...512), "The rank of each.")
                .required(example: "16"),
            Field("seed", \.seed, .seed, "The seed of the random weights."),
        ])
}

extension Section where Root == Manifest.ServiceClass {
    static let serviceClass = Section(
        .init(),
        [
            Field("name", \.name, .name, "What requests, adapters and tenants call it.")
                .required(example: "interactive"),
            Field(
                "timeToFirstToken", \.timeToFirstToken,
                .duration(.milliseconds(1) ... .seconds(3600)),
                "How long after the arrival of a request its first token should be there."
            ).required(example: "500ms"),
        ])
}

extension Section where Root == Manifest.Tenant {
    static let tenant = Section(
        .init(),
        [
            Field("name", \.name, .name, "The name of the API key.")
                .required(example: "alice"),
            Field("weight", \.share.weight, .weight, "The share of service, relative to others."),
            Field(
                "serviceClass", \.share.serviceClass, .name,
                "The service class of its requests that name none."
            ).example("interactive"),
        ])
}

extension Form where Value == Double {
    /// A share of service. The range keeps sums of tokens by weight exact enough.
    fileprivate static var weight: Form { .scalar(.number(0.001...1000)) }
}
