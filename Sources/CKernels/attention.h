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
    const char *keys;
    const char *values;
    // The page that comes next, to be fetched meanwhile.
    const char *next_keys;
    const char *next_values;
    // The states of all queries of the call.
    float *state;
    // How many of its tokens are seen.
    size_t valid;
} Page;

// Scores of QUERIES queries: even and odd elements of the head are summed apart, since a single
// chain would wait for each addition.
INLINE void score(const KernelAttention *a, const Page *page, const float *queries, vf *scores,
                  const int QUERIES, const KernelType type) {
    enum { LANES = KERNEL_REGISTER_LANES, VECTORS = KERNEL_PAGE_TOKENS / LANES };
    const size_t pair_bytes = 2 * KERNEL_PAGE_TOKENS * (type == KERNEL_BF16 ? 2 : 4);
    const char *keys = page->keys, *next = page->next_keys;
    const size_t size = a->head_size;
    rf sums[KERNEL_ATTENTION_QUERIES][2][VECTORS];
    UNROLL for (int q = 0; q < QUERIES; q++) UNROLL for (int v = 0; v < VECTORS; v++) {
        sums[q][0][v] = sums[q][1][v] = register_splat(0);
    }
    for (size_t d = 0; d < size; d += 2) {
        UNROLL for (size_t i = 0; i < pair_bytes; i += 64) __builtin_prefetch(next + i, 0, 3);
        UNROLL for (int odd = 0; odd < 2; odd++) {
            rf key[VECTORS];
            UNROLL for (int v = 0; v < VECTORS; v++) {
                key[v] = type == KERNEL_BF16
                             ? register_halves(keys + 4 * LANES * v, odd)
                             : register_load((const float *)keys + KERNEL_PAGE_TOKENS * odd +
                                             LANES * v);
            }
            UNROLL for (int q = 0; q < QUERIES; q++) {
                rf query = register_splat(queries[q * size + d + odd]);
                UNROLL for (int v = 0; v < VECTORS; v++) {
                    sums[q][odd][v] = register_madd(query, key[v], sums[q][odd][v]);
                    KERNEL_KEEP(sums[q][odd][v]);
                }
            }
        }
        keys += pair_bytes;
        next += pair_bytes;
    }
    UNROLL for (int q = 0; q < QUERIES; q++) {
        float whole[KERNEL_PAGE_TOKENS];
        UNROLL for (int v = 0; v < VECTORS; v++) {
            register_store(whole + LANES * v, sums[q][0][v] + sums[q][1][v]);
        }
        scores[q] = load(whole);
    }
}

// Register `v` of a token's values from element `d` on, a multiple of 16.
INLINE rf load_values(const char *values, size_t d, int v, const KernelType type) {
    size_t element = d + KERNEL_REGISTER_LANES * (size_t)v;
    if (type != KERNEL_BF16) return register_load((const float *)values + element);
    const char *word = values + 2 * (element & ~(size_t)31) + 4 * (element & 15);
    return element & 16 ? register_halves(word, true) : register_halves(word, false);
}

// VECTORS registers of the weighted values of QUERIES queries, from element `d` on.
INLINE void gather(const KernelAttention *a, const Page *page, float *state, size_t d,
                   float (*weights)[KERNEL_PAGE_TOKENS], const float *decays, const int QUERIES,
                   const int VECTORS, const KernelType type) {
    enum { LANES = KERNEL_REGISTER_LANES };
    const size_t bytes = type == KERNEL_BF16 ? 2 : 4, stride = a->cache.value_stride * bytes;
    const char *values = page->values, *next = page->next_values + d * bytes;
    rf sums[KERNEL_ATTENTION_QUERIES][KERNEL_ATTENTION_VECTORS];
    UNROLL for (int q = 0; q < QUERIES; q++) UNROLL for (int v = 0; v < VECTORS; v++) {
        const float *own = state + q * a->state_stride + STATE_VALUES + d + LANES * v;
        sums[q][v] = register_load(own) * register_splat(decays[q]);
    }
    for (size_t t = 0; t < page->valid; t++, values += stride, next += stride) {
        UNROLL for (size_t i = 0; i < VECTORS * LANES * bytes; i += 64) {
            __builtin_prefetch(next + i, 0, 3);
        }
        rf weight[KERNEL_ATTENTION_QUERIES];
        UNROLL for (int q = 0; q < QUERIES; q++) weight[q] = register_splat(weights[q][t]);
        UNROLL for (int v = 0; v < VECTORS; v++) {
            rf value = load_values(values, d, v, type);
            UNROLL for (int q = 0; q < QUERIES; q++) {
                sums[q][v] = register_madd(weight[q], value, sums[q][v]);
                KERNEL_KEEP(sums[q][v]);
            }
        }
    }
    UNROLL for (int q = 0; q < QUERIES; q++) UNROLL for (int v = 0; v < VECTORS; v++) {
        register_store(state + q * a->state_stride + STATE_VALUES + d + LANES * v, sums[q][v]);
    }
}

// QUERIES queries against one page.
INLINE void attend_page(const KernelAttention *a, const Page *page, const float *queries,
                        float *state, const int QUERIES, const KernelType type) {
    vf scores[KERNEL_ATTENTION_QUERIES];
    score(a, page, queries, scores, QUERIES, type);
    const vi lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const vi seen = lanes < (int)page->valid;
    float decays[16] = {0};
    UNROLL for (int q = 0; q < QUERIES; q++) {
        float *own = state + q * a->state_stride;
        scores[q] = select_lanes(seen, scores[q], splat(-INFINITY));
        float most = largest_lane(scores[q]);
        most = own[0] > most ? own[0] : most;
        decays[q] = own[0] - most;
        own[0] = most;
    }
    store(decays, exponential(load(decays)));
    float weights[KERNEL_ATTENTION_QUERIES][KERNEL_PAGE_TOKENS];
    UNROLL for (int q = 0; q < QUERIES; q++) {
        float *own = state + q * a->state_stride;
        vf weight = select_lanes(seen, exponential(scores[q] - splat(own[0])), splat(0));
        store(own + STATE_SUMS, madd(load(own + STATE_SUMS), splat(decays[q]), weight));
        store(weights[q], weight);
    }
    enum { CHUNK = KERNEL_ATTENTION_VECTORS * KERNEL_REGISTER_LANES };
    size_t d = 0;
    for (; d + CHUNK <= a->cache.value_stride; d += CHUNK) {
        gather(a, page, state, d, weights, decays, QUERIES, KERNEL_ATTENTION_VECTORS, type);
    }
    for (; d < a->cache.value_stride; d += 16) {
        gather(a, page, state, d, weights, decays, QUERIES, 16 / KERNEL_REGISTER_LANES, type);
    }
}

INLINE void attend_queries(const KernelAttention *a, const Page *page, size_t first,
                           size_t count, const KernelType type) {
    const float *queries = a->queries + first * a->head_size;
    float *state = page->state + first * a->state_stride;
    while (count > 0) {
        size_t taken;
#if KERNEL_ATTENTION_QUERIES >= 8
        if (count >= 8) {
            taken = 8;
            attend_page(a, page, queries, state, 8, type);
        } else if (count >= 4) {
            taken = 4;
            attend_page(a, page, queries, state, 4, type);
        } else
#endif
        if (count >= 3) {
            taken = 3;
            attend_page(a, page, queries, state, 3, type);
        } else if (count == 2) {
            taken = 2;
            attend_page(a, page, queries, state, 2, type);
        } else {
            taken = 1;
            attend_page(a, page, queries, state, 1, type);
        }
        queries += taken * a->head_size;
        state += taken * a->state_stride;
        count -= taken;
    }
}

// Keys and values of the page that holds `token`, of the head `further` behind the own one.
INLINE const char *keys_of(const KernelAttention *a, size_t token, size_t further,
                           const KernelType type) {
    size_t offset = (size_t)a->pages[token / KERNEL_PAGE_TOKENS] * a->cache.key_page_stride +
                    (a->head + further) * a->cache.key_head_stride;
    return (const char *)a->cache.keys + offset * (type == KERNEL_BF16 ? 2 : 4);
}

INLINE const char *values_of(const KernelAttention *a, size_t token, size_t further,
                             const KernelType type) {
    size_t offset = (size_t)a->pages[token / KERNEL_PAGE_TOKENS] * a->cache.value_page_stride +
                    (a->head + further) * a->cache.value_head_stride;
    return (const char *)a->cache.values + offset * (type == KERNEL_BF16 ? 2 : 4);
}

// The tokens of one segment, from a fresh state.
INLINE void attend_segment(const KernelAttention *a, size_t first_token, size_t end_token,
                           float *state, const KernelType type) {
    for (size_t q = 0; q < a->rows * a->group; q++) {
        float *own = state + q * a->state_stride;
        own[0] = -INFINITY;
        for (size_t i = STATE_SUMS; i < STATE_VALUES + a->cache.value_stride; i += 16) {
            store(own + i, splat(0));
        }
    }
    for (size_t token = first_token; token < end_token; token += KERNEL_PAGE_TOKENS) {
        // Behind the last page, the next head's first one: the next task's, as a rule.
        bool is_last = token + KERNEL_PAGE_TOKENS >= a->end_token;
        size_t next = is_last ? a->first_token : token + KERNEL_PAGE_TOKENS;
        Page p = {
            .keys = keys_of(a, token, 0, type),
            .values = values_of(a, token, 0, type),
            .next_keys = keys_of(a, next, is_last, type),
            .next_values = values_of(a, next, is_last, type),
            .state = state,
        };
        // Row r sees the tokens 0 … position + r.
        size_t row = a->position < token ? token - a->position : 0;
        for (; row < a->rows && a->position + row + 1 < token + KERNEL_PAGE_TOKENS; row++) {
            p.valid = a->position + row + 1 - token;
            attend_queries(a, &p, row * a->group, a->group, type);
        }
        p.valid = KERNEL_PAGE_TOKENS;
        if (row >= a->rows) continue;
        attend_queries(a, &p, row * a->group, (a->rows - row) * a->group, type);
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
        float *state = is_first ? a->state : a->segment_state;
        if (a->cache.type == KERNEL_BF16) {
            attend_segment(a, token, end, state, KERNEL_BF16);
        } else {
            attend_segment(a, token, end, state, KERNEL_F32);
        }
        if (!is_first) join(a, a->state, a->segment_state);
    }
    if (a->out != NULL) finish(a);
}

static void attend_join(const KernelAttention *a, size_t segments, size_t stride) {
    for (size_t i = 1; i < segments; i++) join(a, a->state, a->state + i * stride);
    finish(a);
}
