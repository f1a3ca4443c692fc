/* SPDX-License-Identifier: MIT
 * Child processes as futures: start, end, signals, and what the host's SIGCHLD may do.
 * Memcheck knows no pidfd_open; not with: valgrind. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALL_NONE, CALL_SPAWN, CALL_PIDFD_OPEN, CALL_PIDFD_SEND, CALL_WAITID, CALL_KILL, CALLS };
#include "faulty.h"

#define EXEC_SYS_POSIX_SPAWNP(...) (faulty(CALL_SPAWN) ? fault.error : posix_spawnp(__VA_ARGS__))
#define EXEC_SYS_PIDFD_OPEN(pid) (faulty(CALL_PIDFD_OPEN) ? -1 : exec__pidfd_open(pid))
#define EXEC_SYS_PIDFD_SEND_SIGNAL(fd, signo) (faulty(CALL_PIDFD_SEND) ? -1 : exec__pidfd_send_signal(fd, signo))
#define EXEC_SYS_WAITID(...) (faulty(CALL_WAITID) ? -1 : waitid(__VA_ARGS__))
#define EXEC_SYS_KILL(...) (may_not_signal() ? -1 : kill(__VA_ARGS__))

/* 1: children are another user's by now, as a program with the set-user-ID bit may become; 2: they have just ended. */
static int not_ours;
__attribute__((unused)) static int may_not_signal(void) {
    siginfo_t info;
    if (not_ours == 2) waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
    calls[CALL_KILL]++;
    errno = EPERM;
    return not_ours;
}

#define TEST_HEADER "../exec_net.h"
#include "test.h"
#include "leaves.h"
#include "reactor.h"

#if EXEC_POSIX_ONLY
static void children_are_not_supported(void **state) {
    exec_child child;
    exec_child_op op;
    (void)state;
    begin();
#if !EXEC_NO_MALLOC
    {
        static const char *const argv[] = { "true", NULL };
        assert_int_equal(exec_child_start(&ex, &child, argv, NULL), -ENOSYS);
    }
#endif
    assert_int_equal(exec_child_adopt(&ex, &child, 1), -ENOSYS);
    assert_int_equal(run(exec_child_wait(&op, &child)), -ENOSYS);
    assert_int_equal(exec_child_kill(&child, SIGTERM), -ENOSYS);
    assert_int_equal(exec_child_detach(&ex, &child), -ENOSYS);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(children_are_not_supported) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else

/* A shell that runs `script`; where the library starts none, by fork and adoption. */
static int start(exec_child *child, const char *script, const exec_child_opts *opts) {
#if EXEC_NO_MALLOC
    int adopted[2], status;     /* it begins when this is closed: who reaps all would be before the adoption else */
    char none;
    pid_t pid;
    assert_int_equal(pipe2(adopted, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        close(adopted[1]);
        if (read(adopted[0], &none, 1) != 0) _exit(126);
        if (opts && opts->out) dup2(opts->out, 1);
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    close(adopted[0]);
    status = exec_child_adopt(&ex, child, pid);
    close(adopted[1]);
    return status;
#else
    const char *argv[] = { "sh", "-c", NULL, NULL };
    argv[2] = script;
    return exec_child_start(&ex, child, argv, opts);
#endif
}

static void the_result_is_the_exit_code(void **state) {
    static const struct { const char *script; int result, signal; } all[] = {
        { "exit 0", 0, 0 }, { "exit 7", 7, 0 }, { "exit 255", 255, 0 }, { "kill -TERM $$", 128 + SIGTERM, SIGTERM },
        { "kill -KILL $$", 128 + SIGKILL, SIGKILL }, { "exit 143", 143, 0 },
    };
    exec_child child;
    exec_child_op op;
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_int_equal(start(&child, all[i].script, NULL), 0);
        assert_int_equal(run(exec_child_wait(&op, &child)), all[i].result);
        assert_int_equal(child.signal, all[i].signal);
        assert_int_equal(run(exec_child_wait(&op, &child)), all[i].result);     /* asked again */
        assert_int_equal(exec_child_kill(&child, SIGTERM), -ESRCH);
        assert_int_equal(exec_child_detach(&ex, &child), -ESRCH);
    }
    memset(&child, 0, sizeof child);
    assert_int_equal(run(exec_child_wait(&op, &child)), -ECHILD);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);                            /* no zombie */
    end();
}

typedef struct { EXEC_FRAME; exec_child *child; exec_child_op op; intptr_t *out; } keeper;
EXEC_ASYNC(keeper) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_child_wait(&self->op, self->child));
    EXEC_FINALLY;
    *self->out = EXEC_RESULT(&self->op);
    EXEC_END;
}
static void keep(exec_handle *handle, exec_child *child, intptr_t *out) {
    exec_opts opts = test_opts_handle(handle);
    *out = -1;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, keeper, .child = child, .out = out), 0);
    turns(2);
}

static void a_cancelled_wait_leaves_the_child_running(void **state) {
    exec_child child;
    exec_child_op op;
    exec_handle h, second;
    intptr_t out, other;
    unsigned before;
    (void)state;
    begin();
    assert_int_equal(start(&child, "exec sleep 100", NULL), 0);
    keep(&h, &child, &out);
    assert_int_equal(out, -1);
    before = calls[CALL_WAITID];
    for (int i = 0; i < 10; i++) {
        exec_wake(h.task);
        turns(1);
    }
    assert_int_equal(calls[CALL_WAITID], before);       /* spurious polls make no call */
    keep(&second, &child, &other);
    assert_int_equal(other, -EBUSY);
    exec_dump(&ex);
    assert_non_null(strstr(log_text, "child_wait"));
    expect_words(log_text, "child_wait pid ");
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(out, -ECANCELED);
    assert_int_equal(net.fds.waiting, 0);
    assert_int_equal(exec_child_kill(&child, 0), 0);
    assert_int_equal(exec_child_kill(&child, 1000), -EINVAL);
    fault.call = CALL_PIDFD_SEND;
    fault.error = EPERM;
    fault.times = 1;
    assert_int_equal(exec_child_kill(&child, SIGINT), -EPERM);
    assert_int_equal(exec_child_kill(&child, SIGINT), 0);
    assert_int_equal(run(exec_child_wait(&op, &child)), 128 + SIGINT);
    assert_int_equal(child.signal, SIGINT);
    end();
}

static void a_detached_child_goes_on(void **state) {
    exec_child child;
    exec_handle h;
    intptr_t out;
    int pid, status;
    (void)state;
    begin();
    assert_int_equal(start(&child, "exec sleep 100", NULL), 0);
    pid = child.pid;
    keep(&h, &child, &out);
    assert_int_equal(exec_child_detach(&ex, &child), 0);
    turns(2);
    assert_int_equal(out, -EBADF);
    assert_int_equal(exec_child_kill(&child, SIGTERM), -ESRCH);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    end();
}

static volatile sig_atomic_t reaped;
static void reap_all(int signo) {
    int error = errno;
    (void)signo;
    while (waitpid(-1, NULL, WNOHANG) > 0) reaped++;
    errno = error;
}

/* The host's SIGCHLD: its handler is called and stays; one that reaps all, or SIG_IGN, is an error, no hang. */
static void trap_26_sigchld_is_the_hosts(void **state) {
    struct sigaction action, before, now;
    (void)state;
    for (int ignore = 0; ignore < 2; ignore++) {
        exec_child child;
        exec_child_op op;
        begin();
        reaped = 0;
        memset(&action, 0, sizeof action);
        action.sa_handler = ignore ? SIG_IGN : reap_all;
        action.sa_flags = SA_RESTART;
        assert_int_equal(sigaction(SIGCHLD, &action, &before), 0);
        assert_int_equal(start(&child, "sleep 0.05", NULL), 0);
        assert_int_equal(run(exec_child_wait(&op, &child)), -ECHILD);
        assert_int_equal(start(&child, "exit 0", NULL), 0);
        usleep(50000);
        assert_int_equal(run(exec_child_wait(&op, &child)), -ECHILD);
        if (!ignore) assert_int_equal(reaped, 2);
        assert_int_equal(sigaction(SIGCHLD, &before, &now), 0);
        assert_true(now.sa_handler == action.sa_handler);
        end();
    }
}

static void only_the_own_child_is_waited_for(void **state) {
    exec_child child;
    exec_child_op op;
    int status;
    pid_t foreign;
    (void)state;
    begin();
    foreign = fork();
    if (foreign == 0) _exit(3);
    assert_int_equal(start(&child, "exit 5", NULL), 0);
    assert_int_equal(run(exec_child_wait(&op, &child)), 5);
    assert_int_equal(waitpid(foreign, &status, 0), foreign);
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_int_equal(exec_child_adopt(&ex, &child, foreign), -ECHILD);
    assert_int_equal(exec_child_adopt(&ex, &child, getpid()), -ECHILD);
    assert_int_equal(exec_child_adopt(&ex, &child, 0), -ECHILD);
    end();
}

static void an_adopted_child_is_waited_for(void **state) {
    exec_child child;
    exec_child_op op;
    pid_t pid;
    (void)state;
    begin();
    pid = fork();
    if (pid == 0) {
        usleep(20000);
        _exit(9);
    }
    assert_int_equal(exec_child_adopt(&ex, &child, pid), 0);
    assert_int_equal(child.pid, pid);
    assert_int_equal(run(exec_child_wait(&op, &child)), 9);
    end();
}

static void each_system_call_of_a_wait_fails(void **state) {
    exec_child child;
    exec_child_op op;
    (void)state;
    begin();
    assert_int_equal(start(&child, "exit 4", NULL), 0);
    fault.call = CALL_WAITID;
    fault.error = EFAULT;
    fault.times = 1;
    assert_int_equal(run(exec_child_wait(&op, &child)), -EFAULT);
    fault.error = EINTR;
    fault.times = 1;
    assert_int_equal(run(exec_child_wait(&op, &child)), 4);
    end();
}

static void two_hundred_children_at_once(void **state) {
    static exec_child children[200];
    static exec_handle handles[200];
    static intptr_t out[200];
    int n = test_rounds(200) < 200 ? 20 : 200;
    (void)state;
    begin();
    for (int i = 0; i < n; i++) {
        char script[32];
        snprintf(script, sizeof script, "exit %d", i);
        assert_int_equal(start(&children[i], script, NULL), 0);
        keep(&handles[i], &children[i], &out[i]);
    }
    assert_int_equal(exec_run(&ex), 0);
    for (int i = 0; i < n; i++) assert_int_equal(out[i], i);
    end();
}

#if !EXEC_NO_MALLOC
static void what_does_not_start_leaves_nothing(void **state) {
    static const struct { int call, error, expected; } all[] = {
        { CALL_SPAWN, EAGAIN, -EAGAIN }, { CALL_SPAWN, ENOMEM, -ENOMEM }, { CALL_PIDFD_OPEN, ENOSYS, -ENOSYS },
        { CALL_PIDFD_OPEN, EPERM, -ENOSYS }, { CALL_PIDFD_OPEN, EMFILE, -EMFILE }, { CALL_WAITID, EINVAL, -ENOSYS },
    };
    static const char *const none[] = { NULL };
    static const char *const sleeper[] = { "sleep", "100", NULL };
    exec_child child;
    (void)state;
    begin();
    assert_int_equal(exec_child_start(&ex, &child, none, NULL), -EINVAL);
    assert_int_equal(exec_child_start(&ex, &child, NULL, NULL), -EINVAL);
    for (size_t i = 0; i < COUNT(all); i++) {
        fault.call = all[i].call;
        fault.error = all[i].error;
        fault.skip = 0;
        fault.times = 1;
        assert_int_equal(exec_child_start(&ex, &child, sleeper, NULL), all[i].expected);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);       /* killed and reaped */
        assert_int_equal(errno, ECHILD);
    }
    end();
    {
        static struct pollfd fds[2];
        exec_net_config config = { table, 1, fds, COUNT(fds) };
        assert_int_equal(exec_init(&ex, NULL), 0);
        assert_int_equal(exec_net_attach(&net, &ex, &config), 0);
        for (unsigned skip = 0; skip < 2; skip++) {     /* each of its waits is interrupted in its turn */
            fail_call(CALL_WAITID, EINTR, skip, 1);
            assert_int_equal(exec_child_start(&ex, &child, sleeper, NULL), -EMFILE);
            assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        }
        end();
    }
}

/* It would be waited for as long as it runs: an alarm ends the test then. */
static void a_child_that_may_not_be_killed_does_not_stop_the_thread(void **state) {
    static const char *const sleeper[] = { "sleep", "1000", NULL };
    static const char *const quick[] = { "true", NULL };
    exec_child child;
    exec_child_op op;
    (void)state;
    begin();
    alarm(30);
    not_ours = 1;
    fail_call(CALL_PIDFD_OPEN, EMFILE, 0, 1);
    assert_int_equal(exec_child_start(&ex, &child, sleeper, NULL), -EMFILE);
    assert_true(child.pid > 0);
    assert_int_equal(waitpid(child.pid, NULL, WNOHANG), 0);         /* it runs, and is the caller's */
    assert_int_equal(exec_child_adopt(&ex, &child, child.pid), 0);
    assert_int_equal(exec_child_kill(&child, SIGKILL), 0);
    assert_int_equal(run(exec_child_wait(&op, &child)), 128 + SIGKILL);
    not_ours = 2;
    fail_call(CALL_PIDFD_OPEN, EMFILE, 0, 1);
    assert_int_equal(exec_child_start(&ex, &child, quick, NULL), -EMFILE);
    assert_int_equal(child.pid, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);               /* no zombie */
    assert_int_equal(calls[CALL_KILL], 2);
    not_ours = 0;
    alarm(0);
    end();
}

static void what_cannot_be_executed_says_so(void **state) {
    static const char *const missing[] = { "exec-no-such-program", NULL };
    static const char *const denied[] = { "/etc/passwd", NULL };
    exec_child child;
    (void)state;
    not_under_qemu(QEMU_SPAWN);
    begin();
    assert_int_equal(exec_child_start(&ex, &child, missing, NULL), -ENOENT);
    assert_int_equal(exec_child_start(&ex, &child, denied, NULL), -EACCES);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    end();
}

/* The lines that the script prints. */
static const char *output_of(const char *script, const exec_child_opts *base) {
    static char text[512];
    exec_child_opts opts = *base;
    exec_child child;
    exec_child_op op;
    exec_io io;
    int ends[2];
    size_t n = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    opts.out = ends[1];
    assert_int_equal(start(&child, script, &opts), 0);
    close(ends[1]);
    assert_int_equal(run(exec_child_wait(&op, &child)), 0);
    while (n < sizeof text - 1 && run(exec_read(&io, ends[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)EXEC_RESULT(&io);
    text[n] = 0;
    exec_close_fd(&ex, ends[0]);
    return text;
}

static void a_child_gets_its_descriptors_environment_and_group(void **state) {
    static const char *const env[] = { "EXEC_WORD=hello", "PATH=/usr/bin:/bin", NULL };
    exec_child_opts opts;
    char expected[64];
    int ends[2];
    (void)state;
    begin();
    memset(&opts, 0, sizeof opts);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "input\n", 6), 6);
    close(ends[1]);
    opts.in = ends[0];
    opts.err = 1;
    opts.env = env;
    assert_string_equal(output_of("cat; echo $EXEC_WORD; echo oops >&2", &opts), "input\nhello\noops\n");
    close(ends[0]);
    memset(&opts, 0, sizeof opts);
    snprintf(expected, sizeof expected, "%d\n", (int)getpgrp());
    assert_string_equal(output_of("cut -d' ' -f5 /proc/$$/stat", &opts), expected);
    opts.own_group = 1;
    assert_string_not_equal(output_of("cut -d' ' -f5 /proc/$$/stat", &opts), expected);
    end();
}

/* What this process blocks, ignores and holds open is not its children's. */
static void a_child_begins_with_default_signals_and_no_descriptor_of_ours(void **state) {
    exec_child_opts opts;
    exec_signal_op op;
    char script[128];
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    (void)state;
    begin();
    memset(&opts, 0, sizeof opts);
    block(SIG_BLOCK, SIGTERM);
    kill(getpid(), SIGTERM);
    assert_int_equal(run(exec_signal(&op, SIGTERM)), SIGTERM);
    /* but the two that glibc keeps for itself; under qemu-user those have other numbers */
    assert_string_equal(output_of("grep -cE '^SigBlk:.0{16}$|^SigIgn:.0{7}[016][08]0{7}$' /proc/self/status", &opts),
                        "2\n");
    snprintf(script, sizeof script, "test -e /proc/$$/fd/%d && echo open; true", net.signals.fd);
    assert_string_equal(output_of(script, &opts), "");
    block(SIG_UNBLOCK, SIGTERM);
    mask_before = current_mask();
    signal(SIGPIPE, before);
    exec_signal_release(&ex, 0);
    end();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_result_is_the_exit_code),
        cmocka_unit_test(a_cancelled_wait_leaves_the_child_running),
        cmocka_unit_test(a_detached_child_goes_on),
        cmocka_unit_test(trap_26_sigchld_is_the_hosts),
        cmocka_unit_test(only_the_own_child_is_waited_for),
        cmocka_unit_test(an_adopted_child_is_waited_for),
        cmocka_unit_test(each_system_call_of_a_wait_fails),
        cmocka_unit_test(two_hundred_children_at_once),
#if !EXEC_NO_MALLOC
        cmocka_unit_test(what_does_not_start_leaves_nothing),
        cmocka_unit_test(a_child_that_may_not_be_killed_does_not_stop_the_thread),
        cmocka_unit_test(what_cannot_be_executed_says_so),
        cmocka_unit_test(a_child_gets_its_descriptors_environment_and_group),
        cmocka_unit_test(a_child_begins_with_default_signals_and_no_descriptor_of_ours),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
