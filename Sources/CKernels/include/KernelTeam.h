// SPDX-License-Identifier: Apache-2.0
//
// A team of threads that runs short loops together. The caller takes part. Between loops the
// others spin for a moment and then sleep; an idle team uses no processor.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct KernelTeam KernelTeam;
// Called once for each index in [0, count), on any member; `member` < the team's size.
typedef void (*KernelTeamBody)(void *context, size_t index, size_t member);

// NULL if a thread could not be started. `members` counts the caller, 1 to 1024. With `processors`,
// one for each member, each other member stays on its own; the caller sees to itself.
KernelTeam *kernel_team_create(size_t members, const int *processors);
// Stops and joins the threads; not while a loop runs.
void kernel_team_destroy(KernelTeam *team);
// Returns when every index is done. One caller at a time; `count` < 2^31.
void kernel_team_run(KernelTeam *team, size_t count, KernelTeamBody body, void *context);

// Keeps the calling thread on one processor; false if it may not run there.
bool kernel_stay_on(int processor);
// The processors that the calling thread may run on, in order; how many there are, of which at most
// `capacity` are written.
size_t kernel_processors(int *processors, size_t capacity);
