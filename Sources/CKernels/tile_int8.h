// SPDX-License-Identifier: Apache-2.0
//
// A tile of a product with int8 weights. Included by body.h.
//
// Inputs are 16-bit integers with one scale for each 256 of them, weights 8-bit with one scale for
// each output. So the sum of a group is exact in 32 bits (256 * 127 * 32767 < 2^31), whatever the
// order, and every instruction set has an instruction that multiplies two pairs of 16-bit numbers
// and adds the products. Only the weights are coarse: at 16 bits, the inputs keep what 8 would
// lose where a few of them are a hundred times larger than the rest.

typedef int16_t rs __attribute__((ext_vector_type(2 * KERNEL_REGISTER_LANES)));
typedef int8_t rc __attribute__((ext_vector_type(2 * KERNEL_REGISTER_LANES)));
typedef int32_t ri __attribute__((ext_vector_type(KERNEL_REGISTER_LANES)));

// sums[i] + a[2i] * b[2i] + a[2i + 1] * b[2i + 1]
INLINE ri add_pair_products(ri sums, rs a, rs b) {
#if defined(KERNEL_ADD_PAIR_PRODUCTS)
    return (ri)KERNEL_ADD_PAIR_PRODUCTS(sums, a, b);
#else
    ri even = __builtin_convertvector(a.even, ri) * __builtin_convertvector(b.even, ri);
    ri odd = __builtin_convertvector(a.odd, ri) * __builtin_convertvector(b.odd, ri);
    return sums + even + odd;
#endif
}

// The weights of one pair for one register of columns, as 16-bit numbers.
INLINE rs load_integers(const char *p) {
    rc bytes;
    memcpy(&bytes, p, sizeof bytes);
    return __builtin_convertvector(bytes, rs);
}

// A pair of a row's inputs in every lane.
INLINE rs splat_pair(const int16_t *p) {
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return (rs)(ri)(pair);
}

INLINE void integer_pair(ri (*sums)[KERNEL_PANEL_WIDTH / KERNEL_REGISTER_LANES], const char *pair,
                         const int16_t *const *x, size_t stride, const int ROWS,
                         const int VECTORS) {
    UNROLL for (int v = 0; v < VECTORS; v += KERNEL_WEIGHT_VECTORS) {
        rs weights[KERNEL_WEIGHT_VECTORS];
        UNROLL for (int i = 0; i < KERNEL_WEIGHT_VECTORS; i++) {
            weights[i] = load_integers(pair + 2 * KERNEL_REGISTER_LANES * (v + i));
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            rs value = splat_pair(x[r / 3] + r % 3 * stride);
            UNROLL for (int i = 0; i < KERNEL_WEIGHT_VECTORS; i++) {
                sums[r][v + i] = add_pair_products(sums[r][v + i], weights[i], value);
                KERNEL_KEEP(sums[r][v + i]);
            }
        }
    }
}

// y[ROWS, columns] (+)= the exact sums of one group, scaled.
INLINE void add_group(const Tile *t, ri (*sums)[KERNEL_PANEL_WIDTH / KERNEL_REGISTER_LANES],
                      size_t group, bool accumulate, const int ROWS, const int VECTORS) {
    enum { LANES = KERNEL_REGISTER_LANES };
    UNROLL for (int v = 0; v < VECTORS; v++) {
        rf scales = register_load(t->column_scales + LANES * v);
        UNROLL for (int r = 0; r < ROWS; r++) {
            float *y = t->y + r * t->y_stride + LANES * v;
            rf before = accumulate ? register_load(y) : register_splat(0);
            rf sum = __builtin_convertvector(sums[r][v], rf) * scales;
            rf scale = register_splat(t->row_scales[r * t->row_scales_stride + group]);
            register_store(y, register_madd(sum, scale, before));
        }
    }
}

// ROWS rows by TILE_COLUMNS(ROWS) columns; the tile begins with a group of inputs.
INLINE void tile_int8(const Tile *t, const int ROWS) {
    enum { LANES = KERNEL_REGISTER_LANES };
    const int VECTORS = TILE_COLUMNS(ROWS) / LANES;
    const char *w = t->weights, *ahead = t->ahead;
    const size_t stride = t->integers_stride, ahead_step = t->ahead_step;
    const int16_t *x[(KERNEL_TILE_ROWS + 2) / 3];
    UNROLL for (int i = 0; i <= (ROWS - 1) / 3; i++) x[i] = t->integers + 3 * i * stride;
    for (size_t group = 0, left = t->pairs; left > 0; group++) {
        size_t pairs = left < KERNEL_GROUP_INPUTS / 2 ? left : KERNEL_GROUP_INPUTS / 2;
        left -= pairs;
        ri sums[KERNEL_TILE_ROWS][KERNEL_PANEL_WIDTH / LANES];
        UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (int v = 0; v < VECTORS; v++) {
            sums[r][v] = (ri)(0);
        }
        while (pairs > 0) {
            size_t count = pairs < FETCH_PAIRS ? pairs : FETCH_PAIRS;
            pairs -= count;
            const char *other = next_fetch(t->fetch);
            const size_t other_step = other != NULL ? t->fetch->step : 0;
            if (other == NULL) other = w;
            do {
                fetch_ahead(ahead, 1, other);
                other += other_step;
                ahead += ahead_step;
                integer_pair(sums, w, x, stride, ROWS, VECTORS);
                w += KERNEL_PANEL_WIDTH * 2;
                UNROLL for (int i = 0; i <= (ROWS - 1) / 3; i++) x[i] += 2;
            } while (--count > 0);
        }
        add_group(t, sums, group, t->accumulate || group > 0, ROWS, VECTORS);
    }
}
