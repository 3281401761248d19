// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define HOST_AUDIT AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define HOST_AUDIT AUDIT_ARCH_AARCH64
#else
#error "the system call filter knows x86_64 and aarch64"
#endif

int burrow_isolation_await(pid_t child, int milliseconds, int *status) {
    if (milliseconds > 0) {
        int handle = (int)syscall(SYS_pidfd_open, child, 0);
        if (handle >= 0) {
            struct pollfd end = {.fd = handle, .events = POLLIN};
            poll(&end, 1, milliseconds);
            close(handle);
        }
    }
    return waitpid(child, status, WNOHANG) == child;
}

static void *watch(void *unused) {
    (void)unused;
    struct pollfd channel = {.fd = BURROW_ISOLATION_CHANNEL, .events = POLLRDHUP};
    for (;;) {
        int count = poll(&channel, 1, -1);
        if (count < 0 && errno == EINTR) continue;
        _exit(0);
    }
}

int burrow_isolation_attach(void) {
    if (syscall(SYS_close_range, BURROW_ISOLATION_CHANNEL + 1, ~0U, 0) != 0) {
        for (int file = BURROW_ISOLATION_CHANNEL + 1; file < 65536; file++) close(file);
    }
    // A death signal would come when the thread that started this process ends, not the host.
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error) return error;
    pthread_t thread;
    error = pthread_attr_setstacksize(&attributes, 512 << 10);
    if (!error) error = pthread_create(&thread, &attributes, watch, NULL);
    if (!error) error = pthread_detach(thread);
    pthread_attr_destroy(&attributes);
    return error;
}

static int limit_memory(uint64_t memory) {
    unsigned long long pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return errno;
    int found = fscanf(file, "%llu", &pages);
    fclose(file);
    if (found != 1) return EIO;
    rlim_t limit = pages * (uint64_t)sysconf(_SC_PAGESIZE) + memory;
    struct rlimit space = {limit, limit}, core = {0, 0};
    if (setrlimit(RLIMIT_AS, &space) != 0 || setrlimit(RLIMIT_CORE, &core) != 0) return errno;
    return 0;
}

#define DENY(number) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES)

static int filter_calls(void) {
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HOST_AUDIT, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#if defined(__x86_64__)
        // The numbers of the x32 interface, which would go round the list.
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
#endif
        DENY(SYS_socket),
        DENY(SYS_io_uring_setup),
        DENY(SYS_execve),
        DENY(SYS_execveat),
        DENY(SYS_kill),
        DENY(SYS_ptrace),
        DENY(SYS_process_vm_writev),
        DENY(SYS_pidfd_getfd),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : errno;
}

int burrow_isolation_confine(uint64_t memory) {
    int error = limit_memory(memory);
    return error ? error : filter_calls();
}

int64_t burrow_isolation_processor_time(void) {
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}
