/* SPDX-License-Identifier: MIT
 * Runs one task of the coroutine `work`, which each file defines. */
#define RUN_WORK \
    int main(void) { \
        exec ex; \
        static EXEC_SLOT(work) slot; \
        exec_opts opts = { .storage = &slot, .storage_bytes = sizeof slot }; \
        int status = exec_init(&ex, NULL); \
        if (status == 0) status = EXEC_SPAWN(&ex, &opts, work); \
        if (status == 0) status = exec_run(&ex); \
        if (status == 0) status = exec_destroy(&ex, EXEC_SEC(1)); \
        return status < 0; \
    } \
    extern int exec_fail_end
