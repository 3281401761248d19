// SPDX-License-Identifier: Apache-2.0
//
// AVX2 with fused multiply-add: 16 registers of 8 floats.

#include "paths.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define KERNEL_NAME "avx2"
#define KERNEL_FUSED 1
#define KERNEL_REGISTER_LANES 8
#define KERNEL_TILE_ROWS 6
#define KERNEL_WIDE_ROWS 3
#define KERNEL_NARROW_COLUMNS 16
#define KERNEL_WEIGHT_VECTORS 2
#define KERNEL_SLICE_BYTES (16 * 1024)
#define KERNEL_PREFETCH_BYTES 1536
#define KERNEL_PREFETCH_LOCALITY 3
#define KERNEL_SHRINK_ROWS 1
#define KERNEL_ATTENTION_QUERIES 3
#define KERNEL_ATTENTION_VECTORS 4
#define KERNEL_MERGE_INPUTS 4
#define KERNEL_MERGE_LANES 1
#define KERNEL_SPIN_CHAINS 12
#define KERNEL_KEEP(sum) __asm__ volatile("" : "+x"(sum) : : "memory")
#define KERNEL_ADD_PAIR_PRODUCTS(sums, a, b) \
    _mm256_add_epi32((__m256i)(sums), _mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#include "body.h"
#pragma clang attribute pop

const KernelTable *kernel_table_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &table : NULL;
}
#else
const KernelTable *kernel_table_avx2(void) { return NULL; }
#endif
