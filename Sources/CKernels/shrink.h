// SPDX-License-Identifier: Apache-2.0
//
// The first half of a LoRA adapter: activations times the few rows of A. Included by body.h.
//
// Here the vector runs along the inputs, because there are fewer outputs (the rank) than lanes.

#define SHRINK_RANKS 4

// RANKS outputs of ROWS rows; lane i sums inputs i, i + 16, i + 32, … and the lanes come last.
INLINE void shrink_tile(const KernelShrink *s, size_t rank, size_t row, const int RANKS,
                        const int ROWS, const KernelType type) {
    const size_t a_bytes = s->depth * (type == KERNEL_BF16 ? 2 : 4);
    const char *a = (const char *)s->a + rank * a_bytes;
    const float *x = s->x + row * s->x_stride;
    vf sums[SHRINK_RANKS][KERNEL_SHRINK_ROWS];
    UNROLL for (int i = 0; i < RANKS; i++) UNROLL for (int r = 0; r < ROWS; r++) {
        sums[i][r] = splat(0);
    }
    for (size_t k = 0; k < s->depth; k += 32) {
        vf first[SHRINK_RANKS], second[SHRINK_RANKS];
        UNROLL for (int i = 0; i < RANKS; i++) {
            const char *block = a + i * a_bytes;
            // The next ranks' inputs lie right behind these.
            __builtin_prefetch(block + RANKS * a_bytes, 0, 3);
            if (type == KERNEL_BF16) {
                vu words = load_words(block);
                first[i] = low_half(words);
                second[i] = high_half(words);
            } else {
                first[i] = load((const float *)block);
                second[i] = load((const float *)block + 16);
            }
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            vf value = load(x + r * s->x_stride + k);
            UNROLL for (int i = 0; i < RANKS; i++) sums[i][r] = madd(first[i], value, sums[i][r]);
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            vf value = load(x + r * s->x_stride + k + 16);
            UNROLL for (int i = 0; i < RANKS; i++) sums[i][r] = madd(second[i], value, sums[i][r]);
        }
        a += 32 * (type == KERNEL_BF16 ? 2 : 4);
    }
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int i = 0; i < RANKS; i++) {
        s->h[(row + r) * s->h_stride + rank + i] =
            sum_lanes(sums[i][r]) * (s->scales[rank + i] * s->factor);
    }
}

INLINE void shrink_rows(const KernelShrink *s, size_t rank, const int RANKS,
                        const KernelType type) {
    size_t row = 0;
    for (; row + KERNEL_SHRINK_ROWS <= s->rows; row += KERNEL_SHRINK_ROWS) {
        shrink_tile(s, rank, row, RANKS, KERNEL_SHRINK_ROWS, type);
    }
    for (; row < s->rows; row++) shrink_tile(s, rank, row, RANKS, 1, type);
}

INLINE void shrink_all(const KernelShrink *s, const KernelType type) {
    size_t rank = 0;
    for (; rank + SHRINK_RANKS <= s->rank; rank += SHRINK_RANKS) {
        shrink_rows(s, rank, SHRINK_RANKS, type);
    }
    for (; rank < s->rank; rank++) shrink_rows(s, rank, 1, type);
}

static void shrink(const KernelShrink *s) {
    if (s->type == KERNEL_BF16) {
        shrink_all(s, KERNEL_BF16);
    } else {
        shrink_all(s, KERNEL_F32);
    }
}
