/* SPDX-License-Identifier: MIT
 * usage: idle MILLISECONDS
 * One task sleeps on an executor with timers and reactor, and says when it began and when it woke. What
 * lies between is what an idle executor does: strace shows it. */
#define EXEC_IMPLEMENTATION
#include "../../exec_net.h"
#include <stdlib.h>

typedef struct { EXEC_FRAME; exec_sleep_op nap; int64_t ms; } sleeper;

static int say(const char *text) { return write(1, text, strlen(text)) == (ssize_t)strlen(text); }

EXEC_ASYNC(sleeper) {
    EXEC_BEGIN;
    if (!say("idle begins\n")) EXEC_RETURN(-EIO);
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(self->ms)));
    if (!say("idle ends\n")) EXEC_RETURN(-EIO);
    EXEC_END;
}

int main(int argc, char **argv) {
    exec ex;
    exec_net net;
    if (argc != 2 || exec_init(&ex, NULL) < 0 || exec_net_attach(&net, &ex, NULL) < 0) return 1;
    if (EXEC_SPAWN(&ex, NULL, sleeper, .ms = atoi(argv[1])) < 0 || exec_run(&ex) < 0) return 1;
    return exec_destroy(&ex, EXEC_SEC(1)) < 0;
}
