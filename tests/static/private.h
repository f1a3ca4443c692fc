/* SPDX-License-Identifier: MIT
 * The body of first.c and second.c, which say PRIVATE, COPY and EXTRA: the same names in each, private to it. */
#define EXEC_STATIC
#include "../../exec.h"
#include "shared.h"

typedef struct { EXEC_FRAME; int turns, done; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    for (; self->done < self->turns; self->done++) EXEC_YIELD;
    EXEC_RETURN(self->done + EXTRA);
    EXEC_END;
}

intptr_t PRIVATE(int turns) {
    exec ex;
    exec_handle handle;
    static EXEC_SLOT(work) slot;
    exec_opts opts = { .handle = &handle, .storage = &slot, .storage_bytes = sizeof slot };
    int status = exec_init(&ex, NULL);
    if (status == 0) status = EXEC_SPAWN(&ex, &opts, work, .turns = turns);
    if (status == 0) status = exec_run(&ex);
    if (status == 0) status = exec_destroy(&ex, EXEC_SEC(1));
    return status < 0 ? status : exec_handle_result(&handle);
}

text_of COPY(void) { return exec_strerror; }
