// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "KernelMeasurement.h"

#include <time.h>

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double kernel_thread_seconds(void) { return seconds(CLOCK_THREAD_CPUTIME_ID); }
double kernel_monotonic_seconds(void) { return seconds(CLOCK_MONOTONIC); }
