// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "KernelMeasurement.h"

#include <time.h>

typedef uint64_t words __attribute__((ext_vector_type(8)));

#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
uint64_t kernel_read_all(const void *memory, size_t bytes) {
    const char *at = memory;
    words sums[4] = {0};
    for (size_t i = 0; i < bytes; i += 256) {
        for (int j = 0; j < 4; j++) {
            words w;
            __builtin_memcpy(&w, at + i + 64 * j, sizeof w);
            sums[j] ^= w;
        }
    }
    words all = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
    uint64_t result = 0;
    for (int j = 0; j < 8; j++) result ^= all[j];
    return result;
}

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double kernel_thread_seconds(void) { return seconds(CLOCK_THREAD_CPUTIME_ID); }
double kernel_monotonic_seconds(void) { return seconds(CLOCK_MONOTONIC); }
