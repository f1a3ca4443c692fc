/* SPDX-License-Identifier: MIT */
/* cc -O2 -o ticker examples/ticker.c && ./ticker
 * Timers: a tick every half second that does not drift, a limit around work that is too slow, and
 * whichever of two comes first. Ends by itself after about three seconds. */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <stdio.h>

typedef struct { EXEC_FRAME; exec_interval beat; int ticks; } ticker;
typedef struct { EXEC_FRAME; exec_sleep_op nap; int64_t ns; } work;
typedef struct { EXEC_FRAME; exec_timeout_op limit; exec_select_op first; exec_sleep_op nap; work job; } user;

EXEC_ASYNC(ticker) {
    EXEC_BEGIN;
    exec_interval_init(&self->beat, EXEC_MS(500));      /* the first tick comes at once */
    while (self->ticks < 7) {
        EXEC_TRY(exec_interval_tick(&self->beat));
        printf("tick %d, %lld us late\n", ++self->ticks,
               (long long)((exec_now(cx->exec) - self->beat.tick_ns) / 1000));
    }
    EXEC_END;
}

EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, self->ns));
    EXEC_FINALLY;                                       /* also when the limit or the select ends it */
    puts(exec_canceled(&self->fut) ? "work: given up" : "work: done");
    EXEC_END;
}

EXEC_ASYNC(user) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_timeout(&self->limit, EXEC_CALL(&self->job, work, .ns = EXEC_SEC(10)), EXEC_MS(700)));
    printf("a limit of 700 ms: %s\n", self->limit.expired ? "expired" : "kept");

    EXEC_AWAIT(exec_select(&self->first, EXEC_CALL(&self->job, work, .ns = EXEC_MS(600)),
                                         exec_sleep(&self->nap, EXEC_SEC(1))));
    printf("first of 600 ms of work and 1 s of sleep: %s\n", EXEC_RESULT(&self->first) == 0 ? "work" : "sleep");
    EXEC_END;
}

int main(int argc, char **argv) {
    exec ex;
    exec_timers timers;
    int status;
    if (argc > 1) {
        int asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        fprintf(asked ? stdout : stderr, "usage: ticker    ticks seven times in three seconds; "
                "meanwhile a timeout and a select\n");
        return asked ? 0 : 2;
    }
    if ((status = exec_init(&ex, NULL)) < 0 || (status = exec_timers_attach(&timers, &ex)) < 0) return 1;
    status = EXEC_SPAWN(&ex, NULL, ticker);
    if (status == 0) status = EXEC_SPAWN(&ex, NULL, user);
    if (status == 0) status = exec_run(&ex);
    if (status < 0) fprintf(stderr, "ticker: %s\n", exec_strerror(status));
    exec_destroy(&ex, EXEC_SEC(1));
    return status < 0;
}
