// SPDX-License-Identifier: Apache-2.0
//
// How a loop is handed out: `work` holds the loop's number and how many indices are left. A
// member takes an index by lowering the count in one compare-and-swap, so whoever wakes late
// cannot take work of a loop that has ended: the loop does not end before all taken indices are
// done, and body and context stay as they are until then.

#define _GNU_SOURCE
#include "KernelTeam.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// Some tens of microseconds: longer than the gaps inside a step, shorter than a time slice.
#define SPINS 2000

#define LEFT_MASK 0xFFFFFFFFu

typedef struct {
    KernelTeam *team;
    size_t index;
    pthread_t thread;
} Member;

struct KernelTeam {
    // High half: the loop's number. Low half: indices not yet taken.
    _Alignas(64) _Atomic uint64_t work;
    // Changes with every loop; what members sleep on.
    _Alignas(64) _Atomic uint32_t bell;
    _Atomic uint32_t asleep;
    _Alignas(64) _Atomic uint32_t done;
    _Atomic uint32_t caller_asleep;
    _Atomic bool stopping;
    _Alignas(64) KernelTeamBody body;
    void *context;
    uint32_t count;
    size_t members;
    Member *others;
};

static void sleep_on(_Atomic uint32_t *word, uint32_t seen) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Takes indices until there are none.
static void take_part(KernelTeam *team, size_t member) {
    uint64_t seen = atomic_load_explicit(&team->work, memory_order_acquire);
    while ((seen & LEFT_MASK) != 0) {
        if (!atomic_compare_exchange_weak_explicit(&team->work, &seen, seen - 1,
                                                   memory_order_acquire, memory_order_acquire)) {
            continue;
        }
        uint32_t count = team->count;
        team->body(team->context, count - (seen & LEFT_MASK), member);
        uint32_t done = atomic_fetch_add(&team->done, 1) + 1;
        if (done == count && atomic_load(&team->caller_asleep)) wake(&team->done, 1);
        seen = atomic_load_explicit(&team->work, memory_order_acquire);
    }
}

static void *member_main(void *argument) {
    Member *member = argument;
    KernelTeam *team = member->team;
    uint32_t heard = 0;
    while (true) {
        uint32_t bell = atomic_load_explicit(&team->bell, memory_order_acquire);
        for (int spin = 0; bell == heard && spin < SPINS; spin++) {
            pause_briefly();
            bell = atomic_load_explicit(&team->bell, memory_order_acquire);
        }
        while (bell == heard) {
            atomic_fetch_add(&team->asleep, 1);
            sleep_on(&team->bell, heard);
            atomic_fetch_sub(&team->asleep, 1);
            bell = atomic_load(&team->bell);
        }
        heard = bell;
        if (atomic_load(&team->stopping)) return NULL;
        take_part(team, member->index);
    }
}

static void ring(KernelTeam *team) {
    atomic_fetch_add(&team->bell, 1);
    if (atomic_load(&team->asleep) > 0) wake(&team->bell, INT_MAX);
}

bool kernel_stay_on(int processor) {
    if (processor < 0 || processor >= CPU_SETSIZE) return false;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

size_t kernel_processors(int *processors, size_t capacity) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    size_t count = 0;
    for (int processor = 0; processor < CPU_SETSIZE; processor++) {
        if (!CPU_ISSET(processor, &set)) continue;
        if (count < capacity) processors[count] = processor;
        count++;
    }
    return count;
}

// A thread that starts on its processor has its stack near it as well.
static int start(Member *member, const int *processor) {
    if (processor == NULL) return pthread_create(&member->thread, NULL, member_main, member);
    if (*processor < 0 || *processor >= CPU_SETSIZE) return EINVAL;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(*processor, &set);
    pthread_attr_t attributes;
    int status = pthread_attr_init(&attributes);
    if (status != 0) return status;
    status = pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    if (status == 0) status = pthread_create(&member->thread, &attributes, member_main, member);
    pthread_attr_destroy(&attributes);
    return status;
}

KernelTeam *kernel_team_create(size_t members, const int *processors) {
    if (members < 1 || members > 1024) return NULL;
    KernelTeam *team = aligned_alloc(64, (sizeof(KernelTeam) + 63) / 64 * 64);
    if (team == NULL) return NULL;
    *team = (KernelTeam){.members = 1};
    team->others = calloc(members, sizeof(Member));
    if (team->others == NULL) {
        free(team);
        return NULL;
    }
    for (size_t i = 1; i < members; i++) {
        Member *member = &team->others[i - 1];
        *member = (Member){.team = team, .index = i};
        if (start(member, processors == NULL ? NULL : &processors[i]) != 0) {
            kernel_team_destroy(team);
            return NULL;
        }
        team->members++;
    }
    return team;
}

void kernel_team_destroy(KernelTeam *team) {
    atomic_store(&team->stopping, true);
    ring(team);
    for (size_t i = 1; i < team->members; i++) pthread_join(team->others[i - 1].thread, NULL);
    free(team->others);
    free(team);
}

void kernel_team_run(KernelTeam *team, size_t count, KernelTeamBody body, void *context) {
    if (count == 0) return;
    if (count == 1 || team->members == 1) {
        for (size_t i = 0; i < count; i++) body(context, i, 0);
        return;
    }
    team->body = body;
    team->context = context;
    team->count = (uint32_t)count;
    atomic_store_explicit(&team->done, 0, memory_order_relaxed);
    uint64_t loop = (atomic_load_explicit(&team->work, memory_order_relaxed) >> 32) + 1;
    atomic_store_explicit(&team->work, loop << 32 | (uint32_t)count, memory_order_release);
    ring(team);
    take_part(team, 0);
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&team->done, memory_order_acquire) == count) return;
        pause_briefly();
    }
    atomic_store(&team->caller_asleep, 1);
    uint32_t done = atomic_load(&team->done);
    while (done != count) {
        sleep_on(&team->done, done);
        done = atomic_load(&team->done);
    }
    atomic_store(&team->caller_asleep, 0);
}

// A Swift closure that does not escape, as Swift hands it over: its function and its context.
typedef __attribute__((swiftcall)) void (*ClosureFunction)(
    size_t index, size_t member, __attribute__((swift_context)) void *context);

typedef struct {
    ClosureFunction function;
    void *context;
} Closure;

static void call_closure(void *context, size_t index, size_t member) {
    const Closure *closure = context;
    closure->function(index, member, closure->context);
}

// Declared in Swift alone, with a closure as its last parameter: C has no type for one, and any
// other way to hand it to C puts it on the heap.
__attribute__((swiftcall)) void kernel_team_run_closure(KernelTeam *team, size_t count,
                                                        ClosureFunction function, void *context) {
    Closure closure = {.function = function, .context = context};
    kernel_team_run(team, count, call_closure, &closure);
}
