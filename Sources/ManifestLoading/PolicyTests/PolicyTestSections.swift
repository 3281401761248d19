// SPDX-License-Identifier: Apache-2.0

import PolicyKit

// The keys of policy tests; see ManifestSections.swift.

extension Section where Root == PolicyTest {
    static let policyTest = Section(
        PolicyTest(),
        [
            Field(
                "apiVersion", \.apiVersion, .constant("burrow/v1"),
                "The version of this format."
            ).required(example: "burrow/v1"),
            Field("kind", \.kind, .constant("PolicyTest"), "What the document describes.")
                .required(example: "PolicyTest"),
            Field("metadata", \.metadata, .section(.metadata), "What the test is called.")
                .required(example: "{name: switches-to-merged}"),
            Field("spec", \.spec, .section(.policyTestSpec), "What is given, and what expected.")
                .required(),
        ])
}

extension Section where Root == PolicyTest.Spec {
    static let policyTestSpec = Section(
        .init(),
        [
            Field(
                "policies", \.policies, .section(.testedPolicies),
                "The policies under test; by default those of the manifest that names the test."),
            Field("given", \.given, .section(.given), "The fleet and its requests.").required(),
            Field("expect", \.expect, .section(.expectations), "What should happen.").required(),
        ])
}

extension Section where Root == PolicyTest.Policies {
    static let testedPolicies = Section(
        .init(),
        [
            Field(
                "manifest", \.manifest, .path,
                "A host's manifest whose pipeline is tested, instead of instances and pipeline."
            ).example("../systems/dlora.yaml"),
            Field(
                "search", \.search, .list(ofLocated: .path),
                "The folders in which plugin libraries are looked for."
            ).example("[../../.build/release]"),
            Field(
                "instances", \.instances, .list(of: .section(.instance)),
                "Policies with parameters, as in a host's manifest."
            ).example("[{name: switch, type: dlora-batching}]"),
            Field<Root>(
                "pipeline", .section(Section<Manifest.Pipeline>.pipeline),
                "Which policy answers which question; the built-in ones where none is named.",
                set: { policies, pipeline, _ in policies.pipeline = pipeline }),
        ],
        rule: { policies, place, reading in
            guard let manifest = policies.manifest else { return }
            for key in ["search", "instances", "pipeline"] where place[key] != nil {
                reading.report(
                    "'manifest' excludes '\(key)'; keep one of them", at: manifest.position,
                    path: place.path(of: "manifest"))
                return
            }
        })
}

extension Section where Root == PolicyTest.Given {
    static let given = Section(
        .init(),
        [
            Field("seed", \.seed, .seed, "Where random choices begin."),
            Field(
                "replicas", \.replicas, .section(.testedReplicas),
                "How many replicas there are, and their limits."),
            Field("adapters", \.adapters, .list(of: .section(.testedAdapter)), "The adapters."),
            Field("tenants", \.tenants, .list(of: .section(.testedTenant)), "Who asks."),
            Field(
                "serviceClasses", \.serviceClasses, .list(of: .section(.serviceClass)),
                "What requests may be promised."),
            Field(
                "requests", \.requests, .list(of: .section(.testedRequest)),
                "The requests, in any order."
            ).required(example: "[{id: a, adapter: tax, prompt: 64, output: 8}]"),
            Field("clock", \.clock, .section(.testClock), "When the test begins and ends."),
            Field("costs", \.costs, .section(.testCosts), "What things take in virtual time."),
        ],
        rule: { given, place, reading in
            for (key, count) in [
                ("requests", given.requests.count), ("adapters", given.adapters.count),
            ] where count > PolicyTestRules.mostRequests {
                reading.report(
                    "there are \(count), more than \(PolicyTestRules.mostRequests)",
                    at: place.position, path: place.path(of: key))
            }
        })
}

extension Section where Root == PolicyTest.Replicas {
    static let testedReplicas = Section(
        .init(),
        [
            Field("count", \.count, .integer(1...64), "How many there are."),
            Field("pages", \.pages, .integer(1...1 << 20), "KV pages of each, of 16 tokens."),
            Field("maxBatch", \.maxBatch, .integer(1...1024), "The most requests at once."),
            Field(
                "maxStepTokens", \.maxStepTokens, .integer(1...65536),
                "The most tokens that one iteration computes."),
            Field(
                "stallBudget", \.stallBudget, .duration(.milliseconds(1) ... .seconds(60)),
                "How long an iteration may keep running streams waiting."),
            Field(
                "adapterMemory", \.adapterMemory, .size(ByteCount(0)...ByteCount(1 << 44)),
                "How much adapters may take in each."),
            Field(
                "mergedCopies", \.mergedCopies, .integer(0...1024),
                "How many merged copies each has room for."),
            Field("queue", \.queue, .integer(1...1_000_000), "How many requests may wait."),
            Field(
                "shared", \.shared, .boolean,
                "Whether they have memory in common, as the replicas of one host have."),
        ])
}

extension Section where Root == PolicyTest.Adapter {
    static let testedAdapter = Section(
        .init(),
        [
            Field("name", \.name, .name, "What requests call it.").required(example: "tax"),
            Field("rank", \.rank, .integer(1...512), "Its rank."),
            Field(
                "bytes", \.bytes, .size(ByteCount(1)...ByteCount(1 << 44)),
                "What it takes in memory."),
            Field("pinned", \.pinned, .boolean, "Whether it stays in memory."),
            Field("weight", \.weight, .scalar(.number(0.001...1000)), "Its share of service."),
            Field(
                "resident", \.resident, .replicas(),
                "The replicas where it lies from the start: a number, a list, or all."),
            Field(
                "merged", \.merged, .replicas(),
                "The replicas that have a merged copy of it from the start, where it lies too."),
        ])
}

extension Section where Root == PolicyTest.Tenant {
    static let testedTenant = Section(
        .init(),
        [
            Field("name", \.name, .name, "What requests call it.").required(example: "alice"),
            Field("weight", \.weight, .scalar(.number(0.001...1000)), "Its share of service."),
        ])
}

extension Section where Root == PolicyTest.Request {
    static let testedRequest = Section(
        .init(),
        [
            Field("id", \.id, .name, "What expectations call it.").required(example: "a"),
            Field("adapter", \.adapter, .name, "Its adapter; without one it is for the base."),
            Field("tenant", \.tenant, .name, "Who asks."),
            Field("class", \.serviceClass, .name, "Its service class."),
            Field("at", \.at, .testTime, "When it comes."),
            Field("prompt", \.prompt, .integer(1...1 << 20), "Tokens of its prompt."),
            Field("output", \.output, .integer(1...1 << 16), "Tokens that it generates in all."),
            Field(
                "generated", \.generated, .integer(0...1 << 16),
                "Tokens that it has generated when it comes."),
        ],
        rule: { request, place, reading in
            guard request.generated.value >= request.output.value else { return }
            reading.report(
                "it would be over: less than output (\(request.output.value)) is generated",
                at: request.generated.position, path: place.path(of: "generated"))
        })
}

extension Section where Root == PolicyTest.Clock {
    static let testClock = Section(
        .init(),
        [
            Field(
                "at", \.at, .testTime,
                "When the first decision is taken; requests that came before wait until then."),
            Field("until", \.until, .testTime, "When the test ends; by default when all is done."),
            Field(
                "steps", \.steps, .integer(1...Int64(PolicyTestRules.mostSteps)),
                "After how many iterations of all replicas the test ends at the latest."),
        ],
        rule: { clock, place, reading in
            guard let until = clock.until, until.value < clock.at.value else { return }
            reading.report(
                "the test would end before it begins", at: until.position,
                path: place.path(of: "until"))
        })
}

extension Section where Root == PolicyTest.Costs {
    static let testCosts = Section(
        .init(),
        [
            Field("step", \.step, .testTime, "Of an iteration, whatever it computes."),
            Field("promptToken", \.promptToken, .testTime, "Of a token of a prompt."),
            Field("decodeToken", \.decodeToken, .testTime, "Of a row that gives a token."),
            Field("attendedToken", \.attendedToken, .testTime, "Of a key that a row visits."),
            Field("rankToken", \.rankToken, .testTime, "Of a token on an adapter, for each rank."),
            Field("distinctRank", \.distinctRank, .testTime, "Of an adapter, for each rank."),
            Field("merge", \.merge, .testTime, "Of building a merged copy."),
            Field("load", \.load, .testTime, "Of loading an adapter of no size."),
            Field("loadMebibyte", \.loadMebibyte, .testTime, "Of loading each MiB of it."),
            Field(
                "handoverToken", \.handoverToken, .testTime,
                "Of sending a token's keys and values, where replicas share no memory."),
            Field("solve", \.solve, .testTime, "Of solving a plan of what moves."),
            Field(
                "known", \.known, .boolean,
                "Whether replicas know these costs from the start, as a host that has served does."
            ),
        ])
}

extension Section where Root == PolicyTest.Expectations {
    static let expectations = Section(
        .init(),
        [
            Field("order", \.order, .names, "Requests in the order in which they first run."),
            Field(
                "iterations", \.iterations, .list(of: .section(.iteration)),
                "What single iterations are like."
            ).example("[{number: 2, mode: {merged: tax}, runs: [a, b]}]"),
            Field(
                "replicas", \.replicas, .named(.integer(0...63)),
                "The replica that takes each of these requests."
            ).example("{a: 0, b: 1}"),
            Field("evicted", \.evicted, .names, "The adapters that leave memory, in order."),
            Field<Root>(
                "migrations", .list(of: .section(.migration)),
                "The requests that move, in order.",
                set: { $0.migrations = Located($1, at: $2) }
            ).example("[{request: a, to: 1}]"),
            Field("aborted", \.aborted, .names, "The requests that are given up."),
            Field("refused", \.refused, .names, "The requests that are not taken."),
            Field(
                "firstToken", \.firstToken, .named(.section(.durations)),
                "How long after their arrival these requests have their first token."
            ).example("{a: {atMost: 80ms}}"),
            Field(
                "finished", \.finished, .named(.section(.durations)),
                "How long after their arrival these requests have their last token."
            ).example("{a: {atMost: 1s}}"),
            Field(
                "metrics", \.metrics, .named(.count),
                "What is counted over all replicas, a number or bounds: "
                    + PolicyTest.Metric.allCases.map(\.rawValue).joined(separator: ", ") + "."
            ).example("{switches: {atMost: 2}}"),
        ],
        rule: { _, place, reading in
            guard case .mapping(let entries) = place.node.content, entries.isEmpty else { return }
            reading.report("nothing is expected", at: place.position, path: place.path)
        })
}

extension Section where Root == PolicyTest.Iteration {
    static let iteration = Section(
        .init(),
        [
            Field("replica", \.replica, .integer(0...63), "Whose iteration."),
            Field(
                "number", \.number, .integer(1...Int64(PolicyTestRules.mostSteps)),
                "Which one, from 1."
            ).required(example: "2"),
            Field("mode", \.mode, .mode, "The mode: unmerged, {merged: NAME} or {mixed: NAME}."),
            Field("runs", \.runs, .names, "Who runs, in any order."),
        ])
}

extension Section where Root == PolicyTest.Migration {
    static let migration = Section(
        .init(),
        [
            Field("request", \.request, .name, "Which one moves.").required(example: "a"),
            Field("to", \.to, .integer(0...63), "The replica that gets it.")
                .required(example: "1"),
        ])
}
