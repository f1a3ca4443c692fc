/* SPDX-License-Identifier: MIT
 * Scenarios of the harness as tests of cmocka, one each. After exec_harness.h and the scenarios:
 *     #define SUITE_SETUP prepare()        before the include: what is called once, first
 *     #define SUITE_LEAST 2000             so many runs there are in which something goes wrong, if none is left out
 *     SUITE(scenarios) */
#ifndef HARNESS_SUITE_H
#define HARNESS_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "emulated.h"

/* Scenarios of which this is true are left out under qemu-user: QEMU_WHY says why. */
#ifndef SUITE_NOT_UNDER_QEMU
#define SUITE_NOT_UNDER_QEMU(scenario) 0
#define QEMU_WHY ""
#endif

#ifndef SUITE_LEAST
#define SUITE_LEAST 1
#endif

static void suite_test(void **state) {
    if (SUITE_NOT_UNDER_QEMU((const harness_scenario *)*state)) not_under_qemu(QEMU_WHY);
    assert_int_equal(harness_each((const harness_scenario *)*state), 0);
}

static int suite_end(void **state) {
    (void)state;
    harness_end();
    if (harness_all.left_out || harness_all.faults >= SUITE_LEAST) return 0;
    printf("FAIL fewer than %d runs\n", SUITE_LEAST);
    return -1;
}

/* main: a test for each. */
#ifndef SUITE_SETUP
#define SUITE_SETUP ((void)0)
#endif
#define SUITE(scenarios) \
    int main(void) { \
        enum { COUNT = sizeof(scenarios) / sizeof *(scenarios) }; \
        struct CMUnitTest tests[COUNT]; \
        memset(tests, 0, sizeof tests); \
        for (int i = 0; i < COUNT; i++) { \
            tests[i].name = (scenarios)[i].name; \
            tests[i].test_func = suite_test; \
            tests[i].initial_state = (void *)(uintptr_t)&(scenarios)[i]; \
        } \
        SUITE_SETUP; \
        harness_begin(COUNT); \
        return cmocka_run_group_tests(tests, NULL, suite_end); \
    }
#endif
