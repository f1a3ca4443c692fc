/* SPDX-License-Identifier: MIT
 * The executor: order, fairness, runs, destroy, drivers, clocks, dump, stats, check, hooks. */
#define _GNU_SOURCE 1
#include <poll.h>
#include <time.h>
static int fake_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout);
#define EXEC_SYS_PPOLL fake_ppoll
static unsigned traced_spawns, traced_wakes, traced_polls, traced_ends, traced_parks;
#define EXEC_TRACE_SPAWN(task) ((void)(task), traced_spawns++)
#define EXEC_TRACE_WAKE(task) ((void)(task), traced_wakes++)
#define EXEC_TRACE_POLL(task) ((void)(task), traced_polls++)
#define EXEC_TRACE_END(task, result) ((void)(task), (void)(result), traced_ends++)
#define EXEC_TRACE_PARK(ex, timeout_ns) ((void)(ex), (void)(timeout_ns), traced_parks++)
#include "test.h"
#include "leaves.h"
#include <sys/mman.h>

/* What happens instead of a wait. */
static void (*on_park)(void);
static int park_error;
static int64_t park_timeout;
static int fake_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout) {
    for (nfds_t i = 0; i < count; i++) fds[i].revents = 0;
    park_timeout = timeout ? (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec : EXEC_NEVER;
    if (park_error) {
        errno = park_error;
        return -1;
    }
    if (on_park) on_park();
    return 0;
}

/* ----------------------------------------------------------------------------- order and fairness */

typedef struct { EXEC_FRAME; int id, left; long *polls; } runner;
EXEC_ASYNC(runner) {
    EXEC_BEGIN;
    for (;;) {
        if (self->polls) ++*self->polls;
        else trace_number("", self->id);
        if (self->left-- == 0) break;
        EXEC_YIELD;
    }
    EXEC_END;
}

static void ready_tasks_run_in_fifo_order(void **state) {
    exec ex;
    (void)state;
    open_exec(&ex);
    for (int i = 0; i < 4; i++) assert_int_equal(EXEC_SPAWN(&ex, test_opts(), runner, .id = i, .left = 3 - i), 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("0 1 2 3 0 1 2 0 1 0");
    close_exec(&ex);
}

static void trap_01_leftovers_run_first(void **state) {
    exec ex;
    exec_config config = quiet_config();
    gate g[2];
    (void)state;
    trace_reset();
    memset(g, 0, sizeof g);
    config.tasks_per_turn = 2;
    assert_int_equal(exec_init(&ex, &config), 0);
    for (int i = 0; i < 5; i++) assert_int_equal(EXEC_SPAWN(&ex, test_opts(), runner, .id = i, .left = 1), 0);
    exec_turn(&ex);
    expect_trace("0 1");            /* left over: 2 3 4, then the woken 0 1 */
    exec_turn(&ex);
    expect_trace("2 3");
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), runner, .id = 9), 0);
    exec_turn(&ex);
    expect_trace("4 0");
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("1 2 3 9 4");
    close_exec(&ex);
}

static void trap_01_self_waking_tasks_progress_equally(void **state) {
    static EXEC_SLOT(runner) slots[1000];
    static long polls[1000];
    static const int counts[] = { 65, 100, 1000 };
    (void)state;
    for (size_t c = 0; c < COUNT(counts); c++) {
        exec ex;
        exec_pool pool;
        exec_opts opts = { .pool = &pool };
        memset(polls, 0, sizeof polls);
        open_exec(&ex);
        assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
        for (int i = 0; i < counts[c]; i++)
            assert_int_equal(EXEC_SPAWN(&ex, &opts, runner, .id = i, .left = 50, .polls = &polls[i]), 0);
        for (int turn = 0; turn < counts[c] / 2; turn++) {
            long low = polls[0], high = polls[0];
            exec_turn(&ex);
            for (int i = 0; i < counts[c]; i++) {
                if (polls[i] < low) low = polls[i];
                if (polls[i] > high) high = polls[i];
            }
            assert_true(high - low <= 1);
        }
        close_exec(&ex);
    }
}

/* Wakes that come while the task runs. */
typedef struct { EXEC_FRAME; int polls; exec_handle *h; gate gate; } wakes_while_running;
EXEC_ASYNC(wakes_while_running) {
    EXEC_BEGIN;
    exec_wake(cx->task);
    exec_wake(cx->task);
    EXEC_AWAIT(gate_wait(&self->gate));
    EXEC_END;
}
static void trap_16_a_wake_during_a_poll_polls_again(void **state) {
    exec ex;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    wakes_while_running *frame;
    (void)state;
    open_exec(&ex);
    frame = EXEC_CLAIM(&ex, &opts, wakes_while_running);
    assert_non_null(frame);
    EXEC_START(frame);
    assert_int_equal(exec_turn(&ex), 2);
    assert_int_equal(frame->gate.polls, 2);
    assert_int_equal(exec_turn(&ex), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    close_exec(&ex);
}

/* With everything else made inaccessible an abort cannot look at another ready task. */
typedef struct {
    EXEC_FRAME;
    exec_handle *victim;
    void *memory;
    size_t bytes;
    unsigned char *keep;
    int status;
} blind_abort;
EXEC_ASYNC(blind_abort) {
    EXEC_BEGIN;
    {
        size_t page = 4096, before = (size_t)(self->keep - (unsigned char *)self->memory);
        assert_int_equal(mprotect(self->memory, before, PROT_NONE), 0);
        assert_int_equal(mprotect(self->keep + page * 2, self->bytes - before - page * 2, PROT_NONE), 0);
        self->status = exec_handle_abort(self->victim);
        assert_int_equal(mprotect(self->memory, self->bytes, PROT_READ | PROT_WRITE), 0);
    }
    EXEC_RETURN(self->status);
    EXEC_END;
}
static unsigned char *page_of(const void *p) { return (unsigned char *)((uintptr_t)p & ~(uintptr_t)4095); }

/* So many that are ready, the victim in the middle of them. */
static void spawn_runners(exec *ex, exec_pool *pool, size_t count, exec_handle *victim, long *polls) {
    exec_opts opts = { .pool = pool };
    for (size_t i = 0; i < count; i++) {
        opts.handle = i == count / 2 ? victim : NULL;
        assert_int_equal(EXEC_SPAWN(ex, &opts, runner, .polls = polls), 0);
    }
}

static void trap_10_abort_is_constant_with_a_million_ready_tasks(void **state) {
    static EXEC_SLOT(blind_abort) slot;
    exec ex;
    exec_config config = quiet_config();
    exec_pool pool;
    exec_handle victim, aborter;
    exec_opts first = { .storage = &slot, .storage_bytes = sizeof slot, .handle = &aborter };
    size_t count = 1000000, bytes = count * sizeof(EXEC_SLOT(runner));
    unsigned char *memory;
    long polls = 0;
    blind_abort *frame;
    (void)state;
    bytes = (bytes + 4095) & ~(size_t)4095;
    memory = (unsigned char *)mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_pool_init(&pool, memory, bytes, sizeof(EXEC_SLOT(runner))), 0);
    frame = EXEC_CLAIM(&ex, &first, blind_abort);
    assert_non_null(frame);
    EXEC_START(frame);
    spawn_runners(&ex, &pool, count, &victim, &polls);
    frame->victim = &victim;
    frame->memory = memory;
    frame->bytes = bytes;
    frame->keep = page_of(victim.task);
    ex.config.tasks_per_turn = 1;
    assert_int_equal(exec_turn(&ex), 1);
    assert_int_equal(exec_handle_state(&aborter), EXEC_STATE_COMPLETED);
    assert_int_equal(exec_handle_result(&aborter), 0);
    assert_int_equal(exec_handle_state(&victim), EXEC_STATE_CANCELLING);
    /* from outside a poll too */
    assert_int_equal(exec_handle_kill(&victim), 0);
    ex.config.tasks_per_turn = 10000;
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(polls, (long)count);
    close_exec(&ex);
    munmap(memory, bytes);
}

/* -------------------------------------------------------------------------------------------- runs */

typedef struct { EXEC_FRAME; gate *gate; int id; } waits;
EXEC_ASYNC(waits) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(self->gate));
    EXEC_RETURN(EXEC_RESULT(self->gate));
    EXEC_FINALLY;
    trace_number("clean ", self->id);
    EXEC_END;
}
typedef struct { EXEC_FRAME; int left; } stops;
EXEC_ASYNC(stops) {
    EXEC_BEGIN;
    for (; self->left > 0; self->left--) {
        exec_stop(cx->exec);
        EXEC_YIELD;
    }
    EXEC_END;
}

static void run_returns_0_or_1_or_says_deadlock(void **state) {
    exec ex;
    gate g = { 0 };
    exec_opts opts = test_opts_handle(NULL);
    exec_handle h;
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_run(&ex), 0);
    opts.handle = &h;
    opts.name = "lonely";
    assert_int_equal(EXEC_SPAWN(&ex, &opts, waits, .gate = &g), 0);
    log_text[0] = 0;
    assert_int_equal(exec_run(&ex), -EDEADLK);
    assert_non_null(strstr(log_text, "exec: every task waits, and no timer, descriptor or waker can wake one:\n"));
    expect_words(log_text, "one:\n1 tasks\ntask waits \"lonely\" idle\n  gate polled 1 times\n  waits ");
    assert_null(exec_current());
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), stops, .left = 2), 0);
    ex.config.tasks_per_turn = 1;
    assert_int_equal(exec_run(&ex), 1);
    assert_int_equal(exec_run(&ex), 1);
    assert_int_equal(exec_run(&ex), 0);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; exec *inner; exec *outer; int *statuses; gate *gate; } runs_inner;
EXEC_ASYNC(runs_inner) {
    EXEC_BEGIN;
    assert_ptr_equal(exec_current(), cx->exec);
    self->statuses[0] = exec_run(cx->exec);
    self->statuses[1] = exec_turn(cx->exec);
    self->statuses[2] = exec_run_until(cx->exec, &self->gate->fut);
    self->statuses[3] = exec_destroy(cx->exec, 0);
    assert_true(exec_prepare(cx->exec) == -EDEADLK);
    assert_ptr_equal(exec_current(), cx->exec);
    if (self->inner) {
        self->statuses[4] = exec_run(self->inner);
        assert_ptr_equal(exec_current(), cx->exec);
        self->statuses[5] = exec_turn(self->inner);
        assert_ptr_equal(exec_current(), cx->exec);
    }
    EXEC_END;
}
static void trap_07_several_executors_on_one_thread(void **state) {
    exec a, b, c;
    int outer[6] = { 1, 1, 1, 1, 1, 1 };
#if !EXEC_NO_MALLOC     /* test_opts has one pool, which serves one executor at a time */
    int inner[6] = { 1, 1, 1, 1, 1, 1 };
#endif
    gate g = { 0 };
    (void)state;
    open_exec(&a);
    open_exec(&b);
    open_exec(&c);
    gate_wait(&g);
    assert_int_equal(EXEC_SPAWN(&a, test_opts(), runs_inner, .inner = &b, .statuses = outer, .gate = &g), 0);
#if !EXEC_NO_MALLOC
    assert_int_equal(EXEC_SPAWN(&b, test_opts(), runs_inner, .inner = &c, .statuses = inner, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&c, test_opts(), runner, .id = 3), 0);
#endif
    assert_int_equal(exec_run(&a), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(outer[i], -EDEADLK);
    assert_int_equal(outer[4], 0);
    assert_int_equal(outer[5], 0);
#if !EXEC_NO_MALLOC
    for (int i = 0; i < 4; i++) assert_int_equal(inner[i], -EDEADLK);
    assert_int_equal(inner[4], 0);
    expect_trace("3");
#endif
    assert_null(exec_current());
    close_exec(&b);
    close_exec(&a);
    close_exec(&c);
}

/* An inner task that runs its outer executor, whose task runs the inner one. */
static void trap_07_a_run_of_an_outer_executor_is_a_deadlock(void **state) {
#if !EXEC_NO_MALLOC
    exec a, b;
    int outer[6] = { 1, 1, 1, 1, 1, 1 }, inner[6] = { 1, 1, 1, 1, 1, 1 };
    gate g = { 0 };
    open_exec(&a);
    open_exec(&b);
    gate_wait(&g);
    assert_int_equal(EXEC_SPAWN(&a, NULL, runs_inner, .inner = &b, .statuses = outer, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&b, NULL, runs_inner, .inner = &a, .statuses = inner, .gate = &g), 0);
    assert_int_equal(exec_run(&a), 0);
    assert_int_equal(inner[4], -EDEADLK);
    assert_int_equal(inner[5], -EDEADLK);
    close_exec(&a);
    close_exec(&b);
#endif
    (void)state;
}

static void run_until_gives_the_result_and_cancels_on_every_other_way_out(void **state) {
    exec ex;
    gate g = { .open = 1, .value = 12 };
    waits frame;
    stops stopper;
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_run_until(&ex, gate_wait(&g)), 0);
    assert_int_equal(EXEC_RESULT(&g), 12);
    g.value = -EIO;
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, waits, .gate = &g)), 0);
    assert_int_equal(frame.fut.result, -EIO);
    assert_string_equal(log_text, "");          /* told, not detached */
    g.open = 0;
    trace_reset();
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, waits, .gate = &g)), -EDEADLK);
    assert_int_equal(frame.fut.result, -ECANCELED);
    expect_trace("clean 0");
    assert_null(g.task);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), stops, .left = 3), 0);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, waits, .gate = &g)), 1);
    assert_int_equal(frame.fut.result, -ECANCELED);
    expect_trace("clean 0");
    assert_int_equal(stats(&ex).tasks, 0);
    /* the others are not waited for */
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), runner, .left = 5000), 0);
    g.open = 1;
    assert_int_equal(exec_run_until(&ex, gate_wait(&g)), 0);
    assert_int_equal(stats(&ex).tasks, 1);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&stopper, stops)), 0);
    trace_reset();
    close_exec(&ex);
}

static void run_until_stubborn(void) {
    exec ex;
    gate g = { .refuse = 1 };
    open_exec(&ex);
    exec_run_until(&ex, gate_wait(&g));
}
static void run_until_a_leaf_that_never_ends_says_so(void **state) {
    (void)state;
    dies_saying(run_until_stubborn, "exec_run_until: a leaf does not end when it is killed");
}

static void outside_any_task(void) {
    gate g = { 0 };
    exec ex;
    open_exec(&ex);
    gate_wait(&g);
    exec_turn(&ex);
    {
        waits frame;
        exec_strand strand;
        exec_future *f = EXEC_CALL(&frame, waits, .gate = &g);
        exec_strand_init(&strand, f);
        f->flags = 0;                       /* neither awaited nor a root */
        exec_strand_poll(&ex.cx, &strand);
        gate_open(&g, 0);
        exec_strand_poll(&ex.cx, &strand);
    }
}
static void a_parentless_future_says_so(void **state) {
    (void)state;
    if (!EXEC_DEBUG)
        dies_saying(outside_any_task, "a future was polled that nobody awaits: use EXEC_AWAIT or exec_poll_child");
}

/* ----------------------------------------------------------------------------------------- destroy */

static void trap_03_destroy_ends_the_tasks_before_their_storage_goes(void **state) {
    exec ex;
    exec_pool pool;
    exec_handle h;
    exec_opts opts = { .pool = &pool, .handle = &h };
    gate g = { 0 };
    EXEC_SLOT(waits) *slots = calloc(3, sizeof *slots);
    (void)state;
    assert_non_null(slots);
    open_exec(&ex);
    assert_int_equal(exec_pool_init(&pool, slots, 3 * sizeof *slots, sizeof *slots), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, waits, .gate = &g), 0);
    exec_turn(&ex);
    close_exec(&ex);
    memset(slots, 0xEE, 3 * sizeof *slots);
    free(slots);
    memset(&ex, 0xEE, sizeof ex);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    exec_handle_detach(&h);
}

static void destroy_times_out_when_a_leaf_refuses_and_may_be_called_again(void **state) {
    exec ex;
    gate g = { .refuse = 1 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, waits, .gate = &g), 0);
    assert_int_equal(exec_destroy(&ex, 0), -ETIMEDOUT);
    assert_int_equal(g.canceled, 1);
    assert_int_equal(exec_destroy(&ex, EXEC_NEVER), -ETIMEDOUT);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLING);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), runner), -ECANCELED);
    assert_int_equal(exec_check(&ex), 0);
    exec_stop(&ex);                         /* must not keep it from seeing that nothing can happen */
    assert_int_equal(exec_destroy(&ex, EXEC_NEVER), -ETIMEDOUT);
    gate_open(&g, 0);
    assert_int_equal(exec_destroy(&ex, 0), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    trace_reset();
}

typedef struct { EXEC_FRAME; gate *gate; int *statuses; exec_group crew; exec_future *more; } spawns_in_cleanup;
EXEC_ASYNC(spawns_in_cleanup) {
    EXEC_BEGIN;
    EXEC_AWAIT(gate_wait(self->gate));
    EXEC_FINALLY;
    self->statuses[0] = EXEC_SPAWN(cx->exec, test_opts(), runner);
    self->statuses[1] = EXEC_GROUP_SPAWN(&self->crew, runner);
    EXEC_TRY(exec_group_join(&self->crew));
    trace("end");
    EXEC_END;
}
static void a_spawn_during_destroy_is_cancelled(void **state) {
    exec ex;
    gate g = { 0 };
    int statuses[2] = { 1, 1 };
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), spawns_in_cleanup, .gate = &g, .statuses = statuses), 0);
    exec_turn(&ex);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(1)), 0);
    expect_trace("end");
    assert_int_equal(statuses[0], -ECANCELED);
    assert_int_equal(statuses[1], -ECANCELED);
}

typedef struct { EXEC_FRAME; int *stop; } yields_for_ever;
EXEC_ASYNC(yields_for_ever) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_FINALLY;
    while (!*self->stop) EXEC_YIELD;
    EXEC_END;
}
static void destroy_gives_up_on_a_cleanup_that_yields_for_ever(void **state) {
    exec ex;
    int stop = 0;
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), yields_for_ever, .stop = &stop), 0);
    assert_int_equal(exec_destroy(&ex, 0), -ETIMEDOUT);
    stop = 1;
    assert_int_equal(exec_destroy(&ex, 0), 0);
}

#if !EXEC_NO_MALLOC
/* More tasks than turns that it waits for one which is stuck. */
static void destroy_ends_any_number_of_tasks(void **state) {
    enum { MANY_TASKS = EXEC__KILL_TURNS + 1 };
    exec ex;
    exec_config config = quiet_config();
    gate *gates = (gate *)calloc(MANY_TASKS, sizeof *gates);
    (void)state;
    assert_non_null(gates);
    config.tasks_per_turn = 1;
    assert_int_equal(exec_init(&ex, &config), 0);
    for (int i = 0; i < MANY_TASKS; i++) assert_int_equal(EXEC_SPAWN(&ex, NULL, waits, .gate = &gates[i]), 0);
    assert_int_equal(exec_destroy(&ex, 0), 0);
    free(gates);
}
#endif

static int64_t moving_clock(void *user) { (void)user; return hand.now += 1000; }

/* A deadline that is over, however long: no arithmetic overflows, and none is endless. */
static void destroy_with_a_negative_deadline(void **state) {
    exec_config config;
    exec ex;
    int stop = 0;
    (void)state;
    memset(&config, 0, sizeof config);
    config.clock = moving_clock;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), yields_for_ever, .stop = &stop), 0);
    alarm(60);
    assert_int_equal(exec_destroy(&ex, INT64_MIN), -ETIMEDOUT);
    alarm(0);
    stop = 1;
    assert_int_equal(exec_destroy(&ex, -1), 0);
}

/* ------------------------------------------------------------------------------------------ drivers */

/* A driver of deadlines in one list: the smallest that drives a virtual clock. */
typedef struct nap { exec_future fut; int64_t at; exec_task *task; struct nap *next; int started, over; } nap;
typedef struct { exec_driver driver; nap *first; int turns, detached; const char *name; } naps;
static naps *nap_driver;
static int64_t naps_deadline(exec_driver *d) {
    int64_t first = EXEC_NEVER;
    for (nap *n = ((naps *)(void *)d)->first; n; n = n->next) if (n->at < first) first = n->at;
    return first;
}
static void naps_turn(exec_driver *d) {
    naps *all = (naps *)(void *)d;
    nap **link = &all->first, *n;
    int64_t now = exec_now(d->exec);
    all->turns++;
    while ((n = *link) != NULL) {
        if (n->at > now) {
            link = &n->next;
            continue;
        }
        *link = n->next;
        n->over = 1;
        exec_wake(n->task);
    }
}
static void naps_detach(exec_driver *d) { trace(((naps *)(void *)d)->name); }
static void naps_dump(exec_driver *d) { exec_log(d->exec, "naps"); }
static int naps_check(exec_driver *d) { return ((naps *)(void *)d)->detached ? -EINVAL : 0; }
static const exec_driver_type naps_type = { "naps", naps_deadline, naps_turn, NULL, NULL, NULL, NULL, naps_dump,
                                            naps_check, naps_detach };
static exec_poll nap_poll(exec_cx *cx, exec_future *f) {
    nap *n = (nap *)(void *)f;
    if (n->over) return exec_ready(f, 0);
    if (exec_canceled(f)) {
        nap **link = &nap_driver->first;
        while (*link && *link != n) link = &(*link)->next;
        if (*link) *link = n->next;
        return exec_ready(f, -ECANCELED);
    }
    if (!n->started) {
        n->started = 1;
        n->task = cx->task;
        n->at += exec_now(cx->exec);
        n->next = nap_driver->first;
        nap_driver->first = n;
    }
    return exec_pending(cx, f);
}
static const exec_type nap_type = { nap_poll, NULL, NULL, "nap", "nap.c", 0, 0, 0 };
static exec_future *nap_for(nap *n, int64_t ns) {
    memset(n, 0, sizeof *n);
    exec_future_init(&n->fut, &nap_type);
    n->at = ns;
    return &n->fut;
}
static void open_naps(exec *ex, naps *d) {
    exec_config config = quiet_config();
    trace_reset();
    config.virtual_clock = 1;
    memset(d, 0, sizeof *d);
    d->name = "detached";
    nap_driver = d;
    assert_int_equal(exec_init(ex, &config), 0);
    assert_int_equal(exec_attach(ex, &d->driver, &naps_type), 0);
}

typedef struct { EXEC_FRAME; int64_t ns, clean_ns; nap nap; int id; } naps_then;
EXEC_ASYNC(naps_then) {
    EXEC_BEGIN;
    EXEC_TRY(nap_for(&self->nap, self->ns));
    trace_number("woke ", self->id);
    EXEC_FINALLY;
    if (self->clean_ns) {
        EXEC_AWAIT(nap_for(&self->nap, self->clean_ns));
        trace_number(EXEC_RESULT(&self->nap) == 0 ? "cleaned " : "cut ", self->id);
    }
    EXEC_END;
}
static void the_virtual_clock_jumps_from_deadline_to_deadline(void **state) {
    exec ex;
    naps d;
    (void)state;
    open_naps(&ex, &d);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), naps_then, .ns = EXEC_SEC(7200), .id = 2), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), naps_then, .ns = EXEC_SEC(3600), .id = 1), 0);
    traced_parks = 0;
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("woke 1 woke 2");
    assert_true(exec_now(&ex) == EXEC_SEC(7200));
    assert_int_equal(traced_parks, 0);
    assert_int_equal(exec_clock_advance(&ex, EXEC_SEC(1)), 0);
    assert_true(exec_now(&ex) == EXEC_SEC(7201));
    assert_int_equal(exec_clock_advance(&ex, -1), -EINVAL);
    assert_int_equal(exec_clock_advance(&ex, EXEC_NEVER), 0);
    assert_true(exec_now(&ex) == EXEC_NEVER);
    close_exec(&ex);
    expect_trace("detached");
    open_exec(&ex);
    assert_int_equal(exec_clock_advance(&ex, 1), -EINVAL);
    close_exec(&ex);
}

static void destroy_lets_cleanups_end_until_its_deadline(void **state) {
    exec ex;
    naps d;
    (void)state;
    open_naps(&ex, &d);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), naps_then, .ns = EXEC_SEC(9), .clean_ns = EXEC_SEC(5), .id = 1), 0);
    exec_turn(&ex);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(6)), 0);
    expect_trace("cleaned 1 detached");
    open_naps(&ex, &d);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), naps_then, .ns = EXEC_SEC(9), .clean_ns = EXEC_SEC(5), .id = 1), 0);
    exec_turn(&ex);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(3)), 0);
    expect_trace("cut 1 detached");
    open_naps(&ex, &d);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), naps_then, .ns = EXEC_SEC(9), .clean_ns = EXEC_SEC(5), .id = 1), 0);
    assert_int_equal(exec_destroy(&ex, EXEC_NEVER), 0);
    expect_trace("cleaned 1 detached");
}

static exec_port spare_port;
static int park_count;
static void count_parks(void) { park_count++; }
/* Somebody outside could act, but does not: the deadline of destroy holds on a virtual clock too. */
static void destroy_has_its_deadline_when_a_remote_is_out_and_the_clock_is_virtual(void **state) {
    exec ex;
    exec_config config = quiet_config();
    exec_remote remote;
    gate g = { .refuse = 1 };
    (void)state;
    config.virtual_clock = 1;
    if (EXEC_NO_MALLOC) config.port = &spare_port;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits, .gate = &g), 0);
    on_park = count_parks;
    park_count = 0;
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(2)), -ETIMEDOUT);
    on_park = NULL;
    assert_true(park_timeout == EXEC_SEC(2));
    assert_int_equal(park_count, 1);
    gate_open(&g, 0);
    assert_int_equal(exec_destroy(&ex, 0), 0);
    exec_remote_drop(&remote);
    trace_reset();
}

/* A driver that parks. */
typedef struct {
    exec_driver driver;
    unsigned waiting;
    int status, parks, looks;
    int64_t timeout;
    gate *opens;
    int after;
} parker;
static int parker_park(exec_driver *d, int64_t timeout_ns) {
    parker *p = (parker *)(void *)d;
    if (timeout_ns == 0) p->looks++;
    else p->parks++;
    p->timeout = timeout_ns;
    if (p->status < 0) return p->status;
    if (p->opens && p->parks + p->looks >= p->after) {
        gate_open(p->opens, p->parks + p->looks);
        p->waiting = 0;
    }
    return 0;
}
static unsigned parker_waiting(const exec_driver *d) { return ((const parker *)(const void *)d)->waiting; }
static int parker_fds(exec_driver *d, struct pollfd *fds, unsigned count) {
    (void)d;
    if (!fds) return -ENOSYS;                   /* no one descriptor stands for all three */
    for (unsigned i = 0; i < count && i < 3; i++) fds[i].fd = 7000 + (int)i;
    return 3;
}
static const exec_driver_type parker_type = { "parker", NULL, NULL, parker_park, parker_waiting, parker_fds, NULL, NULL,
                                              NULL, NULL };
static void open_parker(exec *ex, naps *d, parker *p) {
    memset(p, 0, sizeof *p);
    open_naps(ex, d);
    ex->config.virtual_clock = 0;
    assert_int_equal(exec_attach(ex, &p->driver, &parker_type), 0);
}

static void one_driver_parks_and_the_rest_take_turns(void **state) {
    exec ex;
    naps d;
    parker p, q;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    memset(&q, 0, sizeof q);
    open_parker(&ex, &d, &p);
    assert_int_equal(exec_attach(&ex, &q.driver, &parker_type), -EBUSY);
    assert_ptr_equal(exec_find_driver(&ex, &parker_type), &p.driver);
    assert_ptr_equal(exec_find_driver(&ex, &naps_type), &d.driver);
    assert_int_equal(exec_wake_fd(&ex), -1);
    /* nobody waits: no look */
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), runner, .left = 3), 0);
    ex.config.tasks_per_turn = 1;
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(p.looks, 0);
    p.waiting = 1;
    p.opens = &g;
    p.after = 3;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, waits, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 3);
    assert_int_equal(p.looks, 1);       /* before the first poll; then it parked */
    assert_int_equal(p.parks, 2);
    assert_true(p.timeout == EXEC_NEVER);
    trace_reset();
    close_exec(&ex);
}

static void the_error_of_a_wait_ends_the_run(void **state) {
    exec ex;
    naps d;
    parker p;
    gate g = { 0 };
    (void)state;
    open_parker(&ex, &d, &p);
    p.waiting = 1;
    p.status = -EIO;
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), -EIO);
    ex.config.spin_ns = 1;
    assert_int_equal(exec_run(&ex), -EIO);
    ex.config.spin_ns = 0;
    p.status = 0;
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    trace_reset();
    close_exec(&ex);
}

static void check_asks_the_drivers(void **state) {
    exec ex;
    naps d;
    (void)state;
    open_naps(&ex, &d);
    assert_int_equal(exec_check(&ex), 0);
    d.detached = 1;                     /* its check fails */
    assert_int_equal(exec_check(&ex), -EINVAL);
    d.detached = 0;
    trace_reset();
    close_exec(&ex);
}

static void check_counts_what_is_queued(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, waits, .gate = &g), 0);
    assert_int_equal(exec_turn(&ex), 1);
    assert_int_equal(exec_check(&ex), 0);
    h.task->strand.flags |= EXEC__T_QUEUED;     /* says so, and is in no queue */
    assert_int_equal(exec_check(&ex), -EINVAL);
    h.task->strand.flags &= (uint16_t)~EXEC__T_QUEUED;
    assert_int_equal(exec_check(&ex), 0);
    close_exec(&ex);
}

/* An embedder gets what the parker names: as many as there is room for; and how many there are. */
static void the_parker_says_what_to_watch(void **state) {
    exec_config config = quiet_config();
    struct pollfd fds[2] = { { -1, 0, 0 }, { -1, 0, 0 } };
    exec_port port;
    exec ex;
    parker p;
    (void)state;
    memset(&p, 0, sizeof p);
    config.port = &port;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_poll_fds(&ex, fds, 2), 1);            /* the default parker */
    assert_int_equal(fds[0].fd, exec_poll_fd(&ex));
    assert_int_equal(fds[0].events, POLLIN);
    assert_int_equal(fds[1].fd, -1);
    assert_int_equal(exec_poll_fds(&ex, NULL, 0), 1);
    assert_int_equal(exec_attach(&ex, &p.driver, &parker_type), 0);
    assert_int_equal(exec_poll_fds(&ex, fds, 2), 3);
    assert_int_equal(fds[0].fd, 7000);
    assert_int_equal(fds[1].fd, 7001);
    assert_int_equal(exec_poll_fds(&ex, NULL, 0), 3);
    assert_int_equal(exec_poll_fd(&ex), -ENOSYS);
    close_exec(&ex);
}

/* It parks and does nothing else: it is looked at, since it does not say that nobody waits. */
static void a_driver_may_have_nothing_but_park(void **state) {
    static const exec_driver_type bare_type = { "bare", NULL, NULL, parker_park, NULL, NULL, NULL, NULL, NULL, NULL };
    exec_config config = quiet_config();
    struct pollfd fd = { -1, 0, 0 };
    exec_port port;
    exec ex;
    parker p;
    (void)state;
    memset(&p, 0, sizeof p);
    config.port = &port;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_attach(&ex, &p.driver, &bare_type), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), runner), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(p.looks, 1);
    assert_int_equal(exec_poll_fds(&ex, &fd, 1), 1);
    assert_int_equal(fd.fd, exec_poll_fd(&ex));
    assert_true(fd.fd >= 0);
    log_text[0] = 0;
    exec_dump(&ex);
    assert_string_equal(log_text, "0 tasks\n");
    trace_reset();
    close_exec(&ex);
}

static void drivers_are_detached_last_first(void **state) {
    exec ex;
    naps a, b;
    static const exec_driver_type other_type = { "other", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, naps_detach };
    (void)state;
    open_naps(&ex, &a);
    a.name = "first";
    memset(&b, 0, sizeof b);
    b.name = "second";
    assert_int_equal(exec_attach(&ex, &b.driver, &other_type), 0);
    exec_turn(&ex);
    assert_int_equal(a.turns, 1);
    close_exec(&ex);
    expect_trace("second first");
}

/* ------------------------------------------------------------------------------------ clock and spin */

static int64_t ticking(void *user) {
    (void)user;
    return hand.now += 10;
}
static void spin_looks_so_long_before_it_parks(void **state) {
    exec ex;
    exec_config config = quiet_config();
    parker p;
    gate g = { 0 };
    (void)state;
    memset(&p, 0, sizeof p);
    config.clock = ticking;
    config.spin_ns = 1000;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_attach(&ex, &p.driver, &parker_type), 0);
    p.waiting = 1;
    p.opens = &g;
    p.after = 50;
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(p.parks, 0);
    assert_true(p.looks >= 50);
    /* past the span it parks */
    g.open = 0;
    p = (parker){ .driver = p.driver, .waiting = 1, .opens = &g, .after = 5000 };
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_true(p.parks > 0);
    /* for ever */
    ex.config.spin_ns = EXEC_NEVER;
    g.open = 0;
    p = (parker){ .driver = p.driver, .waiting = 1, .opens = &g, .after = 500 };
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(p.parks, 0);
    trace_reset();
    close_exec(&ex);
}

static gate *park_opens;
static void open_on_park(void) { gate_open(park_opens, 1); }
static void a_virtual_clock_does_not_spin(void **state) {
    exec ex;
    exec_config config = quiet_config();
    exec_remote remote;
    gate g = { 0 };
    (void)state;
    config.virtual_clock = 1;
    config.spin_ns = 1000;
    if (EXEC_NO_MALLOC) config.port = &spare_port;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits, .gate = &g), 0);
    park_opens = &g;
    on_park = open_on_park;
    assert_int_equal(exec_run(&ex), 0);
    on_park = NULL;
    exec_remote_drop(&remote);
    trace_reset();
    close_exec(&ex);
}

static void the_default_parker_waits_until_the_deadline_or_says_why_not(void **state) {
    exec ex;
    exec_config config = quiet_config();
    naps d;
    (void)state;
    memset(&d, 0, sizeof d);
    d.name = "detached";
    nap_driver = &d;
    config.clock = hand_clock;
    hand.now = 5000;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_attach(&ex, &d.driver, &naps_type), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), naps_then, .ns = 1500000000), 0);
    park_error = EINVAL;
    assert_int_equal(exec_run(&ex), -EINVAL);
    assert_true(park_timeout == 1500000000);
    park_error = EINTR;
    hand.now += 1499999999;
    {
        exec_config *c = &ex.config;
        c->clock = ticking;         /* each look at the clock is 10 ns */
    }
    assert_int_equal(exec_run(&ex), 0);
    park_error = 0;
    trace_reset();
    close_exec(&ex);
}

static void wrong_configs_are_refused(void **state) {
    exec ex;
    exec_config config;
    (void)state;
    memset(&config, 0, sizeof config);
    config.spin_ns = -1;
    assert_int_equal(exec_init(&ex, &config), -EINVAL);
    config.spin_ns = 0;
    config.cleanup_ns = -1;
    assert_int_equal(exec_init(&ex, &config), -EINVAL);
    config.cleanup_ns = 0;
    config.stall_ns = -1;
    assert_int_equal(exec_init(&ex, &config), -EINVAL);
    config.stall_ns = 0;
    config.virtual_clock = 1;
    config.clock = (int64_t (*)(void *))1;
    assert_int_equal(exec_init(&ex, &config), -EINVAL);
    memset(&config, 0, sizeof config);
#if !EXEC_NO_MALLOC
    config.stall_ns = 0;
    config.allocate = (void *(*)(void *, size_t, size_t))1;
    assert_int_equal(exec_init(&ex, &config), -EINVAL);
#endif
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_null(exec_user(&ex));
    assert_int_equal(exec_destroy(&ex, 0), 0);
}

/* ------------------------------------------------------------------------------- reports and hooks */

static exec_failure last_failure;
static int failures;
static void on_failed(exec *ex, const exec_failure *f) {
    assert_ptr_equal(exec_user(ex), &failures);
    last_failure = *f;
    failures++;
}
typedef struct { EXEC_FRAME; intptr_t with; exec_group crew; gate *gate; exec_handle h; exec_handle_op join; } fails;
EXEC_ASYNC(fails) {
    EXEC_BEGIN;
    EXEC_YIELD;
    if (self->gate) EXEC_AWAIT(gate_wait(self->gate));
    EXEC_RETURN(self->with);
    EXEC_END;
}
typedef struct { EXEC_FRAME; exec_group crew; } group_of_failure;
EXEC_ASYNC(group_of_failure) {
    EXEC_BEGIN;
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), fails, .with = -EIO);
    EXEC_AWAIT(exec_group_join(&self->crew));
    EXEC_END;
}
static void the_failed_hook_hears_of_detached_tasks_only(void **state) {
    exec ex;
    exec_config config = quiet_config();
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    config.failed = on_failed;
    config.user = &failures;
    failures = 0;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), fails, .with = 3), 0);            /* no failure */
    assert_int_equal(EXEC_SPAWN(&ex, &opts, fails, .with = -EIO), 0);               /* has a handle */
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), group_of_failure), 0);            /* in a group */
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, fails, .gate = &g, .with = -EIO), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);                                     /* cancelled */
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(failures, 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), fails, .with = -EPIPE), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(failures, 1);
    assert_int_equal(last_failure.result, -EPIPE);
    assert_string_equal(last_failure.name, "fails");
    assert_string_equal(last_failure.file, TYPE_FILE);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, fails, .with = -EIO), 0);
    exec_handle_detach(&h);                                                         /* detached later */
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(failures, 2);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), fails, .gate = &g), 0);
    exec_turn(&ex);
    close_exec(&ex);                                                                /* detached and cancelled */
    assert_int_equal(failures, 2);
}

static void without_a_hook_a_failure_is_a_line_of_the_log(void **state) {
    exec ex;
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), fails, .with = -EPIPE), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_string_equal(log_text, EXEC_SMALL ? "exec: a detached task failed\n"
                                             : "exec: detached task fails failed: -32 the other side has gone\n");
    close_exec(&ex);
}

/* The slot of the failed task is free already, and the new task is another one. */
static exec_pool *respawn_pool;
static void respawn(exec *ex, const exec_failure *f) {
    exec_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.pool = respawn_pool;
    assert_int_equal(f->result, -EIO);
    assert_int_equal(EXEC_SPAWN(ex, &opts, fails, .with = ++failures < 5 ? -EIO : 0), 0);
}
/* Killed in its cleanup while it is queued, it gives its handle away and fails: in the hook the storage is free. */
typedef struct { EXEC_FRAME; gate *gate; exec_handle *own; } fails_when_killed;
EXEC_ASYNC(fails_when_killed) {
    EXEC_BEGIN;
    EXEC_FINALLY;
    EXEC_AWAIT(gate_wait(self->gate));
    if (self->own) exec_handle_detach(self->own);
    if (self->own) EXEC_RETURN(-EIO);
    EXEC_END;
}
static exec_opts respawn_opts;
static gate respawn_gate;
static void respawn_in_storage(exec *ex, const exec_failure *f) {
    failures++;
    assert_int_equal(f->result, -EIO);
    assert_int_equal(EXEC_SPAWN(ex, &respawn_opts, fails_when_killed, .gate = &respawn_gate), 0);
}
static void the_failed_hook_may_spawn_into_the_free_storage(void **state) {
    static EXEC_SLOT(fails_when_killed) slot;
    exec ex;
    exec_config config = quiet_config();
    exec_handle h;
    exec_opts opts = { .storage = &slot, .storage_bytes = sizeof slot, .handle = &h };
    gate g = { 0 };
    (void)state;
    config.failed = respawn_in_storage;
    failures = 0;
    respawn_opts = opts;
    respawn_opts.handle = NULL;
    memset(&respawn_gate, 0, sizeof respawn_gate);
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, fails_when_killed, .gate = &g, .own = &h), 0);
    exec_turn(&ex);
    exec_wake(h.task);
    assert_int_equal(exec_handle_kill(&h), 0);
    assert_int_equal(failures, 1);
    assert_int_equal(exec_check(&ex), 0);
    exec_turn(&ex);
    assert_int_equal(respawn_gate.polls, 1);
    gate_open(&respawn_gate, 0);
    assert_int_equal(exec_run(&ex), 0);
    close_exec(&ex);
}
static void the_failed_hook_may_spawn_into_the_free_slot(void **state) {
    static EXEC_SLOT(fails) slots[1];
    exec ex;
    exec_config config = quiet_config();
    exec_pool pool;
    exec_opts opts = { .pool = &pool };
    (void)state;
    config.failed = respawn;
    failures = 0;
    respawn_pool = &pool;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(exec_pool_init(&pool, slots, sizeof slots, sizeof *slots), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, fails, .with = -EIO), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(failures, 5);
    assert_int_equal(stats(&ex).completed, 6);
    close_exec(&ex);
}

static int dump_lines[3];
typedef struct { EXEC_FRAME; gate *gate; } dumped_leaf;
EXEC_ASYNC(dumped_leaf) {
    EXEC_BEGIN;
    dump_lines[0] = __LINE__; EXEC_AWAIT(gate_wait(self->gate));
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *a, *b; dumped_leaf leaf; exec_select_op sel; } dumped_middle;
EXEC_ASYNC(dumped_middle) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_FINALLY;
    (void)!EXEC_CALL(&self->leaf, dumped_leaf, .gate = self->b);
    dump_lines[1] = __LINE__; EXEC_AWAIT(exec_select(&self->sel, gate_wait(self->a), &self->leaf.fut));
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *a, *b; dumped_middle middle; } dumped_root;
EXEC_ASYNC(dumped_root) {
    EXEC_BEGIN;
    dump_lines[2] = __LINE__; EXEC_AWAIT(EXEC_CALL(&self->middle, dumped_middle, .a = self->a, .b = self->b));
    EXEC_END;
}
static void dump_prints_the_await_chain_of_each_task(void **state) {
    exec ex;
    naps d;
    gate a = { 0 }, b = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    char expected[2048];
    (void)state;
    open_naps(&ex, &d);
    opts.name = "the one";
    assert_int_equal(EXEC_SPAWN(&ex, &opts, dumped_root, .a = &a, .b = &b), 0);
    exec_turn(&ex);
    log_text[0] = 0;
    exec_dump(&ex);
    snprintf(expected, sizeof expected,
             "1 tasks\n"
             "task dumped_root \"the one\" idle\n"
             "  select\n"
             "    gate polled 1 times\n"
             "    gate polled 1 times\n"
             "    dumped_leaf %s:%d\n"
             "  dumped_middle %s:%d (in its cleanup)\n"
             "  dumped_root %s:%d\n"
             "naps\n", TYPE_FILE, dump_lines[0], TYPE_FILE, dump_lines[1], TYPE_FILE, dump_lines[2]);
    assert_string_equal(log_text, expected);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), runner), 0);
    log_text[0] = 0;
    exec_dump(&ex);
    assert_non_null(strstr(log_text, "2 tasks\ntask dumped_root \"the one\" cancelling\n"));
    assert_non_null(strstr(log_text, "task runner scheduled\n"));
    gate_open(&a, 0);
    assert_int_equal(exec_run(&ex), 0);
    log_text[0] = 0;
    exec_dump(&ex);
    assert_string_equal(log_text, "0 tasks\nnaps\n");
    trace_reset();
    close_exec(&ex);
}

static exec_poll nameless_poll(exec_cx *cx, exec_future *f) {
    return exec_canceled(f) ? exec_ready(f, -ECANCELED) : exec_pending(cx, f);
}
static const exec_type nameless_type = { nameless_poll, NULL, NULL, NULL, NULL, 0, 0, 0 };
typedef struct { EXEC_FRAME; exec_future leaf; } awaits_nameless;
EXEC_ASYNC(awaits_nameless) {
    EXEC_BEGIN;
    exec_future_init(&self->leaf, &nameless_type);
    EXEC_AWAIT(&self->leaf);
    EXEC_END;
}
static void dump_shows_a_future_whose_type_has_no_name(void **state) {
    exec ex;
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), awaits_nameless), 0);
    exec_turn(&ex);
    log_text[0] = 0;
    exec_dump(&ex);
    assert_non_null(strstr(log_text, "task awaits_nameless idle\n  ?\n  awaits_nameless "));
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; exec_handle *of; exec_handle_op op; } dumped_joiner;
EXEC_ASYNC(dumped_joiner) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_handle_join(&self->op, self->of));
    EXEC_END;
}
static void dump_names_whom_a_join_waits_for(void **state) {
    exec ex;
    gate g[2];
    exec_handle h[2];
    (void)state;
    NEEDS_WORDS();
    memset(g, 0, sizeof g);
    open_exec(&ex);
    for (int i = 0; i < 2; i++) {
        exec_opts opts = test_opts_handle(&h[i]);
        if (i == 1) opts.name = "the one";
        assert_int_equal(EXEC_SPAWN(&ex, &opts, waits, .gate = &g[i]), 0);
        assert_int_equal(EXEC_SPAWN(&ex, test_opts(), dumped_joiner, .of = &h[i]), 0);
    }
    exec_turn(&ex);
    log_text[0] = 0;
    exec_dump(&ex);
    assert_non_null(strstr(log_text, "task dumped_joiner idle\n  handle_join \n  dumped_joiner"));
    assert_non_null(strstr(log_text, "task dumped_joiner idle\n  handle_join the one\n  dumped_joiner"));
    for (int i = 0; i < 2; i++) gate_open(&g[i], 0);
    assert_int_equal(exec_run(&ex), 0);
    trace_reset();
    close_exec(&ex);
}

/* A line holds 239 characters, what a future says of itself 95. */
static void dump_cuts_what_is_too_long(void **state) {
    static char name[400], expected[1024];
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    NEEDS_WORDS();
    memset(name, 'n', sizeof name - 1);
    opts.name = name;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, waits, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), dumped_joiner, .of = &h), 0);
    exec_turn(&ex);
    log_text[0] = 0;
    exec_dump(&ex);
    snprintf(expected, sizeof expected, "\ntask waits \"%.*s\n", 239 - (int)strlen("task waits \""), name);
    assert_non_null(strstr(log_text, expected));
    snprintf(expected, sizeof expected, "\n  handle_join %.95s\n", name);
    assert_non_null(strstr(log_text, expected));
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    trace_reset();
    close_exec(&ex);
}

static void stats_and_trace_hooks_count(void **state) {
    exec ex;
    gate g = { 0 };
    exec_counters c;
    (void)state;
    traced_spawns = traced_wakes = traced_polls = traced_ends = traced_parks = 0;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), runner, .left = 2), 0);
    exec_turn(&ex);
    gate_nudge(&g);
    exec_turn(&ex);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    c = stats(&ex);
    assert_int_equal(c.spawned, 2);
    assert_int_equal(c.completed, 2);
    assert_int_equal(c.polls, 1 + 3 + 1 + 1);
    assert_int_equal(c.turns, 3);
    assert_int_equal(c.parks, 0);
    assert_int_equal(c.cross_wakes, 0);
    assert_int_equal(c.tasks, 0);
    assert_int_equal(traced_spawns, 2);
    assert_int_equal(traced_ends, 2);
    assert_int_equal(traced_polls, c.polls);
    assert_int_equal(traced_wakes, c.wakes);
    assert_true(c.wakes >= 4);
    assert_int_equal(traced_parks, 0);
    trace_reset();
    close_exec(&ex);
}

/* h[0] is the handle of the first of three tasks. */
static void corrupt(exec *ex, exec_handle *h, int kind) {
    static exec_store other;
    exec_task *t = h[0].task;
    switch (kind) {
    case 0: t->next = t; break;                 /* a ring that does not come back to its last */
    case 1: t->list.next = &t->list; break;
    case 2: t->list.prev = &t->list; break;
    case 3: t->observers = &h[1]; break;
    case 4: ex->counters.tasks++; break;
    case 5: h[0].task = h[1].task; break;
    case 6: t->store = &other; break;
    case 7: t->strand.flags ^= EXEC__T_CANCELLING; break;
    case 8: t->strand.leaf = NULL; break;
    case 9: t->strand.leaf->flags |= EXEC__F_DONE; break;
    case 10: h[0].link = &h[1].next; break;
    default: t->strand.flags ^= EXEC__T_QUEUED;
    }
}

static void check_finds_a_corrupted_list(void **state) {
    exec ex;
    gate g[3];
    exec_handle h[3];
    (void)state;
    memset(g, 0, sizeof g);
    open_exec(&ex);
    for (int i = 0; i < 3; i++) {
        exec_opts opts = test_opts_handle(&h[i]);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, waits, .gate = &g[i]), 0);
    }
    assert_int_equal(exec_check(&ex), 0);
    for (int kind = 0; kind < 12; kind++) {
        exec_task *t = h[0].task, whole = *t;
        exec_handle **link = h[0].link;
        exec_future *leaf = t->strand.leaf, leaf_was = *leaf;
        log_text[0] = 0;
        corrupt(&ex, h, kind);
        assert_int_equal(exec_check(&ex), -EINVAL);
        assert_string_equal(log_text, "exec: exec_check found a list or a count that does not hold\n");
        *t = whole;
        *leaf = leaf_was;
        h[0].link = link;
        if (kind == 4) ex.counters.tasks--;
        h[0].task = t;
        assert_int_equal(exec_check(&ex), 0);
    }
    close_exec(&ex);
    trace_reset();
}

typedef struct { EXEC_FRAME; int64_t first, second; } slow_task;
EXEC_ASYNC(slow_task) {
    EXEC_BEGIN;
    hand.now += self->first;
    EXEC_YIELD;
    hand.now += self->second;
    EXEC_END;
}
static void a_poll_over_stall_ns_is_reported(void **state) {
    exec ex;
    exec_config config = quiet_config();
    (void)state;
    config.clock = hand_clock;
    config.stall_ns = EXEC_MS(10);
    hand.now = 0;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), slow_task, .first = EXEC_MS(10), .second = EXEC_MS(12)), 0);
    ex.config.tasks_per_turn = 1;
    exec_turn(&ex);
    assert_string_equal(log_text, "");
    assert_int_equal(exec_run(&ex), 0);
    expect_words(log_text, "exec: a poll of slow_task took 12000 us, last at:");
    expect_words(log_text, "test_executor.c:");
    if (EXEC_SMALL) assert_string_equal(log_text, "exec: a poll took longer than stall_ns\n");
    assert_true(stats(&ex).longest_turn_ns == EXEC_MS(12));
    close_exec(&ex);
}

/* Of what the library itself says, and of what the system says to the calls that it makes. */
static void each_error_has_one_text_of_its_own(void **state) {
    static const int errors[] = {
        EINVAL, ENOMEM, EBUSY, EALREADY, ECANCELED, EDEADLK, ESRCH, ENOSYS, ENODATA, ETIMEDOUT, EDQUOT,
        EMFILE, ENFILE, ENOSPC, EBADF, EPERM, ENOENT, EEXIST, EAGAIN, EINTR, EIO, EPIPE,
        EACCES, EADDRINUSE, EADDRNOTAVAIL, EROFS, ELOOP, ENOTDIR, ENAMETOOLONG,                    /* bind */
        EAFNOSUPPORT, EPROTONOSUPPORT, ENOPROTOOPT, EOPNOTSUPP, ENOTSOCK, ENOBUFS,                 /* socket */
        ECONNREFUSED, ECONNRESET, ECONNABORTED, EISCONN, ENOTCONN, EPROTO, EPROTOTYPE,             /* connect */
        ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, EDESTADDRREQ, EMSGSIZE, ETOOMANYREFS,      /* send */
        EISDIR, EFBIG, EFAULT, ESPIPE, EOVERFLOW, ENXIO,                                           /* files */
        E2BIG, ENOEXEC, ETXTBSY, ECHILD                                                            /* children */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(errors); i++) assert_null(strstr(exec_strerror(-errors[i]), "errno(3)"));
    for (size_t i = 0; i < COUNT(exec__errors); i++)
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(exec__errors[i], exec__errors[k]);
            assert_string_not_equal(exec_strerror(exec__errors[i]), exec_strerror(exec__errors[k]));
        }
}

static void texts_and_versions(void **state) {
    (void)state;
    assert_string_equal(exec_strerror(0), "success");
    assert_string_equal(exec_strerror(-EPIPE), exec_strerror(EPIPE));
    assert_string_equal(exec_strerror(-EDEADLK), "it would wait for ever");
    assert_string_equal(exec_strerror(-ECANCELED), "cancelled");
    assert_non_null(strstr(exec_strerror(-12345), "errno(3)"));
    assert_non_null(strstr(exec_strerror(INTPTR_MIN), "errno(3)"));
    assert_int_equal(exec_version(), EXEC_VERSION);
    assert_int_equal(EXEC_VERSION, EXEC_VERSION_MAJOR * 10000 + EXEC_VERSION_MINOR * 100 + EXEC_VERSION_PATCH);
    {
        char text[32];
        snprintf(text, sizeof text, "%d.%d.%d", EXEC_VERSION_MAJOR, EXEC_VERSION_MINOR, EXEC_VERSION_PATCH);
        assert_string_equal(text, EXEC_VERSION_STRING);
    }
    assert_true(EXEC_US(3) == 3000 && EXEC_MS(3) == 3000000 && EXEC_SEC(3) == 3000000000);
}

static void assert_by_hand(void) { EXEC_ASSERT(1 + 1 == 3, "sums are sums"); }
static void log_to_stderr(void) {
    exec ex;
    exec_init(&ex, NULL);
    exec_log(&ex, "a line to stderr");
    abort();
}
static void asserts_and_the_default_log_go_to_stderr(void **state) {
    char said[64];
    (void)state;
    dies_saying(assert_by_hand, ": sums are sums\n");
    dies_saying(assert_by_hand, "test_executor.c:");
    hear_it_die(log_to_stderr, said, sizeof said);
    assert_memory_equal(said, "a line to stderr\n", 17);       /* an emulator says more */
}

#if EXEC_DEBUG
typedef struct { EXEC_FRAME; exec_future *f; } awaits_raw;
EXEC_ASYNC(awaits_raw) {
    EXEC_BEGIN;
    EXEC_AWAIT(self->f);
    EXEC_END;
}
static void await_twice(void) {
    exec ex;
    gate g = { 0 };
    open_exec(&ex);
    if (EXEC_SPAWN(&ex, test_opts(), awaits_raw, .f = gate_wait(&g)) < 0) return;
    if (EXEC_SPAWN(&ex, test_opts(), awaits_raw, .f = &g.fut) < 0) return;
    exec_turn(&ex);
}
static void await_unprepared(void) {
    exec ex;
    gate g = { 0 };
    open_exec(&ex);
    if (EXEC_SPAWN(&ex, test_opts(), awaits_raw, .f = &g.fut) < 0) return;
    exec_turn(&ex);
}
static void await_of_a_branch(void) {
    exec ex;
    gate g = { 0 };
    exec_strand strand;
    open_exec(&ex);
    exec_strand_init(&strand, gate_wait(&g));
    if (EXEC_SPAWN(&ex, test_opts(), awaits_raw, .f = &g.fut) < 0) return;
    exec_turn(&ex);
}
static void poll_outside_a_task(void) {
    exec ex;
    gate g = { 0 };
    awaits_raw frame;
    open_exec(&ex);
    memset(&frame, 0, sizeof frame);
    exec_future_init(&frame.fut, &exec__type_awaits_raw);
    frame.f = gate_wait(&g);
    (void)!frame.fut.type->poll(&ex.cx, &frame.fut);
}
static void wrong_awaits_say_so_in_debug_builds(void **state) {
    (void)state;
    dies_saying(poll_outside_a_task, "a poll outside a task: spawn it, or exec_run_until");
    dies_saying(await_twice, "an await of a future that another one awaits already");
    dies_saying(await_unprepared, "an await of a future that was not prepared");
    dies_saying(await_of_a_branch, "an await of a future that is a branch or a task: join it");
}
#endif

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ready_tasks_run_in_fifo_order),
    cmocka_unit_test(trap_01_leftovers_run_first),
    cmocka_unit_test(trap_01_self_waking_tasks_progress_equally),
    cmocka_unit_test(trap_16_a_wake_during_a_poll_polls_again),
    cmocka_unit_test(trap_10_abort_is_constant_with_a_million_ready_tasks),
    cmocka_unit_test(run_returns_0_or_1_or_says_deadlock),
    cmocka_unit_test(trap_07_several_executors_on_one_thread),
    cmocka_unit_test(trap_07_a_run_of_an_outer_executor_is_a_deadlock),
    cmocka_unit_test(run_until_gives_the_result_and_cancels_on_every_other_way_out),
    cmocka_unit_test(run_until_a_leaf_that_never_ends_says_so),
    cmocka_unit_test(a_parentless_future_says_so),
    cmocka_unit_test(trap_03_destroy_ends_the_tasks_before_their_storage_goes),
    cmocka_unit_test(destroy_times_out_when_a_leaf_refuses_and_may_be_called_again),
    cmocka_unit_test(a_spawn_during_destroy_is_cancelled),
    cmocka_unit_test(destroy_gives_up_on_a_cleanup_that_yields_for_ever),
#if !EXEC_NO_MALLOC
    cmocka_unit_test(destroy_ends_any_number_of_tasks),
#endif
    cmocka_unit_test(destroy_with_a_negative_deadline),
    cmocka_unit_test(the_virtual_clock_jumps_from_deadline_to_deadline),
    cmocka_unit_test(destroy_lets_cleanups_end_until_its_deadline),
    cmocka_unit_test(destroy_has_its_deadline_when_a_remote_is_out_and_the_clock_is_virtual),
    cmocka_unit_test(one_driver_parks_and_the_rest_take_turns),
    cmocka_unit_test(the_error_of_a_wait_ends_the_run),
    cmocka_unit_test(check_asks_the_drivers),
    cmocka_unit_test(check_counts_what_is_queued),
    cmocka_unit_test(the_parker_says_what_to_watch),
    cmocka_unit_test(a_driver_may_have_nothing_but_park),
    cmocka_unit_test(drivers_are_detached_last_first),
    cmocka_unit_test(spin_looks_so_long_before_it_parks),
    cmocka_unit_test(a_virtual_clock_does_not_spin),
    cmocka_unit_test(the_default_parker_waits_until_the_deadline_or_says_why_not),
    cmocka_unit_test(wrong_configs_are_refused),
    cmocka_unit_test(the_failed_hook_hears_of_detached_tasks_only),
    cmocka_unit_test(without_a_hook_a_failure_is_a_line_of_the_log),
    cmocka_unit_test(the_failed_hook_may_spawn_into_the_free_slot),
    cmocka_unit_test(the_failed_hook_may_spawn_into_the_free_storage),
    cmocka_unit_test(dump_prints_the_await_chain_of_each_task),
    cmocka_unit_test(dump_shows_a_future_whose_type_has_no_name),
    cmocka_unit_test(dump_names_whom_a_join_waits_for),
    cmocka_unit_test(dump_cuts_what_is_too_long),
    cmocka_unit_test(stats_and_trace_hooks_count),
    cmocka_unit_test(check_finds_a_corrupted_list),
    cmocka_unit_test(a_poll_over_stall_ns_is_reported),
    cmocka_unit_test(each_error_has_one_text_of_its_own),
    cmocka_unit_test(texts_and_versions),
    cmocka_unit_test(asserts_and_the_default_log_go_to_stderr),
#if EXEC_DEBUG
    cmocka_unit_test(wrong_awaits_say_so_in_debug_builds),
#endif
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
