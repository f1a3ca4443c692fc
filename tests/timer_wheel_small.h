/* SPDX-License-Identifier: MIT
 * Wheels so small that every case of them is tried. Included by test_timer_small.c and test_timer_small8.c,
 * which differ in the wheel's options. */
#ifndef TIMER_WHEEL_SMALL_H
#define TIMER_WHEEL_SMALL_H

#include "timer_wheel.h"
#define ORACLE_NODES 1024
#include "wheel_walk.h"

#define TURN (1 << EXEC_TIMER_LEVELS * EXEC_TIMER_BITS)        /* ticks */
#define DELAYS (2 * TURN + 40)
/* Starts in so many turns. */
#define STARTS ((int64_t)(TURN < 256 ? 3 * TURN : TURN))

static wheel_walk walk;

/* Each start in the wheel, each delay up to beyond two turns of it, all armed at once. */
static void trap_11_every_start_and_delay_at_once(void **state) {
    static int64_t delays[DELAYS];
    static exec_timer nodes[COUNT(delays)];
    (void)state;
    for (int64_t start = 0; start <= STARTS; start++) {
        int64_t offset = start % 4 == 1 ? 1 : start % 4 == 2 ? TICK / 2 : start % 4 == 3 ? TICK - 1 : 0;
        for (unsigned i = 0; i < COUNT(delays); i++) delays[i] = (int64_t)i * TICK + (int64_t)i % 3;
        run_in_steps(start * TICK + offset, delays, nodes, COUNT(delays));
    }
}

/* Each of them alone: one wake, in time. */
static void trap_11_every_start_and_delay_alone(void **state) {
    static exec_timer node;
    (void)state;
    for (int64_t start = 0; start < STARTS; start++)
        for (int64_t delay = 0; delay < DELAYS; delay++) {
            int64_t deadline = (start + delay) * TICK - delay % 2;
            if (run_by_events(start * TICK, &deadline, &node, 1)) fail_msg("an early wake");
        }
}

/* From each start every delay armed, and the clock jumps by each distance: from there the next deadline
   is followed. In a wheel of many ticks every 19th jump; the long suite takes all. */
static void trap_11_every_start_delay_and_jump(void **state) {
    unsigned by = TURN < 256 || getenv("EXEC_TEST_LONG") ? 1 : 3 + (unsigned)TURN / 16;
    oracle *o = &walk.o;
    (void)state;
    for (unsigned start = 0; start < TURN; start++)
        for (unsigned jump = start % by; jump < DELAYS; jump += by) {
            oracle_open(o, start * TICK, test_opts());
            for (unsigned i = 0; i < DELAYS; i++) oracle_arm(o, i, (int64_t)(start + i) * TICK - (int64_t)(i % 2));
            oracle_turn(o, jump * TICK);
            oracle_check(o);
            while (oracle_follow(o)) {}
            oracle_close(o);
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

/* Few timers, so that they are often alone or the wheel empty; and as many as it takes to fill it. */
static void a_random_walk_matches_the_oracle(void **state) {
    static const unsigned nodes[] = { 3, 40, ORACLE_NODES };
    (void)state;
    test_seed(31);
    for (unsigned i = 0; i < COUNT(nodes); i++)
        walk_until(&walk, (uint64_t)test_rounds(1000000), nodes[i], 2);
}

#define SMALL_WHEEL_TESTS \
    cmocka_unit_test(trap_11_every_start_and_delay_at_once), \
    cmocka_unit_test(trap_11_every_start_and_delay_alone), \
    cmocka_unit_test(trap_11_every_start_delay_and_jump), \
    cmocka_unit_test(trap_11_a_stale_tick_is_no_matter), \
    cmocka_unit_test(trap_12_next_deadline_visits_one_slot), \
    cmocka_unit_test(a_slot_shared_by_several_opens_early_at_most_once_a_level), \
    cmocka_unit_test(a_random_walk_matches_the_oracle)
#endif
