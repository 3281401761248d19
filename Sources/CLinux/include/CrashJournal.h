// SPDX-License-Identifier: Apache-2.0
// Memory that outlives the process which writes it: which policy each thread is in. A supervisor
// reads it when the process is dead, a watchdog while it runs.
#ifndef BURROW_CRASH_JOURNAL_H
#define BURROW_CRASH_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#define BURROW_JOURNAL_THREADS 72
#define BURROW_JOURNAL_NAMES 256
#define BURROW_JOURNAL_NAME_BYTES 248

typedef struct burrow_journal burrow_journal;

// Bytes of a journal.
size_t burrow_journal_size(void);

// Maps the file, which is made as large as a journal, or memory of this process alone for a file
// below zero. NULL where that fails.
burrow_journal *burrow_journal_map(int file);
void burrow_journal_unmap(burrow_journal *journal);

// Gives an index below BURROW_JOURNAL_NAMES a name; more bytes than a name has are cut off.
void burrow_journal_name(burrow_journal *journal, uint32_t index, const char *bytes, size_t length);

// Copies a name; gives its length.
size_t burrow_journal_name_of(const burrow_journal *journal, uint32_t index, char *bytes);

// A thread enters what the index names at a time above zero, and leaves it.
void burrow_journal_enter(burrow_journal *journal, uint32_t thread, uint32_t index, uint64_t now);
void burrow_journal_leave(burrow_journal *journal, uint32_t thread);

// A number of the calling thread above zero; after very many threads some share one.
uint32_t burrow_journal_own_thread(void);

// When the thread has entered what it is in, and what that is; 0 where it is in nothing.
uint64_t burrow_journal_since(const burrow_journal *journal, uint32_t thread, uint32_t *index);

// Forgets all threads, for another process.
void burrow_journal_clear(burrow_journal *journal);

#endif
