/* SPDX-License-Identifier: MIT
 * expect: EXEC_NO_THREADS=1
 * with: tcc
 * tcc has no atomics: the header says what to do. */
#ifdef RIGHT
#define EXEC_NO_THREADS 1
#endif
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_END;
}
RUN_WORK;
