// SPDX-License-Identifier: Apache-2.0
//
// The kernels of AVX-512 as they are tiled there, computed with whatever vectors this target has:
// the same source, sizes and order of additions, so that every machine can test them.
#pragma once

#include "CKernels.h"

// NULL on processors without fused multiply-add.
const KernelTable *kernel_table_emulated_avx512(void);
