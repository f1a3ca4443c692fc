/* SPDX-License-Identifier: MIT
 * Faults that the harness (exec_harness.h) found, each as it was found; docs/testing.md lists them. */
#include "net.h"

static int raw_blocking_listener(struct sockaddr_in *at) {
    socklen_t size = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(at, 0, sizeof *at);
    at->sin_family = AF_INET;
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)at, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)at, &size), 0);
    return fd;
}

/* Its accept(2) would stop the thread, and no test would end: an alarm ends this one. Whichever call fails. */
static void accept_of_a_foreign_listener(int call, int error, unsigned skip, fault_of second, intptr_t refused) {
    struct sockaddr_in at;
    int listener, client = socket(AF_INET, SOCK_STREAM, 0);
    exec_handle h;
    exec_io io;
    begin();
    listener = raw_blocking_listener(&at);
    fail_call(call, error, skip, 1);
    second_fault = second;
    alarm(30);
    start(&h, exec_accept(&io, listener));
    turns(3);
    assert_int_equal(connect(client, (struct sockaddr *)(void *)&at, sizeof at), 0);
    if (refused) {
        assert_int_equal(join(&h), refused);
    } else {
        int fd = (int)join(&h);
        assert_true(fd >= 0);
        assert_int_equal(exec_close_fd(&ex, fd), 0);
    }
    alarm(0);
    assert_int_equal(exec_close_fd(&ex, listener), 0);
    close(client);
    fds_before--;
    end();
}

static const fault_of none = { CALL_NONE, 0, 0, 0 };
/* The fcntl(2) that asks for the flags: where the table grows, one before it asks whether there is a descriptor. */
enum { FLAGS_CALL = EXEC_NO_MALLOC ? 0 : 1 };

static void a_blocking_listener_is_known_though_getsockopt_fails(void **state) {
    (void)state;
    /* family, protocol, and whether it listens */
    for (unsigned skip = 0; skip < 3; skip++)
        accept_of_a_foreign_listener(CALL_GETSOCKOPT, ENOBUFS, skip, none, skip || EXEC_POSIX_ONLY ? 0 : -ENOBUFS);
}

static void a_listener_whose_flags_are_not_known_is_not_accepted_from(void **state) {
    (void)state;
    accept_of_a_foreign_listener(CALL_FCNTL, EBADF, FLAGS_CALL, none, -EBADF);
}

/* Neither whether it listens nor whether it waits is known: one of the two mends is not enough. */
static void a_listener_of_which_nothing_is_known_is_not_accepted_from(void **state) {
    fault_of flags = { CALL_FCNTL, EBADF, FLAGS_CALL, 1 };
    (void)state;
    accept_of_a_foreign_listener(CALL_GETSOCKOPT, ENOBUFS, 2, flags, -EBADF);
    assert_int_equal(second_fault.times, 0);
}

/* ------------------------------------------------------------------------- the descriptor of wakes */

static void count_post(exec *of, void *arg) {
    (void)of;
    ++*(int *)arg;
}

/* Each error of the read that empties it, where that is read (epoll takes its edges); what was posted runs. */
static void a_wake_descriptor_may_be_interrupted_but_not_broken(void **state) {
    static const int errors[] = { EINTR, EAGAIN, EIO };
    static exec_post post;
    exec_remote remote;
    exec_handle h;
    exec_io io;
    int pair[2], posted = 0;
    char c;
    (void)state;
    begin();
    assert_int_equal(exec_socket_pair(&ex, pair, 0), 0);
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);
    for (unsigned i = 0; i < COUNT(errors); i++) {
        int fails = EXEC_BACKEND == EXEC_BACKEND_POLL && errors[i] == EIO, status;
        assert_true(exec_prepare(&ex) >= 0);
        fail_call(CALL_WRITE, EINTR, 0, 2);
        assert_int_equal(exec_remote_post(&remote, &post, count_post, &posted), 0);
        assert_int_equal(fault.times, 0);
        fail_call(CALL_READ, errors[i], 0, 1);
        status = exec_turn(&ex);
        if (fails) assert_int_equal(status, -EIO);
        else assert_true(status >= 0);
        memset(&fault, 0, sizeof fault);
        turns(2);
        assert_int_equal(posted, (int)i + 1);
    }
    assert_int_equal(exec_handle_abort(&h), 0);
    exec_remote_drop(&remote);
    close_pair(pair);
    end();
}

static void the_default_parker_says_that_its_wake_descriptor_is_broken(void **state) {
    static exec_post post;
    exec_config config = default_config();
    exec_remote remote;
    exec_opts opts = test_opts() ? *test_opts() : (exec_opts){ 0 };
    exec plain;
    gate g = { 0 };
    int posted = 0;
    (void)state;
    memset(&fault, 0, sizeof fault);
    config.port = &port;
    assert_int_equal(exec_init(&plain, &config), 0);
    assert_int_equal(exec_remote_get(&plain, &remote), 0);
    assert_int_equal(EXEC_SPAWN(&plain, &opts, awaits, .op = gate_wait(&g)), 0);
    assert_true(exec_turn(&plain) >= 0);
    assert_true(exec_prepare(&plain) == EXEC_NEVER);
    assert_int_equal(exec_remote_post(&remote, &post, count_post, &posted), 0);
    fail_call(CALL_READ, EIO, 0, 1);
    assert_int_equal(exec_run(&plain), -EIO);
    assert_int_equal(posted, 1);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&plain), 0);
    exec_remote_drop(&remote);
    assert_int_equal(exec_destroy(&plain, 0), 0);
}

static void a_line_that_cannot_be_written_is_lost(void **state) {
    exec_config config = default_config();
    (void)state;
    config.log = NULL;
    begin_with(&config);
    fail_call(CALL_WRITE, EBADF, 0, 1);
    exec_log(&ex, "lost");
    assert_int_equal(fault.times, 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blocking_listener_is_known_though_getsockopt_fails),
        cmocka_unit_test(a_listener_whose_flags_are_not_known_is_not_accepted_from),
        cmocka_unit_test(a_listener_of_which_nothing_is_known_is_not_accepted_from),
        cmocka_unit_test(a_wake_descriptor_may_be_interrupted_but_not_broken),
        cmocka_unit_test(the_default_parker_says_that_its_wake_descriptor_is_broken),
        cmocka_unit_test(a_line_that_cannot_be_written_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
