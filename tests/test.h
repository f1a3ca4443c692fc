/* SPDX-License-Identifier: MIT
 * What each test program begins with: the header under test, then cmocka.
 *     #define TEST_HEADER "../exec_timer.h"      (default "../exec.h")
 *     #include "test.h"
 * A test's name says the behaviour. Random tests print their seed and take it from EXEC_TEST_SEED. */
#ifndef TEST_H
#define TEST_H

#ifndef EXEC_STATIC
#define EXEC_IMPLEMENTATION
#endif
#ifndef TEST_HEADER
#define TEST_HEADER "../exec.h"
#endif
#include TEST_HEADER

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "emulated.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Where the tests' tasks live: on the heap, or where there is none, in a pool of large slots. */
#if EXEC_NO_MALLOC
typedef struct { exec_task task; union { long long align; unsigned char bytes[6000]; } frame; } test_slot;
static inline const exec_opts *test_opts(void) {
    static test_slot slots[256];
    static exec_pool pool;
    static exec_opts opts;
    if (!opts.pool && exec_pool_init(&pool, slots, sizeof slots, sizeof *slots) == 0) opts.pool = &pool;
    return &opts;
}
#else
static inline const exec_opts *test_opts(void) { return NULL; }
#endif
/* The same with a handle. */
static inline exec_opts test_opts_handle(exec_handle *handle) {
    exec_opts opts;
    memset(&opts, 0, sizeof opts);
    if (test_opts()) opts = *test_opts();
    opts.handle = handle;
    return opts;
}

/* n, or less where EXEC_TEST_ROUNDS says so: under a slow emulator. */
static inline int test_rounds(int n) {
    const char *text = getenv("EXEC_TEST_ROUNDS");
    int most = text ? atoi(text) : n;
    return most < n ? most : n;
}

/* xorshift64*: the same sequence on every machine. */
static uint64_t test_random_state;
static inline uint64_t test_random(void) {
    test_random_state ^= test_random_state >> 12;
    test_random_state ^= test_random_state << 25;
    test_random_state ^= test_random_state >> 27;
    return test_random_state * 0x2545F4914F6CDD1DULL;
}
/* 0 .. n-1 */
static inline unsigned test_below(unsigned n) { return (unsigned)(test_random() >> 33) % n; }
static inline uint64_t test_seed(uint64_t seed) {
    const char *text = getenv("EXEC_TEST_SEED");
    if (text) seed = strtoull(text, NULL, 0);
    test_random_state = seed ? seed : 1;
    printf("seed %llu\n", (unsigned long long)seed);
    return seed;
}
#endif
