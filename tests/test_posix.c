/* SPDX-License-Identifier: MIT
 * EXEC_POSIX_ONLY: what stands in for the calls of Linux. The other test programs run with it in the
 * configuration gcc-posix; which names it may refer to is checked by posix-symbols. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
enum { CALL_NONE, CALL_PIPE, CALL_FCNTL, CALLS };
#include "faulty.h"

#define EXEC_SYS_PIPE(...) (faulty(CALL_PIPE) ? -1 : pipe(__VA_ARGS__))
#define EXEC_SYS_FCNTL(...) (faulty(CALL_FCNTL) ? -1 : fcntl(__VA_ARGS__))

#ifndef EXEC_POSIX_ONLY
#define EXEC_POSIX_ONLY 1
#endif
#define TEST_HEADER "../exec_net.h"
#include "test.h"
#include "leaves.h"
#include "reactor.h"
#include "awaits.h"

static void the_backend_is_poll(void **state) {
    (void)state;
    assert_int_equal(EXEC_BACKEND, EXEC_BACKEND_POLL);
}

static void a_pipe_wakes_the_executor(void **state) {
    exec_remote remote;
    (void)state;
    begin();
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    assert_int_equal(calls[CALL_PIPE], 1);
    assert_true(is_ours(port.fd));
    assert_true(is_ours(port.write_fd));
    assert_int_equal(exec_wake_fd(&ex), port.fd);
    for (int i = 0; i < 3; i++) {
        struct pollfd fd = { port.fd, POLLIN, 0 };
        assert_true(exec_prepare(&ex) != 0);
        assert_int_equal(exec_remote_dump(&remote), 0);
        assert_int_equal(poll(&fd, 1, 0), 1);
        assert_true(exec_turn(&ex) >= 0);
        assert_int_equal(poll(&fd, 1, 0), 0);
    }
    exec_remote_drop(&remote);
    end();
}

/* Writes that pile up, more than one read takes, are taken by as many waits; a full pipe takes no more and
   stays readable. */
static void a_full_pipe_of_wakes_is_read_empty(void **state) {
    exec_remote remote;
    int waits = 0;
    (void)state;
    begin();
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    for (int i = 0; i < 20000; i++) exec__signal(&port);
    while (exec_net_poll(&net, 0) > 0) waits++;
    assert_in_range(waits, 2, 20000 / 8);
    exec_remote_drop(&remote);
    end();
}

static void without_descriptors_there_is_no_port_and_no_leak(void **state) {
    exec_remote remote;
    (void)state;
    begin();
    fail_call(CALL_PIPE, EMFILE, 0, 1);
    assert_int_equal(exec_remote_get(&ex, &remote), -EMFILE);
    for (unsigned skip = 0; skip < 4; skip++) {
        fail_call(CALL_FCNTL, EMFILE, skip, 1);
        assert_int_equal(exec_remote_get(&ex, &remote), -EMFILE);
        assert_int_equal(count_fds(), fds_before);
    }
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    exec_remote_drop(&remote);
    end();
}

static void made_and_accepted_sockets_are_nonblocking(void **state) {
    char address[EXEC_ADDRESS_BYTES];
    exec_io accepts, connects;
    exec_handle h;
    int listener;
    (void)state;
    begin();
    for (unsigned skip = 0; skip < 2; skip++) {
        fail_call(CALL_FCNTL, EMFILE, skip, 1);
        assert_int_equal(exec_listen(&ex, "127.0.0.1:0", NULL), -EMFILE);
        assert_int_equal(count_fds(), fds_before);
    }
    listener = exec_listen(&ex, "127.0.0.1:0", NULL);
    assert_true(is_ours(listener));
    assert_int_equal(exec_local_address(listener, address, sizeof address), 0);
    start(&h, exec_accept(&accepts, listener));
    assert_true(run(exec_connect(&connects, address, NULL)) >= 0);
    assert_true(join(&h) >= 0);
    assert_true(is_ours((int)EXEC_RESULT(&connects)));
    assert_true(is_ours((int)EXEC_RESULT(&accepts)));
    assert_int_equal(exec_close_fd(&ex, (int)EXEC_RESULT(&connects)), 0);
    assert_int_equal(exec_close_fd(&ex, (int)EXEC_RESULT(&accepts)), 0);
    assert_int_equal(exec_close_fd(&ex, listener), 0);
    end();
}

/* Without MSG_DONTWAIT: a call per readiness, and no more than surely fits. The thread never stops. */
static void a_foreign_blocking_socket_does_not_stop_the_thread(void **state) {
    enum { BYTES = 1 << 20 };
    static unsigned char out[BYTES], in[BYTES];
    exec_timeout_op limit;
    exec_handle h;
    exec_io r, w;
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    alarm(60);
    for (size_t i = 0; i < BYTES; i++) out[i] = (unsigned char)(i * 13 + (i >> 9));
    assert_int_equal(run(exec_timeout(&limit, exec_read(&r, pair[0], in, 1), EXEC_MS(1))), -ETIMEDOUT);
    start(&h, exec_write_all(&w, pair[1], out, BYTES));
    assert_int_equal(run(exec_timeout(&limit, exec_readable(&r, pair[1]), EXEC_MS(2))), -ETIMEDOUT);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);           /* it waits, we do not */
    assert_int_equal(run(exec_read_exact(&r, pair[0], in, BYTES)), BYTES);
    assert_int_equal(join(&h), BYTES);
    assert_memory_equal(in, out, BYTES);
    assert_false(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
    close_pair(pair);
    alarm(120);
    end();
}

/* Its buffer is as small as can be, and there is a byte in it: it takes something, but not much. */
static void a_blocking_socket_with_a_small_buffer_does_not_stop_the_thread(void **state) {
    enum { BYTES = 20000 };
    static unsigned char out[BYTES], in[BYTES];
    struct iovec vector = { out, BYTES };
    exec_handle h;
    exec_io r, w;
    int pair[2], smallest = 1;
    (void)state;
    alarm(60);
    for (int by_vector = 0; by_vector < 2; by_vector++) {
        begin();
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest), 0);
        assert_int_equal(run(exec_write(&w, pair[1], out, 1)), 1);
        start(&h, by_vector ? exec_writev_all(&w, pair[1], &vector, 1) : exec_write_all(&w, pair[1], out, BYTES));
        turns(100);
        assert_int_equal(run(exec_read(&r, pair[0], in, 1)), 1);
        assert_int_equal(run(exec_read_exact(&r, pair[0], in, BYTES)), BYTES);
        assert_int_equal(join(&h), BYTES);
        close_pair(pair);
        end();
    }
    alarm(120);
}

static void a_message_to_a_blocking_socket_goes_whole(void **state) {
    static char out[9000], in[sizeof out + 1];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    memset(out, 'm', sizeof out);
    assert_int_equal(run(exec_write(&io, pair[1], out, sizeof out)), sizeof out);
    assert_int_equal(run(exec_read(&io, pair[0], in, sizeof in)), sizeof out);
    assert_memory_equal(in, out, sizeof out);
    close_pair(pair);
    end();
}

static void waits_are_rounded_up_to_milliseconds(void **state) {
    static const int64_t spans[] = { 1, EXEC_US(1), EXEC_US(999), EXEC_US(1001), EXEC_MS(2) - 1 };
    struct timespec zero = { 0, 0 }, longest = { INT32_MAX, 999999999 };
    struct pollfd fd = { port.fd, POLLIN, 0 };
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(spans); i++) {
        int64_t before = exec_now(&ex);
        assert_int_equal(exec_net_poll(&net, spans[i]), 0);
        assert_true(exec_now(&ex) - before >= spans[i]);
    }
    assert_int_equal(exec__ppoll(&fd, 0, &zero), 0);
    assert_int_equal(exec_prepare(&ex), EXEC_NEVER);
    fd.fd = port.fd;
    exec__signal(&port);
    assert_int_equal(exec__ppoll(&fd, 1, &longest), 1);         /* no overflow */
    assert_int_equal(exec__ppoll(&fd, 1, NULL), 1);
    end();
}

#if !EXEC_NO_MALLOC
static void the_allocator_of_posix_aligns(void **state) {
    (void)state;
    for (size_t align = sizeof(void *); align <= 4096; align *= 2) {
        void *memory = exec__default_allocate(NULL, 100, align);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % align, 0);
        exec__default_release(NULL, memory, 100, align);
    }
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_backend_is_poll),
        cmocka_unit_test(a_pipe_wakes_the_executor),
        cmocka_unit_test(a_full_pipe_of_wakes_is_read_empty),
        cmocka_unit_test(without_descriptors_there_is_no_port_and_no_leak),
        cmocka_unit_test(made_and_accepted_sockets_are_nonblocking),
        cmocka_unit_test(a_foreign_blocking_socket_does_not_stop_the_thread),
        cmocka_unit_test(a_blocking_socket_with_a_small_buffer_does_not_stop_the_thread),
        cmocka_unit_test(a_message_to_a_blocking_socket_goes_whole),
        cmocka_unit_test(waits_are_rounded_up_to_milliseconds),
#if !EXEC_NO_MALLOC
        cmocka_unit_test(the_allocator_of_posix_aligns),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
