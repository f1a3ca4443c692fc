/* SPDX-License-Identifier: MIT
 * Signals as futures: what comes, what is kept, what the host program gets back. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALL_NONE, CALL_SIGNALFD, CALL_SIGPROCMASK, CALL_SIGPENDING, CALL_SIGTIMEDWAIT, CALL_SIGACTION,
       CALL_PIPE, CALLS };
#include "faulty.h"

#define EXEC_SYS_SIGNALFD(...) (faulty(CALL_SIGNALFD) ? -1 : signalfd(__VA_ARGS__))
#define EXEC_SYS_SIGPROCMASK(...) (faulty(CALL_SIGPROCMASK) ? -1 : sigprocmask(__VA_ARGS__))
#define EXEC_SYS_SIGPENDING(...) (faulty(CALL_SIGPENDING) ? -1 : sigpending(__VA_ARGS__))
#define EXEC_SYS_SIGTIMEDWAIT(...) (faulty(CALL_SIGTIMEDWAIT) ? -1 : sigtimedwait(__VA_ARGS__))
#define EXEC_SYS_SIGACTION(...) (faulty(CALL_SIGACTION) ? -1 : sigaction(__VA_ARGS__))
#define EXEC_SYS_PIPE(...) (faulty(CALL_PIPE) ? -1 : pipe(__VA_ARGS__))

#define TEST_HEADER "../exec_net.h"
#include "test.h"
#include "leaves.h"
#include "reactor.h"
#if !EXEC_NO_THREADS
#include <pthread.h>
#endif

/* The host's own handler: how often it was called. */
static volatile sig_atomic_t handled;
static void host_handler(int signo) {
    (void)signo;
#if EXEC_NO_THREADS
    handled++;
#else
    __atomic_store_n(&handled, handled + 1, __ATOMIC_RELEASE);
#endif
}
static struct sigaction handler_before;
static void install(int signo) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = host_handler;
    handled = 0;
    assert_int_equal(sigaction(signo, &action, &handler_before), 0);
}
static void uninstall(int signo) { assert_int_equal(sigaction(signo, &handler_before, NULL), 0); }
static void (*handler_of(int signo))(int) {
    struct sigaction action;
    assert_int_equal(sigaction(signo, NULL, &action), 0);
    return action.sa_handler;
}

/* Waits for one signal and remembers what came. */
typedef struct { EXEC_FRAME; int signo; exec_signal_op op; intptr_t *out; } waiter;
EXEC_ASYNC(waiter) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_signal(&self->op, self->signo));
    *self->out = EXEC_RESULT(&self->op);
    EXEC_RETURN(0);
    EXEC_FINALLY;
    if (*self->out == -1) *self->out = EXEC_RESULT(&self->op);
    EXEC_END;
}
static void start(exec_handle *handle, int signo, intptr_t *out) {
    exec_opts opts = test_opts_handle(handle);
    *out = -1;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, waiter, .signo = signo, .out = out), 0);
}
/* From now on the signal is this executor's; nobody waits. */
static void hold(exec *on, int signo) {
    exec_handle handle;
    exec_opts opts = test_opts_handle(&handle);
    intptr_t out = -1;
    assert_int_equal(EXEC_SPAWN(on, &opts, waiter, .signo = signo, .out = &out), 0);
    assert_int_equal(exec_turn(on), 1);
    assert_int_equal(exec_handle_abort(&handle), 0);
    assert_int_equal(out, -ECANCELED);
}

static void a_signal_is_a_future(void **state) {
    exec_signal_op op;
    exec_handle h;
    intptr_t out;
    (void)state;
    begin();
    start(&h, SIGUSR1, &out);
    turns(2);
    assert_int_equal(out, -1);
    kill(getpid(), SIGUSR1);
    turns(3);
    assert_int_equal(out, SIGUSR1);
    start(&h, SIGUSR1, &out);       /* it came once */
    turns(3);
    assert_int_equal(out, -1);
    exec_handle_abort(&h);
    kill(getpid(), SIGUSR1);
    assert_int_equal(run(exec_signal(&op, SIGUSR1)), SIGUSR1);
#if !EXEC_POSIX_ONLY
    assert_int_equal(op.pid, getpid());
    assert_int_equal(op.uid, getuid());
    assert_int_equal(op.code, SI_USER);
#endif
    end();
}

#if EXEC__DIRECT
/* What it would say of a signal is not set then, and is not read. */
static void a_look_that_finds_no_signal_touches_nothing(void **state) {
    siginfo_t info;
    sigset_t set;
    (void)state;
    memset(&info, 0, sizeof info);
    info.si_code = SI_TKILL;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(exec__sigtimedwait(&set, &info, &exec__no_time), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(info.si_code, SI_TKILL);
}
#endif

#if !EXEC_POSIX_ONLY
static void queued_signals_come_one_by_one_with_their_values(void **state) {
    exec_signal_op op;
    union sigval value;
    (void)state;
    begin();
    block(SIG_BLOCK, SIGRTMIN + 2);
    for (int i = 0; i < 5; i++) {
        memset(&value, 0, sizeof value);
        value.sival_int = 100 + i;
        assert_int_equal(sigqueue(getpid(), SIGRTMIN + 2, value), 0);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(run(exec_signal(&op, SIGRTMIN + 2)), SIGRTMIN + 2);
        assert_int_equal(op.value, 100 + i);
        assert_int_equal(op.code, SI_QUEUE);
    }
    value.sival_ptr = &op;
    assert_int_equal(sigqueue(getpid(), SIGRTMIN + 2, value), 0);
    assert_int_equal(run(exec_signal(&op, SIGRTMIN + 2)), SIGRTMIN + 2);
    assert_ptr_equal(op.pointer, &op);
    exec_signal_release(&ex, 0);
    assert_true(is_blocked(SIGRTMIN + 2));      /* it was the host that blocked it */
    block(SIG_UNBLOCK, SIGRTMIN + 2);
    mask_before = current_mask();
    end();
}
#endif

#if !EXEC_POSIX_ONLY
/* What siginfo_t has in the place of a sender is none. */
static void a_timer_is_no_sender(void **state) {
    struct itimerspec soon = { { 0, 0 }, { 0, 1000000 } };
    struct sigevent event;
    exec_signal_op op;
    timer_t timers[3];
    (void)state;
    begin();
    hold(&ex, SIGUSR1);
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    for (int i = 0; i < 3; i++) assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timers[i]), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(timer_settime(timers[i], 0, &soon, NULL), 0);
        assert_int_equal(run(exec_signal(&op, SIGUSR1)), SIGUSR1);
        if (under_qemu() && op.code != SI_TIMER) continue;      /* it hands codes on in the numbers of its host */
        assert_int_equal(op.code, SI_TIMER);
        assert_int_equal(op.pid, 0);
        assert_int_equal(op.uid, 0);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(timer_delete(timers[i]), 0);
    end();
}
#endif

static void a_signal_between_two_awaits_is_kept(void **state) {
    exec_signal_op op;
    exec_handle h;
    intptr_t out;
    (void)state;
    begin();
    for (int i = 0; i < 3; i++) {
        start(&h, SIGUSR1, &out);
        turns(2);
        raise(SIGUSR1);
        turns(3);
        assert_int_equal(out, SIGUSR1);
        raise(SIGUSR1);             /* nobody waits */
        turns(2);
        assert_int_equal(run(exec_signal(&op, SIGUSR1)), SIGUSR1);
    }
    end();
}

/* While another signal is awaited too: that one's descriptor is ready for both. */
static void a_signal_that_nobody_awaits_is_kept_and_does_not_spin(void **state) {
    exec_signal_op op;
    exec_handle first, second;
    intptr_t one, two;
    uint64_t events;
    (void)state;
    begin();
    start(&first, SIGUSR1, &one);
    start(&second, SIGUSR2, &two);
    turns(2);
    exec_handle_abort(&second);
    assert_int_equal(two, -ECANCELED);
    raise(SIGUSR2);
    turns(4);
    events = stats(&ex).io_events;
    turns(10);
    assert_int_equal(stats(&ex).io_events, events);
    assert_int_equal(run(exec_signal(&op, SIGUSR2)), SIGUSR2);
    assert_int_equal(one, -1);
    raise(SIGUSR1);
    turns(4);
    assert_int_equal(one, SIGUSR1);
    end();
}

static void all_that_wait_for_it_get_it(void **state) {
    exec_handle h[4];
    intptr_t out[4];
    (void)state;
    begin();
    for (int i = 0; i < 4; i++) start(&h[i], i == 2 ? SIGUSR2 : SIGUSR1, &out[i]);
    turns(2);
    kill(getpid(), SIGUSR1);
    turns(4);
    for (int i = 0; i < 4; i++) assert_int_equal(out[i], i == 2 ? -1 : SIGUSR1);
    kill(getpid(), SIGUSR2);
    turns(4);
    assert_int_equal(out[2], SIGUSR2);
    start(&h[0], SIGUSR1, &out[0]);     /* each came once */
    start(&h[1], SIGUSR2, &out[1]);
    turns(4);
    assert_int_equal(out[0], -1);
    assert_int_equal(out[1], -1);
    end();
}

typedef struct {
    EXEC_FRAME;
    exec_select_op sel;
    exec_signal_op one, two;
    exec_sleep_op nap;
    intptr_t *out;
} chooser;
EXEC_ASYNC(chooser) {
    EXEC_BEGIN;
    EXEC_TRY(exec_select(&self->sel, exec_signal(&self->one, SIGUSR1), exec_signal(&self->two, SIGUSR2),
                         exec_sleep(&self->nap, EXEC_SEC(5))));
    *self->out = EXEC_RESULT(&self->sel);
    EXEC_END;
}

static void a_select_of_two_signals_and_a_sleep(void **state) {
    exec_config config = quiet_config();
    intptr_t out;
    (void)state;
    config.port = &port;
    config.virtual_clock = 1;
    begin_with(&config);
    for (int i = 0; i < 6; i++) {
        out = -1;
        assert_int_equal(EXEC_SPAWN(&ex, test_opts(), chooser, .out = &out), 0);
        turns(3);
        assert_int_equal(out, -1);
        if (i % 3 == 0) raise(SIGUSR1);
        else if (i % 3 == 1) raise(SIGUSR2);
        else assert_int_equal(exec_clock_advance(&ex, EXEC_SEC(6)), 0);
        turns(4);
        assert_int_equal(out, i % 3);
        assert_int_equal(stats(&ex).tasks, 0);
    }
    end();
}

static void a_cancelled_await_takes_nothing(void **state) {
    exec_signal_op op;
    exec_handle h;
    intptr_t out;
    (void)state;
    begin();
    for (int late = 0; late < 2; late++) {
        start(&h, SIGUSR1, &out);
        turns(2);
        raise(SIGUSR1);
        if (late) assert_true(exec_net_poll(&net, 0) > 0);      /* it is told, but not polled */
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_int_equal(out, -ECANCELED);
        assert_int_equal(net.fds.waiting, 0);
        assert_int_equal(run(exec_signal(&op, SIGUSR1)), SIGUSR1);
    }
    end();
}

typedef struct { EXEC_FRAME; exec_select_op sel; exec_signal_op one, two; intptr_t *out; } loser;
EXEC_ASYNC(loser) {
    EXEC_BEGIN;
    EXEC_TRY(exec_select(&self->sel, exec_signal(&self->one, SIGUSR1), exec_signal(&self->two, SIGUSR2)));
    self->out[0] = EXEC_RESULT(&self->sel);
    EXEC_TRY(exec_signal(&self->two, SIGUSR2));
    self->out[1] = EXEC_RESULT(&self->two);
    EXEC_END;
}

static void a_loser_of_a_select_takes_nothing(void **state) {
    intptr_t out[2] = { -1, -1 };
    (void)state;
    begin();
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), loser, .out = out), 0);
    turns(2);
    raise(SIGUSR1);
    raise(SIGUSR2);
    turns(5);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], SIGUSR2);
    end();
}

/* The first that waits has the registration; it goes, and what was told to it is not lost. */
static void the_registration_passes_on(void **state) {
    exec_handle h[3];
    intptr_t out[3];
    (void)state;
    begin();
    for (int i = 0; i < 3; i++) start(&h[i], i ? SIGUSR2 : SIGUSR1, &out[i]);
    turns(2);
    assert_int_equal(net.fds.waiting, 1);
    exec_handle_abort(&h[0]);
    assert_int_equal(net.fds.waiting, 1);
    raise(SIGUSR2);
    assert_true(exec_net_poll(&net, 0) > 0);        /* wakes h[1] */
    exec_handle_abort(&h[1]);
    turns(4);
    assert_int_equal(out[2], SIGUSR2);
    assert_int_equal(net.fds.waiting, 0);
    end();
}

static void spurious_polls_make_no_system_call(void **state) {
    exec_handle h[2];
    intptr_t out[2];
    unsigned before;
    (void)state;
    begin();
    for (int i = 0; i < 2; i++) start(&h[i], i ? SIGUSR2 : SIGUSR1, &out[i]);
    turns(2);
    before = all_calls();
    for (int i = 0; i < 10; i++) {
        exec_wake(h[0].task);
        exec_wake(h[1].task);
        turns(1);
    }
    assert_int_equal(all_calls(), before);
    end();
}

/* What the await takes from the host: the signal is blocked; or its handler is replaced. */
static int is_held(int signo) {
    return EXEC_POSIX_ONLY ? handler_of(signo) != host_handler : is_blocked(signo);
}

static void trap_26_nothing_but_the_mask_is_taken_and_the_release_gives_it_back(void **state) {
    exec_signal_op op;
    exec_handle h;
    intptr_t out;
    (void)state;
    install(SIGUSR1);
    begin();
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(exec_signal(&op, SIGUSR1), &op.fut);       /* preparing does nothing */
        assert_false(is_held(SIGUSR1));
        raise(SIGUSR1);
        assert_int_equal(handled, 2 * i + 1);
        start(&h, SIGUSR1, &out);
        turns(2);
        assert_true(is_held(SIGUSR1));
        if (!EXEC_POSIX_ONLY) assert_ptr_equal(handler_of(SIGUSR1), host_handler);
        assert_false(is_blocked(SIGUSR2));
        raise(SIGUSR1);
        turns(4);
        assert_int_equal(out, SIGUSR1);
        assert_int_equal(handled, 2 * i + 1);
        assert_true(is_held(SIGUSR1));                              /* between two awaits */
        assert_int_equal(exec_signal_release(&ex, i == 2 ? 0 : SIGUSR1), 0);
        assert_false(is_held(SIGUSR1));
        raise(SIGUSR1);
        assert_int_equal(handled, 2 * i + 2);
    }
    assert_int_equal(exec_signal_release(&ex, SIGUSR1), 0);         /* is not held */
    end();
    uninstall(SIGUSR1);
}

static void what_nobody_took_reaches_the_host_at_the_release(void **state) {
    (void)state;
    install(SIGUSR1);
    for (int destroy = 0; destroy < 2; destroy++) {
        begin();
        hold(&ex, SIGUSR1);
        raise(SIGUSR1);
        assert_int_equal(handled, destroy);
        if (!destroy) assert_int_equal(exec_signal_release(&ex, SIGUSR1), 0);
        end();
        assert_int_equal(handled, destroy + 1);
    }
    uninstall(SIGUSR1);
}

static void what_the_host_had_blocked_stays_blocked(void **state) {
    (void)state;
    block(SIG_BLOCK, SIGUSR2);
    begin();
    hold(&ex, SIGUSR2);
    assert_int_equal(exec_signal_release(&ex, SIGUSR2), 0);
    assert_true(is_blocked(SIGUSR2));
    end();
    block(SIG_UNBLOCK, SIGUSR2);
}

static void destroy_while_awaiting_gives_all_back(void **state) {
    exec_handle h[3];
    intptr_t out[3];
    (void)state;
    install(SIGUSR1);
    begin();
    for (int i = 0; i < 3; i++) start(&h[i], i == 0 ? SIGUSR1 : i == 1 ? SIGTERM : SIGHUP, &out[i]);
    turns(2);
    assert_true(is_held(SIGUSR1));
    end();
    for (int i = 0; i < 3; i++) assert_int_equal(out[i], -ECANCELED);
    assert_ptr_equal(handler_of(SIGUSR1), host_handler);
    assert_true(handler_of(SIGTERM) == SIG_DFL);
    uninstall(SIGUSR1);
}

static void a_release_is_refused_while_an_op_waits(void **state) {
    exec_handle h[2];
    intptr_t out[2];
    (void)state;
    begin();
    for (int i = 0; i < 2; i++) start(&h[i], i ? SIGUSR2 : SIGUSR1, &out[i]);
    turns(2);
    exec_handle_abort(&h[1]);
    assert_int_equal(exec_signal_release(&ex, SIGUSR1), -EBUSY);
    assert_int_equal(exec_signal_release(&ex, 0), -EBUSY);      /* the other is given back */
    if (!EXEC_POSIX_ONLY) assert_true(is_blocked(SIGUSR1));
    assert_false(is_blocked(SIGUSR2));
    assert_true(handler_of(SIGUSR2) == SIG_DFL);
    assert_int_equal(exec_signal_release(&ex, -1), -EINVAL);
    assert_int_equal(exec_signal_release(&ex, 65), -EINVAL);
    raise(SIGUSR1);
    turns(4);
    assert_int_equal(out[0], SIGUSR1);
    assert_int_equal(exec_signal_release(&ex, 0), 0);
    end();
}

static void what_is_no_signal_to_wait_for_is_refused(void **state) {
    static const int wrong[] = { 0, -1, 65, 1000, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
        33 /* the C library's */ };
    exec_signal_op op;
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(wrong); i++) assert_int_equal(run(exec_signal(&op, wrong[i])), -EINVAL);
    assert_int_equal(all_calls(), 0);
    assert_null(net.signals.close);
    end();
}

static void each_system_call_of_an_await_fails(void **state) {
    static const struct { int call, error; } all[] = {
#if EXEC_POSIX_ONLY
        { CALL_PIPE, EMFILE }, { CALL_PIPE, ENFILE }, { CALL_SIGACTION, EINVAL },
#else
        { CALL_SIGNALFD, EMFILE }, { CALL_SIGNALFD, ENFILE }, { CALL_SIGNALFD, ENOMEM },
        { CALL_SIGPROCMASK, EINVAL }, { CALL_SIGTIMEDWAIT, EINVAL },
#endif
    };
    exec_signal_op op;
    (void)state;
    for (size_t i = 0; i < COUNT(all); i++) {
        begin();
        fail_call(all[i].call, all[i].error, 0, 1);
        assert_int_equal(run(exec_signal(&op, SIGUSR1)), -all[i].error);
        assert_int_equal(fault.times, 0);
        assert_int_equal(net.fds.waiting, 0);
        assert_false(net.signals.first != NULL);
        assert_int_equal(exec_signal_release(&ex, 0), 0);
        end();
    }
}

#if !EXEC_POSIX_ONLY
static void an_await_survives_interruptions_and_a_failed_look(void **state) {
    exec_signal_op op;
    exec_handle h;
    intptr_t out;
    (void)state;
    begin();
    fail_call(CALL_SIGNALFD, ENOMEM, 1, 1);        /* the one that widens what it reports */
    assert_int_equal(run(exec_signal(&op, SIGUSR1)), -ENOMEM);
    assert_int_equal(net.fds.waiting, 0);
    fail_call(CALL_SIGTIMEDWAIT, EINTR, 0, 1);
    start(&h, SIGUSR1, &out);
    turns(2);
    fail_call(CALL_SIGPENDING, EFAULT, 0, 1);      /* then each tries */
    raise(SIGUSR1);
    turns(4);
    assert_int_equal(fault.times, 0);
    assert_int_equal(out, SIGUSR1);
    fail_call(CALL_SIGPROCMASK, EINVAL, 0, 1);
    assert_int_equal(exec_signal_release(&ex, SIGUSR1), -EINVAL);
    assert_true(is_blocked(SIGUSR1));
    assert_int_equal(exec_signal_release(&ex, SIGUSR1), 0);
    end();
}
#endif

static void a_table_without_room_for_the_descriptor(void **state) {
    exec_net_config config;
    exec_signal_op op;
    (void)state;
    memset(&config, 0, sizeof config);
    config.slots = table;
    config.slot_count = 1;
    config.pollfds = pollfds;
    config.pollfd_count = 2;
    fds_before = count_fds();
    memset(&fault, 0, sizeof fault);
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(exec_net_attach(&net, &ex, &config), 0);
    assert_int_equal(run(exec_signal(&op, SIGUSR1)), -EMFILE);
    assert_false(is_blocked(SIGUSR1));
    end();
}

/* Somebody closes all descriptors: the awaits say so. */
static void a_cancelled_descriptor_ends_the_awaits(void **state) {
    exec_handle h[2];
    intptr_t out[2];
    (void)state;
    begin();
    for (int i = 0; i < 2; i++) start(&h[i], i ? SIGUSR2 : SIGUSR1, &out[i]);
    turns(2);
    assert_int_equal(exec_fd_cancel(&ex, net.signals.fd), 0);
    turns(4);
    assert_int_equal(out[0], -EBADF);
    assert_int_equal(out[1], -EBADF);
    assert_int_equal(exec_fd_forget(&ex, net.signals.fd), 0);
    end();
}

static void a_signal_of_another_process_wakes_a_parked_executor(void **state) {
    exec_signal_op op;
    int status;
    pid_t child, parent = getpid();
    (void)state;
    begin();
    hold(&ex, SIGTERM);             /* on a busy machine it may come before the await */
    child = fork();
    if (child == 0) {
        usleep(20000);
        kill(parent, SIGTERM);
        _exit(0);
    }
    assert_int_equal(run(exec_signal(&op, SIGTERM)), SIGTERM);
    if (!EXEC_POSIX_ONLY) assert_int_equal(op.pid, child);
    assert_int_equal(waitpid(child, &status, 0), child);
    end();
}

/* Counts one signal until another one comes. */
typedef struct { EXEC_FRAME; exec_select_op sel; exec_signal_op one, last; int signo; int *count; } counter;
EXEC_ASYNC(counter) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_select(&self->sel, exec_signal(&self->one, self->signo),
                             exec_signal(&self->last, SIGUSR2)));
        if (EXEC_RESULT(&self->sel) == 1) break;
        if (self->one.code == SI_QUEUE) assert_int_equal(self->one.value, *self->count);
        ++*self->count;
    }
    EXEC_END;
}

static void storm(int signo, int queued) {
    exec_config config = quiet_config();
    int rounds = test_rounds(10000), count = 0, status;
    pid_t child, parent = getpid();
    config.port = &port;
    config.ops_per_poll = 3;
    install(signo);
    begin_with(&config);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), counter, .signo = signo, .count = &count), 0);
    turns(2);
    child = fork();
    if (child == 0) {
        for (int i = 0; i < rounds; i++) {
            union sigval value;
            memset(&value, 0, sizeof value);
            value.sival_int = i;
            if (!queued) kill(parent, signo);
            else while (sigqueue(parent, signo, value) < 0 && errno == EAGAIN) sched_yield();
        }
        kill(parent, SIGUSR2);
        _exit(0);
    }
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    end();
    count += handled;           /* what came between the polls of the last select's two branches is the host's */
    if (queued) assert_int_equal(count, rounds);
    else assert_in_range(count, 1, rounds);
    uninstall(signo);
}

static void a_storm_of_signals_ends_every_await(void **state) {
    (void)state;
    storm(SIGUSR1, 0);
}
#if !EXEC_POSIX_ONLY
static void of_a_storm_of_queued_signals_none_is_lost(void **state) {
    (void)state;
    storm(SIGRTMIN + 1, 1);
}
#endif

static void a_signal_raised_in_each_round_is_got_in_each_round(void **state) {
    exec_signal_op op;
    int rounds = test_rounds(10000);
    (void)state;
    begin();
    hold(&ex, SIGUSR1);
    for (int i = 0; i < rounds; i++) {
        raise(SIGUSR1);
        assert_int_equal(run(exec_signal(&op, SIGUSR1)), SIGUSR1);
    }
    end();
}

/* The last one gives it back, in whatever order. */
static void two_executors_of_a_thread_hold_a_signal_together(void **state) {
    static exec_fd_slot slots[64];
    static struct pollfd fds[COUNT(slots) + 1];
    exec_net_config config = { slots, COUNT(slots), fds, COUNT(fds) };
    exec other;
    exec_net other_net;
    (void)state;
    install(SIGUSR1);
    for (int order = 0; order < 2; order++) {
        exec *first = order ? &other : &ex, *last = order ? &ex : &other;
        exec_timeout_op limit;
        exec_signal_op op;
        begin();
        assert_int_equal(exec_init(&other, NULL), 0);
        assert_int_equal(exec_net_attach(&other_net, &other, &config), 0);
        hold(first, SIGUSR1);
        hold(last, SIGUSR1);
        assert_int_equal(exec_signal_release(first, SIGUSR1), 0);
        assert_true(is_held(SIGUSR1));
        raise(SIGUSR1);
        assert_int_equal(exec_run_until(last, exec_signal(&op, SIGUSR1)), 0);
        assert_int_equal(op.fut.result, SIGUSR1);
        hold(first, SIGUSR1);
        raise(SIGUSR1);
        assert_int_equal(exec_run_until(last, exec_signal(&op, SIGUSR1)), 0);
        assert_int_equal(exec_signal_release(first, SIGUSR1), 0);
        assert_int_equal(exec_run_until(last, exec_timeout(&limit, exec_signal(&op, SIGUSR1), EXEC_MS(1))), 0);
        assert_int_equal(op.fut.result, -ECANCELED);        /* one came, and it was taken */
        fail_call(CALL_SIGACTION, EINVAL, 0, 1);
        if (EXEC_POSIX_ONLY) assert_int_equal(exec_signal_release(last, SIGUSR1), -EINVAL);
        memset(&fault, 0, sizeof fault);
        assert_int_equal(exec_signal_release(last, SIGUSR1), 0);
        assert_false(is_held(SIGUSR1));
        raise(SIGUSR1);
        assert_int_equal(handled, order + 1);
        assert_int_equal(exec_destroy(&other, 0), 0);
        end();
    }
    uninstall(SIGUSR1);
}

/* What a child of fork drops: the descriptor; and the host's mask or handler is there again. */
static void a_forked_child_has_its_signals_back(void **state) {
    exec_handle h;
    intptr_t out;
    int status;
    pid_t child;
    (void)state;
    install(SIGUSR1);
    begin();
    start(&h, SIGUSR1, &out);
    turns(2);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        net.driver.type->forked(&net.driver);
        _exit(is_held(SIGUSR1) || count_fds() != fds_before);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    raise(SIGUSR1);
    turns(4);
    assert_int_equal(out, SIGUSR1);
    assert_int_equal(handled, 0);
    end();
    uninstall(SIGUSR1);
}

static void what_came_for_the_parent_is_not_the_childs(void **state) {
    exec_signal_op op;
    int status;
    pid_t child;
    (void)state;
    install(SIGUSR1);
    begin();
    hold(&ex, SIGUSR1);
    raise(SIGUSR1);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        net.driver.type->forked(&net.driver);
        _exit(handled || is_held(SIGUSR1));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(run(exec_signal(&op, SIGUSR1)), SIGUSR1);
    assert_int_equal(handled, 0);
    end();
    uninstall(SIGUSR1);
}

static void dump_names_the_signal(void **state) {
    exec_handle h[2];
    intptr_t out[2];
    char winch[16];
    (void)state;
    begin();
    start(&h[0], SIGTERM, &out[0]);
    start(&h[1], SIGWINCH, &out[1]);
    turns(2);
    exec_dump(&ex);
    expect_words(log_text, "signal SIGTERM");
    snprintf(winch, sizeof winch, "signal %d", SIGWINCH);
    expect_words(log_text, winch);
    end();
}

#if EXEC_POSIX_ONLY
static void a_handler_that_was_replaced_stays(void **state) {
    exec_signal_op op;
    (void)state;
    begin();
    hold(&ex, SIGUSR1);
    install(SIGUSR1);
    assert_int_equal(exec_signal_release(&ex, SIGUSR1), -EBUSY);
    assert_ptr_equal(handler_of(SIGUSR1), host_handler);
    hold(&ex, SIGUSR1);             /* awaited anew, it is ours again */
    raise(SIGUSR1);
    assert_int_equal(run(exec_signal(&op, SIGUSR1)), SIGUSR1);
    assert_int_equal(exec_signal_release(&ex, SIGUSR1), 0);
    assert_ptr_equal(handler_of(SIGUSR1), host_handler);
    assert_int_equal(handled, 0);
    end();
    signal(SIGUSR1, SIG_DFL);
}
#endif

#if !EXEC_NO_THREADS
static void *send_many(void *arg) {
    int rounds = test_rounds(2000);
    sigset_t all;
    sigfillset(&all);
    if (!EXEC_POSIX_ONLY) pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < rounds; i++) kill(getpid(), SIGUSR1);
    kill(getpid(), *(int *)arg);
    return NULL;
}

/* Under EXEC_POSIX_ONLY the handler runs in any of them. */
static void signals_of_other_threads(void **state) {
    static int last = SIGUSR2;
    pthread_t threads[2];
    int count = 0;
    (void)state;
    begin();
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), counter, .signo = SIGUSR1, .count = &count), 0);
    turns(2);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, send_many, &last), 0);
    assert_int_equal(exec_run(&ex), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_true(count > 0);
    install(SIGUSR1);               /* for what came behind the last one */
    install(SIGUSR2);
    end();
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}
#endif

#if EXEC_POSIX_ONLY && !EXEC_NO_THREADS
static void *take_signals(void *over) {
    while (!__atomic_load_n((int *)over, __ATOMIC_ACQUIRE)) sched_yield();
    return NULL;
}

/* The executor's thread blocks the signal, as a thread may while another one does not. */
static void what_nobody_took_reaches_a_thread_of_the_host_that_takes_it(void **state) {
    pthread_t other;
    int over = 0;
    (void)state;
    install(SIGUSR1);
    assert_int_equal(pthread_create(&other, NULL, take_signals, &over), 0);
    block(SIG_BLOCK, SIGUSR1);
    begin();
    hold(&ex, SIGUSR1);
    alarm(30);
    kill(getpid(), SIGUSR1);
    while (EXEC__LOAD(&net.signals.state[SIGUSR1 - 1]) != EXEC__SIGNAL_CAUGHT) sched_yield();
    assert_int_equal(exec_signal_release(&ex, SIGUSR1), 0);
    while (!__atomic_load_n(&handled, __ATOMIC_ACQUIRE)) sched_yield();
    alarm(0);
    end();
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    pthread_join(other, NULL);
    block(SIG_UNBLOCK, SIGUSR1);
    assert_int_equal(handled, 1);
    uninstall(SIGUSR1);
}
#endif

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_signal_is_a_future),
#if EXEC__DIRECT
    cmocka_unit_test(a_look_that_finds_no_signal_touches_nothing),
#endif
    cmocka_unit_test(a_signal_between_two_awaits_is_kept),
    cmocka_unit_test(a_signal_that_nobody_awaits_is_kept_and_does_not_spin),
    cmocka_unit_test(all_that_wait_for_it_get_it),
    cmocka_unit_test(a_select_of_two_signals_and_a_sleep),
    cmocka_unit_test(a_cancelled_await_takes_nothing),
    cmocka_unit_test(a_loser_of_a_select_takes_nothing),
    cmocka_unit_test(the_registration_passes_on),
    cmocka_unit_test(spurious_polls_make_no_system_call),
    cmocka_unit_test(trap_26_nothing_but_the_mask_is_taken_and_the_release_gives_it_back),
    cmocka_unit_test(what_nobody_took_reaches_the_host_at_the_release),
    cmocka_unit_test(what_the_host_had_blocked_stays_blocked),
    cmocka_unit_test(destroy_while_awaiting_gives_all_back),
    cmocka_unit_test(a_release_is_refused_while_an_op_waits),
    cmocka_unit_test(what_is_no_signal_to_wait_for_is_refused),
    cmocka_unit_test(each_system_call_of_an_await_fails),
    cmocka_unit_test(a_table_without_room_for_the_descriptor),
    cmocka_unit_test(a_cancelled_descriptor_ends_the_awaits),
    cmocka_unit_test(a_signal_of_another_process_wakes_a_parked_executor),
    cmocka_unit_test(a_storm_of_signals_ends_every_await),
    cmocka_unit_test(a_signal_raised_in_each_round_is_got_in_each_round),
    cmocka_unit_test(two_executors_of_a_thread_hold_a_signal_together),
    cmocka_unit_test(a_forked_child_has_its_signals_back),
    cmocka_unit_test(what_came_for_the_parent_is_not_the_childs),
    cmocka_unit_test(dump_names_the_signal),
#if EXEC_POSIX_ONLY
    cmocka_unit_test(a_handler_that_was_replaced_stays),
#else
    cmocka_unit_test(queued_signals_come_one_by_one_with_their_values),
    cmocka_unit_test(a_timer_is_no_sender),
    cmocka_unit_test(an_await_survives_interruptions_and_a_failed_look),
    cmocka_unit_test(of_a_storm_of_queued_signals_none_is_lost),
#endif
#if !EXEC_NO_THREADS
    cmocka_unit_test(signals_of_other_threads),
#endif
#if EXEC_POSIX_ONLY && !EXEC_NO_THREADS
    cmocka_unit_test(what_nobody_took_reaches_a_thread_of_the_host_that_takes_it),
#endif
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
