/* SPDX-License-Identifier: MIT
 * What is particular to EXEC_BACKEND_POLL: levels, the array that each wait makes anew, and embedding
 * with many descriptors. What every backend does is in test_net.c. */
#ifndef EXEC_BACKEND
#define EXEC_BACKEND EXEC_BACKEND_POLL
#endif
#include "net.h"

static void pair_of(int type, int pair[2]) { assert_int_equal(socketpair(AF_UNIX, type, 0, pair), 0); }

/* ------------------------------------------------------------------------------------------ tables */

static void a_callers_table_needs_an_entry_for_each_slot_and_one_more(void **state) {
    exec_net_config config = { table, 8, NULL, 0 };
    (void)state;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(exec_net_attach(&net, &ex, &config), -EINVAL);
    config.pollfd_count = 9;
    assert_int_equal(exec_net_attach(&net, &ex, &config), -EINVAL);
    config.pollfds = pollfds;
    config.pollfd_count = 8;
    assert_int_equal(exec_net_attach(&net, &ex, &config), -EINVAL);
    assert_null(exec_timers_of(&ex));
    config.pollfd_count = 9;
    assert_int_equal(exec_net_attach(&net, &ex, &config), 0);
    assert_int_equal(exec_net_poll(&net, 0), 0);
    assert_int_equal(exec_destroy(&ex, 0), 0);
}

/* One high descriptor does not make each later wait walk the table. */
static void the_watermark_rises_with_a_wait_and_falls_after_it(void **state) {
    exec_handle h;
    exec_io io;
    int pair[2], high = 300;
    char c;
    (void)state;
    begin();
    pair_of(SOCK_STREAM | SOCK_NONBLOCK, pair);
    assert_int_equal(dup2(pair[0], high), high);
    assert_int_equal(run(exec_write(&io, high, "x", 1)), 1);
    assert_int_equal(net.top, 0);                       /* it did not wait */
    start(&h, exec_read(&io, high, &c, 1));
    turns(2);
    assert_int_equal(net.top, high + 1);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_net_poll(&net, 0), 0);
    assert_int_equal(net.top, 0);
    start(&h, exec_read(&io, pair[0], &c, 1));          /* and rises again */
    turns(2);
    assert_int_equal(net.top, pair[0] + 1);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(join(&h), 1);
    assert_int_equal(exec_close_fd(&ex, high), 0);
    close_pair(pair);
    end();
}

/* ------------------------------------------------------------------------------------------ levels */

/* A leaf of one's own that was told and has not looked yet does not make the reactor spin. */
static void who_was_told_is_not_asked_for_again_until_the_bit_is_cleared(void **state) {
    exec_waiter w;
    exec_handle h;
    gate g = { 0 };
    int pair[2];
    (void)state;
    begin();
    pair_of(SOCK_STREAM | SOCK_NONBLOCK, pair);
    start(&h, gate_wait(&g));
    turns(1);
    assert_int_equal(exec_net_register(&net, &w, pair[0], EXEC_READABLE, g.task), 0);
    w.ready = 0;
    assert_int_equal(exec_net_poll(&net, 0), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(exec_net_poll(&net, 0), 1);
    assert_int_equal(w.ready, EXEC_READABLE);
    assert_int_equal(exec_net_poll(&net, 0), 0);
    turns(1);
    g.polls = 0;
    w.ready = 0;                                        /* too early: the byte is still there */
    turns(1);
    assert_int_equal(w.ready, EXEC_READABLE);
    assert_int_equal(g.polls, 1);
    assert_int_equal(exec_net_deregister(&net, &w), 0);
    gate_open(&g, 0);
    assert_int_equal(join(&h), 0);
    close_pair(pair);
    end();
}

/* The readiness of one direction neither hides nor wakes the other. */
static void a_reader_waits_beside_a_writer_of_one_descriptor(void **state) {
    static char big[4 << 20];
    exec_handle r, w;
    exec_io ri, wi;
    unsigned before;
    int pair[2];
    char c;
    (void)state;
    begin();
    pair_of(SOCK_STREAM | SOCK_NONBLOCK, pair);
    start(&r, exec_read(&ri, pair[0], &c, 1));
    start(&w, exec_write_all(&wi, pair[0], big, sizeof big));
    turns(20);
    assert_int_equal(net.fds.waiting, 2);
    before = calls[CALL_PPOLL];
    assert_int_equal(exec_net_poll(&net, EXEC_US(100)), 0);     /* neither: it sleeps */
    assert_int_equal(calls[CALL_PPOLL], before + 1);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(join(&r), 1);
    assert_int_equal(exec_handle_state(&w), EXEC_STATE_IDLE);
    assert_int_equal(exec_handle_abort(&w), 0);
    close_pair(pair);
    end();
}

static void a_hang_up_reaches_a_writer(void **state) {
    static char big[1 << 20];
    exec_handle h;
    exec_io io;
    int fds[2];
    (void)state;
    begin();
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    start(&h, exec_write_all(&io, fds[1], big, sizeof big));
    turns(40);
    assert_int_equal(net.fds.waiting, 1);
    close(fds[0]);
    assert_int_equal(join(&h), -EPIPE);
    assert_int_equal(exec_close_fd(&ex, fds[1]), 0);
    end();
}

/* A short read stops at urgent data; who asks for that is told of it, and nobody else. */
static void urgent_data_wakes_who_asks_for_it(void **state) {
    char address[EXEC_ADDRESS_BYTES], buf[8];
    exec_io accepts, connects, io;
    exec_timeout_op limit;
    struct msghdr message;
    struct iovec part;
    exec_handle h;
    int listener, server, client;
    (void)state;
    begin();
    listener = exec_listen(&ex, "127.0.0.1:0", NULL);
    assert_int_equal(exec_local_address(listener, address, sizeof address), 0);
    start(&h, exec_accept(&accepts, listener));
    client = (int)run(exec_connect(&connects, address, NULL));
    server = (int)join(&h);
    start(&h, exec_read(&io, server, buf, sizeof buf));
    turns(2);
    assert_int_equal(send(client, "abc", 3, 0), 3);
    assert_int_equal(send(client, "U", 1, MSG_OOB), 1);
    assert_int_equal(join(&h), 3);
    assert_int_equal(run(exec_timeout(&limit, exec_read(&io, server, buf, 8), EXEC_MS(2))), -ETIMEDOUT);
    assert_int_equal(run(exec_timeout(&limit, exec_recv(&io, server, buf, 1, MSG_OOB), EXEC_SEC(20))), 1);
    assert_int_equal(buf[0], 'U');
    memset(&message, 0, sizeof message);
    part.iov_base = buf;
    part.iov_len = 1;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    assert_int_equal(run(exec_timeout(&limit, exec_read(&io, server, buf, 8), EXEC_MS(2))), -ETIMEDOUT);
    start(&h, exec_timeout(&limit, exec_recvmsg(&io, server, &message, MSG_OOB), EXEC_SEC(20)));
    turns(2);
    assert_int_equal(send(client, "V", 1, MSG_OOB), 1);
    assert_int_equal(join(&h), 1);
    assert_int_equal(buf[0], 'V');
    assert_int_equal(exec_close_fd(&ex, server), 0);
    assert_int_equal(exec_close_fd(&ex, client), 0);
    assert_int_equal(exec_close_fd(&ex, listener), 0);
    end();
}

static void a_regular_file_never_waits(void **state) {
    char path[] = "/tmp/exec_test_poll_XXXXXX", buf[4];
    exec_handle h;
    exec_io io;
    int fd;
    (void)state;
    begin();
    fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    start(&h, exec_write_all(&io, fd, "hello", 5));
    turns(1);
    assert_int_equal(exec_handle_result(&h), 5);        /* in one turn */
    for (int i = 0; i < 3; i++) {                       /* an end of file is no reason to wait either */
        start(&h, exec_read(&io, fd, buf, sizeof buf));
        turns(1);
        assert_int_equal(exec_handle_result(&h), 0);
    }
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    end();
}

/* ------------------------------------------------------------------------- closed, changed, reused */

static void a_descriptor_closed_behind_our_back_ends_its_waits(void **state) {
    static char big[4 << 20];
    exec_handle r, w;
    exec_io ri, wi;
    unsigned before;
    int pair[2], other[2];
    char c;
    (void)state;
    begin();
    pair_of(SOCK_STREAM | SOCK_NONBLOCK, pair);
    pair_of(SOCK_STREAM | SOCK_NONBLOCK, other);
    start(&r, exec_read(&ri, pair[0], &c, 1));
    start(&w, exec_write_all(&wi, pair[0], big, sizeof big));
    turns(20);
    assert_int_equal(net.fds.waiting, 2);
    close(pair[0]);
    before = calls[CALL_PPOLL];
    assert_int_equal(join(&r), -EBADF);
    assert_int_equal(join(&w), -EBADF);
    assert_true(calls[CALL_PPOLL] <= before + 2);
    assert_int_equal(net.fds.waiting, 0);
    assert_int_equal(dup2(other[1], pair[0]), pair[0]); /* the number may be used again at once */
    assert_int_equal(run(exec_write(&wi, pair[0], "x", 1)), 1);
    close_pair(pair);
    close_pair(other);
    end();
}

/* Between the wait and its delivery the number of a ready pipe becomes that of an empty one, which blocks:
   who waits for that is not told. */
static struct { int old_fd, fresh[2]; exec_waiter waiter; exec_task *task; } swap;
static void swap_fd(int count) {
    batch_hook = NULL;
    (void)count;
    assert_int_equal(exec_close_fd(&ex, swap.old_fd), 0);
    assert_int_equal(dup2(swap.fresh[0], swap.old_fd), swap.old_fd);
    assert_int_equal(exec_net_register(&net, &swap.waiter, swap.old_fd, EXEC_READABLE, swap.task), 0);
}
static void cancel_fd(int count) {
    batch_hook = NULL;
    (void)count;
    assert_int_equal(exec_fd_cancel(&ex, swap.old_fd), 0);
}
static void trap_23_what_came_for_another_owner_of_the_number(void **state) {
    exec_handle h, idler;
    gate g = { 0 };
    exec_io io;
    int fds[2];
    char c;
    (void)state;
    begin();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(pipe2(swap.fresh, O_CLOEXEC), 0);
    start(&idler, gate_wait(&g));
    start(&h, exec_read(&io, fds[0], &c, 1));
    turns(2);
    swap.task = g.task;
    swap.old_fd = fds[0];
    assert_int_equal(write(fds[1], "x", 1), 1);
    batch_hook = swap_fd;
    assert_true(exec_net_poll(&net, EXEC_SEC(5)) >= 0);
    assert_null(batch_hook);
    assert_int_equal(swap.waiter.ready, 0);
    assert_int_equal(join(&h), -EBADF);
    assert_int_equal(write(swap.fresh[1], "y", 1), 1);
    batch_hook = cancel_fd;                             /* and one that is cancelled stays so */
    assert_true(exec_net_poll(&net, EXEC_SEC(5)) >= 0);
    assert_int_equal(swap.waiter.fd, -EBADF);
    assert_int_equal(run(exec_read(&io, swap.old_fd, &c, 1)), -EBADF);
    gate_open(&g, 0);
    assert_int_equal(join(&idler), 0);
    close_pair(fds);
    close_pair(swap.fresh);
    end();
}

/* --------------------------------------------------------------------------------------- embedding */

static void poll_fds_says_how_many_there_are_and_fills_what_fits(void **state) {
    struct pollfd fds[4];
    exec_handle h[2];
    exec_io io[2];
    int pair[2], wake;
    char c[2];
    (void)state;
    begin();
    pair_of(SOCK_STREAM | SOCK_NONBLOCK, pair);
    for (int i = 0; i < 2; i++) start(&h[i], exec_read(&io[i], pair[i], &c[i], 1));
    while (exec_prepare(&ex) == 0) turns(1);
    assert_int_equal(exec_poll_fd(&ex), -ENOSYS);       /* no one descriptor stands for all */
    wake = exec_wake_fd(&ex);
    memset(fds, 0x55, sizeof fds);
    assert_int_equal(exec_poll_fds(&ex, NULL, 0), 3);
    assert_int_equal(exec_poll_fds(&ex, fds, 2), 3);
    assert_int_equal(fds[2].fd, 0x55555555);
    assert_int_equal(exec_poll_fds(&ex, fds, 4), 3);
    assert_int_equal(fds[0].fd, wake);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fds[i].events, POLLIN);
        assert_int_equal(fds[i].revents, 0);
    }
    assert_int_equal(fds[1].fd + fds[2].fd, pair[0] + pair[1]);
    for (int i = 0; i < 2; i++) assert_int_equal(exec_handle_abort(&h[i]), 0);
    close_pair(pair);
    end();
}

/* Whoever comes to wait while the host waits already must not be missed: the host is called back. */
static void a_wait_that_begins_between_prepare_and_turn_is_not_missed(void **state) {
    exec_waiter w;
    exec_handle h;
    gate g = { 0 };
    int pair[2];
    (void)state;
    begin();
    pair_of(SOCK_STREAM | SOCK_NONBLOCK, pair);
    start(&h, gate_wait(&g));
    turns(1);
    assert_int_equal(exec_net_register(&net, &w, pair[0], EXEC_READABLE, g.task), 0);
    turns(1);
    exec_net_deregister(&net, &w);
    assert_true(exec_prepare(&ex) != 0);
    {
        struct pollfd fds[8];
        int n = exec_poll_fds(&ex, fds, COUNT(fds));
        assert_int_equal(poll(fds, (nfds_t)n, 0), 0);
        net.fds.slots[pair[0]].state &= (uint8_t)~EXEC_READABLE;
        assert_int_equal(exec_net_register(&net, &w, pair[0], EXEC_READABLE, g.task), 0);
        assert_int_equal(w.ready, 0);
        assert_int_equal(poll(fds, (nfds_t)n, 0), 1);   /* the old list */
    }
    turns(1);
    assert_true(exec_prepare(&ex) != 0);
    assert_int_equal(host_poll(0), 0);                  /* consumed */
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(host_poll(5000), 1);
    turns(1);
    assert_int_equal(w.ready, EXEC_READABLE);
    exec_net_deregister(&net, &w);
    gate_open(&g, 0);
    assert_int_equal(join(&h), 0);
    close_pair(pair);
    end();
}

/* A wake is taken from its descriptor by a turn, however many there were; a look before is told, and says it again. */
static void a_turn_takes_the_wake_that_a_look_says_again(void **state) {
    exec_remote remote;
    exec_handle h;
    gate g = { 0 };
    (void)state;
    begin();
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    start(&h, gate_wait(&g));
    for (int i = 0; i < 3; i++) {
        while (exec_prepare(&ex) == 0) turns(1);
        assert_int_equal(host_poll(0), 0);
        gate_nudge(&g);
        assert_int_equal(exec_remote_dump(&remote), 0);
        assert_int_equal(host_poll(5000), 1);
        assert_int_equal(exec_net_poll(&net, EXEC_SEC(5)), 1);
        assert_int_equal(host_poll(0), 1);
        turns(1);
    }
    exec_remote_drop(&remote);
    gate_open(&g, 0);
    assert_int_equal(join(&h), 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_callers_table_needs_an_entry_for_each_slot_and_one_more),
        cmocka_unit_test(the_watermark_rises_with_a_wait_and_falls_after_it),
        cmocka_unit_test(who_was_told_is_not_asked_for_again_until_the_bit_is_cleared),
        cmocka_unit_test(a_reader_waits_beside_a_writer_of_one_descriptor),
        cmocka_unit_test(a_hang_up_reaches_a_writer),
        cmocka_unit_test(urgent_data_wakes_who_asks_for_it),
        cmocka_unit_test(a_regular_file_never_waits),
        cmocka_unit_test(a_descriptor_closed_behind_our_back_ends_its_waits),
        cmocka_unit_test(trap_23_what_came_for_another_owner_of_the_number),
        cmocka_unit_test(poll_fds_says_how_many_there_are_and_fills_what_fits),
        cmocka_unit_test(a_wait_that_begins_between_prepare_and_turn_is_not_missed),
        cmocka_unit_test(a_turn_takes_the_wake_that_a_look_says_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
