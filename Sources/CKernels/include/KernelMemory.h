// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

// Zeroed memory on large pages where the system has them; NULL if there is none. `bytes` > 0.
void *kernel_memory_allocate(size_t bytes);
void kernel_memory_free(void *memory, size_t bytes);
