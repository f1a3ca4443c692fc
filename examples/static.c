/* SPDX-License-Identifier: MIT */
/* cc -O2 -o static examples/static.c && ./static [ADDRESS]
 * An echo server that never touches the heap: its tasks, its table of descriptors and their buffers
 * are static. It serves 16 clients; who comes when all slots are taken is refused. */
#define EXEC_IMPLEMENTATION
#define EXEC_NO_MALLOC 1
#include "../exec_net.h"
#include <stdio.h>

enum { CLIENTS = 16, OWN_DESCRIPTORS = 8 };                 /* stdio, epoll, the listener, one to refuse */

typedef struct { EXEC_FRAME; int fd; exec_io io; EXEC_SCRATCH; char buf[512]; } echo;
typedef struct { EXEC_FRAME; int listener; exec_io io; } server;

static EXEC_SLOT(echo) clients[CLIENTS];
static EXEC_SLOT(server) server_slot;
static exec_fd_slot descriptors[CLIENTS + OWN_DESCRIPTORS];
static struct pollfd waits[CLIENTS + OWN_DESCRIPTORS + 1];  /* for EXEC_BACKEND_POLL */
static exec_pool pool;
static exec_net net;
static exec ex;

EXEC_ASYNC(echo, scratch) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_AWAIT(exec_read(&self->io, self->fd, self->buf, sizeof self->buf));
        if (EXEC_RESULT(&self->io) <= 0) break;
        EXEC_AWAIT(exec_write_all(&self->io, self->fd, self->buf, (size_t)EXEC_RESULT(&self->io)));
        if (EXEC_RESULT(&self->io) < 0) break;
    }
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->fd);
    EXEC_END;
}

EXEC_ASYNC(server) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_accept(&self->io, self->listener));
        exec_opts opts = { .pool = &pool };
        if (EXEC_SPAWN(cx->exec, &opts, echo, .fd = (int)EXEC_RESULT(&self->io)) < 0)
            exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));       /* -ENOMEM: no slot */
    }
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->listener);
    EXEC_END;
}

static int fail(const char *what, intptr_t error) {
    fprintf(stderr, "static: %s: %s\n", what, exec_strerror(error));
    return 1;
}

int main(int argc, char **argv) {
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:7777";
    exec_net_config config = { .slots = descriptors, .slot_count = CLIENTS + OWN_DESCRIPTORS,
                               .pollfds = waits, .pollfd_count = CLIENTS + OWN_DESCRIPTORS + 1 };
    exec_opts opts = { .storage = &server_slot, .storage_bytes = sizeof server_slot };
    char text[EXEC_ADDRESS_BYTES];
    int fd, status;
    if (argc > 2 || *address == '-') {
        int asked = argc == 2 && (strcmp(address, "--help") == 0 || strcmp(address, "-h") == 0);
        fprintf(asked ? stdout : stderr, "usage: static [ADDRESS]    an echo server of %d clients, "
                "without a heap\n", CLIENTS);
        return asked ? 0 : 2;
    }
    if ((status = exec_pool_init(&pool, clients, sizeof clients, sizeof *clients)) < 0) return fail("pool", status);
    if ((status = exec_init(&ex, NULL)) < 0) return fail("executor", status);
    if ((status = exec_net_attach(&net, &ex, &config)) < 0) return fail("reactor", status);
    if ((fd = exec_listen(&ex, address, NULL)) < 0) return fail(address, fd);
    if ((status = exec_local_address(fd, text, sizeof text)) < 0) return fail(address, status);
    if ((status = EXEC_SPAWN(&ex, &opts, server, .listener = fd)) < 0) return fail("server", status);
    printf("listening on %s, %d clients, %zu bytes\n", text, CLIENTS,
           sizeof clients + sizeof server_slot + sizeof descriptors + sizeof pool + sizeof net + sizeof ex);
    fflush(stdout);
    status = exec_run(&ex);
    exec_destroy(&ex, EXEC_SEC(1));
    return status < 0 ? fail("run", status) : 0;
}
