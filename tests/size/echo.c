/* SPDX-License-Identifier: MIT
 * The echo server whose bytes tools/size counts: ./echo PORT, on 127.0.0.1. No stdio; the exit status
 * says whether it could begin. With EXEC_NO_MALLOC it serves 16 clients from static memory. */
#define EXEC_IMPLEMENTATION
#include "../../exec_net.h"

typedef struct { EXEC_FRAME; int fd; exec_io io; EXEC_SCRATCH; char buf[4096]; } echo;
typedef struct { EXEC_FRAME; int listener; exec_io io; } server;

#if EXEC_NO_MALLOC
enum { CLIENTS = 16, OWN_DESCRIPTORS = 8 };
static EXEC_SLOT(echo) clients[CLIENTS];
static EXEC_SLOT(server) server_slot;
static exec_fd_slot descriptors[CLIENTS + OWN_DESCRIPTORS];
static exec_pool pool;
static const exec_net_config config = { .slots = descriptors, .slot_count = CLIENTS + OWN_DESCRIPTORS };
static const exec_opts of_server = { .storage = &server_slot, .storage_bytes = sizeof server_slot };
static const exec_opts of_client = { .pool = &pool };
#define CONFIG &config
#define OF_SERVER &of_server
#define OF_CLIENT &of_client
static int pool_made(void) { return exec_pool_init(&pool, clients, sizeof clients, sizeof *clients) == 0; }
#else
#define CONFIG NULL
#define OF_SERVER NULL
#define OF_CLIENT NULL
static int pool_made(void) { return 1; }
#endif

EXEC_ASYNC(echo, scratch) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_read(&self->io, self->fd, self->buf, sizeof self->buf));
        if (EXEC_RESULT(&self->io) == 0) break;
        EXEC_TRY(exec_write_all(&self->io, self->fd, self->buf, (size_t)EXEC_RESULT(&self->io)));
    }
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->fd);
    EXEC_END;
}

EXEC_ASYNC(server) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_accept(&self->io, self->listener));
        if (EXEC_SPAWN(cx->exec, OF_CLIENT, echo, .fd = (int)EXEC_RESULT(&self->io)) < 0)
            exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));
    }
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->listener);
    EXEC_END;
}

static exec ex;
static exec_net net;

int main(int argc, char **argv) {
    char address[16] = "127.0.0.1:";
    int fd;
    if (argc != 2) return 2;
    for (int i = 0; (address[10 + i] = argv[1][i]) != 0; i++)
        if (i == 5) return 2;
    if (!pool_made() || exec_init(&ex, NULL) < 0 || exec_net_attach(&net, &ex, CONFIG) < 0) return 1;
    if ((fd = exec_listen(&ex, address, NULL)) < 0) return 1;
    if (EXEC_SPAWN(&ex, OF_SERVER, server, .listener = fd) < 0) return 1;
    return exec_run(&ex) < 0;
}
