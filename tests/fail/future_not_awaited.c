/* SPDX-License-Identifier: MIT
 * expect: (warn_unused_result|unused-result)
 * with: gcc -std=c11 -O2
 * with: clang -std=c11 -O2
 * Preparing an op does nothing: a future that is not awaited is a mistake. */
#define EXEC_IMPLEMENTATION
#include "../../exec_timer.h"

typedef struct { EXEC_FRAME; exec_sleep_op nap; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
#ifdef RIGHT
    EXEC_AWAIT(exec_sleep(&self->nap, EXEC_MS(1)));
#else
    exec_sleep(&self->nap, EXEC_MS(1));
#endif
    EXEC_END;
}

int main(void) {
    exec ex;
    if (exec_init(&ex, NULL) < 0 || EXEC_SPAWN(&ex, NULL, work) < 0) return 1;
    return exec_run(&ex) < 0 || exec_destroy(&ex, EXEC_SEC(1)) < 0;
}
