/* SPDX-License-Identifier: MIT
 *
 * exec_timer.h - timers for exec.h: sleep, timeout, interval, backoff, retry, and the wheel below them
 *
 * The wheel is a driver of the executor. A timer is a node of 32 bytes inside the op that waits;
 * nothing allocates. Arming, cancelling, re-arming and finding the next deadline are O(1), with ten
 * timers and with ten million.
 *
 * DO THIS
 *     #define EXEC_IMPLEMENTATION       in ONE .c file, before its first #include
 *     #include "exec_timer.h"           includes exec.h
 *     exec_timers timers;               beside the executor; then, after exec_init:
 *     exec_timers_attach(&timers, &ex);
 * (exec_net_attach brings the timers with it.)
 *
 * A COMPLETE PROGRAM
 *     #define EXEC_IMPLEMENTATION
 *     #include "exec_timer.h"
 *     #include <stdio.h>
 *
 *     typedef struct { EXEC_FRAME; exec_sleep_op nap; } slow;
 *     typedef struct { EXEC_FRAME; exec_timeout_op limit; slow child; } patient;
 *
 *     EXEC_ASYNC(slow) {
 *         EXEC_BEGIN;
 *         EXEC_TRY(exec_sleep(&self->nap, EXEC_SEC(5)));
 *         EXEC_FINALLY;
 *         puts("slow unwinds");                         // before the timeout is ready
 *         EXEC_END;
 *     }
 *
 *     EXEC_ASYNC(patient) {
 *         EXEC_BEGIN;
 *         EXEC_AWAIT(exec_timeout(&self->limit, EXEC_CALL(&self->child, slow), EXEC_MS(100)));
 *         puts(self->limit.expired ? "too late" : "in time");
 *         EXEC_END;
 *     }
 *
 *     int main(void) {
 *         exec ex;
 *         exec_timers timers;
 *         if (exec_init(&ex, NULL) < 0 || exec_timers_attach(&timers, &ex) < 0) return 1;
 *         int status = EXEC_SPAWN(&ex, NULL, patient);
 *         if (status == 0) status = exec_run(&ex);
 *         exec_destroy(&ex, EXEC_SEC(1));
 *         return status < 0;
 *     }
 *
 * WHAT HOLDS (each with the test that proves it, in tests/)
 *  1. Never early; late by at most one tick plus the turn in progress. Deadlines in the past, of zero,
 *     of EXEC_NEVER and beyond the wheel are correct. (trap_11_*, a_random_walk_matches_the_oracle)
 *  2. exec_timers_next is O(1) and never late. (trap_12_next_deadline_visits_one_slot)
 *  3. An idle executor parks once per deadline. Where several timers share a slot of an upper level
 *     it also parks when that slot opens: at most levels - 1 times per timer, and once more beyond
 *     the wheel. (trap_13_ms_truncation, trap_17_idle_parks_once_per_deadline)
 *  4. A wake without cause changes no result. (trap_18_spurious_wakes)
 *  5. Relative calls read the clock at their first poll, not the time of the turn; calls with a
 *     deadline never read it. (trap_24_stale_clock, deadline_calls_never_read_the_clock)
 *  6. A timeout is ready when its inner future is over, not before; whatever ended it, no node stays
 *     behind. (timeout_waits_for_a_slow_unwind, trap_05_no_node_stays)
 *  7. Under a virtual clock an hour takes no time. (a_virtual_hour_takes_no_time)
 *  8. An interval that keeps up does not drift. A cancelled tick is not lost. (burst_catches_up,
 *     delay_counts_from_now, skip_stays_in_step, a_cancel_at_each_point_takes_no_tick)
 *  9. A held result is handed on no earlier than its time, and a cancel does not wait for it.
 *     (a_result_is_handed_on_no_earlier_than_the_time, a_cancel_at_each_point in test_after.c)
 * 10. Backoff delays are within the cap and never overflow; jitter is even over 0 .. the delay.
 *     (nothing_overflows_at_2_to_the_63, jitter_is_even)
 * 11. A retry begins no attempt once it is cancelled, and sleeps none out that would be in vain.
 *     (a_cancel_at_each_point in test_backoff.c, a_retry_that_is_exhausted_says_so_with_the_last_error)
 * Timers of one tick expire in no particular order.
 *
 * TICKS, AND ANOTHER ATTEMPT
 *     typedef struct {
 *         EXEC_FRAME; exec_io io; exec_backoff backoff; exec_retry_op again; exec_interval beat;
 *     } pulse;
 *
 *     static exec_future *dial(void *arg) {             // anew for each attempt
 *         return exec_connect(&((pulse *)arg)->io, "127.0.0.1:7777", NULL);
 *     }
 *
 *     EXEC_ASYNC(pulse) {
 *         EXEC_BEGIN;
 *         self->backoff.retries = 5;                    // behind 0 .. 100, 200, 400, 800, 1600 ms
 *         EXEC_TRY(exec_retry(&self->again, &self->backoff, dial, self));
 *         exec_interval_init(&self->beat, EXEC_SEC(1));
 *         self->beat.missed = EXEC_MISSED_SKIP;
 *         for (;;) {
 *             EXEC_TRY(exec_interval_tick(&self->beat));
 *             ...                                       // each second, without drift
 *         }
 *         EXEC_END;
 *     }
 *
 * OPTIONS (plain numbers; the same in all files, or they do not link)
 *  EXEC_TIMER_TICK_NS  65536  resolution. A power of two is a shift, anything else a division.
 *                             65 us is what Linux leaves open anyway (its timer slack is 50 us), so a
 *                             finer tick is not seen by who sleeps, and a coarser one is.
 *  EXEC_TIMER_BITS     6      2^bits slots a level, 1 to 6. More slots: a timer is moved down less often.
 *  EXEC_TIMER_LEVELS   6      2^(levels * bits) ticks are one turn of the wheel: 52 days. What lies
 *                             beyond is one list, sorted in once a turn.
 * The wheel takes a pointer a slot and about 100 bytes: 3.1 KiB; 2 levels of 4 slots: 128 bytes.
 * Ops in bytes on 64-bit (i386, armhf): sleep 64 (40, 48), timeout and after 88 (52, 64), interval 96 (72, 80),
 * backoff 88 (88, 88) and its wait 104 (64, 80), retry 184 (112, 128).
 */
#ifndef EXEC_TIMER_H
#define EXEC_TIMER_H

#include "exec.h"

/* ---------------------------------------------------------------------------------------- options */

#ifndef EXEC_TIMER_TICK_NS
#define EXEC_TIMER_TICK_NS 65536
#endif
#ifndef EXEC_TIMER_BITS
#define EXEC_TIMER_BITS 6
#endif
#ifndef EXEC_TIMER_LEVELS
#define EXEC_TIMER_LEVELS 6
#endif
#if EXEC_TIMER_BITS < 1 || EXEC_TIMER_BITS > 6
#error "exec_timer.h: EXEC_TIMER_BITS is 1 to 6: a level's slots are the bits of one word"
#endif
#if EXEC_TIMER_LEVELS < 1 || EXEC_TIMER_LEVELS > 30 || EXEC_TIMER_LEVELS * EXEC_TIMER_BITS > 60
#error "exec_timer.h: EXEC_TIMER_LEVELS is 1 to 30, and levels * bits at most 60"
#endif
#if EXEC_TIMER_TICK_NS < 1 || EXEC_TIMER_TICK_NS > 1000000000
#error "exec_timer.h: EXEC_TIMER_TICK_NS is 1 to 1000000000"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------ types */

typedef struct exec_timers exec_timers;
typedef struct exec_timer_link exec_timer_link;

/* A slot names its first timer, whose prev is the last one; the last one's next names the slot: a slot takes one
   pointer and is walked from both ends. The first one's prev is odd, so a cancel knows it by its own node: it
   stores to its neighbours, but need not wait until memory brings one. */
struct exec_timer_link { exec_timer_link *next, *prev; };

/* One timer. Lives in what waits; stays where it is while it is armed; zeroed it is not armed. */
typedef struct exec_timer {
    exec_timer_link link;       /* next NULL: not armed */
    int64_t deadline;           /* ns */
    exec_task *task;            /* woken then */
} exec_timer;

/* A level's slots as bits. */
#if EXEC_TIMER_BITS > 5
typedef uint64_t exec__slot_bits;
#else
typedef uint32_t exec__slot_bits;
#endif
enum {
    EXEC__TIMER_SLOTS = 1 << EXEC_TIMER_BITS,
    EXEC__TIMER_FAR = EXEC_TIMER_LEVELS << EXEC_TIMER_BITS  /* index of the list beyond the wheel */
};

/* The wheel. Lives at one place from exec_timers_attach until exec_destroy. Members are private.
   A timer stands in the level of the highest digit (of `bits` bits) in which its tick differs from
   `now`, in the slot of that digit (as in tokio's wheel): so each level's slots are ahead of `now`,
   and the first slot of the lowest level that is not empty is the next to open. */
struct exec_timers {
    exec_driver driver;
    uint64_t now;               /* tick: what is due by then has expired */
    uint64_t far_first;         /* no timer beyond the wheel is due before this tick */
    uint32_t levels;            /* bit per level that has timers; the last: beyond the wheel */
    exec__slot_bits occupied[EXEC_TIMER_LEVELS + 1];
    exec_timer_link *slots[EXEC__TIMER_FAR + 1];    /* NULL: empty */
};

/* An op of exec_sleep. In the frame of who awaits it. */
typedef struct exec_sleep_op {
    exec_future fut;
    exec_timer timer;
} exec_sleep_op;

/* An op of exec_timeout. In the frame of who awaits it. */
typedef struct exec_timeout_op {
    exec_future fut;
    exec_timer timer;
    exec_strand strand;         /* of the inner future */
    int expired;                /* the time was over and that ended the inner future */
} exec_timeout_op;

/* -------------------------------------------------------------------------------------- functions */

/* Owner's thread for all of them. */

/* Makes `t` the executor's wheel until exec_destroy, which leaves no timer armed. 0; -EBUSY: it has
   one. Reads the clock. O(size of the wheel). */
EXEC_API int exec_timers_attach(exec_timers *t, exec *ex);
/* The wheel of an executor, or NULL. */
static inline exec_timers *exec_timers_of(const exec *ex) { return ex->timers; }
/* When the wheel must be looked at next, ns: at the first deadline, rounded up to a tick, or earlier
   where a slot has to be opened by then; EXEC_NEVER: nothing is armed that ever expires. */
EXEC_API int64_t exec_timers_next(const exec_timers *t);

/* The clock plus ns: for the calls that take a deadline. Negative counts as 0; what is too far is
   EXEC_NEVER. */
EXEC_API int64_t exec_deadline(exec *ex, int64_t ns);

/* Waits for ns. Result: 0, or -ECANCELED, or -ENOSYS (no wheel is attached). The clock is read when it
   is first polled, and not for 0 or less: then it is ready at once, as often as the poll's budget
   allows. */
EXEC_API EXEC__MUST_USE exec_future *exec_sleep(exec_sleep_op *op, int64_t ns);
/* Until a deadline of the executor's clock, which is not read: for steps without drift. */
EXEC_API EXEC__MUST_USE exec_future *exec_sleep_until(exec_sleep_op *op, int64_t deadline_ns);

/* A limit around a future: inner is polled first; if it still pends when the time is over, it is
   cancelled, and the timeout pends until it is over.
   Result: -ETIMEDOUT with op->expired 1 when that ended it; else inner's own result with expired 0,
   also when it came while it was unwinding; -ENOSYS (no wheel: inner was not started). Cancelled, it
   passes the cancel on. The time runs from where inner first pends; if it does not, no clock is read. */
EXEC_API EXEC__MUST_USE exec_future *exec_timeout(exec_timeout_op *op, exec_future *inner, int64_t ns);
/* The same until a deadline; no clock is read. */
EXEC_API EXEC__MUST_USE exec_future *exec_timeout_at(exec_timeout_op *op, exec_future *inner, int64_t deadline_ns);

/* AFTER: a future that is polled at once, and whose result is handed on no earlier than a deadline; or
   than ns after the first poll, which reads the clock before it polls inner (not for ns of 0 or less).
   For replies that must not tell by their time what was found.
   Result: inner's; -ENOSYS (no wheel: inner was not started). Cancelled, it waits for the time no more:
   it passes the cancel on while inner pends, and is ready at once with inner's result if inner is over. */
typedef exec_timeout_op exec_after_op;      /* expired stays 0 */
EXEC_API EXEC__MUST_USE exec_future *exec_after(exec_after_op *op, exec_future *inner, int64_t deadline_ns);
EXEC_API EXEC__MUST_USE exec_future *exec_after_delay(exec_after_op *op, exec_future *inner, int64_t ns);

/* INTERVALS. A tick is missed if the one behind it is due too by the time it is handed out. If none is,
   the next is due one period after the last one was due, whatever the policy: nothing drifts. Else:

       period 10, ticks due at 0, 10, 20, 30 ..., that of 10 is handed out at 35
       BURST   10, 20, 30 at once, then 40, 50      each tick comes; reads no clock
       DELAY   10, then 45, 55                      20 and 30 are left out; counts from 35
       SKIP    10, then 40, 50                      20 and 30 are left out; stays in step */
typedef enum exec_missed { EXEC_MISSED_BURST, EXEC_MISSED_DELAY, EXEC_MISSED_SKIP } exec_missed;

/* In the frame of who awaits its ticks. `period_ns` and `missed` may be set at any time: the next tick
   keeps its time, what follows obeys. The members behind them are read only. */
typedef struct exec_interval {
    exec_future fut;
    exec_timer timer;
    int64_t period_ns;
    exec_missed missed;
    int started;                /* next_ns holds */
    int64_t next_ns;            /* when the next tick is due */
    int64_t tick_ns;            /* when the last one was */
} exec_interval;

/* The first tick comes at once: its time is the clock's at the poll that hands it out. Policy: BURST.
   Reads no clock. (A zeroed one with a period is the same.) */
EXEC_API void exec_interval_init(exec_interval *iv, int64_t period_ns);
/* The first tick is due at start_ns; negative counts as 0. */
EXEC_API void exec_interval_init_at(exec_interval *iv, int64_t start_ns, int64_t period_ns);
/* Awaits the next tick. Result: how many ticks were left out behind it (cut to INTPTR_MAX; of a BURST 0),
   with its time in iv->tick_ns; -ECANCELED: it was not taken, the next await gives it; -EINVAL: the
   period is not positive; -ENOSYS: no wheel. DELAY and SKIP read the clock once for each tick; BURST
   only for the first one of exec_interval_init. A tick takes from the poll's budget. A time beyond
   EXEC_NEVER never comes. One await at a time. */
EXEC_API EXEC__MUST_USE exec_future *exec_interval_tick(exec_interval *iv);
/* The next tick is due one period from now: reads the clock. Also while a tick is awaited. */
EXEC_API void exec_interval_reset(exec_interval *iv, exec *ex);
/* At a deadline (negative counts as 0). Reads no clock. */
EXEC_API void exec_interval_reset_at(exec_interval *iv, int64_t deadline_ns);

/* BACKOFF: growing delays between attempts. Set options in a zeroed one; the members behind them are
   read only. With jitter ("full jitter", M. Brooker, Exponential Backoff And Jitter, AWS 2015) a delay is
   drawn evenly from 0 .. what it would be: many clients that failed together do not come back together. */
typedef struct exec_backoff {
    int64_t first_ns;           /* the first delay; 0: 100 ms */
    int64_t max_ns;             /* no delay is longer; 0: 30 s */
    int64_t limit_ns;           /* in all, from the first call (of a retry: its first poll); 0: none */
    int64_t deadline_ns;        /* the same as a time; 0: none. The earlier of both counts. */
    uint64_t seed;              /* of the jitter; 0: from clock and address */
    uint32_t factor_percent;    /* each delay to the one before, rounded up to ns, at least 100; 0: 200 */
    uint32_t retries;           /* so many delays; 0: no limit */
    int no_jitter;              /* 1: the delays as they are */
    int begun;                  /* end_ns holds */
    int64_t end_ns;
    int64_t bare_ns;            /* the next delay without jitter; 0: none was given yet */
    uint64_t random;
    uint64_t count;             /* delays given */
} exec_backoff;

/* The next delay, ns; or that it is exhausted: -EDQUOT (so many retries were given), -ETIMEDOUT (behind the
   delay nothing would be left of the time: who waits for it waits in vain); or -EINVAL (a negative time,
   a factor below 100). An error counts no delay. Reads the clock where it has a limit or a deadline, and for
   a seed. */
EXEC_API int64_t exec_backoff_next(exec_backoff *b, exec *ex);
/* As new: first delay, no retry used, the limit begins anew. The jitter goes on. */
EXEC_API void exec_backoff_reset(exec_backoff *b);

/* Waits for the next delay, drawn when it is first polled. Result: 0; at once -EDQUOT, -ETIMEDOUT or -EINVAL
   as above; -ECANCELED: no delay was counted; -ENOSYS: no wheel. */
typedef struct exec_backoff_op { exec_future fut; exec_sleep_op nap; exec_backoff *backoff; } exec_backoff_op;
EXEC_API EXEC__MUST_USE exec_future *exec_backoff_wait(exec_backoff_op *op, exec_backoff *b);

/* RETRY: awaits what prepare(arg) returns, which is a future made anew; on an error waits for the backoff's
   next delay, and again. `arg` is often the frame: the attempt's op lives there.
   Result: the first that is no error, or not worth another attempt; or the last error, with
   op->exhausted saying why there is none (-EDQUOT, -ETIMEDOUT, -EINVAL). Each error is worth one but
   -ECANCELED, or where retryable is given those for which it is not 0. NULL from prepare counts as an
   attempt that failed with -ENOMEM. -ENOSYS: no wheel, nothing was prepared.
   The backoff is reset by the first poll. It does not cut an attempt short: let prepare return an
   exec_timeout for that, or put one around the retry. A cancel passes on to the attempt and is the end; between two
   attempts the result is -ECANCELED. */
typedef struct exec_retry_op {
    exec_future fut;
    exec_future *child;         /* what is awaited; NULL: could not be prepared */
    exec_backoff_op pause;
    exec_backoff *backoff;
    exec_future *(*prepare)(void *arg);
    int (*retryable)(intptr_t result, void *arg);
    void *arg;
    unsigned attempts;          /* that were prepared */
    int exhausted;              /* 0, or a negated errno */
} exec_retry_op;
EXEC_API EXEC__MUST_USE exec_future *exec_retry(exec_retry_op *op, exec_backoff *b,
                                                exec_future *(*prepare)(void *arg), void *arg);
EXEC_API EXEC__MUST_USE exec_future *exec_retry_if(exec_retry_op *op, exec_backoff *b,
                                                   exec_future *(*prepare)(void *arg),
                                                   int (*retryable)(intptr_t result, void *arg), void *arg);

/* FOR HAND-WRITTEN LEAVES. A node is armed, then expires (its task is woken, and it is not armed any
   more) or is cancelled; a leaf that ends cancels it. */
static inline void exec_timer_init(exec_timer *n) { n->link.next = NULL; }
static inline int exec_timer_armed(const exec_timer *n) { return n->link.next != NULL; }
/* Arms or re-arms. 1; or 0: the deadline has passed by the wheel's last look at the clock; then it is
   not armed and nobody is woken: go on at once. `task` is one of the wheel's executor. O(1), reads no clock. */
static inline int EXEC__MUST_USE exec_timer_arm(exec_timers *t, exec_timer *n, int64_t deadline_ns,
                                                exec_task *task);
/* Does nothing to one that is not armed. O(1). */
static inline void exec_timer_cancel(exec_timers *t, exec_timer *n);

/* -------------------------------------------------------------------------------- inline hot path */

#define EXEC__TIMER_TICK ((uint64_t)EXEC_TIMER_TICK_NS)
#define EXEC__TIMER_NO_TICK UINT64_MAX

static inline unsigned exec__first_bit(uint64_t bits) {
#if defined __GNUC__ || defined __clang__
    return (unsigned)__builtin_ctzll(bits);
#else
    unsigned first = 0;
    for (; !(bits & 1); bits >>= 1) first++;
    return first;
#endif
}

/* Of the highest digit that is not zero. */
static inline unsigned exec__timer_level(uint64_t difference) {
#if defined __GNUC__ || defined __clang__
    return (63u - (unsigned)__builtin_clzll(difference)) / EXEC_TIMER_BITS;
#else
    unsigned level = 0;
    while (difference >>= EXEC_TIMER_BITS) level++;
    return level;
#endif
}

/* Rounded up. What is less than a tick before the end of time never comes. */
static inline uint64_t exec__timer_tick(int64_t deadline_ns) {
    if (EXEC__UNLIKELY((uint64_t)deadline_ns > (uint64_t)EXEC_NEVER - EXEC__TIMER_TICK))
        return deadline_ns < 0 ? 0 : EXEC__TIMER_NO_TICK;
    return ((uint64_t)deadline_ns + (EXEC__TIMER_TICK - 1)) / EXEC__TIMER_TICK;
}

/* The slot of a tick that is later than the wheel's now. */
static inline unsigned exec__timers_slot(const exec_timers *t, uint64_t tick) {
    unsigned level = exec__timer_level(tick ^ t->now);
    if (EXEC__UNLIKELY(level >= EXEC_TIMER_LEVELS)) return EXEC__TIMER_FAR;
    return (level << EXEC_TIMER_BITS)
           + ((unsigned)(tick >> (level * EXEC_TIMER_BITS)) & (EXEC__TIMER_SLOTS - 1));
}

/* The first timer makes the wheel a driver: a program that has the room for one, and no timer, does not pay. */
EXEC_API void exec__timers_begin(exec_timers *t);

static inline void exec__timers_occupy(exec_timers *t, unsigned at) {
    unsigned level = at >> EXEC_TIMER_BITS;
    if (EXEC__UNLIKELY(!t->driver.type)) exec__timers_begin(t);
    t->occupied[level] |= (exec__slot_bits)1 << (at & (EXEC__TIMER_SLOTS - 1));
    t->levels |= (uint32_t)1 << level;
}

static inline void exec__timers_vacate(exec_timers *t, unsigned at) {
    unsigned level = at >> EXEC_TIMER_BITS;
    t->slots[at] = NULL;
    t->occupied[level] &= ~((exec__slot_bits)1 << (at & (EXEC__TIMER_SLOTS - 1)));
    if (!t->occupied[level]) t->levels &= ~((uint32_t)1 << level);
}

/* What the last one's next is. */
static inline exec_timer_link *exec__timers_end(const exec_timers *t, unsigned at) {
    return (exec_timer_link *)(uintptr_t)&t->slots[at];
}

static inline int exec__timers_is_end(const exec_timers *t, const exec_timer_link *link) {
    return (uintptr_t)link - (uintptr_t)t->slots < sizeof t->slots;
}

/* The first one's prev, and back. */
static inline exec_timer_link *exec__timers_mark(const exec_timer_link *last) {
    return (exec_timer_link *)((uintptr_t)last | 1);
}
static inline int exec__timers_is_first(const exec_timer_link *n) { return (uintptr_t)n->prev & 1; }
static inline exec_timer_link *exec__timers_last(const exec_timer_link *first) {
    return (exec_timer_link *)((uintptr_t)first->prev & ~(uintptr_t)1);
}

static inline void exec__timers_place(exec_timers *t, exec_timer *n, uint64_t tick) {
    unsigned at = exec__timers_slot(t, tick);
    exec_timer_link *first = t->slots[at];
    if (EXEC__UNLIKELY(at == EXEC__TIMER_FAR) && (!first || tick < t->far_first)) t->far_first = tick;
    t->slots[at] = &n->link;
    if (first) {
        n->link.next = first;
        n->link.prev = first->prev;             /* the mark too */
        first->prev = &n->link;
    } else {
        n->link.next = exec__timers_end(t, at);
        n->link.prev = exec__timers_mark(&n->link);
        exec__timers_occupy(t, at);
    }
}

static inline void exec__timers_unlink(exec_timers *t, exec_timer_link *n) {
    exec_timer_link *next = n->next, *prev = n->prev;
    int is_first = exec__timers_is_first(n);
    if (EXEC__UNLIKELY(exec__timers_is_end(t, next))) {             /* it is the last */
        exec_timer_link **slot = (exec_timer_link **)(void *)next;
        if (is_first) {
            exec__timers_vacate(t, (unsigned)(slot - t->slots));
        } else {
            prev->next = next;
            (*slot)->prev = exec__timers_mark(prev);
        }
    } else {
        next->prev = prev;
        if (EXEC__LIKELY(!is_first)) prev->next = next;
        else *(exec_timer_link **)(void *)exec__timers_last(n)->next = next;
    }
}

static inline void exec_timer_cancel(exec_timers *t, exec_timer *n) {
    if (!exec_timer_armed(n)) return;
    exec__timers_unlink(t, &n->link);
    n->link.next = NULL;
}

static inline int EXEC__MUST_USE exec_timer_arm(exec_timers *t, exec_timer *n, int64_t deadline_ns,
                                                exec_task *task) {
    uint64_t tick = exec__timer_tick(deadline_ns);
    if (exec_timer_armed(n)) exec__timers_unlink(t, &n->link);
    n->deadline = deadline_ns;
    n->task = task;
    if (tick <= t->now) {
        n->link.next = NULL;
        return 0;
    }
    exec__timers_place(t, n, tick);
    return 1;
}

/* Files compiled with another wheel do not link: each refers to a symbol named after its own. */
#define EXEC__TIMER_LAYOUT EXEC__TIMER_LAYOUT_(EXEC_TIMER_LEVELS, EXEC_TIMER_BITS, EXEC_TIMER_TICK_NS)
#define EXEC__TIMER_LAYOUT_(levels, bits, tick) EXEC__TIMER_LAYOUT__(levels, bits, tick)
#define EXEC__TIMER_LAYOUT__(levels, bits, tick) exec__timer_layout_levels##levels##_bits##bits##_tick##tick
#ifndef EXEC_STATIC
extern EXEC_API const char EXEC__TIMER_LAYOUT;
EXEC__USED EXEC__MAYBE_UNUSED static const char *const exec__timer_layout_used = &EXEC__TIMER_LAYOUT;
#endif

#ifdef __cplusplus
}
#endif
#endif /* EXEC_TIMER_H */

/* ============================================================================ the implementation */
#if (defined EXEC_IMPLEMENTATION || defined EXEC_STATIC) && !defined EXEC__TIMER_IMPLEMENTED
#define EXEC__TIMER_IMPLEMENTED
#include "exec.h"    /* its implementation, where only declarations came before */

#ifdef __cplusplus
extern "C" {
#endif

#ifndef EXEC_STATIC
extern EXEC_API const char EXEC__TIMER_LAYOUT;
const char EXEC__TIMER_LAYOUT = 0;
#endif

#if defined __GNUC__ || defined __clang__
#define EXEC__PREFETCH(p) __builtin_prefetch(p)
#else
#define EXEC__PREFETCH(p) ((void)0)
#endif

/* ------------------------------------------------------------------------------------- the wheel */

/* The next slot to open, and the tick at which it does: the start of its range. */
static uint64_t exec__timers_event(const exec_timers *t, unsigned *at) {
    unsigned level, slot, shift;
    if (!t->levels) return EXEC__TIMER_NO_TICK;
    level = exec__first_bit(t->levels);
    shift = level * EXEC_TIMER_BITS;
    if (level == EXEC_TIMER_LEVELS) {
        *at = EXEC__TIMER_FAR;
        return t->far_first >> shift << shift;
    }
    slot = exec__first_bit(t->occupied[level]);
    *at = (level << EXEC_TIMER_BITS) + slot;
    return ((t->now >> shift & ~(uint64_t)(EXEC__TIMER_SLOTS - 1)) | slot) << shift;
}

static exec_timer *exec__timer_of(const exec_timer_link *link) { return (exec_timer *)(uintptr_t)link; }

/* The next of its slot. */
static EXEC__MAYBE_UNUSED const exec_timer_link *exec__timers_after(const exec_timers *t, const exec_timer_link *link) {
    return exec__timers_is_end(t, link->next) ? NULL : link->next;
}

/* When the slot that opens next, at tick `event`, may have a first timer to expire. One alone in it is the first of
   all: no wake when the slot opens, and no move down level by level. */
static uint64_t exec__timers_due(const exec_timers *t, unsigned at, uint64_t event) {
    const exec_timer_link *first = t->slots[at];
    if (at == EXEC__TIMER_FAR) return t->far_first;
    return first->prev == exec__timers_mark(first) ? exec__timer_tick(exec__timer_of(first)->deadline) : event;
}

EXEC_API int64_t exec_timers_next(const exec_timers *t) {
    unsigned at = 0;
    uint64_t tick = exec__timers_event(t, &at);
    if (tick == EXEC__TIMER_NO_TICK) return EXEC_NEVER;
    tick = exec__timers_due(t, at, tick);
    return tick > (uint64_t)EXEC_NEVER / EXEC__TIMER_TICK ? EXEC_NEVER : (int64_t)(tick * EXEC__TIMER_TICK);
}

static void exec__timers_expire(exec_timers *t, exec_timer *n) {
    uint64_t tick = exec__timer_tick(n->deadline);
    if (tick > t->now) {
        exec__timers_place(t, n, tick);
        EXEC__PREFETCH(n->task);
        return;
    }
    n->link.next = NULL;
    t->driver.exec->counters.expiries++;
    exec__wake(t->driver.exec, n->task);
}

/* The wheel's now has come to where the slot begins, or further to its first timer: what is due expires, the rest
   moves down. From both ends in turn, so that two nodes are on their way from memory at a time. */
static void exec__timers_open(exec_timers *t, unsigned at) {
    exec_timer_link *here = t->slots[at], *there = exec__timers_last(here), *link, *inner;
    int forward = 1;
    exec__timers_vacate(t, at);
    do {
        link = here;
        inner = forward ? link->next : link->prev;
        EXEC__PREFETCH(inner);
        forward = !forward;
        here = there;
        there = inner;
        exec__timers_expire(t, exec__timer_of(link));
    } while (link != here);
}

static void exec__timers_turn(exec_driver *d) {
    exec_timers *t = (exec_timers *)(void *)d;
    uint64_t now, event;
    unsigned at = 0;
    if (!t->levels) return;
    now = (uint64_t)exec_now(d->exec) / EXEC__TIMER_TICK;
    while ((event = exec__timers_event(t, &at)) <= now) {
        event = exec__timers_due(t, at, event);
        t->now = event < now ? event : now;
        exec__timers_open(t, at);
    }
    if (now > t->now) t->now = now;
}

static int64_t exec__timers_deadline(exec_driver *d) {
    return exec_timers_next((exec_timers *)(void *)d);
}

/* -------------------------------------------------------------------------- dump, check, detach */

/* "until +12 ms": in the largest unit that leaves two digits. */
static void exec__put_time(exec__text *out, exec *ex, int64_t deadline_ns) {
    static const char *const units[] = { " ns", " us", " ms", " s" };
    int64_t left;
    unsigned unit = 0;
    exec__put(out, "until ");
    if (deadline_ns > EXEC_NEVER - EXEC_TIMER_TICK_NS) {
        exec__put(out, "cancelled");
        return;
    }
    left = deadline_ns - exec_now(ex);
    for (; unit < 3 && (left >= 10000 || left <= -10000); unit++) left /= 1000;
    if (left >= 0) exec__put(out, "+");
    exec__put_number(out, left);
    exec__put(out, units[unit]);
}

static void exec__timer_describe(const exec_timer *n, char *buf, size_t size) {
    exec__text text = { 0, "" };
    if (exec_timer_armed(n)) exec__put_time(&text, n->task->store->exec, n->deadline);
    exec__put_into(buf, size, &text);
}

static void exec__timers_dump(exec_driver *d) {
    exec_timers *t = (exec_timers *)(void *)d;
    exec__text text = { 0, "" };
    int64_t armed = 0;
    for (unsigned at = 0; at <= EXEC__TIMER_FAR; at++)
        for (const exec_timer_link *l = t->slots[at]; l; l = exec__timers_after(t, l)) armed++;
    exec__put_number(&text, armed);
    exec__put(&text, " timers");
    if (armed) {
        exec__put(&text, ", parks ");
        exec__put_time(&text, d->exec, exec_timers_next(t));
    }
    exec_log(d->exec, text.s);
}

/* Whether the nodes of a slot are linked, and stand where they should. */
static int exec__timers_check_slot(const exec_timers *t, unsigned at) {
    unsigned level = at >> EXEC_TIMER_BITS;
    unsigned occupied = (unsigned)(t->occupied[level] >> (at & (EXEC__TIMER_SLOTS - 1))) & 1;
    const exec_timer_link *first = t->slots[at], *link = first, *last = NULL;
    if (occupied != (first != NULL)) return 0;
    if ((t->levels >> level & 1) != (t->occupied[level] != 0)) return 0;
    for (; link && !exec__timers_is_end(t, link); last = link, link = link->next) {
        const exec_timer *n = exec__timer_of(link);
        uint64_t tick = exec__timer_tick(n->deadline);
        if (!n->task || tick <= t->now || exec__timers_slot(t, tick) != at) return 0;
        if (at == EXEC__TIMER_FAR && tick < t->far_first) return 0;
        if (last && (link == first || link->prev != last)) return 0;
    }
    return !first || (link == exec__timers_end(t, at) && first->prev == exec__timers_mark(last));
}

static int exec__timers_check(exec_driver *d) {
    const exec_timers *t = (const exec_timers *)(const void *)d;
    int good = d->exec->timers == t;
    for (unsigned at = 0; at <= EXEC__TIMER_FAR && good; at++) good = exec__timers_check_slot(t, at);
    return good ? 0 : -EINVAL;
}

#if EXEC_DEBUG
/* Of the first timers that it meets. */
static const char *exec__timers_hold(const exec *ex, const exec__left *left) {
    const exec_timers *t = ex->timers;
    unsigned n = 0;
    for (unsigned at = 0; t && at <= EXEC__TIMER_FAR && n < EXEC__CHECKED; at++)
        for (const exec_timer_link *l = t->slots[at]; l && n < EXEC__CHECKED; l = exec__timers_after(t, l), n++)
            if (exec__is_inside(left, l) || exec__timer_of(l)->task == left->task)
                return "a frame is freed and a timer is still armed in it, or wakes its task: exec_timer_cancel it "
                       "when the leaf ends";
    return NULL;
}
#endif

/* No task is left: a node that is still armed would wake one that is gone. */
static void exec__timers_detach(exec_driver *d) {
    exec_timers *t = (exec_timers *)(void *)d;
#if EXEC_DEBUG
    EXEC_ASSERT(!t->levels, "a timer is armed and its task is over: exec_timer_cancel it when the leaf ends");
#endif
    for (unsigned at = 0; at <= EXEC__TIMER_FAR; at++)
        while (t->slots[at]) exec_timer_cancel(t, exec__timer_of(t->slots[at]));
}

static const exec_driver_type exec__timers_type = {
    "timers", exec__timers_deadline, exec__timers_turn, NULL, NULL, NULL, NULL,
    EXEC__WORDS(exec__timers_dump), EXEC__WORDS(exec__timers_check), exec__timers_detach };

EXEC_API EXEC__COLD void exec__timers_begin(exec_timers *t) {
    (void)exec_attach(t->driver.exec, &t->driver, &exec__timers_type);  /* in a child of fork it expires nothing */
}

EXEC_API int exec_timers_attach(exec_timers *t, exec *ex) {
    if (ex->closing == EXEC__FORKED) return -ECANCELED;
    if (ex->timers) return -EBUSY;
    memset(t, 0, sizeof *t);
    t->now = (uint64_t)exec_now(ex) / EXEC__TIMER_TICK;
    t->driver.exec = ex;
    ex->timers = t;
#if EXEC_DEBUG
    ex->holds[0] = exec__timers_hold;
#endif
    return 0;
}

/* -------------------------------------------------------------------------------------- the ops */

/* An op's state, in fut.resume; before it is armed timer.deadline holds what it was prepared with. */
enum { EXEC__TIMER_AFTER, EXEC__TIMER_AT, EXEC__TIMER_ARMED, EXEC__TIMER_OVER };

/* Negative counts as 0. */
static int64_t exec__time_add(int64_t now, int64_t ns) { return ns <= 0 ? now : exec__after(now, ns); }

EXEC_API int64_t exec_deadline(exec *ex, int64_t ns) { return exec__time_add(exec_now(ex), ns); }

/* The first time that an op has to wait: 1: armed; 0: its time has come already. */
static int exec__timer_start(exec_cx *cx, exec_future *f, exec_timer *n) {
    exec_timers *t = cx->exec->timers;
    int64_t deadline = n->deadline;
    if (f->resume == EXEC__TIMER_AFTER) {
        int64_t now;
        if (deadline <= 0) return 0;
        now = exec_now(cx->exec);
        if (!t->levels) t->now = (uint64_t)now / EXEC__TIMER_TICK;      /* an empty wheel is not turned */
        deadline = exec__time_add(now, deadline);
    }
    if (!exec_timer_arm(t, n, deadline, cx->task)) return 0;
    f->resume = EXEC__TIMER_ARMED;
    return 1;
}

static exec_poll exec__sleep_poll(exec_cx *cx, exec_future *f) {
    exec_sleep_op *op = (exec_sleep_op *)(void *)f;
    if (!cx->exec->timers) return exec_ready(f, -ENOSYS);
    if (f->resume == EXEC__TIMER_ARMED && !exec_timer_armed(&op->timer)) return exec_ready(f, 0);
    if (exec_canceled(f)) {
        exec_timer_cancel(cx->exec->timers, &op->timer);
        return exec_ready(f, -ECANCELED);
    }
    if (f->resume == EXEC__TIMER_ARMED || exec__timer_start(cx, f, &op->timer)) return exec_pending(cx, f);
    return exec_spend(cx) ? exec_ready(f, 0) : exec_pending(cx, f);
}

static void exec__sleep_describe(const exec_future *f, char *buf, size_t size) {
    exec__timer_describe(&((const exec_sleep_op *)(const void *)f)->timer, buf, size);
}

static const exec_type exec__sleep_type = EXEC__TYPE(exec__sleep_poll, exec__sleep_describe, NULL, "sleep");

static exec_future *exec__sleep(exec_sleep_op *op, int64_t time, int32_t state) {
    exec_future_init(&op->fut, &exec__sleep_type);
    exec_timer_init(&op->timer);
    op->fut.resume = state;
    op->timer.deadline = time;
    return &op->fut;
}

EXEC_API exec_future *exec_sleep(exec_sleep_op *op, int64_t ns) {
    return exec__sleep(op, ns, EXEC__TIMER_AFTER);
}

EXEC_API exec_future *exec_sleep_until(exec_sleep_op *op, int64_t deadline_ns) {
    return exec__sleep(op, deadline_ns, EXEC__TIMER_AT);
}

/* The inner future pends: 1 once, when the time is over. */
static int exec__timeout_expires(exec_cx *cx, exec_timeout_op *op) {
    exec_future *f = &op->fut;
    if (f->resume == EXEC__TIMER_OVER) return 0;
    if (f->resume == EXEC__TIMER_ARMED) {
        if (exec_timer_armed(&op->timer)) return 0;
    } else if (exec__timer_start(cx, f, &op->timer) || !exec_spend(cx)) {
        return 0;
    }
    f->resume = EXEC__TIMER_OVER;
    return 1;
}

/* The time matters no more; the level goes on to the inner future. 0: that never began. */
static int exec__timeout_cancel(exec_cx *cx, exec_timeout_op *op) {
    exec_timer_cancel(cx->exec->timers, &op->timer);
    if (!exec_strand_started(&op->strand)) return 0;
    exec_strand_cancel(&op->strand, exec_cancel_level(cx));
    return 1;
}

static exec_poll exec__timeout_poll(exec_cx *cx, exec_future *f) {
    exec_timeout_op *op = (exec_timeout_op *)(void *)f;
    exec_timers *t = cx->exec->timers;
    exec_future *inner;
    if (!t) return exec_ready(f, -ENOSYS);
    if (exec_canceled(f) && !exec__timeout_cancel(cx, op)) return exec_ready(f, -ECANCELED);
    inner = exec_strand_poll(cx, &op->strand);
    if (!inner && !exec_canceled(f) && exec__timeout_expires(cx, op)) {
        exec_strand_cancel(&op->strand, EXEC_CANCEL);
        inner = exec_strand_poll(cx, &op->strand);
    }
    if (!inner) return exec_pending(cx, f);
    exec_timer_cancel(t, &op->timer);
    op->expired = f->resume == EXEC__TIMER_OVER && inner->result == -ECANCELED;
    return exec_ready(f, op->expired ? -ETIMEDOUT : inner->result);
}

static void exec__timeout_describe(const exec_future *f, char *buf, size_t size) {
    exec__timer_describe(&((const exec_timeout_op *)(const void *)f)->timer, buf, size);
}

static const exec_strand *exec__timeout_branches(const exec_future *f, unsigned *count) {
    *count = 1;
    return &((const exec_timeout_op *)(const void *)f)->strand;
}

static const exec_type exec__timeout_type =
    EXEC__TYPE(exec__timeout_poll, exec__timeout_describe, exec__timeout_branches, "timeout");

static exec_future *exec__timeout_make(exec_timeout_op *op, const exec_type *type, exec_future *inner,
                                       int64_t time, int32_t state) {
    exec_future_init(&op->fut, type);
    exec_timer_init(&op->timer);
    exec_strand_init(&op->strand, inner);
    op->fut.resume = state;
    op->timer.deadline = time;
    op->expired = 0;
    return &op->fut;
}

EXEC_API exec_future *exec_timeout(exec_timeout_op *op, exec_future *inner, int64_t ns) {
    return exec__timeout_make(op, &exec__timeout_type, inner, ns, EXEC__TIMER_AFTER);
}

EXEC_API exec_future *exec_timeout_at(exec_timeout_op *op, exec_future *inner, int64_t deadline_ns) {
    return exec__timeout_make(op, &exec__timeout_type, inner, deadline_ns, EXEC__TIMER_AT);
}

/* ------------------------------------------------------------------------------------------ after */

/* The inner future's result waits in f->result for the time. */
static exec_poll exec__after_poll(exec_cx *cx, exec_future *f) {
    exec_after_op *op = (exec_after_op *)(void *)f;
    exec_future *inner;
    if (!cx->exec->timers) return exec_ready(f, -ENOSYS);
    if (exec_canceled(f)) {
        if (!exec__timeout_cancel(cx, op)) return exec_ready(f, -ECANCELED);
    } else if (!exec_strand_started(&op->strand)) {
        (void)exec__timer_start(cx, f, &op->timer);
    }
    if (!exec_strand_done(&op->strand)) {
        inner = exec_strand_poll(cx, &op->strand);
        if (!inner) return exec_pending(cx, f);
        f->result = inner->result;
    }
    return exec_timer_armed(&op->timer) ? exec_pending(cx, f) : exec_ready(f, f->result);
}

static const exec_type exec__after_type =
    EXEC__TYPE(exec__after_poll, exec__timeout_describe, exec__timeout_branches, "after");

EXEC_API exec_future *exec_after(exec_after_op *op, exec_future *inner, int64_t deadline_ns) {
    return exec__timeout_make(op, &exec__after_type, inner, deadline_ns, EXEC__TIMER_AT);
}

EXEC_API exec_future *exec_after_delay(exec_after_op *op, exec_future *inner, int64_t ns) {
    return exec__timeout_make(op, &exec__after_type, inner, ns, EXEC__TIMER_AFTER);
}

/* -------------------------------------------------------------------------------------- intervals */

/* Hands out the tick that is due, or the first. Returns how many behind it are left out. */
static int64_t exec__interval_take(exec *ex, exec_interval *iv) {
    int64_t now = iv->started && iv->missed == EXEC_MISSED_BURST ? 0 : exec_now(ex), left_out;
    if (!iv->started) exec_interval_reset_at(iv, now);
    iv->tick_ns = iv->next_ns;
    iv->next_ns = exec__after(iv->tick_ns, iv->period_ns);
    if (iv->missed == EXEC_MISSED_BURST || now < iv->next_ns) return 0;
    left_out = (now - iv->tick_ns) / iv->period_ns;
    if (iv->missed == EXEC_MISSED_SKIP) now = iv->tick_ns + left_out * iv->period_ns;
    iv->next_ns = exec__after(now, iv->period_ns);
    return left_out;
}

/* Whether its time has come; else it is armed. One that is armed for another time was reset. */
static int exec__interval_due(exec_cx *cx, exec_interval *iv) {
    exec_timer *n = &iv->timer;
    if (!iv->started) return 1;
    if (exec_timer_armed(n) && n->deadline == iv->next_ns) return 0;
    return !exec_timer_arm(cx->exec->timers, n, iv->next_ns, cx->task);
}

/* A mark comes first, also when the time has come: so a cancelled tick is not taken. */
static exec_poll exec__interval_poll(exec_cx *cx, exec_future *f) {
    exec_interval *iv = (exec_interval *)(void *)f;
    exec_timers *t = cx->exec->timers;
    int64_t left_out;
    if (!t) return exec_ready(f, -ENOSYS);
    if (exec_canceled(f) || iv->period_ns <= 0) {
        exec_timer_cancel(t, &iv->timer);
        return exec_ready(f, exec_canceled(f) ? -ECANCELED : -EINVAL);
    }
    if (!exec__interval_due(cx, iv) || !exec_spend(cx)) return exec_pending(cx, f);
    left_out = exec__interval_take(cx->exec, iv);
    return exec_ready(f, left_out < INTPTR_MAX ? (intptr_t)left_out : INTPTR_MAX);
}

static void exec__interval_describe(const exec_future *f, char *buf, size_t size) {
    exec__timer_describe(&((const exec_interval *)(const void *)f)->timer, buf, size);
}

static const exec_type exec__interval_type = EXEC__TYPE(exec__interval_poll, exec__interval_describe, NULL, "interval");

EXEC_API void exec_interval_init(exec_interval *iv, int64_t period_ns) {
    memset(iv, 0, sizeof *iv);
    iv->period_ns = period_ns;
}

EXEC_API void exec_interval_init_at(exec_interval *iv, int64_t start_ns, int64_t period_ns) {
    exec_interval_init(iv, period_ns);
    exec_interval_reset_at(iv, start_ns);
}

EXEC_API exec_future *exec_interval_tick(exec_interval *iv) {
    EXEC_ASSERT(!exec_timer_armed(&iv->timer),
                "a tick of this interval is awaited already: give each task an interval of its own");
    exec_future_init(&iv->fut, &exec__interval_type);
    return &iv->fut;
}

EXEC_API void exec_interval_reset(exec_interval *iv, exec *ex) {
    exec_interval_reset_at(iv, exec_deadline(ex, iv->period_ns));
}

EXEC_API void exec_interval_reset_at(exec_interval *iv, int64_t deadline_ns) {
    iv->next_ns = deadline_ns < 0 ? 0 : deadline_ns;
    iv->started = 1;
    if (exec_timer_armed(&iv->timer)) exec_wake(iv->timer.task);
}

/* ---------------------------------------------------------------------------------------- backoff */

static int64_t exec__backoff_max(const exec_backoff *b) { return b->max_ns ? b->max_ns : EXEC_SEC(30); }

static int exec__backoff_valid(const exec_backoff *b) {
    return b->first_ns >= 0 && b->max_ns >= 0 && b->limit_ns >= 0 && b->deadline_ns >= 0
           && (!b->factor_percent || b->factor_percent >= 100);
}

/* The first call after a reset sets the end of the time. */
static void exec__backoff_begin(exec_backoff *b, exec *ex) {
    if (b->begun) return;
    b->begun = 1;
    b->end_ns = b->limit_ns ? exec__after(exec_now(ex), b->limit_ns) : EXEC_NEVER;
    if (b->deadline_ns && b->deadline_ns < b->end_ns) b->end_ns = b->deadline_ns;
}

/* SplitMix64 (S. Vigna, public domain): any seed will do. */
static uint64_t exec__backoff_random(exec_backoff *b) {
    uint64_t z = b->random += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* 0 .. most, each as likely: what falls into the last range, which is cut short, is drawn again. */
static int64_t exec__backoff_jitter(exec_backoff *b, exec *ex, int64_t most) {
    uint64_t count = (uint64_t)most + 1, drawn;
    if (!b->random) b->random = b->seed ? b->seed : (uint64_t)exec_now(ex) ^ (uint64_t)(uintptr_t)b << 20;
    do drawn = exec__backoff_random(b);
    while (drawn - drawn % count > UINT64_MAX - (count - 1));
    return (int64_t)(drawn % count);
}

/* The next delay or why there is none; it is not counted yet. */
static int64_t exec__backoff_draw(exec_backoff *b, exec *ex) {
    int64_t max = exec__backoff_max(b), delay;
    if (!exec__backoff_valid(b)) return -EINVAL;
    exec__backoff_begin(b, ex);
    if (b->retries && b->count >= b->retries) return -EDQUOT;
    if (!b->bare_ns) b->bare_ns = b->first_ns ? b->first_ns : EXEC_MS(100);
    if (b->bare_ns > max) b->bare_ns = max;
    delay = b->no_jitter ? b->bare_ns : exec__backoff_jitter(b, ex, b->bare_ns);
    if (b->end_ns < EXEC_NEVER && delay >= b->end_ns - exec_now(ex)) return -ETIMEDOUT;
    return delay;
}

/* The delay was given: the one behind it is longer. Cut at the cap, so that nothing overflows. */
static void exec__backoff_count(exec_backoff *b) {
    int64_t max = exec__backoff_max(b), factor = b->factor_percent ? b->factor_percent : 200;
    int64_t hundreds = b->bare_ns / 100, rest = (b->bare_ns % 100 * factor + 99) / 100;
    b->count++;
    if (hundreds > max / factor || rest > max - hundreds * factor) b->bare_ns = max;
    else b->bare_ns = hundreds * factor + rest;
}

EXEC_API int64_t exec_backoff_next(exec_backoff *b, exec *ex) {
    int64_t delay = exec__backoff_draw(b, ex);
    if (delay >= 0) exec__backoff_count(b);
    return delay;
}

EXEC_API void exec_backoff_reset(exec_backoff *b) {
    b->begun = 0;
    b->bare_ns = 0;
    b->count = 0;
}

/* resume: 1: the delay was drawn. */
static exec_poll exec__backoff_poll(exec_cx *cx, exec_future *f) {
    exec_backoff_op *op = (exec_backoff_op *)(void *)f;
    exec_poll pends;
    if (!f->resume) {
        int64_t delay = exec__backoff_draw(op->backoff, cx->exec);
        if (delay < 0) return exec_ready(f, (intptr_t)delay);
        (void)!exec_sleep(&op->nap, delay);
        f->resume = 1;
    }
    pends = exec_poll_child(cx, f, &op->nap.fut);
    if (pends) return pends;
    if (EXEC_RESULT(&op->nap) == 0) exec__backoff_count(op->backoff);
    return exec_ready(f, EXEC_RESULT(&op->nap));
}

static const exec_type exec__backoff_type = EXEC__TYPE(exec__backoff_poll, NULL, NULL, "backoff");

EXEC_API exec_future *exec_backoff_wait(exec_backoff_op *op, exec_backoff *b) {
    exec_future_init(&op->fut, &exec__backoff_type);
    op->backoff = b;
    return &op->fut;
}

/* ------------------------------------------------------------------------------------------ retry */

/* An op's state, in fut.resume. While it pends, fut.result is that of the last attempt. */
enum { EXEC__RETRY_FRESH, EXEC__RETRY_TRIES, EXEC__RETRY_PAUSES };

static void exec__retry_try(exec_retry_op *op) {
    op->fut.resume = EXEC__RETRY_TRIES;
    op->attempts++;
    op->child = op->prepare(op->arg);
}

/* An attempt is over: 1 if that is the end. */
static int exec__retry_tried(exec_retry_op *op) {
    intptr_t result = op->child ? op->child->result : -ENOMEM;
    op->fut.result = result;
    if (result >= 0 || exec_canceled(&op->fut)) return 1;
    if (op->retryable ? !op->retryable(result, op->arg) : result == -ECANCELED) return 1;
    op->fut.resume = EXEC__RETRY_PAUSES;
    op->child = exec_backoff_wait(&op->pause, op->backoff);
    return 0;
}

/* A pause is over, or there was none: 1 if that is the end. */
static int exec__retry_paused(exec_retry_op *op) {
    if (exec_canceled(&op->fut)) {
        op->fut.result = -ECANCELED;
        return 1;
    }
    op->exhausted = (int)EXEC_RESULT(&op->pause);
    if (op->exhausted) return 1;
    exec__retry_try(op);
    return 0;
}

static exec_poll exec__retry_poll(exec_cx *cx, exec_future *f) {
    exec_retry_op *op = (exec_retry_op *)(void *)f;
    if (f->resume == EXEC__RETRY_FRESH) {
        if (!cx->exec->timers) return exec_ready(f, -ENOSYS);
        exec_backoff_reset(op->backoff);
        exec__backoff_begin(op->backoff, cx->exec);
        exec__retry_try(op);
    }
    for (;;) {
        exec_poll pends = op->child ? exec_poll_child(cx, f, op->child) : EXEC__READY;
        if (pends) return pends;
        if (f->resume == EXEC__RETRY_TRIES ? exec__retry_tried(op) : exec__retry_paused(op))
            return exec_ready(f, f->result);
    }
}

static const exec_type exec__retry_type = EXEC__TYPE(exec__retry_poll, NULL, NULL, "retry");

EXEC_API exec_future *exec_retry_if(exec_retry_op *op, exec_backoff *b, exec_future *(*prepare)(void *arg),
                                    int (*retryable)(intptr_t result, void *arg), void *arg) {
    exec_future_init(&op->fut, &exec__retry_type);
    op->child = NULL;
    op->backoff = b;
    op->prepare = prepare;
    op->retryable = retryable;
    op->arg = arg;
    op->attempts = 0;
    op->exhausted = 0;
    return &op->fut;
}

EXEC_API exec_future *exec_retry(exec_retry_op *op, exec_backoff *b, exec_future *(*prepare)(void *arg), void *arg) {
    return exec_retry_if(op, b, prepare, NULL, arg);
}

#ifdef __cplusplus
}
#endif
#endif /* EXEC_IMPLEMENTATION */
