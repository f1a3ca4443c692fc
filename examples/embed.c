/* SPDX-License-Identifier: MIT */
/* cc -O2 -o embed examples/embed.c && ./embed
 * The executor as a guest: a program with a poll(2) loop of its own, which waits for its stdin, watches what
 * the executor names beside it. A server tells who connects how much came from stdin; a task ticks. Ends
 * at the end of stdin. */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <stdio.h>

static size_t bytes_seen;                                   /* the host's: it and the tasks share a thread */

typedef struct { EXEC_FRAME; exec_sleep_op nap; } ticker;
typedef struct { EXEC_FRAME; int listener, fd; exec_io io; char text[64]; } server;

EXEC_ASYNC(ticker) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(500)));
        printf("tick: %zu bytes\n", bytes_seen);
    }
    EXEC_END;
}

EXEC_ASYNC(server) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_accept(&self->io, self->listener));
        snprintf(self->text, sizeof self->text, "%zu bytes\n", bytes_seen);
        self->fd = (int)EXEC_RESULT(&self->io);
        EXEC_AWAIT(exec_write_all(&self->io, self->fd, self->text, strlen(self->text)));
        exec_close_fd(cx->exec, self->fd);
    }
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->listener);
    EXEC_END;
}

/* The host's loop. Its own descriptor is the first; behind it the executor's, one or, on
   EXEC_BACKEND_POLL, one for each that a task waits for and one that wakes: here three at most. */
static intptr_t host_loop(exec *ex) {
    char buf[256];
    for (;;) {
        struct pollfd fds[8] = { { 0, POLLIN, 0 } };
        int64_t wait = exec_prepare(ex);
        int n = exec_poll_fds(ex, fds + 1, 7);              /* more than 7: allocate more */
        int ms = wait < EXEC_SEC(1000) ? (int)((wait + EXEC_MS(1) - 1) / EXEC_MS(1)) : 1000000; /* rounded up */
        if (wait < 0 || n < 0) return wait < 0 ? (intptr_t)wait : n;
        if (poll(fds, (nfds_t)n + 1, ms) < 0 && errno != EINTR) return -errno;
        if (fds[0].revents) {
            ssize_t got = read(0, buf, sizeof buf);
            if (got <= 0) return 0;
            bytes_seen += (size_t)got;
        }
        if ((n = exec_turn(ex)) < 0) return n;
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    char address[EXEC_ADDRESS_BYTES];
    intptr_t fd, status;
    exec ex;
    exec_net net;
    if (argc > 1) {
        int asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        fprintf(asked ? stdout : stderr, "usage: embed    tells how many bytes came from stdin, each half second and "
                "to who connects\n");
        return asked ? 0 : 2;
    }
    if ((status = exec_init(&ex, NULL)) < 0 || (status = exec_net_attach(&net, &ex, NULL)) < 0) return 1;
    fd = exec_listen(&ex, "127.0.0.1:0", NULL);             /* a free port */
    status = fd < 0 ? fd : exec_local_address((int)fd, address, sizeof address);
    if (status == 0) printf("listening on %s\n", address);
    if (status == 0) status = EXEC_SPAWN(&ex, NULL, server, .listener = (int)fd);
    if (status == 0) status = EXEC_SPAWN(&ex, NULL, ticker);
    if (status == 0) status = host_loop(&ex);
    if (status < 0) fprintf(stderr, "embed: %s\n", exec_strerror(status));
    else printf("%zu bytes in all\n", bytes_seen);
    exec_destroy(&ex, EXEC_SEC(1));
    return status < 0;
}
