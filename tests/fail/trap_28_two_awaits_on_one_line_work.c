/* SPDX-License-Identifier: MIT
 * runs
 * expect: yielded 3 times
 * with: gcc -std=c11
 * with: gcc -std=c11 -DEXEC_LC_SWITCH=1
 * with: clang -std=c11
 * Elsewhere they are two. (The wrong form counts them and says so by an abort.) */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_YIELD; EXEC_YIELD; if (cx->task) EXEC_YIELD; else EXEC_YIELD;
    {
        exec_counters counters;
        exec_stats(cx->exec, &counters);
#ifdef RIGHT
        EXEC_ASSERT(counters.wakes == 4, "not 3 yields and one start");
#else
        EXEC_ASSERT(counters.wakes != 4, "yielded 3 times");
#endif
    }
    EXEC_END;
}
RUN_WORK;
