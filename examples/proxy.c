/* SPDX-License-Identifier: MIT */
/* cc -O2 -o proxy examples/proxy.c && ./proxy 127.0.0.1:8080 127.0.0.1:80
 * A TCP proxy: both directions at once, each at the pace of its reader. The end of one direction is
 * passed on while the other one goes on; an error of either side, or no byte in either direction for
 * the idle limit, ends both. */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

typedef struct { const char *listen, *target; int64_t idle; } options;

/* One direction. `moved` is when the session last moved a byte. */
typedef struct { EXEC_FRAME; int from, to; int64_t *moved; exec_io io; EXEC_SCRATCH; char buf[65536]; } pump;

EXEC_ASYNC(pump, scratch) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_read(&self->io, self->from, self->buf, sizeof self->buf));
        if (EXEC_RESULT(&self->io) == 0) break;
        *self->moved = exec_now(cx->exec);
        EXEC_TRY(exec_write_all(&self->io, self->to, self->buf, (size_t)EXEC_RESULT(&self->io)));
        *self->moved = exec_now(cx->exec);
    }
    shutdown(self->to, SHUT_WR);            /* passed on; the other direction goes on */
    EXEC_END;
}

/* Ready when the idle limit has gone by since the last byte. */
typedef struct { EXEC_FRAME; const int64_t *moved; int64_t idle; exec_sleep_op nap; } watch;

EXEC_ASYNC(watch) {
    EXEC_BEGIN;
    while (*self->moved + self->idle > exec_now(cx->exec))
        EXEC_TRY(exec_sleep_until(&self->nap, *self->moved + self->idle));
    EXEC_END;
}

typedef struct {
    EXEC_FRAME; int client, server; int64_t moved; exec_io io; exec_timeout_op limit;
    exec_group pumps; watch idle; exec_select_op either;
} session;

EXEC_ASYNC(session) {
    const options *o = (const options *)exec_user(cx->exec);
    EXEC_BEGIN;
    EXEC_TRY(exec_timeout(&self->limit, exec_connect(&self->io, o->target, NULL), EXEC_SEC(10)));
    self->server = (int)EXEC_RESULT(&self->limit);
    self->moved = exec_now(cx->exec);
    EXEC_GROUP_SPAWN(&self->pumps, pump, .from = self->client, .to = self->server, .moved = &self->moved);
    EXEC_GROUP_SPAWN(&self->pumps, pump, .from = self->server, .to = self->client, .moved = &self->moved);
    EXEC_AWAIT(exec_select(&self->either, exec_group_join(&self->pumps),    /* an error of one ends both */
                           EXEC_CALL(&self->idle, watch, .moved = &self->moved, .idle = o->idle)));
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->client);
    exec_close_fd(cx->exec, self->server);                                  /* -1 if there is none */
    EXEC_END;
}

typedef struct { EXEC_FRAME; int listener; exec_io io; } server;

EXEC_ASYNC(server) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_accept(&self->io, self->listener));
        if (EXEC_SPAWN(cx->exec, NULL, session, .client = (int)EXEC_RESULT(&self->io), .server = -1) < 0)
            exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));           /* no memory: refuse this one */
    }
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->listener);
    EXEC_END;
}

static int fail(const char *what, intptr_t error) {
    fprintf(stderr, "proxy: %s: %s\n", what, exec_strerror(error));
    return 1;
}

/* Until SIGINT or SIGTERM, or until accept fails. */
static int serve(exec *ex, int listener) {
    exec_signal_op interrupt, terminate;
    exec_handle_op ended;
    exec_select_op first;
    exec_handle handle;
    exec_opts opts = { .handle = &handle };
    int status = EXEC_SPAWN(ex, &opts, server, .listener = listener);
    if (status < 0) return status;
    status = exec_run_until(ex, exec_select(&first, exec_handle_join(&ended, &handle),
                                            exec_signal(&interrupt, SIGINT), exec_signal(&terminate, SIGTERM)));
    if (status == 0 && first.winner == 0) return (int)EXEC_RESULT(&ended);
    exec_handle_detach(&handle);
    return status;
}

/* 1: go on; 0: shown on request; -1: wrong. */
static int parse(int argc, char **argv, options *o) {
    int i = 1;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) return 0;
    if (argc > 2 && strcmp(argv[1], "--idle") == 0) {
        size_t digits = strspn(argv[2], "0123456789");
        o->idle = digits < 10 && !argv[2][digits] ? EXEC_SEC(strtol(argv[2], NULL, 10)) : 0;
        i = 3;
    }
    if (o->idle <= 0 || argc - i != 2 || argv[i][0] == '-') return -1;
    o->listen = argv[i];
    o->target = argv[i + 1];
    return 1;
}

int main(int argc, char **argv) {
    options o = { .idle = EXEC_SEC(60) };
    exec_config config = { .user = &o };
    char text[EXEC_ADDRESS_BYTES];
    struct rlimit limit;
    exec ex;
    exec_net net;
    exec_address target;
    int fd, status, go = parse(argc, argv, &o);
    if (go <= 0) {
        fprintf(go ? stderr : stdout, "usage: proxy [--idle SECONDS] LISTEN TARGET    both as 127.0.0.1:80 or [::1]:80;"
                " port 0: a free one; idle: 60, at least 1\n");
        return go ? 2 : 0;
    }
    if ((status = exec_address_parse(&target, o.target)) < 0) return fail(o.target, status);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {            /* a session takes two descriptors */
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if ((status = exec_init(&ex, &config)) < 0) return fail("executor", status);
    if ((status = exec_net_attach(&net, &ex, NULL)) < 0) return fail("reactor", status);
    if ((fd = exec_listen(&ex, o.listen, NULL)) < 0) return fail(o.listen, fd);
    if ((status = exec_local_address(fd, text, sizeof text)) < 0) return fail(o.listen, status);
    printf("listening on %s\n", text);
    fflush(stdout);
    status = serve(&ex, fd);
    exec_destroy(&ex, EXEC_SEC(1));
    return status < 0 ? fail("serve", status) : 0;
}
