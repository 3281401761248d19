// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// Policies in C for tests.
enum CSources {
    static let include = Repository.path(of: "Sources/CPolicy/include")

    /// Builds `lib<name>.so` against `burrow_policy.h`.
    static func build(_ source: String, name: String, in folder: TemporaryFolder) throws -> String {
        try Toolchain.buildC(
            source, name: name, in: folder,
            arguments: ["-I", include, "-std=c11", "-Wall", "-Wextra", "-Werror"])
    }

    /// Builds the sample as its README says.
    static func makeSample(in folder: TemporaryFolder) throws {
        try Toolchain.run(
            try Toolchain.tool("make"),
            ["-C", Repository.path(of: "Samples/CPolicy"), "OUT=\(folder.path)"])
    }

    /// One policy of each kind: plans as it comes, orders backwards, sends to the last replica,
    /// evicts the largest adapter.
    static func everyKind(
        abi: String = "BURROW_POLICY_ABI", sizes: String = "BURROW_SIZES",
        kind: String = "BURROW_BATCHING", type: String = "c-batching",
        entryPoint: String = "burrow_policy_v1", count: String = "4", extra: String = ""
    ) -> String {
        """
        #include "burrow_policy.h"
        #include <stdio.h>
        #include <stdlib.h>
        \(functions)
        static void *make(const burrow_value *values, uint64_t seed, burrow_error *error) {
            (void)values; (void)seed; (void)error;
            return malloc(8);
        }
        static const burrow_batching batching = {sizeof batching, 0, plan, NULL};
        static const burrow_fairness fairness = {sizeof fairness, 0, arrange, NULL};
        static const burrow_dispatch dispatch = {sizeof dispatch, 0, choose};
        static const burrow_residency residency = {sizeof residency, 0, evict};
        #define POLICY(kind_, type_, ...) {.size = sizeof(burrow_policy), .kind = kind_, \\
            .type = type_, .version = "1.0.0", .summary = "For tests.", .make = make, \\
            .release = free, __VA_ARGS__}
        static const burrow_policy policies[] = {
            POLICY(\(kind), "\(type)", .batching = &batching),
            POLICY(BURROW_FAIRNESS, "c-fairness", .fairness = &fairness),
            POLICY(BURROW_DISPATCH, "c-dispatch", .dispatch = &dispatch),
            POLICY(BURROW_RESIDENCY, "c-residency", .residency = &residency),
        };
        static const burrow_policy_plugin plugin = {
            .size = sizeof(burrow_policy_plugin), .abi = \(abi), .sizes = \(sizes),
            .policy_count = \(count), .policy_stride = sizeof(burrow_policy),
            .policies = policies,
        };
        const burrow_policy_plugin *\(entryPoint)(const burrow_policy_host *host);
        const burrow_policy_plugin *\(entryPoint)(const burrow_policy_host *host) {
            \(extra)
            return host->abi ? &plugin : NULL;
        }
        """
    }

    private static let functions = """
        static int64_t pages(int64_t tokens, int64_t size) { return (tokens + size - 1) / size; }

        static int32_t plan(
            void *policy, const burrow_batching_question *question,
            burrow_batching_answer *answer, burrow_error *error) {
            (void)policy; (void)error;
            const burrow_limits *limits = question->limits;
            int64_t tokens = limits->tokens, left = limits->free_pages, size = limits->page_tokens;
            for (uint64_t i = 0; i < question->requests.count; i++) {
                const burrow_request *request = BURROW_AT(
                    burrow_request, question->requests.first, question->requests.stride, i);
                if ((int64_t)answer->entry_count == limits->requests || tokens == 0) break;
                if (request->adapter != BURROW_BASE && !request->is_adapter_resident) continue;
                int64_t held = pages(request->computed_tokens, size);
                int64_t room = (held + left) * size - request->computed_tokens;
                int64_t take = request->pending_tokens;
                if (take > tokens) take = tokens;
                if (take > room) take = room;
                if (take < request->least_tokens || take <= 0) continue;
                answer->entries[answer->entry_count++] = (burrow_entry){i, take};
                tokens -= take;
                left -= pages(request->computed_tokens + take, size) - held;
            }
            if (question->wants_reason) {
                snprintf(answer->reason, answer->reason_capacity, "%d of %d run",
                    (int)answer->entry_count, (int)question->requests.count);
            }
            return BURROW_OK;
        }

        static int32_t arrange(
            void *policy, const burrow_fairness_question *question,
            burrow_fairness_answer *answer, burrow_error *error) {
            (void)policy; (void)error;
            uint64_t count = question->requests.count;
            for (uint64_t i = 0; i < count; i++) answer->order[i] = count - 1 - i;
            return BURROW_OK;
        }

        static int32_t choose(
            void *policy, const burrow_dispatch_question *question, int64_t *replica,
            burrow_error *error) {
            (void)policy;
            if (question->request->prompt_tokens == 13) {
                snprintf(error->text, error->capacity, "13 is unlucky");
                return BURROW_FAILED;
            }
            *replica = BURROW_AT(
                burrow_replica, question->replicas, question->replica_stride,
                question->replica_count - 1)->id;
            return BURROW_OK;
        }

        static int32_t evict(
            void *policy, const burrow_residency_question *question, uint32_t *adapter,
            burrow_error *error) {
            (void)policy; (void)error;
            int64_t most = -1;
            for (uint64_t i = 0; i < question->candidate_count; i++) {
                const burrow_resident *candidate = BURROW_AT(
                    burrow_resident, question->candidates, question->candidate_stride, i);
                if (candidate->bytes > most) {
                    most = candidate->bytes;
                    *adapter = candidate->id;
                }
            }
            return BURROW_OK;
        }
        """
}
