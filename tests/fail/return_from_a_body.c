/* SPDX-License-Identifier: MIT
 * runs
 * expect: return_from_a_body.c:17: a poll returned without exec_pending or exec_ready: leave a coroutine by EXEC_RETURN
 * with: gcc -std=c11 -O0 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O0 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1
 * with: tcc -DEXEC_NO_THREADS=1 -DEXEC_DEBUG=1
 * A return leaves a coroutine without its EXEC_FINALLY, and NULL says that it is ready: debug builds refuse it. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; int done; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_YIELD;
#ifdef RIGHT
    EXEC_RETURN(0);
#else
    if (!self->done) return 0;
#endif
    EXEC_END;
}
RUN_WORK;
