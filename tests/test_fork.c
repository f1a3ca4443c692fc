/* SPDX-License-Identifier: MIT
 * fork(2): what a child may do, what it is told when it does more, and that the parent goes on as if
 * there had been no child. */
#define TEST_HEADER "../exec_net.h"
#define EXEC_SYS_GETPID counted_getpid
static int counted_getpid(void);
#include "test.h"
#include "leaves.h"
#include "table.h"
#include <dirent.h>
#include <sys/socket.h>

static int getpids;
static int counted_getpid(void) {
    getpids++;
    return (int)getpid();
}

static exec_port port_storage;      /* where there is no heap */
static exec_cell cell_storage;

/* An executor with a reactor. */
static void open_net(exec *ex, exec_net *net) {
    exec_config config = quiet_config();
    exec_net_config net_config = table_config();
    if (EXEC_NO_MALLOC) config.port = &port_storage;
    trace_reset();
    assert_int_equal(exec_init(ex, &config), 0);
    assert_int_equal(exec_net_attach(net, ex, &net_config), 0);
}
static exec_opts opts_with_cell(exec_handle *h) {
    exec_opts opts = test_opts_handle(h);
    memset(&cell_storage, 0, sizeof cell_storage);
    if (EXEC_NO_MALLOC) opts.cell = &cell_storage;
    return opts;
}

static int open_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    int n = 0;
    if (!directory) return -1;
    while (readdir(directory)) n++;
    closedir(directory);
    return n;
}

/* In a child: no cmocka, which would go on with the parent's tests. */
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "child: %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1); \
        } \
    } while (0)

static pid_t forks(void) {
    pid_t child;
    fflush(stdout);
    child = fork();
    assert_true(child >= 0);
    return child;
}
static void ends_well(pid_t child) {
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

typedef struct { EXEC_FRAME; int fd, rounds; char c; exec_io io; } reader;
EXEC_ASYNC(reader) {
    EXEC_BEGIN;
    for (; self->rounds > 0; self->rounds--) {
        EXEC_TRY(exec_read(&self->io, self->fd, &self->c, 1));
        trace_number("read ", self->c);
    }
    EXEC_FINALLY;
    trace("clean");
    EXEC_END;
}

typedef struct { EXEC_FRAME; int *ran; } adds;
EXEC_ASYNC(adds) {
    EXEC_BEGIN;
    EXEC_YIELD;
    ++*self->ran;
    EXEC_END;
}

/* What an executor of the child's own can do, in new memory or in that of the parent's. */
static void runs_anew(exec *ex) {
    static EXEC_SLOT(adds) slot;
    exec_net net;
    exec_net_config config = table_config();
    exec_opts opts;
    exec_io io;
    int pair[2], ran = 0;
    char c = 'x';
    memset(&slot, 0, sizeof slot);
    memset(&opts, 0, sizeof opts);
    opts.storage = &slot;
    opts.storage_bytes = sizeof slot;
    CHECK(exec_init(ex, NULL) == 0);
    CHECK(exec_net_attach(&net, ex, &config) == 0);
    CHECK(EXEC_SPAWN(ex, &opts, adds, .ran = &ran) == 0);
    CHECK(exec_run(ex) == 0);
    CHECK(ran == 1);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    CHECK(write(pair[0], &c, 1) == 1);
    CHECK(exec_run_until(ex, exec_read(&io, pair[1], &c, 1)) == 0 && EXEC_RESULT(&io) == 1);
    CHECK(exec_close_fd(ex, pair[1]) == 0);
    CHECK(exec_check(ex) == 0);
    CHECK(exec_destroy(ex, EXEC_SEC(1)) == 0);
}

/* ---------------------------------------------------------------------------------------- the child */

typedef struct { exec ex; exec_net net; exec_handle h; exec_remote remote; exec_waker waker; int pair[2], own; } family;

static const exec_driver_type bare_type = { "bare", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL };

static void everything_is_refused(family *f) {
    exec_driver driver;
    exec_remote remote;
    exec_net net;
    exec_net_config net_config = table_config();
    exec_timers timers;
    gate g = { .open = 1 };
    int fds;
    static exec_post post;
    CHECK(exec_forked(&f->ex) == -ECANCELED);
    CHECK(exec_run(&f->ex) == -ECANCELED);
    CHECK(exec_run_until(&f->ex, gate_wait(&g)) == -ECANCELED);
    CHECK(exec_turn(&f->ex) == -ECANCELED);
    CHECK(exec_prepare(&f->ex) == -ECANCELED);
    CHECK(exec_poll_fd(&f->ex) == -ECANCELED);
    CHECK(exec_destroy(&f->ex, 0) == -ECANCELED);
    CHECK(exec_remote_get(&f->ex, &remote) == -ECANCELED);
    fds = open_descriptors();
    CHECK(exec_net_attach(&net, &f->ex, &net_config) == -ECANCELED);
    CHECK(open_descriptors() == fds);
    CHECK(exec_attach(&f->ex, &driver, &bare_type) == -ECANCELED);
    CHECK(f->ex.drivers == NULL);
    CHECK(exec_timers_of(&f->ex) == NULL);
    CHECK(exec_timers_attach(&timers, &f->ex) == -ECANCELED);
    CHECK(exec_timers_of(&f->ex) == NULL);
    CHECK(EXEC_SPAWN(&f->ex, test_opts(), reader) == -ECANCELED);
    CHECK(exec_remote_stop(&f->remote) == -ECANCELED);
    CHECK(exec_remote_post(&f->remote, &post, NULL, NULL) == -ECANCELED);
}

static void nothing_is_left_of_the_tasks(family *f) {
    exec_waker other;
    exec_waker_wake(&f->waker);
    exec_waker_abort(&f->waker);
    other = exec_waker_clone(&f->waker);
    exec_waker_wake_drop(&other);
    CHECK(exec_handle_state(&f->h) == EXEC_STATE_DETACHED);
    CHECK(exec_handle_abort(&f->h) == -EALREADY);
    CHECK(exec_handle_kill(&f->h) == -EALREADY);
    CHECK(exec_handle_waker(&f->h, &other) == -ESRCH);
    CHECK(stats(&f->ex).tasks == 0);
    CHECK(exec_check(&f->ex) == 0);
    exec_dump(&f->ex);
    CHECK(trace_length == 0);                       /* no cleanup ran */
    exec_waker_drop(&f->waker);
    exec_remote_drop(&f->remote);
}

static void child_of_a_waiting_parent(family *f) {
    int before = open_descriptors();
    CHECK(exec_forked(&f->ex) == 0);
    CHECK(before < 0 || open_descriptors() == before - f->own);
    everything_is_refused(f);
    nothing_is_left_of_the_tasks(f);
    runs_anew(&f->ex);
    close(f->pair[0]);
    close(f->pair[1]);
    _exit(0);
}

static void a_child_is_refused_until_init_and_the_parent_goes_on(void **state) {
    family f;
    exec_opts opts = opts_with_cell(&f.h);
    uint64_t cross_wakes;
    (void)state;
    f.own = -open_descriptors() - 2;                /* what the executor opens, without the pair */
    open_net(&f.ex, &f.net);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f.pair), 0);
    assert_int_equal(EXEC_SPAWN(&f.ex, &opts, reader, .fd = f.pair[0], .rounds = 2), 0);
    assert_int_equal(exec_remote_get(&f.ex, &f.remote), 0);
    assert_int_equal(exec_handle_waker(&f.h, &f.waker), 0);
    exec_turn(&f.ex);                               /* it waits, registered with the kernel */
    f.own += open_descriptors();
    cross_wakes = stats(&f.ex).cross_wakes;
    for (int round = 1; round <= 2; round++) {
        pid_t child = forks();
        if (child == 0) child_of_a_waiting_parent(&f);
        ends_well(child);
        assert_int_equal(exec_turn(&f.ex), 0);      /* nothing woke it */
        assert_int_equal(stats(&f.ex).cross_wakes, cross_wakes);
        assert_int_equal(write(f.pair[1], round == 1 ? "\1" : "\2", 1), 1);
        assert_int_equal(exec_turn(&f.ex), 1);
        expect_trace(round == 1 ? "read 1" : "read 2 clean");
    }
    assert_int_equal(exec_run(&f.ex), 0);
    exec_waker_drop(&f.waker);
    assert_int_equal(exec_remote_stop(&f.remote), 0);
    exec_remote_drop(&f.remote);
    close(f.pair[0]);
    close(f.pair[1]);
    close_exec(&f.ex);
}

static void exec_forked_in_the_parent_changes_nothing(void **state) {
    exec ex;
    int ran = 0;
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), adds, .ran = &ran), 0);
    assert_int_equal(exec_forked(&ex), -EINVAL);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(ran, 1);
    close_exec(&ex);
}

static int hooks_called;
static void hook(exec_driver *d) {
    CHECK(d->exec->drivers != NULL);
    hooks_called++;
}
static const exec_driver_type hooked_type = { "hooked", NULL, NULL, NULL, NULL, NULL, hook, NULL, NULL, NULL };

static void each_driver_is_told(void **state) {
    exec ex;
    exec_driver drivers[3];
    pid_t child;
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_attach(&ex, &drivers[0], &hooked_type), 0);
    assert_int_equal(exec_attach(&ex, &drivers[1], &bare_type), 0);
    assert_int_equal(exec_attach(&ex, &drivers[2], &hooked_type), 0);
    child = forks();
    if (child == 0) {
        CHECK(exec_forked(&ex) == 0);
        CHECK(hooks_called == 2);
        CHECK(exec_find_driver(&ex, &hooked_type) == NULL);
        _exit(0);
    }
    ends_well(child);
    assert_int_equal(hooks_called, 0);
    close_exec(&ex);
}

/* Tasks of each kind: held back, cancelling, over but queued, with a timer, claimed. */
typedef struct { EXEC_FRAME; exec_sleep_op nap; int i; gate gates[3]; exec_group crew; } mixed;
typedef struct { EXEC_FRAME; gate *gate; } sits;
EXEC_ASYNC(sits) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(self->gate));
    EXEC_FINALLY;
    trace("clean");
    EXEC_YIELD;
    EXEC_END;
}
EXEC_ASYNC(mixed) {
    EXEC_BEGIN;
    self->crew.limit = 1;
    for (; self->i < 3; self->i++)
        EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), sits, .gate = &self->gates[self->i]);
    EXEC_TRY(exec_sleep(&self->nap, EXEC_SEC(3600)));
    EXEC_END;
}
static void tasks_in_every_state_are_forgotten(void **state) {
    exec ex;
    exec_net net;
    exec_handle h[3], over;
    exec_opts opts[3], last = test_opts_handle(&over);
    gate g = { .open = 0 };
    pid_t child;
    (void)state;
    open_net(&ex, &net);
    ex.config.cleanup_ns = EXEC_SEC(100);
    for (int i = 0; i < 3; i++) opts[i] = test_opts_handle(&h[i]);
    assert_int_equal(EXEC_SPAWN(&ex, &opts[0], mixed), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &opts[1], sits, .gate = &g), 0);
    exec_turn(&ex);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h[1]), 0);              /* yields in its cleanup */
    assert_int_equal(EXEC_SPAWN(&ex, &opts[2], adds, .ran = NULL), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &last, sits, .gate = &g), 0);
    assert_int_equal(exec_handle_abort(&over), 0);              /* over, and queued still */
    trace_reset();
    child = forks();
    if (child == 0) {
        CHECK(exec_forked(&ex) == 0);
        CHECK(exec_check(&ex) == 0);
        CHECK(stats(&ex).tasks == 0);
        for (int i = 0; i < 3; i++) CHECK(exec_handle_state(&h[i]) == EXEC_STATE_DETACHED);
        CHECK(trace_length == 0);
        runs_anew(&ex);
        _exit(0);
    }
    ends_well(child);
    assert_int_equal(exec_handle_kill(&h[2]), 0);
    assert_int_equal(exec_check(&ex), 0);
    assert_int_equal(exec_destroy(&ex, EXEC_SEC(10)), 0);
    trace_reset();
}

/* ------------------------------------------------------------------------------- fork inside a poll */

typedef struct { EXEC_FRAME; int after_yield; pid_t child; } forker;
EXEC_ASYNC(forker) {
    EXEC_BEGIN;
    if (self->after_yield) EXEC_YIELD;
    self->child = forks();
    if (self->child == 0) {
        static exec own;
        CHECK(exec_forked(cx->exec) == 0);
        CHECK(exec_current() == NULL);
        CHECK(exec_run(cx->exec) == -ECANCELED);
        runs_anew(&own);
        _exit(0);
    }
    ends_well(self->child);
    trace("forked");
    EXEC_END;
}

static void a_fork_inside_a_poll_leaves_the_parent_alone(void **state) {
    (void)state;
    for (int after_yield = 0; after_yield < 2; after_yield++) {
        exec ex;
        exec_net net;
        exec_handle h;
        exec_opts opts = test_opts_handle(&h);
        int pair[2], ran = 0;
        open_net(&ex, &net);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, reader, .fd = pair[0], .rounds = 1), 0);
        exec_turn(&ex);
        assert_int_equal(EXEC_SPAWN(&ex, test_opts(), forker, .after_yield = after_yield), 0);
        assert_int_equal(EXEC_SPAWN(&ex, test_opts(), adds, .ran = &ran), 0);
        for (int i = 0; i < 3; i++) exec_turn(&ex);
        assert_int_equal(ran, 1);
        expect_trace("forked");
        assert_int_equal(write(pair[1], "\7", 1), 1);
        assert_int_equal(exec_run(&ex), 0);
        expect_trace("read 7 clean");
        close(pair[0]);
        close(pair[1]);
        close_exec(&ex);
    }
}

/* The child of the child that dies_saying makes: its words and its end are handed on. */
static void hand_on(pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) == child && died_of_an_error(status)) abort();
    _exit(0);
}

typedef struct { EXEC_FRAME; int yields, wrong; exec_sleep_op nap; } returns;
EXEC_ASYNC(returns) {
    EXEC_BEGIN;
    {
        pid_t child = fork();
        if (child > 0) hand_on(child);
        if (self->wrong) exec_forked(cx->exec);     /* right, but for what follows */
    }
    if (self->yields) EXEC_YIELD;
    if (!self->wrong) EXEC_AWAIT(exec_sleep(&self->nap, EXEC_MS(1)));
    EXEC_WAIT_UNTIL(self->yields > 1);
    EXEC_END;
}
/* Behind it in the queue: the child, whose end would not be an abort, does not poll it. */
typedef struct { EXEC_FRAME; } parents;
EXEC_ASYNC(parents) {
    EXEC_BEGIN;
    _exit(0);
    EXEC_END;
}
static void returning(int yields, int wrong) {
    static exec ex;
    static exec_net net;
    open_net(&ex, &net);
    if (EXEC_SPAWN(&ex, test_opts(), returns, .yields = yields, .wrong = wrong) == 0
        && (!wrong || EXEC_SPAWN(&ex, test_opts(), parents) == 0))
        exec_run(&ex);
}
static void waits_after_it(void) { returning(0, 1); }
static void yields_after_it(void) { returning(1, 1); }
static void ends_after_it(void) { returning(2, 1); }
/* Its cleanup forks, in an abort from outside any turn. */
typedef struct { EXEC_FRAME; gate gate; } forks_at_the_end;
EXEC_ASYNC(forks_at_the_end) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(&self->gate));
    EXEC_FINALLY;
    {
        pid_t child = fork();
        if (child > 0) hand_on(child);
        exec_forked(cx->exec);
    }
    EXEC_END;
}
static void aborted_after_it(void) {
    static exec ex;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    open_exec(&ex);
    if (EXEC_SPAWN(&ex, &opts, forks_at_the_end) == 0 && exec_turn(&ex) == 1) exec_handle_abort(&h);
}
static void a_child_that_returns_from_the_poll_is_told(void **state) {
    (void)state;
    dies_saying(waits_after_it, "a child that called exec_forked inside a poll returned from it");
    dies_saying(yields_after_it, "a child that called exec_forked inside a poll returned from it");
    dies_saying(ends_after_it, "a child that called exec_forked inside a poll returned from it");
    dies_saying(aborted_after_it, "a child that called exec_forked inside a poll returned from it");
}

/* ------------------------------------------------------------------------------- fork inside a post */

static void post_forks(exec *ex, void *arg) {
    pid_t *child = (pid_t *)arg;
    *child = forks();
    if (*child == 0) CHECK(exec_forked(ex) == 0);
}
static void post_counts(exec *ex, void *arg) {
    (void)ex;
    ++*(int *)arg;
}
static void what_is_posted_behind_a_fork_runs_in_the_parent_alone(void **state) {
    exec ex;
    exec_net net;
    exec_remote remote;
    static exec_post posts[2];
    pid_t child = -1;
    int ran = 0;
    (void)state;
    open_net(&ex, &net);
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    assert_int_equal(exec_remote_post(&remote, &posts[0], post_forks, &child), 0);
    assert_int_equal(exec_remote_post(&remote, &posts[1], post_counts, &ran), 0);
    exec_run(&ex);
    if (child == 0) _exit(ran);
    ends_well(child);
    assert_int_equal(ran, 1);
    exec_remote_drop(&remote);
    close_exec(&ex);
}

/* ------------------------------------------------------------------------------- without exec_forked */

static exec shared;
static void runs(void) { exec_run(&shared); }
static void runs_until(void) {
    static gate g;
    g.open = 1;
    exec_run_until(&shared, gate_wait(&g));
}
static void destroys(void) { exec_destroy(&shared, 0); }
#if EXEC_DEBUG
static void turns(void) { exec_turn(&shared); }
static void prepares(void) { exec_prepare(&shared); }
static void parks(void) { returning(0, 0); }
#endif

static void a_child_that_uses_the_parents_executor_is_told(void **state) {
    static const char advice[] = "call exec_forked after fork";
    (void)state;
    open_exec(&shared);
    dies_saying(runs, advice);
    dies_saying(runs_until, advice);
    dies_saying(destroys, advice);
#if EXEC_DEBUG
    dies_saying(turns, advice);
    dies_saying(prepares, advice);
    dies_saying(parks, advice);
#endif
    close_exec(&shared);
}

static void only_the_beginning_of_a_run_asks_which_process_it_is(void **state) {
    exec ex;
    int ran[20];
    (void)state;
    memset(ran, 0, sizeof ran);
    getpids = 0;
    open_exec(&ex);
    assert_int_equal(getpids, 1);
    ex.config.tasks_per_turn = 1;
    for (size_t i = 0; i < COUNT(ran); i++) assert_int_equal(EXEC_SPAWN(&ex, test_opts(), adds, .ran = &ran[i]), 0);
    for (int i = 0; i < 10; i++) assert_int_equal(exec_turn(&ex), 1);
    if (!EXEC_DEBUG) assert_int_equal(getpids, 1);
    assert_int_equal(exec_run(&ex), 0);
    if (!EXEC_DEBUG) assert_int_equal(getpids, 2);
    close_exec(&ex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_beginning_of_a_run_asks_which_process_it_is),
        cmocka_unit_test(a_child_is_refused_until_init_and_the_parent_goes_on),
        cmocka_unit_test(exec_forked_in_the_parent_changes_nothing),
        cmocka_unit_test(each_driver_is_told),
        cmocka_unit_test(tasks_in_every_state_are_forgotten),
        cmocka_unit_test(a_fork_inside_a_poll_leaves_the_parent_alone),
        cmocka_unit_test(a_child_that_returns_from_the_poll_is_told),
        cmocka_unit_test(what_is_posted_behind_a_fork_runs_in_the_parent_alone),
        cmocka_unit_test(a_child_that_uses_the_parents_executor_is_told)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
