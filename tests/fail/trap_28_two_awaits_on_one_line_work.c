/* SPDX-License-Identifier: MIT
 * runs
 * expect: yielded 3 times
 * with: gcc -std=c11
 * with: gcc -std=c11 -DEXEC_LC_SWITCH=1
 * with: clang -std=c11
 * Elsewhere they are two. (The wrong form counts them and says so by an abort.) */
static int polled;
#define EXEC_TRACE_POLL(task) (polled++)
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_YIELD; EXEC_YIELD; if (cx->task) EXEC_YIELD; else EXEC_YIELD;
#ifdef RIGHT
    EXEC_ASSERT(polled == 4, "not 3 yields");
#else
    EXEC_ASSERT(polled != 4, "yielded 3 times");
#endif
    EXEC_END;
}
RUN_WORK;
