/* SPDX-License-Identifier: MIT
 * examples/proxy.c in the harness: its server and one of its sessions, before a server that echoes.
 * Its tasks live on the heap; not with: EXEC_NO_MALLOC */
#include "exec_harness.h"
#define main proxy_main
#include "../examples/proxy.c"
#undef main
#include "harness_client.h"

static const char lines[] = "one line\nanother line\nthe third one\n";

/* The target: takes one connection after the other and gives back what comes, by calls of its own. */
typedef struct { EXEC_FRAME; int listener, fds[SCRIPTS], count; exec_sleep_op nap; } target;
static void target_turn(target *self) {
    char buf[4096];
    ssize_t n;
    int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) self->fds[self->count++] = fd;
    for (int i = 0; i < self->count; i++) {
        while ((n = read(self->fds[i], buf, sizeof buf)) > 0)
            if (send(self->fds[i], buf, (size_t)n, MSG_NOSIGNAL) != n) break;
        if (n == 0) shutdown(self->fds[i], SHUT_WR);
    }
}
EXEC_ASYNC(target) {
    EXEC_BEGIN;
    for (;;) {
        target_turn(self);
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
    }
    EXEC_FINALLY;
    while (self->count > 0) close(self->fds[--self->count]);
    close(self->listener);
    EXEC_END;
}

static options world;
static char target_text[EXEC_ADDRESS_BYTES];
static int open_world(harness *h) {
    static EXEC_SLOT(target) slot;
    exec_opts opts = { .storage = &slot, .storage_bytes = sizeof slot };
    exec_address at;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memset(&slot, 0, sizeof slot);
    if (exec_address_parse(&at, unix_address(1)) < 0) abort();
    if (bind(fd, (struct sockaddr *)(void *)at.bytes, at.size) < 0 || listen(fd, 8) < 0) abort();
    if (exec_local_address(fd, target_text, sizeof target_text) < 0) abort();
    world.target = target_text;
    world.idle = EXEC_SEC(60);
    h->config.user = &world;
    if (harness_open(h) < 0) {
        close(fd);
        return -1;
    }
    HARNESS_CHECK(h, EXEC_SPAWN(&h->ex, &opts, target, .listener = fd) == 0);
    return 0;
}

static void serves(harness *h) {
    static server frame;
    char text[EXEC_ADDRESS_BYTES];
    int fd;
    if (open_world(h) < 0) return;
    if ((fd = script_listen(h, text)) >= 0) {
        for (int i = 0; i < 2; i++) scripts[i].says = lines;
        scripts_begin(h, 2, text, -1);
        harness_drive(h, EXEC_CALL(&frame, server, .listener = fd));
        for (int i = 0; i < 2; i++) {
            HARNESS_CHECK(h, script_got(&scripts[i], lines));
            HARNESS_CHECK(h, h->done || scripts[i].have == strlen(lines));
        }
    }
    harness_close(h);
}

static void one_session(harness *h) {
    static session frame;
    int ends[2];
    if (open_world(h) < 0) return;
    if (script_pair(h, ends) == 0) {
        scripts[0].says = lines;
        scripts_begin(h, 1, NULL, ends[1]);
        harness_drive(h, EXEC_CALL(&frame, session, .client = ends[0], .server = -1));
        HARNESS_CHECK(h, script_got(&scripts[0], lines));
        HARNESS_CHECK(h, h->done || (h->result == 0 && frame.either.winner == 0));
    }
    harness_close(h);
}

static const harness_scenario scenarios[] = {
    { "proxy.c, server", serves },
    { "proxy.c, session", one_session },
};

#include "harness_suite.h"
SUITE(scenarios)
