/* SPDX-License-Identifier: MIT
 * Random programs on the executor beside a reference interpreter (programs.h): equal traces.
 * EXEC_TEST_PROGRAMS says how many (100000; 20000 under EXEC_DEBUG, which overwrites 8 KiB of stack a poll; 10^6 in
 * the long suite). Program i of seed s is program 0 of seed s + i: EXEC_TEST_SEED=... EXEC_TEST_PROGRAMS=1 runs it
 * alone. */
struct exec_task;
static void polled(struct exec_task *task);
static void over(struct exec_task *task, long result);
#define EXEC_TRACE_POLL(task) polled(task)
#define EXEC_TRACE_END(task, result) over(task, (long)(result))
#define EXEC_TIMER_TICK_NS 1
#define TEST_HEADER "../exec_timer.h"
#include "test.h"

static unsigned choice(unsigned n) { return test_below(n); }
static uint64_t seed_of_program;
#define PROGRAM_BAD(text) \
    fail_msg("%s: EXEC_TEST_SEED=%llu EXEC_TEST_PROGRAMS=1", text, (unsigned long long)seed_of_program)
#include "programs.h"

static void polled(exec_task *t) { program_traced(E_POLL, t, 0); }
static void over(exec_task *t, long result) { program_traced(E_OVER, t, (int)result); }

static unsigned long pairs[KINDS][KINDS], steps;

static void count_pairs(void) {
    int last = NONE;
    for (unsigned i = 0; i < program.seen.length; i++) {
        const event *e = &program.seen.events[i];
        if (e->what != E_STEP) continue;
        steps++;
        if (last != NONE) pairs[last][e->value]++;
        last = e->value;
    }
}

static void print_pairs(unsigned programs) {
    printf("%u programs of %lu.%lu steps; a step (row) and the next one of any task (column):\n%13s", programs,
           steps / programs, steps * 10 / programs % 10, "");
    for (unsigned i = 0; i < KINDS; i++) printf(" %6.6s", kind_names[i]);
    for (unsigned i = 0; i < KINDS; i++) {
        printf("\n%13s", kind_names[i]);
        for (unsigned k = 0; k < KINDS; k++) printf(" %6lu", pairs[i][k]);
    }
    printf("\nalso: %lu preempted, %lu times the ops of a poll were used up, %lu killed by a sweep, %lu times "
           "destroyed (%lu times not at once), %lu deadlines passed\n", seldom.preempted, seldom.used_up, seldom.swept,
           seldom.destroyed, seldom.stuck, seldom.passed);
}

static void random_programs_do_what_the_reference_does(void **state) {
    const char *text = getenv("EXEC_TEST_PROGRAMS");
    int usual = getenv("EXEC_TEST_LONG") ? 1000000 : EXEC_DEBUG ? 20000 : 100000;
    unsigned programs = text ? (unsigned)strtoul(text, NULL, 0) : (unsigned)test_rounds(usual);
    uint64_t seed = test_seed(20261121);
    (void)state;
    for (unsigned i = 0; i < programs; i++) {
        seed_of_program = seed + i;
        test_random_state = seed_of_program * 0x9E3779B97F4A7C15ULL | 1;
        (void)test_random();
        one_program();
        count_pairs();
    }
    print_pairs(programs);
    if (programs < 1000) return;
    assert_true(steps / programs >= 30);
    if (programs < 10000) return;
    assert_true(seldom.preempted && seldom.used_up && seldom.swept);
    assert_true(seldom.destroyed && seldom.stuck && seldom.passed);
    for (unsigned i = 0; i < KINDS; i++)
        for (unsigned k = 0; k < KINDS; k++) assert_true(pairs[i][k] > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_programs_do_what_the_reference_does) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
