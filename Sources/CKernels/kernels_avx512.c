// SPDX-License-Identifier: Apache-2.0
//
// AVX-512: 32 registers of 16 floats.

#include "paths.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(                                              \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), \
    apply_to = function)
#define KERNEL_NAME "avx512"
#include "avx512.h"
#define KERNEL_ADD_PAIR_PRODUCTS(sums, a, b) \
    _mm512_add_epi32((__m512i)(sums), _mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#include "body.h"
#pragma clang attribute pop

const KernelTable *kernel_table_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
               ? &table
               : NULL;
}
#else
const KernelTable *kernel_table_avx512(void) { return NULL; }
#endif
