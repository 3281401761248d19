// SPDX-License-Identifier: Apache-2.0
//
// What happens to each row between the products. Included by body.h.

static void norm(const float *x, size_t x_stride, const float *weight, float epsilon, size_t n,
                 size_t rows, float *out, size_t out_stride) {
    for (size_t row = 0; row < rows; row++, x += x_stride, out += out_stride) {
        vf even = splat(0), odd = splat(0);
        for (size_t i = 0; i < n; i += 32) {
            vf a = load(x + i), b = load(x + i + 16);
            even = madd(a, a, even);
            odd = madd(b, b, odd);
        }
        float mean = sum_lanes(even + odd) / (float)n;
        vf factor = splat(1.0f / sqrtf(mean + epsilon));
        for (size_t i = 0; i < n; i += 16) {
            store(out + i, load(weight + i) * (load(x + i) * factor));
        }
    }
}

static void swiglu(const float *gate, const float *up, size_t stride, size_t n, size_t rows,
                   float *out, size_t out_stride) {
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < n; i += 16) {
            vf g = load(gate + row * stride + i);
            vf silu = g / (splat(1.0f) + exponential(-g));
            store(out + row * out_stride + i, silu * load(up + row * stride + i));
        }
    }
}

static void add(const float *x, size_t x_stride, size_t n, size_t rows, float *y,
                size_t y_stride) {
    for (size_t row = 0; row < rows; row++, x += x_stride, y += y_stride) {
        for (size_t i = 0; i < n; i += 16) store(y + i, load(y + i) + load(x + i));
    }
}

static void add_bias(const float *bias, size_t n, size_t rows, float *y, size_t y_stride) {
    add(bias, 0, n, rows, y, y_stride);
}

// The norm over one head, whose size need not be a multiple of the vector.
static void norm_head(float *head, const float *weight, float epsilon, size_t n) {
    vf sums = splat(0);
    for (size_t i = 0; i < n; i += 16) {
        size_t count = n - i < 16 ? n - i : 16;
        vf values = splat(0);
        memcpy(&values, head + i, count * sizeof(float));
        sums = madd(values, values, sums);
    }
    float factor = 1.0f / sqrtf(sum_lanes(sums) / (float)n + epsilon);
    for (size_t i = 0; i < n; i++) head[i] = weight[i] * (head[i] * factor);
}

// Element i turns together with element i + half.
static void rotate(float *head, const float *angles, size_t half) {
    const float *cosines = angles, *sines = angles + half;
    size_t i = 0;
    for (; i + 16 <= half; i += 16) {
        vf a = load(head + i), b = load(head + half + i);
        vf c = load(cosines + i), s = load(sines + i);
        store(head + i, a * c - b * s);
        store(head + half + i, b * c + a * s);
    }
    for (; i < half; i++) {
        float a = head[i], b = head[half + i];
        head[i] = a * cosines[i] - b * sines[i];
        head[half + i] = b * cosines[i] + a * sines[i];
    }
}

// The bf16 number nearest to a float, ties to even; a NaN stays one.
INLINE uint16_t brain(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// Writes one head's key and value into a slot of a page.
static void keep_f32(const KernelRope *r, size_t head, const float *key, const float *value) {
    const KernelCache *c = &r->cache;
    float *keys = (float *)c->keys + (size_t)r->page * c->key_page_stride +
                  head * c->key_head_stride + r->slot;
    for (size_t i = 0; i < r->head_size; i++) keys[i * KERNEL_PAGE_TOKENS] = key[i];
    float *values = (float *)c->values + (size_t)r->page * c->value_page_stride +
                    head * c->value_head_stride + r->slot * c->value_stride;
    memcpy(values, value, r->head_size * sizeof(float));
}

static void keep_bf16(const KernelRope *r, size_t head, const float *key, const float *value) {
    const KernelCache *c = &r->cache;
    uint16_t *keys = (uint16_t *)c->keys + (size_t)r->page * c->key_page_stride +
                     head * c->key_head_stride + 2 * r->slot;
    for (size_t i = 0; i < r->head_size; i++) {
        keys[i / 2 * 2 * KERNEL_PAGE_TOKENS + i % 2] = brain(key[i]);
    }
    uint16_t *values = (uint16_t *)c->values + (size_t)r->page * c->value_page_stride +
                       head * c->value_head_stride + r->slot * c->value_stride;
    for (size_t i = 0; i < r->head_size; i++) {
        values[(i & ~(size_t)31) + 2 * (i & 15) + (i >> 4 & 1)] = brain(value[i]);
    }
}

static void rope(const KernelRope *r) {
    size_t half = r->head_size / 2;
    for (size_t h = 0; h < r->heads; h++) {
        float *head = r->row + h * r->head_size;
        if (r->query_norm) norm_head(head, r->query_norm, r->epsilon, r->head_size);
        rotate(head, r->angles, half);
    }
    for (size_t h = 0; h < r->kv_heads; h++) {
        float *head = r->row + r->key_column + h * r->head_size;
        if (r->key_norm) norm_head(head, r->key_norm, r->epsilon, r->head_size);
        rotate(head, r->angles, half);
        const float *value = r->row + r->value_column + h * r->head_size;
        if (r->cache.type == KERNEL_BF16) {
            keep_bf16(r, h, head, value);
        } else {
            keep_f32(r, h, head, value);
        }
    }
}

static void exponentials(const float *x, size_t n, float *out) {
    for (size_t i = 0; i < n; i += 16) {
        size_t count = n - i < 16 ? n - i : 16;
        vf values = splat(0);
        memcpy(&values, x + i, count * sizeof(float));
        values = exponential(values);
        memcpy(out + i, &values, count * sizeof(float));
    }
}

// Independent chains, one register each, enough to hide the latency of the units.
static double spin(size_t iterations, float *result) {
    enum { CHAINS = KERNEL_SPIN_CHAINS };
    rf sums[CHAINS];
    UNROLL for (int i = 0; i < CHAINS; i++) sums[i] = register_splat((float)i);
    rf a = register_splat(0.999f), b = register_splat(0.001f);
    for (size_t n = 0; n < iterations; n++) {
        UNROLL for (int i = 0; i < CHAINS; i++) {
            sums[i] = register_madd(sums[i], a, b);
            // Keeps the compiler from folding the loop, or chains that hold the same.
            KERNEL_KEEP(sums[i]);
        }
    }
    rf total = sums[0];
    UNROLL for (int i = 1; i < CHAINS; i++) total += sums[i];
    *result = total[0];
    return 2.0 * KERNEL_REGISTER_LANES * CHAINS * (double)iterations;
}

static uint32_t read_all(const void *memory, size_t bytes) {
    const char *at = memory;
    vu sums[4] = {0};
    for (size_t i = 0; i < bytes; i += 256) {
        UNROLL for (int j = 0; j < 4; j++) sums[j] ^= load_words(at + i + 64 * j);
    }
    vu all = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
    uint32_t result = 0;
    UNROLL for (int j = 0; j < 16; j++) result ^= all[j];
    return result;
}
