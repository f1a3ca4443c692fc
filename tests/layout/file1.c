/* SPDX-License-Identifier: MIT
 * One of two files that are compiled with the same options, or with different ones. */
#define EXEC_IMPLEMENTATION
#include "layout.h"

EXEC_ASYNC_DECLARE(work);

int main(void) {
    exec ex;
    static EXEC_SLOT(work) slot;
    exec_opts opts = { .storage = &slot, .storage_bytes = sizeof slot };
    int status = exec_init(&ex, NULL);
    if (status == 0) status = EXEC_SPAWN(&ex, &opts, work, .left = 2);
    if (status == 0) status = exec_run(&ex);
    if (status == 0) status = exec_destroy(&ex, EXEC_SEC(1));
    return status < 0;
}
