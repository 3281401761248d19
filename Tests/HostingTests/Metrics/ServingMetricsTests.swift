// SPDX-License-Identifier: Apache-2.0

import Hosting
import Testing

private func metrics(replicas: Int = 1, adapterLimit: Int = 1024) -> ServingMetrics {
    var configuration = ServingMetricsConfiguration(
        modelName: "base", replicaCount: replicas, maxModelLength: 2048, maxAdapters: 8,
        cache: .init(pageTokens: 16, pageCount: 100, dtype: "bf16", cachesPrefixes: false))
    configuration.adapterSeriesLimit = adapterLimit
    return ServingMetrics(configuration)
}

private func finished(adapter: String?, reason: FinishedReason = .stop) -> FinishedRequest {
    var request = FinishedRequest(
        replica: 0, adapter: adapter, reason: reason, total: .seconds(3), queued: .seconds(1))
    request.prefill = .milliseconds(500)
    request.decode = .milliseconds(1500)
    request.promptTokens = 12
    request.generatedTokens = 4
    request.maxTokens = 64
    return request
}

@Suite struct ServingMetricsTests {
    @Test func aFreshServerExposesEveryFamilyAtZero() throws {
        let check = try ExpositionCheck(metrics(replicas: 2).exposition())
        let gauges = ["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"]
        let counters = ["num_preemptions_total", "prompt_tokens_total", "generation_tokens_total"]
        for name in gauges + counters {
            for engine in ["0", "1"] {
                let labels = ["engine": engine, "model_name": "base"]
                #expect(check.value("vllm:\(name)", labels) == 0, "\(name)")
            }
        }
        for reason in FinishedReason.allCases {
            #expect(
                check.value(
                    "vllm:request_success_total",
                    ["engine": "1", "finished_reason": reason.rawValue]) == 0)
        }
        #expect(
            check.value(
                "vllm:cache_config_info",
                ["engine": "0", "block_size": "16", "num_gpu_blocks": "100"]) == 1)
        #expect(check.value("vllm:admission_rejections_total", ["reason": "queue_full"]) == 0)
        #expect(check.types.count == check.help.count)
    }

    @Test func abortedRequestsAreCountedByAdapter() throws {
        var metrics = metrics(replicas: 2)
        metrics.requestAborted(replica: 1, adapter: "a")
        metrics.requestAborted(replica: 1, adapter: "a")
        metrics.requestAborted(replica: 0, adapter: nil)
        metrics.requestAborted(replica: 7, adapter: "a")
        let check = try ExpositionCheck(metrics.exposition())
        let name = "burrow:requests_aborted_total"
        #expect(check.value(name, ["engine": "1", "adapter": "a", "model_name": "base"]) == 2)
        #expect(check.value(name, ["engine": "0", "adapter": "base"]) == 1)
        #expect(check.samples.count { $0.name == name } == 2)
    }

    @Test(arguments: [
        ("time_to_first_token_seconds", 23), ("inter_token_latency_seconds", 20),
        ("request_time_per_output_token_seconds", 20), ("e2e_request_latency_seconds", 22),
        ("request_queue_time_seconds", 22), ("request_inference_time_seconds", 22),
        ("request_prefill_time_seconds", 22), ("request_decode_time_seconds", 22),
        ("request_prompt_tokens", 12), ("request_generation_tokens", 12), ("request_params_n", 6),
        ("request_params_max_tokens", 12), ("iteration_tokens_total", 14),
    ])
    func theDistributionsHaveVLLMsBuckets(name: String, count: Int) throws {
        let check = try ExpositionCheck(metrics().exposition())
        #expect(check.types["vllm:\(name)"] == "histogram")
        #expect(check.samples.count { $0.name == "vllm:\(name)_bucket" } == count)
    }

    @Test func aFinishedRequestIsCountedEverywhere() throws {
        var metrics = metrics()
        metrics.requestFinished(finished(adapter: "roman", reason: .length))
        let check = try ExpositionCheck(metrics.exposition())
        #expect(check.value("vllm:request_success_total", ["finished_reason": "length"]) == 1)
        let sums = [
            ("e2e_request_latency_seconds", 3), ("request_queue_time_seconds", 1),
            ("request_inference_time_seconds", 2), ("request_prefill_time_seconds", 0.5),
            ("request_decode_time_seconds", 1.5), ("request_time_per_output_token_seconds", 0.5),
            ("request_prompt_tokens", 12), ("request_generation_tokens", 4),
            ("request_params_n", 1), ("request_params_max_tokens", 64),
        ]
        for (name, sum) in sums {
            #expect(check.value("vllm:\(name)_sum") == sum, "\(name)")
            #expect(check.value("vllm:\(name)_count") == 1, "\(name)")
        }
        #expect(check.value("burrow:adapter_queue_seconds_sum", ["adapter": "roman"]) == 1)
    }

    @Test func aStepCountsItsTokensByAdapter() throws {
        var metrics = metrics()
        var step = CompletedStep(
            replica: 0, duration: .milliseconds(20), overhead: .microseconds(30),
            tokens: [
                .init(adapter: nil, prompt: 10, generated: 1),
                .init(adapter: "roman", prompt: 0, generated: 3),
            ], preemptions: 2)
        step.isAhead = true
        step.discarded = 5
        (step.drafts, step.draftTokens, step.acceptedTokens) = (2, 7, 3)
        metrics.stepCompleted(step)
        let check = try ExpositionCheck(metrics.exposition())
        #expect(check.value("burrow:steps_ahead_total") == 1)
        #expect(check.value("burrow:discarded_tokens_total") == 5)
        #expect(check.value("vllm:spec_decode_num_drafts_total") == 2)
        #expect(check.value("vllm:spec_decode_num_draft_tokens_total") == 7)
        #expect(check.value("vllm:spec_decode_num_accepted_tokens_total") == 3)
        #expect(check.value("vllm:prompt_tokens_total") == 10)
        #expect(check.value("vllm:generation_tokens_total") == 4)
        #expect(check.value("vllm:num_preemptions_total") == 2)
        #expect(check.value("vllm:iteration_tokens_total_sum") == 14)
        #expect(check.value("burrow:adapter_prompt_tokens_total", ["adapter": "base"]) == 10)
        #expect(check.value("burrow:adapter_generation_tokens_total", ["adapter": "roman"]) == 3)
        #expect(check.value("burrow:step_seconds_count") == 1)
        #expect(check.value("burrow:scheduler_overhead_seconds_bucket", ["le": "5e-05"]) == 1)
    }

    @Test func aReplicaShowsItsLoadAndItsMode() throws {
        var metrics = metrics()
        var load = ReplicaLoad(
            replica: 0, running: 3, waiting: 2, pagesUsed: 25, pagesFree: 75,
            wastedTokens: 11, mode: .merged)
        load.tokenLimit = 48
        load.pagesCached = 12
        load.prefixQueryTokens = 100
        load.prefixHitTokens = 64
        for total in [2, 5, 4] {
            load.stepsOverStallBudget = total
            metrics.replicaChanged(load)
        }
        metrics.modeSwitched(ModeSwitch(replica: 0, from: .unmerged, to: .merged))
        metrics.mergeCompleted(replica: 0, took: .milliseconds(40))
        metrics.ranUnmergedInstead(replica: 0, steps: 3)
        let check = try ExpositionCheck(metrics.exposition())
        #expect(check.value("vllm:num_requests_running") == 3)
        #expect(check.value("vllm:num_requests_waiting") == 2)
        #expect(check.value("vllm:kv_cache_usage_perc") == 0.25)
        #expect(check.value("burrow:step_token_limit") == 48)
        #expect(check.value("burrow:kv_pages_cached") == 12)
        #expect(check.value("vllm:prefix_cache_queries_total") == 100)
        #expect(check.value("vllm:prefix_cache_hits_total") == 64)
        #expect(check.value("burrow:steps_over_stall_budget_total") == 5)
        #expect(check.value("burrow:kv_pages_used") == 25)
        #expect(check.value("burrow:kv_pages_free") == 75)
        #expect(check.value("burrow:kv_wasted_tokens") == 11)
        #expect(check.value("burrow:replica_mode", ["mode": "merged"]) == 1)
        #expect(check.value("burrow:replica_mode", ["mode": "unmerged"]) == 0)
        #expect(
            check.value("burrow:mode_switches_total", ["from": "unmerged", "to": "merged"]) == 1)
        #expect(check.value("burrow:merge_seconds_sum") == 0.04)
        #expect(check.value("burrow:unmerged_instead_steps_total") == 3)
    }

    @Test func weightsOfExpertsAreSummedByMixtureUntilThatIsGone() throws {
        var metrics = metrics()
        metrics.gateWeighed(mixture: "m", [("a", 0.25), ("b", 0.75)])
        metrics.gateWeighed(mixture: "m", [("a", 1), ("b", 0)])
        metrics.gateWeighed(mixture: "n", [("a", 1)])
        let check = try ExpositionCheck(metrics.exposition())
        let name = "burrow:gate_weight"
        #expect(check.value("\(name)_sum", ["mixture": "m", "expert": "a"]) == 1.25)
        #expect(check.value("\(name)_count", ["mixture": "m", "expert": "b"]) == 2)
        #expect(check.value("\(name)_sum", ["mixture": "n", "expert": "a"]) == 1)
        metrics.adapterRemoved("m")
        let later = try ExpositionCheck(metrics.exposition())
        #expect(later.value("\(name)_count", ["mixture": "m", "expert": "a"]) == nil)
        #expect(later.value("\(name)_count", ["mixture": "n", "expert": "a"]) == 1)
    }

    @Test func adaptersInUseAreOneSeriesWithTheTime() throws {
        var metrics = metrics()
        metrics.adaptersInUse(running: ["b", "a"], waiting: [], unixTime: 100.5)
        metrics.adaptersInUse(running: ["b", "a"], waiting: [], unixTime: 101.5)
        metrics.adaptersInUse(running: ["c"], waiting: ["a", "b"], unixTime: 102.5)
        let check = try ExpositionCheck(metrics.exposition())
        let found = check.samples.filter { $0.name == "vllm:lora_requests_info" }
        #expect(
            found == [
                ExpositionCheck.Sample(
                    name: "vllm:lora_requests_info",
                    labels: [
                        "max_lora": "8", "running_lora_adapters": "c",
                        "waiting_lora_adapters": "a,b",
                    ], value: 102.5)
            ])
    }

    @Test func anAdaptersLifeIsVisibleUntilItIsRemoved() throws {
        var metrics = metrics(replicas: 2)
        metrics.adapterLoaded("roman", replica: 1, bytes: 4096, took: .milliseconds(250))
        metrics.firstToken(replica: 1, adapter: "roman", after: .milliseconds(90))
        var check = try ExpositionCheck(metrics.exposition())
        #expect(
            check.value("burrow:adapter_resident_bytes", ["engine": "1", "adapter": "roman"])
                == 4096)
        #expect(check.value("burrow:adapter_loads_total", ["adapter": "roman"]) == 1)
        #expect(check.value("burrow:adapter_load_seconds_total", ["adapter": "roman"]) == 0.25)
        #expect(check.value("vllm:time_to_first_token_seconds_count", ["engine": "1"]) == 1)
        metrics.adapterEvicted("roman", replica: 1)
        check = try ExpositionCheck(metrics.exposition())
        #expect(check.value("burrow:adapter_evictions_total", ["adapter": "roman"]) == 1)
        #expect(check.value("burrow:adapter_resident_bytes", ["adapter": "roman"]) == 0)
        metrics.adapterRemoved("roman")
        check = try ExpositionCheck(metrics.exposition())
        #expect(!check.samples.contains { $0.labels["adapter"] == "roman" })
        metrics.adapterLoaded("roman", replica: 0, bytes: 1, took: .zero)
        check = try ExpositionCheck(metrics.exposition())
        #expect(check.value("burrow:adapter_loads_total", ["adapter": "roman"]) == 1)
    }

    @Test func adaptersWithoutNumberStayBounded() throws {
        var metrics = metrics(adapterLimit: 3)
        for index in 0..<100 {
            metrics.requestFinished(finished(adapter: "a\(index)"))
            metrics.adapterLoaded("a\(index)", replica: 0, bytes: 1, took: .zero)
        }
        let check = try ExpositionCheck(metrics.exposition())
        #expect(check.samples.count { $0.name == "burrow:adapter_loads_total" } == 4)
        #expect(check.value("burrow:adapter_loads_total", ["adapter": "_other"]) == 97)
        #expect(check.samples.count { $0.name == "burrow:adapter_resident_bytes" } <= 4)
    }

    @Test func theHostsOwnEventsAreCounted() throws {
        var metrics = metrics()
        metrics.httpReplied(route: "/v1/completions", status: 200)
        metrics.clientLeft(route: "/v1/completions")
        metrics.requestRejected(.contextLength)
        metrics.laterToken(replica: 0, after: .milliseconds(20))
        let work = PolicyWork(
            kind: "batching", instance: "switch", calls: 3, time: .milliseconds(2), strikes: 1)
        metrics.policyWorked(work)
        metrics.policyWorked(work)
        let check = try ExpositionCheck(metrics.exposition())
        #expect(
            check.value(
                "burrow:http_requests_total", ["route": "/v1/completions", "status": "200"])
                == 1)
        #expect(check.value("burrow:http_clients_left_total") == 1)
        #expect(check.value("vllm:admission_rejections_total", ["reason": "context_length"]) == 1)
        #expect(check.value("vllm:inter_token_latency_seconds_sum") == 0.02)
        #expect(
            check.value("burrow:policy_strikes_total", ["kind": "batching", "instance": "switch"])
                == 2)
        #expect(check.value("burrow:policy_calls_total", ["instance": "switch"]) == 6)
        #expect(check.value("burrow:policy_seconds_total", ["instance": "switch"]) == 0.004)
    }

    @Test func replicasComeAndGo() throws {
        var metrics = metrics(replicas: 3)
        metrics.setReplicaCount(1)
        metrics.laterToken(replica: 2, after: .seconds(1))
        metrics.adapterEvicted("x", replica: 9)
        var check = try ExpositionCheck(metrics.exposition())
        #expect(Set(check.samples.compactMap { $0.labels["engine"] }) == ["0"])
        metrics.setReplicaCount(2)
        check = try ExpositionCheck(metrics.exposition())
        #expect(check.value("vllm:inter_token_latency_seconds_count", ["engine": "1"]) == 0)
    }

    @Test func theCheckItselfFindsFaults() {
        let faulty = [
            "a 1", "a 1\n", "# TYPE a gauge\na 1\n", "# HELP a A.\n# TYPE a counter\na 1\n",
            "# HELP a A.\n# TYPE a gauge\na{x=\"1} 1\n", "# HELP a A.\n# TYPE a gauge\na 1\na 1\n",
            "# HELP a A.\n# TYPE a gauge\na{x=\"\\t\"} 1\n",
            "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1.0\"} 1\na_sum 1\na_count 1\n",
        ]
        for text in faulty {
            #expect(throws: ExpositionCheck.Malformed.self, "\(text)") {
                try ExpositionCheck(Array(text.utf8))
            }
        }
    }
}
