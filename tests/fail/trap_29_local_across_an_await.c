/* SPDX-License-Identifier: MIT
 * bare
 * expect: error.*uninitialized
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O0 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O0 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * A plain local does not live across an await: debug builds refuse it at once. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; int sum; } work;
EXEC_ASYNC(work) {
#ifndef RIGHT
    int sum;
#endif
    EXEC_BEGIN;
#ifdef RIGHT
    self->sum = 1;
    EXEC_YIELD;
    EXEC_RETURN(self->sum);
#else
    sum = self->sum + 1;
    EXEC_YIELD;
    EXEC_RETURN(sum);
#endif
    EXEC_END;
}
RUN_WORK;
