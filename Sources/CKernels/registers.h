// SPDX-License-Identifier: Apache-2.0
//
// One register of floats at a time, for loops that must not run out of registers: there the
// sixteen lanes of vector.h would be split where the compiler likes. Included by body.h.

typedef float rf __attribute__((ext_vector_type(KERNEL_REGISTER_LANES)));
typedef uint32_t ru __attribute__((ext_vector_type(KERNEL_REGISTER_LANES)));

INLINE rf register_load(const float *p) {
    rf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void register_store(float *p, rf v) { memcpy(p, &v, sizeof v); }

INLINE rf register_splat(float x) { return (rf)(x); }

INLINE rf register_madd(rf a, rf b, rf c) {
#if KERNEL_FUSED
    return __builtin_elementwise_fma(a, b, c);
#else
    return a * b + c;
#endif
}

// The bf16 numbers in the low or high halves of the words at `p`.
INLINE rf register_halves(const void *p, const bool high) {
    ru words;
    memcpy(&words, p, sizeof words);
    return (rf)(high ? words & 0xFFFF0000u : words << 16);
}
