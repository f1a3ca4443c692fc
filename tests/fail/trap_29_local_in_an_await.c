/* SPDX-License-Identifier: MIT
 * bare
 * expect: error.*uninitialized
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O0 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O0 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * The same of a local that only an await's macro reads, here a future that was prepared before. (To gcc that is a
 * place in the header.) The header alone makes it an error. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; } child;
EXEC_ASYNC(child) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_END;
}

typedef struct { EXEC_FRAME; child child; } work;
EXEC_ASYNC(work) {
#ifndef RIGHT
    exec_future *later;
#endif
    EXEC_BEGIN;
#ifdef RIGHT
    EXEC_YIELD;
    EXEC_AWAIT(EXEC_CALL(&self->child, child));
#else
    later = EXEC_CALL(&self->child, child);
    EXEC_YIELD;
    EXEC_AWAIT(later);
#endif
    EXEC_END;
}
RUN_WORK;
