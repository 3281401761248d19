// SPDX-License-Identifier: Apache-2.0
//
// What both AVX-512 sets have: 32 registers of 16 floats.

#define KERNEL_FUSED 1
#define KERNEL_REGISTER_LANES 16
#define KERNEL_TILE_ROWS 12
#define KERNEL_WIDE_ROWS 12
#define KERNEL_NARROW_COLUMNS 32
#define KERNEL_WEIGHT_VECTORS 2
#define KERNEL_SLICE_BYTES (32 * 1024)
#define KERNEL_PREFETCH_BYTES 4096
#define KERNEL_PREFETCH_LOCALITY 2
#define KERNEL_SHRINK_ROWS 4
#define KERNEL_ATTENTION_QUERIES 8
#define KERNEL_ATTENTION_VECTORS 2
#define KERNEL_MERGE_INPUTS 8
#define KERNEL_MERGE_LANES 2
#define KERNEL_SPIN_CHAINS 24
#define KERNEL_KEEP(sum) __asm__ volatile("" : "+v"(sum) : : "memory")
