/* SPDX-License-Identifier: MIT
 * The client of the echo servers: round trips of 64 bytes on loopback, one in flight per connection.
 * The servers run already: ours (examples/echo.c) on port BENCH_ECHO_OURS of 127.0.0.1, the floor
 * (echo_floor.c) on BENCH_ECHO_FLOOR, both variables of the environment.
 * With one connection a slice's figure is the median round trip; with more, time over round trips.
 * cc -O2 -o echo echo.c && ./echo */
#include "bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 64, KEPT = 1 << 16 };

typedef struct client {
    unsigned connections;
    int loop_fd, *fds;
    int64_t *trips;             /* the last KEPT of one connection */
} client;

static void fail(const char *what) {
    fprintf(stderr, "bench: echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_to(const char *variable) {
    const char *port = getenv(variable);
    struct sockaddr_in address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (!port) fail(variable);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_one(int fd) {
    static const char message[BYTES] = "a message of 64 bytes that goes to a server and comes back again";
    if (send(fd, message, sizeof message, MSG_NOSIGNAL) != BYTES) fail("send");
}

static void receive_one(int fd) {
    char message[BYTES];
    if (recv(fd, message, sizeof message, MSG_WAITALL) != BYTES) fail("recv");
}

static client *client_make(unsigned connections, const char *variable) {
    client *c = (client *)bench_allocate(sizeof *c);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    c->connections = connections;
    c->fds = (int *)bench_allocate(sizeof *c->fds * connections);
    c->trips = (int64_t *)bench_allocate(sizeof *c->trips * KEPT);
    c->loop_fd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < connections; i++) {
        struct epoll_event event;
        event.events = EPOLLIN;
        event.data.fd = c->fds[i] = connect_to(variable);
        if (epoll_ctl(c->loop_fd, EPOLL_CTL_ADD, c->fds[i], &event) < 0) fail("epoll_ctl");
        send_one(c->fds[i]);
        receive_one(c->fds[i]);
    }
    return c;
}

static void *ours_make(unsigned connections) { return client_make(connections, "BENCH_ECHO_OURS"); }
static void *floor_make(unsigned connections) { return client_make(connections, "BENCH_ECHO_FLOOR"); }

static int by_time(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* One connection: the median round trip, times the round trips. */
static int64_t run_latency(client *c, uint64_t operations) {
    uint64_t kept = operations < KEPT ? operations : KEPT;
    for (uint64_t i = 0; i < operations; i++) {
        int64_t start = bench_now();
        send_one(c->fds[0]);
        receive_one(c->fds[0]);
        c->trips[i % KEPT] = bench_now() - start;
    }
    qsort(c->trips, kept, sizeof *c->trips, by_time);
    return c->trips[kept / 2] * (int64_t)operations;
}

static int64_t run(void *state, uint64_t operations) {
    client *c = (client *)state;
    struct epoll_event events[64];
    uint64_t sent = 0, received = 0;
    int64_t start = bench_now();
    if (c->connections == 1) return run_latency(c, operations);
    for (; sent < c->connections && sent < operations; sent++) send_one(c->fds[sent]);
    while (received < operations) {
        int count = epoll_wait(c->loop_fd, events, 64, -1);
        for (int i = 0; i < count; i++, received++) {
            receive_one(events[i].data.fd);
            if (sent < operations) send_one(events[i].data.fd), sent++;
        }
    }
    return bench_now() - start;
}

static void drop(void *state) {
    client *c = (client *)state;
    for (unsigned i = 0; i < c->connections; i++) close(c->fds[i]);
    close(c->loop_fd);
    free(c->fds);
    free(c->trips);
    free(c);
}

static const bench_side ours = { ours_make, run, drop };
static const bench_side bare = { floor_make, run, drop };

static const bench_workload workloads[] = {
    { "echo-latency/1", 1, 0, &ours, &bare },
    { "echo/50", 50, 0, &ours, &bare },
    { "echo/1000", 1000, 0, &ours, &bare }
};

int main(int argc, char **argv) {
    return bench_main(argc, argv, workloads, sizeof workloads / sizeof *workloads);
}
