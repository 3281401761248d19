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
    enum { LANES = KERNEL_REGISTER_LANES, VECTORS = 16 / LANES };
    rf sums[SHRINK_RANKS][KERNEL_SHRINK_ROWS][VECTORS];
    UNROLL for (int i = 0; i < RANKS; i++) UNROLL for (int r = 0; r < ROWS; r++) {
        UNROLL for (int v = 0; v < VECTORS; v++) sums[i][r][v] = register_splat(0);
    }
    for (size_t k = 0; k < s->depth; k += 32) {
        // The next ranks' inputs lie right behind these.
        UNROLL for (int i = 0; i < RANKS; i++) {
            __builtin_prefetch(a + (RANKS + i) * a_bytes, 0, 3);
        }
        UNROLL for (int half = 0; half < 2; half++) UNROLL for (int v = 0; v < VECTORS; v++) {
            rf values[KERNEL_SHRINK_ROWS];
            UNROLL for (int r = 0; r < ROWS; r++) {
                values[r] = register_load(x + r * s->x_stride + k + 16 * half + LANES * v);
            }
            UNROLL for (int i = 0; i < RANKS; i++) {
                const char *block = a + i * a_bytes;
                rf weight = type == KERNEL_BF16
                                ? register_halves(block + 4 * LANES * v, half)
                                : register_load((const float *)block + 16 * half + LANES * v);
                UNROLL for (int r = 0; r < ROWS; r++) {
                    sums[i][r][v] = register_madd(weight, values[r], sums[i][r][v]);
                    KERNEL_KEEP(sums[i][r][v]);
                }
            }
        }
        a += 32 * (type == KERNEL_BF16 ? 2 : 4);
    }
    UNROLL for (int r = 0; r < ROWS; r++) {
        float *h = s->h + (row + r) * s->h_stride + rank;
        vf4 quarters[SHRINK_RANKS];
        UNROLL for (int i = 0; i < RANKS; i++) {
            float lanes[16];
            UNROLL for (int v = 0; v < VECTORS; v++) {
                register_store(lanes + LANES * v, sums[i][r][v]);
            }
            quarters[i] = sum_quarters(load(lanes));
        }
        if (RANKS == SHRINK_RANKS) {
            vf4 scales;
            memcpy(&scales, s->scales + rank, sizeof scales);
            vf4 whole = sum_four(quarters[0], quarters[1], quarters[2], quarters[3]) *
                        (scales * (vf4)(s->factor));
            memcpy(h, &whole, sizeof whole);
        } else {
            vf4 last = quarters[0];
            h[0] = ((last.x + last.z) + (last.y + last.w)) * (s->scales[rank] * s->factor);
        }
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
