// SPDX-License-Identifier: Apache-2.0
//
// AVX2 with fused multiply-add: 16 registers of 8 floats.

#include "paths.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define KERNEL_NAME "avx2"
#define KERNEL_FUSED 1
#define KERNEL_TILE_ROWS 4
#define KERNEL_TILE_LANES 1
#define KERNEL_SHRINK_ROWS 1
#define KERNEL_ATTENTION_QUERIES 3
#define KERNEL_SPIN_CHAINS 6
#define KERNEL_KEEP(sums) __asm__ volatile("" : : : "memory")
#define KERNEL_KEEP_PAIR(a, b) __asm__ volatile("" : : : "memory")
#include "body.h"
#pragma clang attribute pop

const KernelTable *kernel_table_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &table : NULL;
}
#else
const KernelTable *kernel_table_avx2(void) { return NULL; }
#endif
