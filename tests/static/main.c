/* SPDX-License-Identifier: MIT
 * EXEC_STATIC twice and EXEC_IMPLEMENTATION once in one program. */
#include "../test.h"
#include "shared.h"

static void each_private_copy_runs(void **state) {
    (void)state;
    assert_int_equal(first_private(3), 3);
    assert_int_equal(second_private(4), 1004);
    assert_int_equal(first_private(0), 0);
}

static void the_copies_are_three(void **state) {
    (void)state;
    assert_true(first_copy() != second_copy());
    assert_true(first_copy() != exec_strerror);
    assert_true(second_copy() != exec_strerror);
    assert_string_equal(first_copy()(-EBUSY), exec_strerror(-EBUSY));
}

typedef struct { EXEC_FRAME; intptr_t *inner; } outer;
EXEC_ASYNC(outer) {
    EXEC_BEGIN;
    *self->inner = first_private(2);
    EXEC_END;
}

/* An executor of another copy runs inside a poll of this one. */
static void a_private_executor_runs_inside_a_shared_one(void **state) {
    exec ex;
    intptr_t inner = -1;
    (void)state;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), outer, .inner = &inner), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(inner, 2);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_private_copy_runs),
        cmocka_unit_test(the_copies_are_three),
        cmocka_unit_test(a_private_executor_runs_inside_a_shared_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
