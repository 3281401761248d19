// SPDX-License-Identifier: Apache-2.0
//
// Attention over pages with a running maximum and sum (Milakov and Gimelshein, arXiv:1805.02867;
// Dao et al., arXiv:2205.14135). Included by body.h.
//
// A page is 16 tokens: their 16 scores are one vector, so nothing is summed across lanes until
// the end. Each query sees its pages one by one from the first on, whoever shares the call, and
// starts afresh at fixed segments, so that a long context can be shared among threads and still
// gives the same bits.

// A query's state: maximum at 0, partial sums at 16, weighted values from 32.
#define STATE_SUMS 16
#define STATE_VALUES 32

typedef struct {
    const float *keys;
    const float *values;
    // The states of all queries of the call.
    float *state;
    // How many of its tokens are seen.
    size_t valid;
} Page;

// QUERIES queries against one page.
INLINE void attend_page(const KernelAttention *a, const Page *page, const float *queries,
                        float *state, const int QUERIES) {
    const float *keys = page->keys, *values = page->values;
    const size_t valid = page->valid;
    vf scores[KERNEL_ATTENTION_QUERIES];
    UNROLL for (int q = 0; q < QUERIES; q++) scores[q] = splat(0);
    for (size_t d = 0; d < a->head_size; d++) {
        vf key = load(keys + d * KERNEL_PAGE_TOKENS);
        UNROLL for (int q = 0; q < QUERIES; q++) {
            scores[q] = madd(splat(queries[q * a->head_size + d]), key, scores[q]);
        }
    }
    const vi lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const vi seen = lanes < (int)valid;
    float weights[KERNEL_ATTENTION_QUERIES][KERNEL_PAGE_TOKENS];
    vf decays[KERNEL_ATTENTION_QUERIES];
    UNROLL for (int q = 0; q < QUERIES; q++) {
        float *own = state + q * a->state_stride;
        vf score = select_lanes(seen, scores[q], splat(-INFINITY));
        float most = largest_lane(score);
        most = own[0] > most ? own[0] : most;
        decays[q] = exponential(splat(own[0] - most));
        vf weight = select_lanes(seen, exponential(score - splat(most)), splat(0));
        own[0] = most;
        store(own + STATE_SUMS, madd(load(own + STATE_SUMS), decays[q], weight));
        store(weights[q], weight);
    }
    for (size_t d = 0; d < a->cache.value_stride; d += 16) {
        vf sums[KERNEL_ATTENTION_QUERIES];
        UNROLL for (int q = 0; q < QUERIES; q++) {
            sums[q] = load(state + q * a->state_stride + STATE_VALUES + d) * decays[q];
        }
        for (size_t t = 0; t < valid; t++) {
            vf value = load(values + t * a->cache.value_stride + d);
            UNROLL for (int q = 0; q < QUERIES; q++) {
                sums[q] = madd(splat(weights[q][t]), value, sums[q]);
            }
        }
        UNROLL for (int q = 0; q < QUERIES; q++) {
            store(state + q * a->state_stride + STATE_VALUES + d, sums[q]);
        }
    }
}

static void attend_queries(const KernelAttention *a, const Page *page, size_t first,
                           size_t count) {
    const float *queries = a->queries + first * a->head_size;
    float *state = page->state + first * a->state_stride;
    while (count > 0) {
        size_t taken;
#if KERNEL_ATTENTION_QUERIES >= 8
        if (count >= 8) {
            taken = 8;
            attend_page(a, page, queries, state, 8);
        } else if (count >= 4) {
            taken = 4;
            attend_page(a, page, queries, state, 4);
        } else
#endif
        if (count >= 3) {
            taken = 3;
            attend_page(a, page, queries, state, 3);
        } else if (count == 2) {
            taken = 2;
            attend_page(a, page, queries, state, 2);
        } else {
            taken = 1;
            attend_page(a, page, queries, state, 1);
        }
        queries += taken * a->head_size;
        state += taken * a->state_stride;
        count -= taken;
    }
}

// The tokens of one segment, from a fresh state.
static void attend_segment(const KernelAttention *a, size_t first_token, size_t end_token,
                           float *state) {
    for (size_t q = 0; q < a->rows * a->group; q++) {
        float *own = state + q * a->state_stride;
        own[0] = -INFINITY;
        for (size_t i = STATE_SUMS; i < STATE_VALUES + a->cache.value_stride; i += 16) {
            store(own + i, splat(0));
        }
    }
    for (size_t token = first_token; token < end_token; token += KERNEL_PAGE_TOKENS) {
        size_t page = (size_t)a->pages[token / KERNEL_PAGE_TOKENS];
        Page p = {
            .keys = a->cache.keys + page * a->cache.key_page_stride +
                    a->head * a->cache.key_head_stride,
            .values = a->cache.values + page * a->cache.value_page_stride +
                      a->head * a->cache.value_head_stride,
            .state = state,
        };
        // Row r sees the tokens 0 … position + r.
        size_t row = a->position < token ? token - a->position : 0;
        for (; row < a->rows && a->position + row + 1 < token + KERNEL_PAGE_TOKENS; row++) {
            p.valid = a->position + row + 1 - token;
            attend_queries(a, &p, row * a->group, a->group);
        }
        p.valid = KERNEL_PAGE_TOKENS;
        if (row < a->rows) attend_queries(a, &p, row * a->group, (a->rows - row) * a->group);
    }
}

// Merges the states of a later segment into those of the earlier ones.
static void join(const KernelAttention *a, float *into, const float *from) {
    for (size_t q = 0; q < a->rows * a->group; q++) {
        // A segment behind the query's own position saw nothing.
        if (from[0] != -INFINITY) {
            float most = into[0] > from[0] ? into[0] : from[0];
            vf keep = exponential(splat(into[0] - most)), gain = exponential(splat(from[0] - most));
            into[0] = most;
            for (size_t i = STATE_SUMS; i < STATE_VALUES + a->cache.value_stride; i += 16) {
                store(into + i, madd(load(from + i), gain, load(into + i) * keep));
            }
        }
        into += a->state_stride;
        from += a->state_stride;
    }
}

static void finish(const KernelAttention *a) {
    const float *state = a->state;
    for (size_t row = 0; row < a->rows; row++) {
        for (size_t h = 0; h < a->group; h++, state += a->state_stride) {
            vf factor = splat(1.0f / sum_lanes(load(state + STATE_SUMS)));
            float *out = a->out + row * a->out_stride + h * a->head_size;
            for (size_t d = 0; d < a->head_size; d += 16) {
                size_t count = a->head_size - d < 16 ? a->head_size - d : 16;
                vf values = load(state + STATE_VALUES + d) * factor;
                memcpy(out + d, &values, count * sizeof(float));
            }
        }
    }
}

static void attend(const KernelAttention *a) {
    size_t width = a->group * a->head_size;
    for (size_t row = 0; row < a->rows; row++) {
        for (size_t i = 0; i < width; i++) {
            a->queries[row * width + i] = a->q[row * a->q_stride + i] * a->scale;
        }
    }
    for (size_t token = a->first_token; token < a->end_token; token += KERNEL_SEGMENT_TOKENS) {
        size_t end = token + KERNEL_SEGMENT_TOKENS;
        end = end < a->end_token ? end : a->end_token;
        bool is_first = token == a->first_token;
        attend_segment(a, token, end, is_first ? a->state : a->segment_state);
        if (!is_first) join(a, a->state, a->segment_state);
    }
    if (a->out != NULL) finish(a);
}

static void attend_join(const KernelAttention *a, size_t segments, size_t stride) {
    for (size_t i = 1; i < segments; i++) join(a, a->state, a->state + i * stride);
    finish(a);
}
