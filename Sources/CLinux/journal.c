// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CrashJournal.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct burrow_journal {
    struct {
        _Atomic uint64_t since;
        _Atomic uint32_t index;
        char padding[52];
    } threads[BURROW_JOURNAL_THREADS];
    struct {
        _Atomic uint32_t length;
        char bytes[BURROW_JOURNAL_NAME_BYTES];
    } names[BURROW_JOURNAL_NAMES];
};

size_t burrow_journal_size(void) { return sizeof(struct burrow_journal); }

burrow_journal *burrow_journal_map(int file) {
    int flags = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    if (file >= 0 && ftruncate(file, (off_t)sizeof(struct burrow_journal)) != 0) return NULL;
    void *memory =
        mmap(NULL, sizeof(struct burrow_journal), PROT_READ | PROT_WRITE, flags, file, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void burrow_journal_unmap(burrow_journal *journal) { munmap(journal, sizeof *journal); }

void burrow_journal_name(
    burrow_journal *journal, uint32_t index, const char *bytes, size_t length) {
    if (index >= BURROW_JOURNAL_NAMES) return;
    if (length > BURROW_JOURNAL_NAME_BYTES) length = BURROW_JOURNAL_NAME_BYTES;
    atomic_store(&journal->names[index].length, 0);
    memcpy(journal->names[index].bytes, bytes, length);
    atomic_store(&journal->names[index].length, (uint32_t)length);
}

size_t burrow_journal_name_of(const burrow_journal *journal, uint32_t index, char *bytes) {
    if (index >= BURROW_JOURNAL_NAMES) return 0;
    size_t length = atomic_load(&journal->names[index].length);
    if (length > BURROW_JOURNAL_NAME_BYTES) length = BURROW_JOURNAL_NAME_BYTES;
    memcpy(bytes, journal->names[index].bytes, length);
    return length;
}

uint32_t burrow_journal_own_thread(void) {
    static _Atomic uint32_t threads;
    static _Thread_local uint32_t own;
    if (own == 0) own = 1 + atomic_fetch_add(&threads, 1) % (BURROW_JOURNAL_THREADS - 1);
    return own;
}

void burrow_journal_enter(burrow_journal *journal, uint32_t thread, uint32_t index, uint64_t now) {
    if (thread >= BURROW_JOURNAL_THREADS) return;
    atomic_store_explicit(&journal->threads[thread].index, index, memory_order_relaxed);
    atomic_store_explicit(&journal->threads[thread].since, now, memory_order_release);
}

void burrow_journal_leave(burrow_journal *journal, uint32_t thread) {
    if (thread >= BURROW_JOURNAL_THREADS) return;
    atomic_store_explicit(&journal->threads[thread].since, 0, memory_order_release);
}

uint64_t burrow_journal_since(const burrow_journal *journal, uint32_t thread, uint32_t *index) {
    if (thread >= BURROW_JOURNAL_THREADS) return 0;
    uint64_t since = atomic_load_explicit(&journal->threads[thread].since, memory_order_acquire);
    *index = atomic_load_explicit(&journal->threads[thread].index, memory_order_relaxed);
    return since;
}

void burrow_journal_clear(burrow_journal *journal) {
    for (uint32_t thread = 0; thread < BURROW_JOURNAL_THREADS; thread++)
        burrow_journal_leave(journal, thread);
}
