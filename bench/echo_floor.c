/* SPDX-License-Identifier: MIT
 * The floor of the echo: a bare epoll loop, level-triggered, a struct per connection.
 * cc -O2 -o echo_floor echo_floor.c && ./echo_floor PORT [SPIN_NS]        (port 0: a free one; it prints which)
 * With SPIN_NS it looks so long before it waits. */
#include "echo.h"
#include <sys/epoll.h>
#include <time.h>

static int loop_fd;

static void watch(echo_connection *c, int op, uint32_t events) {
    struct epoll_event event;
    event.events = events;
    event.data.ptr = c;
    if (epoll_ctl(loop_fd, op, c->fd, &event) < 0) perror("epoll_ctl");
}

static void accept_one(int listener) {
    int fd = echo_accept(listener);
    echo_connection *c = fd < 0 ? NULL : (echo_connection *)malloc(sizeof *c);
    if (!c) {
        if (fd >= 0) close(fd);
        return;
    }
    c->fd = fd;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void serve(echo_connection *c, uint32_t events) {
    int waits = (events & EPOLLOUT) != 0;
    echo_wants wants = waits ? echo_flush(c) : echo_readable(c);
    if (wants == ECHO_OVER) {
        close(c->fd);
        free(c);
    } else if (waits != (wants == ECHO_WRITE)) watch(c, EPOLL_CTL_MOD, waits ? EPOLLIN : EPOLLOUT);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int wait_for(struct epoll_event *events, int most, int64_t spin_ns) {
    int64_t until = spin_ns ? now() + spin_ns : 0;
    while (spin_ns) {
        int count = epoll_wait(loop_fd, events, most, 0);
        if (count != 0) return count;
        if (now() >= until) break;
    }
    return epoll_wait(loop_fd, events, most, -1);
}

int main(int argc, char **argv) {
    struct epoll_event events[64];
    static echo_connection listener;
    int64_t spin_ns = argc > 2 ? strtoll(argv[2], NULL, 10) : 0;
    if (argc < 2) return 2;
    loop_fd = epoll_create1(EPOLL_CLOEXEC);
    listener.fd = echo_listen(atoi(argv[1]));
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int count = wait_for(events, 64, spin_ns);
        for (int i = 0; i < count; i++) {
            echo_connection *c = (echo_connection *)events[i].data.ptr;
            if (c == &listener) accept_one(c->fd);
            else serve(c, events[i].events);
        }
    }
}
