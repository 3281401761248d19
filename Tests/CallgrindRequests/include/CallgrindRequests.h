// SPDX-License-Identifier: Apache-2.0
//
// What a program asks of callgrind while it runs under it; elsewhere these do nothing.
#pragma once

#include <stdbool.h>

// Whether this runs under valgrind, and was built where its headers are.
bool callgrind_is_running(void);
// Counts instructions from here on.
void callgrind_begin(void);
// Stops, and writes what was counted to a file of its own under `name`.
void callgrind_end(const char *name);
