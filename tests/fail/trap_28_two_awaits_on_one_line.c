/* SPDX-License-Identifier: MIT
 * expect: duplicate case
 * with: clang -std=c11 -DEXEC_LC_SWITCH=1
 * In the ISO form without a counter two awaits on one line are an error, never a collision. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
#ifdef RIGHT
    EXEC_YIELD;
    EXEC_YIELD;
#else
    EXEC_YIELD; EXEC_YIELD;
#endif
    EXEC_END;
}
RUN_WORK;
