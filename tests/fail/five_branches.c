/* SPDX-License-Identifier: MIT
 * expect: exec_select takes up to 4 branches: use exec_select_n
 * with: gcc -std=c11
 * with: clang -std=c11
 * exec_select and exec_join take up to four branches: more are exec_select_n. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; int done; } child;
EXEC_ASYNC(child) {
    EXEC_BEGIN;
    self->done = 1;
    EXEC_END;
}

typedef struct { EXEC_FRAME; exec_select_op select; child child[5]; exec_strand strands[5]; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
#ifdef RIGHT
    {
        exec_future *futures[5];
        for (int i = 0; i < 5; i++) futures[i] = EXEC_CALL(&self->child[i], child);
        EXEC_AWAIT(exec_select_n(&self->select, self->strands, futures, 5));
    }
#else
    EXEC_AWAIT(exec_select(&self->select, EXEC_CALL(&self->child[0], child),
                           EXEC_CALL(&self->child[1], child), EXEC_CALL(&self->child[2], child),
                           EXEC_CALL(&self->child[3], child), EXEC_CALL(&self->child[4], child)));
#endif
    EXEC_END;
}
RUN_WORK;
