/* SPDX-License-Identifier: MIT
 * expect: error.*EXEC_IMPLEMENTATION before any other header, or compile with -D_GNU_SOURCE
 * with: gcc -std=c11
 * with: clang -std=c11
 * In strict C11 the first system header decides what the others declare. */
#ifdef RIGHT
#define _GNU_SOURCE 1
#endif
#include <stdio.h>
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
