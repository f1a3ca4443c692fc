/* SPDX-License-Identifier: MIT
 * Clients that follow a script, for a server in the harness: tasks of the same executor that make system
 * calls of their own. After exec_harness.h. Over unix sockets, so that what one side has written
 * the other one can read at once. */
#ifndef HARNESS_CLIENT_H
#define HARNESS_CLIENT_H

#include "unix_address.h"

enum { SCRIPTS = 3, SCRIPT_NAPS = 60 };

typedef struct script {
    const char *says;
    int fd, stays;              /* stays: until the server closes, without ending its own direction */
    int over;
    size_t have;
    char got[32768];
} script;
static script scripts[SCRIPTS];

static void script_take(script *s) {
    ssize_t n;
    while (s->fd >= 0 && (n = read(s->fd, s->got + s->have, sizeof s->got - 1 - s->have)) != -1) {
        s->have += (size_t)n;
        s->got[s->have] = 0;
        if (n > 0) continue;
        close(s->fd);
        s->fd = -1;
    }
}

static int script_connect(const char *to) {
    exec_address at;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || exec_address_parse(&at, to) < 0) abort();
    if (connect(fd, (const struct sockaddr *)(const void *)at.bytes, at.size) == 0) return fd;
    close(fd);                                  /* nobody listens any more */
    return -1;
}

/* Says its lines in three pieces, and reads what comes. */
typedef struct { EXEC_FRAME; script *s; const char *to; size_t said; int naps; exec_sleep_op nap; } script_client;
EXEC_ASYNC(script_client) {
    EXEC_BEGIN;
    if (self->to) self->s->fd = script_connect(self->to);
    while (self->s->fd >= 0 && self->naps++ < SCRIPT_NAPS) {
        size_t length = strlen(self->s->says), piece = length / 3 + 1;
        if (self->said < length) {
            size_t rest = length - self->said;
            ssize_t n = send(self->s->fd, self->s->says + self->said, rest < piece ? rest : piece, MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN) self->said = length;
            if (n > 0) self->said += (size_t)n;
        } else if (!self->s->stays) {
            shutdown(self->s->fd, SHUT_WR);
        }
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
        script_take(self->s);
    }
    EXEC_FINALLY;
    if (self->s->fd >= 0) close(self->s->fd);
    self->s->over = 1;
    EXEC_END;
}

/* When all are over, the server is stopped. */
typedef struct { EXEC_FRAME; int count, over; exec_sleep_op nap; } script_end;
EXEC_ASYNC(script_end) {
    EXEC_BEGIN;
    while (self->over < self->count) {
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
        self->over = 0;
        for (int i = 0; i < self->count; i++) self->over += scripts[i].over;
    }
    (void)exec_handle_abort(&harness_now->handle);
    EXEC_END;
}

/* So many clients, over `fd` or by connecting to `to`; their memory is static, none of this fails. */
static void scripts_begin(harness *h, int count, const char *to, int fd) {
    static EXEC_SLOT(script_client) slots[SCRIPTS];
    static EXEC_SLOT(script_end) last;
    exec_opts opts;
    memset(&opts, 0, sizeof opts);
    memset(slots, 0, sizeof slots);
    memset(&last, 0, sizeof last);
    for (int i = 0; i < count; i++) {
        scripts[i].over = 0;
        scripts[i].have = 0;
        scripts[i].got[0] = 0;
        scripts[i].fd = fd;
        opts.storage = &slots[i];
        opts.storage_bytes = sizeof slots[i];
        HARNESS_CHECK(h, EXEC_SPAWN(&h->ex, &opts, script_client, .s = &scripts[i], .to = to) == 0);
    }
    opts.storage = &last;
    opts.storage_bytes = sizeof last;
    HARNESS_CHECK(h, EXEC_SPAWN(&h->ex, &opts, script_end, .count = count) == 0);
}

/* A listener for them, and its address. */
static EXEC__MAYBE_UNUSED int script_listen(harness *h, char text[EXEC_ADDRESS_BYTES]) {
    int fd = exec_listen(&h->ex, unix_address(0), NULL);
    if (fd < 0 || exec_local_address(fd, text, EXEC_ADDRESS_BYTES) == 0) return fd;
    exec_close_fd(&h->ex, fd);
    return -1;
}

/* A connection without a listener. 0, or a negated errno. */
static EXEC__MAYBE_UNUSED int script_pair(harness *h, int ends[2]) {
    int status = exec_socket_pair(&h->ex, ends, 0);
    if (status == 0) status = exec_fd_forget(&h->ex, ends[1]);      /* the client's */
    return status;
}

/* What a client got is the beginning of `whole`, or all of it. */
static EXEC__MAYBE_UNUSED int script_got(const script *s, const char *whole) {
    return strncmp(whole, s->got, s->have) == 0;
}
#endif
