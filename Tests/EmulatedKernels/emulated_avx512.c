// SPDX-License-Identifier: Apache-2.0

#include "EmulatedKernels.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define KERNEL_NAME "emulated-avx512"
#include "avx512.h"
// There are no such registers here: what is kept in one does not matter.
#undef KERNEL_KEEP
#define KERNEL_KEEP(sum) __asm__ volatile("" : : : "memory")
#include "body.h"
#pragma clang attribute pop

const KernelTable *kernel_table_emulated_avx512(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &table : NULL;
}
#else
const KernelTable *kernel_table_emulated_avx512(void) { return NULL; }
#endif
