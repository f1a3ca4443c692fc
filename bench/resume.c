/* SPDX-License-Identifier: MIT
 * The resume of a ready task: coroutines that yield for ever, at await depth 1 and 16.
 * Floor: a linked run queue of nodes, each a function pointer and the state of a switch; a flag keeps a
 * node that is woken twice from standing in the queue twice.
 * cc -O2 -o resume resume.c && ./resume */
#include "bench.h"
#define EXEC_IMPLEMENTATION
#include "../exec.h"

/* ------------------------------------------------------------------------------------------- ours */

enum { DEPTH = 16 };

typedef struct spinner { EXEC_FRAME; uint64_t count; } spinner;
typedef struct deep { EXEC_FRAME; struct deep *inner, *end; spinner *last; } deep;
/* All but the root, which is the task. */
typedef struct chain { deep inner[DEPTH - 2]; spinner last; } chain;

static uint64_t ours_left;

EXEC_ASYNC(spinner) {
    EXEC_BEGIN;
    for (;;) {
        self->count++;
        if (--ours_left == 0) exec_stop(cx->exec);
        EXEC_YIELD;
    }
    EXEC_END;
}

EXEC_ASYNC(deep) {
    EXEC_BEGIN;
    if (self->inner < self->end)
        EXEC_AWAIT(EXEC_CALL(self->inner, deep, .inner = self->inner + 1, .end = self->end, .last = self->last));
    else
        EXEC_AWAIT(EXEC_CALL(self->last, spinner, .count = 0));
    EXEC_END;
}

typedef struct ours { exec ex; chain *chains; } ours;

static void *ours_make(unsigned tasks) {
    ours *o = (ours *)bench_allocate(sizeof *o);
    bench_must(exec_init(&o->ex, NULL), "exec_init");
    for (unsigned i = 0; i < tasks; i++) bench_must(EXEC_SPAWN(&o->ex, NULL, spinner, .count = 0), "spawn");
    return o;
}

static void *ours_make_deep(unsigned tasks) {
    ours *o = (ours *)bench_allocate(sizeof *o);
    o->chains = (chain *)bench_allocate(sizeof *o->chains * tasks);
    bench_must(exec_init(&o->ex, NULL), "exec_init");
    for (unsigned i = 0; i < tasks; i++) {
        chain *c = &o->chains[i];
        bench_must(EXEC_SPAWN(&o->ex, NULL, deep, .inner = c->inner, .end = c->inner + DEPTH - 2, .last = &c->last),
                   "spawn");
    }
    return o;
}

static int64_t ours_run(void *state, uint64_t polls) {
    ours *o = (ours *)state;
    int64_t start = bench_now();
    ours_left = polls;
    bench_must(exec_run(&o->ex), "exec_run");
    return bench_now() - start;
}

static void ours_drop(void *state) {
    ours *o = (ours *)state;
    bench_must(exec_destroy(&o->ex, EXEC_SEC(10)), "exec_destroy");
    free(o->chains);
    free(o);
}

/* ------------------------------------------------------------------------------------------ floor */

typedef struct node node;
typedef struct queue { node *head, **end; node *nodes; } queue;

struct node {
    node *next;
    void (*run)(queue *q, node *n);
    unsigned state, queued;
    uint64_t count;
};

static uint64_t floor_left;
static int floor_stop;

static void queue_wake(queue *q, node *n) {
    if (n->queued) return;
    n->queued = 1;
    n->next = NULL;
    *q->end = n;
    q->end = &n->next;
}

static void node_run(queue *q, node *n) {
    switch (n->state) {
    case 0:
        for (;;) {
            n->count++;
            if (--floor_left == 0) floor_stop = 1;
            n->state = 1;
            queue_wake(q, n);
            return;
    case 1:;
        }
    }
}

static void queue_run(queue *q) {
    while (q->head && !floor_stop) {
        node *n = q->head;
        q->head = n->next;
        if (!q->head) q->end = &q->head;
        n->queued = 0;
        n->run(q, n);
    }
}

static void *floor_make(unsigned tasks) {
    queue *q = (queue *)bench_allocate(sizeof *q);
    q->nodes = (node *)bench_allocate(sizeof *q->nodes * tasks);
    q->end = &q->head;
    for (unsigned i = 0; i < tasks; i++) {
        q->nodes[i].run = node_run;
        queue_wake(q, &q->nodes[i]);
    }
    return q;
}

static int64_t floor_run(void *state, uint64_t polls) {
    int64_t start = bench_now();
    floor_left = polls;
    floor_stop = 0;
    queue_run((queue *)state);
    return bench_now() - start;
}

static void floor_drop(void *state) {
    queue *q = (queue *)state;
    free(q->nodes);
    free(q);
}

static const bench_side shallow_side = { ours_make, ours_run, ours_drop };
static const bench_side deep_side = { ours_make_deep, ours_run, ours_drop };
static const bench_side floor_side = { floor_make, floor_run, floor_drop };

static const bench_workload workloads[] = {
    { "resume/1", 1, 0, &shallow_side, &floor_side },
    { "resume/1000", 1000, 0, &shallow_side, &floor_side },
    { "resume/100000", 100000, 0, &shallow_side, &floor_side },
    { "resume-depth16/1", 1, 0, &deep_side, &floor_side },
    { "resume-depth16/1000", 1000, 0, &deep_side, &floor_side },
    { "resume-depth16/100000", 100000, 0, &deep_side, &floor_side }
};

int main(int argc, char **argv) {
    return bench_main(argc, argv, workloads, sizeof workloads / sizeof *workloads);
}
