/* SPDX-License-Identifier: MIT
 * The ticker whose bytes tools/size counts: two of them, as in README.md, that write their names. No
 * stdio; the exit status says whether all went well. */
#define EXEC_IMPLEMENTATION
#include "../../exec_timer.h"
#include <unistd.h>

typedef struct { EXEC_FRAME; const char *name; int64_t every; int n; exec_sleep_op nap; } ticker;

#if EXEC_NO_MALLOC
static EXEC_SLOT(ticker) slots[2];
static const exec_opts of_slow = { .storage = &slots[0], .storage_bytes = sizeof slots[0] };
static const exec_opts of_fast = { .storage = &slots[1], .storage_bytes = sizeof slots[1] };
#define OF_SLOW &of_slow
#define OF_FAST &of_fast
#else
#define OF_SLOW NULL
#define OF_FAST NULL
#endif

EXEC_ASYNC(ticker) {
    EXEC_BEGIN;
    for (self->n = 0; self->n < 3; self->n++) {
        EXEC_TRY(exec_sleep(&self->nap, self->every));
        if (write(1, self->name, 5) != 5) EXEC_RETURN(-EIO);
    }
    EXEC_END;
}

static exec ex;
static exec_timers timers;

int main(void) {
    if (exec_init(&ex, NULL) < 0 || exec_timers_attach(&timers, &ex) < 0) return 1;
    if (EXEC_SPAWN(&ex, OF_SLOW, ticker, .name = "slow\n", .every = EXEC_MS(500)) < 0) return 1;
    if (EXEC_SPAWN(&ex, OF_FAST, ticker, .name = "fast\n", .every = EXEC_MS(200)) < 0) return 1;
    return exec_run(&ex) < 0;
}
