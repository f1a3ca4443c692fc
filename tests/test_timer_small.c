/* SPDX-License-Identifier: MIT
 * A wheel so small that every case of it is tried: 4 levels of 4 slots, a tick that is no power of two. */
#define EXEC_TIMER_BITS 2
#define EXEC_TIMER_LEVELS 4
#define EXEC_TIMER_TICK_NS 1000
#define TEST_HEADER "../exec_timer.h"
#include "test.h"
#include "timer_wheel.h"

#define TURN 256        /* ticks */

/* Each start in the wheel, each delay up to beyond two turns of it, all armed at once. */
static void trap_11_every_start_and_delay_at_once(void **state) {
    static int64_t delays[2 * TURN + 40];
    static exec_timer nodes[COUNT(delays)];
    (void)state;
    for (int64_t start = 0; start <= TURN; start++) {
        int64_t offset = start % 4 == 1 ? 1 : start % 4 == 2 ? TICK / 2 : start % 4 == 3 ? TICK - 1 : 0;
        for (unsigned i = 0; i < COUNT(delays); i++) delays[i] = (int64_t)i * TICK + (int64_t)i % 3;
        run_in_steps(start * TICK + offset, delays, nodes, COUNT(delays));
    }
}

/* Each of them alone: one wake, in time. */
static void trap_11_every_start_and_delay_alone(void **state) {
    static exec_timer node;
    (void)state;
    for (int64_t start = 0; start < TURN; start++)
        for (int64_t delay = 0; delay < 2 * TURN + 40; delay++) {
            int64_t deadline = (start + delay) * TICK - delay % 2;
            if (run_by_events(start * TICK, &deadline, &node, 1)) fail_msg("an early wake");
        }
}

/* From a wheel whose now is stale: nothing was armed for a while. */
static void trap_11_a_stale_tick_is_no_matter(void **state) {
    exec_timer node;
    (void)state;
    memset(&node, 0, sizeof node);
    for (int64_t idle = 0; idle < 2 * TURN; idle++)
        for (int64_t delay = 1; delay < TURN; delay += 7) {
            int64_t deadline = (idle + delay) * TICK;
            world w;
            world_open(&w, 0);
            assert_int_equal(exec_clock_advance(&w.ex, idle * TICK), 0);
            if (!exec_timer_arm(&w.timers, &node, deadline, watcher)) fail();
            while (exec_timer_armed(&node)) {
                int64_t next = exec_timers_next(&w.timers);
                if (next > deadline) fail_msg("late");
                world_turn(&w, next > exec_now(&w.ex) ? next : exec_now(&w.ex));
                check_timer(&node, deadline, exec_now(&w.ex));
            }
            world_close(&w);
        }
}

static void the_smallest_wheel_is_small(void **state) {
    (void)state;
    /* without two of its levels */
    assert_true(sizeof(exec_timers) - 8 * sizeof(exec_timer_link) - 2 * sizeof(uint32_t) <= 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trap_11_every_start_and_delay_at_once),
        cmocka_unit_test(trap_11_every_start_and_delay_alone),
        cmocka_unit_test(trap_11_a_stale_tick_is_no_matter),
        cmocka_unit_test(trap_12_next_deadline_visits_one_slot),
        cmocka_unit_test(a_slot_shared_by_several_opens_early_at_most_once_a_level),
        cmocka_unit_test(a_random_walk_matches_the_oracle),
        cmocka_unit_test(the_smallest_wheel_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
