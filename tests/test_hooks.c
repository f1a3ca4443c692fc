/* SPDX-License-Identifier: MIT
 * The trace hooks of the implementing file, two of its system calls, the version, and what else a program
 * only reads. */
static struct { int spawned, woken, polled, ended, parked, clocks, no_descriptors; long long last_result; } seen;
#define EXEC_SYS_CLOCK_GETTIME(clock, now) (seen.clocks++, clock_gettime((clock), (now)))
#define EXEC_SYS_EVENTFD(count, flags) (seen.no_descriptors ? (errno = EMFILE, -1) : eventfd((count), (flags)))
#define EXEC_SYS_PIPE(ends) (seen.no_descriptors ? (errno = EMFILE, -1) : pipe(ends))
#define EXEC_TRACE_SPAWN(task) (seen.spawned += (task) != NULL)
#define EXEC_TRACE_WAKE(task) (seen.woken += (task) != NULL)
#define EXEC_TRACE_POLL(task) (seen.polled += (task) != NULL)
#define EXEC_TRACE_END(task, result) (seen.ended += (task) != NULL, seen.last_result = (result))
#define EXEC_TRACE_PARK(ex, timeout_ns) (seen.parked += (ex) != NULL && (timeout_ns) >= 0)
#include <stddef.h>
#define TEST_HEADER "../exec_timer.h"
#include "test.h"

typedef struct { EXEC_FRAME; exec_sleep_op nap; int *user; } napper;
EXEC_ASYNC(napper) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(100)));
    ++*(int *)exec_user(cx->exec);
    EXEC_RETURN(77);
    EXEC_END;
}

/* One spawn; polls: the first, after the yield, after the sleep; a wake by the timer at least. */
static void each_trace_hook_is_called(void **state) {
    exec ex;
    exec_timers timers;
    exec_handle handle;
    exec_opts opts = test_opts_handle(&handle);
    int ran = 0;
    exec_config config = { .user = &ran };
    (void)state;
    memset(&seen, 0, sizeof seen);
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_timers_attach(&timers, &ex), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, napper), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(ran, 1);
    assert_int_equal(seen.spawned, 1);
    assert_int_equal(seen.polled, 3);
    assert_true(seen.woken >= 1);
    assert_int_equal(seen.ended, 1);
    assert_int_equal(seen.last_result, 77);
    assert_true(seen.parked >= 1);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
}

typedef struct { EXEC_FRAME; int left; } yielder;
EXEC_ASYNC(yielder) {
    EXEC_BEGIN;
    for (; self->left > 0; self->left--) EXEC_YIELD;
    EXEC_END;
}

/* (EXEC_DEBUG times each poll.) */
static void no_clock_is_read_while_no_timer_is_armed(void **state) {
    exec ex;
    exec_timers timers;
    (void)state;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(exec_timers_attach(&timers, &ex), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), yielder, .left = 1000), 0);
    seen.clocks = 0;
    assert_int_equal(exec_run(&ex), 0);
    if (!EXEC_DEBUG) assert_int_equal(seen.clocks, 0);
    assert_true(exec_now(&ex) > 0);
    assert_true(seen.clocks > 0);
    assert_int_equal(exec_destroy(&ex, 0), 0);
}

static void without_descriptors_there_is_no_remote_but_an_error(void **state) {
    exec ex;
    exec_port port;
    exec_config config = { .port = &port };
    exec_remote remote;
    (void)state;
    assert_int_equal(exec_init(&ex, &config), 0);
    seen.no_descriptors = 1;
    assert_int_equal(exec_remote_get(&ex, &remote), -EMFILE);
    assert_int_equal(exec_poll_fd(&ex), -EMFILE);
    assert_int_equal(exec_poll_fds(&ex, NULL, 0), -EMFILE);
    assert_true(exec_prepare(&ex) == -EMFILE);
    seen.no_descriptors = 0;
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    assert_true(exec_poll_fd(&ex) >= 0);
    exec_remote_drop(&remote);
    assert_int_equal(exec_destroy(&ex, 0), 0);
}

static void the_version_is_one(void **state) {
    char text[32];
    (void)state;
    assert_int_equal(exec_version(), EXEC_VERSION);
    assert_int_equal(EXEC_VERSION,
                     EXEC_VERSION_MAJOR * 10000 + EXEC_VERSION_MINOR * 100 + EXEC_VERSION_PATCH);
    snprintf(text, sizeof text, "%d.%d.%d", EXEC_VERSION_MAJOR, EXEC_VERSION_MINOR, EXEC_VERSION_PATCH);
    assert_string_equal(text, EXEC_VERSION_STRING);
}

static void units_are_nanoseconds(void **state) {
    (void)state;
    assert_true(EXEC_US(1000) == EXEC_MS(1));
    assert_true(EXEC_MS(1000) == EXEC_SEC(1));
    assert_true(EXEC_SEC(1) == 1000000000);
    assert_true(EXEC_SEC(9000000000) < EXEC_NEVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_trace_hook_is_called),
        cmocka_unit_test(no_clock_is_read_while_no_timer_is_armed),
        cmocka_unit_test(without_descriptors_there_is_no_remote_but_an_error),
        cmocka_unit_test(the_version_is_one),
        cmocka_unit_test(units_are_nanoseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
