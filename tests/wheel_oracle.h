/* SPDX-License-Identifier: MIT
 * The wheel beside a reference: a heap of what is armed, by the tick at which it is due. After each turn
 * exactly those have expired that the heap gives up, so none is early and none a tick late; exec_timers_next
 * is what the heap's first is due at, or the start of the slot in which that stands. Used by wheel_walk.h
 * (test_wheel.c: a million timers; the small wheels) and by fuzz/wheel.c.
 * ORACLE_NODES: how many timers. ORACLE_BAD(text): what to do about a fault, does not return. */
#ifndef WHEEL_ORACLE_H
#define WHEEL_ORACLE_H

#define ORACLE_TICK ((int64_t)EXEC_TIMER_TICK_NS)

typedef struct { int64_t due; unsigned node; } oracle_entry;

/* Static: too large for a stack. Zeroed, nothing is armed. */
typedef struct {
    exec ex;
    exec_timers timers;
    exec_task *task;                            /* which each expiry wakes */
    int64_t looked;                             /* when the wheel last looked at the clock */
    exec_timer nodes[ORACLE_NODES];
    oracle_entry heap[ORACLE_NODES];            /* the children of i are 2i+1 and 2i+2 */
    unsigned place[ORACLE_NODES];               /* in the heap, plus 1; 0: not armed */
    unsigned char woke_early[ORACLE_NODES];     /* how often, before the node expired */
    unsigned count, most;                       /* armed: now, and at most */
    uint64_t expired;                           /* as the reference has it */
    uint64_t armed, cancelled, turns;           /* calls */
    uint64_t early;                             /* turns at exec_timers_next in which nothing expired */
    uint64_t stale, gone_far;                   /* of these, for one beyond the wheel that is no more; such */
} oracle;

/* arms, cancels, turns and expiries */
static inline uint64_t oracle_operations(const oracle *o) { return o->armed + o->cancelled + o->turns + o->expired; }

/* -------------------------------------------------------------------------------- the reference */

static void oracle_put(oracle *o, unsigned at, oracle_entry e) {
    o->heap[at] = e;
    o->place[e.node] = at + 1;
}

static void oracle_up(oracle *o, unsigned at, oracle_entry e) {
    for (; at && o->heap[(at - 1) / 2].due > e.due; at = (at - 1) / 2) oracle_put(o, at, o->heap[(at - 1) / 2]);
    oracle_put(o, at, e);
}

static void oracle_down(oracle *o, unsigned at, oracle_entry e) {
    unsigned child;
    while ((child = 2 * at + 1) < o->count) {
        if (child + 1 < o->count && o->heap[child + 1].due < o->heap[child].due) child++;
        if (o->heap[child].due >= e.due) break;
        oracle_put(o, at, o->heap[child]);
        at = child;
    }
    oracle_put(o, at, e);
}

static void oracle_insert(oracle *o, unsigned node, int64_t due) {
    oracle_entry e = { 0, 0 };
    e.due = due;
    e.node = node;
    oracle_up(o, o->count++, e);
    if (o->count > o->most) o->most = o->count;
}

static void oracle_remove(oracle *o, unsigned node) {
    unsigned at = o->place[node] - 1;
    oracle_entry last = o->heap[--o->count];
    o->place[node] = 0;
    if (at == o->count) return;
    if (at && o->heap[(at - 1) / 2].due > last.due) oracle_up(o, at, last);
    else oracle_down(o, at, last);
}

/* When a deadline is due: the end of its tick; at the end of time, never. */
static int64_t oracle_due(int64_t deadline) {
    int64_t rest;
    if (deadline <= 0) return 0;
    if (deadline > EXEC_NEVER - ORACLE_TICK) return EXEC_NEVER;
    rest = deadline % ORACLE_TICK;
    return rest ? deadline - rest + ORACLE_TICK : deadline;
}

static int64_t oracle_first(const oracle *o) { return o->count ? o->heap[0].due : EXEC_NEVER; }

/* The level in which a tick stands: of the highest digit that differs; EXEC_TIMER_LEVELS: beyond. */
static unsigned oracle_level(uint64_t now, uint64_t tick) {
    unsigned level = 0;
    while (level < EXEC_TIMER_LEVELS && now >> EXEC_TIMER_BITS * (level + 1) != tick >> EXEC_TIMER_BITS * (level + 1))
        level++;
    return level;
}

static unsigned oracle_level_of(const oracle *o, int64_t due) {
    if (due == EXEC_NEVER) return EXEC_TIMER_LEVELS;
    return oracle_level((uint64_t)(o->looked / ORACLE_TICK), (uint64_t)(due / ORACLE_TICK));
}

/* ---------------------------------------------------------------------------------- the two side by side */

/* Never late; early only to open the slot in which the first stands, or for one beyond the wheel that
   was armed no longer when its time came. Alone in the wheel, never early. */
static int64_t oracle_next(const oracle *o) {
    int64_t next = exec_timers_next(&o->timers), first = oracle_first(o), opens;
    unsigned level = oracle_level_of(o, first), shift = level * EXEC_TIMER_BITS;
    if (next == first) return next;
    if (next > first) ORACLE_BAD("the next deadline is late");
    if (level == 0) ORACLE_BAD("the next deadline is early without a cascade");
    if (level == EXEC_TIMER_LEVELS) {
        if (!o->gone_far) ORACLE_BAD("the next deadline is early, and none beyond the wheel has gone");
        return next;
    }
    opens = (int64_t)((uint64_t)(first / ORACLE_TICK) >> shift << shift) * ORACLE_TICK;
    if (next != opens) ORACLE_BAD("the next deadline is none of a slot");
    if (o->count == 1) ORACLE_BAD("the next deadline is early for one that is alone");
    return next;
}

/* One that is armed goes before its time. */
static void oracle_gone(oracle *o, unsigned node) {
    unsigned at = o->place[node];
    if (!at) return;
    if (oracle_level_of(o, o->heap[at - 1].due) == EXEC_TIMER_LEVELS) o->gone_far++;
    oracle_remove(o, node);
}

static void oracle_arm(oracle *o, unsigned node, int64_t deadline) {
    int armed = exec_timer_arm(&o->timers, &o->nodes[node], deadline, o->task);
    int64_t due = oracle_due(deadline);
    o->armed++;
    oracle_gone(o, node);
    if (armed != exec_timer_armed(&o->nodes[node])) ORACLE_BAD("the result of arming is wrong");
    if (armed != (due > o->looked)) ORACLE_BAD(armed ? "armed in the past" : "refused as past");
    o->woke_early[node] = 0;
    if (armed) oracle_insert(o, node, due);
}

static void oracle_cancel(oracle *o, unsigned node) {
    exec_timer_cancel(&o->timers, &o->nodes[node]);
    o->cancelled++;
    oracle_gone(o, node);
    if (exec_timer_armed(&o->nodes[node])) ORACLE_BAD("armed after a cancel");
}

/* What is due by `now` has expired, and as many as the wheel has counted: so nothing else has. */
static void oracle_expire(oracle *o, int64_t now) {
    exec_counters counters;
    while (o->count && o->heap[0].due <= now && o->heap[0].due < EXEC_NEVER) {
        unsigned node = o->heap[0].node;
        oracle_remove(o, node);
        o->expired++;
        if (exec_timer_armed(&o->nodes[node])) ORACLE_BAD("a timer is late");
    }
    exec_stats(&o->ex, &counters);
    if (counters.expiries != o->expired) ORACLE_BAD("a timer is early");
}

/* A turn at exec_timers_next in which nothing expired: the first of all came down a level, which is the
   most that it may cost it; or one beyond the wheel is no more. */
static void oracle_woke_early(oracle *o, unsigned level) {
    o->early++;
    if (level == EXEC_TIMER_LEVELS) {
        if (++o->stale > o->gone_far) ORACLE_BAD("one that has gone beyond the wheel woke twice");
    } else if (++o->woke_early[o->heap[0].node] > EXEC_TIMER_LEVELS - 1) {
        ORACLE_BAD("a timer woke more often than there are levels");
    }
}

/* The clock goes on, and the wheel is turned. */
static void oracle_turn(oracle *o, int64_t ns) {
    int64_t next = oracle_next(o), now;
    uint64_t before = o->expired;
    unsigned level = oracle_level_of(o, oracle_first(o));
    if (exec_clock_advance(&o->ex, ns) < 0 || exec_turn(&o->ex) < 0) ORACLE_BAD("no turn");
    now = exec_now(&o->ex);
    if (o->count) o->looked = now / ORACLE_TICK * ORACLE_TICK;     /* an empty wheel does not look */
    oracle_expire(o, now);
    o->turns++;
    if (now == next && next < EXEC_NEVER && o->expired == before) oracle_woke_early(o, level);
    if (oracle_next(o) <= now && now < EXEC_NEVER - ORACLE_TICK) ORACLE_BAD("it would spin");
}

static void oracle_turn_at(oracle *o, int64_t at) {
    int64_t now = exec_now(&o->ex);
    oracle_turn(o, at > now ? at - now : 0);
}

/* Goes to the next deadline. 0: there is none. */
static int oracle_follow(oracle *o) {
    int64_t next = oracle_next(o);
    if (next == EXEC_NEVER) return 0;
    oracle_turn_at(o, next);
    return 1;
}

static void oracle_check(oracle *o) {
    if (exec_check(&o->ex) < 0) ORACLE_BAD("exec_check");
}

/* ----------------------------------------------------------------------------------- begin and end */

/* The task that is woken; it does nothing. */
typedef struct { EXEC_FRAME; oracle *of; } oracle_watch;

EXEC_ASYNC(oracle_watch) {
    EXEC_BEGIN;
    self->of->task = cx->task;
    EXEC_WAIT_UNTIL(0);
    EXEC_END;
}

/* The clock stands at `start`; nothing is armed. */
static void oracle_open(oracle *o, int64_t start, const exec_opts *opts) {
    exec_config config;
    memset(&config, 0, sizeof config);
    config.virtual_clock = 1;
    o->expired = o->early = o->stale = o->gone_far = 0;
    o->armed = o->cancelled = o->turns = 0;
    if (exec_init(&o->ex, &config) < 0 || exec_clock_advance(&o->ex, start) < 0
        || exec_timers_attach(&o->timers, &o->ex) < 0
        || EXEC_SPAWN(&o->ex, opts, oracle_watch, .of = o) < 0 || exec_turn(&o->ex) != 1)
        ORACLE_BAD("it does not begin");
    o->looked = start / ORACLE_TICK * ORACLE_TICK;
}

/* Cancels what is left. */
static void oracle_close(oracle *o) {
    while (o->count) oracle_cancel(o, o->heap[o->count - 1].node);
    if (o->timers.levels || exec_timers_next(&o->timers) != EXEC_NEVER) ORACLE_BAD("the empty wheel is not empty");
    oracle_check(o);
    if (exec_destroy(&o->ex, EXEC_NEVER) < 0) ORACLE_BAD("it does not end");
}
#endif
