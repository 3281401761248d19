// SPDX-License-Identifier: Apache-2.0
//
// A tile of a product with f32 or bf16 weights. Included by body.h.

// The weights of one input for WEIGHT_VECTORS registers of columns from `vector` on.
INLINE void load_weights(rf *weights, const char *pair, int vector, const bool odd,
                         const KernelType type) {
    UNROLL for (int i = 0; i < KERNEL_WEIGHT_VECTORS; i++) {
        int column = KERNEL_REGISTER_LANES * (vector + i);
        weights[i] = type == KERNEL_BF16
                         ? register_halves(pair + 4 * column, odd)
                         : register_load((const float *)pair + KERNEL_PANEL_WIDTH * odd + column);
    }
}

// One pair of inputs: first all sums of the even input, then all of the odd one, so that there are
// enough independent sums to hide the latency of an addition.
INLINE void tile_pair(rf (*sums)[KERNEL_PANEL_WIDTH / KERNEL_REGISTER_LANES], const char *pair,
                      const float *const *x, size_t stride, const int ROWS, const int VECTORS,
                      const KernelType type) {
    UNROLL for (int odd = 0; odd < 2; odd++) {
        UNROLL for (int v = 0; v < VECTORS; v += KERNEL_WEIGHT_VECTORS) {
            rf weights[KERNEL_WEIGHT_VECTORS];
            load_weights(weights, pair, v, odd, type);
            UNROLL for (int r = 0; r < ROWS; r++) {
                rf value = register_splat(x[r / 3][r % 3 * stride + odd]);
                UNROLL for (int i = 0; i < KERNEL_WEIGHT_VECTORS; i++) {
                    sums[r][v + i] = register_madd(weights[i], value, sums[r][v + i]);
                    KERNEL_KEEP(sums[r][v + i]);
                }
            }
        }
    }
}

// ROWS rows by TILE_COLUMNS(ROWS) columns.
INLINE void tile(const Tile *t, const int ROWS, const KernelType type, const bool streams) {
    enum { LANES = KERNEL_REGISTER_LANES };
    const int COLUMNS = TILE_COLUMNS(ROWS), VECTORS = COLUMNS / LANES;
    // Cache lines of a pair that arrive while this one is computed, at the most.
    const int LINES = COLUMNS * (type == KERNEL_BF16 ? 4 : 8) / 64;
    rf sums[KERNEL_TILE_ROWS][KERNEL_PANEL_WIDTH / LANES];
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int v = 0; v < VECTORS; v++) {
        const float *y = t->y + r * t->y_stride + LANES * v;
        sums[r][v] = t->accumulate ? register_load(y) : register_splat(0);
    }
    const char *w = t->weights, *ahead = t->ahead;
    const size_t stride = t->x_stride, ahead_step = t->ahead_step;
    // Every third row: the two between are reached by the addressing modes.
    const float *x[(KERNEL_TILE_ROWS + 2) / 3];
    UNROLL for (int i = 0; i <= (ROWS - 1) / 3; i++) x[i] = t->x + 3 * i * stride;
    for (size_t left = t->pairs; left > 0;) {
        size_t count = left < FETCH_PAIRS ? left : FETCH_PAIRS;
        left -= count;
        const char *other = streams ? next_fetch(t->fetch) : NULL;
        const size_t other_step = other != NULL ? t->fetch->step : 0;
        if (other == NULL) other = w;
        do {
            if (streams) {
                fetch_ahead(ahead, LINES, other);
                other += other_step;
                ahead += ahead_step;
            }
            tile_pair(sums, w, x, stride, ROWS, VECTORS, type);
            w += pair_bytes(type);
            UNROLL for (int i = 0; i <= (ROWS - 1) / 3; i++) x[i] += 2;
        } while (--count > 0);
    }
    UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int v = 0; v < VECTORS; v++) {
        register_store(t->y + r * t->y_stride + LANES * v, sums[r][v]);
    }
}

