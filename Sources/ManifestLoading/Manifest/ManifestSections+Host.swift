// SPDX-License-Identifier: Apache-2.0

import PolicyKit

// The keys that bound and arrange the host; see ManifestSections.swift.

extension Section where Root == Manifest.Replicas {
    static let replicas = Section(
        .init(),
        [
            Field("count", \.count, .integer(1...64), "How many replicas there are."),
            Field(
                "threads", \.threads, .threads(1...1024),
                "How many threads compute in a replica; auto shares the processors out."),
            Field(
                "pinned", \.pinned, .boolean,
                "Whether each of these threads stays on a processor of its own."),
            Field(
                "memory", \.memory, .size(.manifestMemory),
                "The memory of one replica for KV pages, adapters and merged copies together."),
            Field(
                "kvDtype", \.kvDtype, .scalar(),
                "How keys and values are kept: bf16 takes half the memory of f32."),
            Field(
                "adapterMemory", \.adapterMemory, .size(.manifestMemory),
                "How much of `memory` adapters may take; a quarter of it by default."
            ).example("256MiB"),
            Field(
                "mergedMemory", \.mergedMemory, .size(.manifestOptionalMemory),
                "How much of `memory` copies of the weights with an adapter merged in may take; by "
                    + "default that of one copy, if it is at most half."
            ).example("1GiB"),
            Field(
                "maxBatch", \.maxBatch, .integer(1...1024),
                "How many requests run in one iteration at most."),
            Field(
                "maxStepTokens", \.maxStepTokens, .integer(1...65536),
                "How many tokens one iteration computes at most; longer prompts are cut up."),
            Field(
                "prefixCache", \.prefixCache, .choice(),
                """
                Whether requests of one adapter that begin with the same tokens share what is \
                computed of them; answers are the same bit for bit.
                """),
            Field(
                "stallBudget", \.stallBudget, .duration(.milliseconds(1) ... .seconds(60)),
                """
                How long an iteration may keep running streams waiting for their next token: \
                prompts are cut up to what is predicted to fit; by default only maxStepTokens \
                cuts them.
                """
            ).example("100ms"),
        ],
        rule: { replicas, place, reading in
            guard !reading.hasFault(at: place.path(of: "memory")) else { return }
            let memory = replicas.memory.value
            var left = memory.bytes
            for (key, part) in [
                ("adapterMemory", replicas.adapterMemory), ("mergedMemory", replicas.mergedMemory),
            ] {
                guard let part else { continue }
                guard part.value.bytes < left else {
                    let others = left < memory.bytes ? ", with adapterMemory" : ""
                    return reading.report(
                        "must be less than memory (\(memory.manifestText))\(others), "
                            + "which holds the KV pages too",
                        at: part.position, path: place.path(of: key))
                }
                left -= part.value.bytes
            }
        })
}

extension Section where Root == Manifest.Limits {
    static let limits = Section(
        .init(),
        [
            Field(
                "queue", \.queue, .integer(1...1_000_000),
                "How many requests may wait; more are refused with 503 and Retry-After."),
            Field(
                "contextLength", \.contextLength, .integer(1...1_048_576),
                "How many tokens prompt and answer may have; by default what the model allows."
            ).example("4096"),
            Field(
                "requestBytes", \.requestBytes, .size(ByteCount(1 << 10)...ByteCount(1 << 30)),
                "How large the body of a request may be."),
            Field(
                "headerBytes", \.headerBytes, .size(ByteCount(1 << 10)...ByteCount(1 << 20)),
                "How large the header of a request may be."),
            Field(
                "connections", \.connections, .integer(1...65536),
                "How many connections may be open."),
            Field(
                "writeBuffer", \.writeBuffer, .size(ByteCount(4 << 10)...ByteCount(1 << 30)),
                "How much a slow reader may leave unread before its request is cancelled."),
            Field(
                "idleTimeout", \.idleTimeout, .duration(.seconds(1) ... .seconds(86400)),
                "How long a connection without a request stays open."),
            Field(
                "headerTimeout", \.headerTimeout, .duration(.seconds(1) ... .seconds(3600)),
                "How long the header of a request may take to come; then it is answered 408."),
            Field(
                "adapterRoots", \.adapterRoots, .list(ofLocated: .path),
                "The folders under which adapters named over HTTP may lie; none allows none."
            ).example("[/models]"),
        ])
}

extension ClosedRange where Bound == ByteCount {
    fileprivate static let manifestMemory = ByteCount(1 << 20)...ByteCount(1 << 44)
    fileprivate static let manifestOptionalMemory = ByteCount(0)...ByteCount(1 << 44)
}

extension Section where Root == Manifest.Plugins {
    static let plugins = Section(
        .init(),
        [
            Field(
                "search", \.search, .list(ofLocated: .path),
                "The folders in which plugin libraries are looked for; by default that of burrow itself."
            ).example("[../.build/release]"),
            Field(
                "instances", \.instances, .list(of: .section(.instance)),
                "Policies with parameters, each under a name that the pipeline uses."
            ).example("[{name: credits, type: credit-fairness, parameters: {starvation: 2s}}]"),
            Field(
                "budget", \.budget, .duration(.microseconds(1) ... .seconds(10)),
                "How long one call of a policy may take; longer ones cost the policy a strike."),
            Field(
                "stall", \.stall, .duration(.milliseconds(100) ... .seconds(3600)),
                """
                How long a call may not come back before the log names the policy; a supervised \
                host is then started again without it.
                """),
        ])
}

extension Section where Root == Manifest.PolicyInstance {
    static let instance = Section(
        .init(),
        [
            Field(
                "name", \.name, .name,
                "The name that the pipeline, metrics and state carry over a reload use."
            ).required(example: "credits"),
            Field("type", \.type, .policy(nil), "The type of the policy.")
                .required(example: "credit-fairness"),
            Field<Root>(
                "parameters", Form<Bool>.parameters,
                "What the policy declares; `explain TYPE` shows it.", set: { _, _, _ in }
            ).example("{starvation: 2s}"),
            Field(
                "isolation", \.isolation, .scalar(),
                """
                Where the policy runs: inline, or in a process of its own, whose crashes and memory \
                are its own; a call then takes some tens of microseconds more.
                """),
            Field(
                "memory", \.memory, .size(ByteCount(16 << 20)...ByteCount(1 << 40)),
                "What the policy's process may take for itself, with `isolation: process`; 256MiB "
                    + "by default."
            ).example("256MiB"),
        ],
        rule: { instance, place, reading in
            instance.parameters = place.parameters(ofType: instance.type, &reading)
            instance.checkIsolation(place, &reading)
        })
}

extension Manifest.PolicyInstance {
    fileprivate func checkIsolation(_ place: Place, _ reading: inout Reading) {
        if let memory, isolation.value == .inline {
            reading.report(
                "limits a process of the policy's own; add `isolation: process`",
                at: memory.position, path: place.path(of: "memory"))
        }
        guard isolation.value == .process,
            let policy = reading.policies.first(where: { $0.type == type.value })
        else { return }
        let reason =
            if policy.kind == .gating {
                "a gate is asked by the compute thread between two layers of a step, where there is "
                    + "no time to wait for another process"
            } else if policy.isBuiltIn {
                "'\(policy.type)' is built in, so there is nothing to contain"
            } else {
                ""
            }
        guard !reason.isEmpty else { return }
        reading.report(
            "\(reason); leave out `isolation: process`", at: isolation.position,
            path: place.path(of: "isolation"))
    }
}

extension Form where Value == Bool {
    /// Says only that there are parameters: they are read when the type is known.
    fileprivate static var parameters: Form {
        Form(schema: .parameters) { _, _ in nil }
    }
}

extension Section where Root == Manifest.Reload {
    static let reload = Section(
        .init(),
        [
            Field(
                "probation", \.probation, .duration(.zero ... .seconds(3600)),
                "How long a new generation is watched and taken back where it does badly."),
            Field(
                "failedShare", \.failedShare, .scalar(.number(0...1)),
                "The part of requests that may fail in that time, once five have."),
            Field(
                "tokenGapFactor", \.tokenGapFactor, .scalar(.number(1...1000)),
                """
                How many times as long as before the time between two tokens may be that one in a \
                hundred exceeds.
                """),
        ])
}

extension Section where Root == Manifest.Pipeline {
    static let pipeline = Section(
        .init(),
        [
            Field(
                "batching", \.batching, .policy(.batching),
                "Who runs in the next iteration, and in which mode."),
            Field("fairness", \.fairness, .policy(.fairness), "Whose turn it is."),
            Field("dispatch", \.dispatch, .policy(.dispatch), "Which replica takes a request."),
            Field("migration", \.migration, .policy(.migration), "What moves between replicas."),
            Field(
                "residency", \.residency, .policy(.residency),
                "Which adapter leaves a replica's memory."),
        ])
}
