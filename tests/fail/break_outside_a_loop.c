/* SPDX-License-Identifier: MIT
 * runs
 * expect: break_outside_a_loop.c:[0-9]+: a break outside a loop of yours left the coroutine: use EXEC_RETURN
 * with: gcc -std=c11
 * with: gcc -std=c11 -O2 -DEXEC_LC_SWITCH=1
 * with: clang -std=c11
 * with: tcc -DEXEC_NO_THREADS=1
 * A break leaves the dispatch switch of the macros. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; int kind; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_YIELD;
#ifdef RIGHT
    if (self->kind == 0) EXEC_RETURN(0);
#else
    if (self->kind == 0) break;
#endif
    EXEC_YIELD;
    EXEC_END;
}
RUN_WORK;
