/* SPDX-License-Identifier: MIT
 * runs
 * expect: trap_29_escaped_local.c:[0-9]+: a local was read after an await: keep it in the frame
 * with: gcc -std=c11 -O0 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O0 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * A local whose address goes elsewhere: no compiler sees that it is read after the await, so debug builds
 * overwrite the stack between two polls. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

static void set(int *number) { *number = 7; }
static int get(const int *number) { return *number; }
static void (*volatile set_elsewhere)(int *) = set;
static int (*volatile get_elsewhere)(const int *) = get;

typedef struct { EXEC_FRAME; int number; } work;
EXEC_ASYNC(work) {
#ifdef RIGHT
    int *number = &self->number;
#else
    int local, *number = &local;
#endif
    EXEC_BEGIN;
    set_elsewhere(number);
    EXEC_ASSERT(get_elsewhere(number) == 7, "it is lost before any await");
    EXEC_YIELD;
    EXEC_ASSERT(get_elsewhere(number) == 7, "a local was read after an await: keep it in the frame");
    EXEC_END;
}
RUN_WORK;
