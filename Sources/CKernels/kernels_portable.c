// SPDX-License-Identifier: Apache-2.0
//
// Whatever vectors the target always has: SSE2 on x86-64.

#include "paths.h"

#define KERNEL_NAME "portable"
#define KERNEL_FUSED 0
#define KERNEL_TILE_ROWS 2
#define KERNEL_TILE_LANES 1
#define KERNEL_SHRINK_ROWS 1
#define KERNEL_ATTENTION_QUERIES 3
#define KERNEL_SPIN_CHAINS 3
#define KERNEL_KEEP(sums) __asm__ volatile("" : : : "memory")
#define KERNEL_KEEP_PAIR(a, b) __asm__ volatile("" : : : "memory")
#include "body.h"

const KernelTable *kernel_table_portable(void) { return &table; }
