// SPDX-License-Identifier: Apache-2.0
// What Linux has for processes and Swift's view of the C library lacks. Results below zero are
// negated error numbers.
#ifndef BURROW_PROCESS_H
#define BURROW_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

#include "CrashJournal.h"

// The most descriptors that one message carries and a child inherits.
#define BURROW_MOST_DESCRIPTORS 16

// An empty file in memory that goes away with its last descriptor.
int burrow_memory_file(const char *name);

// Both ends close on exec.
int burrow_pipe(int ends[2]);

// A pair of connected sockets that keep the borders of messages; both close on exec.
int burrow_message_sockets(int ends[2]);

// A descriptor that becomes readable when the process ends.
int burrow_process_descriptor(pid_t process);

// Starts a program without a copy of this process's memory. Descriptor i of the child is
// descriptors[i], for count of them; it has no others. No signal is blocked, all have their
// defaults, and it leads a process group of its own. Gives its process.
int burrow_spawn(
    const char *path, char *const arguments[], char *const environment[], const int *descriptors,
    int count);

// Sends a message with descriptors, of which there may be none. Gives the bytes sent.
ssize_t burrow_send(
    int socket, const void *bytes, size_t length, const int *descriptors, int count);

// Receives a message; count holds the room for descriptors and then how many came, which close on
// exec. Gives the bytes of the message, 0 at the end. A message that did not fit is -EMSGSIZE, and
// its descriptors are closed.
ssize_t burrow_receive(int socket, void *bytes, size_t room, int *descriptors, int *count);

// A descriptor from which these signals are read instead of being delivered, for the whole process.
int burrow_signals(const int *signals, int count);

// The next signal of such a descriptor.
int burrow_next_signal(int descriptor);

// Has this process get the signal when its parent ends.
int burrow_follow_parent(int signal);

#endif
