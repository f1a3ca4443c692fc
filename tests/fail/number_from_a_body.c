/* SPDX-License-Identifier: MIT
 * runs
 * expect: number_from_a_body.c:14: a poll returned without exec_pending or exec_ready: leave a coroutine by EXEC_RETURN
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O0 -DEXEC_DEBUG=1
 * A number says neither that it pends nor that it is ready: debug builds refuse it. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; } child;
EXEC_ASYNC(child) {
    EXEC_BEGIN;
    EXEC_YIELD;
#ifdef RIGHT
    EXEC_RETURN(-1);
#else
    if (cx) return (exec_poll)-1;
#endif
    EXEC_END;
}

typedef struct { EXEC_FRAME; child child; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_AWAIT(EXEC_CALL(&self->child, child));
    EXEC_END;
}
RUN_WORK;
