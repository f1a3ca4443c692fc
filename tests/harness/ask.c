/* SPDX-License-Identifier: MIT
 * What a user of exec_harness.h writes for coroutines of their own, from its comment alone: a question over a
 * socket, asked again when no answer comes, with a child coroutine, a task beside it, and cleanups.
 *     cc -I. -Itests -DHARNESS_HEADER='"exec_net.h"' -o ask tests/harness/ask.c && ./ask
 * With -DFORGETS=1 to 3 it has a fault of the kind that the harness is there for, and must fail. */
#include "exec_harness.h"

#ifndef FORGETS
#define FORGETS 0
#endif

/* ------------------------------------------------------------------------ the user's coroutines */

/* Writes a question and reads its answer, a line of 8 bytes each. */
typedef struct {
    EXEC_FRAME; harness_mark mark, *outer; int fd; const char *question; char answer[8]; exec_io io;
} turn;
EXEC_ASYNC(turn) {
    EXEC_BEGIN;
    harness_began(&self->mark, self->outer);
    EXEC_TRY(exec_write_all(&self->io, self->fd, self->question, 8));
#if FORGETS != 1
    EXEC_TRY(exec_read_exact(&self->io, self->fd, self->answer, 8));
#else
    EXEC_TRY(exec_read(&self->io, self->fd, self->answer, 8));      /* which may be less */
#endif
    EXEC_RETURN(EXEC_RESULT(&self->io));
    EXEC_FINALLY;
    harness_ended(&self->mark);
    EXEC_END;
}

/* Owns the socket. Asks up to three times; takes leave in its cleanup, as far as the peer takes it in 1 s. */
typedef struct {
    EXEC_FRAME; harness_mark mark; int fd, tries; turn turn; exec_future *asked; exec_timeout_op limit; exec_io io;
} asker;
EXEC_ASYNC(asker) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    for (self->tries = 1; self->tries <= 3; self->tries++) {
        self->asked = EXEC_CALL(&self->turn, turn, .outer = &self->mark, .fd = self->fd, .question = "how many");
        EXEC_AWAIT(exec_timeout(&self->limit, self->asked, EXEC_MS(20)));
        if (!self->limit.expired) EXEC_RETURN(EXEC_RESULT(&self->limit));
    }
    EXEC_RETURN(-ETIMEDOUT);
    EXEC_FINALLY;
#if FORGETS != 2
    EXEC_AWAIT(exec_timeout(&self->limit, exec_write_all(&self->io, self->fd, "goodbye!", 8), EXEC_SEC(1)));
#else
    EXEC_TRY(exec_write_all(&self->io, self->fd, "goodbye!", 8));
    if (EXEC_RESULT(&self->io) < 0) EXEC_RETURN(EXEC_RESULT(&self->io));    /* and the socket stays open */
#endif
    harness_ended(&self->mark);
    exec_close_fd(cx->exec, self->fd);
    EXEC_END;
}

/* ------------------------------------------------------------------------------- the scenario */

/* The other end, by calls of its own: leaves the first question without an answer. */
typedef struct { EXEC_FRAME; int fd, heard; exec_sleep_op nap; } oracle;
EXEC_ASYNC(oracle) {
    EXEC_BEGIN;
    for (;;) {
        char buf[8];
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(5)));
        while (recv(self->fd, buf, sizeof buf, MSG_DONTWAIT) == 8)
            if (memcmp(buf, "how many", 8) == 0 && ++self->heard == 2 && send(self->fd, "seven...", 8, 0) != 8) abort();
    }
    EXEC_END;
}

static void ask(harness *h) {
    static asker frame;
    int ends[2];
    if (harness_open(h) < 0) return;
    if (exec_socket_pair(&h->ex, ends, 0) == 0) {
        if (EXEC_SPAWN(&h->ex, harness_opts(), oracle, .fd = ends[1]) == 0) {
            harness_drive(h, EXEC_CALL(&frame, asker, .fd = ends[0]));
            HARNESS_CHECK(h, h->done || (h->result == 8 && memcmp(frame.turn.answer, "seven...", 8) == 0));
            HARNESS_CHECK(h, h->result < 0 || h->result == 8);
        } else {
            exec_close_fd(&h->ex, ends[0]);
        }
#if FORGETS != 3
        exec_close_fd(&h->ex, ends[1]);
#endif
    }
    harness_close(h);
}

static const harness_scenario scenarios[] = { { "ask", ask } };
int main(void) { return harness_main(scenarios, 1); }
