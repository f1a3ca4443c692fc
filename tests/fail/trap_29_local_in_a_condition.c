/* SPDX-License-Identifier: MIT
 * bare
 * expect: error.*uninitialized
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O0 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O0 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * The same in the condition of EXEC_WAIT_UNTIL, which is evaluated anew at each wake. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; int turns, enough; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
#ifdef RIGHT
    self->enough = 3;
    EXEC_WAIT_UNTIL((exec_wake(cx->task), ++self->turns) > self->enough);
#else
    int enough = self->enough + 3;
    EXEC_WAIT_UNTIL((exec_wake(cx->task), ++self->turns) > enough);
#endif
    EXEC_END;
}
RUN_WORK;
