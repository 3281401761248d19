// SPDX-License-Identifier: Apache-2.0
//
// Sixteen floats at a time, in the compiler's own vector type: one zmm, two ymm or four xmm or
// NEON registers. Included by body.h, once for each instruction set.

#include <math.h>
#include <string.h>

#include "CKernels.h"

// Every function with a vector in its signature is inlined, so no calling convention is at stake.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline, unused))
#define UNROLL _Pragma("clang loop unroll(full)")

typedef float vf __attribute__((ext_vector_type(16)));
typedef uint32_t vu __attribute__((ext_vector_type(16)));
typedef int32_t vi __attribute__((ext_vector_type(16)));

INLINE vf load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE vu load_words(const void *p) {
    vu v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }

INLINE vf splat(float x) { return (vf)(x); }

INLINE vf low_half(vu words) { return (vf)(words << 16); }
INLINE vf high_half(vu words) { return (vf)(words & 0xFFFF0000u); }

// Fused where the hardware is; elsewhere two roundings, since a library fma is a hundred times
// slower.
INLINE vf madd(vf a, vf b, vf c) {
#if KERNEL_FUSED
    return __builtin_elementwise_fma(a, b, c);
#else
    return a * b + c;
#endif
}

INLINE vf select_lanes(vi mask, vf yes, vf no) {
    vi bits = (mask & (vi)yes) | (~mask & (vi)no);
    return (vf)bits;
}

INLINE vf larger(vf a, vf b) { return select_lanes(a > b, a, b); }
INLINE vf smaller(vf a, vf b) { return select_lanes(a < b, a, b); }

// The nearest integers, ties to even, of numbers below 2^22: adding 1.5 * 2^23 rounds to one.
INLINE vf nearest(vf v) {
    const vf magic = splat(12582912.0f);
    return (v + magic) - magic;
}

// The sum of the lanes, always as the same tree.
INLINE float sum_lanes(vf v) {
    __attribute__((ext_vector_type(8))) float a = v.lo + v.hi;
    __attribute__((ext_vector_type(4))) float b = a.lo + a.hi;
    return (b.x + b.z) + (b.y + b.w);
}

typedef float vf4 __attribute__((ext_vector_type(4)));

// The lanes added up to four, as the first two steps of `sum_lanes` do.
INLINE vf4 sum_quarters(vf v) {
    __attribute__((ext_vector_type(8))) float a = v.lo + v.hi;
    return a.lo + a.hi;
}

// The sums of four vectors whose lanes were added up to four; the bits of `sum_lanes`.
INLINE vf4 sum_four(vf4 a, vf4 b, vf4 c, vf4 d) {
    vf4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    vf4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) +
           __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

INLINE float largest_lane(vf v) {
    typedef float v8 __attribute__((ext_vector_type(8)));
    typedef int32_t i8 __attribute__((ext_vector_type(8)));
    v8 low = v.lo, high = v.hi;
    i8 mask = low > high;
    v8 a = (v8)(((i8)low & mask) | ((i8)high & ~mask));
    float most = a[0];
    UNROLL for (int i = 1; i < 8; i++) most = a[i] > most ? a[i] : most;
    return most;
}

// e^x by x = n ln 2 + r and a polynomial of degree 7 in r; the constants are those of the Cephes
// library's expf. At most 2 units in the last place off; 0 below -87.33, finite above 88.
INLINE vf exponential(vf x) {
    const vf low = splat(-87.33f), high = splat(88.0f);
    vi vanishes = x < low;
    vf y = smaller(larger(x, low), high);
    const vf magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    vf n = madd(y, splat(1.44269504088896341f), magic) - magic;
    vf r = madd(n, splat(-0.693359375f), y);
    r = madd(n, splat(2.12194440e-4f), r);
    vf p = splat(1.9875691500e-4f);
    p = madd(p, r, splat(1.3981999507e-3f));
    p = madd(p, r, splat(8.3334519073e-3f));
    p = madd(p, r, splat(4.1665795894e-2f));
    p = madd(p, r, splat(1.6666665459e-1f));
    p = madd(p, r, splat(5.0000001201e-1f));
    p = madd(p, r * r, r) + splat(1.0f);
    vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
    vf result = p * (vf)exponent;
    // A NaN compares false with both bounds and would come out as a number.
    result = select_lanes(vanishes, splat(0.0f), result);
    return select_lanes(x == x, result, x);
}
