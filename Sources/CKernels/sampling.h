// SPDX-License-Identifier: Apache-2.0
//
// What sampling does with a row of logits. Included by body.h. Nothing is fused, so that every path
// gives the same bits and a seed the same text on every machine.

static KernelPeak peak(const float *x, size_t n) {
    // Lanes keep their own first maximum; "greater" being strict, that is the lowest index.
    vf best = splat(-INFINITY);
    vi best_block = {0}, block_number = {0};
    vi number = best == best;
    size_t blocks = n / 16;
    for (size_t block = 0; block < blocks; block++) {
        vf values = load(x + block * 16);
        vi greater = values > best;
        best = select_lanes(greater, values, best);
        best_block = (greater & block_number) | (~greater & best_block);
        number &= values == values;
        block_number += 1;
    }
    KernelPeak result = {.value = -INFINITY, .index = n, .is_number = true};
    for (size_t lane = 0; lane < 16; lane++) {
        result.is_number &= number[lane] != 0;
        size_t index = (size_t)best_block[lane] * 16 + lane;
        if (blocks == 0) continue;
        if (best[lane] > result.value || (best[lane] == result.value && index < result.index)) {
            result.value = best[lane];
            result.index = index;
        }
    }
    for (size_t i = blocks * 16; i < n; i++) {
        result.is_number &= x[i] == x[i];
        if (x[i] > result.value) {
            result.value = x[i];
            result.index = i;
        }
    }
    return result;
}

// Argument reduction and polynomial of expf in the Cephes library (S. Moshier).
INLINE vf weight(vf x) {
    vi vanishes = x < splat(-87.0f);
    vf bounded = select_lanes(vanishes, splat(-87.0f), x);
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    vf shifted = bounded * splat(1.44269504f) + splat(12582912.0f);
    vf power = shifted - splat(12582912.0f);
    vf rest = (bounded - power * splat(0.693359375f)) + power * splat(2.1219444e-4f);
    vf sum = splat(1.98756915e-4f);
    sum = sum * rest + splat(1.3981999507e-3f);
    sum = sum * rest + splat(8.3334519073e-3f);
    sum = sum * rest + splat(4.1665795894e-2f);
    sum = sum * rest + splat(1.6666665459e-1f);
    sum = sum * rest + splat(5.0000001201e-1f);
    vf mantissa = sum * (rest * rest) + rest + splat(1.0f);
    vu exponent = (vu)shifted - 0x4B400000u + 127u;
    return select_lanes(vanishes, splat(0.0f), mantissa * (vf)(exponent << 23));
}

static double weights(const float *x, size_t n, float peak, float scale, float *out) {
    vf lanes = splat(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        vf values = weight((load(x + i) - splat(peak)) * splat(scale));
        store(out + i, values);
        lanes += values;
    }
    double total = 0;
    for (int lane = 0; lane < 16; lane++) total += (double)lanes[lane];
    if (i < n) {
        vf rest = splat(0);
        memcpy(&rest, x + i, (n - i) * sizeof(float));
        rest = weight((rest - splat(peak)) * splat(scale));
        memcpy(out + i, &rest, (n - i) * sizeof(float));
        for (size_t lane = 0; lane < n - i; lane++) total += (double)rest[lane];
    }
    return total;
}
