/* SPDX-License-Identifier: MIT
 * usage: resume floor|exec DEPTH ROUNDS [TASKS]
 * Resumes each of TASKS tasks ROUNDS times, by hand (floor: DEPTH is ignored) or by the executor, whose
 * coroutines await each other DEPTH deep. Whoever counts instructions runs two lengths and takes the
 * difference, so that starting and ending cancel out. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"

#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------- the floor: a queue and a switch */

typedef struct floor_task floor_task;
struct floor_task {
    floor_task *next;
    int (*poll)(floor_task *task);
    int queued;
    int resume;
    unsigned long left;
};
static floor_task *floor_ready, **floor_end = &floor_ready;

static void floor_wake(floor_task *t) {
    if (t->queued) return;
    t->queued = 1;
    t->next = NULL;
    *floor_end = t;
    floor_end = &t->next;
}

/* What EXEC_BEGIN; for (...) EXEC_YIELD; EXEC_END; comes to. */
static int floor_count(floor_task *t) {
    switch (t->resume) {
    case 0:
        for (; t->left > 0; t->left--) {
            t->resume = 1;
            floor_wake(t);
            return 0;
    case 1:;
        }
    }
    return 1;
}

static unsigned floor_run(void) {
    unsigned over = 0;
    while (floor_ready) {
        floor_task *t = floor_ready;
        floor_ready = t->next;
        if (!floor_ready) floor_end = &floor_ready;
        t->queued = 0;
        if (t->poll(t)) over++;
    }
    return over;
}

static int by_hand(unsigned long rounds, unsigned tasks) {
    floor_task *all = (floor_task *)calloc(tasks, sizeof *all);
    unsigned over;
    if (!all) return 1;
    for (unsigned i = 0; i < tasks; i++) {
        all[i].poll = floor_count;
        all[i].left = rounds;
        floor_wake(&all[i]);
    }
    over = floor_run();
    free(all);
    return over != tasks;
}

/* ------------------------------------------------------------------------------------ the library */

/* The same loop as the floor's. */
typedef struct { EXEC_FRAME; unsigned long left; } counter;

EXEC_ASYNC(counter) {
    EXEC_BEGIN;
    for (; self->left > 0; self->left--) EXEC_YIELD;
    EXEC_END;
}

/* Awaits `depth` - 1 more of its kind, the last of which awaits the counter. */
typedef struct level { EXEC_FRAME; struct level *next; counter *counter; unsigned depth; unsigned long left; } level;

EXEC_ASYNC_DECLARE(level);

static exec_future *deeper(level *self) {
    if (self->depth == 1) return EXEC_CALL(self->counter, counter, .left = self->left);
    return EXEC_CALL(self->next, level, .next = self->next + 1, .counter = self->counter,
                     .depth = self->depth - 1, .left = self->left);
}

EXEC_ASYNC_DEFINE(level) {
    EXEC_BEGIN;
    EXEC_TRY(deeper(self));
    EXEC_END;
}

static int by_executor(unsigned depth, unsigned long rounds, unsigned tasks) {
    level *levels = (level *)calloc((size_t)tasks * depth, sizeof *levels);
    counter *counters = (counter *)calloc(tasks, sizeof *counters);
    exec ex;
    int status = levels && counters ? exec_init(&ex, NULL) : -ENOMEM;
    for (unsigned i = 0; i < tasks && status == 0; i++) {
        if (depth == 1) status = EXEC_SPAWN(&ex, NULL, counter, .left = rounds);
        else status = EXEC_SPAWN(&ex, NULL, level, .next = levels + (size_t)i * depth, .counter = counters + i,
                                 .depth = depth - 1, .left = rounds);
    }
    if (status == 0) status = exec_run(&ex);
    if (status == 0) status = exec_destroy(&ex, EXEC_SEC(1));
    free(levels);
    free(counters);
    return status < 0;
}

int main(int argc, char **argv) {
    unsigned long depth, rounds, tasks;
    if (argc < 4) return 2;
    depth = strtoul(argv[2], NULL, 10);
    rounds = strtoul(argv[3], NULL, 10);
    tasks = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
    if (argv[1][0] == 'f') return by_hand(rounds, (unsigned)tasks);
    return by_executor((unsigned)depth, rounds, (unsigned)tasks);
}
