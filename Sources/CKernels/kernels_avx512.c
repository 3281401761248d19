// SPDX-License-Identifier: Apache-2.0
//
// AVX-512: 32 registers of 16 floats.

#include "paths.h"

#if defined(__x86_64__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), apply_to = function)
#define KERNEL_NAME "avx512"
#define KERNEL_FUSED 1
#define KERNEL_TILE_ROWS 12
#define KERNEL_TILE_LANES 2
#define KERNEL_SHRINK_ROWS 4
#define KERNEL_ATTENTION_QUERIES 8
#define KERNEL_SPIN_CHAINS 24
// Keeps the compiler from loading all rows' values before it uses any, and so from running out of
// registers.
#define KERNEL_KEEP(sums) __asm__ volatile("" : "+v"(sums[0]), "+v"(sums[1]) : : "memory")
#define KERNEL_KEEP_PAIR(a, b) __asm__ volatile("" : "+v"(a), "+v"(b) : : "memory")
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
