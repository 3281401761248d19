// SPDX-License-Identifier: Apache-2.0

#include "CallgrindRequests.h"

// Of Debian's package `valgrind`; whoever only builds need not have it.
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>

bool callgrind_is_running(void) { return RUNNING_ON_VALGRIND; }

void callgrind_begin(void) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void callgrind_end(const char *name) {
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}
#else
bool callgrind_is_running(void) { return false; }
void callgrind_begin(void) {}
void callgrind_end(const char *name) { (void)name; }
#endif
