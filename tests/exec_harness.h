/* SPDX-License-Identifier: MIT
 *
 * exec_harness.h - runs a scenario again and again, and each time something else goes wrong in it
 *
 * First it runs the scenario as it is and counts: how often its coroutine is suspended, how often each
 * system call is made, how often memory is asked for. Then it runs it again for each of these:
 *     cancel       an abort before the first poll, and at the k-th suspension, for every k: as soon as it is
 *                  suspended, and again when what it waits for has come and it is about to go on
 *     kill         in the same places; and after an abort there at each suspension of the cleanup; no time
 *                  passes any more until it is over
 *     timeout      the coroutine is inside exec_timeout, which expires at the k-th suspension
 *     loser        the coroutine is a branch of exec_select, whose other branch wins then (both of them
 *                  in the same two moments)
 *     system call  the n-th call of each kind fails with each errno that it can give, or moves one byte only
 *     allocation   the n-th one fails
 * After each run no descriptor, slot, timer, waiter, blocked signal, child process or allocation is left,
 * every frame that began has run its cleanup exactly once, inner ones before outer ones, a call that was
 * interrupted or had to wait has changed no result, the executor still runs a task, and what the scenario
 * itself checks holds.
 *
 * DO THIS (a test program of its own; link nothing)
 *     #include "exec_harness.h"                        // defines EXEC_IMPLEMENTATION, includes exec_net.h
 *
 *     typedef struct { EXEC_FRAME; harness_mark mark; int fd; exec_io io; char buf[16]; } reader;
 *     EXEC_ASYNC(reader) {
 *         EXEC_BEGIN;
 *         harness_began(&self->mark, NULL);
 *         EXEC_TRY(exec_read_exact(&self->io, self->fd, self->buf, sizeof self->buf));
 *         EXEC_FINALLY;
 *         harness_ended(&self->mark);
 *         exec_close_fd(cx->exec, self->fd);
 *         EXEC_END;
 *     }
 *
 *     static void read_a_pipe(harness *h) {
 *         static reader frame;
 *         int ends[2];
 *         if (harness_open(h) < 0) return;             // h->ex, with a reactor and a virtual clock
 *         if (exec_pipe(&h->ex, ends) == 0) {          // each call of the library may fail
 *             if (write(ends[1], "0123456789abcdef", 16) != 16) abort();       // this one is the test's
 *             harness_drive(h, EXEC_CALL(&frame, reader, .fd = ends[0]));
 *             HARNESS_CHECK(h, h->done || frame.io.done == 16);                // h->done: it went wrong
 *             exec_close_fd(&h->ex, ends[1]);
 *         }
 *         harness_close(h);
 *     }
 *
 *     static const harness_scenario scenarios[] = { { "exec_read_exact", read_a_pipe } };
 *     int main(void) { return harness_main(scenarios, 1); }
 *
 * The program prints a row per scenario, a column per kind, each cell the number of runs; `none`: the plain
 * run was never suspended, made no system call, or allocated nothing, as its counter says. What fails is
 * printed with scenario, kind and k. In the environment: EXEC_HARNESS=NAME runs that scenario only,
 * EXEC_HARNESS_LOG=1 prints what the executor logs, EXEC_TEST_ROUNDS=N is about how many runs there are:
 * some k are left out, by EXEC_TEST_SEED.
 *
 * A scenario builds its world anew each time, and is prepared for each of its own calls of the library to
 * fail. It must end by itself in the plain run. Its frame outlives harness_drive, once in a run; a static one is
 * zeroed anew by EXEC_CALL. A coroutine inside another one gives harness_began its mark:
 *     harness_began(&self->mark, self->outer);         // EXEC_CALL(&self->child, T, .outer = &self->mark, ...)
 * Feeders, tasks beside the one that is driven, play the world: they are spawned with harness_opts(), which is
 * NULL or, under EXEC_NO_MALLOC, a pool; they end by themselves, or are cancelled by harness_close. What is yours,
 * the system calls of scenario, feeders and coroutines that do not go through the library, does not fail. h->config
 * may be set before harness_open (not the clock, the log, and the allocator). At most one op is ready at once
 * in a poll (ops_per_poll 1), so that the coroutine is suspended between any two.
 *
 * HARNESS_HEADER is what is included, "../exec_net.h" unless you define it before: beside your own code,
 * "exec_net.h". The harness defines the EXEC_SYS_ names and EXEC_TRACE_POLL, so it and the library are compiled
 * into one file with your coroutines; it takes SIGALRM, and looks at all descriptors below 1024 and at all child
 * processes. All options of the library work; under EXEC_NO_MALLOC (with glibc) malloc(3) is replaced, to see that
 * nobody calls it. A larger program: tests/harness/ask.c.
 *
 * A fault is what the kernel could do: where a call is to say EAGAIN, or to be short, though there is more,
 * the descriptors tell of themselves once more, as if it had come just after the call. A virtual clock
 * moves on when nothing comes from any descriptor; if no time is waited for either, the scenario hangs. */
#ifndef EXEC_HARNESS_H
#define EXEC_HARNESS_H

#ifndef EXEC_STATIC
#define EXEC_IMPLEMENTATION
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined EXEC_POSIX_ONLY && EXEC_POSIX_ONLY
#define HARNESS_POSIX 1
#else
#define HARNESS_POSIX 0
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#endif
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------- system calls
   Each kind, and what its n-th call may say instead, as the manual pages have it for calls such as the
   library's. SHORT: one byte moves. Not among them
   cannot fail: GETPID CLOCK_GETTIME
   Without a name of their own, as nothing can go wrong in them that another failure does not show: sched_yield(2),
   whose result nobody needs; what fills in attributes and actions of posix_spawn(3), memory of libc's: its error is
   treated as that of POSIX_SPAWNP. */

#define HARNESS_SHORT (-1)
#define HARNESS_ERRORS 16
#define HARNESS_ACCEPT_ERRORS EINTR, EAGAIN, ECONNABORTED, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH, ENETUNREACH, \
    ETIMEDOUT, EMFILE, ENFILE, ENOBUFS, ENOMEM, EINVAL
#define HARNESS_CALLS(X) \
    X(READ, EINTR, EAGAIN, EIO, EISDIR, HARNESS_SHORT) \
    X(WRITE, EINTR, EAGAIN, EIO, ENOSPC, EDQUOT, EFBIG, EPIPE, HARNESS_SHORT) \
    X(RECV, EINTR, EAGAIN, ECONNRESET, ECONNREFUSED, EHOSTUNREACH, ENOTCONN, ENOMEM, ETIMEDOUT, HARNESS_SHORT) \
    X(SEND, EINTR, EAGAIN, ECONNRESET, EPIPE, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, ENOTCONN, ENOBUFS, ENOMEM, \
      ETIMEDOUT, HARNESS_SHORT) \
    X(RECVMSG, EINTR, EAGAIN, ECONNRESET, ECONNREFUSED, EHOSTUNREACH, ENOMEM, HARNESS_SHORT) \
    X(SENDMSG, EINTR, EAGAIN, ECONNRESET, ECONNREFUSED, EPIPE, EACCES, EPERM, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, \
      ENOBUFS, ENOMEM, ETOOMANYREFS, HARNESS_SHORT) \
    X(READV, EINTR, EAGAIN, EIO, EISDIR, ECONNRESET, HARNESS_SHORT) \
    X(WRITEV, EINTR, EAGAIN, EIO, ENOSPC, EDQUOT, EFBIG, EPIPE, HARNESS_SHORT) \
    X(SENDFILE, EINTR, EAGAIN, EIO, EINVAL, ESPIPE, EPIPE, ENOSPC, EOVERFLOW, ENOMEM, HARNESS_SHORT) \
    X(PREAD, EINTR, EIO, EISDIR, ESPIPE, HARNESS_SHORT) \
    X(CLOSE, EINTR, EIO, ENOSPC, EDQUOT) \
    X(SOCKET, EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT) \
    X(SOCKETPAIR, EMFILE, ENFILE, ENOMEM, EAFNOSUPPORT) \
    X(PIPE, EMFILE, ENFILE) \
    X(PIPE2, EMFILE, ENFILE) \
    X(BIND, EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOENT, ENOTDIR, EROFS, ENOMEM) \
    X(LISTEN, EADDRINUSE) \
    X(CONNECT, EINTR, EINPROGRESS, EAGAIN, ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EACCES, \
      EPERM, ENOENT, EPROTOTYPE) \
    X(ACCEPT, HARNESS_ACCEPT_ERRORS) \
    X(ACCEPT4, HARNESS_ACCEPT_ERRORS) \
    X(SHUTDOWN, ENOTCONN) \
    X(GETSOCKOPT, ENOBUFS, ENOPROTOOPT) \
    X(SETSOCKOPT, ENOBUFS, ENOMEM, ENOPROTOOPT, EINVAL, EPERM) \
    X(GETSOCKNAME, ENOBUFS) \
    X(GETPEERNAME, ENOTCONN, ENOBUFS) \
    X(FCNTL, EBADF) \
    X(FSTAT, ENOMEM, EOVERFLOW) \
    X(LSTAT, ENOENT, EACCES, ELOOP, ENOTDIR, ENOMEM) \
    X(UNLINK, ENOENT, EACCES, EPERM, EBUSY, EISDIR, EROFS) \
    X(EVENTFD, EMFILE, ENFILE, ENOMEM, ENODEV) \
    X(PPOLL, EINTR, EINVAL, ENOMEM) \
    X(EPOLL_CREATE1, EMFILE, ENFILE, ENOMEM) \
    X(EPOLL_CTL, ENOMEM, ENOSPC) \
    X(EPOLL_WAIT, EINTR) \
    X(EPOLL_PWAIT2, EINTR, ENOSYS) \
    X(SIGNALFD, EMFILE, ENFILE, ENOMEM, ENODEV) \
    X(SIGACTION, EINVAL) \
    X(SIGPROCMASK, EINVAL) \
    X(SIGPENDING, EFAULT) \
    X(SIGTIMEDWAIT, EINTR, EAGAIN) \
    X(POSIX_SPAWNP, EAGAIN, ENOMEM, ENOENT, EACCES, E2BIG, ENOEXEC, EMFILE, ETXTBSY, EPERM) \
    X(PIDFD_OPEN, EMFILE, ENFILE, ENOMEM, ENODEV, ENOSYS, EPERM, ESRCH) \
    X(PIDFD_SEND_SIGNAL, EPERM, ESRCH) \
    X(KILL, EPERM, ESRCH) \
    X(WAITID, EINTR, EINVAL, ECHILD)
#define HARNESS_ENUM(name, ...) HARNESS_SYS_##name,
enum { HARNESS_CALLS(HARNESS_ENUM) HARNESS_CALL_COUNT };

/* Counts a call; nonzero: it is the one that fails, and errno is set. */
static int harness_fails(int call);
/* The same of a transfer: also one that is to say EAGAIN, or to be short. */
static int harness_transfer_fails(int call, int fd);
static int harness_write_fails(int fd);
static size_t harness_length(size_t length);
static int harness_accept_fails(int call, int fd);
static ssize_t harness_message(int call, int fd, const struct msghdr *message, int flags);
static ssize_t harness_vector(int call, int fd, const struct iovec *vector, int count);
static int harness_close_call(int fd);
static int harness_connect(int fd, const struct sockaddr *address, socklen_t size);
static int harness_ppoll(struct pollfd *fds, unsigned count, const struct timespec *timeout);
static int harness_kill_fails(int pid);
#if !HARNESS_POSIX
static int harness_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
static int harness_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout);
static int harness_epoll_pwait2(int epoll, struct epoll_event *events, int count, const void *timeout);
static int harness_pidfd_fails(int pid);
static int harness_waitid(idtype_t type, id_t id, siginfo_t *info, int options);
#endif

#define EXEC_SYS_READ(fd, buf, n) \
    (harness_transfer_fails(HARNESS_SYS_READ, fd) ? -1 : read(fd, buf, harness_length(n)))
#define EXEC_SYS_WRITE(fd, buf, n) \
    (harness_write_fails(fd) ? -1 : write(fd, buf, harness_length(n)))
#define EXEC_SYS_RECV(fd, buf, n, flags) \
    (harness_transfer_fails(HARNESS_SYS_RECV, fd) ? -1 : recv(fd, buf, harness_length(n), flags))
#define EXEC_SYS_SEND(fd, buf, n, flags) \
    (harness_transfer_fails(HARNESS_SYS_SEND, fd) ? -1 : send(fd, buf, harness_length(n), flags))
#define EXEC_SYS_SENDFILE(out, in, offset, n) \
    (harness_transfer_fails(HARNESS_SYS_SENDFILE, out) ? -1 : exec__sendfile(out, in, offset, harness_length(n)))
#define EXEC_SYS_PREAD(fd, buf, n, offset) \
    (harness_transfer_fails(HARNESS_SYS_PREAD, fd) ? -1 : exec__pread(fd, buf, harness_length(n), offset))
#define EXEC_SYS_RECVMSG(fd, message, flags) \
    (harness_transfer_fails(HARNESS_SYS_RECVMSG, fd) ? -1 : harness_message(HARNESS_SYS_RECVMSG, fd, message, flags))
#define EXEC_SYS_SENDMSG(fd, message, flags) \
    (harness_transfer_fails(HARNESS_SYS_SENDMSG, fd) ? -1 : harness_message(HARNESS_SYS_SENDMSG, fd, message, flags))
#define EXEC_SYS_READV(fd, vector, count) harness_vector(HARNESS_SYS_READV, fd, vector, count)
#define EXEC_SYS_WRITEV(fd, vector, count) harness_vector(HARNESS_SYS_WRITEV, fd, vector, count)
#define EXEC_SYS_ACCEPT4(fd, ...) (harness_accept_fails(HARNESS_SYS_ACCEPT4, fd) ? -1 : exec__accept4(fd, __VA_ARGS__))
#define EXEC_SYS_ACCEPT(fd, ...) (harness_accept_fails(HARNESS_SYS_ACCEPT, fd) ? -1 : accept(fd, __VA_ARGS__))
#define EXEC_SYS_SIGTIMEDWAIT(...) \
    (harness_transfer_fails(HARNESS_SYS_SIGTIMEDWAIT, -1) ? -1 : sigtimedwait(__VA_ARGS__))
#define EXEC_SYS_CLOSE harness_close_call
#define EXEC_SYS_CONNECT harness_connect
#define EXEC_SYS_EPOLL_CTL harness_epoll_ctl
#define EXEC_SYS_EPOLL_WAIT harness_epoll_wait
#define EXEC_SYS_EPOLL_PWAIT2 harness_epoll_pwait2
#define EXEC_SYS_PPOLL harness_ppoll
#define EXEC_SYS_EPOLL_CREATE1(flags) (harness_fails(HARNESS_SYS_EPOLL_CREATE1) ? -1 : epoll_create1(flags))
#define EXEC_SYS_EVENTFD(...) (harness_fails(HARNESS_SYS_EVENTFD) ? -1 : eventfd(__VA_ARGS__))
#define EXEC_SYS_SOCKET(...) (harness_fails(HARNESS_SYS_SOCKET) ? -1 : socket(__VA_ARGS__))
#define EXEC_SYS_SOCKETPAIR(...) (harness_fails(HARNESS_SYS_SOCKETPAIR) ? -1 : socketpair(__VA_ARGS__))
#define EXEC_SYS_PIPE(...) (harness_fails(HARNESS_SYS_PIPE) ? -1 : pipe(__VA_ARGS__))
#define EXEC_SYS_PIPE2(...) (harness_fails(HARNESS_SYS_PIPE2) ? -1 : exec__pipe2(__VA_ARGS__))
#define EXEC_SYS_BIND(...) (harness_fails(HARNESS_SYS_BIND) ? -1 : bind(__VA_ARGS__))
#define EXEC_SYS_LISTEN(...) (harness_fails(HARNESS_SYS_LISTEN) ? -1 : listen(__VA_ARGS__))
#define EXEC_SYS_SHUTDOWN(...) (harness_fails(HARNESS_SYS_SHUTDOWN) ? -1 : shutdown(__VA_ARGS__))
#define EXEC_SYS_GETSOCKOPT(...) (harness_fails(HARNESS_SYS_GETSOCKOPT) ? -1 : getsockopt(__VA_ARGS__))
#define EXEC_SYS_SETSOCKOPT(...) (harness_fails(HARNESS_SYS_SETSOCKOPT) ? -1 : setsockopt(__VA_ARGS__))
#define EXEC_SYS_GETSOCKNAME(...) (harness_fails(HARNESS_SYS_GETSOCKNAME) ? -1 : getsockname(__VA_ARGS__))
#define EXEC_SYS_GETPEERNAME(...) (harness_fails(HARNESS_SYS_GETPEERNAME) ? -1 : getpeername(__VA_ARGS__))
#define EXEC_SYS_FCNTL(...) (harness_fails(HARNESS_SYS_FCNTL) ? -1 : fcntl(__VA_ARGS__))
#define EXEC_SYS_FSTAT(...) (harness_fails(HARNESS_SYS_FSTAT) ? -1 : fstat(__VA_ARGS__))
#define EXEC_SYS_LSTAT(...) (harness_fails(HARNESS_SYS_LSTAT) ? -1 : lstat(__VA_ARGS__))
#define EXEC_SYS_UNLINK(...) (harness_fails(HARNESS_SYS_UNLINK) ? -1 : unlink(__VA_ARGS__))
#define EXEC_SYS_SIGNALFD(...) (harness_fails(HARNESS_SYS_SIGNALFD) ? -1 : signalfd(__VA_ARGS__))
#define EXEC_SYS_SIGPROCMASK(how, set, old)     /* what gives a mask back does not fail */ \
    ((how) == SIG_BLOCK && harness_fails(HARNESS_SYS_SIGPROCMASK) ? -1 : sigprocmask(how, set, old))
#define EXEC_SYS_SIGACTION(...) (harness_fails(HARNESS_SYS_SIGACTION) ? -1 : sigaction(__VA_ARGS__))
#define EXEC_SYS_SIGPENDING(...) (harness_fails(HARNESS_SYS_SIGPENDING) ? -1 : sigpending(__VA_ARGS__))
#define EXEC_SYS_POSIX_SPAWNP(...) (harness_fails(HARNESS_SYS_POSIX_SPAWNP) ? errno : posix_spawnp(__VA_ARGS__))
#define EXEC_SYS_PIDFD_OPEN(pid) (harness_pidfd_fails(pid) ? -1 : exec__pidfd_open(pid))
#define EXEC_SYS_KILL(pid, signo) (harness_kill_fails(pid) ? -1 : kill(pid, signo))
#define EXEC_SYS_PIDFD_SEND_SIGNAL(...) \
    (harness_fails(HARNESS_SYS_PIDFD_SEND_SIGNAL) ? -1 : exec__pidfd_send_signal(__VA_ARGS__))
#define EXEC_SYS_WAITID harness_waitid

static void harness_polled(const void *task);
#define EXEC_TRACE_POLL(task) harness_polled(task)

/* Without a heap nothing is allocated: seen where malloc(3) can be replaced, that is, glibc's. */
#if defined EXEC_NO_MALLOC && EXEC_NO_MALLOC && defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ \
    && !defined __SANITIZE_THREAD__
#define HARNESS_SEES_HEAP 1
#else
#define HARNESS_SEES_HEAP 0
#endif

#ifndef HARNESS_HEADER
#define HARNESS_HEADER "../exec_net.h"
#endif
#include HARNESS_HEADER

/* ---------------------------------------------------------------------------------------- types */

/* What goes wrong in a run. */
enum { HARNESS_PLAIN, HARNESS_CANCEL, HARNESS_KILL, HARNESS_CALL_FAILS, HARNESS_NO_MEMORY, HARNESS_TIMEOUT,
       HARNESS_LOSER };

/* In a frame whose cleanup is to be counted; zeroed with it. */
typedef struct harness_mark { struct harness_mark *outer; int began, inner; } harness_mark;

typedef struct harness {
    exec ex;
    exec_net net;
    exec_config config;         /* yours, before harness_open */
    intptr_t result;            /* of the coroutine that harness_drive ran */
    int done;                   /* what was to go wrong has (for a kill after an abort: 2) */
    int whole;                  /* yours, before harness_open: its calls and those of the end count too */
    int exhausted;              /* yours, at any time: accept finds no descriptor left */
    /* the run: what goes wrong, at the k-th suspension, or call; for a kill the j-th suspension after that;
       late: when it has been woken already */
    const char *scenario;
    int way, k, j, late, call, error;
    /* counted in it */
    int counting, polls, polls_after, calls[HARNESS_CALL_COUNT], allocations, live, frames, vacuous;
    int64_t killed_at;          /* on the clock; -1: it was not */
    int passing;                /* what went wrong changes no result: the call is made again */
    exec_driver early, last;
    exec_handle handle;
    struct harness_root *root;
} harness;

typedef struct harness_scenario {
    const char *name;
    void (*run)(harness *h);
} harness_scenario;

/* Of all runs. */
typedef struct harness_totals {
    int runs, failures, rounds, scenarios, stride, loud;
    int faults;                         /* runs in which something went wrong */
    int left_out;                       /* there were fewer than all */
    int plain[HARNESS_CALL_COUNT];      /* calls of the last plain run; its suspensions, calls in all, allocations */
    int suspensions, system_calls, allocations;
    intptr_t result;                    /* of the last plain run */
    long made[HARNESS_CALL_COUNT];      /* of all plain runs */
    uint64_t random;
} harness_totals;

static harness *harness_now;
static harness_totals harness_all;

static const char *const harness_call_names[] = {
#define HARNESS_NAME(name, ...) #name,
    HARNESS_CALLS(HARNESS_NAME) "" };

/* Something that must hold does not. The first ones are told. */
static void harness_failed(const harness *h, const char *file, int line, const char *what) {
    static const char *const ways[] = { "plain", "cancel", "kill", "system call", "allocation", "timeout", "loser" };
    if (harness_all.failures++ >= 40) return;
    printf("FAIL %s, %s", h->scenario, ways[h->way]);
    if (h->way == HARNESS_CALL_FAILS)
        printf(" %s %s", harness_call_names[h->call], h->error > 0 ? strerror(h->error) : "short");
    if (h->way != HARNESS_PLAIN) printf(" at %d%s", h->k, h->late ? ", woken" : "");
    if (h->way == HARNESS_KILL) printf(", %d", h->j);
    printf(": %s (%s:%d)\n", what, file, line);
    fflush(stdout);
}
#define HARNESS_CHECK(h, condition) \
    do { if (!(condition)) harness_failed((h), __FILE__, __LINE__, #condition); } while (0)

/* A frame's body has begun, inside the frame that `outer` marks (or NULL). */
static inline void harness_began(harness_mark *mark, harness_mark *outer) {
    HARNESS_CHECK(harness_now, !mark->began);
    mark->began = 1;
    mark->outer = outer;
    harness_now->frames++;
    if (outer) outer->inner++;
}

/* Its cleanup ends: once, and after those inside it. */
static inline void harness_ended(harness_mark *mark) {
    HARNESS_CHECK(harness_now, mark->began == 1);
    HARNESS_CHECK(harness_now, mark->inner == 0);
    mark->began = 2;
    harness_now->frames--;
    if (mark->outer) mark->outer->inner--;
}

/* ---------------------------------------------------------------------------------- system calls */

enum { HARNESS_DESCRIPTORS = 1024, HARNESS_HANG_MS = 10000 };

static int harness_fails(int call) {
    harness *h = harness_now;
    if (!h->counting || h->calls[call]++ != h->k || h->way != HARNESS_CALL_FAILS || h->call != call) return 0;
    h->done = 1;
    h->passing = h->error == EINTR;
    errno = h->error;
    return 1;
}

static int harness_again, harness_short;

/* A message goes whole or not at all. */
static int harness_is_stream(int fd) {
    int type = SOCK_STREAM;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type == SOCK_STREAM;
}

/* What is there when it is asked for never has to wait. */
static int harness_is_file(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int harness_transfer_fails(int call, int fd) {
    harness *h = harness_now;
    if (!harness_fails(call)) return 0;
    if (h->error == EAGAIN && harness_is_file(fd)) {
        h->vacuous = 1;
        return 0;
    }
    if (h->error == EAGAIN || h->error == HARNESS_SHORT) harness_again = 1;
    if (h->error == EAGAIN) h->passing = 1;
    errno = h->error;
    if (h->error != HARNESS_SHORT) return 1;
    harness_short = harness_is_stream(fd);
    h->vacuous = !harness_short;
    return 0;
}

/* The executor's own pipe or eventfd has room, or is readable: interrupted is all that its write can be. */
static int harness_is_own(const harness *h, int fd) {
#if EXEC_POSIX_ONLY
    if ((h->net.signals.close && fd == h->net.signals.write) || (h->ex.port && fd == h->ex.port->write_fd)) return 1;
#endif
    return h->ex.port && fd == h->ex.port->fd;
}

static int harness_write_fails(int fd) {
    harness *h = harness_now;
    if (h->error == EINTR || !harness_is_own(h, fd)) return harness_transfer_fails(HARNESS_SYS_WRITE, fd);
    h->vacuous = harness_fails(HARNESS_SYS_WRITE);
    return 0;
}

static int harness_exhausted(void) {
    if (harness_now->exhausted) errno = EMFILE;
    return harness_now->exhausted;
}

/* What one connection died of, or a lack of anything, is not the listener's end: it waits for the next one. */
static EXEC__MAYBE_UNUSED int harness_accept_fails(int call, int fd) {
    if (harness_exhausted()) return 1;
    if (!harness_transfer_fails(call, fd)) return 0;
    if (harness_now->error != EINVAL) harness_now->passing = 1;
    return 1;
}

static size_t harness_length(size_t length) {
    if (harness_short && length) length = 1;
    harness_short = 0;
    return length;
}

/* The first part, cut. */
static struct iovec harness_cut(const struct iovec *parts) {
    struct iovec part = *parts;
    part.iov_len = harness_length(part.iov_len);
    return part;
}

static ssize_t harness_message(int call, int fd, const struct msghdr *message, int flags) {
    struct msghdr *m = (struct msghdr *)(uintptr_t)message, whole = *m;
    struct iovec part;
    ssize_t n;
    if (harness_short && m->msg_iovlen) {
        part = harness_cut(m->msg_iov);
        m->msg_iov = &part;
        m->msg_iovlen = 1;
    }
    harness_short = 0;
    n = call == HARNESS_SYS_RECVMSG ? recvmsg(fd, m, flags) : sendmsg(fd, m, flags);
    m->msg_iov = whole.msg_iov;
    m->msg_iovlen = whole.msg_iovlen;
    return n;
}

static ssize_t harness_vector(int call, int fd, const struct iovec *vector, int count) {
    struct iovec part;
    if (harness_transfer_fails(call, fd)) return -1;
    if (harness_short && count) {
        part = harness_cut(vector);
        vector = &part;
        count = 1;
    }
    return call == HARNESS_SYS_READV ? readv(fd, vector, count) : writev(fd, vector, count);
}

/* Nothing comes from outside: the next time comes. 0: none is waited for. */
static int harness_time_passes(harness *h) {
    int64_t next = exec__next_deadline(&h->ex);
    if (next == EXEC_NEVER) return 0;
    (void)exec_clock_advance(&h->ex, next - exec_now(&h->ex));
    return 1;
}

static void harness_hangs(harness *h) {
    harness_failed(h, __FILE__, __LINE__, "it hangs");
    harness_all.loud = 1;
    exec_dump(&h->ex);
    fflush(stdout);
    _exit(1);
}

#if !HARNESS_POSIX
/* What the kernel watches, so that it can be made to tell of it once more. */
static struct { int epoll; struct epoll_event event; } harness_watched[HARNESS_DESCRIPTORS];

static void harness_forget(int fd) { harness_watched[fd].epoll = 0; }

/* Only a new registration can fail. */
static EXEC__MAYBE_UNUSED int harness_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event) {
    if (op == EPOLL_CTL_ADD && harness_fails(HARNESS_SYS_EPOLL_CTL)) return -1;
    harness_watched[fd].epoll = op == EPOLL_CTL_DEL ? 0 : epoll;
    if (event) harness_watched[fd].event = *event;
    return epoll_ctl(epoll, op, fd, event);
}

static void harness_tell_again(void) {
    if (!harness_again) return;
    harness_again = 0;
    for (int fd = 0; fd < HARNESS_DESCRIPTORS; fd++)
        if (harness_watched[fd].epoll)
            epoll_ctl(harness_watched[fd].epoll, EPOLL_CTL_MOD, fd, &harness_watched[fd].event);
}

static int harness_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout) {
    int n;
    harness_tell_again();
    if (harness_fails(HARNESS_SYS_EPOLL_WAIT)) return -1;
    n = epoll_wait(epoll, events, count, timeout < 0 ? 0 : timeout);
    if (n != 0 || timeout >= 0 || harness_time_passes(harness_now)) return n;
    n = epoll_wait(epoll, events, count, HARNESS_HANG_MS);
    if (n == 0) harness_hangs(harness_now);
    return n;
}

/* Finite, so on a real clock; or the end of exec_destroy's patience. */
static EXEC__MAYBE_UNUSED int harness_epoll_pwait2(int epoll, struct epoll_event *events, int count,
                                                   const void *timeout) {
    int64_t left[2];
    if (harness_fails(HARNESS_SYS_EPOLL_PWAIT2)) return -1;
    memcpy(left, timeout, sizeof left);
    if (harness_now->ex.config.virtual_clock) return harness_epoll_wait(epoll, events, count, -1);
    return epoll_wait(epoll, events, count, (int)(left[0] * 1000 + left[1] / 1000000 + 1));
}
#else
static void harness_forget(int fd) { (void)fd; }        /* poll(2) tells by itself */
#endif

static int harness_ppoll(struct pollfd *fds, unsigned count, const struct timespec *timeout) {
    struct timespec none = { 0, 0 };
    int n, ends = timeout && (!harness_now->ex.config.virtual_clock || !timeout->tv_sec);
    if (harness_fails(HARNESS_SYS_PPOLL)) return -1;
    n = exec__ppoll(fds, count, ends ? timeout : &none);
    if (n != 0 || ends || harness_time_passes(harness_now)) return n;
    n = poll(fds, count, HARNESS_HANG_MS);
    if (n == 0) harness_hangs(harness_now);
    return n;
}

/* What Linux does: the descriptor is gone, whatever it says. */
static int harness_close_call(int fd) {
    int fails = harness_fails(HARNESS_SYS_CLOSE), error = errno;
    if (fd >= 0 && fd < HARNESS_DESCRIPTORS) harness_forget(fd);
    if (close(fd) < 0) return -1;
    errno = error;
    return fails ? -1 : 0;
}

/* Interrupted, or in progress, it goes on by itself. */
static int harness_connect(int fd, const struct sockaddr *address, socklen_t size) {
    int goes_on;
    if (!harness_fails(HARNESS_SYS_CONNECT)) return connect(fd, address, size);
    harness_now->passing = goes_on = harness_now->error == EINTR || harness_now->error == EINPROGRESS;
    if (goes_on && connect(fd, address, size) < 0 && errno != EINPROGRESS) return -1;
    errno = harness_now->error;
    return -1;
}

#if !EXEC_POSIX_ONLY
/* Somebody else, a handler of the host's, has waited for the child. */
static void harness_reap(idtype_t type, id_t id) {
    siginfo_t info;
    if (type == P_PID) kill((pid_t)id, SIGKILL);
    else exec__pidfd_send_signal((int)id, SIGKILL);
    waitid(type, id, &info, WEXITED);
}

static int harness_pidfd_fails(int pid) {
    if (harness_exhausted()) return 1;
    if (!harness_fails(HARNESS_SYS_PIDFD_OPEN)) return 0;
    if (harness_now->error == ESRCH) harness_reap(P_PID, (id_t)pid);
    errno = harness_now->error;
    return 1;
}

static EXEC__MAYBE_UNUSED int harness_kill_fails(int pid) {
    if (!harness_fails(HARNESS_SYS_KILL)) return 0;
    if (harness_now->error == ESRCH) harness_reap(P_PID, (id_t)pid);
    errno = harness_now->error;
    return 1;
}

/* EINVAL: of a kernel that knows no descriptors of processes. */
static int harness_waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
    if (!harness_fails(HARNESS_SYS_WAITID)) return waitid(type, id, info, options);
    if (harness_now->error == EINVAL && type == P_PID) {
        harness_now->vacuous = 1;
        return waitid(type, id, info, options);
    }
    if (harness_now->error == ECHILD) harness_reap(type, id);
    errno = harness_now->error;
    return -1;
}
#else
static int harness_kill_fails(int pid) { (void)pid; return 0; }     /* to itself */
#endif

/* ---------------------------------------------------------------------------------------- memory */

#if !EXEC_NO_MALLOC
static void *harness_allocate(void *user, size_t bytes, size_t align) {
    harness *h = harness_now;
    (void)user;
    if (h->counting && h->allocations++ == h->k && h->way == HARNESS_NO_MEMORY) {
        h->done = 1;
        return NULL;
    }
    if (align < 16) align = 16;
    h->live += (int)bytes;
    return aligned_alloc(align, (bytes + align - 1) & ~(align - 1));
}

static void harness_release(void *user, void *memory, size_t bytes, size_t align) {
    (void)user;
    (void)align;
    harness_now->live -= (int)bytes;
    free(memory);
}

static inline const exec_opts *harness_opts(void) { return NULL; }
static void harness_memory(harness *h, exec_config *config) {
    (void)h;
    config->allocate = harness_allocate;
    config->release = harness_release;
}
#else
enum { HARNESS_SLOTS = 64, HARNESS_SLOT_BYTES = 2048 };
typedef struct {
    exec_task task;
    union { long long align; unsigned char bytes[HARNESS_SLOT_BYTES]; } frame;
} harness_slot;
static exec_pool harness_pool;
static exec_fd_slot harness_table[HARNESS_DESCRIPTORS];
static struct pollfd harness_waits[HARNESS_DESCRIPTORS + 1];

/* Where the tasks of a scenario live: what it spawns, it spawns with these. */
static inline const exec_opts *harness_opts(void) {
    static exec_opts opts;
    opts.pool = &harness_pool;
    return &opts;
}

static void harness_memory(harness *h, exec_config *config) {
    static harness_slot slots[HARNESS_SLOTS];
    static exec_port port;
    config->port = &port;
    HARNESS_CHECK(h, exec_pool_init(&harness_pool, slots, sizeof slots, sizeof *slots) == 0);
}

#if HARNESS_SEES_HEAP
/* Nobody calls them while it is counted. */
static void harness_heap_call(void) {
    if (harness_now && harness_now->counting) harness_now->allocations++;
}
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void *malloc(size_t bytes) { harness_heap_call(); return __libc_malloc(bytes); }
void *calloc(size_t n, size_t bytes) { harness_heap_call(); return __libc_calloc(n, bytes); }
void *realloc(void *old, size_t bytes) { harness_heap_call(); return __libc_realloc(old, bytes); }
void *aligned_alloc(size_t align, size_t bytes) { harness_heap_call(); return __libc_memalign(align, bytes); }
int posix_memalign(void **out, size_t align, size_t bytes) {
    harness_heap_call();
    *out = __libc_memalign(align, bytes);
    return *out ? 0 : ENOMEM;
}
#endif
#endif

/* --------------------------------------------------------------------------------- what is driven */

/* Ready when it is opened. */
typedef struct harness_gate { exec_future fut; int open; } harness_gate;

static exec_poll harness_gate_poll(exec_cx *cx, exec_future *f) {
    if (((harness_gate *)(void *)f)->open) return exec_ready(f, 0);
    return exec_canceled(f) ? exec_ready(f, -ECANCELED) : exec_pending(cx, f);
}
static const exec_type harness_gate_type = {
    harness_gate_poll, NULL, NULL, "gate", __FILE__, sizeof(harness_gate), sizeof(harness_gate), 8 };

typedef struct harness_root {
    EXEC_FRAME;
    harness *h;
    exec_future *inner;
    exec_timeout_op limit;
    exec_select_op first;
    harness_gate gate;
} harness_root;

EXEC_ASYNC(harness_root) {
    EXEC_BEGIN;
    if (self->h->way == HARNESS_TIMEOUT) {
        EXEC_AWAIT(exec_timeout_at(&self->limit, self->inner, EXEC_NEVER));
        HARNESS_CHECK(self->h, exec_is_ready(self->inner));
        HARNESS_CHECK(self->h, !self->limit.expired || EXEC_RESULT(&self->limit) == -ETIMEDOUT);
        EXEC_RETURN(EXEC_RESULT(&self->limit));
    } else if (self->h->way == HARNESS_LOSER) {
        exec_future_init(&self->gate.fut, &harness_gate_type);
        EXEC_AWAIT(exec_select(&self->first, self->inner, &self->gate.fut));
        HARNESS_CHECK(self->h, exec_is_ready(self->inner));
        EXEC_RETURN(self->first.winner == 0 ? self->inner->result : -ECANCELED);
    }
    EXEC_TRY(self->inner);
    EXEC_RETURN(self->inner->result);
    EXEC_END;
}

static void harness_polled(const void *task) {
    harness *h = harness_now;
    if (!h || !task || task != h->handle.task) return;
    h->polls++;
    if (h->done) h->polls_after++;
}

/* Is it time for what goes wrong between two polls? */
static int harness_due(const harness *h) {
    if (!h->handle.task || h->way == HARNESS_PLAIN || h->way == HARNESS_CALL_FAILS || h->way == HARNESS_NO_MEMORY)
        return 0;
    if (!h->done) return h->polls == h->k && (!h->late || (h->handle.task->strand.flags & EXEC__T_QUEUED));
    return h->way == HARNESS_KILL && h->j && h->done == 1 && h->polls_after == h->j;
}

static int64_t harness_deadline(exec_driver *d) {
    (void)d;
    return harness_due(harness_now) ? 0 : EXEC_NEVER;
}

/* Before the others take what has come and what is due, or after them. */
static void harness_turn(exec_driver *d) {
    harness *h = harness_now;
    if (d == (h->late ? &h->early : &h->last) || !harness_due(h)) return;
    h->done++;
    switch (h->way) {
    case HARNESS_TIMEOUT:
        exec_timer_cancel(h->ex.timers, &h->root->limit.timer);
        exec_wake(h->handle.task);
        return;
    case HARNESS_LOSER:
        h->root->gate.open = 1;
        exec_wake(h->handle.task);
        return;
    default:
        if (h->way == HARNESS_CANCEL || (h->j && h->done == 1)) {
            (void)exec_handle_abort(&h->handle);
        } else {
            h->killed_at = h->ex.config.virtual_clock ? exec_now(&h->ex) : -1;
            (void)exec_handle_kill(&h->handle);
        }
    }
}

/* No task is left: nobody waits for a descriptor or a time. */
static void harness_detach(exec_driver *d) {
    harness *h = harness_now;
    (void)d;
    HARNESS_CHECK(h, h->net.fds.waiting == 0 && !h->net.paused);
    HARNESS_CHECK(h, h->ex.timers->levels == 0);
    h->counting = h->whole;
}

static const exec_driver_type harness_last = {
    "harness", NULL, harness_turn, NULL, NULL, NULL, NULL, NULL, NULL, NULL };
static const exec_driver_type harness_early = {
    "harness", harness_deadline, harness_turn, NULL, NULL, NULL, NULL, NULL, NULL, harness_detach };

static void harness_log(void *user, const char *line) {
    (void)user;
    if (harness_all.loud) printf("    %s\n", line);
}
static void harness_ignore_failure(exec *ex, const exec_failure *failure) {
    (void)ex;
    (void)failure;
}

/* NULL, or the tables where there is no heap. */
static const exec_net_config *harness_net_config(void) {
#if EXEC_NO_MALLOC
    static const exec_net_config config = { harness_table, HARNESS_DESCRIPTORS,
                                            harness_waits, HARNESS_DESCRIPTORS + 1 };
    return &config;
#else
    return NULL;
#endif
}

/* h->ex with a reactor, a virtual clock and memory that is counted. 0, or a negated errno: there is
   nothing to close then. */
static inline int harness_open(harness *h) {
    exec_config config = h->config;
    int status;
    h->counting = h->whole;
    config.log = harness_log;
    if (!config.failed) config.failed = harness_ignore_failure;
    config.virtual_clock = config.clock == NULL;
    config.tasks_per_turn = 1;
    if (!config.ops_per_poll) config.ops_per_poll = 1;
    config.stall_ns = EXEC_NEVER;
    harness_memory(h, &config);
    if ((status = exec_init(&h->ex, &config)) < 0) return status;
    if ((status = exec_attach(&h->ex, &h->last, &harness_last)) < 0 ||
        (status = exec_net_attach(&h->net, &h->ex, harness_net_config())) < 0 ||
        (status = exec_attach(&h->ex, &h->early, &harness_early)) < 0) {
        exec_destroy(&h->ex, 0);
        return status;
    }
    h->counting = 1;
    return 0;
}

/* Runs the coroutine (or any future) to its end, while something goes wrong. Its result: h->result. Once
   in a run. */
static inline void harness_drive(harness *h, exec_future *inner) {
    static EXEC_SLOT(harness_root) slot;
    static exec_cell cell;
    exec_opts opts;
    exec_handle_op over;
    memset(&opts, 0, sizeof opts);
    memset(&slot, 0, sizeof slot);
    memset(&cell, 0, sizeof cell);
    if (EXEC_NO_MALLOC) opts.cell = &cell;
    opts.storage = &slot;
    opts.storage_bytes = sizeof slot;
    opts.handle = &h->handle;
    h->root = EXEC_CLAIM(&h->ex, &opts, harness_root);
    h->root->h = h;
    h->root->inner = inner;
    EXEC_START(h->root);
    while (h->handle.task) {            /* a wait that failed ends a run, and leaves the task */
        int status = exec_run_until(&h->ex, exec_handle_join(&over, &h->handle));
        HARNESS_CHECK(h, status == 0 || (h->way == HARNESS_CALL_FAILS && status == -h->error));
    }
    h->result = exec_handle_result(&h->handle);
    HARNESS_CHECK(h, h->killed_at < 0 || h->killed_at == exec_now(&h->ex));
    if (h->way == HARNESS_PLAIN) harness_all.result = h->result;
    HARNESS_CHECK(h, !h->passing || h->result == harness_all.result);
    HARNESS_CHECK(h, exec_check(&h->ex) == 0);
}

typedef struct harness_task { EXEC_FRAME; int turns; } harness_task;
EXEC_ASYNC(harness_task) {
    EXEC_BEGIN;
    EXEC_YIELD;
    self->turns = 1;
    EXEC_END;
}

/* The executor still works, and ends. */
static inline void harness_close(harness *h) {
    harness_task task;
    exec_counters counters;
    int status = exec_run_until(&h->ex, EXEC_CALL(&task, harness_task));
    if (status < 0 && h->way == HARNESS_CALL_FAILS && status == -h->error)
        status = exec_run_until(&h->ex, EXEC_CALL(&task, harness_task));
    HARNESS_CHECK(h, status == 0 && task.turns == 1);
    HARNESS_CHECK(h, exec_check(&h->ex) == 0);
    HARNESS_CHECK(h, exec_destroy(&h->ex, EXEC_SEC(1000)) == 0);
    exec_stats(&h->ex, &counters);
    HARNESS_CHECK(h, counters.tasks == 0 && counters.cells == 0);
    HARNESS_CHECK(h, !harness_opts() || harness_opts()->pool->live == 0);
    h->counting = 0;
}

/* ------------------------------------------------------------------------------------------ runs */

static int harness_descriptors(void) {
    int n = 0;
    for (int fd = 0; fd < HARNESS_DESCRIPTORS; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* How many signals this thread blocks. */
static int harness_blocked(void) {
    sigset_t mask;
    int n = 0;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int signo = 1; signo <= 64; signo++) n += sigismember(&mask, signo) == 1;
    return n;
}

/* One that blocks the thread. */
static void harness_alarm(int signo) {
    static const char text[] = "a system call blocks the thread\n";
    (void)signo;
    harness_failed(harness_now, __FILE__, __LINE__, text);
    _exit(1);
}

/* One run. Nonzero: what was to go wrong did. */
static int harness_run(harness *h, const harness_scenario *s, int way, int k, int j) {
    const int call = h->call, error = h->error, late = h->late;
    const int descriptors = harness_descriptors(), blocked = harness_blocked();
    memset(h, 0, sizeof *h);
    for (int fd = 0; fd < HARNESS_DESCRIPTORS; fd++) harness_forget(fd);
    harness_again = harness_short = 0;
    h->scenario = s->name;
    h->killed_at = -1;
    h->way = way;
    h->k = k;
    h->j = j;
    h->late = late;
    h->call = call;
    h->error = error;
    harness_now = h;
    harness_all.runs++;
    alarm(30);
    s->run(h);
    alarm(0);
    HARNESS_CHECK(h, h->live == 0 && !(EXEC_NO_MALLOC && h->allocations));
    HARNESS_CHECK(h, h->frames == 0);
    HARNESS_CHECK(h, harness_descriptors() == descriptors);
    HARNESS_CHECK(h, harness_blocked() == blocked);
    HARNESS_CHECK(h, waitpid(-1, NULL, WNOHANG) < 0);
    return h->done;
}

/* To the next k: one, or several by chance where there are to be fewer runs. */
static int harness_step(void) {
    harness_totals *all = &harness_all;
    if (all->stride <= 1) return 1;
    all->random = all->random * 6364136223846793005u + 1442695040888963407u;
    return 1 + (int)((all->random >> 33) % (uint64_t)(2 * all->stride - 1));
}

/* As soon as it is suspended, and when it has just been woken. */
static int harness_suspensions(harness *h, const harness_scenario *s, int way) {
    int runs = 0;
    for (int late = 0; late < 2; late++)
        for (int k = late || way == HARNESS_TIMEOUT || way == HARNESS_LOSER;; k += harness_step()) {
            h->late = late;
            if (!harness_run(h, s, way, k, 0)) break;
            runs++;
        }
    h->late = 0;
    return runs;
}

static int harness_kills(harness *h, const harness_scenario *s) {
    int runs = harness_suspensions(h, s, HARNESS_KILL);
    for (int k = 1;; k += harness_step()) {
        int j = 1;
        for (; harness_run(h, s, HARNESS_KILL, k, j) == 2; j += harness_step()) runs++;
        if (!h->done) return runs;
    }
}

static const int harness_errors[HARNESS_CALL_COUNT][HARNESS_ERRORS] = {
#define HARNESS_LIST(name, ...) { __VA_ARGS__ },
    HARNESS_CALLS(HARNESS_LIST) };

/* Of those that the plain run made. */
static int harness_calls(harness *h, const harness_scenario *s) {
    int runs = 0;
    for (int call = 0; call < HARNESS_CALL_COUNT; call++)
        for (int i = 0; i < HARNESS_ERRORS && harness_errors[call][i] && harness_all.plain[call]; i++)
            for (int n = harness_step() - 1;; n += harness_step()) {
                h->call = call;
                h->error = harness_errors[call][i];
                if (!harness_run(h, s, HARNESS_CALL_FAILS, n, 0)) break;
                runs += !h->vacuous;
            }
    return runs;
}

static int harness_allocations(harness *h, const harness_scenario *s) {
    int runs = 0;
    for (int n = 0; harness_run(h, s, HARNESS_NO_MEMORY, n, 0); n += harness_step()) runs++;
    return runs;
}

/* The plain run; it says about how many others there are. */
static void harness_survey(harness *h, const harness_scenario *s) {
    int runs;
    harness_run(h, s, HARNESS_PLAIN, -1, 0);
    runs = h->polls * 10 + h->allocations;
    harness_all.suspensions = h->polls - 1;
    harness_all.allocations = h->allocations;
    harness_all.system_calls = 0;
    for (int call = 0; call < HARNESS_CALL_COUNT; call++) {
        harness_all.made[call] += harness_all.plain[call] = h->calls[call];
        harness_all.system_calls += h->calls[call];
        for (int i = 0; i < HARNESS_ERRORS && harness_errors[call][i]; i++) runs += h->calls[call];
    }
    harness_all.stride = harness_all.rounds ? 1 + runs * harness_all.scenarios / harness_all.rounds : 1;
    harness_all.left_out |= harness_all.stride > 1;
}

/* So many runs of something of which the plain run had so many. */
static void harness_cell(harness *h, int runs, int had) {
    const char *why = !had ? "none" : harness_all.stride > 1 ? "left out" : "NOT TRIED";
    harness_all.faults += runs;
    if (runs) printf(" %11d", runs);
    else printf(" %11s", why);
    HARNESS_CHECK(h, runs || !had || harness_all.stride > 1);
}

/* Before the first of so many scenarios. */
static inline void harness_begin(size_t scenarios) {
    const char *rounds = getenv("EXEC_TEST_ROUNDS"), *seed = getenv("EXEC_TEST_SEED");
    memset(&harness_all, 0, sizeof harness_all);
    harness_all.rounds = rounds ? atoi(rounds) : 0;
    harness_all.scenarios = (int)scenarios;
    harness_all.loud = getenv("EXEC_HARNESS_LOG") != NULL;
    harness_all.random = seed ? strtoull(seed, NULL, 0) : 1;
    if (rounds) printf("seed %llu\n", (unsigned long long)harness_all.random);
    signal(SIGALRM, harness_alarm);
    printf("%-26s %11s %11s %11s %11s %11s %11s\n", "runs with", "cancel", "kill", "system call", "allocation",
           "timeout", "loser");
}

/* Runs a scenario in each way and prints its row. The number of failures. */
static inline int harness_each(const harness_scenario *s) {
    static harness h;
    const char *only = getenv("EXEC_HARNESS");
    const harness_totals *all = &harness_all;
    int failures = harness_all.failures, cells[6];
    harness_all.left_out |= only != NULL;
    if (only && strcmp(only, s->name) != 0) return 0;
    harness_survey(&h, s);
    cells[0] = harness_suspensions(&h, s, HARNESS_CANCEL);
    cells[1] = harness_kills(&h, s);
    cells[2] = harness_calls(&h, s);
    cells[3] = harness_allocations(&h, s);
    cells[4] = harness_suspensions(&h, s, HARNESS_TIMEOUT);
    cells[5] = harness_suspensions(&h, s, HARNESS_LOSER);
    printf("%-26s", s->name);
    for (int i = 0; i < 6; i++)
        harness_cell(&h, cells[i], i == 2 ? all->system_calls : i == 3 ? all->allocations : all->suspensions);
    printf("\n");
    fflush(stdout);
    return harness_all.failures - failures;
}

/* The last lines of the table. */
static inline void harness_end(void) {
    printf("%d runs, something went wrong in %d, %d failures; never called, so never failing:", harness_all.runs,
           harness_all.faults, harness_all.failures);
    for (int call = 0; call < HARNESS_CALL_COUNT; call++)
        if (!harness_all.made[call]) printf(" %s", harness_call_names[call]);
    printf("\n");
}

/* Runs each scenario in each way and prints the table. The exit status of a program. */
static inline int harness_main(const harness_scenario *scenarios, size_t count) {
    harness_begin(count);
    for (size_t i = 0; i < count; i++) harness_each(&scenarios[i]);
    harness_end();
    return harness_all.failures != 0;
}
#endif
