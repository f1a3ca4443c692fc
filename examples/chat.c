/* SPDX-License-Identifier: MIT */
/* cc -O2 -o chat examples/chat.c && ./chat [ADDRESS]
 * A chat: each line goes to all others who are connected. Who does not read is dropped when the mailbox
 * is full; nobody waits for it. Try it with several  nc 127.0.0.1 7777 */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <signal.h>
#include <stdio.h>

enum { LINE = 512, MAILBOX = 64 * 1024 };

/* Who is connected. `mail` is a ring: what was said, from the `sent`th byte up to the `said`th. */
typedef struct member {
    struct member *next, **link;
    exec_task *task;
    int fd;
    size_t sent, said;
    char name[EXEC_ADDRESS_BYTES], mail[MAILBOX];
} member;

static member *members;

static void say(exec *ex, member *to, const char *text, size_t length) {
    size_t at = to->said % MAILBOX, first = MAILBOX - at < length ? MAILBOX - at : length;
    if (to->said - to->sent + length > MAILBOX) {
        exec_fd_cancel(ex, to->fd);         /* too slow: what it awaits ends with -EBADF */
        return;
    }
    memcpy(to->mail + at, text, first);
    memcpy(to->mail, text + first, length - first);
    to->said += length;
    exec_wake(to->task);
}

static void say_to_others(exec *ex, const member *from, const char *text, size_t length) {
    char line[EXEC_ADDRESS_BYTES + LINE + 8];
    int n = snprintf(line, sizeof line, "%s: %.*s\n", from->name, (int)length, text);
    for (member *to = members; to; to = to->next)
        if (to != from) say(ex, to, line, (size_t)n);
}

/* Sends what comes into the mailbox. */
typedef struct { EXEC_FRAME; member *me; exec_io io; } writer;

static exec_future *send_mail(exec_io *io, member *me) {
    size_t at = me->sent % MAILBOX, waiting = me->said - me->sent;
    return exec_write(io, me->fd, me->mail + at, waiting < MAILBOX - at ? waiting : MAILBOX - at);
}

EXEC_ASYNC(writer) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_WAIT_UNTIL(self->me->sent < self->me->said);
        EXEC_TRY(send_mail(&self->io, self->me));
        self->me->sent += (size_t)EXEC_RESULT(&self->io);
    }
    EXEC_END;
}

/* Hands on each line; one that is too long comes in pieces. */
typedef struct { EXEC_FRAME; member *me; exec_io io; size_t have; EXEC_SCRATCH; char line[LINE]; } reader;

static void say_lines(exec *ex, reader *self) {
    char *end;
    while ((end = (char *)memchr(self->line, '\n', self->have)) != NULL) {
        size_t length = (size_t)(end - self->line);
        say_to_others(ex, self->me, self->line, length && end[-1] == '\r' ? length - 1 : length);
        self->have -= length + 1;
        memmove(self->line, end + 1, self->have);
    }
    if (self->have < LINE) return;
    say_to_others(ex, self->me, self->line, LINE);
    self->have = 0;
}

EXEC_ASYNC(reader, scratch) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_read(&self->io, self->me->fd, self->line + self->have, LINE - self->have));
        if (EXEC_RESULT(&self->io) == 0) break;
        self->have += (size_t)EXEC_RESULT(&self->io);
        say_lines(cx->exec, self);
        EXEC_YIELD;                         /* the others send it before more comes */
    }
    EXEC_END;
}

typedef struct { EXEC_FRAME; int fd; exec_select_op either; writer out; reader in; EXEC_SCRATCH; member me; } client;

static void enter(client *self, exec_task *task) {
    member *me = &self->me;
    me->next = members;
    me->link = &members;
    me->task = task;
    me->fd = self->fd;
    me->sent = me->said = 0;
    if (exec_peer_address(self->fd, me->name, sizeof me->name) < 0) strcpy(me->name, "somebody");
    if (members) members->link = &me->next;
    members = me;
}

static void leave(member *me) {
    *me->link = me->next;
    if (me->next) me->next->link = me->link;
}

EXEC_ASYNC(client, scratch) {
    EXEC_BEGIN;
    enter(self, cx->task);
    say_to_others(cx->exec, &self->me, "(has come)", 10);
    EXEC_AWAIT(exec_select(&self->either, EXEC_CALL(&self->in, reader, .me = &self->me),
                           EXEC_CALL(&self->out, writer, .me = &self->me)));
    EXEC_FINALLY;
    leave(&self->me);
    say_to_others(cx->exec, &self->me, "(has left)", 10);
    exec_close_fd(cx->exec, self->fd);
    EXEC_END;
}

typedef struct { EXEC_FRAME; int listener; exec_io io; } server;

EXEC_ASYNC(server) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_accept(&self->io, self->listener));
        if (EXEC_SPAWN(cx->exec, NULL, client, .fd = (int)EXEC_RESULT(&self->io)) < 0)
            exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));           /* no memory: refuse this one */
    }
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->listener);
    EXEC_END;
}

static int fail(const char *what, intptr_t error) {
    fprintf(stderr, "chat: %s: %s\n", what, exec_strerror(error));
    return 1;
}

int main(int argc, char **argv) {
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:7777";
    char text[EXEC_ADDRESS_BYTES];
    exec_signal_op interrupt, terminate;
    exec_select_op stop;
    exec ex;
    exec_net net;
    int fd, status;
    if (argc > 2 || *address == '-') {
        int asked = argc == 2 && (strcmp(address, "--help") == 0 || strcmp(address, "-h") == 0);
        fprintf(asked ? stdout : stderr, "usage: chat [ADDRESS]    such as 127.0.0.1:7777 (the default), [::1]:7777; "
                "port 0: a free one\n");
        return asked ? 0 : 2;
    }
    if ((status = exec_init(&ex, NULL)) < 0) return fail("executor", status);
    if ((status = exec_net_attach(&net, &ex, NULL)) < 0) return fail("reactor", status);
    if ((fd = exec_listen(&ex, address, NULL)) < 0) return fail(address, fd);
    if ((status = exec_local_address(fd, text, sizeof text)) < 0) return fail(address, status);
    if ((status = EXEC_SPAWN(&ex, NULL, server, .listener = fd)) < 0) return fail("server", status);
    printf("listening on %s\n", text);
    fflush(stdout);
    status = exec_run_until(&ex, exec_select(&stop, exec_signal(&interrupt, SIGINT), exec_signal(&terminate, SIGTERM)));
    exec_destroy(&ex, EXEC_SEC(1));
    return status < 0 ? fail("run", status) : 0;
}
