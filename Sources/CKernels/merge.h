// SPDX-License-Identifier: Apache-2.0
//
// Weights plus the update of one adapter, panel by panel, in one pass: a tile of the update is
// summed in registers, added to the weights that are read, and the sums are written. Included by
// body.h.

// The value rounded to bf16, nearest even, in the high half of each word.
INLINE vu rounded(vf v) {
    vu bits = (vu)v;
    vu even = (bits >> 16) & 1u;
    vu up = (bits + 0x7FFFu + even) & 0xFFFF0000u;
    vu quiet = (bits | 0x00400000u) & 0xFFFF0000u;
    vi number = v == v;
    vu mask = (vu)number;
    return (up & mask) | (quiet & ~mask);
}

// Nothing reads the merged weights soon: they need not be fetched before they are written, nor
// push other things out of the caches.
INLINE void stream(void *to, vu words) { __builtin_nontemporal_store(words, (vu *)to); }

#define MERGE_BLOCK KERNEL_MERGE_BLOCK

// How far ahead of its use a weight is fetched.
#define MERGE_AHEAD_BYTES 4096

// The weights of sixteen columns of a panel and of inputs k and k + 1, plus their update.
INLINE void merge_pair(const char *source, char *target, vf first, vf second, const float *scales,
                       const KernelType type) {
    if (type == KERNEL_BF16) {
        vu words = load_words(source);
        stream(target, (rounded(low_half(words) + first) >> 16) |
                           rounded(high_half(words) + second));
        return;
    }
    const size_t next = KERNEL_PANEL_WIDTH * sizeof(float);
    if (type == KERNEL_F32) {
        stream(target, (vu)(load((const float *)source) + first));
        stream(target + next, (vu)(load((const float *)(source + next)) + second));
        return;
    }
    int16_t __attribute__((ext_vector_type(16))) pairs;
    memcpy(&pairs, source, sizeof pairs);
    vi wide = __builtin_convertvector(pairs, vi);
    vf low = __builtin_convertvector(wide << 24 >> 24, vf);
    vf high = __builtin_convertvector(wide >> 8, vf);
    vf scale = load(scales);
    store((float *)target, first + low * scale);
    store((float *)(target + next), second + high * scale);
}

// INPUTS inputs (an even number that divides MERGE_BLOCK) from `input` on by some columns.
INLINE void merge_tile(const KernelMerge *m, const char *source, char *target, size_t input,
                       size_t column, const int INPUTS, const KernelType type) {
    enum { LANES = KERNEL_MERGE_LANES };
    // With int8 the sums are kept in f32 until the new scales are known.
    const size_t weight = type == KERNEL_BF16 ? 2 : type == KERNEL_INT8 ? 1 : 4;
    const size_t sum = type == KERNEL_INT8 ? 4 : weight;
    const size_t pair = type == KERNEL_F32 ? 1 : 2;
    const float *a =
        m->inputs + input / MERGE_BLOCK * MERGE_BLOCK * m->rank + input % MERGE_BLOCK;
    const float *b = m->outputs + column;
    vf sums[KERNEL_MERGE_INPUTS][LANES];
    UNROLL for (int i = 0; i < INPUTS; i++) UNROLL for (int l = 0; l < LANES; l++) {
        sums[i][l] = splat(0);
    }
    for (size_t r = 0; r < m->rank; r++, a += MERGE_BLOCK, b += KERNEL_PANEL_WIDTH) {
        vf factors[LANES];
        UNROLL for (int l = 0; l < LANES; l++) factors[l] = load(b + 16 * l);
        UNROLL for (int i = 0; i < INPUTS; i++) UNROLL for (int l = 0; l < LANES; l++) {
            sums[i][l] = madd(splat(a[i]), factors[l], sums[i][l]);
        }
    }
    const float *scales = (const float *)(source + m->depth * KERNEL_PANEL_WIDTH) + column;
    source += (input * KERNEL_PANEL_WIDTH + column * pair) * weight;
    target += (input * KERNEL_PANEL_WIDTH + column * (type == KERNEL_INT8 ? 1 : pair)) * sum;
    UNROLL for (int i = 0; i < INPUTS; i += 2) UNROLL for (int l = 0; l < LANES; l++) {
        merge_pair(source + (i * KERNEL_PANEL_WIDTH + 16 * l * pair) * weight,
                   target + (i * KERNEL_PANEL_WIDTH +
                             16 * l * (type == KERNEL_INT8 ? 1 : pair)) * sum,
                   sums[i][l], sums[i + 1][l], scales + 16 * l, type);
    }
}

INLINE void merge_panel(const KernelMerge *m, const char *source, char *target,
                        const KernelType type) {
    const size_t columns = 16 * KERNEL_MERGE_LANES;
    size_t i = 0;
    for (; i + KERNEL_MERGE_INPUTS <= m->depth; i += KERNEL_MERGE_INPUTS) {
        const char *ahead = source + i * (m->panel_bytes / m->depth) + MERGE_AHEAD_BYTES;
        for (int line = 0; line < KERNEL_MERGE_INPUTS; line++) {
            __builtin_prefetch(ahead + line * 64);
        }
        for (size_t column = 0; column < KERNEL_PANEL_WIDTH; column += columns) {
            merge_tile(m, source, target, i, column, KERNEL_MERGE_INPUTS, type);
        }
    }
    for (; i < m->depth; i += 2) {
        for (size_t column = 0; column < KERNEL_PANEL_WIDTH; column += columns) {
            merge_tile(m, source, target, i, column, 2, type);
        }
    }
}

// An int8 panel of the sums [depth][32]: each output gets a new scale.
static void merge_integers(const float *sums, size_t depth, char *target) {
    for (size_t column = 0; column < KERNEL_PANEL_WIDTH; column += 16) {
        // The scale of an output with an infinity or a NaN is a NaN: what it gives is no number.
        vf most = splat(0), poison = splat(0);
        for (size_t i = 0; i < depth; i++) {
            vf value = load(sums + i * KERNEL_PANEL_WIDTH + column);
            most = larger(larger(value, -value), most);
            poison = poison + value * splat(0);
        }
        store((float *)(target + depth * KERNEL_PANEL_WIDTH) + column,
              most * splat(1 / 127.0f) + poison);
        vf factor = select_lanes(most > splat(0), splat(127.0f) / most, splat(0));
        for (size_t i = 0; i < depth; i += 2) {
            const float *row = sums + i * KERNEL_PANEL_WIDTH + column;
            vf low = smaller(larger(load(row) * factor, splat(-127)), splat(127));
            vf high = smaller(
                larger(load(row + KERNEL_PANEL_WIDTH) * factor, splat(-127)), splat(127));
            vi pairs = (__builtin_convertvector(nearest(low), vi) & 0xFF) |
                       __builtin_convertvector(nearest(high), vi) << 8;
            uint16_t __attribute__((ext_vector_type(16))) halves =
                __builtin_convertvector((vu)pairs, __typeof__(halves));
            memcpy(target + i * KERNEL_PANEL_WIDTH + column * 2, &halves, sizeof halves);
        }
    }
}

static void merge(const KernelMerge *m) {
    for (size_t panel = 0; panel < m->panels; panel++) {
        kernel_unpack_panel((const char *)m->b + panel * m->b_panel_bytes, m->adapter_type,
                            (m->rank + 1) / 2, m->outputs);
        const char *source = (const char *)m->weights + panel * m->panel_bytes;
        char *target = (char *)m->target + panel * m->panel_bytes;
        switch (m->type) {
        case KERNEL_BF16: merge_panel(m, source, target, KERNEL_BF16); break;
        case KERNEL_INT8:
            merge_panel(m, source, (char *)m->sums, KERNEL_INT8);
            merge_integers(m->sums, m->depth, target);
            break;
        default: merge_panel(m, source, target, KERNEL_F32);
        }
    }
    // Streamed writes are not ordered among other writes: whoever is told next must see them.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void merge_inputs(const void *a, KernelType type, size_t depth, size_t rank,
                         const float *scales, float *out) {
    for (size_t r = 0; r < rank; r++) {
        vf scale = splat(scales[r]);
        for (size_t k = 0; k < depth; k += 32) {
            vf first, second;
            if (type == KERNEL_BF16) {
                vu words = load_words((const char *)a + (r * depth + k) * 2);
                first = low_half(words), second = high_half(words);
            } else {
                first = load((const float *)a + r * depth + k);
                second = load((const float *)a + r * depth + k + 16);
            }
            first *= scale, second *= scale;
            float *to = out + k * rank + r * MERGE_BLOCK;
            memcpy(to, &first, 32);
            memcpy(to + rank * MERGE_BLOCK, (const char *)&first + 32, 32);
            memcpy(to + 2 * rank * MERGE_BLOCK, &second, 32);
            memcpy(to + 3 * rank * MERGE_BLOCK, (const char *)&second + 32, 32);
        }
    }
}
