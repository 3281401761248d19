// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

// Exported by libdispatch for run loops that serve the main queue themselves: a descriptor that is
// readable while the main queue holds work, and the call that performs that work.
extern int _dispatch_get_main_queue_handle_4CF(void);
extern void _dispatch_main_queue_callback_4CF(void *_Nullable unused);

// Calls of Linux that the system headers declare only to programs which ask for GNU extensions.
extern int accept4(
    int descriptor, struct sockaddr *_Nullable address, socklen_t *_Nullable length, int flags);
extern pid_t gettid(void);
