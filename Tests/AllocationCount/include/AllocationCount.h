// SPDX-License-Identifier: Apache-2.0
//
// Counts what the calling thread allocates. Linked into the tests only, whose malloc it becomes.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Allocations of the calling thread so far, with those that grew or moved one.
size_t allocation_count(void);

// Whether allocations are counted: not where a sanitizer does the allocating.
bool allocation_is_counted(void);
