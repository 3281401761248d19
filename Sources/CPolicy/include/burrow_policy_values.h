// SPDX-License-Identifier: Apache-2.0
//
// The values that policies get and give; included by burrow_policy.h, which says how they are used.

#ifndef BURROW_POLICY_VALUES_H
#define BURROW_POLICY_VALUES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BURROW_OK 0
#define BURROW_FAILED 1
/// A buffer of the host is too small: `count` says how much is needed, and the host asks again.
#define BURROW_TOO_SMALL 2

/// No adapter: the base model.
#define BURROW_BASE 0u
/// No such moment.
#define BURROW_NEVER INT64_MAX

/// The element of an array of structs that has a stride.
#define BURROW_AT(type, array, stride, index) \
    ((const type *)((const char *)(array) + (uint64_t)(stride) * (uint64_t)(index)))

// MARK: Parameters

typedef enum burrow_parameter_type {
    BURROW_BOOLEAN = 1,
    BURROW_INTEGER = 2,
    BURROW_NUMBER = 3,
    BURROW_STRING = 4,
    /// One of `choices`.
    BURROW_CHOICE = 5,
    /// Absolute when the policy gets it.
    BURROW_PATH = 6,
    /// In nanoseconds.
    BURROW_DURATION = 7,
    /// In bytes.
    BURROW_SIZE = 8
} burrow_parameter_type;

/// `number` for a number, `string` for a string, choice or path, else `integer`.
typedef struct burrow_value {
    int64_t integer;
    double number;
    const char *string;
} burrow_value;

/// A parameter that a manifest may set.
typedef struct burrow_parameter {
    uint32_t size;
    uint32_t type;
    const char *name;
    const char *documentation;
    burrow_value default_value;
    /// Whether `least` and `most` bound it.
    uint32_t has_range;
    uint32_t choice_count;
    burrow_value least;
    burrow_value most;
    const char *const *choices;
} burrow_parameter;

/// Where a function that fails writes why, as a text that ends in NUL.
typedef struct burrow_error {
    uint32_t size;
    uint32_t capacity;
    char *text;
} burrow_error;

/// Where a policy writes its state, which a reload hands to the next instance.
typedef struct burrow_state {
    uint32_t size;
    uint32_t schema_capacity;
    /// Names the layout, as "credits/2"; ends in NUL.
    char *schema;
    uint8_t *bytes;
    uint64_t capacity;
    uint64_t count;
} burrow_state;

// MARK: What policies see

typedef enum burrow_phase {
    BURROW_WAITING = 0,
    BURROW_PREFILLING = 1,
    BURROW_DECODING = 2
} burrow_phase;

typedef struct burrow_request {
    uint32_t size;
    uint32_t adapter;
    uint64_t id;
    uint32_t tenant;
    uint32_t phase;
    uint32_t is_adapter_resident;
    /// 0 for the base.
    uint32_t adapter_rank;
    double adapter_weight;
    double tenant_weight;
    int64_t arrival_ns;
    /// BURROW_NEVER where there is no target.
    int64_t first_token_deadline_ns;
    int64_t prompt_tokens;
    int64_t computed_tokens;
    int64_t generated_tokens;
    int64_t maximum_tokens;
    /// What a plan may compute of it: `least_tokens` to `pending_tokens`.
    int64_t least_tokens;
    int64_t pending_tokens;
} burrow_request;

typedef struct burrow_requests {
    uint64_t count;
    uint64_t stride;
    const burrow_request *first;
} burrow_requests;

typedef struct burrow_limits {
    uint32_t size;
    uint32_t page_tokens;
    int64_t requests;
    int64_t tokens;
    /// The most tokens where a prompt is computed that may not be cut.
    int64_t undivided_tokens;
    int64_t free_pages;
} burrow_limits;

/// What the host has measured of itself: seconds; NaN for what has not been measured.
typedef struct burrow_costs {
    uint32_t size;
    uint32_t reserved;
    int64_t observations;
    double relative_error;
    double per_step;
    double per_prompt_token;
    double per_decode_token;
    double per_attended_token;
    double per_rank_token;
    double per_distinct_rank;
    double per_merged_step;
    double merge_time;
    double load_per_byte;
    double output_share;
} burrow_costs;

typedef enum burrow_mode {
    BURROW_UNMERGED = 0,
    BURROW_MERGED = 1,
    BURROW_MIXED = 2
} burrow_mode;

/// A list of adapters.
typedef struct burrow_adapters {
    uint64_t count;
    const uint32_t *first;
} burrow_adapters;

/// What an iteration really did.
typedef struct burrow_step {
    uint32_t size;
    uint32_t mode;
    uint32_t merged_adapter;
    uint32_t reserved;
    int64_t start_ns;
    int64_t step_ns;
    int64_t merge_ns;
    int64_t prompt_tokens;
    int64_t decode_tokens;
    /// As they stood when they were planned, and the tokens that each got.
    burrow_requests served;
    const int64_t *served_tokens;
} burrow_step;

#ifdef __cplusplus
}
#endif

#endif
