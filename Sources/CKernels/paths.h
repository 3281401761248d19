// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "CKernels.h"

const KernelTable *kernel_table_avx512vnni(void);
const KernelTable *kernel_table_avx512(void);
const KernelTable *kernel_table_avx2(void);
const KernelTable *kernel_table_portable(void);
