/* SPDX-License-Identifier: MIT
 * The floor of the echo: a bare epoll loop, level-triggered, a struct per connection.
 * cc -O2 -o echo_floor echo_floor.c && ./echo_floor PORT        (0: a free one; it prints which) */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct connection {
    int fd;
    ssize_t from, to;           /* of the buffer, still to be written */
    char buf[4096];
} connection;

static int loop_fd;

static void watch(connection *c, int op, uint32_t events) {
    struct epoll_event event;
    event.events = events;
    event.data.ptr = c;
    if (epoll_ctl(loop_fd, op, c->fd, &event) < 0) perror("epoll_ctl");
}

static void over(connection *c) {
    close(c->fd);
    free(c);
}

/* Writes what was read; waits for room if there is none. */
static void flush(connection *c, int waits) {
    ssize_t n = write(c->fd, c->buf + c->from, (size_t)(c->to - c->from));
    if (n < 0 && errno != EAGAIN) {
        over(c);
        return;
    }
    if (n > 0) c->from += n;
    if (c->from < c->to && !waits) watch(c, EPOLL_CTL_MOD, EPOLLOUT);
    if (c->from == c->to && waits) watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void readable(connection *c) {
    ssize_t n = read(c->fd, c->buf, sizeof c->buf);
    if (n <= 0) {
        over(c);
        return;
    }
    c->from = 0;
    c->to = n;
    flush(c, 0);
}

static void accept_one(int listener) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    connection *c;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c = (connection *)malloc(sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    c->fd = fd;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static int listen_on(int port) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0
        || getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        perror("echo_floor");
        exit(1);
    }
    printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    struct epoll_event events[64];
    connection listener = { 0 };
    if (argc != 2) return 2;
    loop_fd = epoll_create1(EPOLL_CLOEXEC);
    listener.fd = listen_on(atoi(argv[1]));
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int count = epoll_wait(loop_fd, events, 64, -1);
        for (int i = 0; i < count; i++) {
            connection *c = (connection *)events[i].data.ptr;
            if (c == &listener) accept_one(c->fd);
            else if (events[i].events & EPOLLOUT) flush(c, 1);
            else readable(c);
        }
    }
}
