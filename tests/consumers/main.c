/* SPDX-License-Identifier: MIT
 * Exits with 0 when the installed headers are there and work. */
#define EXEC_IMPLEMENTATION
#include <exec.h>
#include <exec_timer.h>
#include <exec_net.h>
#include <stdio.h>

typedef struct { EXEC_FRAME; exec_sleep_op nap; int *woke; } sleeper;

EXEC_ASYNC(sleeper) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(2)));
    *self->woke = 1;
    EXEC_END;
}

int main(void) {
    exec ex;
    exec_net net;
    int woke = 0;
    if (exec_init(&ex, NULL) < 0 || exec_net_attach(&net, &ex, NULL) < 0) return 1;
    if (EXEC_SPAWN(&ex, NULL, sleeper, .woke = &woke) < 0 || exec_run(&ex) < 0) return 1;
    if (exec_destroy(&ex, EXEC_SEC(1)) < 0 || !woke) return 1;
    printf("exec %s\n", EXEC_VERSION_STRING);
    return 0;
}
