// SPDX-License-Identifier: Apache-2.0
//
// Elements of the stored types, four at a time, in vectors that every target has.

#include <string.h>

#include "CKernels.h"

#define INLINE static inline __attribute__((always_inline, unused))

typedef uint32_t words4 __attribute__((ext_vector_type(4)));
typedef uint16_t halves4 __attribute__((ext_vector_type(4)));
typedef int32_t signs4 __attribute__((ext_vector_type(4)));
typedef float floats4 __attribute__((ext_vector_type(4)));

INLINE size_t element_bytes(KernelType type) { return type == KERNEL_F32 ? 4 : 2; }

INLINE words4 load_words4(const void *from) {
    words4 v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE words4 load_halves4(const void *from) {
    halves4 v;
    memcpy(&v, from, sizeof v);
    return __builtin_convertvector(v, words4);
}

INLINE words4 choose4(words4 mask, words4 yes, words4 no) { return (mask & yes) | (~mask & no); }

// The bits of four f16 as f32; all values are exact.
INLINE words4 floats_of_halves(words4 halves) {
    words4 sign = (halves & 0x8000u) << 16, fraction = halves & 0x3FFu;
    words4 exponent = halves >> 10 & 0x1Fu;
    words4 tiny = (words4)(__builtin_convertvector(fraction, floats4) * 0x1p-24f);
    words4 normal = (exponent + 112) << 23 | fraction << 13;
    words4 special = 0x7F800000u | fraction << 13;
    words4 bits = choose4((words4)(exponent == 0x1Fu), special, normal);
    return sign | choose4((words4)(exponent == 0u), tiny, bits);
}

// The bits of f32 rounded to bf16, nearest even, in the high halves; a NaN stays one.
INLINE words4 rounded4(words4 bits) {
    words4 up = bits + 0x7FFFu + (bits >> 16 & 1u);
    words4 number = (words4)((signs4)(bits & 0x7FFFFFFFu) <= 0x7F800000);
    return choose4(number, up, bits | 0x00400000u) & 0xFFFF0000u;
}

// Four elements as the bits of f32.
INLINE words4 floats4_at(const void *from, KernelType type) {
    switch (type) {
    case KERNEL_F32: return load_words4(from);
    case KERNEL_BF16: return load_halves4(from) << 16;
    case KERNEL_F16: return floats_of_halves(load_halves4(from));
    case KERNEL_INT8: break;  // only inside panels
    }
    return (words4)(0);
}

// Four elements as bf16 in the high halves; the low halves are zero. bf16 to bf16 must not pass
// through the rounding, which would quieten NaNs.
INLINE words4 brains4_at(const void *from, KernelType type) {
    if (type == KERNEL_BF16) return load_halves4(from) << 16;
    return rounded4(floats4_at(from, type));
}

// Eight elements as four words of bf16 pairs, the first of each in the low half.
INLINE words4 pairs4_at(const void *from, KernelType type) {
    if (type == KERNEL_BF16) return load_words4(from);
    words4 a = brains4_at(from, type);
    words4 b = brains4_at((const char *)from + 4 * element_bytes(type), type);
    words4 even = __builtin_shufflevector(a, b, 0, 2, 4, 6);
    words4 odd = __builtin_shufflevector(a, b, 1, 3, 5, 7);
    return even >> 16 | odd;
}
