// SPDX-License-Identifier: Apache-2.0
//
// What Swift cannot call by itself: variadic calls, macros over sets, and a system call filter.

#ifndef BURROW_ISOLATION_H
#define BURROW_ISOLATION_H

#include <stdint.h>
#include <sys/types.h>

/// The number under which a child finds its end of the channel.
#define BURROW_ISOLATION_CHANNEL 3

/// Waits up to so many milliseconds for a child to end; answers 1 with its status, else 0.
int burrow_isolation_await(pid_t child, int milliseconds, int *status);

/// Closes all descriptors above the channel, and from now on ends this process when the other end
/// of the channel goes away, whatever its other threads do; answers 0 or an error number.
int burrow_isolation_attach(void);

/// Lets this process have so many bytes of address space more than now, no sockets, no other
/// programs, no signals to others and no core files; answers 0 or an error number.
int burrow_isolation_confine(uint64_t memory);

/// Nanoseconds of processor time that the calling thread has used.
int64_t burrow_isolation_processor_time(void);

#endif
