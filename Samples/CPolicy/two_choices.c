// SPDX-License-Identifier: Apache-2.0
//
// Power of d choices: looks at a few replicas picked at random and takes the best of them.

#include "burrow_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char schema[] = "two-choices/1";

typedef struct two_choices {
    uint64_t random;
    int64_t choices;
    int counts_loads;
} two_choices;

enum { CHOICES, COUNT_LOADS, PARAMETERS };

static int32_t fail(burrow_error *error, const char *why) {
    snprintf(error->text, error->capacity, "%s", why);
    return BURROW_FAILED;
}

// SplitMix64 (Steele, Lea and Flood, OOPSLA '14).
static uint64_t next_random(two_choices *policy) {
    uint64_t mixed = policy->random += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

static void *make(const burrow_value *values, uint64_t seed, burrow_error *error) {
    two_choices *policy = malloc(sizeof *policy);
    if (!policy) {
        fail(error, "there is no memory for an instance");
        return NULL;
    }
    policy->random = seed;
    policy->choices = values[CHOICES].integer;
    policy->counts_loads = values[COUNT_LOADS].integer != 0;
    return policy;
}

static void release(void *policy) { free(policy); }

static double expected_wait(const two_choices *policy, const burrow_replica *replica) {
    double wait = (double)replica->queue_ns;
    if (policy->counts_loads && !replica->is_adapter_resident) {
        wait += (double)replica->adapter_load_ns;
    }
    return wait;
}

static int is_better(
    const two_choices *policy, const burrow_replica *left, const burrow_replica *right) {
    double left_wait = expected_wait(policy, left), right_wait = expected_wait(policy, right);
    if (left_wait != right_wait) return left_wait < right_wait;
    if (left->pending_ns != right->pending_ns) return left->pending_ns < right->pending_ns;
    int64_t left_count = left->waiting_requests + left->running_requests;
    int64_t right_count = right->waiting_requests + right->running_requests;
    if (left_count != right_count) return left_count < right_count;
    return left->id < right->id;
}

static int32_t choose(
    void *instance, const burrow_dispatch_question *question, int64_t *replica,
    burrow_error *error) {
    two_choices *policy = instance;
    if (question->replica_count == 0) return fail(error, "there are no replicas");
    const burrow_replica *best = NULL;
    for (int64_t look = 0; look < policy->choices; look++) {
        uint64_t index = next_random(policy) % question->replica_count;
        const burrow_replica *candidate = BURROW_AT(
            burrow_replica, question->replicas, question->replica_stride, index);
        if (!best || is_better(policy, candidate, best)) best = candidate;
    }
    *replica = best->id;
    return BURROW_OK;
}

static int32_t export_state(void *instance, burrow_state *state) {
    const two_choices *policy = instance;
    state->count = sizeof policy->random;
    if (state->capacity < state->count || state->schema_capacity < sizeof schema) {
        return BURROW_TOO_SMALL;
    }
    memcpy(state->schema, schema, sizeof schema);
    memcpy(state->bytes, &policy->random, sizeof policy->random);
    return BURROW_OK;
}

static int32_t import_state(
    void *instance, const char *layout, const uint8_t *bytes, uint64_t count,
    burrow_error *error) {
    two_choices *policy = instance;
    if (strcmp(layout, schema) != 0 || count != sizeof policy->random) {
        return fail(error, "two-choices-dispatch does not know this state");
    }
    memcpy(&policy->random, bytes, sizeof policy->random);
    return BURROW_OK;
}

static const burrow_parameter parameters[PARAMETERS] = {
    [CHOICES] =
        {
            .size = sizeof(burrow_parameter),
            .type = BURROW_INTEGER,
            .name = "choices",
            .documentation = "How many replicas to look at; one picks blindly.",
            .default_value = {.integer = 2},
            .has_range = 1,
            .least = {.integer = 1},
            .most = {.integer = 64},
        },
    [COUNT_LOADS] =
        {
            .size = sizeof(burrow_parameter),
            .type = BURROW_BOOLEAN,
            .name = "countLoads",
            .documentation = "Whether loading the adapter counts as waiting.",
            .default_value = {.integer = 1},
        },
};

static const burrow_dispatch dispatch = {.size = sizeof(burrow_dispatch), .choose = choose};

static const burrow_policy policies[] = {{
    .size = sizeof(burrow_policy),
    .kind = BURROW_DISPATCH,
    .type = "two-choices-dispatch",
    .version = "1.0.0",
    .summary = "Looks at a few replicas picked at random and takes the one where a request waits "
               "least. For many replicas, and several hosts that dispatch to them.",
    .parameter_count = PARAMETERS,
    .parameter_stride = sizeof(burrow_parameter),
    .parameters = parameters,
    .make = make,
    .release = release,
    .export_state = export_state,
    .import_state = import_state,
    .dispatch = &dispatch,
}};

static const burrow_policy_plugin plugin = {
    .size = sizeof(burrow_policy_plugin),
    .abi = BURROW_POLICY_ABI,
    .sizes = BURROW_SIZES,
    .policy_count = 1,
    .policy_stride = sizeof(burrow_policy),
    .policies = policies,
};

const burrow_policy_plugin *burrow_policy_v1(const burrow_policy_host *host) {
    return host->abi == BURROW_POLICY_ABI ? &plugin : NULL;
}
