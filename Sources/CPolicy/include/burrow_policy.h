// SPDX-License-Identifier: Apache-2.0
//
// Policies for Burrow in C, or in any language that can make a C library.
//
// A shared library lib<name>.so that exports burrow_policy_v1 is a plugin. The host calls it once,
// reads what policies there are, and makes instances of those that a manifest names. All calls of
// an instance come from one thread, one after another. A policy does no input or output, starts no
// threads, reads no clock but the one it is handed, and takes randomness from its seed only.
//
// Every struct begins with its size in bytes, so that later versions can add fields at its end.
// Arrays of structs come with a stride: step by it (BURROW_AT), not by sizeof. What the host hands
// over is valid during the call; what the plugin hands over must stay for as long as the process.
//
// Functions that can fail answer BURROW_OK, or BURROW_FAILED with a text: that costs the policy a
// strike, and the built-in default of its kind decides in its place. Answers come filled with what
// is safe, and are checked before they are used.

#ifndef BURROW_POLICY_H
#define BURROW_POLICY_H

#include "burrow_policy_values.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The number of this interface; it is in the name of the entry point too.
#define BURROW_POLICY_ABI 1

typedef enum burrow_kind {
    BURROW_BATCHING = 1,
    BURROW_FAIRNESS = 2,
    BURROW_DISPATCH = 3,
    BURROW_RESIDENCY = 4
} burrow_kind;

// MARK: Batching: who runs in the next iteration, and in which mode

typedef struct burrow_batching_question {
    uint32_t size;
    uint32_t wants_reason;
    int64_t now_ns;
    /// All unfinished requests, in the order of the fairness policy.
    burrow_requests requests;
    const burrow_limits *limits;
    const burrow_costs *costs;
    uint32_t current_mode;
    uint32_t current_adapter;
    /// Merged copies that there is room for, that are ready, and the one that is being built.
    int64_t copy_capacity;
    burrow_adapters ready_copies;
    uint32_t building_copy;
    uint32_t reserved;
    burrow_adapters must_serve;
    burrow_adapters not_mergeable;
} burrow_batching_question;

typedef struct burrow_entry {
    uint64_t index;
    int64_t tokens;
} burrow_entry;

/// Comes as an empty, unmerged plan.
typedef struct burrow_batching_answer {
    uint32_t size;
    uint32_t mode;
    uint32_t merged_adapter;
    /// An adapter whose merged copy is to be built beside this iteration.
    uint32_t prepares;
    uint64_t entry_capacity;
    uint64_t entry_count;
    burrow_entry *entries;
    /// Why, ending in NUL, where `wants_reason` says that somebody reads it.
    char *reason;
    uint64_t reason_capacity;
} burrow_batching_answer;

typedef struct burrow_batching {
    uint32_t size;
    uint32_t reserved;
    int32_t (*plan)(
        void *policy, const burrow_batching_question *question, burrow_batching_answer *answer,
        burrow_error *error);
    /// May be null.
    void (*observe)(void *policy, const burrow_step *step);
} burrow_batching;

// MARK: Fairness: whose turn it is

typedef struct burrow_fairness_question {
    uint32_t size;
    uint32_t wants_reason;
    int64_t now_ns;
    /// All unfinished requests, in order of arrival.
    burrow_requests requests;
    const burrow_limits *limits;
    const burrow_costs *costs;
    uint32_t current_mode;
    uint32_t current_adapter;
} burrow_fairness_question;

/// Comes in order of arrival, with nothing else.
typedef struct burrow_fairness_answer {
    uint32_t size;
    uint32_t reserved;
    /// A permutation of the positions of all requests, as many as there are.
    uint64_t *order;
    /// Adapters, each with room for one per request.
    uint32_t *must_serve;
    uint64_t must_serve_count;
    uint32_t *not_mergeable;
    uint64_t not_mergeable_count;
    /// Positions of requests that end now, with room for all, and when their first token was
    /// predicted; BURROW_NEVER throughout where there is no prediction.
    uint64_t *aborts;
    int64_t *predicted_ns;
    uint64_t abort_count;
    char *reason;
    uint64_t reason_capacity;
} burrow_fairness_answer;

typedef struct burrow_settlement {
    uint32_t size;
    uint32_t reserved;
    int64_t now_ns;
    const burrow_step *step;
    /// Who would have run had requests been served as they came, and who ran beyond that.
    burrow_requests displaced;
    burrow_requests advanced;
} burrow_settlement;

typedef struct burrow_fairness {
    uint32_t size;
    uint32_t reserved;
    int32_t (*arrange)(
        void *policy, const burrow_fairness_question *question, burrow_fairness_answer *answer,
        burrow_error *error);
    /// May be null.
    void (*settle)(void *policy, const burrow_settlement *settlement);
} burrow_fairness;

// MARK: Dispatch: which replica takes a request

typedef struct burrow_replica {
    uint32_t size;
    /// BURROW_BASE where its last iteration was unmerged.
    uint32_t merged_adapter;
    int64_t id;
    int64_t waiting_requests;
    int64_t running_requests;
    int64_t pending_prompt_tokens;
    int64_t pending_output_tokens;
    int64_t pending_ns;
    int64_t queue_ns;
    int64_t free_pages;
    int64_t total_pages;
    int64_t batch_requests;
    /// Of the adapter of the request in question.
    int64_t adapter_requests;
    int64_t adapter_load_ns;
    uint32_t is_adapter_resident;
    uint32_t reserved;
} burrow_replica;

typedef struct burrow_dispatch_question {
    uint32_t size;
    uint32_t reserved;
    int64_t now_ns;
    const burrow_request *request;
    /// At least one.
    uint64_t replica_count;
    uint64_t replica_stride;
    const burrow_replica *replicas;
} burrow_dispatch_question;

typedef struct burrow_dispatch {
    uint32_t size;
    uint32_t reserved;
    /// `replica` comes as the `id` of the first.
    int32_t (*choose)(
        void *policy, const burrow_dispatch_question *question, int64_t *replica,
        burrow_error *error);
} burrow_dispatch;

// MARK: Residency: which adapter leaves a replica's memory

typedef struct burrow_resident {
    uint32_t size;
    uint32_t id;
    int64_t bytes;
    int64_t last_use_ns;
    int64_t loaded_at_ns;
    int64_t uses;
    int64_t load_ns;
} burrow_resident;

typedef struct burrow_residency_question {
    uint32_t size;
    uint32_t reserved;
    int64_t now_ns;
    /// At least one.
    uint64_t candidate_count;
    uint64_t candidate_stride;
    const burrow_resident *candidates;
} burrow_residency_question;

typedef struct burrow_residency {
    uint32_t size;
    uint32_t reserved;
    /// `adapter` comes as the `id` of the one that was not used for longest.
    int32_t (*evict)(
        void *policy, const burrow_residency_question *question, uint32_t *adapter,
        burrow_error *error);
} burrow_residency;

// MARK: The plugin

typedef struct burrow_policy {
    uint32_t size;
    uint32_t kind;
    /// The name that manifests use, as "two-choices-dispatch"; its version, as "1.0.0"; and what it
    /// does and when to choose it.
    const char *type;
    const char *version;
    const char *summary;
    uint64_t parameter_count;
    uint64_t parameter_stride;
    const burrow_parameter *parameters;
    /// Makes an instance; `values` are one for each parameter, in their order. Null is a failure.
    void *(*make)(const burrow_value *values, uint64_t seed, burrow_error *error);
    void (*release)(void *policy);
    /// Both may be null.
    int32_t (*export_state)(void *policy, burrow_state *state);
    int32_t (*import_state)(
        void *policy, const char *schema, const uint8_t *bytes, uint64_t count,
        burrow_error *error);
    /// The table of its kind; the others are null.
    const burrow_batching *batching;
    const burrow_fairness *fairness;
    const burrow_dispatch *dispatch;
    const burrow_residency *residency;
} burrow_policy;

/// The sizes that structs of the host had when the plugin was compiled: BURROW_SIZES.
typedef struct burrow_sizes {
    uint32_t size;
    uint32_t request;
    uint32_t limits;
    uint32_t costs;
    uint32_t step;
    uint32_t batching_question;
    uint32_t batching_answer;
    uint32_t fairness_question;
    uint32_t fairness_answer;
    uint32_t settlement;
    uint32_t replica;
    uint32_t dispatch_question;
    uint32_t resident;
    uint32_t residency_question;
} burrow_sizes;

#define BURROW_SIZES \
    { sizeof(burrow_sizes), sizeof(burrow_request), sizeof(burrow_limits), sizeof(burrow_costs), \
      sizeof(burrow_step), sizeof(burrow_batching_question), sizeof(burrow_batching_answer), \
      sizeof(burrow_fairness_question), sizeof(burrow_fairness_answer), \
      sizeof(burrow_settlement), sizeof(burrow_replica), sizeof(burrow_dispatch_question), \
      sizeof(burrow_resident), sizeof(burrow_residency_question) }

typedef struct burrow_policy_plugin {
    uint32_t size;
    /// BURROW_POLICY_ABI.
    uint32_t abi;
    burrow_sizes sizes;
    uint64_t policy_count;
    uint64_t policy_stride;
    const burrow_policy *policies;
} burrow_policy_plugin;

typedef struct burrow_policy_host {
    uint32_t size;
    uint32_t abi;
} burrow_policy_host;

/// What each plugin exports; null refuses the host.
const burrow_policy_plugin *burrow_policy_v1(const burrow_policy_host *host);

#ifdef __cplusplus
}
#endif

#endif
