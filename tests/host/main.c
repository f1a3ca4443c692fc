/* SPDX-License-Identifier: MIT
 * A host program with SIGCHLD and SIGINT handlers of its own, and two private copies of the library in it. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "copies.h"

static const copy *const copies[2] = { &first_copy, &second_copy };
static volatile sig_atomic_t children, interrupts;
static void on_child(int signo) { (void)signo; children++; }
static void on_interrupt(int signo) { (void)signo; interrupts++; }

static void install(int signo, void (*handler)(int)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    assert_int_equal(sigaction(signo, &action, NULL), 0);
}
static void keeps(int signo, void (*handler)(int)) {
    struct sigaction action;
    assert_int_equal(sigaction(signo, NULL, &action), 0);
    assert_true(action.sa_handler == handler);
}
static int is_blocked(int signo) {
    sigset_t mask;
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    return sigismember(&mask, signo);
}

static int setup(void **state) {
    (void)state;
    children = interrupts = 0;
    install(SIGCHLD, on_child);
    install(SIGINT, on_interrupt);
    return copies[0]->open() < 0 || copies[1]->open() < 0;
}
static int teardown(void **state) {
    (void)state;
    return copies[0]->close() < 0 || copies[1]->close() < 0;
}

/* Both copies until it has a result. */
static int wait_for(int (*result)(void)) {
    int value;
    while ((value = result()) == -EAGAIN) {
        assert_int_equal(copies[0]->turn(), 0);
        assert_int_equal(copies[1]->turn(), 0);
        usleep(1000);
    }
    return value;
}

static void trap_26_the_host_keeps_its_sigchld_handler_while_both_copies_await_children(void **state) {
    int status, before;
    pid_t own;
    (void)state;
    assert_int_equal(copies[0]->start_child("sleep 0.02; exit 3"), 0);
    assert_int_equal(copies[1]->start_child("sleep 0.04; exit 4"), 0);
    keeps(SIGCHLD, on_child);
    assert_false(is_blocked(SIGCHLD));
    assert_int_equal(wait_for(copies[0]->child_result), 3);
    assert_int_equal(wait_for(copies[1]->child_result), 4);
    assert_true(children > 0);
    before = children;
    own = fork();                       /* a child of the host's: nobody else waits for it */
    if (own == 0) _exit(5);
    assert_int_equal(waitpid(own, &status, 0), own);
    assert_int_equal(WEXITSTATUS(status), 5);
    assert_true(children > before);
    keeps(SIGCHLD, on_child);
}

static void trap_26_the_host_has_its_sigint_handler_back_at_the_release(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(copies[i]->await_signal(SIGINT), 0);
        raise(SIGINT);
        assert_int_equal(interrupts, i);
        assert_int_equal(wait_for(copies[i]->signal_result), SIGINT);
        assert_int_equal(copies[i]->release(SIGINT), 0);
        keeps(SIGINT, on_interrupt);
        raise(SIGINT);
        assert_int_equal(interrupts, i + 1);
    }
}

/* Whichever releases last gives it back. */
static void trap_26_both_copies_hold_sigint(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++) assert_int_equal(copies[k]->await_signal(SIGINT), 0);
        for (int k = i, n = 0; n < 2; k = !k, n++) {
            raise(SIGINT);
            while (copies[k]->signal_result() == -EAGAIN) assert_int_equal(copies[k]->turn(), 0);
            assert_int_equal(copies[k]->signal_result(), SIGINT);
            assert_int_equal(copies[k]->release(SIGINT), 0);
        }
        raise(SIGINT);
        assert_int_equal(interrupts, i + 1);
        keeps(SIGINT, on_interrupt);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            trap_26_the_host_keeps_its_sigchld_handler_while_both_copies_await_children, setup, teardown),
        cmocka_unit_test_setup_teardown(
            trap_26_the_host_has_its_sigint_handler_back_at_the_release, setup, teardown),
        cmocka_unit_test_setup_teardown(trap_26_both_copies_hold_sigint, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
