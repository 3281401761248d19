// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

// Reads `bytes` (a multiple of 256) once, in order; the result depends on all of them.
uint64_t kernel_read_all(const void *memory, size_t bytes);
// CPU seconds of the calling thread.
double kernel_thread_seconds(void);
// Seconds of a clock that only goes forward.
double kernel_monotonic_seconds(void);
