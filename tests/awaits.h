/* SPDX-License-Identifier: MIT
 * An op as a task: start it, look at it, abort it. After reactor.h. */
#ifndef AWAITS_H
#define AWAITS_H

typedef struct { EXEC_FRAME; exec_future *op; } awaits;
EXEC_ASYNC(awaits) {
    EXEC_BEGIN;
    EXEC_TRY(self->op);
    EXEC_RETURN(self->op->result);
    EXEC_END;
}
static inline void start(exec_handle *h, exec_future *op) {
    exec_opts opts = test_opts_handle(h);
    memset(h, 0, sizeof *h);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, awaits, .op = op), 0);
}
static exec_handle_op joining;
static inline intptr_t join(exec_handle *h) { return run(exec_handle_join(&joining, h)); }

static inline void close_pair(const int pair[2]) {
    assert_int_equal(exec_close_fd(&ex, pair[0]), 0);
    assert_int_equal(exec_close_fd(&ex, pair[1]), 0);
}
#endif
