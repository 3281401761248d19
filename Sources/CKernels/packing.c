// SPDX-License-Identifier: Apache-2.0

#include <math.h>
#include <string.h>

#include "CKernels.h"

static float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1F, fraction = half & 0x3FF, bits;
    if (exponent == 0) {
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    bits = sign | (exponent == 0x1F ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Nearest even; a NaN stays one.
static uint16_t float_to_brain(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static float brain_to_float(uint16_t brain) {
    uint32_t bits = (uint32_t)brain << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float element(const void *source, KernelType type, size_t index) {
    switch (type) {
    case KERNEL_F32: return ((const float *)source)[index];
    case KERNEL_BF16: return brain_to_float(((const uint16_t *)source)[index]);
    case KERNEL_F16: return half_to_float(((const uint16_t *)source)[index]);
    case KERNEL_INT8: break;  // nothing is stored so outside a panel
    }
    return 0;
}

// bf16 to bf16 must not pass through the rounding, which would quieten NaNs.
static uint16_t brain_element(const void *source, KernelType type, size_t index) {
    return type == KERNEL_BF16 ? ((const uint16_t *)source)[index]
                               : float_to_brain(element(source, type, index));
}

// Bytes of a panel of so many pairs of inputs.
static size_t panel_bytes(size_t pairs, KernelType type) {
    switch (type) {
    case KERNEL_INT8: return pairs * 2 * KERNEL_PANEL_WIDTH + KERNEL_PANEL_WIDTH * sizeof(float);
    case KERNEL_BF16: return pairs * 4 * KERNEL_PANEL_WIDTH;
    default: return pairs * 8 * KERNEL_PANEL_WIDTH;
    }
}

// One output's weights, rounded to the nearest of 255 multiples of its scale.
static void pack_integers(const void *source, KernelType from, size_t row, size_t k, int8_t *out,
                          float *scale) {
    float most = 0;
    for (size_t i = 0; i < k; i++) most = fmaxf(most, fabsf(element(source, from, row + i)));
    float factor = most > 0 ? 127.0f / most : 0;
    *scale = most * (1 / 127.0f);
    for (size_t i = 0; i < k; i++) {
        float value = element(source, from, row + i) * factor;
        out[i / 2 * 2 * KERNEL_PANEL_WIDTH + i % 2] =
            (int8_t)rintf(fminf(fmaxf(value, -127), 127));
    }
}

static void pack_panel(const void *source, KernelType from, size_t columns, size_t k,
                       size_t first, KernelType to, void *target) {
    size_t pairs = (k + 1) / 2;
    if (columns < KERNEL_PANEL_WIDTH || k % 2 != 0) memset(target, 0, panel_bytes(pairs, to));
    float *scales = (float *)((char *)target + pairs * 2 * KERNEL_PANEL_WIDTH);
    for (size_t column = 0; column < columns; column++) {
        size_t row = (first + column) * k;
        if (to == KERNEL_INT8) {
            pack_integers(source, from, row, k, (int8_t *)target + 2 * column, scales + column);
            continue;
        }
        for (size_t i = 0; i < k; i++) {
            if (to == KERNEL_BF16) {
                size_t at = (i / 2 * KERNEL_PANEL_WIDTH + column) * 2 + i % 2;
                ((uint16_t *)target)[at] = brain_element(source, from, row + i);
            } else {
                ((float *)target)[i * KERNEL_PANEL_WIDTH + column] =
                    element(source, from, row + i);
            }
        }
    }
}

void kernel_pack(const void *source, KernelType from, size_t n, size_t k, size_t first_panel,
                 size_t panels, KernelType to, void *target) {
    size_t bytes = panel_bytes((k + 1) / 2, to);
    for (size_t p = 0; p < panels; p++) {
        size_t first = (first_panel + p) * KERNEL_PANEL_WIDTH;
        size_t columns = n - first < KERNEL_PANEL_WIDTH ? n - first : KERNEL_PANEL_WIDTH;
        pack_panel(source, from, columns, k, first, to, (char *)target + p * bytes);
    }
}

void kernel_unpack_row(const void *packed, KernelType type, size_t k, size_t index, float *out) {
    size_t pairs = (k + 1) / 2, column = index % KERNEL_PANEL_WIDTH;
    const char *panel =
        (const char *)packed + index / KERNEL_PANEL_WIDTH * panel_bytes(pairs, type);
    const float *scales = (const float *)(panel + pairs * 2 * KERNEL_PANEL_WIDTH);
    for (size_t i = 0; i < k; i++) {
        size_t at = (i / 2 * KERNEL_PANEL_WIDTH + column) * 2 + i % 2;
        switch (type) {
        case KERNEL_INT8: out[i] = (float)((const int8_t *)panel)[at] * scales[column]; break;
        case KERNEL_BF16: out[i] = brain_to_float(((const uint16_t *)panel)[at]); break;
        default: out[i] = ((const float *)panel)[i * KERNEL_PANEL_WIDTH + column];
        }
    }
}

void kernel_unpack_panel(const void *packed, KernelType type, size_t pairs, float *out) {
    size_t count = pairs * 2 * KERNEL_PANEL_WIDTH;
    if (type != KERNEL_BF16) {
        memcpy(out, packed, count * sizeof(float));
        return;
    }
    for (size_t pair = 0; pair < pairs; pair++) {
        const uint16_t *words = (const uint16_t *)packed + pair * 2 * KERNEL_PANEL_WIDTH;
        float *row = out + pair * 2 * KERNEL_PANEL_WIDTH;
        for (size_t column = 0; column < KERNEL_PANEL_WIDTH; column++) {
            row[column] = brain_to_float(words[2 * column]);
            row[KERNEL_PANEL_WIDTH + column] = brain_to_float(words[2 * column + 1]);
        }
    }
}

void kernel_pack_shrink_row(const void *source, KernelType from, size_t k, size_t depth,
                            KernelType to, void *target) {
    memset(target, 0, depth * (to == KERNEL_BF16 ? 2 : 4));
    for (size_t i = 0; i < k; i++) {
        if (to == KERNEL_BF16) {
            size_t at = i / 32 * 32 + i % 16 * 2 + i % 32 / 16;
            ((uint16_t *)target)[at] = brain_element(source, from, i);
        } else {
            ((float *)target)[i] = element(source, from, i);
        }
    }
}

void kernel_unpack_shrink_row(const void *packed, KernelType type, size_t k, float scale,
                              float *out, size_t stride) {
    for (size_t i = 0; i < k; i++) {
        size_t at = i / 32 * 32 + i % 16 * 2 + i % 32 / 16;
        out[i * stride] = scale * (type == KERNEL_BF16
                                       ? brain_to_float(((const uint16_t *)packed)[at])
                                       : ((const float *)packed)[i]);
    }
}

void kernel_convert(const void *source, KernelType from, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = element(source, from, i);
}

void kernel_copy(const void *source, KernelType from, size_t n, KernelType to, void *target) {
    if (to == KERNEL_F32) {
        kernel_convert(source, from, n, target);
        return;
    }
    for (size_t i = 0; i < n; i++) ((uint16_t *)target)[i] = brain_element(source, from, i);
}

void kernel_angles(size_t position, const float *frequencies, size_t half, float *out) {
    for (size_t i = 0; i < half; i++) {
        float angle = (float)position * frequencies[i];
        out[i] = cosf(angle);
        out[half + i] = sinf(angle);
    }
}
