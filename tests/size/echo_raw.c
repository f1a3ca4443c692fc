/* SPDX-License-Identifier: MIT
 * The floor of echo.c: the same by hand, a bare epoll loop. ./echo_raw PORT */
#define _GNU_SOURCE 1
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct connection {
    int fd;
    ssize_t from, to;           /* of the buffer, still to be written */
    char buf[4096];
} connection;

static int loop_fd;

static int watch(connection *c, int op, uint32_t events) {
    struct epoll_event event = { .events = events, .data.ptr = c };
    return epoll_ctl(loop_fd, op, c->fd, &event);
}

#if defined EXEC_NO_MALLOC && EXEC_NO_MALLOC
static connection connections[16];      /* fd 0 is a free one's */

static connection *take(void) {
    for (int i = 0; i < 16; i++)
        if (!connections[i].fd) return &connections[i];
    return NULL;
}
static void drop(connection *c) { c->fd = 0; }
#else
static connection *take(void) { return (connection *)malloc(sizeof(connection)); }
static void drop(connection *c) { free(c); }
#endif

static void over(connection *c) {
    close(c->fd);
    drop(c);
}

/* Writes what was read; waits for room if there is none. */
static void flush(connection *c, int waits) {
    ssize_t n = send(c->fd, c->buf + c->from, (size_t)(c->to - c->from), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        over(c);
        return;
    }
    if (n > 0) c->from += n;
    if (c->from < c->to && !waits) watch(c, EPOLL_CTL_MOD, EPOLLOUT);
    if (c->from == c->to && waits) watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void readable(connection *c) {
    ssize_t n = recv(c->fd, c->buf, sizeof c->buf, 0);
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
    c = take();
    if (!c) {
        close(fd);
        return;
    }
    c->fd = fd;
    if (watch(c, EPOLL_CTL_ADD, EPOLLIN) < 0) over(c);
}

static int listen_on(unsigned port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) return -1;
    return fd;
}

/* 0: no port. */
static unsigned port_of(const char *text) {
    unsigned port = 0;
    for (; *text >= '0' && *text <= '9' && port < 65536; text++) port = 10 * port + (unsigned)(*text - '0');
    return *text || port > 65535 ? 0 : port;
}

int main(int argc, char **argv) {
    struct epoll_event events[64];
    connection listener = { 0 };
    unsigned port = argc == 2 ? port_of(argv[1]) : 0;
    if (port == 0) return 2;
    loop_fd = epoll_create1(EPOLL_CLOEXEC);
    listener.fd = listen_on(port);
    if (listener.fd < 0 || watch(&listener, EPOLL_CTL_ADD, EPOLLIN) < 0) return 1;
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
