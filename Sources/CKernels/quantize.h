// SPDX-License-Identifier: Apache-2.0
//
// Activations as 16-bit integers. Included by body.h.

// The integers of up to KERNEL_GROUP_INPUTS values; the result is their scale, a NaN where a value
// is not finite.
static float quantize_group(const float *x, size_t n, int16_t *out) {
    vf most = splat(0), poison = splat(0);
    for (size_t i = 0; i < n; i += 16) {
        size_t count = n - i < 16 ? n - i : 16;
        vf values = splat(0);
        memcpy(&values, x + i, count * sizeof(float));
        most = larger(larger(values, -values), most);
        // Zero, or a NaN that stays.
        poison = poison + values * splat(0);
    }
    float largest = largest_lane(most), nothing = sum_lanes(poison);
    if (!(largest > 0) || nothing != nothing) {
        memset(out, 0, (n + 1) / 2 * 2 * sizeof(int16_t));
        return nothing;
    }
    // At the least a float whose inverse is finite.
    if (largest < 0x1p-100f) largest = 0x1p-100f;
    const vf factor = splat(32767.0f / largest);
    for (size_t i = 0; i < n; i += 16) {
        size_t count = n - i < 16 ? n - i : 16;
        vf values = splat(0);
        memcpy(&values, x + i, count * sizeof(float));
        vf whole = nearest(values * factor);
        typedef int16_t vs __attribute__((ext_vector_type(16)));
        vs integers = __builtin_convertvector(__builtin_convertvector(whole, vi), vs);
        memcpy(out + i, &integers, (count + 1) / 2 * 2 * sizeof(int16_t));
    }
    return largest * (1 / 32767.0f);
}

static void quantize(const float *x, size_t x_stride, size_t n, size_t rows,
                     KernelIntegers out) {
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < n; i += KERNEL_GROUP_INPUTS) {
            size_t count = n - i < KERNEL_GROUP_INPUTS ? n - i : KERNEL_GROUP_INPUTS;
            out.scales[row * out.scales_stride + i / KERNEL_GROUP_INPUTS] =
                quantize_group(x + row * x_stride + i, count, out.values + row * out.stride + i);
        }
    }
}
