/* SPDX-License-Identifier: MIT
 * The client of the echo servers: round trips of 64 bytes on loopback, one in flight per connection. The server runs
 * already, on port BENCH_PORT (of the environment). One connection: each round trip is a sample. More: time over
 * round trips. `--once connect/1 N` makes N connections and holds them until its input ends.
 * cc -O2 -o client client.c && BENCH_PORT=7777 ./client echo/50 200 */
#include "bench.h"
#include "echo.h"
#include <sys/epoll.h>

enum { BYTES = 64 };

typedef struct client { unsigned connections; int loop_fd, *fds; } client;

static void fail(const char *what) {
    fprintf(stderr, "bench: client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_one(void) {
    const char *port = getenv("BENCH_PORT");
    struct sockaddr_in address = echo_loopback(port ? atoi(port) : 0);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect (BENCH_PORT?)");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_one(int fd) {
    static const char message[BYTES + 1] = "a message of 64 bytes that goes to a server and comes back again";
    if (send(fd, message, BYTES, MSG_NOSIGNAL) != BYTES) fail("send");
}

static void receive_one(int fd) {
    char message[BYTES];
    if (recv(fd, message, sizeof message, MSG_WAITALL) != BYTES) fail("recv");
}

static void *client_make(unsigned connections) {
    client *c = (client *)bench_allocate(sizeof *c);
    echo_raise_limit();
    c->connections = connections;
    c->fds = (int *)bench_allocate(sizeof *c->fds * connections);
    c->loop_fd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < connections; i++) {
        struct epoll_event event;
        event.events = EPOLLIN;
        event.data.fd = c->fds[i] = connect_one();
        if (epoll_ctl(c->loop_fd, EPOLL_CTL_ADD, c->fds[i], &event) < 0) fail("epoll_ctl");
        send_one(c->fds[i]);
        receive_one(c->fds[i]);
    }
    return c;
}

static int64_t run_one(void *state, uint64_t operations) {
    const client *c = (const client *)state;
    int64_t start = bench_now();
    for (uint64_t i = 0; i < operations; i++) {
        int64_t sent = bench_now();
        send_one(c->fds[0]);
        receive_one(c->fds[0]);
        bench_sample((double)(bench_now() - sent));
    }
    return bench_now() - start;
}

static int64_t run_many(void *state, uint64_t operations) {
    client *c = (client *)state;
    struct epoll_event events[64];
    uint64_t sent = 0, received = 0;
    int64_t start = bench_now();
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

static int64_t run_connect(void *state, uint64_t connections) {
    (void)state;
    client_make((unsigned)connections);
    printf("\n");
    fflush(stdout);
    while (getchar() != EOF) continue;
    return 0;
}

/* The server has closed each, too: what it does at the end is over. */
static void client_drop(void *state) {
    client *c = (client *)state;
    char rest;
    for (unsigned i = 0; i < c->connections; i++) shutdown(c->fds[i], SHUT_WR);
    for (unsigned i = 0; i < c->connections; i++) {
        if (recv(c->fds[i], &rest, 1, 0) != 0) fail("the server did not close");
        close(c->fds[i]);
    }
    close(c->loop_fd);
    free(c->fds);
    free(c);
}

static const bench_workload workloads[] = {
    { "echo-latency/1", 1, 100, client_make, run_one, client_drop, 1 },
    { "echo-spin/1", 1, 100, client_make, run_one, client_drop, 1 },
    { "echo/50", 50, 0, client_make, run_many, client_drop, 0 },
    { "echo/1000", 1000, 0, client_make, run_many, client_drop, 0 },
    { "echo/10000", 10000, 0, client_make, run_many, client_drop, 0 },
    { "connect/1", 1, 0, client_make, run_connect, client_drop, 0 }
};

int main(int argc, char **argv) { return BENCH_MAIN(argc, argv, workloads); }
