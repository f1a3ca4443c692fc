/* SPDX-License-Identifier: MIT
 * Ours: the workloads of bench/ through exec.h. (The echo server is examples/echo.c.)
 * cc -O2 -pthread -o exec exec.c && ./exec --list */
#include "bench.h"
#define EXEC_IMPLEMENTATION
#include "../exec_timer.h"
#include "hop.h"

/* ------------------------------------------------------------------------------------------ resume */

enum { DEPTH = 16 };

typedef struct spinner { EXEC_FRAME; uint64_t count; } spinner;
typedef struct deep { EXEC_FRAME; struct deep *inner, *end; spinner *last; } deep;
/* All but the root, which is the task. */
typedef struct chain { deep inner[DEPTH - 2]; spinner last; } chain;
/* One array for all tasks, as the floor's nodes and the peers' handles are. */
typedef struct resume { exec ex; exec_pool pool; exec_opts opts; void *slots; chain *chains; } resume;

static uint64_t resumes_left;

EXEC_ASYNC(spinner) {
    EXEC_BEGIN;
    for (;;) {
        self->count++;
        if (--resumes_left == 0) exec_stop(cx->exec);
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

static resume *resume_open(unsigned tasks, size_t slot_bytes) {
    resume *r = (resume *)bench_allocate(sizeof *r);
    bench_must(exec_init(&r->ex, NULL), "exec_init");
    r->slots = bench_allocate(slot_bytes * tasks);
    bench_must(exec_pool_init(&r->pool, r->slots, slot_bytes * tasks, slot_bytes), "exec_pool_init");
    r->opts.pool = &r->pool;
    return r;
}

static void *resume_make(unsigned tasks) {
    resume *r = resume_open(tasks, sizeof(EXEC_SLOT(spinner)));
    for (unsigned i = 0; i < tasks; i++) bench_must(EXEC_SPAWN(&r->ex, &r->opts, spinner, .count = 0), "spawn");
    return r;
}

static void *resume_make_deep(unsigned tasks) {
    resume *r = resume_open(tasks, sizeof(EXEC_SLOT(deep)));
    r->chains = (chain *)bench_allocate(sizeof *r->chains * tasks);
    for (unsigned i = 0; i < tasks; i++) {
        chain *c = &r->chains[i];
        bench_must(EXEC_SPAWN(&r->ex, &r->opts, deep, .inner = c->inner, .end = c->inner + DEPTH - 2,
                              .last = &c->last), "spawn");
    }
    return r;
}

static int64_t resume_run(void *state, uint64_t polls) {
    resume *r = (resume *)state;
    int64_t start = bench_now();
    resumes_left = polls;
    bench_must(exec_run(&r->ex), "exec_run");
    return bench_now() - start;
}

static void resume_drop(void *state) {
    resume *r = (resume *)state;
    bench_must(exec_destroy(&r->ex, EXEC_SEC(10)), "exec_destroy");
    free(r->chains);
    free(r->slots);
    free(r);
}

/* ------------------------------------------------------------------------------------------- spawn */

enum { CHAINS = 64, SLOTS = CHAINS + 1 };

typedef struct successor { EXEC_FRAME; uint64_t number; } successor;
typedef EXEC_SLOT(successor) slot;
typedef struct spawn { exec ex; exec_pool pool; exec_opts opts; slot slots[SLOTS]; } spawn;

static uint64_t spawns_left;
static const exec_opts *spawn_opts;

EXEC_ASYNC(successor) {
    EXEC_BEGIN;
    if (spawns_left > 0) {
        spawns_left--;
        bench_must(EXEC_SPAWN(cx->exec, spawn_opts, successor, .number = self->number + 1), "spawn");
    }
    EXEC_END;
}

static void *spawn_make_heap(unsigned size) {
    spawn *s = (spawn *)bench_allocate(sizeof *s);
    (void)size;
    bench_must(exec_init(&s->ex, NULL), "exec_init");
    return s;
}

static void *spawn_make_pool(unsigned size) {
    spawn *s = (spawn *)spawn_make_heap(size);
    bench_must(exec_pool_init(&s->pool, s->slots, sizeof s->slots, sizeof *s->slots), "exec_pool_init");
    s->opts.pool = &s->pool;
    return s;
}

static int64_t spawn_run(void *state, uint64_t tasks) {
    spawn *s = (spawn *)state;
    int64_t start = bench_now();
    spawn_opts = s->opts.pool ? &s->opts : NULL;
    spawns_left = tasks;
    for (int i = 0; i < CHAINS; i++)
        bench_must(EXEC_SPAWN(&s->ex, spawn_opts, successor, .number = 0), "spawn");
    bench_must(exec_run(&s->ex), "exec_run");
    return bench_now() - start;
}

static void spawn_drop(void *state) {
    spawn *s = (spawn *)state;
    bench_must(exec_destroy(&s->ex, EXEC_SEC(10)), "exec_destroy");
    free(s);
}

/* ---------------------------------------------------------------------------------------- idle tasks */

/* Operations are tasks: an empty frame that waits for ever, from a pool that grows. */
typedef struct idle { EXEC_FRAME; } idle;

EXEC_ASYNC(idle) {
    EXEC_BEGIN;
    EXEC_WAIT_UNTIL(0);
    EXEC_END;
}

static int64_t idle_run(void *state, uint64_t tasks) {
    spawn *s = (spawn *)state;
    bench_must(exec_pool_init_growing(&s->pool, sizeof(EXEC_SLOT(idle)), 1000, 0), "exec_pool_init_growing");
    s->opts.pool = &s->pool;
    for (uint64_t i = 0; i < tasks; i++) bench_must(EXEC_SPAWN(&s->ex, &s->opts, idle), "spawn");
    while (exec_turn(&s->ex) > 0) continue;
    return 0;
}

/* --------------------------------------------------------------------------------------------- hops */

/* A task that waits for a wake, and its waker. */
typedef struct waits { EXEC_FRAME; hop *h; exec_waker *waker; int polls; } waits;     /* the second is the wake */

EXEC_ASYNC(waits) {
    EXEC_BEGIN;
    bench_must(exec_waker_get(cx, self->waker), "exec_waker_get");
    for (;;) {
        hop_arm(self->h);
        if (hop_stamped(self->h)) bench_ready++;
        self->polls = 0;
        EXEC_WAIT_UNTIL(self->polls++);
        if (!hop_received(self->h)) exec_stop(cx->exec);
        while (hop_over(self->h)) EXEC_YIELD;
    }
    EXEC_END;
}

/* A task that awaits a oneshot whose value is there already; polls say whether it was. */
typedef struct completed { EXEC_FRAME; hop *h; exec_oneshot *oneshot; exec_oneshot_op op; uint64_t polls; } completed;

static uint64_t polls_of(const exec *ex) {
    exec_counters counters;
    exec_stats(ex, &counters);
    return counters.polls;
}

EXEC_ASYNC(completed) {
    EXEC_BEGIN;
    for (;;) {
        exec_oneshot_init(self->oneshot);
        self->polls = polls_of(cx->exec);
        hop_barrier(self->h);
        EXEC_AWAIT(exec_oneshot_recv(&self->op, self->oneshot));
        if (!hop_received(self->h)) exec_stop(cx->exec);
        if (polls_of(cx->exec) == self->polls) bench_ready++;
        exec_oneshot_close(self->oneshot, NULL);
        while (hop_over(self->h)) EXEC_YIELD;
    }
    EXEC_END;
}

typedef struct hops { exec ex; hop h; exec_waker waker; exec_oneshot oneshot; } hops;

static void wake_task(hop *h) { exec_waker_wake(&((hops *)h->side)->waker); }
static void send_oneshot(hop *h) { (void)exec_oneshot_send(&((hops *)h->side)->oneshot, 1); }

static hops *hops_make(int64_t spin_ns, int64_t pause_ns, void (*wake)(hop *h)) {
    hops *s = (hops *)bench_allocate(sizeof *s);
    exec_config config;
    memset(&config, 0, sizeof config);
    config.spin_ns = spin_ns;
    bench_must(exec_init(&s->ex, &config), "exec_init");
    s->h.side = s;
    s->h.wake = wake;
    s->h.pause_ns = pause_ns;
    return s;
}

static void *hops_make_spinning(unsigned size) {
    hops *s = hops_make(EXEC_SEC(10), HOP_SPINNING_NS, wake_task);
    (void)size;
    bench_must(EXEC_SPAWN(&s->ex, NULL, waits, .h = &s->h, .waker = &s->waker), "spawn");
    return s;
}

static void *hops_make_parked(unsigned size) {
    hops *s = hops_make(0, HOP_PARKED_NS, wake_task);
    (void)size;
    bench_must(EXEC_SPAWN(&s->ex, NULL, waits, .h = &s->h, .waker = &s->waker), "spawn");
    return s;
}

static void *hops_make_completed(unsigned size) {
    hops *s = hops_make(0, 0, send_oneshot);
    (void)size;
    s->h.completes = 1;
    bench_must(EXEC_SPAWN(&s->ex, NULL, completed, .h = &s->h, .oneshot = &s->oneshot), "spawn");
    return s;
}

static void hops_receive(hop *h) { bench_must(exec_run(&((hops *)h->side)->ex), "exec_run"); }
static int64_t hops_run(void *state, uint64_t rounds) { return hop_run(&((hops *)state)->h, rounds, hops_receive); }

static void hops_drop(void *state) {
    hops *s = (hops *)state;
    if (s->waker.cell) exec_waker_drop(&s->waker);
    bench_must(exec_destroy(&s->ex, EXEC_SEC(10)), "exec_destroy");
    free(s);
}

/* ------------------------------------------------------------------------------------------- timers */

/* All timers belong to one task. */
typedef struct sleeper { EXEC_FRAME; } sleeper;

EXEC_ASYNC(sleeper) {
    EXEC_BEGIN;
    EXEC_WAIT_UNTIL(0);
    EXEC_END;
}

typedef struct timer_side {
    exec ex;
    exec_timers timers;
    exec_handle handle;
    unsigned count;
    exec_timer *nodes;
} timer_side;

static inline void side_open(timer_side *s, unsigned nodes, int64_t now) {
    exec_config config;
    exec_opts opts;
    memset(&config, 0, sizeof config);
    memset(&opts, 0, sizeof opts);
    config.virtual_clock = 1;
    opts.handle = &s->handle;
    s->count = nodes;
    s->nodes = (exec_timer *)bench_allocate(sizeof *s->nodes * nodes);
    bench_must(exec_init(&s->ex, &config), "exec_init");
    bench_must(exec_clock_advance(&s->ex, now), "exec_clock_advance");
    bench_must(exec_timers_attach(&s->timers, &s->ex), "exec_timers_attach");
    bench_must(EXEC_SPAWN(&s->ex, &opts, sleeper), "spawn");
    bench_must(exec_turn(&s->ex), "exec_turn");
}
static inline void side_arm(timer_side *s, unsigned index, int64_t deadline, int64_t now) {
    (void)now;
    if (!exec_timer_arm(&s->timers, &s->nodes[index], deadline, s->handle.task)) abort();
}
#define side_rearm side_arm
static inline void side_cancel(timer_side *s, unsigned index) { exec_timer_cancel(&s->timers, &s->nodes[index]); }
static inline void side_settle(timer_side *s) { (void)s; }
static inline void side_turn(timer_side *s, int64_t now) {
    bench_must(exec_clock_advance(&s->ex, now - exec_now(&s->ex)), "exec_clock_advance");
    bench_must(exec_turn(&s->ex), "exec_turn");
}
static inline uint64_t side_fired(timer_side *s) {
    exec_counters counters;
    exec_stats(&s->ex, &counters);
    return counters.expiries;
}
static inline void side_close(timer_side *s) {
    for (unsigned i = 0; i < s->count; i++) exec_timer_cancel(&s->timers, &s->nodes[i]);
    bench_must(exec_destroy(&s->ex, EXEC_SEC(10)), "exec_destroy");
    free(s->nodes);
}

#include "timers.h"

static int64_t next_run(void *state, uint64_t operations) {
    timers_bench *b = (timers_bench *)state;
    int64_t start = bench_now(), sum = 0;
    for (uint64_t i = 0; i < operations; i += 4) BENCH_FOUR_TIMES(sum += exec_timers_next(&b->side.timers));
    return sum ? bench_now() - start : 0;
}

static const bench_workload workloads[] = {
    RESUME_WORKLOADS("resume", resume_make),
    RESUME_WORKLOADS("resume-depth16", resume_make_deep),
    { "spawn/heap", 0, 0, spawn_make_heap, spawn_run, spawn_drop, 0 },
    { "spawn/pool", 0, 0, spawn_make_pool, spawn_run, spawn_drop, 0 },
    { "task-idle", 0, 0, spawn_make_heap, idle_run, spawn_drop, 0 },
    { "hop/spinning", 0, 1000, hops_make_spinning, hops_run, hops_drop, 1 },
    { "hop/parked", 0, 100, hops_make_parked, hops_run, hops_drop, 1 },
    { "oneshot/completed", 0, 1000, hops_make_completed, hops_run, hops_drop, 1 },
    TIMER_WORKLOADS,
    { "timer-next/1000", 1000, 0, timers_make, next_run, timers_drop, 0 },
    { "timer-next/1000000", 1000000, 0, timers_make, next_run, timers_drop, 0 }
};

int main(int argc, char **argv) { return BENCH_MAIN(argc, argv, workloads); }
