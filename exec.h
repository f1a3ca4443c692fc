/* SPDX-License-Identifier: MIT
 *
 * exec.h - a stackless async runtime for C: coroutines, tasks, executor, wakers, combinators
 *
 * A coroutine is a struct (its frame) and a function that the macros turn into a state machine. A
 * task is a coroutine that the executor schedules. One thread runs an executor; other threads wake
 * its tasks. Nothing allocates but a spawn from the heap or into a growing pool, the first waker of a task, the
 * first remote (or exec_prepare, exec_poll_fds), EXEC_REMOTE_SPAWN and exec_oneshot_create.
 *
 * DO THIS
 *     #define EXEC_IMPLEMENTATION       in ONE .c file, before its first #include
 *     #include "exec_net.h"             timers and sockets; or exec_timer.h, or exec.h alone
 * Other files include it without the define. Or define EXEC_STATIC in a file to keep everything
 * private to it: an executor is used by the copy that made it. C11 or C++17, gcc, clang or (EXEC_NO_THREADS) tcc;
 * Linux, or with EXEC_POSIX_ONLY what has POSIX.1-2008; no library but libc.
 *
 * A COMPLETE PROGRAM
 *     #define EXEC_IMPLEMENTATION
 *     #include "exec.h"
 *     #include <stdio.h>
 *
 *     typedef struct { EXEC_FRAME; const char *name; int left; } counter;
 *
 *     EXEC_ASYNC(counter) {
 *         EXEC_BEGIN;
 *         for (; self->left > 0; self->left--) {
 *             printf("%s %d\n", self->name, self->left);
 *             EXEC_YIELD;                           // the other task runs, then this one goes on
 *         }
 *         EXEC_END;
 *     }
 *
 *     int main(void) {
 *         exec ex;
 *         if (exec_init(&ex, NULL) < 0) return 1;
 *         int status = EXEC_SPAWN(&ex, NULL, counter, .name = "a", .left = 3);
 *         if (status == 0) status = EXEC_SPAWN(&ex, NULL, counter, .name = "b", .left = 2);
 *         if (status == 0) status = exec_run(&ex);
 *         exec_destroy(&ex, EXEC_SEC(1));
 *         return status < 0;
 *     }
 *
 * WHAT HOLDS (each with the test that proves it, in tests/)
 *  1. Ready tasks run in FIFO order; what a turn left over runs before what is woken later.
 *     (trap_01_leftovers_run_first)
 *  2. A resume costs the same at every await depth, and the C stack does not grow with the depth.
 *     (resume_cost_is_flat in tests/run.d/counts.sh, deep_chain_resumes_on_a_flat_stack)
 *  3. The EXEC_FINALLY of a body that began runs exactly once and to its end: on return, on error, on
 *     cancel, on kill. No child outlives its parent's await. (random_trees)
 *  4. A wake is never lost: while idle, queued, running, from any thread. (trap_16_*, trap_04_*,
 *     test_interleave.c)
 *  5. A handle is defined for ever: after completion, and after the executor is gone. (trap_02_*)
 *  6. After exec_destroy a waker that another thread still holds does nothing; the last one frees
 *     its cell. (trap_06_*)
 *  7. A local wake, a resume, a select, a join, a timer use no atomic instruction and no heap.
 *     (trap_09_*)
 *  8. A group runs no more tasks at once than its limit, until it is cancelled: then each that was spawned
 *     begins, so that it releases what it was given. (five_tasks_with_a_limit_of_two_run_two_two_one,
 *     every_way_out_starts_those_held_back_so_that_they_release, random_trees)
 *  9. A child of fork(2) that calls exec_forked takes nothing from its parent's executor. (test_fork.c)
 *
 * OPTIONS (define as 0 or 1 before every include)
 *  EXEC_DEBUG       0  ownership, double awaits, frames freed too early, locals across an await;
 *                      slow                                                       same in all files
 *  EXEC_NO_THREADS  0  no atomics, no thread-local storage; wakers stay on one thread     the same
 *  EXEC_NO_MALLOC   0  references no allocator; calls that only allocate are not declared the same
 *  EXEC_POSIX_ONLY  0  no call but POSIX.1-2008: a pipe for the eventfd, waits in ms      the same
 *  EXEC_SMALL       0  without words: a programming error traps, a type has no file and does not describe
 *                      itself, the log gets fixed lines; for small flash. And with less of libc: to read
 *                      the clock is a system call, and a wait with a limit takes two     should not differ
 *  EXEC_LC_SWITCH   0  ISO C form of the resume points (no labels as values)     may differ by file
 *  EXEC_ASSERT(c,m)    what a programming error does: prints file, line, advice; aborts  may differ
 *  EXEC_TRACE_*        hooks, see below; empty                      those of the implementing file
 *  EXEC_SYS_*          each system call, for tests                  those of the implementing file
 *  EXEC_API            linkage of the functions; hidden visibility                  may differ
 */
#ifndef EXEC_H
#define EXEC_H

#define EXEC_VERSION_MAJOR 0
#define EXEC_VERSION_MINOR 1
#define EXEC_VERSION_PATCH 0
#define EXEC_VERSION (EXEC_VERSION_MAJOR * 10000 + EXEC_VERSION_MINOR * 100 + EXEC_VERSION_PATCH)
#define EXEC_VERSION_STRING "0.1.0"

#ifndef EXEC_POSIX_ONLY
#define EXEC_POSIX_ONLY 0
#endif
#if !defined __linux__ && !EXEC_POSIX_ONLY
#error "exec.h: Linux is the platform; elsewhere compile with -DEXEC_POSIX_ONLY=1"
#endif

/* The implementation calls POSIX and Linux functions; a strict -std=c11 hides them unless this comes
   before the first system header. Where it comes too late, the implementation part says so. */
#if (defined EXEC_IMPLEMENTATION || defined EXEC_STATIC) && !defined _GNU_SOURCE
#if !EXEC_POSIX_ONLY
#define _GNU_SOURCE 1
#elif !defined _POSIX_C_SOURCE && !defined _XOPEN_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#endif

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------- options */

#ifndef EXEC_DEBUG
#define EXEC_DEBUG 0
#endif
#ifndef EXEC_NO_THREADS
#define EXEC_NO_THREADS 0
#endif
#ifndef EXEC_NO_MALLOC
#define EXEC_NO_MALLOC 0
#endif
#ifndef EXEC_SMALL
#define EXEC_SMALL 0
#endif
#ifndef EXEC_LC_SWITCH
#if defined __GNUC__ || defined __clang__
#define EXEC_LC_SWITCH 0
#else
#define EXEC_LC_SWITCH 1
#endif
#endif
#if EXEC_SMALL && EXEC_DEBUG
#error "exec.h: EXEC_DEBUG is made of the words that EXEC_SMALL leaves out: choose one"
#endif
#if defined __TINYC__ && !EXEC_NO_THREADS
#error "exec.h: tcc has no atomics: compile with -DEXEC_NO_THREADS=1"
#endif

#ifdef __has_attribute
#define EXEC__HAS(a) __has_attribute(a)
#else
#define EXEC__HAS(a) 0
#endif
#if defined __GNUC__ || defined __clang__
#define EXEC__LIKELY(c) __builtin_expect(!!(c), 1)
#define EXEC__UNLIKELY(c) __builtin_expect(!!(c), 0)
#define EXEC__MUST_USE __attribute__((warn_unused_result))
#define EXEC__COLD __attribute__((noinline, cold))
#define EXEC__NOINLINE __attribute__((noinline))
#define EXEC__ALWAYS_INLINE static inline __attribute__((always_inline))
#define EXEC__USED __attribute__((used))
#define EXEC__MAYBE_UNUSED __attribute__((unused))
#define EXEC__EXTENSION __extension__
#else
#define EXEC__LIKELY(c) (c)
#define EXEC__UNLIKELY(c) (c)
#define EXEC__MUST_USE
#define EXEC__COLD
#define EXEC__NOINLINE
#define EXEC__ALWAYS_INLINE static inline
#define EXEC__USED
#define EXEC__MAYBE_UNUSED
#define EXEC__EXTENSION
#endif

/* The frequent cases have fast paths, and the slow ones are kept out of line, unless size is what counts. */
#if EXEC_SMALL || defined __OPTIMIZE_SIZE__
#define EXEC__FAST_PATHS 0
#define EXEC__SLOW_PATH
#else
#define EXEC__FAST_PATHS 1
#define EXEC__SLOW_PATH EXEC__NOINLINE
#endif

/* Each coroutine: never inlined and never cloned (a clone's labels have other addresses). In debug
   builds without what hides a local carried across an await: clang warns without optimising, gcc's
   analysis needs -Og. */
#if EXEC__HAS(noclone)
#define EXEC__COROUTINE_BASE __attribute__((noinline, noclone))
#elif defined __GNUC__ || defined __clang__
#define EXEC__COROUTINE_BASE __attribute__((noinline))
#else
#define EXEC__COROUTINE_BASE
#endif
#if EXEC_DEBUG && defined __clang__
#pragma clang diagnostic error "-Wconditional-uninitialized"
#pragma clang diagnostic error "-Wuninitialized"
#elif EXEC_DEBUG && defined __GNUC__        /* an await is, to gcc, where its macro stands: below */
#pragma GCC diagnostic error "-Wmaybe-uninitialized"
#pragma GCC diagnostic error "-Wuninitialized"
#endif
#if EXEC_DEBUG && defined __clang__
#define EXEC__COROUTINE EXEC__COROUTINE_BASE __attribute__((optnone))
#elif EXEC_DEBUG && defined __GNUC__
#define EXEC__COROUTINE EXEC__COROUTINE_BASE __attribute__((optimize("Og")))
#else
#define EXEC__COROUTINE EXEC__COROUTINE_BASE
#endif

#ifdef EXEC_STATIC
#undef EXEC_API
#define EXEC_API static EXEC__MAYBE_UNUSED
#elif !defined EXEC_API
#if defined __GNUC__ || defined __clang__
#define EXEC_API __attribute__((visibility("hidden")))
#else
#define EXEC_API
#endif
#endif

#ifdef __cplusplus
#define EXEC__EXTERN extern "C"
#define EXEC__ALIGNOF(T) alignof(T)
#define EXEC__STATIC_ASSERT static_assert
extern "C" {
#else
#define EXEC__EXTERN extern
#define EXEC__ALIGNOF(T) _Alignof(T)
#define EXEC__STATIC_ASSERT _Static_assert
#endif

#define EXEC__NOT_MADE "an executor that exec_init has not made: call it before, and leave the executor where it is"
/* What a programming error does. `what` says what was done wrong and what to do instead. */
#if EXEC_SMALL
#define EXEC__FILE ""
#if defined __GNUC__ || defined __clang__
#define exec__fail(file, line, what) ((void)(file), (void)(line), __builtin_trap())
#else
#define exec__fail(file, line, what) ((void)(file), (void)(line), abort())
#endif
#else
#define EXEC__FILE __FILE__
EXEC_API void exec__fail(const char *file, int line, const char *what);
#endif
#ifndef EXEC_ASSERT
#define EXEC_ASSERT(condition, what) \
    do { if (EXEC__UNLIKELY(!(condition))) exec__fail(EXEC__FILE, __LINE__, (what)); } while (0)
#endif

/* --------------------------------------------------------------------------------- time and errors */

/* Times are int64_t nanoseconds on the executor's clock. */
#define EXEC_US(n) ((int64_t)(n) * 1000)
#define EXEC_MS(n) ((int64_t)(n) * 1000000)
#define EXEC_SEC(n) ((int64_t)(n) * 1000000000)
#define EXEC_NEVER INT64_MAX

/* The text of a result: of -errno (or errno), from one list of the errors that this library gives.
   Never NULL. Any thread. */
EXEC_API const char *exec_strerror(intptr_t result);

/* The version that the implementation was compiled from, as EXEC_VERSION. Any thread. */
EXEC_API int exec_version(void);

/* ----------------------------------------------------------------------------------------- futures */

typedef struct exec exec;
typedef struct exec_cx exec_cx;
typedef struct exec_future exec_future;
typedef struct exec_type exec_type;
typedef struct exec_strand exec_strand;
typedef struct exec_task exec_task;
typedef struct exec_handle exec_handle;
typedef struct exec_pool exec_pool;
typedef struct exec_store exec_store;
typedef struct exec_group exec_group;
typedef struct exec_local exec_local;
typedef struct exec_cell exec_cell;
typedef struct exec_port exec_port;
typedef struct exec_driver exec_driver;
struct pollfd;

/* What a poll function returns: NULL when its future is ready, else the leaf that pends. A type of its own, so that it
   comes from exec_ready, exec_pending or exec_poll_child only. */
typedef struct exec__leaf *exec_poll;
#define EXEC__READY ((exec_poll)0)

/* The constant descriptor of a kind of future. */
struct exec_type {
    exec_poll (*poll)(exec_cx *cx, exec_future *f);
    /* Appends what the pending future waits for, as text, to buf[0..size). May be NULL. */
    void (*describe)(const exec_future *f, char *buf, size_t size);
    /* The strands of a combinator, for dump and debugger. May be NULL. */
    const exec_strand *(*branches)(const exec_future *f, unsigned *count);
    const char *name;   /* for dump and messages: of each kind */
    const char *file;   /* __FILE__ */
    uint32_t size;      /* of a coroutine's frame, bytes; 0 of other kinds, as are the next two */
    uint32_t zero;      /* so many of them are zeroed when one is made */
    uint32_t align;
};

/* The header that each future begins with, as a member named `fut`. Lives as long as what embeds it;
   must not move between its first poll and its end. */
struct exec_future {
    const exec_type *type;
    exec_future *parent;    /* who awaits it */
    intptr_t result;        /* >= 0 a value, < 0 a negated errno; a scope's list until it is ready */
    int32_t resume;         /* where the next poll goes on; a hand-written future's own state */
    uint16_t line;          /* of the pending await: low 16 bits ... */
    uint8_t line_high;      /* ... and the rest */
    uint8_t flags;          /* EXEC__F_* */
};

enum {
    EXEC__F_DONE = 1,       /* finished; stays ready */
    EXEC__F_MARK = 2,       /* a cancel level reached it */
    EXEC__F_CLEANUP = 4,    /* in its EXEC_FINALLY */
    EXEC__F_SHIELD = 8,     /* its pending await counts as cleanup */
    EXEC__F_SCOPE = 16,     /* holds groups; `result` heads their list */
    EXEC__F_ENDING = 32,    /* past its end, draining its groups */
    EXEC__F_KILLED = 64,    /* level 2 ended this await */
    EXEC__F_ROOT = 128      /* of a strand */
};

/* One chain of frames: the innermost is the leaf. */
struct exec_strand {
    exec_future *leaf;      /* NULL when done, and until a task is started */
    uint16_t flags;         /* EXEC__S_*, and EXEC__T_* of the task that this strand is */
    uint8_t level;          /* of cancel: 0, EXEC_CANCEL or EXEC_KILL; only rises */
    uint8_t task_root;      /* offset of a task's root frame, in 4 bytes */
};

enum { EXEC_CANCEL = 1, EXEC_KILL = 2 };
/* strand->flags. What exec__poll_queue asks for is in the lowest byte. */
enum {
    EXEC__S_FRESH = 1,      /* never polled */
    EXEC__S_DELIVER = 2,    /* a level has come that it takes when it next suspends */
    EXEC__S_DONE = 4,
    EXEC__S_LEVEL = 8,      /* level > 0 */
    EXEC__T_QUEUED = 16,    /* in the ready queue; so is, first in it, the one that runs. Claimed: not yet in any */
    EXEC__T_LIVE = 32,      /* claimed */
    EXEC__T_GONE = 64,      /* over, but still linked in the ready queue */
    EXEC__T_CANCELLING = 128,       /* in the list of the cancelling */
    EXEC__T_GENERATION = 256,       /* parity of the sweep that met it first */
    EXEC__T_HELD = 1024,    /* by its group's limit: QUEUED there, not in the ready queue */
    EXEC__S_CHECKED = 2048, /* EXEC_DEBUG: no other strand has its leaf */
    EXEC__RARE = EXEC__S_FRESH | EXEC__S_LEVEL | EXEC__T_GONE   /* in one byte: no plain poll */
};

/* cx->quota: in steps of EXEC__OP the ops that may still be ready at once (below 0: none), and in its lowest byte
   whether the task was woken while it ran, or its level raised. So one store begins a poll, and one comparison ends
   it. */
enum { EXEC__WOKEN = 1, EXEC__RAISED = 2, EXEC__OP = 256 };

/* What a poll may use. Valid during the poll, and the same object for each poll of an executor. */
struct exec_cx {
    struct exec *exec;
    exec_task *task;        /* being polled: what exec_wake takes. (Between two polls the one before may stand here) */
    exec_future *child;     /* that the EXEC_TRY which goes on awaited */
    exec_strand *branch;    /* of a combinator, being polled; NULL: the task's own strand is */
    int quota;              /* EXEC__OP, EXEC__WOKEN, EXEC__RAISED */
    int entry;              /* where exec__reenter sends a coroutine */
#if EXEC_DEBUG
    exec_future *pended;    /* what exec_pending was told since the poll began */
#endif
};

/* HAND-WRITTEN FUTURES: a struct with a member `exec_future fut` first, an exec_type, a function that
   prepares it (exec_future_init and its arguments; it does nothing else), and a poll function, which
   ends in exec_ready, exec_pending or what exec_poll_child gave. Its poll may be called without cause (check; a leaf
   should not make a system call for it). When exec_canceled(f) it deregisters and is ready with -ECANCELED, or with
   its value if it has one already; it is not polled again after it was ready. Owner's thread.

       typedef struct { exec_future fut; exec_sleep_op nap; exec_future *child; } later;
       static exec_poll later_poll(exec_cx *cx, exec_future *f) {
           later *self = (later *)(void *)f;                       // fut is its first member
           exec_poll pends = exec_poll_child(cx, f, self->child);
           if (pends) return pends;
           return exec_ready(f, self->child->result);              // -ECANCELED goes on by itself
       }
       static const exec_type later_type = { .poll = later_poll, .name = "later", .file = __FILE__ };
       static exec_future *wait_later(later *self, int64_t ns) {
           exec_future_init(&self->fut, &later_type);
           self->child = exec_sleep(&self->nap, ns);
           return &self->fut;
       } */
static inline void exec_future_init(exec_future *f, const exec_type *type) {
    f->type = type;
    f->parent = NULL;
    f->result = -ECANCELED;     /* it did nothing yet; so says a branch that is never polled */
    f->resume = 0;
    f->line = 0;
    f->line_high = 0;
    f->flags = 0;
}
static inline exec_poll exec_ready(exec_future *f, intptr_t result) {
    f->result = result;
    f->flags = (uint8_t)(f->flags | EXEC__F_DONE);
    return EXEC__READY;
}
#if EXEC_DEBUG
EXEC_API void exec__check_leaf(exec_cx *cx, exec_future *f);
#endif
/* To be returned: the future pends. Some cause to call exec_wake(cx->task) must exist by now. */
static inline exec_poll exec_pending(exec_cx *cx, exec_future *f) {
#if EXEC_DEBUG
    exec__check_leaf(cx, f);
#endif
    (void)cx;
    return (exec_poll)(void *)f;
}
static inline int exec_canceled(const exec_future *f) {
    return (f->flags & EXEC__F_MARK) != 0;
}
static inline int exec_is_ready(const exec_future *f) { return (f->flags & EXEC__F_DONE) != 0; }

EXEC_API void exec__check_await(const exec_cx *cx, const exec_future *f, const exec_future *child);
#if EXEC_DEBUG
EXEC_API void exec__check_pending(const exec_cx *cx, const exec_future *f, const exec_future *child, exec_poll pends);
EXEC_API void exec__check_ready(const exec_future *f);
#endif
/* Polls a child of a hand-written future. NULL: it is ready and holds its result. Else it pends, and so does who
   polls it: return the value as it is, and call this again with the same child when polled again. One child at a
   time (several need a strand each). */
static inline exec_poll exec_poll_child(exec_cx *cx, exec_future *f, exec_future *child) {
#if EXEC_DEBUG
    exec__check_await(cx, f, child);
#endif
    if (!(child->flags & EXEC__F_DONE)) {
        exec_poll pends;
        child->parent = f;
        pends = child->type->poll(cx, child);
        if (pends) {
#if EXEC_DEBUG
            exec__check_pending(cx, f, child, pends);
#endif
            return pends;
        }
    }
#if EXEC_DEBUG
    exec__check_ready(child);
    cx->pended = NULL;          /* a branch of the child's, maybe */
#endif
    return EXEC__READY;
}

/* Takes one op of the poll's budget. 0 if it is used up: the task was scheduled again, and the leaf
   returns exec_pending. For leaves that can be ready at once for ever. */
static inline int exec_spend(exec_cx *cx);

/* Nonzero when preempt_ns (exec_config) have gone by since it was first called in this turn, by whichever
   task: io and timers wait, so yield. Reads the clock. Owner's thread. */
EXEC_API int exec_yield_if_needed(exec_cx *cx);

/* Schedules a task for another poll. O(1), no atomic; while it runs: once more; twice: polls once.
   Owner's thread; the task must not be over (a leaf that ends or is cancelled forgets it). A claimed one waits
   for its start. */
EXEC_API void exec_wake(exec_task *task);

/* The result of a finished op or child. */
#define EXEC_RESULT(op) ((op)->fut.result)

/* The strand that is polled. */
static inline exec_strand *exec__strand(const exec_cx *cx) {
    return cx->branch ? cx->branch : (exec_strand *)(void *)cx->task;       /* a task begins with its own */
}

/* The level of cancel that was asked of the strand that is polled: 0, EXEC_CANCEL or EXEC_KILL. A body that was
   cancelled before its first poll runs to its first suspension: one that has effects before that asks. */
static inline unsigned exec_cancel_level(const exec_cx *cx) { return exec__strand(cx)->level; }

/* STRANDS, for combinators of your own; owner's thread. A branch: init with its future, poll until done (NULL while it
   pends, its future when it is ready: not as exec_poll). While a started one is not done, return exec_pending with your
   own future. To end a loser: exec_strand_cancel(s, EXEC_CANCEL), then poll it once more in the same poll. When, and
   only when, exec_canceled(f), cancel those that were started with exec_cancel_level(cx), before you poll them. (The
   level alone says less: it also stands while a cleanup awaits you, which goes on.) One that was not started when
   another won may stay so; its future is prepared anew before it is awaited elsewhere. */
EXEC_API void exec_strand_init(exec_strand *s, exec_future *root);
EXEC_API exec_future *exec_strand_poll(exec_cx *cx, exec_strand *s);
/* Raises the level: EXEC_CANCEL unwinds bodies and leaves cleanups alone, EXEC_KILL also ends the
   awaits of cleanups. Takes effect in the next exec_strand_poll; a strand that is running, or was
   never polled, takes it when it next suspends. The same level twice is nothing. */
EXEC_API void exec_strand_cancel(exec_strand *s, unsigned level);
static inline int exec_strand_done(const exec_strand *s) { return (s->flags & EXEC__S_DONE) != 0; }
static inline int exec_strand_started(const exec_strand *s) {
    return (s->flags & EXEC__S_FRESH) == 0;
}

/* -------------------------------------------------------------------------------------- coroutines */

/* First member of each frame:  typedef struct { EXEC_FRAME; int fd; } echo; */
#define EXEC_FRAME exec_future fut

/* A marker member: what stands behind it in the frame is not zeroed when one is made, if the
   coroutine is defined with EXEC_ASYNC(echo, scratch). (Any member may be named there.) */
#define EXEC_SCRATCH unsigned char scratch

/* EXEC_ASYNC(T) { ... } defines the coroutine of frame type T, private to the file;
   EXEC_ASYNC_DEFINE(T) { ... } the same for other files too, which say EXEC_ASYNC_DECLARE(T);
   (a header does, or the same file where T is used above it). T is one name, a typedef; in C++ without
   `ns::`. In the body: `self` is the frame, `cx` the context. Optional second argument: the first member
   that need not be zeroed. */
#define EXEC_ASYNC(...) EXEC__ASYNC_N(EXEC__STATIC_TYPE, __VA_ARGS__)
#define EXEC_ASYNC_DEFINE(...) EXEC__ASYNC_N(EXEC__EXTERN_TYPE, __VA_ARGS__)
#define EXEC_ASYNC_DECLARE(T) EXEC__EXTERN const exec_type exec__type_##T
#define EXEC__STATIC_TYPE(T) static EXEC__MAYBE_UNUSED
#define EXEC__EXTERN_TYPE(T) EXEC_ASYNC_DECLARE(T);

/* EXEC_BEGIN;  the body  [EXEC_FINALLY; the cleanup]  EXEC_END;    Leave by EXEC_RETURN, never by return.
   Locals of the body do not live across an await, and those before EXEC_BEGIN are initialised anew at each
   resume: what must live is a member of the frame. A `break` or `continue` belongs to a loop of your own.
   C++: members get no constructor or destructor. A local with an initialiser stands in a block that ends before
   the next await (clang refuses another one; g++ destroys what it has not made), and no exception leaves a body. */
#define EXEC_BEGIN EXEC__BEGIN
#define EXEC_FINALLY EXEC__FINALLY
#define EXEC_END EXEC__END

/* In the body or the cleanup: the result of this frame as it stands. < 0: the first error, or -ECANCELED. (Not
   EXEC_RESULT(self), while the frame holds groups.) */
#define EXEC_OUTCOME (*(const intptr_t *)exec__result(exec__f))

/* Waits until the future is ready. */
#define EXEC_AWAIT(future) EXEC__POINT(exec_poll_child(cx, exec__f, (future)), EXEC__UID, )

/* The same; on a result < 0 does EXEC_RETURN with it. In the cleanup it records the error, if there
   was none, and goes on. */
#define EXEC_TRY(future) EXEC__POINT(exec__await_try(cx, exec__f, (future)), EXEC__UID, \
        if (exec__try(cx, exec__f)) { exec__to = EXEC__TO_CLEANUP; goto exec__dispatch; })

/* Awaits as in a cleanup: EXEC_CANCEL does not end it. One that came meanwhile sends the body to
   EXEC_FINALLY when the await is over. */
#define EXEC_SHIELD(future) EXEC__POINT(exec__shield(cx, exec__f, (future)), EXEC__UID, \
        exec__clear(exec__f, EXEC__F_SHIELD);)

/* Lets the other ready tasks run. */
#define EXEC_YIELD EXEC__PASS(1, EXEC__UID)

/* The same if preempt_ns of this turn are used up, as exec_yield_if_needed says: for loops that compute. */
#define EXEC_YIELD_IF_NEEDED EXEC__PASS(exec_yield_if_needed(cx), EXEC__UID)

/* Waits until the condition holds; it is evaluated on each wake of the task. Never spins. If it holds at once nobody
   else runs: a loop over it says EXEC_YIELD_IF_NEEDED too. */
#define EXEC_WAIT_UNTIL(condition) EXEC__WAIT(condition, EXEC__UID)

/* In the body: sets the result and goes to EXEC_FINALLY (or ends). In the cleanup: ends. A result < 0
   (the first error, a cancel) is not replaced by a later one. */
#define EXEC_RETURN(value) \
    do { exec__to = exec__return(exec__f, (value)); goto exec__dispatch; } while (0)

/* Makes the child coroutine T at `frame` (a member of yours) with the given fields and is the future
   to await:  EXEC_TRY(EXEC_CALL(&self->child, fetch, .id = 7)); */
#define EXEC_CALL(...) EXEC__CALL(__VA_ARGS__, )

/* ------------------------------------------------------------------------------------------- tasks */

/* In a ring that the list's own link closes. */
typedef struct exec__list_link { struct exec__list_link *next, *prev; } exec__list_link;

/* Lives in its store from claim to completion. */
struct exec_task {
    exec_strand strand;         /* the root's chain of frames */
    exec_task *next;            /* in the ready queue, or among those that its group holds back */
    exec_store *store;          /* where it goes when it is over; knows the executor */
    exec__list_link list;       /* of the executor's tasks; a group's stand side by side */
    exec_group *group;
    exec_handle *observers;
    exec_cell *cell;            /* what foreign threads hold; made on first use */
};

/* Where a task lives. Embedded in what it stands for. */
struct exec_store {
    struct exec *exec;
    void (*release)(exec_store *store, exec_task *task, const exec_type *root);
};

/* Room for one task of coroutine T, in static storage or as a slot of a pool:
   static EXEC_SLOT(echo) slot;  ... zeroed before its first use. */
#define EXEC_SLOT(T) struct { exec_task task; T frame; }

/* Slots of one size, in the caller's memory or in chunks that grow; claim and release are O(1), and a slot is
   free at once when its task is over. Lives longer than its tasks; serves one executor at a time. */
struct exec_pool {
    exec_store store;
    exec_task *(*take)(exec *ex, exec_pool *pool);      /* a slot; NULL: none is left */
    unsigned char *memory;      /* the newest chunk; all of a fixed pool */
    size_t slot_bytes;
    size_t slots, fresh;        /* there; never used yet: the last so many */
    size_t live;
    void *free_list;
#if !EXEC_NO_MALLOC
    struct exec__chunk *chunks;
    size_t slots_per_chunk;     /* 0: a fixed pool */
    size_t slots_max, growth;   /* in all; so many of them have no chunk yet */
#endif
};
/* `memory` is aligned as its slots are; bytes / slot_bytes slots. 0; -EINVAL: NULL, too small for one
   slot, or not aligned. Any thread. O(1).
       static EXEC_SLOT(echo) slots[1000];
       exec_pool_init(&pool, slots, sizeof slots, sizeof *slots); */
EXEC_API int exec_pool_init(exec_pool *pool, void *memory, size_t bytes, size_t slot_bytes);
#if !EXEC_NO_MALLOC
/* Up to slots_max slots (0: no limit). A claim that finds none free takes slots_per_chunk more from the
   allocator of its executor, aligned as an EXEC_SLOT of slot_bytes may need it; they stay until
   exec_pool_free. 0; -EINVAL: a slot too small or not aligned, no slots in a chunk, or too many. Any thread.
       exec_pool_init_growing(&pool, sizeof(EXEC_SLOT(echo)), 64, 0); */
EXEC_API int exec_pool_init_growing(exec_pool *pool, size_t slot_bytes, size_t slots_per_chunk, size_t slots_max);
/* Gives the chunks back, also after exec_destroy; the pool is as new. 0; -EBUSY: a task lives in it;
   -EINVAL: a fixed pool. Owner's thread. O(chunks; and the ready queue, where tasks that are over wait). */
EXEC_API int exec_pool_free(exec_pool *pool);
#endif

typedef struct exec_opts {
    exec_pool *pool;            /* a slot of this pool */
    void *storage;              /* or this EXEC_SLOT, zeroed before its first use */
    size_t storage_bytes;
    exec_handle *handle;        /* receives the handle; need not be zeroed, must not be linked */
    const char *name;           /* kept in the handle (without one it has no place); shown by exec_dump */
    exec_cell *cell;            /* storage of the task's waker cell, zeroed before its first use:
                                   EXEC_NO_MALLOC needs it for wakers */
} exec_opts;

/* EXEC_SPAWN(ex, opts, T, .field = value, ...): claims, sets the fields and starts. 0, or -ENOMEM (no
   memory, no slot), -EINVAL (the slot is too small or not aligned for T; another executor's tasks are
   in the pool; EXEC_NO_MALLOC without pool or storage), -EBUSY (the storage holds a live task, or a
   waker holds the cell), -ECANCELED (the executor is being destroyed); the arguments are still yours
   then. opts NULL: heap, detached; opts are read by the call only. The task runs when the queue reaches
   it. Owner's thread. */
#define EXEC_SPAWN(...) exec__must_use(EXEC__SPAWN(__VA_ARGS__, ))

/* The same in steps:  echo *e = EXEC_CLAIM(ex, opts, echo); if (!e) return exec_claim_error(ex);
   e->fd = fd; EXEC_START(e);  or EXEC_DROP(e). NULL: exec_claim_error says why. */
#define EXEC_CLAIM(ex, opts, T) \
    ((T *)exec__construct(exec__claim((ex), (opts), &exec__type_##T), &exec__type_##T))
#define EXEC_START(frame) exec__start(&(frame)->fut)
#define EXEC_DROP(frame) exec__drop(&(frame)->fut)
EXEC_API int exec_claim_error(const exec *ex);

/* HANDLES. A handle is a struct of the caller's, on the owner's thread, linked in its task until the
   task is over or exec_handle_detach; must stay where it is so long. Then it holds state and result,
   for ever. A zeroed handle is one of no task. */
typedef enum exec_state {
    EXEC_STATE_NONE, EXEC_STATE_IDLE, EXEC_STATE_SCHEDULED, EXEC_STATE_RUNNING,
    EXEC_STATE_CANCELLING, EXEC_STATE_COMPLETED, EXEC_STATE_CANCELLED, EXEC_STATE_DETACHED,
    EXEC_STATE_WAITING          /* its group's limit holds it back */
} exec_state;

struct exec_handle {
    exec_task *task;            /* NULL when it is over or detached */
    exec_handle *next, **link;
    exec_task *waiter;          /* woken when it is over */
    intptr_t result;
    const char *name;
    exec_state state;
};
/* The task's state now, or the last one it had. */
EXEC_API exec_state exec_handle_state(const exec_handle *h);
/* The task's result, or -EAGAIN while it is not over, or -EINVAL for a handle of no task, or detached. */
EXEC_API intptr_t exec_handle_result(const exec_handle *h);
/* Asks for EXEC_CANCEL. 0, or -EALREADY (was asked before, or the root is in its cleanup, or it is
   over, or no task), or -EINVAL (claimed, not started): nothing changes then. From a poll: the target
   unwinds when the queue reaches it; from outside: before this returns, as far as no cleanup awaits. O(1)
   besides; a task in exec_opts.storage that was queued and is over leaves the queue in O(its length), and
   one that its group holds back begins, so that what was spawned in is released, in O(those held). */
EXEC_API int exec_handle_abort(exec_handle *h);
/* Asks for EXEC_KILL, also in a cleanup: its awaits end with -ECANCELED. Else as exec_handle_abort;
   -EALREADY: was asked for EXEC_KILL before, or it is over. */
EXEC_API int exec_handle_kill(exec_handle *h);
/* Forgets the task, which goes on. Nothing if there is none. */
EXEC_API void exec_handle_detach(exec_handle *h);
/* Makes `to`, which must not be linked, another handle of the same task, or a copy of what it left. */
EXEC_API void exec_handle_copy(exec_handle *to, const exec_handle *from);

/* Awaits the end of a task: its result; -ECANCELED when a cancel reached its body; -EDEADLK for the
   own task; -EINVAL for a handle of no task. Any task may, any number. `h` is read by the first poll
   only. */
typedef struct exec_handle_op { exec_future fut; exec_handle copy; const exec_handle *from; } exec_handle_op;
EXEC_API EXEC__MUST_USE exec_future *exec_handle_join(exec_handle_op *op, const exec_handle *h);

/* What the hook for errors of detached tasks is told. */
typedef struct exec_failure { const char *name; const char *file; intptr_t result; } exec_failure;

/* ------------------------------------------------------------------------------------- combinators */

/* Up to 4 branches have their strands inline; more: the _n calls with strands of yours, which live as
   long as the op. Their futures array is read by the call only. A branch is polled whenever the op is,
   in the order of the arguments; the values are in the branches' own ops. */
typedef struct exec_branches_op {
    exec_future fut;
    exec_strand *strands;
    unsigned count;
    int winner;                 /* of a select or race, or -1 */
    unsigned begin;             /* the branch that is polled first: of exec_select_fair */
    unsigned kind;              /* EXEC__SELECT ... */
    exec_strand inline_strands[4];
} exec_branches_op;
typedef exec_branches_op exec_select_op;
typedef exec_branches_op exec_race_op;
typedef exec_branches_op exec_join_op;
enum { EXEC__SELECT, EXEC__FAIR, EXEC__RACE, EXEC__JOIN };

/* exec_select(op, a, b, ...): the first that is ready, biased to the first argument; the others are
   unwound before it is ready. Result: its index; its value is in its op. That of another op is -ECANCELED, also
   if it was never polled (of a coroutine that never began: 0), or the value it had already: release that. -EINVAL: of
   none. */
#define exec_select(op, ...) EXEC__BRANCHES(EXEC__SELECT, "exec_select", op, __VA_ARGS__)
EXEC_API EXEC__MUST_USE exec_future *exec_select_n(exec_select_op *op, exec_strand *strands,
                                    exec_future *const *futures, unsigned count);
/* exec_select_fair(op, a, b, ...): the same without the bias: each await of the op begins to poll one
   behind its last winner, so of n branches that are always ready each wins every n-th await. The op is
   zeroed before its first use, and keeps the place from one await to the next. */
#define exec_select_fair(op, ...) EXEC__BRANCHES(EXEC__FAIR, "exec_select_fair", op, __VA_ARGS__)
EXEC_API EXEC__MUST_USE exec_future *exec_select_fair_n(exec_select_op *op, exec_strand *strands,
                                    exec_future *const *futures, unsigned count);
/* exec_race(op, a, b, ...): the first that succeeds, with a result >= 0; the others are unwound before it
   is ready. Result: its index, or when all have failed the last error that came. -EINVAL: of none. */
#define exec_race(op, ...) EXEC__BRANCHES(EXEC__RACE, "exec_race", op, __VA_ARGS__)
EXEC_API EXEC__MUST_USE exec_future *exec_race_n(exec_race_op *op, exec_strand *strands,
                                  exec_future *const *futures, unsigned count);
/* exec_join(op, a, b, ...): all. Result: 0, or the first error that came; the others run on. */
#define exec_join(op, ...) EXEC__BRANCHES(EXEC__JOIN, "exec_join", op, __VA_ARGS__)
EXEC_API EXEC__MUST_USE exec_future *exec_join_n(exec_join_op *op, exec_strand *strands,
                                  exec_future *const *futures, unsigned count);

/* GROUPS: children that cannot outlive the frame. A zeroed member of a coroutine's frame; the first
   EXEC_GROUP_SPAWN makes that frame a scope: on each way out it cancels and drains its groups before
   it is ready. The first child that fails cancels its siblings and is the join's result; with `collect`
   the siblings run on. A group that is never joined is cancelled at EXEC_END, perhaps before its
   children begin (then they run to their first suspension, and unwind there).

   With a `limit`, a spawn beyond it makes the child at once (its arguments are moved in, and -ENOMEM comes
   now) but starts it when another one ends, first come first served. A cancel starts all that are held back, so
   that each releases in its EXEC_FINALLY what it was given: a body with effects before its first await asks
   exec_cancel_level. Who would rather wait than claim asks for room:

       typedef struct { EXEC_FRAME; int id; exec_group crew; } crawl;     // 1000 pages, 8 at a time
       EXEC_ASYNC(crawl) {
           EXEC_BEGIN;
           self->crew.limit = 8;
           self->crew.collect = 1;
           for (; self->id < 1000; self->id++) {
               EXEC_TRY(exec_group_room(&self->crew));
               EXEC_GROUP_SPAWN(&self->crew, fetch, .id = self->id);
           }
           EXEC_AWAIT(exec_group_join(&self->crew));
           printf("%u of 1000 failed\n", self->crew.failed);
           EXEC_END;
       } */
struct exec_group {
    exec_future fut;            /* of exec_group_join or exec_group_room */
    const exec_local *context;  /* yours, before the first spawn: see exec_local_set */
    unsigned limit;             /* yours, before the first spawn: so many run at once; 0: all */
    uint8_t collect;            /* yours, before the first spawn: an error does not cancel the siblings */
    uint8_t level;
    uint8_t in_scope;
    uint8_t room_waits;
    unsigned failed;            /* children that have, and failed spawns; counts on until you set it */
    unsigned live, running;     /* children that are not over; those of them not held back */
    exec_task *held;            /* the last of those held back, a ring through task->next */
    exec_group *next;           /* of the scope */
    exec_task *owner;
    const struct exec__group_calls *calls;
    exec_task *first[2];        /* its tasks: in the executor's list, and in that of the cancelling */
    intptr_t error;             /* of the first child that failed */
    intptr_t saved;             /* the scope's pending result (first group only) */
};
/* EXEC_GROUP_SPAWN(group, T, .field = value, ...): in a coroutine; the result (as EXEC_SPAWN's) may be
   ignored: a failed spawn counts as a failed child. The group's tasks may spawn into it too. With opts:
   EXEC_GROUP_SPAWN_OPTS. */
#define EXEC_GROUP_SPAWN(group, ...) EXEC_GROUP_SPAWN_OPTS(group, NULL, __VA_ARGS__)
#define EXEC_GROUP_SPAWN_OPTS(...) EXEC__GROUP_SPAWN(__VA_ARGS__, )
/* All of them: 0, or the first error; -ECANCELED if it was cancelled: then it cancels them and waits.
   Ready, it leaves the group as new, but for `failed` and what you set. Awaited by the task that spawned first. */
EXEC_API EXEC__MUST_USE exec_future *exec_group_join(exec_group *group);
/* Until fewer than `limit` run: 0 (at once without a limit); the first error if a failure cancelled the
   group, else -ECANCELED if it was cancelled. Awaited by the task that spawned first, not while it joins. */
EXEC_API EXEC__MUST_USE exec_future *exec_group_room(exec_group *group);
/* Cancels them, with EXEC_CANCEL or EXEC_KILL; join waits for their cleanups, and until it is ready
   spawns into the group are -ECANCELED. Owner's thread. O(its tasks). */
EXEC_API void exec_group_cancel(exec_group *group, unsigned level);

/* TASK-LOCAL VALUES: a group's tasks, and the groups inside them, see what was put on the group; the task
   that holds it does not. A detached task inherits nothing. A key is the address of any object of yours:
       static char request_id;
       exec_local_set(&self->crew, &self->local, &request_id, &self->id);     // before the spawn
       int *id = (int *)exec_local_get(cx, &request_id);                      // in a task below it
   The node lives beside the group, as long as its tasks. */
struct exec_local {
    const exec_local *outer;    /* of the same group, set before */
    const void *key;
    void *value;                /* may be changed at any time */
};
/* Puts a value on the group, before those of the same key that its tasks would see without it. Owner's
   thread. O(values of the group). */
EXEC_API void exec_local_set(exec_group *group, exec_local *node, const void *key, void *value);
/* The value for the polled task, or NULL: of the innermost group that has one. Owner's thread. O(values
   set on the groups that it is inside of, and these groups). */
EXEC_API void *exec_local_get(const exec_cx *cx, const void *key);

/* ---------------------------------------------------------------------------------------- executor */

/* Since exec_init, but the last two. `wakes` put a task into the queue (others found it there, or
   running); `cross_wakes` came through the inbox; `parks` are waits; `expiries` and `io_events` those of
   the drivers. `tasks` have started and are not over, the others `spawned` are `completed` (after exec_forked: all);
   `cells`: waker cells and remotes that exist. */
typedef struct exec_counters {
    uint64_t polls, wakes, cross_wakes, parks, expiries, io_events, spawned, completed, turns;
    int64_t longest_turn_ns;    /* while stall_ns is set */
    uint32_t tasks, cells;
} exec_counters;

/* Zero is the default of each. */
typedef struct exec_config {
    void *user;                             /* exec_user(ex) */
    void (*log)(void *user, const char *line);      /* default: a line to stderr */
    void (*failed)(exec *ex, const exec_failure *f); /* a detached task failed; default: logs it */
    int64_t (*clock)(void *user);           /* monotonic ns; default: CLOCK_MONOTONIC */
    int virtual_clock;                      /* time jumps to the next deadline when all wait for it */
    unsigned tasks_per_turn;                /* polls before the next look at io and timers; 64 */
    unsigned ops_per_poll;                  /* ops ready at once before a task must yield; 128; INT_MAX / 256 at most */
    int64_t spin_ns;                        /* look so long before parking; 0 */
    int64_t cleanup_ns;                     /* EXEC_CANCEL becomes EXEC_KILL after 1 to 2 of it; 0: never */
    int64_t stall_ns;                       /* log a poll that takes longer, and where; 0: never (EXEC_DEBUG: 10 ms) */
    int64_t preempt_ns;                     /* what exec_yield_if_needed leaves to a turn; 10 ms */
#if !EXEC_NO_MALLOC
    /* Both or neither. Thread-safe if wakers leave the thread. */
    void *(*allocate)(void *user, size_t bytes, size_t align);
    void (*release)(void *user, void *memory, size_t bytes, size_t align);
#endif
    exec_port *port;                        /* storage; EXEC_NO_MALLOC needs it for wakers; outlives them */
} exec_config;

#if EXEC_DEBUG
/* A task that is over: it and its frame, from its first byte to behind its last. */
typedef struct exec__left { const exec_task *task; const char *from, *to; } exec__left;
/* What still points there, as advice; or NULL. */
typedef const char *exec__holds_function(const exec *ex, const exec__left *left);
#endif

/* The table of descriptors of exec_net.h. Its ops look here first; with EXEC_SMALL they ask the reactor. */
typedef struct exec__fd_table {
    struct exec_fd_slot *slots;
    uint32_t count;
    uint32_t waiting;           /* linked waiters */
} exec__fd_table;

/* Lives at one place from exec_init to exec_destroy; on one thread. Members are private. */
struct exec {
    exec_cx cx;
    exec_task *last;            /* of the ready queue, a ring */
    int32_t process;            /* that made it */
    uint8_t turning, closing, stopping, armed, looked;
    uint8_t generation;
    int claim_error;
    uint32_t claimed, gone;
    exec_driver *drivers, *parker;
    struct exec_timers *timers; /* the wheel of exec_timer.h */
    struct exec_net *net;       /* the reactor of exec_net.h */
    exec__fd_table *fds;        /* its table, or an empty one; not used with EXEC_SMALL */
    exec_port *port;
    exec *outer;                /* current before this one */
    uintptr_t owner;            /* thread */
    exec__list_link tasks[2];   /* all; those of them that are cancelling since a cleanup_ns */
#if EXEC_DEBUG
    uintptr_t stack;            /* where the stack of the poll begins that runs */
    exec__holds_function *holds[2];     /* of the timers, of the reactor */
#endif
    int64_t virtual_now;
    int64_t sweep_at;
    void (*sweep)(exec *ex);    /* exec__sweep, once a task is cancelled under cleanup_ns */
    void (*reap)(exec *ex, uint32_t left);      /* exec__reap, once one is over that is still queued */
    int64_t preempt_at;         /* EXEC_NEVER until exec_yield_if_needed is called in this turn */
    exec_store heap, fixed;
    exec_config config;
    exec_counters counters;
};

/* Owner's thread, the one that made the executor, for all that follow but exec_current. */

/* 0; -EINVAL: half an allocator, two clocks, or a negative time. config NULL: all defaults; it is copied. */
EXEC_API int exec_init(exec *ex, const exec_config *config);
/* Refuses further spawns, cancels every task, runs the cleanups to their end, detaches the drivers.
   What has not ended limit_ns after the call (EXEC_NEVER: no limit; below 0 counts as 0) gets EXEC_KILL.
   0; -ETIMEDOUT: something still owns a frame (nothing was freed; call again); -EDEADLK: called from
   inside a poll. */
EXEC_API int exec_destroy(exec *ex, int64_t limit_ns);
/* What the child calls after fork(2), before anything else with an executor of the parent's: gives back what
   the kernel would share with the parent (the eventfd, what the drivers hold) and forgets the tasks, without
   their cleanups. Their memory stays, handles show EXEC_STATE_DETACHED, wakers, remotes and oneshots do
   nothing. Every further call that claims, attaches or runs something is -ECANCELED, exec_destroy too, until
   exec_init makes the executor new; so must be its pools, and storage is zeroed again. Descriptors
   of its tasks are closed with close(2). After a fork inside a poll the child never returns from that
   poll: it ends in exec(3), _exit, or a run of a new executor and _exit.
   0; -EINVAL: this is the process that made it. The thread that forks is the owner's; not after vfork.

   A child that uses the executor without it is an assertion in exec_run, exec_run_until and exec_destroy:
   one getpid each. exec_turn, exec_prepare and each wait would pay it again and again: there only in
   EXEC_DEBUG. O(tasks). */
EXEC_API int exec_forked(exec *ex);
/* Runs until no task is left: 0; exec_stop: 1; -EDEADLK, with a dump to the log, when every task
   waits and nothing can wake one (a waker or a remote that somebody holds could), or inside a run of itself;
   the error of a failed wait. */
EXEC_API int exec_run(exec *ex);
/* Runs until the future is ready: 0 and its result in it, else as exec_run; it is cancelled then. */
EXEC_API int exec_run_until(exec *ex, exec_future *f);
/* One turn without waiting: io and wakes and timers, then up to tasks_per_turn polls. The number of
   polls; -EDEADLK from inside a poll; or the error of a failed wait. */
EXEC_API int exec_turn(exec *ex);
/* exec_run and exec_run_until return after this turn. Elsewhere: exec_remote_stop. */
EXEC_API void exec_stop(exec *ex);
/* For a foreign loop: takes the inbox, arms, and says how long it may wait: 0, ns or EXEC_NEVER; -ENOMEM
   or -EMFILE as exec_poll_fd; -EDEADLK from inside a poll.
   Then wait for what exec_poll_fds names, or for exec_poll_fd to be readable, then exec_turn. Any wake
   between makes one of them ready, and an abort or kill whose cleanup awaits. */
EXEC_API int64_t exec_prepare(exec *ex);
/* The one descriptor to watch for reading meanwhile; the executor's, which closes it. -ENOMEM (under
   EXEC_NO_MALLOC: no exec_config.port), -EMFILE; -ENOSYS: EXEC_BACKEND_POLL has none, see below. */
EXEC_API int exec_poll_fd(exec *ex);
/* What to watch meanwhile, on any backend: fills fds[0..count), fd and events, for poll(2), and returns how
   many there are, which may be more. Ask after each exec_prepare. Errors as exec_poll_fd, but -ENOSYS. O(1);
   EXEC_BACKEND_POLL: O(highest descriptor waited for). */
EXEC_API int exec_poll_fds(exec *ex, struct pollfd *fds, unsigned count);
/* The executor's clock, ns. */
EXEC_API int64_t exec_now(exec *ex);
/* Moves a virtual clock by ns; what is due by then runs in the next turn. 0; -EINVAL: it is not virtual,
   or backwards. */
EXEC_API int exec_clock_advance(exec *ex, int64_t ns);
/* The executor that this thread runs, or NULL. Any thread. */
EXEC_API exec *exec_current(void);
/* exec_config.user. */
static inline void *exec_user(const exec *ex) { return ex->config.user; }

/* Prints each live task with its await chain through the log hook. O(tasks). tools/exec-gdb.py prints the
   same in gdb. */
EXEC_API void exec_dump(exec *ex);
/* Copies the counters. */
EXEC_API void exec_stats(const exec *ex, exec_counters *out);
/* Walks every list, and the drivers theirs: 0, or -EINVAL and a log line. O(tasks). */
EXEC_API int exec_check(exec *ex);
/* Gives a line, without its end, to the log hook. */
EXEC_API void exec_log(exec *ex, const char *line);

/* DRIVERS bring what wakes tasks. Each member may be NULL. Embedded in what it drives; attached until
   exec_destroy detaches it, last first. At most one parks. */
typedef struct exec_driver_type {
    const char *name;
    int64_t (*next_deadline)(exec_driver *d);           /* ns, or EXEC_NEVER */
    void (*turn)(exec_driver *d);                       /* wakes what is due */
    int (*park)(exec_driver *d, int64_t timeout_ns);    /* waits (0: looks; EXEC_NEVER) and wakes; 0 or an error */
    unsigned (*waiting)(const exec_driver *d);          /* how many wait for the outside */
    /* As exec_poll_fds, of what is ready when park would not wait, exec_wake_fd among it. fds NULL: the one
       descriptor that always stands for all, or -ENOSYS. */
    int (*poll_fds)(exec_driver *d, struct pollfd *fds, unsigned count);
    void (*forked)(exec_driver *d);                     /* in a child: drop kernel objects */
    void (*dump)(exec_driver *d);                       /* its state, a line or more through exec_log */
    int (*check)(exec_driver *d);                       /* its lists: 0, or -EINVAL */
    void (*detach)(exec_driver *d);                     /* no task is left: drop what it holds */
} exec_driver_type;
struct exec_driver {
    const exec_driver_type *type;
    struct exec *exec;
    exec_driver *next;
};
/* 0; -EBUSY: another one parks already. O(1). */
EXEC_API int exec_attach(exec *ex, exec_driver *driver, const exec_driver_type *type);
/* The attached driver of that type, or NULL. O(drivers). */
EXEC_API exec_driver *exec_find_driver(const exec *ex, const exec_driver_type *type);
/* What a parking driver watches besides its own, or -1 while nobody needs it: edge-triggered, or read
   before the next wait. */
EXEC_API int exec_wake_fd(const exec *ex);

/* ------------------------------------------------------------------- wakers, remotes, oneshots */

/* What foreign threads hold of a task is a cell, never the task. 32 bytes; lives until its last
   reference is dropped. Members are private. */
struct exec_cell {
    exec_cell *next;            /* in the inbox */
    exec_port *port;
    exec_task *task;            /* owner's thread; NULL when it is over */
    uint32_t references;
    uint8_t queued;             /* in the inbox, which holds a reference */
    uint8_t kind;
    uint8_t level;              /* the cancels asked for from other threads, or-ed */
    uint8_t on_heap;
};

/* The executor as foreign threads see it. */
struct exec_port {
    uintptr_t owner;            /* thread */
    int fd;                     /* readable once it was signalled: an eventfd, or a pipe's end ... */
#if EXEC_POSIX_ONLY
    int write_fd;               /* ... and its other one */
#endif
    uint32_t references;        /* the executor's, and one of each cell and remote */
    /* What a turn, a wake and a task's end need of it: so a program without wakers is without them. */
    void (*take)(exec *ex, exec_cell *to);
    void (*signal)(exec_port *port);
    void (*drop)(exec_cell *cell);
    int (*held)(const exec *ex);
    exec_cell stop, dump;
    uint8_t on_heap;
#if !EXEC_NO_MALLOC
    void *(*allocate)(void *user, size_t bytes, size_t align);
    void (*release)(void *user, void *memory, size_t bytes, size_t align);
    void *user;
#endif
    exec_cell *head;            /* the inbox: cells, or one of two sentinels, parked and closed. Behind what a wake
                                   reads: in another line of the cache */
};

/* A waker of one task. Copied only by exec_waker_clone (it may move); drop each once. One that is zeroed, as a get
   that failed leaves it, may be dropped, which does nothing, and not used otherwise. So it is with an exec_remote. */
typedef struct exec_waker { exec_cell *cell; } exec_waker;
/* A waker of the polled task. -ENOMEM (no memory; under EXEC_NO_MALLOC no exec_opts.cell or no
   exec_config.port), -EMFILE. Owner's thread. */
EXEC_API int exec_waker_get(exec_cx *cx, exec_waker *out);
/* A waker of the handle's task; also -EINVAL (no task, or claimed and not yet started by EXEC_START), -ESRCH
   (over, or detached). Owner's thread. */
EXEC_API int exec_handle_waker(exec_handle *h, exec_waker *out);
/* From any thread: the poll that it causes sees what that thread wrote before. (A flag that EXEC_WAIT_UNTIL may
   look at earlier, on another wake, is atomic; a oneshot needs none.) On the owner's: exactly exec_wake, no atomic
   instruction. */
EXEC_API void exec_waker_wake(const exec_waker *w);
EXEC_API void exec_waker_wake_drop(exec_waker *w);
EXEC_API void exec_waker_drop(exec_waker *w);
EXEC_API exec_waker exec_waker_clone(const exec_waker *w);
/* Cancel from any thread: reaches the task when its executor looks at the inbox. */
EXEC_API void exec_waker_abort(const exec_waker *w);
EXEC_API void exec_waker_kill(const exec_waker *w);
#if !EXEC_NO_THREADS
/* The same as exec_waker_wake, async-signal-safe; the others are not for signal handlers. */
EXEC_API void exec_waker_wake_signal(const exec_waker *w);
#endif

/* The executor, for other threads. Each but exec_remote_get may be called from any thread; -ECANCELED: the executor
   is gone. A remote keeps no exec_run from its end. */
typedef struct exec_remote { exec_port *port; } exec_remote;
/* 0; -ENOMEM (under EXEC_NO_MALLOC: no exec_config.port), -EMFILE. Owner's thread. */
EXEC_API int exec_remote_get(exec *ex, exec_remote *out);
EXEC_API exec_remote exec_remote_clone(const exec_remote *r);
EXEC_API void exec_remote_drop(exec_remote *r);
/* 0. Both async-signal-safe, but with EXEC_NO_THREADS. exec_remote_dump does nothing with EXEC_SMALL. */
EXEC_API int exec_remote_stop(const exec_remote *r);
EXEC_API int exec_remote_dump(const exec_remote *r);
/* Calls run(ex, arg) on the owner's thread, in its next turn; ex is NULL if the executor is destroyed
   before. The post is the caller's memory until then, zeroed before its first use; one thread at a time posts it.
   Who posts drops its remote when this has returned: `run` may come before. 0; -EBUSY: posted already; on an error run
   is not called. */
typedef struct exec_post { exec_cell cell; void (*run)(exec *ex, void *arg); void *arg; } exec_post;
EXEC_API int exec_remote_post(const exec_remote *r, exec_post *post,
                              void (*run)(exec *ex, void *arg), void *arg);
#if !EXEC_NO_MALLOC
/* EXEC_REMOTE_SPAWN(remote, T, .field = value, ...): a detached task on the heap. 0, -ENOMEM. If the
   executor goes before it starts, it never runs. */
#define EXEC_REMOTE_SPAWN(...) exec__must_use(EXEC__REMOTE_SPAWN(__VA_ARGS__, ))
#endif

/* A value from any thread, once. Two references: the sender's, which exec_oneshot_send or _abandon
   gives up, and the receiver's, which exec_oneshot_close does (not while a task waits); both also when the executor
   is gone. None of them is for signal handlers. Blocking work, on a thread of its own (with an answer that somebody
   must free: examples/resolve.c):

       typedef struct { EXEC_FRAME; exec_oneshot *answer; exec_oneshot_op op; pthread_t thread; } ask;
       static void *work(void *arg) { exec_oneshot_send((exec_oneshot *)arg, 42); return NULL; }
       EXEC_ASYNC(ask) {
           EXEC_BEGIN;
           if (exec_oneshot_create(cx->exec, &self->answer) < 0) EXEC_RETURN(-ENOMEM);
           if (pthread_create(&self->thread, NULL, work, self->answer) != 0) {
               exec_oneshot_abandon(self->answer);                     // the sender's reference
               EXEC_RETURN(-EAGAIN);
           }
           pthread_detach(self->thread);
           EXEC_TRY(exec_oneshot_recv(&self->op, self->answer));       // self->op.value
           EXEC_FINALLY;
           if (self->answer) exec_oneshot_close(self->answer, NULL);   // the receiver's
           EXEC_END;
       } */
typedef struct exec_oneshot {
    intptr_t value;
    exec_cell *waiter;
    uint32_t references;
    uint8_t state;
    uint8_t on_heap;
#if !EXEC_NO_MALLOC
    void (*release)(void *user, void *memory, size_t bytes, size_t align);
    void *user;
#endif
} exec_oneshot;
#if !EXEC_NO_MALLOC
EXEC_API int exec_oneshot_create(exec *ex, exec_oneshot **out);     /* 0; -ENOMEM. Owner's thread */
#endif
EXEC_API void exec_oneshot_init(exec_oneshot *o);   /* the caller's storage, which outlives both */
EXEC_API int exec_oneshot_send(exec_oneshot *o, intptr_t value);    /* any thread; 0; -EPIPE: closed */
EXEC_API void exec_oneshot_abandon(exec_oneshot *o);                /* any thread: recv gives -EPIPE */
/* 1, and what was sent in *value (value may be NULL), if it was, also if a recv gave it before: so what it points to
   is freed once, here, and never lost. 0: none came; a later send is -EPIPE. Receiver's thread. */
EXEC_API int exec_oneshot_close(exec_oneshot *o, intptr_t *value);
/* Result 0 and the value in op->value, or -EPIPE (abandoned), -EBUSY (another task waits), or as
   exec_waker_get. Cancelled or not, exec_oneshot_close hands out what was sent. */
typedef struct exec_oneshot_op { exec_future fut; exec_oneshot *oneshot; intptr_t value; } exec_oneshot_op;
EXEC_API EXEC__MUST_USE exec_future *exec_oneshot_recv(exec_oneshot_op *op, exec_oneshot *o);

/* TRACE HOOKS of the implementing file: define before it; they cost nothing when empty. A hook looks on: it wakes,
   cancels and changes nothing. */
#ifndef EXEC_TRACE_SPAWN
#define EXEC_TRACE_SPAWN(task) ((void)0)
#endif
#ifndef EXEC_TRACE_WAKE
#define EXEC_TRACE_WAKE(task) ((void)0)
#endif
#ifndef EXEC_TRACE_POLL
#define EXEC_TRACE_POLL(task) ((void)0)
#endif
#ifndef EXEC_TRACE_END
#define EXEC_TRACE_END(task, result) ((void)0)
#endif
#ifndef EXEC_TRACE_PARK
#define EXEC_TRACE_PARK(ex, timeout_ns) ((void)0)
#endif

/* ------------------------------------------------------------------------ behind the public macros */

#define EXEC__CAT(a, b) EXEC__CAT_(a, b)
#define EXEC__CAT_(a, b) a##b

/* A name per expansion. Newer clangs warn on __COUNTER__, so there labels are local to their block,
   and in the ISO form two awaits on one line are a duplicate case. */
#if defined __GNUC__ && !defined __clang__
#define EXEC__UID __COUNTER__
#else
#define EXEC__UID __LINE__
#endif

/* Where exec__dispatch goes. */
enum { EXEC__TO_RESUME, EXEC__TO_CLEANUP, EXEC__TO_END };

static inline void exec__set(exec_future *f, unsigned bits) {
    f->flags = (uint8_t)(f->flags | bits);
}
static inline void exec__clear(exec_future *f, unsigned bits) {
    f->flags = (uint8_t)(f->flags & ~bits);
}
static inline void exec__line(exec_future *f, unsigned line) {
    f->line = (uint16_t)line;
    if (line >> 16) f->line_high = (uint8_t)(line >> 16);   /* so a file's first 65535 lines pay one store, and
                                                               a frame that waits before and behind shows these */
}
static inline unsigned exec__line_of(const exec_future *f) {
    return (unsigned)f->line_high << 16 | f->line;
}

/* The pending result: in a scope, the result word heads the list of groups. */
static inline intptr_t *exec__result(exec_future *f) {
    if (EXEC__LIKELY(!(f->flags & EXEC__F_SCOPE))) return &f->result;
    return &((exec_group *)(void *)f->result)->saved;
}
/* Leaves the body for the cleanup, the cleanup for the end. The first error stays. */
static inline int exec__return(exec_future *f, intptr_t value) {
    intptr_t *result = exec__result(f);
    if (*result >= 0) *result = value;
    if (f->flags & EXEC__F_CLEANUP) return EXEC__TO_END;
    exec__set(f, EXEC__F_CLEANUP);
    return EXEC__TO_CLEANUP;
}
static inline int exec__body_over(exec_future *f) {
    exec__set(f, EXEC__F_CLEANUP);
    return EXEC__TO_CLEANUP;
}
EXEC_API exec_poll exec__reenter(exec_cx *cx, exec_future *f);
EXEC_API exec_poll exec__broken(const char *file, int line);
/* A coroutine's end. A call, so that its beginning tests the flags where they lie and keeps them in no register. */
EXEC_API exec_poll exec__finish(exec_cx *cx, exec_future *f);
/* EXEC_TRY's await: a child that is ready at once is left in cx->child, where exec__pop leaves one that pended. */
static inline exec_poll exec__await_try(exec_cx *cx, exec_future *f, exec_future *child) {
    exec_poll pends = exec_poll_child(cx, f, child);
    if (!pends) cx->child = child;
    return pends;
}
/* Behind it: nonzero if the body ends. */
static inline int exec__try(const exec_cx *cx, exec_future *f) {
    intptr_t result = cx->child->result;
    if (EXEC__LIKELY(result >= 0)) return 0;
    if (!(f->flags & EXEC__F_CLEANUP)) {
        exec__return(f, result);
        return 1;
    }
    if (*exec__result(f) >= 0) *exec__result(f) = result;
    return 0;
}
static inline exec_poll exec__shield(exec_cx *cx, exec_future *f, exec_future *child) {
    exec__set(f, EXEC__F_SHIELD);
    return exec_poll_child(cx, f, child);
}
static inline exec_poll exec__yield(exec_cx *cx, exec_future *f) {
    cx->quota |= EXEC__WOKEN;
    return exec_pending(cx, f);
}
/* In EXEC_WAIT_UNTIL: a kill ends the wait of a cleanup. */
static inline int exec__killed(exec_future *f) {
    if (EXEC__LIKELY(!(f->flags & EXEC__F_KILLED))) return 0;
    exec__clear(f, EXEC__F_KILLED);
    return 1;
}
static inline int exec_spend(exec_cx *cx) {
    if (EXEC__LIKELY((cx->quota -= EXEC__OP) >= 0)) return 1;
    cx->quota &= UINT8_MAX;         /* the marks: however often it is asked, it does not wrap */
    exec_wake(cx->task);
    return 0;
}
static inline int EXEC__MUST_USE exec__must_use(int status) { return status; }
static inline int exec__may_ignore(int status) { return status; }

/* A resume point is a label's distance from the first, or in ISO C a case of the dispatch switch.
   There an await inside a switch of the user's is no case of ours: it fails loudly when resumed. */
#if EXEC_LC_SWITCH
#define EXEC__BASE case 0
#define EXEC__GO
#define EXEC__KEY(f, to) ((to) == EXEC__TO_RESUME ? (f)->resume : -(to))
#define EXEC__CASE(to) case -(to)
#define EXEC__LOCAL(uid)
#define EXEC__POINT_OF(uid) (0x40000000 + (uid))
#define EXEC__LABEL(uid) case 0x40000000 + (uid)
#else
#define EXEC__BASE exec__base
#define EXEC__GO case EXEC__TO_RESUME: \
    EXEC__EXTENSION ({ goto *(void *)(intptr_t)((intptr_t)EXEC__EXTENSION &&exec__base + exec__f->resume); });
#define EXEC__KEY(f, to) (to)
#define EXEC__CASE(to) case (to)
#if defined __clang__
#define EXEC__LOCAL(uid) __label__ exec__point;
#define EXEC__NAME(uid) exec__point
#else
#define EXEC__LOCAL(uid)
#define EXEC__NAME(uid) EXEC__CAT(exec__point_, uid)
#endif
#define EXEC__POINT_OF(uid) (int32_t)((intptr_t)EXEC__EXTENSION &&EXEC__NAME(uid) \
                                      - (intptr_t)EXEC__EXTENSION &&exec__base)
#define EXEC__LABEL(uid) EXEC__NAME(uid)
#endif

/* For the messages of what an await asserts. */
#if EXEC_DEBUG
#define EXEC__DEBUG_LINE(f) exec__line((f), __LINE__)
#else
#define EXEC__DEBUG_LINE(f) ((void)0)
#endif

/* exec_poll T(exec_cx *cx, T *self) {
       exec_future *const exec__f = &self->fut;
       int exec__to = RESUME;             (with a mark, exec__reenter says where)
       exec__dispatch: switch (exec__to) {
       case RESUME: goto *(base + resume);
       base: { body }    exec__to = exec__body_over(); goto exec__dispatch;
       case CLEANUP: { cleanup }  goto exec__over;
       default: exec__over: return exec__finish();
       }
       "a break outside a loop"
   } */
#define EXEC__BEGIN \
    exec_future *const exec__f = &self->fut; \
    int exec__to = EXEC__TO_RESUME; \
    if (EXEC__UNLIKELY(exec__f->flags & (EXEC__F_MARK | EXEC__F_ENDING))) { \
        if (!cx->entry) return exec__reenter(cx, exec__f); \
        exec__to = cx->entry - 1; \
        cx->entry = 0; \
    } \
    exec__dispatch: EXEC__MAYBE_UNUSED; \
    switch (EXEC__KEY(exec__f, exec__to)) { \
    EXEC__GO \
    EXEC__BASE: {
#define EXEC__FINALLY \
    } \
    exec__to = exec__body_over(exec__f); \
    goto exec__dispatch; \
    EXEC__CASE(EXEC__TO_CLEANUP): {
#if EXEC_LC_SWITCH
#define EXEC__END \
    } \
    goto exec__over; \
    default: \
        EXEC_ASSERT(exec__to != EXEC__TO_RESUME, "an await inside a switch of yours cannot resume in " \
                    "the ISO form: use if, or compile with labels as values (EXEC_LC_SWITCH=0)"); \
    exec__over: return exec__finish(cx, exec__f); \
    } \
    EXEC__BROKEN
#else
#define EXEC__END \
    } \
    goto exec__over; \
    default: exec__over: return exec__finish(cx, exec__f); \
    } \
    EXEC__BROKEN
#endif
#define EXEC__BROKEN \
    return exec__broken(EXEC__FILE, __LINE__);

/* resume = here; return what pends; here:; */
#define EXEC__SUSPEND(pends, uid) \
    exec__f->resume = EXEC__POINT_OF(uid); \
    exec__line(exec__f, __LINE__); \
    return (pends); \
    EXEC__LABEL(uid): ;

/* do { pends = poll; if (pends) { suspend } after } while (0) */
#define EXEC__POINT(poll, uid, after) EXEC__POINT_(poll, uid, after)
#define EXEC__POINT_(poll, uid, after) \
    do { \
        EXEC__LOCAL(uid) \
        exec_poll exec__pends; \
        EXEC__DEBUG_LINE(exec__f); \
        exec__pends = (poll); \
        if (exec__pends) { EXEC__SUSPEND(exec__pends, uid) } \
        after \
    } while (0)

/* do { if (condition) { woken; suspend } } while (0) */
#define EXEC__PASS(condition, uid) EXEC__PASS_(condition, uid)
#define EXEC__PASS_(condition, uid) \
    do { \
        EXEC__LOCAL(uid) \
        EXEC__DEBUG_LINE(exec__f); \
        if (condition) { EXEC__SUSPEND(exec__yield(cx, exec__f), uid) } \
    } while (0)

/* while (!condition) { suspend; if (killed) break; } */
#define EXEC__WAIT(condition, uid) EXEC__WAIT_(condition, uid)
#define EXEC__WAIT_(condition, uid) \
    do { \
        EXEC__LOCAL(uid) \
        while (!(condition)) { \
            exec__clear(exec__f, EXEC__F_KILLED); \
            EXEC__SUSPEND(exec_pending(cx, exec__f), uid) \
            if (exec__killed(exec__f)) break; \
        } \
    } while (0)

/* Number of arguments, up to 18. */
#define EXEC__COUNT(...) EXEC__COUNT_(__VA_ARGS__, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, \
                                      4, 3, 2, 1, 0)
#define EXEC__COUNT_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, count, ...) count

/* .fd = 1, .id = 2, (nothing)   ->   (*p) .fd = 1; (*p) .id = 2; */
#define EXEC__FIELDS(p, ...) EXEC__CAT(EXEC__FIELDS_, EXEC__COUNT(__VA_ARGS__))(p, __VA_ARGS__)
#define EXEC__FIELDS_1(p, a)
#define EXEC__FIELDS_2(p, a, ...) (*p) a; EXEC__FIELDS_1(p, __VA_ARGS__)
#define EXEC__FIELDS_3(p, a, ...) (*p) a; EXEC__FIELDS_2(p, __VA_ARGS__)
#define EXEC__FIELDS_4(p, a, ...) (*p) a; EXEC__FIELDS_3(p, __VA_ARGS__)
#define EXEC__FIELDS_5(p, a, ...) (*p) a; EXEC__FIELDS_4(p, __VA_ARGS__)
#define EXEC__FIELDS_6(p, a, ...) (*p) a; EXEC__FIELDS_5(p, __VA_ARGS__)
#define EXEC__FIELDS_7(p, a, ...) (*p) a; EXEC__FIELDS_6(p, __VA_ARGS__)
#define EXEC__FIELDS_8(p, a, ...) (*p) a; EXEC__FIELDS_7(p, __VA_ARGS__)
#define EXEC__FIELDS_9(p, a, ...) (*p) a; EXEC__FIELDS_8(p, __VA_ARGS__)
#define EXEC__FIELDS_10(p, a, ...) (*p) a; EXEC__FIELDS_9(p, __VA_ARGS__)
#define EXEC__FIELDS_11(p, a, ...) (*p) a; EXEC__FIELDS_10(p, __VA_ARGS__)
#define EXEC__FIELDS_12(p, a, ...) (*p) a; EXEC__FIELDS_11(p, __VA_ARGS__)
#define EXEC__FIELDS_13(p, a, ...) (*p) a; EXEC__FIELDS_12(p, __VA_ARGS__)
#define EXEC__FIELDS_14(p, a, ...) (*p) a; EXEC__FIELDS_13(p, __VA_ARGS__)
#define EXEC__FIELDS_15(p, a, ...) (*p) a; EXEC__FIELDS_14(p, __VA_ARGS__)
#define EXEC__FIELDS_16(p, a, ...) (*p) a; EXEC__FIELDS_15(p, __VA_ARGS__)
#define EXEC__FIELDS_17(p, a, ...) (*p) a; EXEC__FIELDS_16(p, __VA_ARGS__)

/* A frame is zeroed memory: nothing is constructed in it, nothing destroyed. */
#if !defined __cplusplus
#define EXEC__IS_PLAIN(T) 1
#elif defined __clang__
#define EXEC__IS_PLAIN(T) __is_trivially_destructible(T)
#else
#define EXEC__IS_PLAIN(T) __has_trivial_destructor(T)
#endif

/* The descriptor, then the function. The wrapper is one jump: a function is only called through a
   pointer of its own type. */
#define EXEC__ASYNC_N(linkage, ...) \
    EXEC__CAT(EXEC__ASYNC_, EXEC__COUNT(__VA_ARGS__))(linkage, __VA_ARGS__)
#define EXEC__ASYNC_1(linkage, T) EXEC__ASYNC(linkage, T, sizeof(T))
#define EXEC__ASYNC_2(linkage, T, member) EXEC__ASYNC(linkage, T, offsetof(T, member))
#define EXEC__ASYNC(linkage, T, zero_bytes) \
    typedef char exec__the_first_member_is_EXEC_FRAME_in_##T[offsetof(T, fut) == 0 ? 1 : -1]; \
    typedef char exec__a_frame_is_plain_data_as_##T[EXEC__IS_PLAIN(T) ? 1 : -1]; \
    static exec_poll exec__body_##T(exec_cx *cx, T *self); \
    static exec_poll exec__poll_##T(exec_cx *exec__cx, exec_future *exec__f) { \
        return exec__body_##T(exec__cx, (T *)(void *)exec__f); \
    } \
    linkage(T) const exec_type exec__type_##T = { \
        exec__poll_##T, NULL, NULL, #T, EXEC__FILE, (uint32_t)sizeof(T), (uint32_t)(zero_bytes), \
        (uint32_t)EXEC__ALIGNOF(T) }; \
    EXEC__COROUTINE static exec_poll exec__body_##T(exec_cx *cx, T *self)

/* Zeroes what is to be zeroed. */
static inline void *exec__construct(void *memory, const exec_type *type) {
    if (memory) {
        memset(memory, 0, type->zero);
        ((exec_future *)memory)->type = type;
    }
    return memory;
}
EXEC_API void *exec__claim(exec *ex, const exec_opts *opts, const exec_type *type);
EXEC_API int exec__start(exec_future *root);
EXEC_API void exec__drop(exec_future *root);
EXEC_API void *exec__group_claim(exec_cx *cx, exec_future *frame, exec_group *group,
                                 const exec_opts *opts, const exec_type *type);
EXEC_API EXEC__MUST_USE exec_future *exec__branches(exec_branches_op *op, unsigned kind,
                                                    exec_strand *strands, exec_future *const *futures,
                                                    unsigned count);
EXEC_API EXEC__MUST_USE exec_future *exec__branches4(exec_branches_op *op, unsigned kind, unsigned n,
                                                     exec_future *a, exec_future *b, exec_future *c,
                                                     exec_future *d);

/* exec__branches4(op, kind, 3, a, b, c, NULL) */
#define EXEC__BRANCHES(kind, name, op, ...) \
    EXEC__CAT(EXEC__BRANCHES_, EXEC__COUNT_BRANCHES(__VA_ARGS__))(kind, name, op, __VA_ARGS__)
#define EXEC__BRANCHES_1(kind, name, op, a) exec__branches4(op, kind, 1, a, NULL, NULL, NULL)
#define EXEC__BRANCHES_2(kind, name, op, a, b) exec__branches4(op, kind, 2, a, b, NULL, NULL)
#define EXEC__BRANCHES_3(kind, name, op, a, b, c) exec__branches4(op, kind, 3, a, b, c, NULL)
#define EXEC__BRANCHES_4(kind, name, op, a, b, c, d) exec__branches4(op, kind, 4, a, b, c, d)
#define EXEC__BRANCHES_MANY(kind, name, op, ...) EXEC__EXTENSION ({ \
        EXEC__STATIC_ASSERT(0, name " takes up to 4 branches: use " name "_n"); \
        (exec_future *)NULL; })
#define EXEC__COUNT_BRANCHES(...) EXEC__COUNT_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, \
                                               MANY, MANY, MANY, MANY, MANY, MANY, 4, 3, 2, 1, 0)

/* ({ T *p = construct(frame); (*p) .field = value; &p->fut; }) */
#define EXEC__CALL(frame, T, ...) EXEC__CALL_(EXEC__UID, frame, T, __VA_ARGS__)
#define EXEC__CALL_(uid, frame, T, ...) EXEC__CALL__(EXEC__CAT(exec__p_, uid), frame, T, __VA_ARGS__)
#define EXEC__CALL__(p, frame, T, ...) EXEC__EXTENSION ({ \
        T *p = (frame); \
        exec__construct(p, &exec__type_##T); \
        EXEC__FIELDS(p, __VA_ARGS__) \
        &p->fut; })
/* ({ T *p = claim; if (p) { (*p) .field = value; start(p); } p ? 0 : error; }) */
#define EXEC__SPAWN(ex, opts, T, ...) EXEC__SPAWN_(EXEC__UID, ex, opts, T, __VA_ARGS__)
#define EXEC__SPAWN_(uid, ex, opts, T, ...) \
    EXEC__MAKE(EXEC__CAT(exec__p_, uid), EXEC__CAT(exec__e_, uid), ex, \
               exec__claim(EXEC__CAT(exec__e_, uid), (opts), &exec__type_##T), T, __VA_ARGS__)
#define EXEC__GROUP_SPAWN(group, opts, T, ...) EXEC__GROUP_SPAWN_(EXEC__UID, group, opts, T, __VA_ARGS__)
#define EXEC__GROUP_SPAWN_(uid, group, opts, T, ...) exec__may_ignore( \
    EXEC__MAKE(EXEC__CAT(exec__p_, uid), EXEC__CAT(exec__e_, uid), cx->exec, \
               exec__group_claim(cx, exec__f, (group), (opts), &exec__type_##T), T, __VA_ARGS__))
#define EXEC__MAKE(p, e, ex, claim, T, ...) EXEC__EXTENSION ({ \
        exec *e = (ex); \
        T *p = (T *)exec__construct((claim), &exec__type_##T); \
        if (p) { \
            EXEC__FIELDS(p, __VA_ARGS__) \
            (void)exec__start(&p->fut); \
        } \
        p ? 0 : exec_claim_error(e); })
#if !EXEC_NO_MALLOC
EXEC_API void *exec__remote_claim(const exec_remote *r, const exec_type *type);
EXEC_API int exec__remote_start(const exec_remote *r, exec_future *root);
#define EXEC__REMOTE_SPAWN(remote, T, ...) EXEC__REMOTE_SPAWN_(EXEC__UID, remote, T, __VA_ARGS__)
#define EXEC__REMOTE_SPAWN_(uid, remote, T, ...) \
    EXEC__REMOTE_MAKE(EXEC__CAT(exec__p_, uid), EXEC__CAT(exec__e_, uid), remote, T, __VA_ARGS__)
#define EXEC__REMOTE_MAKE(p, r, remote, T, ...) EXEC__EXTENSION ({ \
        const exec_remote *r = (remote); \
        T *p = (T *)exec__construct(exec__remote_claim(r, &exec__type_##T), &exec__type_##T); \
        if (p) { \
            EXEC__FIELDS(p, __VA_ARGS__) \
        } \
        p ? exec__remote_start(r, &p->fut) : -ENOMEM; })
#endif

/* Files whose options change a layout do not link: each refers to a symbol named after its own. */
#define EXEC__LAYOUT EXEC__LAYOUT_(EXEC_VERSION_MAJOR, EXEC_VERSION_MINOR, EXEC_DEBUG, EXEC_NO_THREADS, \
                                   EXEC_NO_MALLOC, EXEC_POSIX_ONLY)
#define EXEC__LAYOUT_(major, minor, debug, no_threads, no_malloc, posix) \
    EXEC__LAYOUT__(major, minor, debug, no_threads, no_malloc, posix)
#define EXEC__LAYOUT__(major, minor, debug, no_threads, no_malloc, posix) \
    exec__layout_v##major##_##minor##_debug##debug##_nothreads##no_threads##_nomalloc##no_malloc##_posix##posix
#ifndef EXEC_STATIC
extern EXEC_API const char EXEC__LAYOUT;
EXEC__USED EXEC__MAYBE_UNUSED static const char *const exec__layout_used = &EXEC__LAYOUT;
#endif

#ifdef __cplusplus
}
#endif
#endif /* EXEC_H */

/* ============================================================================ the implementation */
#if (defined EXEC_IMPLEMENTATION || defined EXEC_STATIC) && !defined EXEC__IMPLEMENTED
#define EXEC__IMPLEMENTED

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#if EXEC_POSIX_ONLY
#include <fcntl.h>
#else
#include <sys/eventfd.h>
#include <sys/syscall.h>
#endif
#include <time.h>
#include <unistd.h>

#if EXEC_POSIX_ONLY && (!defined CLOCK_MONOTONIC || (defined __GLIBC__ && !defined __USE_XOPEN2K8))
#error "exec.h: include it with EXEC_IMPLEMENTATION before any other header, or compile with -D_POSIX_C_SOURCE=200809L"
#elif !EXEC_POSIX_ONLY && (!defined CLOCK_MONOTONIC || (defined __GLIBC__ && !defined __USE_MISC))
#error "exec.h: include it with EXEC_IMPLEMENTATION before any other header, or compile with -D_GNU_SOURCE"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* With EXEC_SMALL the calls around which libc has most are made without it: to read the clock in the vdso is 1 kB of
   code in a static musl, and what 32-bit musl does for kernels that know 32-bit times alone is another one. */
#if EXEC_SMALL && !EXEC_POSIX_ONLY
#define EXEC__DIRECT 1
#else
#define EXEC__DIRECT 0
#endif

/* gcc's ThreadSanitizer keeps a signal that comes just before syscall(2) until that returns: no wait is one there. */
#ifdef __SANITIZE_THREAD__
#define EXEC__LIBC_WAITS 1
#else
#define EXEC__LIBC_WAITS EXEC_POSIX_ONLY
#endif

/* Each system call has a name that a test may define before. */
#ifndef EXEC_SYS_EVENTFD
#define EXEC_SYS_EVENTFD eventfd
#endif
#ifndef EXEC_SYS_PIPE
#define EXEC_SYS_PIPE pipe
#endif
#ifndef EXEC_SYS_FCNTL
#define EXEC_SYS_FCNTL exec__fcntl      /* always with three arguments */
#endif
#ifndef EXEC_SYS_READ
#define EXEC_SYS_READ read
#endif
#ifndef EXEC_SYS_WRITE
#define EXEC_SYS_WRITE write
#endif
#ifndef EXEC_SYS_CLOSE
#if EXEC__DIRECT
#define EXEC_SYS_CLOSE exec__close
#else
#define EXEC_SYS_CLOSE close
#endif
#endif
#ifndef EXEC_SYS_GETPID
#define EXEC_SYS_GETPID getpid
#endif
#ifndef EXEC_SYS_CLOCK_GETTIME
#if EXEC__DIRECT
#define EXEC_SYS_CLOCK_GETTIME exec__clock_gettime
#else
#define EXEC_SYS_CLOCK_GETTIME clock_gettime
#endif
#endif
#ifndef EXEC_SYS_PPOLL
#define EXEC_SYS_PPOLL exec__ppoll
#endif

#if EXEC_POSIX_ONLY
#define exec__fcntl fcntl
#else
/* What the kernel takes, whatever libc's time_t is. Newer 32-bit systems have the second calls alone. */
#ifdef SYS_ppoll
#define EXEC__SYS_PPOLL SYS_ppoll
typedef long exec__kernel_time;
#else
#define EXEC__SYS_PPOLL SYS_ppoll_time64
typedef int64_t exec__kernel_time;
#endif
typedef struct exec__kernel_timespec { exec__kernel_time seconds, nanoseconds; } exec__kernel_timespec;

#ifdef SYS_fcntl64
#define EXEC__SYS_FCNTL SYS_fcntl64
#else
#define EXEC__SYS_FCNTL SYS_fcntl
#endif
/* libc's knows all commands, which some pay with kilobytes. */
static EXEC__MAYBE_UNUSED int exec__fcntl(int fd, int command, int argument) {
    return (int)syscall(EXEC__SYS_FCNTL, fd, command, (long)argument);
}
#endif

#if EXEC__DIRECT
static EXEC__MAYBE_UNUSED int exec__close(int fd) { return (int)syscall(SYS_close, (long)fd); }

#if defined SYS_clock_gettime
#define EXEC__SYS_CLOCK SYS_clock_gettime
#elif defined SYS_ppoll
#define EXEC__SYS_CLOCK SYS_clock_gettime32     /* its name in musl */
#else
#define EXEC__SYS_CLOCK SYS_clock_gettime64
#endif
static EXEC__MAYBE_UNUSED int exec__clock_gettime(clockid_t clock, struct timespec *now) {
    exec__kernel_timespec kernel = { 0, 0 };
    int status = (int)syscall(EXEC__SYS_CLOCK, (long)clock, &kernel);
    now->tv_sec = kernel.seconds;
    now->tv_nsec = (long)kernel.nanoseconds;
    return status;
}
#endif

#if EXEC_NO_THREADS
#define EXEC__THREAD_LOCAL
#define EXEC__LOAD(p) (*(p))
#define EXEC__STORE(p, v) (*(p) = (v))
#define EXEC__ADD(p, n) (*(p) += (n))
#define EXEC__SUB(p, n) ((*(p) -= (n)) + (n))
#define EXEC__OR(p, bits) ((void)(*(p) = (uint8_t)(*(p) | (bits))))
#else
#define EXEC__THREAD_LOCAL __thread
#ifndef EXEC__LOAD      /* a test defines all of them, and stands between two steps of the protocol */
#define EXEC__LOAD(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define EXEC__STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define EXEC__ADD(p, n) __atomic_fetch_add(p, n, __ATOMIC_RELAXED)
#define EXEC__SUB(p, n) __atomic_fetch_sub(p, n, __ATOMIC_ACQ_REL)
#define EXEC__OR(p, bits) ((void)__atomic_fetch_or(p, bits, __ATOMIC_ACQ_REL))
#define EXEC__SWAP(p, v) __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL)
#define EXEC__CAS(p, expected, v) \
    __atomic_compare_exchange_n(p, expected, v, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#endif
#endif

/* In a loop that spins: lets the other half of the core run, and the loop end without a penalty. */
#if (defined __GNUC__ || defined __clang__) && (defined __x86_64__ || defined __i386__)
#define EXEC__PAUSE() __builtin_ia32_pause()
#elif (defined __GNUC__ || defined __clang__) && defined __aarch64__
#define EXEC__PAUSE() __asm__ volatile("yield")
#else
#define EXEC__PAUSE() ((void)0)
#endif

#ifndef EXEC_STATIC
extern EXEC_API const char EXEC__LAYOUT;
const char EXEC__LAYOUT = 0;
#endif

/* ----------------------------------------------------------------------------- text, log, asserts */

/* A driver's function that is there for a human; and the descriptor of a type of the library's. */
#define EXEC__WORDS(function) (EXEC_SMALL ? NULL : (function))
typedef void exec__describe(const exec_future *f, char *buf, size_t size);
#define EXEC__TYPE(poll, describe, branches, name) \
    { poll, EXEC_SMALL ? (exec__describe *)0 : (describe), branches, name, EXEC__FILE, 0, 0, 0 }

/* A line of text: what does not fit is cut. Small enough for firmware: no stdio. */
typedef struct exec__text { size_t n; char s[240]; } exec__text;

static void exec__put(exec__text *t, const char *s) {
    if (!s) s = "?";            /* a type of a user's has no name */
    while (*s && t->n + 1 < sizeof t->s) t->s[t->n++] = *s++;
    t->s[t->n] = 0;
}

static void exec__put_number(exec__text *t, int64_t number) {
    char digits[21];
    size_t n = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    digits[--n] = 0;
    do { digits[--n] = (char)('0' + rest % 10); } while (rest /= 10);
    if (number < 0) exec__put(t, "-");
    exec__put(t, digits + n);
}

static void exec__put_place(exec__text *t, const char *file, int64_t line) {
    exec__put(t, file);
    exec__put(t, ":");
    exec__put_number(t, line);
}

/* As a `describe` gives it: cut to what fits in size bytes, the end included. */
static void exec__put_into(char *buf, size_t size, const exec__text *t) {
    size_t n = t->n < size ? t->n : size - 1;
    memcpy(buf, t->s, n);
    buf[n] = 0;
}

/* As a line: the end stands where the zero byte did. */
static void exec__print(exec__text *t) {
    t->s[t->n] = '\n';
    if (EXEC_SYS_WRITE(2, t->s, t->n + 1) < 0) return;
}

#if !EXEC_SMALL
EXEC_API EXEC__COLD void exec__fail(const char *file, int line, const char *what) {
    exec__text t = { 0, "" };
    exec__put_place(&t, file, line);
    exec__put(&t, ": ");
    exec__put(&t, what);
    exec__print(&t);
    abort();
}
#endif

EXEC_API EXEC__COLD void exec_log(exec *ex, const char *line) {
    exec__text t;
    if (ex->config.log) {
        ex->config.log(ex->config.user, line);
        return;
    }
    t.n = 0;
    exec__put(&t, line);
    exec__print(&t);
}

EXEC_API int exec_version(void) { return EXEC_VERSION; }

/* One list: of the numbers, and of the texts as one string, since a pointer to each would be as much again. */
#define EXEC__ERRORS(X) \
    X(0, "success") \
    X(EPERM, "not permitted") \
    X(ENOENT, "no such file or program") \
    X(ESRCH, "the task or process is over") \
    X(EINTR, "interrupted") \
    X(EIO, "input or output error") \
    X(ENXIO, "nobody reads there, or no such device") \
    X(E2BIG, "too many arguments") \
    X(ENOEXEC, "not a program") \
    X(EBADF, "the descriptor is not open, or cancelled by exec_fd_cancel") \
    X(ECHILD, "not a child of this process, or waited for already") \
    X(EAGAIN, "not ready, or no room for one more: try again later") \
    X(ENOMEM, "no memory or no free slot") \
    X(EACCES, "permission denied") \
    X(EFAULT, "not memory of this process") \
    X(EBUSY, "already in use by another one") \
    X(EEXIST, "exists already") \
    X(ENOTDIR, "a part of the path is not a directory") \
    X(EISDIR, "a directory") \
    X(EINVAL, "invalid argument, or no storage for it; of an address: numeric, as \"127.0.0.1:80\" or " \
              "\"[::1]:80\" (or \"unix:path\"): resolve names first, with getaddrinfo(3) on another thread") \
    X(ENFILE, "no descriptors left in the system") \
    X(EMFILE, "no descriptors left in this process") \
    X(ETXTBSY, "the program is open for writing") \
    X(EFBIG, "the file would be too large") \
    X(ENOSPC, "no space left") \
    X(ESPIPE, "not a file with positions") \
    X(EROFS, "the file system is read-only") \
    X(EPIPE, "the other side has gone") \
    X(EDEADLK, "it would wait for ever") \
    X(ENAMETOOLONG, "the path is too long") \
    X(ENOSYS, "not supported here; of a sleep or timeout: call exec_timers_attach first") \
    X(ELOOP, "too many symbolic links in the path") \
    X(ENODATA, "the end came before all bytes") \
    X(EPROTO, "a protocol error") \
    X(EOVERFLOW, "too large") \
    X(ENOTSOCK, "not a socket") \
    X(EDESTADDRREQ, "neither connected nor told where to") \
    X(EMSGSIZE, "too long for one message") \
    X(EPROTOTYPE, "a socket of another type is there") \
    X(ENOPROTOOPT, "no option of this kind of socket") \
    X(EPROTONOSUPPORT, "no such protocol here") \
    X(EOPNOTSUPP, "not for this kind of socket or file") \
    X(EAFNOSUPPORT, "no such kind of address here") \
    X(EADDRINUSE, "the address is in use") \
    X(EADDRNOTAVAIL, "not an address of this machine") \
    X(ENETDOWN, "the network is down") \
    X(ENETUNREACH, "the network cannot be reached") \
    X(ECONNABORTED, "the connection was aborted") \
    X(ECONNRESET, "the other side reset the connection") \
    X(ENOBUFS, "no buffer space, or the receiver's queue is full") \
    X(EISCONN, "connected already") \
    X(ENOTCONN, "not connected") \
    X(ETOOMANYREFS, "too many descriptors on their way") \
    X(ETIMEDOUT, "the time limit expired") \
    X(ECONNREFUSED, "nobody listens there") \
    X(EHOSTDOWN, "the host is down") \
    X(EHOSTUNREACH, "the host cannot be reached") \
    X(EALREADY, "done or asked for already") \
    X(EDQUOT, "a quota is used up; of a backoff: no retry is left") \
    X(ECANCELED, "cancelled")

static const uint16_t exec__errors[] = {
#define EXEC__ERROR_NUMBER(error, text) error,
    EXEC__ERRORS(EXEC__ERROR_NUMBER)
};
static const char exec__texts[] =
#define EXEC__ERROR_TEXT(error, text) text "\0"
    EXEC__ERRORS(EXEC__ERROR_TEXT) "an error that this library does not name: see errno(3)";

EXEC_API const char *exec_strerror(intptr_t result) {
    intptr_t error = result < 0 && result > INTPTR_MIN ? -result : result;
    const char *text = exec__texts;
    for (size_t i = 0; i < sizeof exec__errors / sizeof *exec__errors && exec__errors[i] != error; i++)
        text += strlen(text) + 1;
    return text;
}

/* ------------------------------------------------------------------------------- thread and clock */

static EXEC__THREAD_LOCAL exec *exec__current;

EXEC_API exec *exec_current(void) { return exec__current; }
static void exec__set_current(exec *ex) { exec__current = ex; }
/* The thread, as a number: where its current executor stands. */
static EXEC__MAYBE_UNUSED uintptr_t exec__self(void) { return (uintptr_t)&exec__current; }

EXEC_API int64_t exec_now(exec *ex) {
    struct timespec now;
    if (ex->config.virtual_clock) return ex->virtual_now;
    if (ex->config.clock) return ex->config.clock(ex->config.user);
    EXEC_SYS_CLOCK_GETTIME(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A moment so long after another; EXEC_NEVER beyond that, and for a length below 0. */
static int64_t exec__after(int64_t moment, int64_t ns) {
    int64_t end = (int64_t)((uint64_t)moment + (uint64_t)ns);
    return end < moment ? EXEC_NEVER : end;
}

EXEC_API int exec_yield_if_needed(exec_cx *cx) {
    exec *ex = cx->exec;
    int64_t now = exec_now(ex);
    if (ex->preempt_at == EXEC_NEVER) ex->preempt_at = exec__after(now, ex->config.preempt_ns);
    return now >= ex->preempt_at;
}

EXEC_API int exec_clock_advance(exec *ex, int64_t ns) {
    if (!ex->config.virtual_clock || ns < 0) return -EINVAL;
    ex->virtual_now = exec__after(ex->virtual_now, ns);
    return 0;
}

/* ------------------------------------------------------------------------------------- trampoline */

static void exec__strand_set(exec_strand *s, unsigned bits) { s->flags = (uint16_t)(s->flags | bits); }
static void exec__strand_clear(exec_strand *s, unsigned bits) { s->flags = (uint16_t)(s->flags & ~bits); }
static void exec__task_set(exec_task *t, unsigned bits) { exec__strand_set(&t->strand, bits); }

EXEC_API void exec_strand_init(exec_strand *s, exec_future *root) {
    s->leaf = root;
    s->flags = EXEC__S_FRESH;
    s->level = 0;
    s->task_root = 0;
    root->parent = NULL;
    exec__set(root, EXEC__F_ROOT);
}

/* The leaf of a cancelled strand pends: 1 if it was marked and is to be polled. */
static EXEC__COLD int exec__deliver(exec_cx *cx, exec_strand *s) {
    exec_future *f, *cleanup = NULL;
    int asked = s->flags & EXEC__S_DELIVER;
    exec__strand_clear(s, EXEC__S_DELIVER);
    if (s->level >= EXEC_KILL) {
        if (s->leaf->flags & EXEC__F_KILLED) return 0;
        if (!asked && !exec_spend(cx)) return 0;    /* a cleanup that awaits for ever must not spin here */
        exec__set(s->leaf, EXEC__F_MARK | EXEC__F_KILLED);
        return 1;
    }
    if (!asked) return 0;
    for (f = s->leaf; f; f = f->parent)
        if (f->flags & (EXEC__F_CLEANUP | EXEC__F_SHIELD)) cleanup = f;
    exec__set(cleanup ? cleanup : s->leaf, EXEC__F_MARK);
    return !cleanup;
}

/* exec__deliver, once a level was asked for: a program that cancels nothing is without it. */
static int (*exec__delivers)(exec_cx *cx, exec_strand *s);

EXEC_API void exec_strand_cancel(exec_strand *s, unsigned level) {
    if (level <= s->level || exec_strand_done(s)) return;
    EXEC__STORE(&exec__delivers, &exec__deliver);
    s->level = (uint8_t)level;
    exec__strand_set(s, EXEC__S_DELIVER | EXEC__S_LEVEL);
}

/* The future is ready: 1 if its parent is to be polled, 0 if it was the root. */
static int exec__pop(exec_cx *cx, exec_strand *s, exec_future *f) {
    exec_future *parent = f->parent;
    cx->child = f;
    s->leaf = parent;
    if (!parent) {
        EXEC_ASSERT(f->flags & EXEC__F_ROOT,
                    "a future was polled that nobody awaits: use EXEC_AWAIT or exec_poll_child");
        exec__strand_set(s, EXEC__S_DONE);
        return 0;
    }
    if (EXEC__UNLIKELY(f->flags & EXEC__F_MARK)) exec__set(parent, EXEC__F_MARK);
    return 1;
}

#if EXEC_DEBUG
static EXEC__COLD void exec__no_outcome(const exec_future *f) {
    exec__fail(f->type->file, (int)exec__line_of(f), "a poll returned without exec_pending or exec_ready: leave "
               "a coroutine by EXEC_RETURN, never by return (the line is that of its last await)");
}

/* What its poll returned is what exec_pending was told of. */
static void exec__check_pended(const exec_cx *cx, const exec_future *f, exec_poll pends) {
    if ((void *)cx->pended != (void *)pends) exec__no_outcome(f);
}

EXEC_API void exec__check_ready(const exec_future *f) {
    if (!exec_is_ready(f)) exec__no_outcome(f);
}
#endif

/* A wake becomes a poll here: the leaf goes on; what is ready hands over to who awaits it. Returns the strand's root
   when that is ready, NULL when a leaf pends. */
static inline exec_future *exec__go_on(exec_cx *cx, exec_strand *s) {
    for (;;) {
        exec_poll pends;
        exec_future *f;
#if EXEC_DEBUG
        cx->pended = NULL;
#endif
        pends = s->leaf->type->poll(cx, s->leaf);
        if (EXEC__LIKELY(pends != EXEC__READY)) {
#if EXEC_DEBUG
            exec__check_pended(cx, s->leaf, pends);
#endif
            s->leaf = (exec_future *)(void *)pends;
            return NULL;
        }
        f = s->leaf;
#if EXEC_DEBUG
        exec__check_ready(f);
#endif
        if (!exec__pop(cx, s, f)) return f;
    }
}

/* The same for a strand that may have a level. */
static exec_future *exec__trampoline(exec_cx *cx, exec_strand *s) {
    exec_future *done;
    do done = exec__go_on(cx, s);
    while (!done && EXEC__UNLIKELY(s->level) && EXEC__LOAD(&exec__delivers)(cx, s));
    return done;
}

/* Before the poll of a strand that was never polled or has a level. 1: its root is ready already. */
static EXEC__COLD int exec__prepare_strand(exec_cx *cx, exec_strand *s) {
    if (s->flags & EXEC__S_FRESH) {
        exec__strand_clear(s, EXEC__S_FRESH);
        return exec_is_ready(s->leaf);
    }
    if (s->level) EXEC__LOAD(&exec__delivers)(cx, s);
    return 0;
}

EXEC_API exec_future *exec_strand_poll(exec_cx *cx, exec_strand *s) {
    exec_strand *outer = cx->branch;
    exec_future *done;
    cx->branch = s;
    if (EXEC__UNLIKELY(s->flags & (EXEC__S_FRESH | EXEC__S_LEVEL)) && exec__prepare_strand(cx, s)) {
        done = s->leaf;
        exec__pop(cx, s, done);
    } else {
        done = exec__trampoline(cx, s);
    }
    cx->branch = outer;
#if EXEC_DEBUG
    cx->pended = NULL;
#endif
    return done;
}

/* Where a coroutine goes that is entered with the mark, or past its end. */
static int exec__entry(exec_future *f) {
    if (f->flags & EXEC__F_ENDING) return EXEC__TO_END;
    if (f->flags & EXEC__F_CLEANUP) return EXEC__TO_RESUME;
    *exec__result(f) = -ECANCELED;
    exec__set(f, EXEC__F_CLEANUP);
    exec__clear(f, EXEC__F_SHIELD | EXEC__F_KILLED);
    return EXEC__TO_CLEANUP;
}

/* Calls it again with the answer in cx: a coroutine makes tail calls only, but for its awaits, so that
   its hot path needs no stack. */
EXEC_API EXEC__COLD exec_poll exec__reenter(exec_cx *cx, exec_future *f) {
    cx->entry = 1 + exec__entry(f);
    return f->type->poll(cx, f);
}

EXEC_API EXEC__COLD exec_poll exec__broken(const char *file, int line) {
    exec__fail(file, line, "a break outside a loop of yours left the coroutine: use EXEC_RETURN");
    return EXEC__READY;
}

#if EXEC_DEBUG
/* The child pends. What lies deeper in the stack than who polls the task is gone when this poll returns. */
EXEC_API EXEC__COLD void exec__check_pending(const exec_cx *cx, const exec_future *f, const exec_future *child,
                                             exec_poll pends) {
    char here;
    exec__check_pended(cx, child, pends);
    if ((uintptr_t)child > (uintptr_t)&here && (uintptr_t)child < cx->exec->stack)
        exec__fail(f->type->file, (int)exec__line_of(f),
                   "an await of what is a local of the coroutine: make it a member of the frame");
}
#endif

EXEC_API EXEC__COLD void exec__check_await(const exec_cx *cx, const exec_future *f,
                                           const exec_future *child) {
    const char *file = f->type->file;
    int line = (int)exec__line_of(f);
    if (!child || !child->type)
        exec__fail(file, line, "an await of a future that was not prepared");
    else if (!exec_is_ready(child) && child->parent && child->parent != f)
        exec__fail(file, line, "an await of a future that another one awaits already");
    else if (!exec_is_ready(child) && (child->flags & EXEC__F_ROOT))
        exec__fail(file, line, "an await of a future that is a branch or a task: join it");
    if (!cx->task) exec__fail(file, line, "a poll outside a task: spawn it, or exec_run_until");
}

/* ------------------------------------------------------------------------------------ combinators */

static const exec_strand *exec__branch_list(const exec_future *f, unsigned *count) {
    const exec_branches_op *op = (const exec_branches_op *)(const void *)f;
    *count = op->count;
    return op->strands;
}

/* Cancels the branches that were started, all but one. */
static void exec__branches_cancel(exec_branches_op *op, int but, unsigned level) {
    for (unsigned i = 0; i < op->count; i++)
        if ((int)i != but && exec_strand_started(&op->strands[i]))
            exec_strand_cancel(&op->strands[i], level);
}

/* A branch is over. 1: it wins, and the others are to end. */
static int exec__branch_over(exec_branches_op *op, unsigned i, intptr_t result, int open) {
    if (op->kind == EXEC__JOIN) {
        if (result < 0 && op->fut.result >= 0) op->fut.result = result;
        return 0;
    }
    if (op->kind == EXEC__RACE && result < 0) {
        op->fut.result = result;
        return 0;
    }
    if (!open) return 0;
    op->winner = (int)i;
    if (op->kind == EXEC__FAIR) op->begin = i + 1 < op->count ? i + 1 : 0;
    return 1;
}

/* Polls, in order, each that was started and is not done; and starts the others if `open`: there is no
   winner yet. Returns how many pend. Who wins cancels the others, before they are polled. */
static unsigned exec__branches_poll(exec_cx *cx, exec_branches_op *op, int open) {
    unsigned pending = 0, i = op->begin;
    for (unsigned n = 0; n < op->count; n++, i = i + 1 < op->count ? i + 1 : 0) {
        exec_strand *s = &op->strands[i];
        exec_future *done;
        if (exec_strand_done(s) || (!open && !exec_strand_started(s))) continue;
        done = exec_strand_poll(cx, s);
        if (!done) {
            pending++;
        } else if (exec__branch_over(op, i, done->result, open)) {
            exec__branches_cancel(op, op->winner, EXEC_CANCEL);
            return exec__branches_poll(cx, op, 0);
        }
    }
    return pending;
}

static intptr_t exec__branches_result(const exec_branches_op *op) {
    if (op->kind == EXEC__JOIN) return op->fut.result;
    if (op->winner >= 0) return op->winner;
    return exec_canceled(&op->fut) ? -ECANCELED : op->fut.result;
}

static exec_poll exec__combinator_poll(exec_cx *cx, exec_future *f) {
    exec_branches_op *op = (exec_branches_op *)(void *)f;
    if (!op->count && op->kind != EXEC__JOIN) return exec_ready(f, -EINVAL);
    if (exec_canceled(f)) exec__branches_cancel(op, -1, exec_cancel_level(cx));
    if (exec__branches_poll(cx, op, op->winner < 0 && !exec_canceled(f))) return exec_pending(cx, f);
#if EXEC_DEBUG
    for (unsigned i = 0; i < op->count; i++)    /* one that never started may be awaited elsewhere */
        if (!exec_strand_started(&op->strands[i])) exec__clear(op->strands[i].leaf, EXEC__F_ROOT);
#endif
    return exec_ready(f, exec__branches_result(op));
}

static const exec_type exec__combinators[] = {  /* by kind */
    EXEC__TYPE(exec__combinator_poll, NULL, exec__branch_list, "select"),
    EXEC__TYPE(exec__combinator_poll, NULL, exec__branch_list, "select_fair"),
    EXEC__TYPE(exec__combinator_poll, NULL, exec__branch_list, "race"),
    EXEC__TYPE(exec__combinator_poll, NULL, exec__branch_list, "join") };

EXEC_API exec_future *exec__branches(exec_branches_op *op, unsigned kind, exec_strand *strands,
                                     exec_future *const *futures, unsigned count) {
    exec_future_init(&op->fut, &exec__combinators[kind]);
    op->fut.result = 0;         /* of a join: until one fails */
    op->strands = strands;
    op->count = count;
    op->winner = -1;
    op->kind = kind;
    if (kind != EXEC__FAIR || op->begin >= count) op->begin = 0;
    for (unsigned i = 0; i < count; i++) exec_strand_init(&strands[i], futures[i]);
    return &op->fut;
}

EXEC_API exec_future *exec__branches4(exec_branches_op *op, unsigned kind, unsigned n, exec_future *a,
                                      exec_future *b, exec_future *c, exec_future *d) {
    exec_future *futures[4] = { a, b, c, d };
    return exec__branches(op, kind, op->inline_strands, futures, n);
}

EXEC_API exec_future *exec_select_n(exec_select_op *op, exec_strand *strands,
                                    exec_future *const *futures, unsigned count) {
    return exec__branches(op, EXEC__SELECT, strands, futures, count);
}

EXEC_API exec_future *exec_select_fair_n(exec_select_op *op, exec_strand *strands,
                                         exec_future *const *futures, unsigned count) {
    return exec__branches(op, EXEC__FAIR, strands, futures, count);
}

EXEC_API exec_future *exec_race_n(exec_race_op *op, exec_strand *strands,
                                  exec_future *const *futures, unsigned count) {
    return exec__branches(op, EXEC__RACE, strands, futures, count);
}

EXEC_API exec_future *exec_join_n(exec_join_op *op, exec_strand *strands,
                                  exec_future *const *futures, unsigned count) {
    return exec__branches(op, EXEC__JOIN, strands, futures, count);
}

/* ---------------------------------------------------------------------------------- ready queue */

static void exec__signal(exec_port *port);
static void exec__cell_drop(exec_cell *cell);

/* exec->closing. */
enum { EXEC__OPEN, EXEC__CLOSING, EXEC__GONE, EXEC__FORKED };

/* Of an executor without a reactor. Never written. */
static exec__fd_table exec__no_fds;

/* cx->exec without a load: the context is the executor's first member. */
static EXEC__MAYBE_UNUSED exec *exec__of(exec_cx *cx) { return (exec *)(void *)cx; }

/* A ring, known by its last: last->next is the first. */
static void exec__push_ready(exec *ex, exec_task *t) {
    exec_task *last = ex->last;
    t->next = last ? last->next : t;
    if (last) last->next = t;
    ex->last = t;
}

/* exec->armed, from exec_prepare to exec_turn. */
enum { EXEC__ARMED = 1, EXEC__SIGNALLED };

/* One write makes what exec_poll_fds names ready. */
static EXEC__COLD void exec__signal_armed(exec *ex) {
    if (ex->armed != EXEC__ARMED) return;
    ex->armed = EXEC__SIGNALLED;
    ex->port->signal(ex->port);
}

#if EXEC_DEBUG
static exec_future *exec__root_of(exec_task *t);

/* Named by where the root of the task awaits. */
static EXEC__COLD void exec__fail_in(exec_task *t, const char *what) {
    const exec_future *root = exec__root_of(t);
    exec__fail(root->type->file, (int)exec__line_of(root), what);
}

/* What a pool or the caller's storage holds is known to be over until it is claimed again. */
static void exec__check_wake(exec_task *t) {
    EXEC_ASSERT(t->strand.flags & EXEC__T_LIVE, "exec_wake of a task that is over: a leaf forgets its task when it "
                "is ready or cancelled; from elsewhere, wake an exec_waker");
    if (t->store->exec->owner != exec__self())
        exec__fail_in(t, "exec_wake from another thread: take an exec_waker and wake that");
}
#endif

/* One that is not queued and does not run. */
static inline void exec__queue(exec *ex, exec_task *t) {
    EXEC_TRACE_WAKE(t);
    exec__task_set(t, EXEC__T_QUEUED);
    ex->counters.wakes++;
    exec__push_ready(ex, t);
}

/* Of this executor. One that runs stays in the queue when it pends. 1: it was put there, and who is no driver tells
   a foreign loop that waits (armed): the turn of a driver is one of the executor's, and exec_net_poll tells it once. */
static inline int exec__wake(exec *ex, exec_task *t) {
#if EXEC_DEBUG
    exec__check_wake(t);
    if (t->store->exec != ex) exec__fail_in(t, "a timer or a descriptor of one executor wakes a task of another one: "
                                            "use those of its own");
#endif
    if (EXEC__UNLIKELY(ex->cx.task == t)) {
        ex->cx.quota |= EXEC__WOKEN;
        return 0;
    }
    if (EXEC__UNLIKELY(t->strand.flags & EXEC__T_QUEUED)) return 0;
    exec__queue(ex, t);
    return 1;
}

EXEC_API void exec_wake(exec_task *t) {
    exec *ex = t->store->exec;
    if (exec__wake(ex, t) && EXEC__UNLIKELY(ex->armed)) exec__signal_armed(ex);
}

/* ------------------------------------------------------------------------------ lists of the tasks */

static void exec__list_init(exec *ex, unsigned list) {
    ex->tasks[list].next = ex->tasks[list].prev = &ex->tasks[list];
}

/* Whose link it is, or NULL at the list's end. */
static exec_task *exec__list_task(const exec *ex, exec__list_link *link, unsigned list) {
    if (link == &ex->tasks[list]) return NULL;
    return (exec_task *)(void *)((char *)link - offsetof(exec_task, list));
}

static exec_task *exec__list_first(const exec *ex, unsigned list) {
    return exec__list_task(ex, ex->tasks[list].next, list);
}

/* The next one of the list, or NULL at its end. */
static exec_task *exec__list_next(const exec *ex, const exec_task *t, unsigned list) {
    return exec__list_task(ex, t->list.next, list);
}

/* At the end; a group's tasks stand side by side from group->first on. */
static void exec__list_add(exec *ex, exec_task *t, unsigned list) {
    exec__list_link *after = ex->tasks[list].prev;
    exec_group *group = t->group;
    if (group && group->first[list]) after = &group->first[list]->list;
    else if (group) group->first[list] = t;
    t->list.prev = after;
    t->list.next = after->next;
    after->next->prev = &t->list;
    after->next = &t->list;
}

/* The first of its group is the next one, if that is of the group too. */
static EXEC__SLOW_PATH void exec__list_leave_group(const exec *ex, exec_task *t) {
    unsigned list = (t->strand.flags & EXEC__T_CANCELLING) != 0;
    exec_task *next = exec__list_next(ex, t, list);
    if (t->group->first[list] == t) t->group->first[list] = next && next->group == t->group ? next : NULL;
}

static inline void exec__list_remove(const exec *ex, exec_task *t) {
    if (t->group) exec__list_leave_group(ex, t);
    t->list.prev->next = t->list.next;
    t->list.next->prev = t->list.prev;
}

#if EXEC_DEBUG
enum { EXEC__CHECKED = 1000, EXEC__CHECKED_BRANCHES = 16 };     /* of those that live, so many are looked at */

typedef int exec__sees(const exec_strand *s, const void *what);

/* Whether a strand that pends, or a branch inside it, is the one that is sought. */
static int exec__sees_strand(const exec_strand *s, exec__sees *sees, const void *what) {
    if (!exec_strand_started(s) || exec_strand_done(s)) return 0;
    if (sees(s, what)) return 1;
    for (const exec_future *f = s->leaf; f; f = f->parent) {
        unsigned count = 0;
        const exec_strand *branches = f->type->branches ? f->type->branches(f, &count) : NULL;
        for (unsigned i = 0; i < count; i++) if (exec__sees_strand(&branches[i], sees, what)) return 1;
    }
    return 0;
}

/* The task in which it is, or NULL. */
static exec_task *exec__find_strand(const exec *ex, exec__sees *sees, const void *what) {
    unsigned n = 0;
    for (unsigned list = 0; list < 2; list++)
        for (exec_task *t = exec__list_first(ex, list); t && n < EXEC__CHECKED; t = exec__list_next(ex, t, list), n++)
            if (exec__sees_strand(&t->strand, sees, what)) return t;
    return NULL;
}

typedef struct exec__twice { const exec_strand *strand; const exec_future *leaf, *root; } exec__twice;

/* Another strand has the leaf, or ends where this one does. */
static int exec__awaits_too(const exec_strand *s, const void *what) {
    const exec__twice *twice = (const exec__twice *)what;
    const exec_future *f = s->leaf;
    if (s == twice->strand) return 0;
    while (f != twice->leaf && f->parent) f = f->parent;
    return f == twice->leaf || f == twice->root;
}

static EXEC__COLD void exec__fail_twice(exec_task *task, const exec_future *f, exec_task *other) {
    const exec_future *by = f->parent ? f->parent : exec__root_of(task), *first = exec__root_of(other);
    exec__text t = { 0, "" };
    exec__put(&t, "an await of an op (");
    exec__put(&t, f->type->name);
    exec__put(&t, ") that another await, of ");
    exec__put_place(&t, first->type->file, exec__line_of(first));
    exec__put(&t, ", has not done with: one op for each");
    exec__fail(by->type->file, (int)exec__line_of(by), t.s);
}

/* Nobody else awaits what the strand does, nor what the branches inside it do. */
static void exec__check_once(exec_cx *cx, const exec_strand *s) {
    exec__twice twice = { s, s->leaf, s->leaf };
    exec_task *other;
    if (!exec_strand_started(s) || exec_strand_done(s)) return;
    while (twice.root->parent) twice.root = twice.root->parent;
    other = exec__find_strand(cx->exec, exec__awaits_too, &twice);
    if (other) exec__fail_twice(cx->task, s->leaf, other);
    for (const exec_future *f = s->leaf; f; f = f->parent) {
        unsigned count = 0;
        const exec_strand *branches = f->type->branches ? f->type->branches(f, &count) : NULL;
        for (unsigned i = 0; i < count && i < EXEC__CHECKED_BRANCHES; i++) exec__check_once(cx, &branches[i]);
    }
}

/* The leaf is about to pend: the first time in this strand it is looked at. It becomes the strand's when its poll has
   returned; what looks finds it there already. */
EXEC_API EXEC__COLD void exec__check_leaf(exec_cx *cx, exec_future *f) {
    exec_strand *s = exec__strand(cx);
    exec_future *leaf = s->leaf;
    int checked = leaf == f && s->flags & EXEC__S_CHECKED;
    cx->pended = s->leaf = f;
    exec__strand_set(s, EXEC__S_CHECKED);
    if (!checked) exec__check_once(cx, s);
    s->leaf = leaf;
}
#endif

/* ----------------------------------------------------------------------------------------- stores */

static size_t exec__task_align(const exec_type *type) {
    return type->align > EXEC__ALIGNOF(exec_task) ? type->align : EXEC__ALIGNOF(exec_task);
}

static size_t exec__root_offset(const exec_type *type) {
    if (EXEC__FAST_PATHS && EXEC__LIKELY(type->align <= EXEC__ALIGNOF(exec_task))) return sizeof(exec_task);
    return (sizeof(exec_task) + type->align - 1) & ~(size_t)(type->align - 1);
}

static exec_task *exec__task_of(exec_future *root) {
    return (exec_task *)(void *)((char *)root - exec__root_offset(root->type));
}

static exec_future *exec__root_of(exec_task *t) {
    return (exec_future *)(void *)((char *)t + t->strand.task_root * 4u);
}

static void *exec__refuse(exec *ex, int error) {
    ex->claim_error = error;
    return NULL;
}

#if !EXEC_NO_MALLOC
/* What malloc aligns to; max_align_t is missing in tcc. */
typedef union exec__max_align { long long integer; long double real; void *pointer; } exec__max_align;

/* What is aligned further than malloc does: behind what malloc gave, which stands just before it. libc's own for
   that would be most of a small program. */
static EXEC__COLD void *exec__allocate_aligned(size_t bytes, size_t align) {
    char *memory = bytes <= SIZE_MAX - align ? (char *)malloc(bytes + align) : NULL, *aligned;
    if (!memory) return NULL;
    aligned = memory + (align - ((uintptr_t)memory & (align - 1)));
    memcpy(aligned - sizeof memory, &memory, sizeof memory);
    return aligned;
}

static void *exec__default_allocate(void *user, size_t bytes, size_t align) {
    (void)user;
    return align <= EXEC__ALIGNOF(exec__max_align) ? malloc(bytes) : exec__allocate_aligned(bytes, align);
}

static void exec__default_release(void *user, void *memory, size_t bytes, size_t align) {
    (void)user; (void)bytes;
    if (align > EXEC__ALIGNOF(exec__max_align)) memcpy(&memory, (char *)memory - sizeof memory, sizeof memory);
    free(memory);
}

static void exec__heap_release(exec_store *store, exec_task *t, const exec_type *type) {
    exec_config *config = &store->exec->config;
    config->release(config->user, t, exec__root_offset(type) + type->size, exec__task_align(type));
}
#endif

static exec_task *exec__heap_take(exec *ex, size_t bytes, size_t align) {
#if EXEC_NO_MALLOC
    (void)bytes; (void)align;
    return (exec_task *)exec__refuse(ex, -EINVAL);
#else
    exec_task *t = (exec_task *)ex->config.allocate(ex->config.user, bytes, align);
    return t ? t : (exec_task *)exec__refuse(ex, -ENOMEM);
#endif
}

static void exec__fixed_release(exec_store *store, exec_task *t, const exec_type *type) {
    (void)store; (void)type;
    t->strand.flags = 0;
}

static void exec__pool_release(exec_store *store, exec_task *t, const exec_type *type) {
    exec_pool *pool = (exec_pool *)(void *)store;
    (void)type;
    t->strand.flags = 0;
    t->next = (exec_task *)pool->free_list;
    pool->free_list = t;
    pool->live--;
}

static exec_task *exec__pool_pop(exec_pool *pool) {
    exec_task *t = (exec_task *)pool->free_list;
    pool->free_list = t->next;
    pool->live++;
    return t;
}

static exec_task *exec__pool_take(exec *ex, exec_pool *pool) {
    if (!pool->free_list && !pool->fresh && ex->gone) ex->reap(ex, 0);
    if (pool->free_list) return exec__pool_pop(pool);
    if (!pool->fresh) return NULL;
    pool->live++;
    return (exec_task *)(void *)(pool->memory + (pool->slots - pool->fresh--) * pool->slot_bytes);
}

static int exec__pool_begin(exec_pool *pool, size_t slot_bytes) {
    memset(pool, 0, sizeof *pool);
    if (slot_bytes <= sizeof(exec_task) || slot_bytes % EXEC__ALIGNOF(exec_task)) return -EINVAL;
    pool->store.release = exec__pool_release;
    pool->take = exec__pool_take;
    pool->slot_bytes = slot_bytes;
    return 0;
}

EXEC_API int exec_pool_init(exec_pool *pool, void *memory, size_t bytes, size_t slot_bytes) {
    if (exec__pool_begin(pool, slot_bytes) < 0) return -EINVAL;
    if (!memory || bytes < slot_bytes || (uintptr_t)memory % EXEC__ALIGNOF(exec_task)) return -EINVAL;
    pool->memory = (unsigned char *)memory;
    pool->slots = pool->fresh = bytes / slot_bytes;
    return 0;
}

#if !EXEC_NO_MALLOC
/* Stands behind the slots of its chunk, so that the first of them is aligned as the chunk is. */
typedef struct exec__chunk {
    struct exec__chunk *next;
    void *memory;
    size_t bytes;
    void (*release)(void *user, void *memory, size_t bytes, size_t align);
    void *user;
} exec__chunk;

/* sizeof(EXEC_SLOT(T)) is a multiple of what T is aligned to. */
static size_t exec__chunk_align(const exec_pool *pool) { return pool->slot_bytes & (~pool->slot_bytes + 1); }

static void exec__pool_grow(exec *ex, exec_pool *pool) {
    size_t slots = pool->slots_per_chunk < pool->growth ? pool->slots_per_chunk : pool->growth;
    size_t offset = slots * pool->slot_bytes, bytes = offset + sizeof(exec__chunk);
    unsigned char *memory;
    exec__chunk *chunk;
    if (!slots) return;
    memory = (unsigned char *)ex->config.allocate(ex->config.user, bytes, exec__chunk_align(pool));
    if (!memory) return;
    chunk = (exec__chunk *)(void *)(memory + offset);
    chunk->next = pool->chunks;
    chunk->memory = memory;
    chunk->bytes = bytes;
    chunk->release = ex->config.release;
    chunk->user = ex->config.user;
    pool->chunks = chunk;
    pool->memory = memory;
    pool->slots = pool->fresh = slots;
    pool->growth -= slots;
}

static exec_task *exec__pool_take_or_grow(exec *ex, exec_pool *pool) {
    exec_task *t = exec__pool_take(ex, pool);
    if (t) return t;
    exec__pool_grow(ex, pool);
    return pool->fresh ? exec__pool_take(ex, pool) : NULL;
}

EXEC_API int exec_pool_init_growing(exec_pool *pool, size_t slot_bytes, size_t slots_per_chunk, size_t slots_max) {
    if (exec__pool_begin(pool, slot_bytes) < 0) return -EINVAL;
    if (!slots_per_chunk || slots_per_chunk > (SIZE_MAX / 2 - sizeof(exec__chunk)) / slot_bytes) return -EINVAL;
    pool->take = exec__pool_take_or_grow;
    pool->slots_per_chunk = slots_per_chunk;
    pool->slots_max = pool->growth = slots_max ? slots_max : SIZE_MAX;
    return 0;
}

EXEC_API int exec_pool_free(exec_pool *pool) {
    if (!pool->slots_per_chunk) return -EINVAL;
    if (pool->live && pool->store.exec->gone) pool->store.exec->reap(pool->store.exec, 0);
    if (pool->live) return -EBUSY;
    while (pool->chunks) {
        exec__chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        chunk->release(chunk->user, chunk->memory, chunk->bytes, exec__chunk_align(pool));
    }
    return exec_pool_init_growing(pool, pool->slot_bytes, pool->slots_per_chunk, pool->slots_max);
}
#endif

static exec_task *exec__storage_take(exec *ex, const exec_opts *opts, size_t bytes) {
    exec_task *t = (exec_task *)opts->storage;
    if (bytes > opts->storage_bytes || (uintptr_t)t % EXEC__ALIGNOF(exec_task)) return NULL;
    if ((t->strand.flags & EXEC__T_GONE) && t->store->exec == ex) ex->reap(ex, 0);
    ex->claim_error = -EBUSY;
    return t->strand.flags & EXEC__T_LIVE ? NULL : t;
}

/* Memory for the task from the store that opts name. */
static exec_task *exec__take(exec *ex, const exec_opts *opts, const exec_type *type, size_t offset,
                             exec_store **store) {
    size_t bytes = offset + type->size;
    exec_task *t;
    ex->claim_error = -EINVAL;
    if (offset / 4 > UINT8_MAX) return NULL;
    if (opts && opts->pool) {
        exec_pool *pool = opts->pool;
        if (bytes > pool->slot_bytes || (pool->live && pool->store.exec != ex)) return NULL;
        *store = &pool->store;
        ex->claim_error = -ENOMEM;
        pool->store.exec = ex;
        t = pool->take(ex, pool);
    } else if (opts && opts->storage) {
        *store = &ex->fixed;
        t = exec__storage_take(ex, opts, bytes);
    } else {
        *store = &ex->heap;
        t = exec__heap_take(ex, bytes, exec__task_align(type));
    }
    if (!t || !((uintptr_t)t & (type->align - 1))) return t;
    (*store)->release(*store, t, type);
    return (exec_task *)exec__refuse(ex, -EINVAL);
}

static void exec__handle_link(exec_handle *h, exec_task *t, const char *name) {
    h->task = t;
    h->waiter = NULL;
    h->result = 0;
    h->name = name;
    h->state = EXEC_STATE_IDLE;
    h->next = t->observers;
    h->link = &t->observers;
    if (h->next) h->next->link = &h->next;
    t->observers = h;
}

static void exec__handle_unlink(exec_handle *h, exec_state state) {
    *h->link = h->next;
    if (h->next) h->next->link = h->link;
    h->task = NULL;
    h->state = state;
}

/* All but its links, which are set when it starts. */
static inline exec_task *exec__task_init(exec_task *t, exec_store *store, size_t root_offset) {
    t->strand.leaf = NULL;
    t->strand.flags = EXEC__T_LIVE | EXEC__S_FRESH | EXEC__T_QUEUED;    /* nobody queues it before its start */
    t->strand.level = 0;
    t->strand.task_root = (uint8_t)(root_offset / 4);
    t->store = store;
    t->group = NULL;
    t->observers = NULL;
    t->cell = NULL;
    return t;
}

#if EXEC_DEBUG
/* By its address: what it holds may be anything. */
static void exec__check_unlinked(const exec *ex, const exec_handle *handle) {
    for (unsigned list = 0; list < 2; list++)
        for (const exec_task *t = exec__list_first(ex, list); t; t = exec__list_next(ex, t, list))
            for (const exec_handle *h = t->observers; h; h = h->next)
                EXEC_ASSERT(h != handle, "a handle that is linked was given to another task: "
                            "exec_handle_detach before, or one handle for each");
}
#endif

/* The one that a spawn was given is one of no task if it fails. */
static void exec__clear_handle(const exec *ex, const exec_opts *opts) {
    (void)ex;
    if (!opts || !opts->handle) return;
#if EXEC_DEBUG
    exec__check_unlinked(ex, opts->handle);
#endif
    memset(opts->handle, 0, sizeof *opts->handle);
}

/* Of any store, with all that opts may say. */
static EXEC__SLOW_PATH void *exec__claim_any(exec *ex, const exec_opts *opts, const exec_type *type) {
    size_t offset = exec__root_offset(type);
    exec_store *store = NULL;
    exec_task *t;
    exec__clear_handle(ex, opts);
    if (ex->closing) return exec__refuse(ex, -ECANCELED);
    if (opts && opts->cell && EXEC__LOAD(&opts->cell->references)) return exec__refuse(ex, -EBUSY);
    t = exec__take(ex, opts, type, offset, &store);
    if (!t) return NULL;
    exec__task_init(t, store, offset);
    if (opts && opts->handle) exec__handle_link(opts->handle, t, opts->name);
    if (opts && opts->cell) {
        memset(opts->cell, 0, sizeof *opts->cell);
        opts->cell->references = 1;
        t->cell = opts->cell;
    }
    ex->claimed++;
    ex->claim_error = 0;
    return (char *)t + offset;
}

/* Of the heap, or of a free slot of a pool, and nothing else is asked. */
static inline int exec__is_plain(const exec *ex, const exec_opts *opts, size_t bytes) {
    const exec_pool *pool = opts ? opts->pool : NULL;
    if (!opts) return !EXEC_NO_MALLOC;
    if (!pool || opts->handle || opts->cell) return 0;
    return pool->free_list && pool->store.exec == ex && pool->slot_bytes >= bytes;
}

/* Most claims are plain: they need not ask what exec__claim_any does. */
EXEC_API void *exec__claim(exec *ex, const exec_opts *opts, const exec_type *type) {
    size_t bytes = sizeof(exec_task) + type->size;
    exec_task *t;
#if EXEC_DEBUG
    EXEC_ASSERT(ex->cx.exec == ex, EXEC__NOT_MADE);
    EXEC_ASSERT(ex->owner == exec__self(), "a spawn from another thread: use EXEC_REMOTE_SPAWN or exec_remote_post");
#endif
    if (!EXEC__FAST_PATHS || ex->closing || type->align > EXEC__ALIGNOF(exec_task) || !exec__is_plain(ex, opts, bytes))
        return exec__claim_any(ex, opts, type);
    t = opts ? exec__pool_pop(opts->pool) : exec__heap_take(ex, bytes, EXEC__ALIGNOF(exec_task));
    if (!t) return NULL;
    exec__task_init(t, opts ? &opts->pool->store : &ex->heap, sizeof *t);
    ex->claimed++;
    ex->claim_error = 0;
    return t + 1;
}

EXEC_API int exec_claim_error(const exec *ex) { return ex->claim_error; }

/* What tasks and frames need of a group: the first EXEC_GROUP_SPAWN puts it there, so a program without groups
   links none of it. */
struct exec__group_calls {
    void (*start)(exec_group *g, exec_task *t);
    void (*release)(exec_group *g, exec_task *t);
    void (*child_over)(exec_group *g, intptr_t result, int cancelled);
    exec_poll (*finish)(exec_cx *cx, exec_future *f);
};

#if EXEC_DEBUG
static const char *const exec__group_lost = "a group was zeroed or freed while it had children: it is a member of "
    "the frame that spawns into it, or of one around that";
#endif

static const struct exec__group_calls *exec__calls_of(const exec_group *g) {
#if EXEC_DEBUG
    EXEC_ASSERT(g->in_scope, exec__group_lost);
#endif
    return g->calls;
}

/* And not yet started or dropped. */
static int exec__is_claimed(const exec_task *t) { return !t->strand.leaf && t->strand.flags & EXEC__S_FRESH; }

EXEC_API int exec__start(exec_future *root) {
    exec_task *t = exec__task_of(root);
    exec *ex = t->store->exec;
    EXEC_ASSERT(exec__is_claimed(t), "EXEC_START of a task that was started before");
#if EXEC_DEBUG
    exec__check_wake(t);
#endif
    t->strand.leaf = root;
    exec__set(root, EXEC__F_ROOT);
    exec__list_add(ex, t, 0);
    ex->claimed--;
    ex->counters.tasks++;
    ex->counters.spawned++;
    EXEC_TRACE_SPAWN(t);
    if (t->group) {
        exec__calls_of(t->group)->start(t->group, t);
    } else {
        exec__queue(ex, t);
        if (EXEC__UNLIKELY(ex->armed)) exec__signal_armed(ex);
    }
    return 0;
}

EXEC_API void exec__drop(exec_future *root) {
    exec_task *t = exec__task_of(root);
    EXEC_ASSERT(exec__is_claimed(t), "EXEC_DROP of a started task: abort it");
    t->store->exec->claimed--;
    while (t->observers) {
        exec_handle *h = t->observers;
        exec__handle_unlink(h, EXEC_STATE_NONE);
        if (h->waiter) exec_wake(h->waiter);
    }
    if (t->cell) exec__cell_drop(t->cell);
    t->store->release(t->store, t, root->type);
}

/* ----------------------------------------------------------------------------------------- cancel */

static void exec__sweep(exec *ex);

/* Among those that are cancelling. There is no sweep while all of them are killed. */
static void exec__list_cancelling(exec *ex, exec_task *t) {
    exec__list_remove(ex, t);
    if (!exec__list_first(ex, 1)) ex->sweep_at = EXEC_NEVER;
    if (t->strand.level < EXEC_KILL && ex->sweep_at == EXEC_NEVER)
        ex->sweep_at = exec__after(exec_now(ex), ex->config.cleanup_ns);
    ex->sweep = exec__sweep;
    exec__task_set(t, EXEC__T_CANCELLING);
    if (ex->generation) exec__task_set(t, EXEC__T_GENERATION);
    exec__list_add(ex, t, 1);
}

static void exec__group_release_all(exec_group *g);

static void exec__raise(exec *ex, exec_task *t, unsigned level) {
    if (t->strand.flags & EXEC__T_HELD) exec__calls_of(t->group)->release(t->group, t);
    exec_strand_cancel(&t->strand, level);
    if (EXEC__FAST_PATHS && ex->cx.task == t) ex->cx.quota |= EXEC__RAISED;     /* it runs: when it suspends */
    if (ex->config.cleanup_ns && !(t->strand.flags & EXEC__T_CANCELLING)) exec__list_cancelling(ex, t);
}

/* O(1): raises the level, queues the task; it unwinds when it is polled. */
static void exec__cancel_task(exec *ex, exec_task *t, unsigned level) {
    if (level <= t->strand.level) return;
    exec__raise(ex, t, level);
    exec_wake(t);
}

static void exec__cancel_list(exec *ex, unsigned list, unsigned level) {
    exec_task *t = exec__list_first(ex, list), *next;
    for (; t; t = next) {
        next = exec__list_next(ex, t, list);
        if (t->group) exec__group_release_all(t->group);
        exec__cancel_task(ex, t, level);
    }
}

/* Each cleanup_ns: who was cancelling at the last sweep too is killed. */
static void exec__sweep(exec *ex) {
    int64_t now;
    int left = 0;
    if (ex->sweep_at == EXEC_NEVER || (now = exec_now(ex)) < ex->sweep_at) return;
    for (exec_task *t = exec__list_first(ex, 1); t; t = exec__list_next(ex, t, 1)) {
        int generation = (t->strand.flags & EXEC__T_GENERATION) != 0;
        if (generation != ex->generation) exec__cancel_task(ex, t, EXEC_KILL);
        if (t->strand.level < EXEC_KILL) left = 1;
    }
    ex->generation ^= 1;
    ex->sweep_at = left ? exec__after(now, ex->config.cleanup_ns) : EXEC_NEVER;
}

/* ----------------------------------------------------------------------------------------- groups */

static int exec__group_has_room(const exec_group *g) { return !g->limit || g->running < g->limit; }

/* A child that is held back counts as queued, so that nothing else queues it: it has one link. */
static void exec__group_hold(exec_group *g, exec_task *t) {
    t->next = g->held ? g->held->next : t;
    if (g->held) g->held->next = t;
    g->held = t;
    exec__task_set(t, EXEC__T_QUEUED | EXEC__T_HELD);
}

static void exec__group_begin(exec_group *g, exec_task *t) {
    g->running++;
    exec__strand_clear(&t->strand, EXEC__T_QUEUED | EXEC__T_HELD);
    exec_wake(t);
}

/* Begins, whether it is its turn or not. O(those before it). */
static void exec__group_release(exec_group *g, exec_task *t) {
    exec_task *before = g->held;
    while (before->next != t) before = before->next;
    before->next = t->next;
    if (g->held == t) g->held = before == t ? NULL : before;
    exec__group_begin(g, t);
}

static void exec__group_release_all(exec_group *g) {
    while (g->held) exec__group_release(g, g->held->next);
}

static void exec__group_start(exec_group *g, exec_task *t) {
    g->live++;
    if (!g->level && (g->held || !exec__group_has_room(g))) {
        exec__group_hold(g, t);
        return;
    }
    exec__group_begin(g, t);
    if (g->level) exec__raise(t->store->exec, t, g->level);     /* since it was claimed */
}

EXEC_API void exec_group_cancel(exec_group *g, unsigned level) {
    if (level <= g->level) return;
    g->level = (uint8_t)level;
    exec__group_release_all(g);
    if (g->room_waits) exec_wake(g->owner);
    for (unsigned list = 0; list < 2; list++) {
        exec_task *t = g->first[list], *next;
        for (; t && t->group == g; t = next) {
            next = exec__list_next(t->store->exec, t, list);
            exec__cancel_task(t->store->exec, t, level);
        }
    }
}

static void exec__group_failed(exec_group *g, intptr_t error) {
    g->failed++;
    if (g->error >= 0) g->error = error;
    if (!g->collect) exec_group_cancel(g, EXEC_CANCEL);
}

static void exec__group_child_over(exec_group *g, intptr_t result, int cancelled) {
#if EXEC_DEBUG
    EXEC_ASSERT(g->live, exec__group_lost);
#endif
    g->live--;
    g->running--;
    if (result < 0 && !cancelled) exec__group_failed(g, result);
    while (g->held && exec__group_has_room(g)) exec__group_release(g, g->held->next);
    if (!g->live || (g->room_waits && exec__group_has_room(g))) exec_wake(g->owner);
}

/* A frame is not over before its groups are. */
static exec_poll exec__group_finish(exec_cx *cx, exec_future *f) {
    exec_group *first = (exec_group *)(void *)f->result, *g;
    unsigned live = 0;
    exec__set(f, EXEC__F_ENDING);
    for (g = first; g; g = g->next) {
#if EXEC_DEBUG
        if (!g->in_scope) exec__fail(f->type->file, (int)exec__line_of(f), exec__group_lost);
#endif
        exec_group_cancel(g, exec_cancel_level(cx) > EXEC_CANCEL ? EXEC_KILL : EXEC_CANCEL);
        live += g->live;
    }
    if (live) return exec_pending(cx, f);
    exec__clear(f, EXEC__F_SCOPE);
    for (g = first; g; g = g->next) {       /* one of an outer frame may have another scope later */
        g->in_scope = g->level = 0;
        g->error = 0;
    }
    return exec_ready(f, first->saved);
}

static EXEC__COLD exec_poll exec__finish_scope(exec_cx *cx, exec_future *f) {
    const exec_group *first = (const exec_group *)(void *)f->result;
#if EXEC_DEBUG
    if (!first->in_scope) exec__fail(f->type->file, (int)exec__line_of(f), exec__group_lost);
#endif
    return first->calls->finish(cx, f);
}

EXEC_API EXEC__NOINLINE exec_poll exec__finish(exec_cx *cx, exec_future *f) {
    if (EXEC__UNLIKELY(f->flags & EXEC__F_SCOPE)) return exec__finish_scope(cx, f);
    exec__set(f, EXEC__F_DONE);
    return EXEC__READY;
}

static const struct exec__group_calls exec__group_calls = {
    exec__group_start, exec__group_release, exec__group_child_over, exec__group_finish };

EXEC_API void *exec__group_claim(exec_cx *cx, exec_future *frame, exec_group *g,
                                 const exec_opts *opts, const exec_type *type) {
    void *root = NULL;
    if (!g->in_scope) {
        g->owner = cx->task;
        g->calls = &exec__group_calls;
        g->in_scope = 1;
        g->next = NULL;
        if (frame->flags & EXEC__F_SCOPE) {         /* behind the first, which keeps the result */
            exec_group *first = (exec_group *)(void *)frame->result;
            g->next = first->next;
            first->next = g;
        } else {
            g->saved = frame->result;
            frame->result = (intptr_t)g;
            exec__set(frame, EXEC__F_SCOPE);
        }
    }
    if (!g->level) {
        root = exec__claim(cx->exec, opts, type);
    } else {
        exec__clear_handle(cx->exec, opts);
        cx->exec->claim_error = -ECANCELED;
    }
    if (root) ((exec_task *)(void *)((char *)root - exec__root_offset(type)))->group = g;
    else exec__group_failed(g, cx->exec->claim_error);
    return root;
}

static exec_poll exec__group_poll(exec_cx *cx, exec_future *f) {
    exec_group *g = (exec_group *)(void *)f;
    intptr_t error = g->error;
    if (exec_canceled(f)) exec_group_cancel(g, exec_cancel_level(cx));
    if (g->live) return exec_pending(cx, f);
    g->error = 0;
    g->level = 0;
    return exec_ready(f, error < 0 ? error : exec_canceled(f) ? -ECANCELED : 0);
}

static const exec_type exec__group_type = EXEC__TYPE(exec__group_poll, NULL, NULL, "group");

EXEC_API exec_future *exec_group_join(exec_group *g) {
    exec_future_init(&g->fut, &exec__group_type);
    return &g->fut;
}

static exec_poll exec__room_poll(exec_cx *cx, exec_future *f) {
    exec_group *g = (exec_group *)(void *)f;
    g->room_waits = 0;
    if (exec_canceled(f)) return exec_ready(f, -ECANCELED);
    if (g->level) return exec_ready(f, g->error < 0 ? g->error : -ECANCELED);
    if (exec__group_has_room(g)) return exec_spend(cx) ? exec_ready(f, 0) : exec_pending(cx, f);
    EXEC_ASSERT(g->owner == cx->task, "exec_group_room is awaited by a task that did not spawn first into the group");
    g->room_waits = 1;
    return exec_pending(cx, f);
}

static const exec_type exec__room_type = EXEC__TYPE(exec__room_poll, NULL, NULL, "group_room");

EXEC_API exec_future *exec_group_room(exec_group *g) {
    exec_future_init(&g->fut, &exec__room_type);
    return &g->fut;
}

EXEC_API void exec_local_set(exec_group *g, exec_local *node, const void *key, void *value) {
    for (const exec_local *set = g->context; set; set = set->outer)
        EXEC_ASSERT(set != node, "exec_local_set of a node that is set: assign to its value");
    node->outer = g->context;
    node->key = key;
    node->value = value;
    g->context = node;
}

EXEC_API void *exec_local_get(const exec_cx *cx, const void *key) {
    for (const exec_group *g = cx->task->group; g; g = g->owner->group)
        for (const exec_local *node = g->context; node; node = node->outer)
            if (node->key == key) return node->value;
    return NULL;
}

/* ------------------------------------------------------------------------------------ end of a task */

static EXEC__COLD void exec__failed(exec *ex, const exec_type *type, intptr_t result) {
    exec_failure failure = { type->name, type->file, result };
    exec__text t = { 0, "" };
    if (ex->config.failed) {
        ex->config.failed(ex, &failure);
        return;
    }
    if (EXEC_SMALL) {
        exec_log(ex, "exec: a detached task failed");
        return;
    }
    exec__put(&t, "exec: detached task ");
    exec__put(&t, type->name);
    exec__put(&t, " failed: ");
    exec__put_number(&t, result);
    exec__put(&t, " ");
    exec__put(&t, exec_strerror(result));
    exec_log(ex, t.s);
}

static void exec__poll_over(exec *ex) {
    ex->cx.task = NULL;
}

#if EXEC_DEBUG
static int exec__is_inside(const exec__left *left, const void *p) {
    return (const char *)p >= left->from && (const char *)p < left->to;
}

static int exec__awaits_left(const exec_strand *s, const void *left) {
    for (const exec_future *f = s->leaf; f; f = f->parent)
        if (exec__is_inside((const exec__left *)left, f)) return 1;
    return 0;
}

/* Nothing may point into a frame when its task is over: neither what another task awaits, nor a handle, nor a
   driver. */
static void exec__check_left(exec *ex, const exec_task *over, const exec_future *root) {
    const exec__left left = { over, (const char *)over, (const char *)root + root->type->size };
    const char *held = NULL;
    exec_task *other = exec__find_strand(ex, exec__awaits_left, &left);
    unsigned n = 0;
    if (other) exec__fail_in(other, "a frame is freed while another task awaits what is in it: join the task instead");
    for (unsigned list = 0; list < 2; list++)
        for (exec_task *t = exec__list_first(ex, list); t && n < EXEC__CHECKED; t = exec__list_next(ex, t, list), n++)
            for (const exec_handle *h = t->observers; h; h = h->next)
                if (exec__is_inside(&left, h))
                    exec__fail(root->type->file, (int)exec__line_of(root), "a frame is freed and a handle in it is "
                               "still linked: exec_handle_detach in its EXEC_FINALLY, or join the task");
    for (unsigned i = 0; i < 2 && !held; i++) held = ex->holds[i] ? ex->holds[i](ex, &left) : NULL;
    if (held) exec__fail(root->type->file, (int)exec__line_of(root), held);
}
#endif

static void exec__cell_over(exec_cell *cell) {
    cell->task = NULL;
    if (cell->port) cell->port->drop(cell);
    else cell->references = 0;          /* there was no waker yet */
}

/* It leaves its list and the count. */
static inline void exec__task_out(exec *ex, exec_task *t, const exec_future *root) {
    exec__list_remove(ex, t);
    ex->counters.tasks--;
    (void)root;
#if EXEC_DEBUG
    exec__check_left(ex, t, root);
#endif
}

/* The end of a task that somebody is told of or holds, that failed, or that is still queued. */
static EXEC__SLOW_PATH void exec__task_over_told(exec *ex, exec_task *t, const exec_future *root) {
    const exec_type *type = root->type;
    intptr_t result = root->result;
    int cancelled = exec_canceled(root) && result == -ECANCELED;
    int told = t->observers || t->group, queued = t->strand.flags & EXEC__T_QUEUED;
    exec__poll_over(ex);
    exec__task_out(ex, t, root);
    while (t->observers) {
        exec_handle *h = t->observers;
        exec__handle_unlink(h, cancelled ? EXEC_STATE_CANCELLED : EXEC_STATE_COMPLETED);
        h->result = result;
        if (h->waiter) exec_wake(h->waiter);
    }
    if (t->group) exec__calls_of(t->group)->child_over(t->group, result, cancelled);
    if (t->cell) exec__cell_over(t->cell);
    if (queued) {
        exec__task_set(t, EXEC__T_GONE);
        ex->gone++;
    } else {
        t->store->release(t->store, t, type);
    }
    if (!told && result < 0 && !cancelled) exec__failed(ex, type, result);
}

/* The task's memory is free when this returns (or, if it is queued, when the queue reaches it). */
static void exec__task_over(exec *ex, exec_task *t, exec_future *root) {
    EXEC_TRACE_END(t, root->result);
    if (!EXEC__FAST_PATHS || t->observers || t->group || t->cell || root->result < 0
        || t->strand.flags & EXEC__T_QUEUED) {
        exec__task_over_told(ex, t, root);
        return;
    }
    exec__task_out(ex, t, root);
    t->store->release(t->store, t, root->type);
}

/* ------------------------------------------------------------------------------------------- polls */

#if EXEC_DEBUG
/* A memset that no compiler leaves out. */
static void *(*volatile exec__fill)(void *, int, size_t) = memset;
/* What a coroutine left in its locals is overwritten between two polls. */
static void exec__poison(void) {
    unsigned char stack[8192];
    exec__fill(stack, 0xE7, sizeof stack);
}
static void (*volatile exec__poison_stack)(void) = exec__poison;
#endif

/* Its coroutine, and the name that its first handle was given. */
static void exec__put_task(exec__text *text, exec_task *t) {
    const char *name = NULL;
    for (const exec_handle *h = t->observers; h; h = h->next) if (h->name) name = h->name;
    exec__put(text, exec__root_of(t)->type->name);
    if (!name) return;
    exec__put(text, " \"");
    exec__put(text, name);
    exec__put(text, "\"");
}

static void exec__dump_future(exec *ex, const exec_future *f, unsigned depth);

/* Told with the line that exec_dump has of the innermost coroutine; of a combinator that nobody awaits, with its
   branches. */
static EXEC__COLD void exec__stalled(exec *ex, exec_task *stalled, int64_t ns) {
    const exec_future *f = stalled->strand.leaf ? stalled->strand.leaf : exec__root_of(stalled), *at = f;
    exec__text t = { 0, "" };
    if (EXEC_SMALL) {
        exec_log(ex, "exec: a poll took longer than stall_ns");
        return;
    }
    exec__put(&t, "exec: a poll of ");
    exec__put_task(&t, stalled);
    exec__put(&t, " took ");
    exec__put_number(&t, ns / 1000);
    exec__put(&t, " us, last at:");
    exec_log(ex, t.s);
    while (at && !exec__line_of(at)) at = at->parent;
    exec__dump_future(ex, at ? at : f, 1);
}

static int exec__fresh_quota(const exec *ex) { return (int)ex->config.ops_per_poll * EXEC__OP; }

/* Running is: being cx.task. */
static inline void exec__poll_begins(exec_cx *cx, exec_task *t, int quota) {
    cx->task = t;
    cx->quota = quota;
    EXEC_TRACE_POLL(t);
#if EXEC_DEBUG
    cx->exec->stack = (uintptr_t)&cx;
    exec__poison_stack();
#endif
}

/* A first poll that is as any other: no level, not timed. Asked in the loop, it would cost each resume an
   instruction. (What is GONE has a level, since only a cancel ends a task in the queue.) */
static EXEC__SLOW_PATH int exec__begin_plain(const exec *ex, exec_task *t) {
    if (t->strand.level || ex->config.stall_ns) return 0;
    exec__strand_clear(&t->strand, EXEC__S_FRESH);
    return 1;
}

/* One that has a level, or whose polls are timed; without fast paths, each first poll. */
static EXEC__COLD exec_future *exec__poll_rare(exec *ex, exec_task *t) {
    int64_t limit = ex->config.stall_ns, start = limit ? exec_now(ex) : 0, took;
    exec_future *done;
    exec__poll_begins(&ex->cx, t, exec__fresh_quota(ex));
    exec__prepare_strand(&ex->cx, &t->strand);
    done = exec__trampoline(&ex->cx, &t->strand);
    took = limit ? exec_now(ex) - start : 0;
    if (took > limit) exec__stalled(ex, t, took);
    return done;
}

/* The first of the queue; NULL: it is empty. */
static exec_task *exec__first(const exec *ex) { return ex->last ? ex->last->next : NULL; }

/* The one that ran is first in the ring still. Woken meanwhile, it goes last by one store. */
static inline exec_task *exec__requeue(exec *ex, exec_task *t) {
    ex->last = t;
    return t->next;
}

/* It is idle: out of the ring. 1: others are left. */
static inline int exec__dequeue(exec *ex, exec_task *t) {
    exec_task *last = ex->last;
    exec__strand_clear(&t->strand, EXEC__T_QUEUED);
    if (last == t) {
        ex->last = NULL;
        return 0;
    }
    last->next = t->next;
    return 1;
}

/* It is over. The next to poll, or NULL: asked for last, since its end may have woken some. */
static exec_task *exec__dequeue_over(exec *ex, exec_task *t, exec_future *done) {
    exec__dequeue(ex, t);
    exec__task_over(ex, t, done);
    return exec__first(ex);
}

/* It pends and has a level, which is delivered now if it came while it ran. */
static EXEC__COLD exec_task *exec__take_level(exec *ex, exec_task *t) {
    exec_future *done = NULL;
    if (EXEC__LOAD(&exec__delivers)(&ex->cx, &t->strand)) done = exec__trampoline(&ex->cx, &t->strand);
    if (done) return exec__dequeue_over(ex, t, done);
    if (ex->cx.quota & EXEC__WOKEN) return exec__requeue(ex, t);
    return exec__dequeue(ex, t) ? t->next : NULL;
}

/* Polls up to `limit` tasks from the queue; those with a flag of `rare` by exec__poll_rare. */
EXEC__ALWAYS_INLINE unsigned exec__poll_queue(exec *ex, unsigned limit, const unsigned rare) {
    const int quota = exec__fresh_quota(ex);
    exec_task *t = exec__first(ex);
    unsigned left = limit;
    if (!t) return 0;
    for (;;) {
        exec_future *done;
        if (EXEC__LIKELY(!(t->strand.flags & rare)) || (EXEC__FAST_PATHS && exec__begin_plain(ex, t))) {
            exec__poll_begins(&ex->cx, t, quota);
            done = EXEC__FAST_PATHS ? exec__go_on(&ex->cx, &t->strand) : exec__trampoline(&ex->cx, &t->strand);
        } else if (t->strand.flags & EXEC__T_GONE) {
            ex->reap(ex, ex->gone - 1);
            if (!(t = exec__first(ex))) break;
            continue;
        } else {
            done = exec__poll_rare(ex, t);
        }
        if (EXEC__LIKELY(!done && (uint8_t)ex->cx.quota == EXEC__WOKEN)) {
            t = exec__requeue(ex, t);
        } else {
            if (done) t = exec__dequeue_over(ex, t, done);
            else if (EXEC__FAST_PATHS && EXEC__UNLIKELY(t->strand.level)) t = exec__take_level(ex, t);
            else t = exec__dequeue(ex, t) ? t->next : NULL;
            if (!t) {
                left--;
                break;
            }
        }
        if (!--left) break;
    }
    exec__poll_over(ex);
    ex->counters.polls += limit - left;
    return limit - left;
}

/* With stall_ns each poll is a rare one. Else `rare` is a constant, in a loop of its own. */
static EXEC__SLOW_PATH unsigned exec__poll_any(exec *ex, unsigned limit) {
    return exec__poll_queue(ex, limit, ex->config.stall_ns ? UINT16_MAX : EXEC__RARE);
}
static unsigned exec__poll_ready(exec *ex, unsigned limit) {
    if (EXEC__FAST_PATHS && !ex->config.stall_ns) return exec__poll_queue(ex, limit, EXEC__RARE);
    return exec__poll_any(ex, limit);
}

static void exec__check_forked(const exec *ex) {
    EXEC_ASSERT(ex->closing != EXEC__FORKED, "a child that called exec_forked inside a poll returned from it: "
                "it ends in exec or _exit");
    (void)ex;
}

/* Tasks that ended outside a turn while they were queued keep their memory until they are popped;
   who runs out of slots takes them out of the queue at once. From the first on, until so many are left. */
static void exec__reap(exec *ex, uint32_t left) {
    exec_task *kept = ex->last;
    while (ex->gone > left) {
        exec_task *t = kept->next;
        if (!(t->strand.flags & EXEC__T_GONE)) {
            kept = t;
            continue;
        }
        ex->gone--;
        kept->next = t->next;
        if (t == ex->last) ex->last = t == kept ? NULL : kept;
        t->store->release(t->store, t, exec__root_of(t)->type);
    }
}

/* Outside any poll: a cancelled task unwinds now. One that was queued stays in the queue, O(1); but
   storage of the caller's is free at once, and is taken out of the queue. */
static void exec__unwind_now(exec *ex, exec_task *t) {
    exec *current = exec_current();
    int queued = t->strand.flags & EXEC__T_QUEUED, fixed = t->store == &ex->fixed;
    exec_future *done;
    exec__set_current(ex);
    done = exec__poll_rare(ex, t);
    exec__check_forked(ex);
    exec__poll_over(ex);
    ex->counters.polls++;
    exec__set_current(current);
    if (done) {
        ex->reap = exec__reap;
        exec__task_over(ex, t, done);
        if (fixed && queued) exec__reap(ex, 0);
        return;
    }
    if (!queued && ex->cx.quota & EXEC__WOKEN) exec_wake(t);
    if (ex->armed) exec__signal_armed(ex);      /* it may wait for a time, or what nobody watches yet */
}

/* ---------------------------------------------------------------------------------------- handles */

EXEC_API exec_state exec_handle_state(const exec_handle *h) {
    const exec_strand *s;
    if (!h->task) return h->state;
    s = &h->task->strand;
    if (h->task->store->exec->cx.task == h->task) return EXEC_STATE_RUNNING;
    if (s->level) return EXEC_STATE_CANCELLING;
    if (s->flags & EXEC__T_HELD) return EXEC_STATE_WAITING;
    return s->leaf && s->flags & EXEC__T_QUEUED ? EXEC_STATE_SCHEDULED : EXEC_STATE_IDLE;
}

EXEC_API intptr_t exec_handle_result(const exec_handle *h) {
    if (h->task) return -EAGAIN;
    if (h->state == EXEC_STATE_NONE || h->state == EXEC_STATE_DETACHED) return -EINVAL;
    return h->result;
}

static int exec__handle_cancel(exec_handle *h, unsigned level) {
    exec_task *t = h->task;
    exec *ex;
#if EXEC_DEBUG
    if (t && t->store->exec->owner != exec__self())
        exec__fail_in(t, "an abort or kill from another thread: use exec_waker_abort or exec_waker_kill");
#endif
    if (!t || t->strand.level >= level || exec_strand_done(&t->strand)) return -EALREADY;
    if (!t->strand.leaf) return -EINVAL;
    if (level == EXEC_CANCEL && (exec__root_of(t)->flags & (EXEC__F_CLEANUP | EXEC__F_ENDING)))
        return -EALREADY;
    ex = t->store->exec;
    exec__raise(ex, t, level);
    if (ex->cx.task) exec_wake(t);
    else exec__unwind_now(ex, t);
    return 0;
}

EXEC_API int exec_handle_abort(exec_handle *h) { return exec__handle_cancel(h, EXEC_CANCEL); }
EXEC_API int exec_handle_kill(exec_handle *h) { return exec__handle_cancel(h, EXEC_KILL); }

EXEC_API void exec_handle_detach(exec_handle *h) {
    if (h->task) exec__handle_unlink(h, EXEC_STATE_DETACHED);
}

EXEC_API void exec_handle_copy(exec_handle *to, const exec_handle *from) {
    if (from->task) {
        exec__handle_link(to, from->task, from->name);
        return;
    }
    *to = *from;
    to->waiter = NULL;
}

static exec_poll exec__handle_poll(exec_cx *cx, exec_future *f) {
    exec_handle_op *op = (exec_handle_op *)(void *)f;
    exec_handle *h = &op->copy;
    if (op->from) {                     /* the first poll */
        exec_handle_copy(h, op->from);
        op->from = NULL;
        if (h->task == cx->task) {
            exec_handle_detach(h);
            return exec_ready(f, -EDEADLK);
        }
        h->waiter = cx->task;
    }
    if (!h->task) return exec_ready(f, exec_handle_result(h));
    if (!exec_canceled(f)) return exec_pending(cx, f);
    exec_handle_detach(h);
    return exec_ready(f, -ECANCELED);
}

static void exec__handle_describe(const exec_future *f, char *buf, size_t size) {
    const exec_handle_op *op = (const exec_handle_op *)(const void *)f;
    exec__text t = { 0, "" };
    if (op->copy.name) exec__put(&t, op->copy.name);
    exec__put_into(buf, size, &t);
}

static const exec_type exec__handle_type = EXEC__TYPE(exec__handle_poll, exec__handle_describe, NULL, "handle_join");

EXEC_API exec_future *exec_handle_join(exec_handle_op *op, const exec_handle *h) {
    exec_future_init(&op->fut, &exec__handle_type);
    op->from = h;
    return &op->fut;
}

/* ------------------------------------------------------------------------------- port and inbox */

/* The inbox is one word: NULL, a chain of cells, or one of these. */
#define EXEC__PARKED ((exec_cell *)(uintptr_t)1)    /* who replaces it writes the eventfd */
#define EXEC__CLOSED ((exec_cell *)(uintptr_t)2)    /* the executor is gone: a push only drops */

enum { EXEC__CELL_WAKE, EXEC__CELL_SPAWN, EXEC__CELL_POST, EXEC__CELL_STOP, EXEC__CELL_DUMP };

static exec_cell *exec__swap_head(exec_port *port, exec_cell *to) {
#if EXEC_NO_THREADS
    exec_cell *head = port->head;
    port->head = to;
    return head;
#else
    return EXEC__SWAP(&port->head, to);
#endif
}

static int exec__replace_head(exec_port *port, exec_cell **expected, exec_cell *to) {
#if EXEC_NO_THREADS
    (void)expected;
    port->head = to;
    return 1;
#else
    return EXEC__CAS(&port->head, expected, to);
#endif
}

/* Acquire and release: who finds it set is seen by who clears it. (A plain store loses wakes.) */
static uint8_t exec__swap_queued(exec_cell *cell, uint8_t to) {
#if EXEC_NO_THREADS
    uint8_t queued = cell->queued;
    cell->queued = to;
    return queued;
#else
    return EXEC__SWAP(&cell->queued, to);
#endif
}

/* open, close, and the descriptor that is written: an eventfd, or what POSIX has. */
#if EXEC_POSIX_ONLY
/* Nonblocking and close-on-exec, as every descriptor of the library's. */
static int exec__own_fd(int fd) {
    if (EXEC_SYS_FCNTL(fd, F_SETFL, O_NONBLOCK) < 0 || EXEC_SYS_FCNTL(fd, F_SETFD, FD_CLOEXEC) < 0) return -errno;
    return 0;
}

/* Both, or they are closed. */
static int exec__own_pair(const int ends[2]) {
    int status = exec__own_fd(ends[0]);
    if (status == 0) status = exec__own_fd(ends[1]);
    if (status == 0) return 0;
    EXEC_SYS_CLOSE(ends[0]);
    EXEC_SYS_CLOSE(ends[1]);
    return status;
}

static int exec__pipe(int ends[2]) { return EXEC_SYS_PIPE(ends) < 0 ? -errno : exec__own_pair(ends); }

static int exec__wake_open(exec_port *port) {
    int ends[2], status = exec__pipe(ends);
    if (status < 0) return status;
    port->fd = ends[0];
    port->write_fd = ends[1];
    return 0;
}

static void exec__wake_close(const exec_port *port) {
    EXEC_SYS_CLOSE(port->fd);
    EXEC_SYS_CLOSE(port->write_fd);
}

static int exec__wake_end(const exec_port *port) { return port->write_fd; }
#else
static int exec__wake_open(exec_port *port) {
    port->fd = EXEC_SYS_EVENTFD(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return port->fd < 0 ? -errno : 0;
}

static void exec__wake_close(const exec_port *port) { EXEC_SYS_CLOSE(port->fd); }
static int exec__wake_end(const exec_port *port) { return port->fd; }
#endif

static void exec__signal(exec_port *port) {
    uint64_t one = 1;
    int saved = errno;      /* also called in signal handlers */
    while (EXEC_SYS_WRITE(exec__wake_end(port), &one, sizeof one) < 0 && errno == EINTR) continue;
    errno = saved;
}

/* It was found readable. What a full read left in a pipe ends the next wait. */
static int exec__wake_take(const exec_port *port) {
    uint64_t writes[8];
    ssize_t n = EXEC_SYS_READ(port->fd, writes, sizeof writes);
    return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}

static void exec__port_free(exec_port *port) {
    (void)port;
#if !EXEC_NO_MALLOC
    if (port->on_heap) port->release(port->user, port, sizeof *port, EXEC__ALIGNOF(exec_port));
#endif
}

static void exec__port_drop(exec_port *port) {
    if (EXEC__SUB(&port->references, 1) != 1) return;
    if (port->fd >= 0) exec__wake_close(port);
    exec__port_free(port);
}

/* Without the last reference storage of the caller's may have another task at once. */
static void exec__cell_drop(exec_cell *cell) {
    exec_port *port = cell->port;
    int on_heap = cell->on_heap;
    if (EXEC__SUB(&cell->references, 1) != 1) return;
    (void)on_heap;
    if (!port) return;
#if !EXEC_NO_MALLOC
    if (on_heap) port->release(port->user, cell, sizeof *cell, EXEC__ALIGNOF(exec_cell));
#endif
    exec__port_drop(port);
}

/* Puts the cell into the inbox. 0, 1: it was in already; -ECANCELED. Any thread, any signal handler. */
static int exec__push(exec_port *port, exec_cell *cell) {
    exec_cell *head;
    if (exec__swap_queued(cell, 1)) return 1;
    EXEC__ADD(&cell->references, 1);
    head = EXEC__LOAD(&port->head);
    do {
        if (head == EXEC__CLOSED) {
            (void)EXEC__SUB(&cell->references, 1);  /* the caller holds another one */
            exec__swap_queued(cell, 0);
            return -ECANCELED;
        }
        cell->next = head == EXEC__PARKED ? NULL : head;
    } while (!exec__replace_head(port, &head, cell));
    if (head == EXEC__PARKED) exec__signal(port);
    return 0;
}

/* Others hold a waker of a task or a remote, or wait in the inbox. O(tasks). */
static int exec__port_held(const exec *ex) {
    uint32_t own = 1;
    for (unsigned list = 0; list < 2; list++)
        for (exec_task *t = exec__list_first(ex, list); t; t = exec__list_next(ex, t, list)) {
            if (!t->cell || !t->cell->port) continue;
            if (EXEC__LOAD(&t->cell->references) > 1) return 1;
            own++;
        }
    return EXEC__LOAD(&ex->port->references) > own || EXEC__LOAD(&ex->port->head);
}

static void exec__take_inbox(exec *ex, exec_cell *to);

static EXEC__COLD int exec__port_make(exec *ex) {
    exec_port *port = ex->config.port;
    int status;
    if (ex->closing == EXEC__FORKED) return -ECANCELED;
#if !EXEC_NO_MALLOC
    exec_config *config = &ex->config;
    if (!port) port = (exec_port *)config->allocate(config->user, sizeof *port, EXEC__ALIGNOF(exec_port));
#endif
    if (!port) return -ENOMEM;
    memset(port, 0, sizeof *port);
    port->owner = exec__self();
    port->references = 1;
    port->take = exec__take_inbox;
    port->signal = exec__signal;
    port->drop = exec__cell_drop;
    port->held = exec__port_held;
    port->stop.kind = EXEC__CELL_STOP;
    port->dump.kind = EXEC__CELL_DUMP;
    port->stop.references = port->dump.references = 1;
#if !EXEC_NO_MALLOC
    port->on_heap = !ex->config.port;
    port->allocate = ex->config.allocate;
    port->release = ex->config.release;
    port->user = ex->config.user;
#endif
    if ((status = exec__wake_open(port)) < 0) exec__port_free(port);
    else ex->port = port;
    return status;
}

static int exec__port_get(exec *ex) { return EXEC__LIKELY(ex->port != NULL) ? 0 : exec__port_make(ex); }

/* The task's cell, made on first use; the task holds one reference until it is over. */
static int exec__cell_get(exec *ex, exec_task *t, exec_cell **out) {
    exec_cell *cell = t->cell;
    int status;
    if (!cell || !cell->port) {
        if ((status = exec__port_get(ex)) < 0) return status;
#if !EXEC_NO_MALLOC
        if (!cell) {
            cell = (exec_cell *)ex->port->allocate(ex->port->user, sizeof *cell, EXEC__ALIGNOF(exec_cell));
            if (cell) memset(cell, 0, sizeof *cell);
            if (cell) cell->on_heap = 1;
        }
#endif
        if (!cell) return -ENOMEM;
        cell->references = 1;
        cell->port = ex->port;
        cell->task = t;
        EXEC__ADD(&ex->port->references, 1);
        t->cell = cell;
    }
    EXEC__ADD(&cell->references, 1);
    *out = cell;
    return 0;
}

#if !EXEC_NO_MALLOC
static void exec__spawn_arrived(exec *ex, exec_cell *cell) {
    exec_task *t = cell->task;
    exec_future *root = exec__root_of(t);
    t->store = &ex->heap;
    if (ex->closing) {
        exec__heap_release(t->store, t, root->type);
        exec__cell_drop(cell);
        return;
    }
    cell->kind = EXEC__CELL_WAKE;       /* the inbox's reference is the task's from now on */
    t->cell = cell;
    ex->claimed++;
    exec__start(root);
}
#endif

/* What came from elsewhere, on the owner's thread. A post is read before it counts as no longer queued:
   then another thread may post it again. */
static void exec__take_cell(exec *ex, exec_cell *cell) {
    ex->counters.cross_wakes++;
    if (cell->kind == EXEC__CELL_POST) {
        void (*run)(exec *, void *) = ((exec_post *)(void *)cell)->run;
        void *arg = ((exec_post *)(void *)cell)->arg;
        exec__swap_queued(cell, 0);
        run(ex->closing == EXEC__GONE ? NULL : ex, arg);
        return;
    }
    exec__swap_queued(cell, 0);
    switch (cell->kind) {
    case EXEC__CELL_STOP:
        ex->stopping = 1;
        return;
    case EXEC__CELL_DUMP:
        if (!EXEC_SMALL) exec_dump(ex);
        return;
#if !EXEC_NO_MALLOC
    case EXEC__CELL_SPAWN:
        exec__spawn_arrived(ex, cell);
        return;
#endif
    default:
        if (cell->task) {
            unsigned asked = EXEC__LOAD(&cell->level);
            if (asked) exec__cancel_task(ex, cell->task, asked & EXEC_KILL ? +EXEC_KILL : +EXEC_CANCEL);
            exec_wake(cell->task);
        }
        exec__cell_drop(cell);
    }
}

/* Takes all, oldest first. `to`: what the head becomes. */
static void exec__take_inbox(exec *ex, exec_cell *to) {
    exec_cell *cell = exec__swap_head(ex->port, to), *oldest = NULL, *next;
    if (cell == EXEC__PARKED || cell == EXEC__CLOSED) return;
    for (; cell; cell = next) {
        next = cell->next;
        cell->next = oldest;
        oldest = cell;
    }
    for (cell = oldest; cell && ex->closing != EXEC__FORKED; cell = next) {     /* a post may fork */
        next = cell->next;
        exec__take_cell(ex, cell);
    }
}

static void exec__drain(exec *ex) {
    if (ex->port && EXEC__LOAD(&ex->port->head)) ex->port->take(ex, NULL);
}

/* Before a wait: 0 if the inbox is not empty. */
static int exec__arm(exec *ex) {
    exec_cell *empty = NULL;
    if (!ex->port) return 1;
#if EXEC_NO_THREADS
    if (ex->port->head) return ex->port->head == EXEC__PARKED;
#endif
    return exec__replace_head(ex->port, &empty, EXEC__PARKED) || empty == EXEC__PARKED;
}

EXEC_API int exec_wake_fd(const exec *ex) { return ex->port ? ex->port->fd : -1; }

/* ------------------------------------------------------------------------------- default parker */

#if EXEC__LIBC_WAITS
/* poll(2) knows milliseconds: rounded up. */
static EXEC__MAYBE_UNUSED int exec__ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout) {
    if (!timeout) return poll(fds, count, -1);
    if (timeout->tv_sec >= INT_MAX / 1000) return poll(fds, count, INT_MAX);
    return poll(fds, count, (int)timeout->tv_sec * 1000 + (int)((timeout->tv_nsec + 999999) / 1000000));
}
#else
static EXEC__MAYBE_UNUSED int exec__ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout) {
    exec__kernel_timespec copy = { 0, 0 };
    if (timeout) {
        copy.seconds = (exec__kernel_time)timeout->tv_sec;
        copy.nanoseconds = (exec__kernel_time)timeout->tv_nsec;
    }
    return (int)syscall(EXEC__SYS_PPOLL, fds, (long)count, timeout ? &copy : NULL, NULL, 0L);
}
#endif

/* The whole seconds of a time, which keeps the rest. */
static int64_t exec__take_seconds(int64_t *ns) {
    int64_t seconds = 0;
#if EXEC_SMALL && UINTPTR_MAX == UINT32_MAX     /* there a division is half a kilobyte */
    for (int bit = 33; bit >= 0; bit--) {
        if (*ns < EXEC_SEC(1) << bit) continue;
        *ns -= EXEC_SEC(1) << bit;
        seconds += (int64_t)1 << bit;
    }
#else
    seconds = *ns / EXEC_SEC(1);
    *ns %= EXEC_SEC(1);
#endif
    return seconds;
}

/* Never early; what is longer than a 32-bit time_t is cut. */
static int exec__poll_ns(struct pollfd *fds, unsigned count, int64_t timeout_ns) {
    struct timespec timeout;
    int64_t rest = timeout_ns, sec = exec__take_seconds(&rest);
    timeout.tv_sec = sec > INT32_MAX ? INT32_MAX : (time_t)sec;
    timeout.tv_nsec = (long)rest;
    return EXEC_SYS_PPOLL(fds, count, timeout_ns == EXEC_NEVER ? NULL : &timeout);
}

/* The i-th to be watched, if there is room for it. */
static void exec__poll_put(struct pollfd *fds, unsigned count, unsigned i, int fd, int events) {
    if (i >= count) return;
    fds[i].fd = fd;
    fds[i].events = (short)events;
    fds[i].revents = 0;
}

static int exec__park_default(exec *ex, int64_t timeout_ns) {
    struct pollfd fd;
    exec__poll_put(&fd, 1, 0, exec_wake_fd(ex), POLLIN);
    if (exec__poll_ns(&fd, fd.fd < 0 ? 0u : 1u, timeout_ns) < 0) return errno == EINTR ? 0 : -errno;
    return fd.revents ? exec__wake_take(ex->port) : 0;
}

/* ------------------------------------------------------------------------------------------ turns */

EXEC_API int exec_attach(exec *ex, exec_driver *driver, const exec_driver_type *type) {
    if (ex->closing == EXEC__FORKED) return -ECANCELED;
    if (type->park && ex->parker) return -EBUSY;
    driver->type = type;
    driver->exec = ex;
    driver->next = ex->drivers;
    ex->drivers = driver;
    if (type->park) ex->parker = driver;
    return 0;
}

EXEC_API exec_driver *exec_find_driver(const exec *ex, const exec_driver_type *type) {
    exec_driver *d = ex->drivers;
    while (d && d->type != type) d = d->next;
    return d;
}

static unsigned exec__waiting(const exec *ex) {
    unsigned waiting = 0;
    for (const exec_driver *d = ex->drivers; d; d = d->next)
        if (d->type->waiting) waiting += d->type->waiting(d);
    return waiting;
}

static int64_t exec__next_deadline(const exec *ex) {
    int64_t first = exec__list_first(ex, 1) ? ex->sweep_at : EXEC_NEVER;
    for (exec_driver *d = ex->drivers; d; d = d->next) {
        int64_t next = d->type->next_deadline ? d->type->next_deadline(d) : EXEC_NEVER;
        if (next < first) first = next;
    }
    return first;
}

/* Somebody outside may still wake a task: a waker, a remote, a descriptor. */
static EXEC__NOINLINE int exec__reachable(const exec *ex) {
    return exec__waiting(ex) || (ex->port && ex->port->held(ex));
}

/* How long a wait may take. A virtual clock does not wait: it jumps, if nobody outside may act. */
static int64_t exec__timeout(exec *ex) {
    int64_t deadline, now;
    if (ex->last) return 0;
    deadline = exec__next_deadline(ex);
    if (deadline == EXEC_NEVER) return EXEC_NEVER;
    if (ex->config.virtual_clock && deadline > ex->virtual_now) {
        if (exec__reachable(ex)) return EXEC_NEVER;
        ex->virtual_now = deadline;
    }
    now = exec_now(ex);
    return deadline > now ? deadline - now : 0;
}

/* Whether somebody waits for what the driver that parks brings. */
static int exec__io_awaited(const exec *ex) {
    exec_driver *d = ex->parker;
    return d && (!d->type->waiting || d->type->waiting(d));
}

static int exec__look(exec *ex) { return exec__io_awaited(ex) ? ex->parker->type->park(ex->parker, 0) : 0; }

/* Looks again and again before it parks. A look at the inbox alone takes far less than the clock, which is then read
   only now and then. 1: something came. */
static int exec__spin(exec *ex, int64_t timeout_ns) {
    int64_t span = ex->config.spin_ns < timeout_ns ? ex->config.spin_ns : timeout_ns;
    int64_t end = exec__after(exec_now(ex), span);
    do {
        unsigned looks = exec__io_awaited(ex) ? 1 : 100;
        do {
            if (exec__look(ex) < 0) return 0;       /* the wait will say why */
            if (ex->last || (ex->port && EXEC__LOAD(&ex->port->head))) return 1;
            EXEC__PAUSE();
        } while (--looks);
    } while (exec_now(ex) < end);
    return timeout_ns <= ex->config.spin_ns;
}

/* Waits, at most so long, in the driver that parks. The next turn need not look again. */
static int exec__wait(exec *ex, int64_t timeout_ns) {
    ex->looked = 1;
    return ex->parker ? ex->parker->type->park(ex->parker, timeout_ns) : exec__park_default(ex, timeout_ns);
}

/* Two processes on one epoll set or eventfd take each other's wakes. */
static void exec__check_process(const exec *ex) {
    EXEC_ASSERT(ex->process, EXEC__NOT_MADE);
    EXEC_ASSERT(ex->process == (int32_t)EXEC_SYS_GETPID() || ex->closing == EXEC__FORKED,
                "a child uses its parent's executor: call exec_forked after fork, then exec_init makes it new");
    (void)ex;
}

static int exec__park(exec *ex, int64_t timeout_ns) {
#if EXEC_DEBUG
    exec__check_process(ex);
#endif
    if (ex->config.spin_ns && !ex->config.virtual_clock && exec__spin(ex, timeout_ns)) return 0;
    if (!exec__arm(ex)) return 0;
    ex->counters.parks++;
    EXEC_TRACE_PARK(ex, timeout_ns);
    return exec__wait(ex, timeout_ns);
}

/* Io and wakes and timers, then polls. */
static int exec__turn(exec *ex) {
    unsigned polls;
    int64_t start = EXEC__UNLIKELY(ex->config.stall_ns) ? exec_now(ex) : 0;
    ex->counters.turns++;
    ex->preempt_at = EXEC_NEVER;
    if (!ex->looked) exec__look(ex);
    ex->looked = 0;
    exec__drain(ex);
    for (exec_driver *d = ex->drivers; d; d = d->next)
        if (d->type->turn) d->type->turn(d);
    if (exec__list_first(ex, 1)) ex->sweep(ex);
    polls = exec__poll_ready(ex, ex->config.tasks_per_turn);
    exec__check_forked(ex);
    if (EXEC__UNLIKELY(ex->config.stall_ns)) {
        int64_t took = exec_now(ex) - start;
        if (took > ex->counters.longest_turn_ns) ex->counters.longest_turn_ns = took;
    }
    return (int)polls;
}

static int exec__enter_thread(exec *ex) {
    if (ex->closing == EXEC__FORKED) return -ECANCELED;
#if EXEC_DEBUG
    exec__check_process(ex);
#endif
    if (ex->turning || ex->cx.task) return -EDEADLK;
    ex->turning = 1;
    ex->armed = 0;
    ex->owner = exec__self();
    ex->outer = exec__current;
    exec__set_current(ex);
    if (ex->port && ex->port->owner != exec__self()) EXEC__STORE(&ex->port->owner, exec__self());
    return 0;
}

static void exec__leave_thread(exec *ex) {
    exec__set_current(ex->outer);
    ex->turning = 0;
}

/* Until `until` is over, or if it is NULL until no task is left. */
static int exec__loop(exec *ex, const exec_handle *until) {
    for (;;) {
        int64_t timeout;
        int status;
        exec__drain(ex);
        if (until ? !until->task : !ex->counters.tasks) {
            if (!until) ex->stopping = 0;       /* there is nothing left to stop */
            return 0;
        }
        if (ex->stopping) {
            ex->stopping = 0;
            return 1;
        }
        timeout = exec__timeout(ex);
        if (timeout == EXEC_NEVER && !exec__reachable(ex)) return -EDEADLK;
        if (timeout && (status = exec__park(ex, timeout)) < 0) return status;
        exec__turn(ex);
    }
}

static int exec__enter_run(exec *ex) {
    exec__check_process(ex);
    return exec__enter_thread(ex);
}

static EXEC__COLD void exec__log_deadlock(exec *ex) {
    exec_log(ex, "exec: every task waits, and no timer, descriptor or waker can wake one:");
    if (!EXEC_SMALL) exec_dump(ex);
}

EXEC_API int exec_run(exec *ex) {
    int status = exec__enter_run(ex);
    if (status < 0) return status;
    status = exec__loop(ex, NULL);
    if (status == -EDEADLK) exec__log_deadlock(ex);
    exec__leave_thread(ex);
    return status;
}

EXEC_API int exec_turn(exec *ex) {
    int status = exec__enter_thread(ex);
    if (status < 0) return status;
    if (ex->port) {                     /* what made it ready is consumed */
        ex->port->take(ex, NULL);
        status = exec__wait(ex, 0);
    }
    if (status == 0) status = exec__turn(ex);
    exec__leave_thread(ex);
    return status;
}

typedef struct exec__until { exec_future fut; exec_future *inner; } exec__until;

static exec_poll exec__until_poll(exec_cx *cx, exec_future *f) {
    exec__until *self = (exec__until *)(void *)f;
    exec_poll pends = exec_poll_child(cx, f, self->inner);
    return pends ? pends : exec_ready(f, 0);
}

static const exec_type exec__until_type = {
    exec__until_poll, NULL, NULL, "run_until", EXEC__FILE, sizeof(exec__until), sizeof(exec__until),
    EXEC__ALIGNOF(exec__until) };

/* The future is not ready: it unwinds before its task's memory goes. */
static void exec__until_unwind(exec *ex, exec_handle *h) {
    unsigned level = EXEC_CANCEL;
    while (h->task) {
        int status;
        exec__cancel_task(ex, h->task, level);
        ex->stopping = 0;
        status = exec__loop(ex, h);
        EXEC_ASSERT(status != -EDEADLK || level < EXEC_KILL, "exec_run_until: a leaf does not end when it is "
                    "killed, and nothing can wake it: when exec_canceled, its poll is to be ready");
        if (status < 0) level = EXEC_KILL;
    }
}

EXEC_API int exec_run_until(exec *ex, exec_future *f) {
    EXEC_SLOT(exec__until) slot;
    exec_handle handle;
    exec_opts opts;
    exec__until *until;
    int status = exec__enter_run(ex);
    if (status < 0) return status;
    memset(&opts, 0, sizeof opts);
    memset(&slot, 0, sizeof slot);
    opts.storage = &slot;
    opts.storage_bytes = sizeof slot;
    opts.handle = &handle;
    until = (exec__until *)exec__construct(exec__claim(ex, &opts, &exec__until_type), &exec__until_type);
    if (until) {
        until->inner = f;
        EXEC_START(until);
        status = exec__loop(ex, &handle);
        if (status == -EDEADLK) exec__log_deadlock(ex);
        exec__until_unwind(ex, &handle);
    } else {
        status = ex->claim_error;
    }
    exec__leave_thread(ex);
    return status;
}

EXEC_API void exec_stop(exec *ex) { ex->stopping = 1; }

EXEC_API int64_t exec_prepare(exec *ex) {
    int status = exec__enter_thread(ex);
    int64_t timeout = 0;
    if (status < 0) return status;
    status = exec__port_get(ex);
    if (status == 0) {
        exec__drain(ex);
        timeout = exec__timeout(ex);
        if (timeout && !exec__arm(ex)) timeout = 0;
    }
    exec__leave_thread(ex);
    if (status < 0) return status;
    ex->armed = timeout ? EXEC__ARMED : 0;
    return timeout;
}

EXEC_API int exec_poll_fd(exec *ex) {
    exec_driver *d = ex->parker;
    int status = exec__port_get(ex);
    if (status < 0) return status;
    return d && d->type->poll_fds ? d->type->poll_fds(d, NULL, 0) : ex->port->fd;
}

EXEC_API int exec_poll_fds(exec *ex, struct pollfd *fds, unsigned count) {
    exec_driver *d = ex->parker;
    struct pollfd none;
    int status = exec__port_get(ex);
    if (status < 0) return status;
    if (d && d->type->poll_fds) return d->type->poll_fds(d, count ? fds : &none, count);
    exec__poll_put(fds, count, 0, ex->port->fd, POLLIN);
    return 1;
}

/* --------------------------------------------------------------------------------- init and destroy */

static void exec__forget_drivers(exec *ex) {
    ex->drivers = ex->parker = NULL;
    ex->timers = NULL;
    ex->net = NULL;
    if (!EXEC_SMALL) ex->fds = &exec__no_fds;
}

EXEC_API int exec_init(exec *ex, const exec_config *config) {
    memset(ex, 0, sizeof *ex);
    exec__list_init(ex, 0);
    exec__list_init(ex, 1);
    ex->process = (int32_t)EXEC_SYS_GETPID();
    exec__forget_drivers(ex);
    if (config) ex->config = *config;
    if ((ex->config.spin_ns | ex->config.cleanup_ns | ex->config.stall_ns | ex->config.preempt_ns) < 0) return -EINVAL;
    if (ex->config.virtual_clock && ex->config.clock) return -EINVAL;
#if !EXEC_NO_MALLOC
    if (!ex->config.allocate != !ex->config.release) return -EINVAL;
    if (!ex->config.allocate) {
        ex->config.allocate = exec__default_allocate;
        ex->config.release = exec__default_release;
    }
    ex->heap.exec = ex;
    ex->heap.release = exec__heap_release;
#endif
    if (!ex->config.tasks_per_turn) ex->config.tasks_per_turn = 64;
    if (!ex->config.ops_per_poll) ex->config.ops_per_poll = 128;
    if (ex->config.ops_per_poll > INT_MAX / EXEC__OP) ex->config.ops_per_poll = INT_MAX / EXEC__OP;
    if (!ex->config.preempt_ns) ex->config.preempt_ns = EXEC_MS(10);
    ex->preempt_at = EXEC_NEVER;
    if (EXEC_DEBUG && !ex->config.stall_ns) ex->config.stall_ns = EXEC_MS(10);
    ex->fixed.exec = ex;
    ex->fixed.release = exec__fixed_release;
    ex->cx.exec = ex;
    ex->owner = exec__self();
    return 0;
}

static void exec__forget_task(exec_task *t) {
    while (t->observers) exec__handle_unlink(t->observers, EXEC_STATE_DETACHED);
    if (t->cell && t->cell->port) {
        t->cell->task = NULL;
        exec__cell_drop(t->cell);
    }
    t->cell = NULL;
    t->group = NULL;
}

/* The port is closed, as after exec_destroy; what waits in the inbox is forgotten. */
static void exec__forget_port(exec *ex) {
    exec_port *port = ex->port;
    if (!port) return;
    exec__swap_head(port, EXEC__CLOSED);
    exec__wake_close(port);
    port->fd = -1;
    ex->port = NULL;
    exec__port_drop(port);
}

EXEC_API int exec_forked(exec *ex) {
    exec_task *running = ex->cx.task;
    if (ex->closing == EXEC__FORKED) return -ECANCELED;
    if (ex->process == (int32_t)EXEC_SYS_GETPID()) return -EINVAL;
    for (exec_driver *d = ex->drivers; d; d = d->next)
        if (d->type->forked) d->type->forked(d);
    exec__forget_drivers(ex);
    if (ex->gone) ex->reap(ex, 0);
    for (unsigned list = 0; list < 2; list++) {
        for (exec_task *t = exec__list_first(ex, list); t; t = exec__list_next(ex, t, list)) exec__forget_task(t);
        exec__list_init(ex, list);
    }
    ex->last = running && exec__first(ex) == running ? running : NULL;  /* all that a poll's loop may see */
    if (ex->last) running->next = running;
    exec__forget_port(ex);
    ex->counters.tasks = 0;
    ex->closing = EXEC__FORKED;
    if (exec_current() == ex) exec__set_current(ex->outer);
    return 0;
}

static void exec__cancel_all(exec *ex, unsigned level) {
    exec__cancel_list(ex, 0, level);
    exec__cancel_list(ex, 1, level);
}

/* Cleanups run until they are over, or the limit, or until nothing could wake them any more. */
static void exec__unwind_all(exec *ex, int64_t limit) {
    exec__cancel_all(ex, EXEC_CANCEL);
    while (ex->counters.tasks) {
        int64_t timeout, left, next = exec__next_deadline(ex);
        if (ex->config.virtual_clock && !ex->last && next != EXEC_NEVER && next > limit
            && !exec__reachable(ex)) {
            if (limit > ex->virtual_now) ex->virtual_now = limit;       /* not a jump beyond it */
            return;
        }
        timeout = exec__timeout(ex);
        if (timeout == EXEC_NEVER && !exec__reachable(ex)) return;
        left = limit == EXEC_NEVER ? EXEC_NEVER : limit - exec_now(ex);
        if (left <= 0) return;
        if (timeout && exec__park(ex, timeout < left ? timeout : left) < 0) return;
        exec__turn(ex);
        /* who waits for others on a virtual clock waits for real */
        if (timeout == EXEC_NEVER && left != EXEC_NEVER && ex->config.virtual_clock) ex->virtual_now = limit;
    }
}

/* Under kill each await ends at once, so cleanups end within turns, not within a time. One that starts
   ever new awaits is stuck: after so many turns in which no task ended exec_destroy says -ETIMEDOUT. */
enum { EXEC__KILL_TURNS = 100000 };

static void exec__kill_all(exec *ex) {
    uint32_t tasks = ex->counters.tasks;
    exec__cancel_all(ex, EXEC_KILL);
    for (unsigned turns = 0; ex->counters.tasks && ex->last && turns < EXEC__KILL_TURNS; turns++) {
        exec__turn(ex);
        if (ex->counters.tasks < tasks) turns = 0;
        tasks = ex->counters.tasks;
    }
}

static void exec__detach_all(exec *ex) {
    while (ex->drivers) {
        exec_driver *d = ex->drivers;
        if (d->type->detach) d->type->detach(d);
        ex->drivers = d->next;
    }
    exec__forget_drivers(ex);
    if (ex->gone) ex->reap(ex, 0);
    if (!ex->port) return;
    ex->closing = EXEC__GONE;
    EXEC__STORE(&ex->port->owner, (uintptr_t)0);
    ex->port->take(ex, EXEC__CLOSED);
    exec__port_drop(ex->port);
    ex->port = NULL;
}

EXEC_API int exec_destroy(exec *ex, int64_t limit_ns) {
    int64_t now, until;
    int status = exec__enter_run(ex);
    if (status < 0) return status;
    EXEC_ASSERT(!ex->claimed, "exec_destroy with a claimed task: EXEC_START or EXEC_DROP it before");
    now = ex->counters.tasks ? exec_now(ex) : 0;
    until = exec__after(now, limit_ns < 0 ? 0 : limit_ns);
    ex->closing = EXEC__CLOSING;
    if (ex->port) ex->port->take(ex, NULL);
    exec__unwind_all(ex, until);
    exec__kill_all(ex);
    if (!ex->counters.tasks) exec__detach_all(ex);
    exec__leave_thread(ex);
    return ex->counters.tasks ? -ETIMEDOUT : 0;
}

/* ------------------------------------------------------------------------------------------ wakers */

EXEC_API int exec_waker_get(exec_cx *cx, exec_waker *out) {
    out->cell = NULL;
    return exec__cell_get(cx->exec, cx->task, &out->cell);
}

EXEC_API int exec_handle_waker(exec_handle *h, exec_waker *out) {
    out->cell = NULL;
    if (h->state == EXEC_STATE_NONE && !h->task) return -EINVAL;
    if (!h->task) return -ESRCH;
    if (!h->task->strand.leaf) return -EINVAL;
    return exec__cell_get(h->task->store->exec, h->task, &out->cell);
}

/* What a waker or a remote stands for, which a dropped one has not. */
static inline exec_cell *exec__cell_of(const exec_waker *w) {
#if EXEC_DEBUG
    EXEC_ASSERT(w->cell, "a waker is used that was dropped, or never made");
#endif
    return w->cell;
}
static inline exec_port *exec__port_of(const exec_remote *r) {
#if EXEC_DEBUG
    EXEC_ASSERT(r->port, "a remote is used that was dropped, or never made");
#endif
    return r->port;
}

EXEC_API exec_waker exec_waker_clone(const exec_waker *w) {
    EXEC__ADD(&exec__cell_of(w)->references, 1);
    return *w;
}

EXEC_API void exec_waker_drop(exec_waker *w) {
    if (!w->cell) return;
    exec__cell_drop(w->cell);
    w->cell = NULL;
}

static int exec__is_local(const exec_port *port) {
#if EXEC_NO_THREADS
    return port->owner == exec__self();
#else
    return __atomic_load_n(&port->owner, __ATOMIC_RELAXED) == exec__self();
#endif
}

EXEC_API void exec_waker_wake(const exec_waker *w) {
    exec_cell *cell = exec__cell_of(w);
    if (!exec__is_local(cell->port)) exec__push(cell->port, cell);
    else if (cell->task) exec_wake(cell->task);
}

EXEC_API void exec_waker_wake_drop(exec_waker *w) {
    exec_waker_wake(w);
    exec_waker_drop(w);
}

/* The level rises before the cell is queued: who drains it sees both. */
static void exec__waker_cancel(const exec_waker *w, uint8_t level) {
    exec_cell *cell = exec__cell_of(w);
    if (exec__is_local(cell->port)) {
        if (cell->task) exec__cancel_task(cell->task->store->exec, cell->task, level);
        return;
    }
    EXEC__OR(&cell->level, level);
    exec__push(cell->port, cell);
}

EXEC_API void exec_waker_abort(const exec_waker *w) { exec__waker_cancel(w, EXEC_CANCEL); }
EXEC_API void exec_waker_kill(const exec_waker *w) { exec__waker_cancel(w, EXEC_KILL); }

#if !EXEC_NO_THREADS
EXEC_API void exec_waker_wake_signal(const exec_waker *w) { exec__push(exec__cell_of(w)->port, w->cell); }
#endif

/* ----------------------------------------------------------------------------------------- remotes */

EXEC_API int exec_remote_get(exec *ex, exec_remote *out) {
    int status = exec__port_get(ex);
    out->port = NULL;
    if (status < 0) return status;
    EXEC__ADD(&ex->port->references, 1);
    out->port = ex->port;
    return 0;
}

EXEC_API exec_remote exec_remote_clone(const exec_remote *r) {
    EXEC__ADD(&exec__port_of(r)->references, 1);
    return *r;
}

EXEC_API void exec_remote_drop(exec_remote *r) {
    if (!r->port) return;
    exec__port_drop(r->port);
    r->port = NULL;
}

static int exec__remote_push(exec_port *port, exec_cell *cell) {
    int status = exec__push(port, cell);
    return status < 0 ? status : 0;
}

EXEC_API int exec_remote_stop(const exec_remote *r) {
    exec_port *port = exec__port_of(r);
    return exec__remote_push(port, &port->stop);
}

EXEC_API int exec_remote_dump(const exec_remote *r) {
    exec_port *port = exec__port_of(r);
    return exec__remote_push(port, &port->dump);
}

EXEC_API int exec_remote_post(const exec_remote *r, exec_post *post,
                              void (*run)(exec *ex, void *arg), void *arg) {
    int status;
    if (EXEC__LOAD(&post->cell.queued)) return -EBUSY;
    post->cell.kind = EXEC__CELL_POST;
    post->run = run;
    post->arg = arg;
    status = exec__push(exec__port_of(r), &post->cell);
    return status > 0 ? -EBUSY : status;
}

#if !EXEC_NO_MALLOC
EXEC_API void *exec__remote_claim(const exec_remote *r, const exec_type *type) {
    exec_port *port = exec__port_of(r);
    size_t bytes = exec__root_offset(type) + type->size;
    exec_task *t = NULL;
    exec_cell *cell;
    if (exec__root_offset(type) / 4 > UINT8_MAX) return NULL;
    cell = (exec_cell *)port->allocate(port->user, sizeof *cell, EXEC__ALIGNOF(exec_cell));
    if (cell) t = (exec_task *)port->allocate(port->user, bytes, exec__task_align(type));
    if (!t) {
        if (cell) port->release(port->user, cell, sizeof *cell, EXEC__ALIGNOF(exec_cell));
        return NULL;
    }
    memset(cell, 0, sizeof *cell);
    cell->port = port;
    cell->task = exec__task_init(t, NULL, exec__root_offset(type));
    cell->kind = EXEC__CELL_SPAWN;
    cell->on_heap = 1;
    t->cell = cell;
    EXEC__ADD(&port->references, 1);
    return exec__root_of(t);
}

EXEC_API int exec__remote_start(const exec_remote *r, exec_future *root) {
    exec_task *t = exec__task_of(root);
    exec_cell *cell = t->cell;
    exec_port *port = r->port;
    int status;
    cell->references = 1;       /* held here until the push is over */
    status = exec__push(port, cell);
    if (status < 0) port->release(port->user, t, exec__root_offset(root->type) + root->type->size,
                                  exec__task_align(root->type));
    exec__cell_drop(cell);
    return status;
}
#endif

/* ---------------------------------------------------------------------------------------- oneshots */

enum { EXEC__ONESHOT_EMPTY, EXEC__ONESHOT_WAITED, EXEC__ONESHOT_FULL, EXEC__ONESHOT_ABANDONED,
       EXEC__ONESHOT_CLOSED };

static uint8_t exec__oneshot_swap(exec_oneshot *o, uint8_t to) {
#if EXEC_NO_THREADS
    uint8_t state = o->state;
    o->state = to;
    return state;
#else
    return EXEC__SWAP(&o->state, to);
#endif
}

static int exec__oneshot_replace(exec_oneshot *o, uint8_t from, uint8_t to) {
#if EXEC_NO_THREADS
    if (o->state != from) return 0;
    o->state = to;
    return 1;
#else
    return EXEC__CAS(&o->state, &from, to);
#endif
}

static void exec__oneshot_drop(exec_oneshot *o) {
    if (EXEC__SUB(&o->references, 1) != 1) return;
#if !EXEC_NO_MALLOC
    if (o->on_heap) o->release(o->user, o, sizeof *o, EXEC__ALIGNOF(exec_oneshot));
#endif
}

EXEC_API void exec_oneshot_init(exec_oneshot *o) {
    memset(o, 0, sizeof *o);
    o->references = 2;
}

#if !EXEC_NO_MALLOC
EXEC_API int exec_oneshot_create(exec *ex, exec_oneshot **out) {
    exec_config *config = &ex->config;
    *out = (exec_oneshot *)config->allocate(config->user, sizeof **out, EXEC__ALIGNOF(exec_oneshot));
    if (!*out) return -ENOMEM;
    exec_oneshot_init(*out);
    (*out)->on_heap = 1;
    (*out)->release = config->release;
    (*out)->user = config->user;
    return 0;
}
#endif

/* The sender's end: takes the waiter, if there is one, before the reference goes. */
static int exec__oneshot_end(exec_oneshot *o, uint8_t state) {
    uint8_t was = exec__oneshot_swap(o, state);
    if (was == EXEC__ONESHOT_WAITED) {
        exec_waker waiter;
        waiter.cell = o->waiter;
        exec_waker_wake_drop(&waiter);
    }
    exec__oneshot_drop(o);
    return was == EXEC__ONESHOT_CLOSED ? -EPIPE : 0;
}

EXEC_API int exec_oneshot_send(exec_oneshot *o, intptr_t value) {
    o->value = value;
    return exec__oneshot_end(o, EXEC__ONESHOT_FULL);
}

EXEC_API void exec_oneshot_abandon(exec_oneshot *o) { exec__oneshot_end(o, EXEC__ONESHOT_ABANDONED); }

EXEC_API int exec_oneshot_close(exec_oneshot *o, intptr_t *value) {
    uint8_t was = exec__oneshot_swap(o, EXEC__ONESHOT_CLOSED);
    EXEC_ASSERT(was != EXEC__ONESHOT_WAITED, "exec_oneshot_close while a task waits for it: cancel it first");
    if (value && was == EXEC__ONESHOT_FULL) *value = o->value;
    exec__oneshot_drop(o);
    return was == EXEC__ONESHOT_FULL;
}

/* EMPTY -> WAITED by the receiver's first poll; WAITED -> EMPTY by its cancel; -> FULL by the sender. */
static exec_poll exec__oneshot_poll(exec_cx *cx, exec_future *f) {
    exec_oneshot_op *op = (exec_oneshot_op *)(void *)f;
    exec_oneshot *o = op->oneshot;
    uint8_t state = EXEC__LOAD(&o->state);
    int status;
    if (state == EXEC__ONESHOT_EMPTY) {
        exec_waker waiter;
        if ((status = exec_waker_get(cx, &waiter)) < 0) return exec_ready(f, status);
        o->waiter = waiter.cell;
        if (exec__oneshot_replace(o, EXEC__ONESHOT_EMPTY, EXEC__ONESHOT_WAITED)) {
            f->resume = 1;
            return exec_pending(cx, f);
        }
        exec_waker_drop(&waiter);
        state = EXEC__LOAD(&o->state);
    }
    if (state == EXEC__ONESHOT_WAITED) {
        if (!f->resume) return exec_ready(f, -EBUSY);
        if (!exec_canceled(f)) return exec_pending(cx, f);
        if (exec__oneshot_replace(o, EXEC__ONESHOT_WAITED, EXEC__ONESHOT_EMPTY)) {
            exec__cell_drop(o->waiter);
            return exec_ready(f, -ECANCELED);
        }
        state = EXEC__LOAD(&o->state);
    }
    if (state != EXEC__ONESHOT_FULL) return exec_ready(f, -EPIPE);
    op->value = o->value;
    return exec_ready(f, 0);
}

static const exec_type exec__oneshot_type = EXEC__TYPE(exec__oneshot_poll, NULL, NULL, "oneshot_recv");

EXEC_API exec_future *exec_oneshot_recv(exec_oneshot_op *op, exec_oneshot *o) {
    exec_future_init(&op->fut, &exec__oneshot_type);
    op->oneshot = o;
    op->value = 0;
    return &op->fut;
}

/* ---------------------------------------------------------------------------- dump, stats, check */

static void exec__dump_strand(exec *ex, const exec_strand *s, unsigned depth);

static void exec__dump_future(exec *ex, const exec_future *f, unsigned depth) {
    exec__text t = { 0, "" };
    for (unsigned i = 0; i < depth; i++) exec__put(&t, "  ");
    exec__put(&t, f->type->name);
    if (exec__line_of(f)) {
        exec__put(&t, " ");
        exec__put_place(&t, f->type->file, exec__line_of(f));
    }
    if (f->type->describe) {
        char what[96] = "";
        f->type->describe(f, what, sizeof what);
        exec__put(&t, " ");
        exec__put(&t, what);
    }
    if (f->flags & EXEC__F_CLEANUP) exec__put(&t, " (in its cleanup)");
    exec_log(ex, t.s);
    if (f->type->branches) {
        unsigned count = 0;
        const exec_strand *strands = f->type->branches(f, &count);
        for (unsigned i = 0; i < count; i++) exec__dump_strand(ex, &strands[i], depth + 1);
    }
}

/* From the leaf outwards: what it waits for, who awaits it. */
static void exec__dump_strand(exec *ex, const exec_strand *s, unsigned depth) {
    if (!exec_strand_started(s) || exec_strand_done(s)) return;
    for (const exec_future *f = s->leaf; f; f = f->parent) exec__dump_future(ex, f, depth);
}

static void exec__dump_task(exec *ex, exec_task *t) {
    static const char *const states[] = { "none", "idle", "scheduled", "running", "cancelling", "completed",
                                          "cancelled", "detached", "waiting" };
    exec__text text = { 0, "" };
    exec_handle h;
    memset(&h, 0, sizeof h);
    h.task = t;
    exec__put(&text, "task ");
    exec__put_task(&text, t);
    exec__put(&text, " ");
    exec__put(&text, states[exec_handle_state(&h)]);
    exec_log(ex, text.s);
    exec__dump_strand(ex, &t->strand, 1);
}

EXEC_API void exec_dump(exec *ex) {
    exec__text t = { 0, "" };
    exec__put_number(&t, ex->counters.tasks);
    exec__put(&t, " tasks");
    exec_log(ex, t.s);
    for (unsigned list = 0; list < 2; list++)
        for (exec_task *task = exec__list_first(ex, list); task; task = exec__list_next(ex, task, list))
            exec__dump_task(ex, task);
    for (exec_driver *d = ex->drivers; d; d = d->next)
        if (d->type->dump) d->type->dump(d);
}

EXEC_API void exec_stats(const exec *ex, exec_counters *out) {
    *out = ex->counters;
    out->completed = out->spawned - out->tasks;
    out->cells = ex->port ? EXEC__LOAD(&ex->port->references) - 1 : 0;
}

static int exec__check_task(const exec *ex, const exec_task *t, unsigned list) {
    const void *link = &t->observers;
    if (t->list.next->prev != &t->list || t->list.prev->next != &t->list) return 0;
    if (t->store->exec != ex) return 0;
    if (((t->strand.flags & EXEC__T_CANCELLING) != 0) != list) return 0;
    if (!t->strand.leaf || (t->strand.leaf->flags & EXEC__F_DONE)) return 0;
    for (const exec_handle *h = t->observers; h; link = &h->next, h = h->next)
        if (h->task != t || (const void *)h->link != link) return 0;
    return 1;
}

/* Of a group, met at its first task: each of those held back is in its ring, once. */
static int exec__check_held(const exec_group *g, uint32_t most) {
    uint32_t held = 0;
    const exec_task *t = g->held;
    if (t) do {
        t = t->next;
        if (!(t->strand.flags & EXEC__T_HELD) || t->group != g || held++ >= most) return 0;
    } while (t != g->held);
    return g->running + held == g->live;
}

EXEC_API int exec_check(exec *ex) {
    uint32_t tasks = 0, gone = 0, queued = 0, say_so = 0;       /* that they are queued */
    int good = 1;
    exec_task *t;
    for (unsigned list = 0; list < 2; list++)
        for (t = exec__list_first(ex, list); t && good; t = exec__list_next(ex, t, list), tasks++) {
            good = exec__check_task(ex, t, list)
                && (!t->group || t->group->first[list] != t
                    || exec__check_held(t->group, ex->counters.tasks));
            say_so += (t->strand.flags & (EXEC__T_QUEUED | EXEC__T_HELD)) == EXEC__T_QUEUED;
        }
    if ((t = ex->last) != NULL && good) do {
        t = t->next;
        if (t->strand.flags & EXEC__T_GONE) gone++;
        good = t->strand.flags & EXEC__T_QUEUED && queued++ < tasks + ex->gone;
    } while (good && t != ex->last);
    good = good && tasks == ex->counters.tasks && gone == ex->gone && queued == say_so + gone;
    for (exec_driver *d = ex->drivers; d && good; d = d->next)
        if (d->type->check) good = d->type->check(d) == 0;
    if (!good) exec_log(ex, "exec: exec_check found a list or a count that does not hold");
    return good ? 0 : -EINVAL;
}

#ifdef __cplusplus
}
#endif
#endif /* EXEC_IMPLEMENTATION */
