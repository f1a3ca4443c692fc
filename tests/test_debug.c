/* SPDX-License-Identifier: MIT
 * What EXEC_DEBUG adds at run time. (What it refuses at compile time: tests/fail.) */
#include "test.h"

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
#endif

static void trap_29_an_array_is_overwritten_between_two_polls(void **state) {
    (void)state;
#if EXEC_DEBUG
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
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(trap_29_an_array_is_overwritten_between_two_polls) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
