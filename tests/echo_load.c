/* SPDX-License-Identifier: MIT
 * cc -O2 -o echo_load tests/echo_load.c && ./echo_load ADDRESS CONNECTIONS BYTES [IDLE_SECONDS]
 * Opens so many connections to an echo server at once, sends so many bytes on each (of a pattern of
 * its own), and compares what comes back; then closes half of each and waits for the end of file. Knows
 * nothing of exec.h: plain epoll. Prints what it checked; exit status 0 or 1. */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct { int fd, connected, shut, over; size_t sent, received; } client;

static size_t bytes;
static unsigned finished, connected;
static client *clients;

static unsigned char pattern(size_t id, size_t at) { return (unsigned char)(id * 131 + at * 7 + (at >> 8)); }

static int fail(const char *what, size_t id) {
    fprintf(stderr, "echo_load: connection %zu: %s (errno %s)\n", id, what, strerror(errno));
    return -1;
}

static int send_some(client *c, size_t id) {
    unsigned char chunk[16384];
    while (c->sent < bytes) {
        size_t n = bytes - c->sent < sizeof chunk ? bytes - c->sent : sizeof chunk;
        ssize_t sent;
        for (size_t i = 0; i < n; i++) chunk[i] = pattern(id, c->sent + i);
        sent = send(c->fd, chunk, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) return errno == EAGAIN ? 0 : fail("send", id);
        c->sent += (size_t)sent;
    }
    return 0;
}

static int receive_some(client *c, size_t id) {
    unsigned char chunk[16384];
    for (;;) {
        ssize_t n = recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n < 0) return errno == EAGAIN ? 0 : fail("receive", id);
        if (n == 0) {
            if (!c->shut) return fail("closed before all was echoed", id);
            c->over = 1;
            finished++;
            close(c->fd);
            return 0;
        }
        for (ssize_t i = 0; i < n; i++)
            if (c->received + (size_t)i >= bytes || chunk[i] != pattern(id, c->received + (size_t)i))
                return fail("other bytes came back", id);
        c->received += (size_t)n;
    }
}

/* All are connected before the first byte is sent; none ends before all are echoed. */
static int step(client *c, size_t id, unsigned phase) {
    if (phase >= 1 && !c->over && send_some(c, id) < 0) return -1;
    if (phase >= 2 && !c->shut) {
        if (shutdown(c->fd, SHUT_WR) < 0) return fail("shutdown", id);
        c->shut = 1;
    }
    return phase >= 1 && !c->over ? receive_some(c, id) : 0;
}

static int start(client *c, size_t id, const struct sockaddr *to, socklen_t size, int epoll) {
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u64 = id };
    c->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) return fail("socket", id);
    if (connect(c->fd, to, size) < 0 && errno != EINPROGRESS) return fail("connect", id);
    return epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0 ? fail("epoll", id) : 0;
}

static int check_connected(client *c, size_t id) {
    int error = 0;
    socklen_t size = sizeof error;
    if (c->connected) return 0;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    if (error) return fail("connect", id);
    c->connected = 1;
    connected++;
    return 0;
}

static unsigned echoed(unsigned count) {
    unsigned n = 0;
    for (unsigned i = 0; i < count; i++) n += clients[i].received == bytes;
    return n;
}

static int advance(unsigned count, unsigned phase) {
    for (unsigned i = 0; i < count; i++) if (step(&clients[i], i, phase) < 0) return -1;
    return 0;
}

static int run(int epoll, unsigned count, unsigned idle_seconds) {
    unsigned phase = 0;
    while (finished < count) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, 30000);
        if (n == 0) return fail("nothing came for 30 s", finished);
        for (int i = 0; i < n; i++) {
            size_t id = (size_t)events[i].data.u64;
            if (check_connected(&clients[id], id) < 0 || step(&clients[id], id, phase) < 0) return -1;
        }
        if (phase == 0 && connected == count) {
            if (idle_seconds) {
                printf("connected\n");
                fflush(stdout);
                sleep(idle_seconds);
            }
            if (advance(count, phase = 1) < 0) return -1;
        }
        if (phase == 1 && echoed(count) == count && advance(count, phase = 2) < 0) return -1;
    }
    return 0;
}

static socklen_t parse(const char *text, struct sockaddr_in *out) {
    char host[64];
    unsigned port;
    memset(out, 0, sizeof *out);
    if (sscanf(text, "%63[^:]:%u", host, &port) != 2 || inet_pton(AF_INET, host, &out->sin_addr) != 1) return 0;
    out->sin_family = AF_INET;
    out->sin_port = htons((uint16_t)port);
    return sizeof *out;
}

int main(int argc, char **argv) {
    struct sockaddr_in to;
    struct rlimit limit;
    unsigned count;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (argc < 4 || !parse(argv[1], &to)) {
        fprintf(stderr, "usage: echo_load 127.0.0.1:7777 CONNECTIONS BYTES [IDLE_SECONDS]\n");
        return 1;
    }
    count = (unsigned)strtoul(argv[2], NULL, 10);
    bytes = (size_t)strtoull(argv[3], NULL, 10);
    clients = (client *)calloc(count ? count : 1, sizeof *clients);
    if (!clients || !bytes || epoll < 0) return 1;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned i = 0; i < count; i++)
        if (start(&clients[i], i, (const struct sockaddr *)&to, sizeof to, epoll) < 0) return 1;
    if (run(epoll, count, argc > 4 ? (unsigned)atoi(argv[4]) : 0) < 0) return 1;
    printf("%u connections at once, %zu bytes echoed right on each, each half closed and ended\n", count, bytes);
    return 0;
}
