/* SPDX-License-Identifier: MIT
 * A wheel of 4 levels of 4 slots, with a tick that is no power of two. */
#define EXEC_TIMER_BITS 2
#define EXEC_TIMER_LEVELS 4
#define EXEC_TIMER_TICK_NS 1000
#include "timer_wheel_small.h"

static void the_smallest_wheel_is_small(void **state) {
    (void)state;
    /* without two of its levels */
    assert_true(sizeof(exec_timers) - 8 * sizeof(exec_timer_link) - 2 * sizeof(uint32_t) <= 300);
}

int main(void) {
    const struct CMUnitTest tests[] = { SMALL_WHEEL_TESTS, cmocka_unit_test(the_smallest_wheel_is_small) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
