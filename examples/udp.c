/* SPDX-License-Identifier: MIT */
/* cc -O2 -o udp examples/udp.c && ./udp [ADDRESS]
 * Datagrams, which may be lost: a server that sends each one back; -c: a client that asks up to five times until the
 * answer comes, or the system says that nobody listens there. Try it with
 *     ./udp & sleep 1; ./udp -c 127.0.0.1:7777 hello; kill $! */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <stdio.h>

typedef struct { EXEC_FRAME; int fd; exec_datagram_op op; EXEC_SCRATCH; char buf[2048]; } echo;

EXEC_ASYNC(echo, scratch) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_recv_from(&self->op, self->fd, self->buf, sizeof self->buf));
        if (self->op.truncated) continue;                   /* too long for us: no answer */
        EXEC_AWAIT(exec_send_to(&self->op, self->fd, self->buf, (size_t)EXEC_RESULT(&self->op), &self->op.address));
    }
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->fd);
    EXEC_END;
}

typedef struct {
    EXEC_FRAME;
    int fd, tries;
    const char *text;
    exec_datagram_op op;
    exec_timeout_op limit;
    char buf[2048];
} ask;

EXEC_ASYNC(ask) {
    EXEC_BEGIN;
    for (self->tries = 1; self->tries <= 5; self->tries++) {
        EXEC_TRY(exec_send_to(&self->op, self->fd, self->text, strlen(self->text), NULL));
        EXEC_AWAIT(exec_timeout(&self->limit, exec_recv_from(&self->op, self->fd, self->buf, sizeof self->buf),
                                EXEC_MS(200) << self->tries));
        if (self->limit.expired) continue;                  /* lost on either way: again, and wait longer */
        if (EXEC_RESULT(&self->op) >= 0) printf("%.*s\n", (int)EXEC_RESULT(&self->op), self->buf);
        EXEC_RETURN(EXEC_RESULT(&self->op) < 0 ? EXEC_RESULT(&self->op) : 0);
    }
    EXEC_RETURN(-ETIMEDOUT);
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->fd);
    EXEC_END;
}

static int fail(const char *what, intptr_t error) {
    fprintf(stderr, "udp: %s: %s\n", what, exec_strerror(error));
    return 1;
}

int main(int argc, char **argv) {
    int client = argc > 1 && strcmp(argv[1], "-c") == 0, fd, status;
    const char *address = argc > 1 + client ? argv[1 + client] : "127.0.0.1:7777";
    char text[EXEC_ADDRESS_BYTES];
    ask question;
    exec ex;
    exec_net net;
    if (argc > 2 + 2 * client || *address == '-') {
        int asked = argc == 2 && (strcmp(address, "--help") == 0 || strcmp(address, "-h") == 0);
        fprintf(asked ? stdout : stderr, "usage: udp [ADDRESS]            answers; 127.0.0.1:7777 is the default, port "
                "0 a free one\n       udp -c [ADDRESS [TEXT]]  asks there, five times at most, or until refused\n");
        return asked ? 0 : 2;
    }
    if ((status = exec_init(&ex, NULL)) < 0) return fail("executor", status);
    if ((status = exec_net_attach(&net, &ex, NULL)) < 0) return fail("reactor", status);
    if ((fd = exec_datagram(&ex, client ? NULL : address, client ? address : NULL, NULL)) < 0) return fail(address, fd);
    if (client) {
        exec_future *f = EXEC_CALL(&question, ask, .fd = fd, .text = argc > 3 ? argv[3] : "hello");
        if ((status = exec_run_until(&ex, f)) == 0) status = (int)f->result;
    } else if ((status = EXEC_SPAWN(&ex, NULL, echo, .fd = fd)) == 0 &&
               (status = exec_local_address(fd, text, sizeof text)) == 0) {
        printf("listening on %s\n", text);
        fflush(stdout);
        status = exec_run(&ex);
    }
    exec_destroy(&ex, EXEC_SEC(1));
    return status < 0 ? fail(address, status) : 0;
}
