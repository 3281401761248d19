// SPDX-License-Identifier: Apache-2.0
//
// AVX-512 with the vector neural network instructions, which multiply and add pairs of 16-bit
// integers in one go: int8 products take half the instructions. The rest is that of AVX-512.

#include "paths.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(                                              \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma"))), \
    apply_to = function)
#define KERNEL_NAME "avx512vnni"
#include "avx512.h"
#define KERNEL_ADD_PAIR_PRODUCTS(sums, a, b) \
    _mm512_dpwssd_epi32((__m512i)(sums), (__m512i)(a), (__m512i)(b))
#include "body.h"
#pragma clang attribute pop

const KernelTable *kernel_table_avx512vnni(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vnni")
               ? &table
               : NULL;
}
#else
const KernelTable *kernel_table_avx512vnni(void) { return NULL; }
#endif
