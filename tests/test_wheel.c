/* SPDX-License-Identifier: MIT
 * The default wheel beside a sorted reference: boundary values, and a million timers.
 * EXEC_TEST_LONG in the environment: 10^8 operations. */
#define TEST_HEADER "../exec_timer.h"
#include "test.h"
#define ORACLE_NODES 1000000
#include "wheel_walk.h"

static wheel_walk walk;

/* 2^k ticks and one more or less, to the nanosecond; zero, negative, the end of time. */
static unsigned boundary_values(int64_t *values) {
    unsigned count = 0;
    for (unsigned k = 0; k < 47; k++)
        for (int64_t by = -1; by <= 1; by++) values[count++] = (((int64_t)1 << k) + by) * ORACLE_TICK + by;
    for (int64_t by = 0; by < 4; by++) {
        values[count++] = -by;
        values[count++] = EXEC_NEVER - by;
        values[count++] = EXEC_NEVER - by * ORACLE_TICK;
        values[count++] = INT64_MIN + by;
    }
    return count;
}

/* The clock stands at each of them: each as a deadline and as a delay, all at
   once; then the next deadline alone is followed. */
static void trap_11_boundary_values_from_boundary_starts(void **state) {
    static int64_t values[200];
    unsigned count = boundary_values(values);
    oracle *o = &walk.o;
    (void)state;
    memset(o, 0, sizeof *o);
    for (unsigned i = 0; i < count; i++) {
        if (values[i] < 0) continue;
        oracle_open(o, values[i], test_opts());
        for (unsigned k = 0; k < count; k++) {
            int64_t delay = values[k] < 0 ? 0 : values[k];
            oracle_arm(o, 2 * k, values[k]);
            oracle_arm(o, 2 * k + 1, walk_after(values[i], delay));
        }
        while (oracle_follow(o)) oracle_check(o);
        oracle_close(o);
    }
}

/* Each pair of them alone, reached by following the next deadline, and by one jump. */
static void trap_11_boundary_values_alone(void **state) {
    static int64_t values[200];
    unsigned count = boundary_values(values);
    oracle *o = &walk.o;
    (void)state;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < 2 * count && values[i] >= 0; k++) {
            oracle_open(o, values[i], test_opts());
            oracle_arm(o, 0, values[k / 2]);
            if (k % 2) oracle_turn_at(o, values[k / 2] < EXEC_NEVER - ORACLE_TICK ? values[k / 2] : 0);
            while (oracle_follow(o)) {}
            if (o->early) fail_msg("an early wake of one that is alone");
            oracle_close(o);
        }
}

static void a_million_timers_match_the_reference(void **state) {
    unsigned nodes = (unsigned)test_rounds(ORACLE_NODES);
    (void)state;
    test_seed(30);
    walk_until(&walk, getenv("EXEC_TEST_LONG") ? 100000000 : 10 * (uint64_t)nodes, nodes, 8);
    assert_int_equal(walk.o.most, nodes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_11_boundary_values_from_boundary_starts),
        cmocka_unit_test(trap_11_boundary_values_alone),
        cmocka_unit_test(a_million_timers_match_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
