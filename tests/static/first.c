/* SPDX-License-Identifier: MIT
 * Everything private to this file. */
#define EXEC_STATIC
#include "../../exec.h"
#include "shared.h"

typedef struct { EXEC_FRAME; int turns, done; } work;      /* the same name in each file */
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    for (; self->done < self->turns; self->done++) EXEC_YIELD;
    EXEC_RETURN(self->done);
    EXEC_END;
}

intptr_t first_private(int turns) {
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

text_of first_copy(void) { return exec_strerror; }
