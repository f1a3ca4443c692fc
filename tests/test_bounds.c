/* SPDX-License-Identifier: MIT
 * Sizes, and what EXEC_DEBUG adds at run time. (What it refuses at compile time: tests/fail.) */
#define TEST_HEADER "../exec_timer.h"
#include "test.h"
#include "leaves.h"

/* The bounds of docs/internals.md, by the size of a pointer. */
static void sizes_are_within_their_bounds(void **state) {
    typedef struct { EXEC_FRAME; } empty;
    typedef EXEC_SLOT(empty) empty_slot;
    const int wide = sizeof(void *) == 8;
    (void)state;
    printf("future %zu, strand %zu, task %zu, idle task with an empty frame %zu, cell %zu, timer %zu, wheel %zu\n",
           sizeof(exec_future), sizeof(exec_strand), sizeof(exec_task), sizeof(empty_slot), sizeof(exec_cell),
           sizeof(exec_timer), sizeof(exec_timers));
    assert_true(sizeof(exec_future) <= (wide ? 32 : 20));
    assert_true(sizeof(exec_strand) <= 16);
    assert_true(sizeof(exec_task) <= (wide ? 72 : 40));
    assert_true(sizeof(empty_slot) <= (wide ? 104 : 60));
    assert_true(sizeof(exec_cell) <= 32);
    assert_true(sizeof(exec_timer) <= 40);
    assert_true(sizeof(exec_timers) <= 4096);
}

#if EXEC_DEBUG
enum { NUMBERS = 64 };
static const unsigned poison = 0xE7E7E7E7u;

typedef struct { EXEC_FRAME; unsigned kept[NUMBERS]; unsigned sevens_before, sevens_after, poisoned; } forgetful;

static void fill(unsigned *numbers) { for (int i = 0; i < NUMBERS; i++) numbers[i] = 7; }
static unsigned count(unsigned *numbers, unsigned of) {
    unsigned n = 0;
    for (int i = 0; i < NUMBERS; i++) n += numbers[i] == of;
    return n;
}
static void (*volatile fill_elsewhere)(unsigned *) = fill;
static unsigned (*volatile count_elsewhere)(unsigned *, unsigned) = count;

/* An array's address goes elsewhere: no compiler sees that its value is read after the await. */
EXEC_ASYNC(forgetful) {
    EXEC_BEGIN;
    {
        unsigned numbers[NUMBERS];
        fill_elsewhere(numbers);
        fill_elsewhere(self->kept);
        self->sevens_before = count_elsewhere(numbers, 7);
        EXEC_YIELD;
        self->sevens_after = count_elsewhere(numbers, 7);
        self->poisoned = count_elsewhere(numbers, poison);
    }
    EXEC_END;
}

static void trap_29_an_array_is_overwritten_between_two_polls(void **state) {
    (void)state;
    exec ex;
    EXEC_SLOT(forgetful) slot;
    exec_opts opts;
    memset(&opts, 0, sizeof opts);
    memset(&slot, 0, sizeof slot);
    opts.storage = &slot;
    opts.storage_bytes = sizeof slot;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, forgetful), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(slot.frame.sevens_before, NUMBERS);
    assert_int_equal(count(slot.frame.kept, 7), NUMBERS);
    assert_true(slot.frame.sevens_after < NUMBERS);     /* a sanitizer moves frames about: not all is hit */
    assert_true(slot.frame.poisoned > NUMBERS / 4);
    assert_int_equal(exec_destroy(&ex, 0), 0);
}
#endif

/* What a handle holds may be anything, so it is looked for among those that are linked. */
typedef struct { EXEC_FRAME; gate *gate; } sits;
EXEC_ASYNC(sits) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(self->gate));
    EXEC_END;
}
static void spawn_twice(int detach) {
    exec ex;
    gate gates[2];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    memset(gates, 0, sizeof gates);
    open_exec(&ex);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(EXEC_SPAWN(&ex, &opts, sits, .gate = &gates[i]), 0);
        exec_turn(&ex);
        if (detach) exec_handle_detach(&h);
    }
    assert_int_equal(exec_destroy(&ex, 0), 0);
}
static void links_a_handle_twice(void) { spawn_twice(0); }
static void a_handle_that_is_linked_is_not_given_to_another_task(void **state) {
    (void)state;
    spawn_twice(1);
    if (EXEC_DEBUG) dies_saying(links_a_handle_twice, "a handle that is linked was given to another task");
}

/* The frame is gone when the poll returns. (Volatile: gcc -O3 sees through the await, and refuses it itself.) */
typedef struct { EXEC_FRAME; gate *gate; gate member; int local; } keeps;
EXEC_ASYNC(keeps) {
    gate local, *volatile op = self->local ? &local : &self->member;
    EXEC_BEGIN;
    memset(&local, 0, sizeof local);
    EXEC_TRY(gate_wait(op));
    EXEC_END;
}
static void keep(int local) {
    exec ex;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), keeps, .local = local), 0);
    exec_turn(&ex);
    assert_int_equal(exec_destroy(&ex, 0), 0);
}
static void keeps_an_op_on_the_stack(void) { keep(1); }
static void an_op_on_the_stack_of_a_coroutine_is_refused(void **state) {
    (void)state;
    keep(0);
    if (EXEC_DEBUG) dies_saying(keeps_an_op_on_the_stack, "an await of what is a local of the coroutine");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_within_their_bounds),
        cmocka_unit_test(a_handle_that_is_linked_is_not_given_to_another_task),
        cmocka_unit_test(an_op_on_the_stack_of_a_coroutine_is_refused),
#if EXEC_DEBUG
        cmocka_unit_test(trap_29_an_array_is_overwritten_between_two_polls),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
