/* SPDX-License-Identifier: MIT
 * LD_PRELOAD: counts the heap calls of a program between SIGUSR1 and SIGUSR2, then prints
 * "heap calls: N" to its stderr. glibc only (its names behind malloc).
 *     gcc -shared -fPIC -o interpose.so tests/steady/interpose_malloc.c */
#define _GNU_SOURCE 1
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *memory);

static volatile unsigned long calls;

static void count(void) { __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED); }

void *malloc(size_t bytes) { count(); return __libc_malloc(bytes); }
void *calloc(size_t n, size_t bytes) { count(); return __libc_calloc(n, bytes); }
void *realloc(void *old, size_t bytes) { count(); return __libc_realloc(old, bytes); }
void *memalign(size_t align, size_t bytes) { count(); return __libc_memalign(align, bytes); }
void *aligned_alloc(size_t align, size_t bytes) { count(); return __libc_memalign(align, bytes); }
void free(void *memory) { count(); __libc_free(memory); }
int posix_memalign(void **out, size_t align, size_t bytes) {
    count();
    *out = __libc_memalign(align, bytes);
    return *out ? 0 : ENOMEM;
}

static void start(int signal) {
    (void)signal;
    calls = 0;
}

static void stop(int signal) {
    char text[32] = "heap calls: ", digits[24];
    size_t n = strlen(text), d = 0;
    unsigned long rest = calls;
    (void)signal;
    do { digits[d++] = (char)('0' + rest % 10); } while (rest /= 10);
    while (d && n < sizeof text - 1) text[n++] = digits[--d];
    text[n++] = '\n';
    if (write(2, text, n) < 0) return;
}

__attribute__((constructor)) static void install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_flags = SA_RESTART;
    action.sa_handler = start;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = stop;
    sigaction(SIGUSR2, &action, NULL);
}
