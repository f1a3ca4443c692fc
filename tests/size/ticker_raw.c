/* SPDX-License-Identifier: MIT
 * The floor of ticker.c: the same by hand, a timerfd each and poll. */
#define _GNU_SOURCE 1
#include <poll.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

static const char *const names[2] = { "slow\n", "fast\n" };
static const long every_ms[2] = { 500, 200 };

static int start(long ms) {
    struct itimerspec every = { .it_value.tv_nsec = ms * 1000000, .it_interval.tv_nsec = ms * 1000000 };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    return fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0 ? -1 : fd;
}

/* One tick. 1: it was the last one of this timer; -1: an error. */
static int tick(int i, int fd, int *left) {
    uint64_t expired;
    if (read(fd, &expired, sizeof expired) < 0 || write(1, names[i], 5) != 5) return -1;
    return --*left == 0;
}

int main(void) {
    struct pollfd fds[2];
    int left[2] = { 3, 3 }, running = 2;
    for (int i = 0; i < 2; i++) {
        fds[i].fd = start(every_ms[i]);
        fds[i].events = POLLIN;
        if (fds[i].fd < 0) return 1;
    }
    while (running) {
        if (poll(fds, 2, -1) < 0) return 1;
        for (int i = 0; i < 2; i++) {
            int over = fds[i].revents ? tick(i, fds[i].fd, &left[i]) : 0;
            if (over < 0) return 1;
            if (over) fds[i].fd = -1;       /* poll passes over it */
            running -= over;
        }
    }
    return 0;
}
