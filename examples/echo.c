/* SPDX-License-Identifier: MIT */
/* cc -O2 -o echo examples/echo.c && ./echo [ADDRESS]
 * A TCP echo server: a coroutine per connection, one thread, as many clients as it may have
 * descriptors. Try it with  nc 127.0.0.1 7777 */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <stdio.h>
#include <sys/resource.h>

typedef struct { EXEC_FRAME; int fd; exec_io io; char buf[4096]; } echo;

EXEC_ASYNC(echo, buf) {                                    /* from buf on nothing is zeroed */
    EXEC_BEGIN;
    for (;;) {
        EXEC_AWAIT(exec_read(&self->io, self->fd, self->buf, sizeof self->buf));
        if (EXEC_RESULT(&self->io) <= 0) break;             /* the peer closed, or went away */
        EXEC_AWAIT(exec_write_all(&self->io, self->fd, self->buf, (size_t)EXEC_RESULT(&self->io)));
        if (EXEC_RESULT(&self->io) < 0) break;
    }
    EXEC_FINALLY;                                           /* also on cancel */
    exec_close_fd(cx->exec, self->fd);
    EXEC_END;
}

typedef struct { EXEC_FRAME; int listener; exec_io io; } server;

EXEC_ASYNC(server) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_accept(&self->io, self->listener));   /* waits while no descriptor is left */
        if (EXEC_SPAWN(cx->exec, NULL, echo, .fd = (int)EXEC_RESULT(&self->io)) < 0)
            exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));       /* no memory: refuse this one */
    }
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->listener);
    EXEC_END;
}

static int fail(const char *what, intptr_t error) {
    fprintf(stderr, "echo: %s: %s\n", what, exec_strerror(error));
    return 1;
}

/* Each connection takes a descriptor: as many as the system lets us have. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:7777";
    char text[EXEC_ADDRESS_BYTES];
    exec ex;
    exec_net net;
    int fd, status;
    if (argc > 2 || *address == '-') {
        int asked = argc == 2 && (strcmp(address, "--help") == 0 || strcmp(address, "-h") == 0);
        fprintf(asked ? stdout : stderr, "usage: echo [ADDRESS]    such as 127.0.0.1:7777 (the default), [::1]:7777; "
                "port 0: a free one\n");
        return asked ? 0 : 2;
    }
    raise_descriptor_limit();
    if ((status = exec_init(&ex, NULL)) < 0) return fail("executor", status);
    if ((status = exec_net_attach(&net, &ex, NULL)) < 0) return fail("reactor", status);
    if ((fd = exec_listen(&ex, address, NULL)) < 0) return fail(address, fd);
    if ((status = exec_local_address(fd, text, sizeof text)) < 0) return fail(address, status);
    if ((status = EXEC_SPAWN(&ex, NULL, server, .listener = fd)) < 0) return fail("server", status);
    printf("listening on %s\n", text);
    fflush(stdout);
    status = exec_run(&ex);
    exec_destroy(&ex, EXEC_SEC(1));
    return status < 0 ? fail("run", status) : 0;
}
