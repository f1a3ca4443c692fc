/* SPDX-License-Identifier: MIT
 * usage: client PORT CONNECTIONS ROUNDS SERVER_PID
 * Exchanges 64 bytes with an echo server, ROUNDS times on each of so many connections: first as a
 * warm-up, then again between a SIGUSR1 and a SIGUSR2 to the server. Plain blocking sockets. */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 64, MOST = 256 };

static int fds[MOST];

static int open_one(uint16_t port) {
    struct sockaddr_in to;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* All send, then all receive: the server meets several at once. */
static int rounds(unsigned connections, unsigned long count) {
    char out[BYTES], in[BYTES];
    for (unsigned long r = 0; r < count; r++) {
        memset(out, (int)(r & 127), sizeof out);
        for (unsigned i = 0; i < connections; i++)
            if (send(fds[i], out, sizeof out, 0) != BYTES) return -1;
        for (unsigned i = 0; i < connections; i++)
            if (recv(fds[i], in, sizeof in, MSG_WAITALL) != BYTES || memcmp(in, out, BYTES)) return -1;
    }
    return 0;
}

/* The server takes the signal while it waits for the next message. */
static void mark(pid_t server, int signal) {
    usleep(200000);
    kill(server, signal);
    usleep(200000);
}

int main(int argc, char **argv) {
    unsigned connections;
    unsigned long count;
    pid_t server;
    if (argc != 5) return 2;
    connections = (unsigned)strtoul(argv[2], NULL, 10);
    count = strtoul(argv[3], NULL, 10);
    server = (pid_t)strtol(argv[4], NULL, 10);
    if (connections > MOST || server <= 1) return 2;
    for (unsigned i = 0; i < connections; i++)
        if ((fds[i] = open_one((uint16_t)strtoul(argv[1], NULL, 10))) < 0) return 1;
    if (rounds(connections, count) < 0) return 1;
    mark(server, SIGUSR1);
    if (rounds(connections, count) < 0) return 1;
    mark(server, SIGUSR2);
    printf("%lu echoes\n", connections * count);
    return 0;
}
