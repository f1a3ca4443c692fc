/* SPDX-License-Identifier: MIT
 * A wheel of 2 levels of 8 slots, so that several turns of it pass; a tick of 1024 ns. */
#define EXEC_TIMER_BITS 3
#define EXEC_TIMER_LEVELS 2
#define EXEC_TIMER_TICK_NS 1024
#include "timer_wheel_small.h"

int main(void) {
    const struct CMUnitTest tests[] = { SMALL_WHEEL_TESTS };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
