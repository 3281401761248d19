// SPDX-License-Identifier: Apache-2.0

#include "paths.h"

const KernelTable *kernel_table(KernelPath path) {
    switch (path) {
    case KERNEL_PATH_AVX512VNNI: return kernel_table_avx512vnni();
    case KERNEL_PATH_AVX512: return kernel_table_avx512();
    case KERNEL_PATH_AVX2: return kernel_table_avx2();
    case KERNEL_PATH_PORTABLE: return kernel_table_portable();
    }
    return NULL;
}
