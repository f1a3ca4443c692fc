/* SPDX-License-Identifier: MIT
 * expect: (without a cast|incompatible integer to pointer|int-conversion)
 * with: gcc -std=c11
 * with: clang -std=c11
 * What a poll function returns is no int. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

static exec_poll leaf_poll(exec_cx *cx, exec_future *f) {
    (void)cx;
#ifdef RIGHT
    return exec_ready(f, 1);
#else
    f->result = 1;
    return 1;
#endif
}
static const exec_type leaf_type = { .poll = leaf_poll, .name = "leaf", .file = __FILE__ };

typedef struct { EXEC_FRAME; exec_future leaf; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    exec_future_init(&self->leaf, &leaf_type);
    EXEC_AWAIT(&self->leaf);
    EXEC_END;
}
RUN_WORK;
