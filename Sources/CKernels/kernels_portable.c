// SPDX-License-Identifier: Apache-2.0
//
// Whatever vectors the target always has: SSE2 on x86-64.

#include "paths.h"

#define KERNEL_NAME "portable"
#define KERNEL_FUSED 0
#define KERNEL_REGISTER_LANES 4
#define KERNEL_TILE_ROWS 2
#define KERNEL_WIDE_ROWS 0
#define KERNEL_NARROW_COLUMNS 16
#define KERNEL_WEIGHT_VECTORS 4
#define KERNEL_SLICE_BYTES (16 * 1024)
#define KERNEL_PREFETCH_BYTES 1536
#define KERNEL_PREFETCH_LOCALITY 3
#define KERNEL_SHRINK_ROWS 1
#define KERNEL_ATTENTION_QUERIES 3
#define KERNEL_ATTENTION_VECTORS 4
#define KERNEL_MERGE_INPUTS 2
#define KERNEL_MERGE_LANES 1
#define KERNEL_SPIN_CHAINS 12
#define KERNEL_KEEP(sum) __asm__ volatile("" : : : "memory")
#include "body.h"

const KernelTable *kernel_table_portable(void) { return &table; }
