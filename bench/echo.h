/* SPDX-License-Identifier: MIT
 * What the echo servers on bare descriptors share: the floor, libev, libevent. */
#ifndef BENCH_ECHO_H
#define BENCH_ECHO_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct echo_connection {
    int fd;
    ssize_t from, to;           /* of the buffer, still to be written */
    char buf[4096];
} echo_connection;

/* What it waits for next. */
typedef enum echo_wants { ECHO_OVER, ECHO_READ, ECHO_WRITE } echo_wants;

static inline echo_wants echo_flush(echo_connection *c) {
    ssize_t n = write(c->fd, c->buf + c->from, (size_t)(c->to - c->from));
    if (n < 0) return errno == EAGAIN ? ECHO_WRITE : ECHO_OVER;
    c->from += n;
    return c->from < c->to ? ECHO_WRITE : ECHO_READ;
}

static inline echo_wants echo_readable(echo_connection *c) {
    ssize_t n = read(c->fd, c->buf, sizeof c->buf);
    if (n < 0 && errno == EAGAIN) return ECHO_READ;
    if (n <= 0) return ECHO_OVER;
    c->from = 0;
    c->to = n;
    return echo_flush(c);
}

/* A new connection's descriptor, or -1. */
static inline int echo_accept(int listener) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static inline void echo_raise_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static inline void echo_say_port(const struct sockaddr *address) {
    printf("listening on 127.0.0.1:%d\n", ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port));
    fflush(stdout);
}

static inline struct sockaddr_in echo_loopback(int port) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* On a port of loopback, or (0) a free one; says which. */
static inline int echo_listen(int port) {
    struct sockaddr_in address = echo_loopback(port);
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    echo_raise_limit();
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0
        || getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        perror("echo");
        exit(1);
    }
    echo_say_port((struct sockaddr *)&address);
    return fd;
}

#endif
