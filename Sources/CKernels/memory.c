// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "KernelMemory.h"

#include <stdint.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20)

// Weights are read from end to end at every step: with 4 KiB pages the address translation would
// cost more than the reads.
void *kernel_memory_allocate(size_t bytes) {
    if (bytes == 0 || bytes > SIZE_MAX - 2 * LARGE_PAGE) return NULL;
    if (bytes < LARGE_PAGE) {
        void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return memory == MAP_FAILED ? NULL : memory;
    }
    size_t mapped = bytes + LARGE_PAGE;
    char *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    char *aligned = (char *)(((uintptr_t)memory + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
    if (aligned > memory) munmap(memory, (size_t)(aligned - memory));
    size_t page = 4096, used = (bytes + page - 1) & ~(page - 1);
    char *end = memory + mapped, *last = aligned + used;
    if (end > last) munmap(last, (size_t)(end - last));
#ifdef MADV_HUGEPAGE
    madvise(aligned, used, MADV_HUGEPAGE);
#endif
    return aligned;
}

void kernel_memory_free(void *memory, size_t bytes) {
    if (memory != NULL) munmap(memory, bytes);
}
