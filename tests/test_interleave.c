/* SPDX-License-Identifier: MIT
 * The wake protocol of the real code in all interleavings up to a bound: an owner and one or two pushers are
 * real threads of which one runs at a time. Each atomic instruction and each call of the protocol is a step,
 * before which (of those that hand something over: after which too) another thread may go on instead. All ways are
 * tried, depth first, that take a thread off while it could go on, or end a wait without cause, at most so often
 * together. A failure prints its schedule: the letters of who was chosen where there was a choice;
 *     EXEC_TEST_SCHEDULE=oaoob build/gcc/test_interleave     runs each test in that order alone
 * The faults of tests/model/wake.pml, put in at those steps, must be found.
 * Without a heap the blocks of a schedule are the caller's: given up when nothing refers to them, never released.
 * not with: EXEC_NO_THREADS. */

/* Each step of the protocol comes by here. What exec.h defines later is void * so far. */
struct pollfd;
struct timespec;
static void step(const char *function, const void *p);
static void swaps(const void *p);
__attribute__((noinline)) static int cas_is_broken(void *p, void *expected, void *to);     /* of heads and flags alike */
static int cas_result;
static int is_over(const void *task);
static void ends(const void *task);
static void parks(int done, const void *to);
static int fake_open(void);
static int fake_pipe(int ends[2]);
static int fake_fcntl(int fd, int command, ...);
static int fake_close(int fd);
static long fake_read(int fd, void *to, unsigned long bytes);
static long fake_write(int fd, const void *from, unsigned long bytes);
static int fake_wait(struct pollfd *fds, unsigned long count, const struct timespec *timeout);

#define EXEC__LOAD(p) (step(__func__, p), __atomic_load_n(p, __ATOMIC_ACQUIRE))
#define EXEC__STORE(p, v) (step(__func__, p), __atomic_store_n(p, v, __ATOMIC_RELEASE), \
    parks(1, (void *)(uintptr_t)(v)), step(__func__, NULL))     /* (nothing parks by a store) */
#define EXEC__ADD(p, n) (step(__func__, p), __atomic_fetch_add(p, n, __ATOMIC_RELAXED))
#define EXEC__SUB(p, n) (step(__func__, p), __atomic_fetch_sub(p, n, __ATOMIC_ACQ_REL))
#define EXEC__OR(p, bits) (step(__func__, p), (void)__atomic_fetch_or(p, bits, __ATOMIC_ACQ_REL))
/* And after what hands something over: plain stores and loads that come too late are seen. */
#define EXEC__SWAP(p, v) __extension__ ({ \
    __typeof__(v) was_; \
    step(__func__, p); \
    swaps(p); \
    was_ = __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL); \
    step(__func__, NULL); \
    was_; })
#define EXEC__CAS(p, e, v) __extension__ ({ \
    int done_; \
    step(__func__, p); \
    done_ = cas_is_broken(p, e, (void *)(uintptr_t)(v)) ? cas_result : \
        (int)__atomic_compare_exchange_n(p, e, v, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE); \
    parks(done_, (void *)(uintptr_t)(v)); \
    step(__func__, NULL); \
    done_; })
#define EXEC_TRACE_WAKE(task) do { if (is_over(task)) return; } while (0)   /* else what follows is undefined */
#define EXEC_TRACE_END(task, result) ends(task)
#define EXEC_SYS_EVENTFD(value, flags) fake_open()
#define EXEC_SYS_PIPE fake_pipe
#define EXEC_SYS_FCNTL fake_fcntl
#define EXEC_SYS_CLOSE fake_close
#define EXEC_SYS_READ fake_read
#define EXEC_SYS_WRITE fake_write
#define EXEC_SYS_PPOLL fake_wait
#include "test.h"

#include <pthread.h>
#include <semaphore.h>

enum { OWNER, THREADS = 3, PUSHERS = 2, WAKES = 2, DECISIONS = 2048, BLOCKS = 8, WAKE_FD = 100000 };
enum { NO_FAULT, FAULT_PARK, FAULT_QUEUED, FAULT_SIGNAL, FAULT_DROP, FAULT_OVER };
enum { CAN_RUN, WAITS, FINISHED };

/* ------------------------------------------------------------------------------------ the scheduler */

typedef struct { unsigned char chosen, can, current, free, spent; } decision;   /* threads; bits of them */
typedef struct { union { long long aligned; unsigned char bytes[256]; }; int released; } block;
typedef struct scenario {
    const char *name;
    unsigned pushers, tasks;
    void (*own)(void);
    void (*push)(unsigned me);
} scenario;

static struct {
    sem_t go[THREADS];
    pthread_t thread[THREADS];
    int state[THREADS];
    int on, quit;
    const scenario *scenario;
    int fault;
    unsigned bound, spent;                  /* switches, and waits ended without cause: at most, by now */
    decision path[DECISIONS];
    unsigned length, prefix;
    const char *failed;                     /* what went wrong, the first time */
    char schedule[DECISIONS + 1];
    unsigned long steps;
} run;
static __thread unsigned me;

/* What a schedule works on. */
static struct {
    exec ex;
    exec_handle handles[PUSHERS];
    const void *over[PUSHERS];
    exec_waker wakers[THREADS];
    exec_remote remotes[THREADS];
    exec_post post;
    exec_oneshot *oneshot;
    intptr_t got, kept;
    int sent, closed;                       /* the results of send and close */
    unsigned said[THREADS], seen[THREADS], posted[3], ran[3];
    unsigned event, parks, writes, causeless;
    int open;
    uint8_t *late;                          /* FAULT_QUEUED: what has not reached memory */
    exec_cell *stale;                       /* FAULT_OVER */
    exec_task *stale_task;
    unsigned blocks;
    exec_cell *cells[PUSHERS];              /* without a heap */
    exec_port *port;
    unsigned cell_count;
} world;
static block memory[BLOCKS];

static void failed(const char *what) {
    if (run.failed) return;
    run.failed = what;
    for (unsigned i = 0; i < run.length; i++) run.schedule[i] = "oab"[run.path[i].chosen];
    run.schedule[run.length] = 0;
}

static unsigned bit(unsigned thread) { return 1u << thread; }

/* Who could go on: with cause, and without. */
static unsigned with_cause(void) {
    unsigned can = 0;
    for (unsigned i = 0; i <= run.scenario->pushers; i++)
        if (run.state[i] == CAN_RUN || (run.state[i] == WAITS && (world.event || run.failed))) can |= bit(i);
    return can;
}

static unsigned spends(const decision *d, unsigned choice) {
    return (d->can & bit(d->current) && choice != d->current) || !(d->free & bit(choice));
}

/* The order of the alternatives: who runs, then the others from the first. */
static int alternative(const decision *d, unsigned n) {
    if (d->can & bit(d->current)) {
        if (n == 0) return (int)d->current;
        n--;
    }
    for (unsigned i = 0; i < THREADS; i++)
        if (d->can & bit(i) && i != d->current && n-- == 0) return (int)i;
    return -1;
}

/* Who goes on now. */
static unsigned choose(void) {
    decision *d = &run.path[run.length];
    unsigned free = with_cause();
    if (!free) {
        failed("a wake is lost: all wait");
        return OWNER;
    }
    d->can = d->free = (unsigned char)free;
    if (run.state[OWNER] == WAITS && !world.causeless && !run.failed) d->can = (unsigned char)(free | bit(OWNER));
    d->current = (unsigned char)me;
    if (run.failed || (d->can & (d->can - 1)) == 0) return (unsigned)alternative(d, 0);
    if (run.length + 1 >= DECISIONS) {
        failed("a schedule has no end");
        return (unsigned)alternative(d, 0);
    }
    d->spent = (unsigned char)run.spent;
    if (run.length >= run.prefix || !(d->can & bit(d->chosen))) d->chosen = (unsigned char)alternative(d, 0);
    run.spent += spends(d, d->chosen);
    run.length++;
    return d->chosen;
}

static void wait_for_turn(unsigned thread) { while (sem_wait(&run.go[thread]) < 0) continue; }

static void let(unsigned thread) {
    unsigned self = me;
    if (thread == self) return;
    sem_post(&run.go[thread]);
    wait_for_turn(self);
}

/* This thread is through: the next one goes on, at last the owner. */
static void finish(void) {
    run.state[me] = FINISHED;
    for (unsigned i = 0; i <= run.scenario->pushers; i++)
        if (run.state[i] != FINISHED) {
            unsigned next = choose();
            if (me != OWNER) sem_post(&run.go[next]);
            else let(next);
            return;
        }
    if (me != OWNER) sem_post(&run.go[OWNER]);
}

static void *pusher(void *arg) {
    me = (unsigned)(uintptr_t)arg;
    for (;;) {
        wait_for_turn(me);
        if (run.quit) return NULL;
        run.scenario->push(me);
        finish();
    }
}

/* Sets the prefix for the next schedule. 0: all were tried. */
static int next_schedule(void) {
    while (run.length > 0) {
        decision *d = &run.path[run.length - 1];
        unsigned n = 0;
        int choice;
        while (alternative(d, n) != d->chosen) n++;
        while ((choice = alternative(d, ++n)) >= 0)
            if (d->spent + spends(d, (unsigned)choice) <= run.bound) {
                d->chosen = (unsigned char)choice;
                run.prefix = run.length;
                return 1;
            }
        run.length--;
    }
    return 0;
}

/* -------------------------------------------------------------------------------------- the steps */

static int is_released(const void *p) {
    const unsigned char *at = (const unsigned char *)p, *first = memory[0].bytes;
    if (at < first || at >= (const unsigned char *)(memory + BLOCKS)) return 0;
    return memory[(size_t)(at - first) / sizeof *memory].released;
}

/* FAULT_QUEUED: what the owner cleared is seen when it parks next. */
static void reach_memory(int now) {
    *world.late = !now;
    if (now) world.late = NULL;
}

static void step(const char *function, const void *p) {
    if (!run.on) return;
    run.steps++;
    if (world.late && me == OWNER) reach_memory(p && strcmp(function, "exec__replace_head") == 0);
    if (world.stale && p == &world.stale->references) world.stale->task = world.stale_task;
    let(choose());
    if (is_released(p)) failed("memory is used after it was freed");
}

static void swaps(const void *p) {
    if (!run.on || run.fault != FAULT_QUEUED || me != OWNER) return;
    for (unsigned i = 0; i < BLOCKS; i++) {
        exec_cell *cell = (exec_cell *)(void *)memory[i].bytes;
        if (p == &cell->queued) world.late = &cell->queued;
    }
}

/* Parks by a load and a store, or pushes by an exchange that goes by what the load saw. */
static int cas_is_broken(void *p, void *expected, void *to) {
    exec_cell **head = (exec_cell **)p, **saw = (exec_cell **)expected, *cell = (exec_cell *)to;
    if (!run.on || !world.ex.port || p != &world.ex.port->head) return 0;
    if (run.fault == FAULT_PARK && to == EXEC__PARKED) {
        exec_cell *now = *head;
        step(__func__, p);
        cas_result = now == *saw;
        if (cas_result) *head = cell;
        else *saw = now;
        return 1;
    }
    if (run.fault != FAULT_SIGNAL || me == OWNER || *head == EXEC__CLOSED) return 0;
    cell->next = *head == EXEC__PARKED ? NULL : *head;
    *head = cell;
    cas_result = 1;
    return 1;
}

static void ends(const void *task) {
    const exec_task *t = (const exec_task *)task;
    unsigned i = 0;
    while (world.over[i]) i++;
    world.over[i] = task;
    if (run.fault != FAULT_OVER || world.stale) return;
    world.stale = t->cell;
    world.stale_task = t->cell->task;
}

static int is_over(const void *task) {
    if (task != world.over[0] && task != world.over[1]) return 0;
    failed("a task is woken after its end");
    return 1;
}

static void parks(int done, const void *to) { if (done && to == EXEC__PARKED) world.parks++; }

static int fake_open(void) {
    world.open = 1;
    return WAKE_FD;
}
static EXEC__MAYBE_UNUSED int fake_pipe(int both[2]) {
    both[0] = fake_open();
    both[1] = WAKE_FD + 1;
    return 0;
}
static EXEC__MAYBE_UNUSED int fake_fcntl(int fd, int command, ...) {
    (void)fd; (void)command;
    return 0;
}
static int fake_close(int fd) {
    step(__func__, NULL);
    if (fd >= WAKE_FD) world.open = 0;
    return 0;
}
static long fake_read(int fd, void *to, unsigned long bytes) {
    (void)fd; (void)to;
    step(__func__, NULL);
    if (!world.event) {
        errno = EAGAIN;
        return -1;
    }
    world.event = 0;
    return (long)bytes;
}
static long fake_write(int fd, const void *from, unsigned long bytes) {
    if (fd < WAKE_FD) return (long)write(fd, from, bytes);
    if (run.fault == FAULT_DROP && world.said[me] == WAKES) exec_waker_drop(&world.wakers[me]);
    step(__func__, NULL);
    if (!world.open) failed("a closed descriptor is written");
    if (++world.writes > world.parks) failed("more than one write a park");
    world.event++;
    return (long)bytes;
}
/* Until it is written; or, once a schedule, for no cause. */
static int fake_wait(struct pollfd *fds, unsigned long count, const struct timespec *timeout) {
    step(__func__, NULL);
    if (!run.on) return 0;
    if (run.failed) exec_stop(&world.ex);
    for (unsigned long i = 0; i < count; i++) fds[i].revents = 0;
    if (!world.event && !timeout) {
        run.state[OWNER] = WAITS;
        let(choose());
        run.state[OWNER] = CAN_RUN;
    }
    if (run.failed) exec_stop(&world.ex);
    else if (!world.event && !timeout) world.causeless = 1;
    for (unsigned long i = 0; i < count; i++) fds[i].revents = world.event ? POLLIN : (short)0;
    return world.event != 0;
}

/* No block is used twice in a schedule, so that a use after its release is seen. */
static void *allocate(void *user, size_t bytes, size_t align) {
    (void)user; (void)align;
    if (world.blocks == BLOCKS || bytes > sizeof memory->bytes) return NULL;
    memory[world.blocks].released = 0;
    return memory[world.blocks++].bytes;
}
static EXEC__MAYBE_UNUSED void release(void *user, void *bytes, size_t size, size_t align) {
    (void)user; (void)size; (void)align;
    if (is_released(bytes)) failed("memory is freed twice");
    ((block *)bytes)->released = 1;
}

/* A block of the caller's: zero, as it has to be. */
static EXEC__MAYBE_UNUSED void *own_block(size_t size) {
    void *own = allocate(NULL, size, 0);
    assert_non_null(own);
    return memset(own, 0, size);
}

/* -------------------------------------------------------------------------------------- scenarios */

static unsigned task_of(unsigned thread) { return run.scenario->tasks == 1 ? 0 : thread - 1; }

/* Waits until it has heard all that its pushers say; gives them its wakers. */
typedef struct { EXEC_FRAME; unsigned number; } hearer;
static int has_heard_all(unsigned number) {
    int all = 1;
    for (unsigned i = 1; i <= run.scenario->pushers; i++) {
        if (task_of(i) != number) continue;
        world.seen[i] = world.said[i];
        all = all && world.seen[i] == WAKES;
    }
    return all;
}
EXEC_ASYNC(hearer) {
    EXEC_BEGIN;
    for (unsigned i = 1; i <= run.scenario->pushers; i++)
        if (task_of(i) == self->number) assert_int_equal(exec_waker_get(cx, &world.wakers[i]), 0);
    EXEC_WAIT_UNTIL(has_heard_all(self->number));
    EXEC_END;
}

static void own_run(void) {
    int status = exec_run(&world.ex);
    if (status == -EDEADLK) failed("a wake is lost: nothing is left that could wake the task");
    else if (status != 0) failed("exec_run ended before the tasks");
}
/* As a foreign loop does. */
static void own_embedded(void) {
    while (world.ex.counters.tasks && !run.failed) {
        int64_t timeout = exec_prepare(&world.ex);
        struct pollfd fd = { world.ex.port->fd, POLLIN, 0 };
        if (timeout) (void)fake_wait(&fd, 1, NULL);
        if (exec_turn(&world.ex) < 0) failed("exec_turn failed");
    }
}
static void own_little(void) { (void)exec_turn(&world.ex); }

static void push_wakes(unsigned self) {
    while (++world.said[self] < WAKES) if (world.wakers[self].cell) exec_waker_wake(&world.wakers[self]);
    if (world.wakers[self].cell) exec_waker_wake_drop(&world.wakers[self]);
}
/* As a signal handler does; the waker is dropped elsewhere. */
static void push_signals(unsigned self) {
    while (world.said[self] < WAKES) {
        world.said[self]++;
        exec_waker_wake_signal(&world.wakers[self]);
    }
    exec_waker_drop(&world.wakers[self]);
}
static void push_clone(unsigned self) {
    exec_waker clone = exec_waker_clone(&world.wakers[self]);
    exec_waker_drop(&world.wakers[self]);
    world.said[self] = WAKES;
    exec_waker_wake_drop(&clone);
}
static void push_abort(unsigned self) {
    exec_waker_abort(&world.wakers[self]);
    exec_waker_drop(&world.wakers[self]);
}
static void push_abort_and_kill(unsigned self) {
    exec_waker_abort(&world.wakers[self]);
    exec_waker_kill(&world.wakers[self]);
    exec_waker_drop(&world.wakers[self]);
}

/* Each that is taken runs once, with its own argument. */
static void post_arrives(exec *ex, void *arg) {
    (void)ex;
    world.ran[(uintptr_t)arg]++;
}
static void post_one(unsigned self, unsigned number) {
    int status = exec_remote_post(&world.remotes[self], &world.post, post_arrives, (void *)(uintptr_t)number);
    world.posted[number] = status == 0;
}
/* The task hears of it in between, so that the executor goes at about then. */
static void push_posts(unsigned self) {
    post_one(self, 0);
    post_one(self, 1);
    push_wakes(self);
    post_one(self, 2);
    exec_remote_drop(&world.remotes[self]);
}
static void push_stop(unsigned self) {
    (void)exec_remote_stop(&world.remotes[self]);
    push_wakes(self);
}
static void own_stopped(void) { while (exec_run(&world.ex) == 1 && !run.failed) continue; }

/* A oneshot is filled or abandoned while its receiver begins to wait, waits, or is cancelled. */
typedef struct { EXEC_FRAME; exec_oneshot_op op; } receiver;
EXEC_ASYNC(receiver) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_oneshot_recv(&self->op, world.oneshot));
    world.got = EXEC_RESULT(&self->op) < 0 ? EXEC_RESULT(&self->op) : self->op.value;
    EXEC_FINALLY;
    world.closed = exec_oneshot_close(world.oneshot, &world.kept);
    EXEC_END;
}
static void push_send(unsigned self) {
    (void)self;
    world.sent = exec_oneshot_send(world.oneshot, 42);
}
static void push_abandon(unsigned self) {
    (void)self;
    exec_oneshot_abandon(world.oneshot);
}
static void own_receive(void) {
    own_run();
    if (world.got != (run.scenario->push == push_send ? 42 : -EPIPE)) failed("the receiver got something else");
}
static void own_cancel(void) {
    (void)exec_turn(&world.ex);
    exec_handle_abort(&world.handles[0]);
    own_run();
    if (world.got && world.got != (run.scenario->push == push_send ? 42 : -EPIPE))
        failed("the receiver got something else");
}
static int has_oneshot(void) { return run.scenario->push == push_send || run.scenario->push == push_abandon; }

/* -------------------------------------------------------------------------------------- a schedule */

static EXEC_SLOT(hearer) slots[PUSHERS];
static EXEC_SLOT(receiver) receivers;

static void log_nothing(void *user, const char *line) { (void)user; (void)line; }

static void own_cell(exec_opts *opts) {
    (void)opts;
#if EXEC_NO_MALLOC
    opts->cell = (exec_cell *)own_block(sizeof *opts->cell);
    world.cells[world.cell_count++] = opts->cell;
#endif
}

static void oneshot_begin(exec_opts *opts) {
    own_cell(opts);
#if EXEC_NO_MALLOC
    world.oneshot = (exec_oneshot *)own_block(sizeof *world.oneshot);
    exec_oneshot_init(world.oneshot);
#else
    assert_int_equal(exec_oneshot_create(&world.ex, &world.oneshot), 0);
#endif
}

/* Nothing is referred to any more. */
static int is_memory_left(void) {
    int left = 0;
#if EXEC_NO_MALLOC
    for (unsigned i = 0; i < world.cell_count; i++) left += world.cells[i]->references != 0;
    left += world.port->references != 0;
    left += world.oneshot && world.oneshot->references != 0;
#else
    for (unsigned i = 0; i < world.blocks; i++) left += !memory[i].released;
#endif
    return left;
}

static void set_up(void) {
    exec_config config;
    exec_opts opts;
    memset(&config, 0, sizeof config);
    memset(&opts, 0, sizeof opts);
    memset(&world, 0, sizeof world);
    memset(slots, 0, sizeof slots);
    memset(&receivers, 0, sizeof receivers);
    config.stall_ns = EXEC_DEBUG ? EXEC_NEVER : 0;
    config.log = log_nothing;
#if EXEC_NO_MALLOC
    config.port = world.port = (exec_port *)own_block(sizeof *config.port);
#else
    config.allocate = allocate;
    config.release = release;
#endif
    assert_int_equal(exec_init(&world.ex, &config), 0);
    if (has_oneshot()) {
        opts.storage = &receivers;
        opts.storage_bytes = sizeof receivers;
        opts.handle = &world.handles[0];
        oneshot_begin(&opts);
        assert_int_equal(EXEC_SPAWN(&world.ex, &opts, receiver), 0);
        return;
    }
    for (unsigned i = 0; i < run.scenario->tasks; i++) {
        opts.storage = &slots[i];
        opts.storage_bytes = sizeof slots[i];
        opts.handle = &world.handles[i];
        own_cell(&opts);
        assert_int_equal(EXEC_SPAWN(&world.ex, &opts, hearer, .number = i), 0);
    }
    assert_int_equal(exec_turn(&world.ex), (int)run.scenario->tasks);
    for (unsigned i = 1; run.scenario->push == push_posts || run.scenario->push == push_stop; i++) {
        if (i > run.scenario->pushers) break;
        assert_int_equal(exec_remote_get(&world.ex, &world.remotes[i]), 0);
    }
}

/* No task of it is cancelled. */
static int ends_well(const scenario *s) {
    return s->push != push_abort && s->push != push_abort_and_kill && s->own != own_little && s->own != own_cancel;
}

static void after_it_all(void) {
    for (unsigned i = 0; i < THREADS; i++) exec_remote_drop(&world.remotes[i]);
    if (run.failed) return;
    if (world.open) failed("the descriptor is left open");
    if (is_memory_left()) failed("memory is left");
    for (unsigned i = 0; i < run.scenario->tasks; i++)
        if (world.handles[i].task) failed("a task is left");
        else if (ends_well(run.scenario) && world.handles[i].result != 0) failed("a task did not end well");
    if (run.scenario->push == push_send && (world.closed != (world.sent == 0) || world.kept != (world.sent ? 0 : 42)))
        failed("what was sent is lost, or what was refused is there");
    if (memcmp(world.posted, world.ran, sizeof world.ran) != 0) failed("a post is lost, or runs twice");
}

static void one_schedule(void) {
    run.length = run.spent = 0;
    run.failed = NULL;
    me = OWNER;
    set_up();
    for (unsigned i = 0; i <= run.scenario->pushers; i++) run.state[i] = CAN_RUN;
    run.on = 1;
    run.scenario->own();
    if (exec_destroy(&world.ex, EXEC_NEVER) != 0) failed("exec_destroy failed");
    finish();
    run.on = 0;
    after_it_all();
}

static void follow(const char *schedule) {
    run.prefix = (unsigned)strlen(schedule);
    for (unsigned i = 0; i < run.prefix && i < DECISIONS; i++)
        run.path[i].chosen = (unsigned char)(schedule[i] == 'b' ? 2 : schedule[i] == 'a');
    one_schedule();
}

/* All schedules; stops at the first that fails. How many. */
static unsigned long explore(const scenario *s, int fault, unsigned bound) {
    const char *schedule = getenv("EXEC_TEST_SCHEDULE");
    unsigned long n = 0, most = fault ? ULONG_MAX : (unsigned long)test_rounds(INT_MAX);
    run.scenario = s;
    run.fault = fault;
    run.bound = bound;
    run.prefix = 0;
    if (schedule) {
        follow(schedule);
        return 1;
    }
    do {
        one_schedule();
        n++;
    } while (!run.failed && n < most && next_schedule());
    return n;
}

/* Where not all are tried, first those with the fewest switches. */
static void holds(const scenario *s, unsigned bound) {
    unsigned long n = 0;
    unsigned most = test_rounds(INT_MAX) < INT_MAX ? 1 : bound;
    run.steps = 0;
    do n += explore(s, NO_FAULT, most);
    while (!run.failed && most++ < bound);
    printf("%s: %lu schedules with up to %u switches, %lu steps each\n", s->name, n, bound, run.steps / n);
    if (run.failed) fail_msg("%s: %s: EXEC_TEST_SCHEDULE=%s", s->name, run.failed, run.schedule);
}

static unsigned bound_of(unsigned usual) { return usual + (getenv("EXEC_TEST_LONG") != NULL); }

static const scenario one_pusher = { "one pusher", 1, 1, own_run, push_wakes };
static const scenario one_cell = { "two pushers of one task", 2, 1, own_run, push_wakes };
static const scenario two_cells = { "two pushers, each with its task", 2, 2, own_run, push_wakes };
static const scenario embedded = { "a foreign loop", 1, 1, own_embedded, push_wakes };
static const scenario signals = { "wakes from signal handlers", 1, 1, own_run, push_signals };
static const scenario clones = { "a clone", 1, 1, own_run, push_clone };
static const scenario aborts = { "an abort", 1, 1, own_run, push_abort };
static const scenario kills = { "abort and kill", 1, 1, own_run, push_abort_and_kill };
static const scenario destroyed = { "the executor goes", 1, 1, own_little, push_wakes };
static const scenario two_destroyed = { "the executor goes, two pushers", 2, 1, own_little, push_wakes };
static const scenario posts = { "posts", 1, 1, own_run, push_posts };
static const scenario stops = { "stops", 1, 1, own_stopped, push_stop };

static const scenario sends = { "a oneshot is sent", 1, 1, own_receive, push_send };
static const scenario abandons = { "a oneshot is abandoned", 1, 1, own_receive, push_abandon };
static const scenario cancels = { "a oneshot is sent, its receiver cancelled", 1, 1, own_cancel, push_send };
static const scenario cancels_abandoned = { "a oneshot is abandoned, its receiver cancelled", 1, 1, own_cancel,
                                            push_abandon };

static void no_wake_is_lost_of_one_pusher(void **state) { (void)state; holds(&one_pusher, bound_of(5)); }
static void no_wake_is_lost_of_two_pushers_of_one_task(void **state) { (void)state; holds(&one_cell, bound_of(3)); }
static void no_wake_is_lost_of_two_pushers_of_two_tasks(void **state) { (void)state; holds(&two_cells, bound_of(3)); }
static void no_wake_is_lost_under_a_foreign_loop(void **state) { (void)state; holds(&embedded, bound_of(5)); }
static void no_wake_of_a_signal_handler_is_lost(void **state) { (void)state; holds(&signals, bound_of(5)); }
static void a_clone_wakes_after_its_original_is_dropped(void **state) { (void)state; holds(&clones, bound_of(5)); }
static void an_abort_from_another_thread_arrives(void **state) {
    (void)state;
    holds(&aborts, bound_of(4));
    holds(&kills, bound_of(4));
}
static void trap_06_the_executor_goes_between_any_two_steps(void **state) {
    (void)state;
    holds(&destroyed, bound_of(5));
    holds(&two_destroyed, bound_of(3));
}
static void each_post_runs_once(void **state) { (void)state; holds(&posts, bound_of(4)); }
static void a_stop_comes_between_any_two_steps(void **state) { (void)state; holds(&stops, bound_of(4)); }

static void a_oneshot_arrives_or_is_abandoned(void **state) {
    (void)state;
    holds(&sends, bound_of(5));
    holds(&abandons, bound_of(5));
    holds(&cancels, bound_of(5));
    holds(&cancels_abandoned, bound_of(5));
}

/* The fault is found, and found again by its schedule. */
static void finds(int fault, const char *name, const char *said) {
    static const scenario *const scenarios[] = { &one_pusher, &one_cell, &two_cells };
    char schedule[DECISIONS + 1];
    unsigned long n = 0;
    if (getenv("EXEC_TEST_SCHEDULE")) skip();
    for (unsigned bound = 1; bound < 4; bound++)
        for (unsigned i = 0; i < COUNT(scenarios); i++) {
            n += explore(scenarios[i], fault, bound);
            if (!run.failed) continue;
            printf("%s: %s, %s, after %lu schedules: %s\n", name, scenarios[i]->name, run.failed, n, run.schedule);
            assert_non_null(strstr(run.failed, said));
            strcpy(schedule, run.schedule);
            follow(schedule);
            assert_non_null(run.failed);
            assert_string_equal(run.schedule, schedule);
            return;
        }
    fail_msg("%s is not found in %lu schedules", name, n);
}
static void a_load_and_a_store_that_park_lose_a_wake(void **state) {
    (void)state;
    finds(FAULT_PARK, "FAULT_PARK", "a wake is lost");
}
static void a_late_clear_of_queued_loses_a_wake(void **state) {
    (void)state;
    finds(FAULT_QUEUED, "FAULT_QUEUED", "a wake is lost");
}
static void a_signal_by_what_the_load_saw_loses_a_wake(void **state) {
    (void)state;
    finds(FAULT_SIGNAL, "FAULT_SIGNAL", "a wake is lost");
}
static void a_drop_before_the_write_meets_a_closed_descriptor(void **state) {
    (void)state;
    finds(FAULT_DROP, "FAULT_DROP", "a closed descriptor is written");
}
static void a_cell_that_keeps_its_task_wakes_a_dead_one(void **state) {
    (void)state;
    if (EXEC_DEBUG) skip();     /* exec_wake ends the process there */
    finds(FAULT_OVER, "FAULT_OVER", "a task is woken after its end");
}

static int start_threads(void **state) {
    (void)state;
    for (unsigned i = 0; i < THREADS; i++) if (sem_init(&run.go[i], 0, 0) < 0) return -1;
    for (unsigned i = 1; i < THREADS; i++)
        if (pthread_create(&run.thread[i], NULL, pusher, (void *)(uintptr_t)i) != 0) return -1;
    return 0;
}
static int end_threads(void **state) {
    (void)state;
    run.quit = 1;
    for (unsigned i = 1; i < THREADS; i++) {
        sem_post(&run.go[i]);
        pthread_join(run.thread[i], NULL);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_wake_is_lost_of_one_pusher),
        cmocka_unit_test(no_wake_is_lost_of_two_pushers_of_one_task),
        cmocka_unit_test(no_wake_is_lost_of_two_pushers_of_two_tasks),
        cmocka_unit_test(no_wake_is_lost_under_a_foreign_loop),
        cmocka_unit_test(no_wake_of_a_signal_handler_is_lost),
        cmocka_unit_test(a_clone_wakes_after_its_original_is_dropped),
        cmocka_unit_test(an_abort_from_another_thread_arrives),
        cmocka_unit_test(trap_06_the_executor_goes_between_any_two_steps),
        cmocka_unit_test(each_post_runs_once),
        cmocka_unit_test(a_stop_comes_between_any_two_steps),
        cmocka_unit_test(a_oneshot_arrives_or_is_abandoned),
        cmocka_unit_test(a_load_and_a_store_that_park_lose_a_wake),
        cmocka_unit_test(a_late_clear_of_queued_loses_a_wake),
        cmocka_unit_test(a_signal_by_what_the_load_saw_loses_a_wake),
        cmocka_unit_test(a_drop_before_the_write_meets_a_closed_descriptor),
        cmocka_unit_test(a_cell_that_keeps_its_task_wakes_a_dead_one)
    };
    return cmocka_run_group_tests(tests, start_threads, end_threads);
}
