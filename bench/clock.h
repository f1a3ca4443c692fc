/* SPDX-License-Identifier: MIT
 * A clock that the driver moves: its own clock_gettime stands before that of libc, for every library that it is
 * linked with. Without it, expiry could only be timed by waiting for ten seconds. That the library believes in it
 * shows in the number of timers that expire (timers.h). Included first. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <stdint.h>
#include <time.h>

static int (*clock_of_libc)(clockid_t, struct timespec *);
static int64_t clock_ns;        /* 0: the real one */

__attribute__((constructor)) static void clock_find(void) {
    void *found = dlsym(RTLD_NEXT, "clock_gettime");
    __builtin_memcpy(&clock_of_libc, &found, sizeof found);
}

#ifdef __cplusplus
extern "C"
#endif
__attribute__((visibility("default"), used)) int clock_gettime(clockid_t id, struct timespec *out)
#ifdef __cplusplus
noexcept
#endif
{
    if (!clock_of_libc) clock_find();
    if (!clock_ns) return clock_of_libc(id, out);
    out->tv_sec = (time_t)(clock_ns / 1000000000);
    out->tv_nsec = (long)(clock_ns % 1000000000);
    return 0;
}
#define BENCH_CLOCK clock_of_libc

#endif
