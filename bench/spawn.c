/* SPDX-License-Identifier: MIT
 * Spawn, run and finish: 64 chains of tasks, each task spawns its successor and ends.
 * Floor: malloc and free of the same bytes, or a free list of slots; a linked run queue.
 * cc -O2 -o spawn spawn.c && ./spawn */
#include "bench.h"
#define EXEC_IMPLEMENTATION
#include "../exec.h"

enum { CHAINS = 64, SLOTS = CHAINS + 1 };

/* ------------------------------------------------------------------------------------------- ours */

typedef struct link_ours { EXEC_FRAME; uint64_t number; } link_ours;
typedef EXEC_SLOT(link_ours) slot;

static uint64_t ours_left;
static const exec_opts *ours_opts;

EXEC_ASYNC(link_ours) {
    EXEC_BEGIN;
    if (ours_left > 0) {
        ours_left--;
        bench_must(EXEC_SPAWN(cx->exec, ours_opts, link_ours, .number = self->number + 1), "spawn");
    }
    EXEC_END;
}

typedef struct ours { exec ex; exec_pool pool; exec_opts opts; slot slots[SLOTS]; } ours;

static void *ours_make_heap(unsigned size) {
    ours *o = (ours *)bench_allocate(sizeof *o);
    (void)size;
    bench_must(exec_init(&o->ex, NULL), "exec_init");
    return o;
}

static void *ours_make_pool(unsigned size) {
    ours *o = (ours *)ours_make_heap(size);
    bench_must(exec_pool_init(&o->pool, o->slots, sizeof o->slots, sizeof *o->slots), "exec_pool_init");
    o->opts.pool = &o->pool;
    return o;
}

static int64_t ours_run(void *state, uint64_t tasks) {
    ours *o = (ours *)state;
    int64_t start = bench_now();
    ours_opts = o->opts.pool ? &o->opts : NULL;
    ours_left = tasks;
    for (int i = 0; i < CHAINS; i++)
        bench_must(EXEC_SPAWN(&o->ex, ours_opts, link_ours, .number = 0), "spawn");
    bench_must(exec_run(&o->ex), "exec_run");
    return bench_now() - start;
}

static void ours_drop(void *state) {
    ours *o = (ours *)state;
    bench_must(exec_destroy(&o->ex, EXEC_SEC(10)), "exec_destroy");
    free(o);
}

/* ------------------------------------------------------------------------------------------ floor */

typedef struct node node;
typedef struct queue {
    node *head, **end;
    node *free_list;            /* of a pool */
    int pool;
    slot slots[SLOTS];
} queue;

struct node {
    node *next;
    void (*run)(queue *q, node *n);
    uint64_t number;
};

static uint64_t floor_left;

static void node_run(queue *q, node *n);

static node *node_take(queue *q) {
    node *n = q->free_list;
    if (!q->pool) return (node *)malloc(sizeof(slot));
    if (n) q->free_list = n->next;
    return n;
}

static void node_give(queue *q, node *n) {
    if (!q->pool) {
        free(n);
        return;
    }
    n->next = q->free_list;
    q->free_list = n;
}

static void node_spawn(queue *q, uint64_t number) {
    node *n = node_take(q);
    if (!n) abort();
    n->next = NULL;
    n->run = node_run;
    n->number = number;
    *q->end = n;
    q->end = &n->next;
}

static void node_run(queue *q, node *n) {
    if (floor_left > 0) {
        floor_left--;
        node_spawn(q, n->number + 1);
    }
    node_give(q, n);
}

static void queue_run(queue *q) {
    while (q->head) {
        node *n = q->head;
        q->head = n->next;
        if (!q->head) q->end = &q->head;
        n->run(q, n);
    }
}

static void *floor_make_heap(unsigned size) {
    queue *q = (queue *)bench_allocate(sizeof *q);
    (void)size;
    q->end = &q->head;
    return q;
}

static void *floor_make_pool(unsigned size) {
    queue *q = (queue *)floor_make_heap(size);
    q->pool = 1;
    for (int i = 0; i < SLOTS; i++) node_give(q, (node *)(void *)&q->slots[i]);
    return q;
}

static int64_t floor_run(void *state, uint64_t tasks) {
    queue *q = (queue *)state;
    int64_t start = bench_now();
    floor_left = tasks;
    for (int i = 0; i < CHAINS; i++) node_spawn(q, 0);
    queue_run(q);
    return bench_now() - start;
}

static void floor_drop(void *state) { free(state); }

static const bench_side heap = { ours_make_heap, ours_run, ours_drop };
static const bench_side pool = { ours_make_pool, ours_run, ours_drop };
static const bench_side floor_heap = { floor_make_heap, floor_run, floor_drop };
static const bench_side floor_pool = { floor_make_pool, floor_run, floor_drop };

static const bench_workload workloads[] = {
    { "spawn/heap", 0, 0, &heap, &floor_heap },
    { "spawn/pool", 0, 0, &pool, &floor_pool }
};

int main(int argc, char **argv) {
    return bench_main(argc, argv, workloads, sizeof workloads / sizeof *workloads);
}
