/* SPDX-License-Identifier: MIT
 * The smallest echo server, for its size: no messages, no options. With BENCH_FLOOR by hand.
 * musl-gcc -Os -static -ffunction-sections -fdata-sections -Wl,--gc-sections -o text text.c && size text */
#ifndef BENCH_FLOOR
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"

typedef struct { EXEC_FRAME; int fd; exec_io io; char buf[512]; } echo;

EXEC_ASYNC(echo) {
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

typedef struct { EXEC_FRAME; int listener; exec_io io; } server;

EXEC_ASYNC(server) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_accept(&self->io, self->listener));
        if (EXEC_SPAWN(cx->exec, NULL, echo, .fd = (int)EXEC_RESULT(&self->io)) < 0)
            exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));
    }
    EXEC_END;
}

int main(void) {
    exec ex;
    exec_net net;
    int fd;
    if (exec_init(&ex, NULL) < 0 || exec_net_attach(&net, &ex, NULL) < 0) return 1;
    if ((fd = exec_listen(&ex, "127.0.0.1:7777", NULL)) < 0) return 1;
    if (EXEC_SPAWN(&ex, NULL, server, .listener = fd) < 0) return 1;
    return exec_run(&ex) < 0;
}

#else
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct connection { int fd; char buf[512]; } connection;

static void accept_one(int loop_fd, int listener) {
    struct epoll_event event = { .events = EPOLLIN };
    connection *c = (connection *)malloc(sizeof *c);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    event.data.ptr = c;
    if (c && fd >= 0 && (c->fd = fd, epoll_ctl(loop_fd, EPOLL_CTL_ADD, fd, &event)) == 0) return;
    if (fd >= 0) close(fd);
    free(c);
}

/* A write that finds no room ends the connection: less could not be done. */
static void readable(connection *c) {
    ssize_t n = read(c->fd, c->buf, sizeof c->buf);
    if (n > 0 && write(c->fd, c->buf, (size_t)n) == n) return;
    close(c->fd);
    free(c);
}

int main(void) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct epoll_event events[64] = { { .events = EPOLLIN } };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int loop_fd = epoll_create1(EPOLL_CLOEXEC);
    address.sin_port = htons(7777);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0) return 1;
    events[0].data.ptr = NULL;
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, listener, events);
    for (;;) {
        int count = epoll_wait(loop_fd, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) readable((connection *)events[i].data.ptr);
            else accept_one(loop_fd, listener);
        }
    }
}
#endif
