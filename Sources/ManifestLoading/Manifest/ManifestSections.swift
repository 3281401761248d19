// SPDX-License-Identifier: Apache-2.0

import PolicyKit

// The keys of the manifest: name, property, form, meaning. Decoding, `explain` and the JSON Schema
// are all made from these tables; defaults are those of the properties.

extension Section where Root == Manifest {
    static let manifest = Section(
        Manifest(),
        [
            Field(
                "apiVersion", \.apiVersion, .constant("burrow/v1"),
                "The version of this format."
            ).required(example: "burrow/v1"),
            Field("kind", \.kind, .constant("Host"), "What the manifest describes.")
                .required(example: "Host"),
            Field("metadata", \.metadata, .section(.metadata), "What the host is called.")
                .required(example: "{name: quickstart}"),
            Field("spec", \.spec, .section(.spec), "What the host serves, and how.")
                .required(),
        ])
}

extension Section where Root == Manifest.Metadata {
    static let metadata = Section(
        .init(),
        [
            Field("name", \.name, .name, "The host's name, shown in logs and status.")
                .required(example: "quickstart")
        ])
}

extension Section where Root == Manifest.Spec {
    static let spec = Section(
        .init(),
        [
            Field(
                "server", \.server, .section(.server),
                "The HTTP server: address, keys, shutdown."),
            Field("model", \.model, .model, "The base model.")
                .required(example: "{path: ../Samples/model, dtype: bf16}"),
            Field(
                "adapters", \.adapters, .list(of: .adapter),
                "The LoRA adapters; more can be loaded over HTTP while the host runs."
            ).example("[{directory: ../Samples/adapters}]"),
            Field(
                "mixtures", \.mixtures, .list(of: .section(.mixture)),
                "Names under which several adapters answer together, weighed token by token."
            ).example("[{name: everything, experts: [roman, french], gating: uniform}]"),
            Field(
                "serviceClasses", \.serviceClasses, .list(of: .section(.serviceClass)),
                "What requests may be promised; a policy such as deadline-fairness keeps to it."
            ).example("[{name: interactive, timeToFirstToken: 500ms}]"),
            Field(
                "tenants", \.tenants, .list(of: .section(.tenant)),
                "What those with an API key are entitled to; others have weight 1."
            ).example("[{name: alice, weight: 2, serviceClass: interactive}]"),
            Field(
                "replicas", \.replicas, .section(.replicas),
                "The copies of the model that compute, each with its own thread team."),
            Field("limits", \.limits, .section(.limits), "The bounds of queues and requests."),
            Field("plugins", \.plugins, .section(.plugins), "Where policies come from."),
            Field(
                "pipeline", \.pipeline, .section(.pipeline),
                "Which policy answers which question."),
            Field(
                "reload", \.reload, .section(.reload),
                "When a change of the running host is taken back."),
            Field(
                "tests", \.tests, .list(ofLocated: .path),
                "Files of policy tests, or folders of them, that `burrow test` runs."
            ).example("[tests]"),
        ])
}

extension Section where Root == Manifest.Server {
    static let server = Section(
        .init(),
        [
            Field(
                "listen", \.listen, .address,
                "The address of the OpenAI API; IPv6 in brackets; port 0 takes a free one."),
            Field(
                "apiKeys", \.apiKeys, .section(.apiKeys),
                "Who may use the API; without it everybody who reaches the address may."
            ).example("{file: keys.txt}"),
            Field(
                "admin", \.admin, .adminSocket,
                "The Unix socket of the admin surface, which `burrow status` asks: a path, auto for "
                    + "burrow-UID/NAME.sock in $XDG_RUNTIME_DIR or /tmp, or off."),
            Field<Root>(
                "tls",
                Form<Bool>.refused(
                    "TLS is not served by this version; terminate it in front of Burrow"),
                "Not served by this version; terminate TLS in front of Burrow.",
                set: { _, _, _ in }),
            Field(
                "drainTimeout", \.drainTimeout, .duration(.zero ... .seconds(3600)),
                "How long running requests may take to finish when the host stops."),
        ])
}

extension Section where Root == Manifest.APIKeys {
    static let apiKeys = Section(
        .init(),
        [
            Field(
                "file", \.file, .path,
                "A file with one key to a line, as `name: key` or the key alone; # begins a comment."
            ).required(example: "keys.txt")
        ])
}

extension Form where Value == Manifest.Model {
    static let model = Form.variants([
        Section(
            .init(),
            [
                Field(
                    "path", .path, "The folder of the model: config.json, safetensors, tokenizer.",
                    set: { $0.source = .path(Located($1, at: $2)) }
                ).required(example: "../Samples/model")
            ] + shared),
        Section(
            .init(),
            [
                Field(
                    "synthetic", .section(.syntheticModel),
                    "A model of random weights, for benchmarks; instead of `path`.",
                    set: { model, synthetic, _ in model.source = .synthetic(synthetic) }
                ).required(example: "{preset: smollm2-360m, seed: 1}")
            ] + shared),
    ])

    private static let shared: [Field<Value>] = [
        Field(
            "dtype", \.dtype,
            .choice(refused: ["int4": "int4 is not supported; write int8, bf16 or f32"]),
            """
            How the weights are kept in memory: bf16 takes half the memory of f32, int8 a quarter; \
            any model can be loaded as each.
            """),
        Field(
            "name", \.name, .name,
            "The name that clients use; by default that of the folder or the preset."
        ).example("smollm2"),
        Field(
            "cache", \.cache, .section(.modelCache),
            "Keeps the packed weights in a file, so that the next start reads that; by default "
                + "none is kept."
        ).example("{limit: 16GiB}"),
    ]
}

extension Section where Root == Manifest.ModelCache {
    static let modelCache = Section(
        .init(),
        [
            Field(
                "directory", \.directory, .path,
                "The folder of the files; by default burrow in the user's cache folder."
            ).example("/var/cache/burrow"),
            Field(
                "limit", \.limit, .size(ByteCount(1 << 20)...ByteCount(1 << 44)),
                "How much the files may take together; the oldest leave first."),
        ])
}

extension Section where Root == Manifest.SyntheticModel {
    static let syntheticModel = Section(
        .init(),
        [
            Field("preset", \.preset, .name, "The shape of the model.")
                .required(example: "smollm2-360m"),
            Field("seed", \.seed, .seed, "The seed of the random weights."),
        ])
}
