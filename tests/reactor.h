/* SPDX-License-Identifier: MIT
 * An executor with a reactor, for tests of what stands on it; in each build, with heap or without. Before it
 * come faulty.h, TEST_HEADER "../exec_net.h", test.h and leaves.h. */
#ifndef REACTOR_H
#define REACTOR_H

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include "table.h"

static exec ex;
static exec_net net;
static exec_port port;
static int fds_before;
static sigset_t mask_before;

static inline int count_fds(void) {
    int n = 0;
    for (int fd = 0; fd < 1024; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* As each descriptor that the library makes. */
static inline int is_ours(int fd) {
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static inline sigset_t current_mask(void) {
    sigset_t mask;
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    return mask;
}
static inline int is_blocked(int signo) {
    sigset_t mask = current_mask();
    return sigismember(&mask, signo);
}
static inline void block(int how, int signo) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    assert_int_equal(sigprocmask(how, &set, NULL), 0);
}

static inline exec_config default_config(void) {
    exec_config config = quiet_config();
    config.port = &port;
    return config;
}

static inline void begin_with(const exec_config *config) {
    exec_net_config net_config = table_config();
    memset(&fault, 0, sizeof fault);
    fds_before = count_fds();
    mask_before = current_mask();
    assert_int_equal(exec_init(&ex, config), 0);
    assert_int_equal(exec_net_attach(&net, &ex, EXEC_NO_MALLOC ? &net_config : NULL), 0);
    memset(calls, 0, sizeof calls);
}
static inline void begin(void) {
    exec_config config = default_config();
    begin_with(&config);
}

/* Everything was given back: waiters, descriptors, signals. */
static inline void end(void) {
    sigset_t mask;
    memset(&fault, 0, sizeof fault);
    assert_int_equal(exec_check(&ex), 0);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(10)), 0);
    assert_int_equal(net.fds.waiting, 0);
    assert_int_equal(count_fds(), fds_before);
    mask = current_mask();
    for (int signo = 1; signo <= 64; signo++)
        assert_int_equal(sigismember(&mask, signo), sigismember(&mask_before, signo));
}

/* The future's result. */
static inline intptr_t run(exec_future *f) {
    assert_int_equal(exec_run_until(&ex, f), 0);
    return f->result;
}
static inline void turns(int n) {
    while (n-- > 0) assert_true(exec_turn(&ex) >= 0);
}
#endif
