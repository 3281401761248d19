// SPDX-License-Identifier: Apache-2.0
//
// Counts what the calling thread allocates. Linked into the tests only, whose malloc it becomes.
#pragma once

#include <stddef.h>

// Allocations of the calling thread so far, with those that grew or moved one.
size_t allocation_count(void);
