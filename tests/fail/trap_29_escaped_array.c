/* SPDX-License-Identifier: MIT
 * runs
 * expect: trap_29_escaped_array.c:[0-9]+: an array was read after an await: keep it in the frame
 * with: gcc -std=c11 -O0 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O0 -DEXEC_DEBUG=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1
 * with: gcc -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * with: clang -std=c11 -O2 -DEXEC_DEBUG=1 -DEXEC_LC_SWITCH=1
 * An array, whose address goes elsewhere: no compiler sees that it is read after the await, so debug builds
 * overwrite the stack between two polls. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

static void set(int *numbers) { for (int i = 0; i < 16; i++) numbers[i] = 7; }
static int get(const int *numbers) { return numbers[0] + numbers[15]; }
static void (*volatile set_elsewhere)(int *) = set;
static int (*volatile get_elsewhere)(const int *) = get;

typedef struct { EXEC_FRAME; int numbers[16]; } work;
EXEC_ASYNC(work) {
#ifdef RIGHT
    int *numbers = self->numbers;
#else
    int numbers[16];
#endif
    EXEC_BEGIN;
    set_elsewhere(numbers);
    EXEC_ASSERT(get_elsewhere(numbers) == 14, "it is lost before any await");
    EXEC_YIELD;
    EXEC_ASSERT(get_elsewhere(numbers) == 14, "an array was read after an await: keep it in the frame");
    EXEC_END;
}
RUN_WORK;
