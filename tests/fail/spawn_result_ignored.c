/* SPDX-License-Identifier: MIT
 * expect: (warn_unused_result|unused-result)
 * with: gcc -std=c11 -O2
 * with: clang -std=c11 -O2
 * A spawn can fail, and then its arguments are still the caller's. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"

typedef struct { EXEC_FRAME; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_END;
}

int main(void) {
    exec ex;
    if (exec_init(&ex, NULL) < 0) return 1;
#ifdef RIGHT
    if (EXEC_SPAWN(&ex, NULL, work) < 0) return 1;
#else
    EXEC_SPAWN(&ex, NULL, work);
#endif
    return exec_run(&ex) < 0 || exec_destroy(&ex, EXEC_SEC(1)) < 0;
}
