// SPDX-License-Identifier: Apache-2.0

#include "AllocationCount.h"

#include <errno.h>
#include <stdint.h>

// What glibc exports for those who put their own functions in front of these.
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

static __thread size_t allocations;

size_t allocation_count(void) { return allocations; }

// A sanitizer puts functions of its own there.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)

bool allocation_is_counted(void) { return false; }

#else

bool allocation_is_counted(void) { return true; }

void *malloc(size_t bytes) {
    allocations++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    allocations++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes) {
    allocations++;
    return __libc_realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    allocations++;
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    allocations++;
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
    allocations++;
    void *result = __libc_memalign(alignment, bytes);
    if (result == NULL) return ENOMEM;
    *memory = result;
    return 0;
}

#endif
