/* SPDX-License-Identifier: MIT
 * Coroutines in C and in C++ in one program: each side defines some that the other awaits and spawns. */
#ifndef IMPLEMENTATION_IN_CPP
#define EXEC_IMPLEMENTATION
#endif
#include "both.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

EXEC_ASYNC_DEFINE(c_double) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_RETURN(2 * self->value);
    EXEC_END;
}

typedef struct { EXEC_FRAME; cpp_count child; int *cleanups; } c_calls_cpp;
EXEC_ASYNC(c_calls_cpp) {
    EXEC_BEGIN;
    EXEC_TRY(EXEC_CALL(&self->child, cpp_count, .from = 3, .cleanups = self->cleanups));
    EXEC_RETURN(EXEC_RESULT(&self->child));
    EXEC_END;
}

static void c_awaits_a_coroutine_of_cpp(void **state) {
    exec ex;
    exec_handle handle;
    exec_opts opts = { .handle = &handle };
    int cleanups = 0;
    (void)state;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, c_calls_cpp, .cleanups = &cleanups), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&handle), 7);
    assert_int_equal(cleanups, 1);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
}

static void cpp_awaits_a_coroutine_of_c(void **state) {
    exec ex;
    exec_handle handle;
    exec_opts opts = { .handle = &handle };
    (void)state;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, cpp_calls_c, .value = 20), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&handle), 41);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
}

/* 3 by single awaits, 2 by the join, 1 of the select, 1 by the group: 7; doubled twice. */
static void every_macro_works_in_cpp(void **state) {
    exec ex;
    (void)state;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(cpp_uses_every_macro(&ex), 28);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
}

static void a_coroutine_of_cpp_is_aborted_from_c(void **state) {
    exec ex;
    exec_handle handle;
    exec_opts opts = { .handle = &handle };
    int cleanups = 0;
    (void)state;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(cpp_spawn(&ex, &opts, 1000, &cleanups), 0);
    assert_int_equal(exec_turn(&ex) > 0, 1);
    assert_int_equal(cleanups, 0);
    assert_int_equal(exec_handle_abort(&handle), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_state(&handle), EXEC_STATE_CANCELLED);
    assert_int_equal(cleanups, 1);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
}

static void cpp_sleeps_and_is_limited(void **state) {
    exec ex;
    exec_timers timers;
    exec_handle handle;
    exec_opts opts = { .handle = &handle };
    exec_config config = { .virtual_clock = 1 };
    (void)state;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_timers_attach(&timers, &ex), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, cpp_naps), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&handle), 1);
    assert_true(exec_now(&ex) >= EXEC_MS(1005));
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c_awaits_a_coroutine_of_cpp),
        cmocka_unit_test(cpp_awaits_a_coroutine_of_c),
        cmocka_unit_test(every_macro_works_in_cpp),
        cmocka_unit_test(a_coroutine_of_cpp_is_aborted_from_c),
        cmocka_unit_test(cpp_sleeps_and_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
