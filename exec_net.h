/* SPDX-License-Identifier: MIT
 *
 * exec_net.h - sockets and other descriptors for exec.h: read, write, accept, connect, readiness
 *
 * A socket is an int. An op lives in the frame of who awaits it; a function prepares it and returns
 * the future to await; the result is in the op. An op first tries its system call; only when that
 * says EAGAIN it waits, and a descriptor is registered with the kernel once in its life. So an
 * exchange with a client costs three system calls: the wait, the read, the write.
 *
 * DO THIS
 *     #define EXEC_IMPLEMENTATION       in ONE .c file, before its first #include
 *     #include "exec_net.h"
 *     exec_net net;  exec_net_attach(&net, &ex, NULL);      after exec_init; it brings the timers
 *
 * A COMPLETE PROGRAM: an echo server
 *     #define EXEC_IMPLEMENTATION
 *     #include "exec_net.h"
 *
 *     typedef struct { EXEC_FRAME; int fd; exec_io io; char buf[4096]; } echo;
 *
 *     EXEC_ASYNC(echo) {
 *         EXEC_BEGIN;
 *         for (;;) {
 *             EXEC_TRY(exec_read(&self->io, self->fd, self->buf, sizeof self->buf));
 *             if (EXEC_RESULT(&self->io) == 0) break;                     // the peer closed
 *             EXEC_TRY(exec_write_all(&self->io, self->fd, self->buf, (size_t)EXEC_RESULT(&self->io)));
 *         }
 *         EXEC_FINALLY;                        // also on error and on cancel; it may await
 *         exec_close_fd(cx->exec, self->fd);
 *         EXEC_END;
 *     }
 *
 *     typedef struct { EXEC_FRAME; int listener; exec_io io; } server;
 *
 *     EXEC_ASYNC(server) {
 *         EXEC_BEGIN;
 *         for (;;) {
 *             EXEC_TRY(exec_accept(&self->io, self->listener));
 *             if (EXEC_SPAWN(cx->exec, NULL, echo, .fd = (int)EXEC_RESULT(&self->io)) < 0)
 *                 exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));   // no memory: refuse this one
 *         }
 *         EXEC_FINALLY;
 *         exec_close_fd(cx->exec, self->listener);
 *         EXEC_END;
 *     }
 *
 *     int main(void) {
 *         exec ex; exec_net net; int fd, status;
 *         if (exec_init(&ex, NULL) < 0 || exec_net_attach(&net, &ex, NULL) < 0) return 1;
 *         if ((fd = exec_listen(&ex, "127.0.0.1:7777", NULL)) < 0) return 1;
 *         if ((status = EXEC_SPAWN(&ex, NULL, server, .listener = fd)) == 0) status = exec_run(&ex);
 *         exec_destroy(&ex, EXEC_SEC(1));
 *         return status < 0;
 *     }
 *
 * WHAT HOLDS (each with the test that proves it, in tests/test_net.c)
 *  1. An op takes effect only in the poll that makes it ready: one that is cancelled, or loses a
 *     select, has moved no byte. (cancelled_read_moves_nothing)
 *  2. read_exact and write_all keep their progress in the op; exec_resume goes on. (trap_33_*)
 *  3. A reader and a writer of one descriptor do not disturb each other. (trap_14_*)
 *  4. The number of a closed descriptor may come back at once: no event of the old one reaches the
 *     new one. (trap_23_*)
 *  5. Errors of one connection do not end an accept loop; with no descriptors left it pauses.
 *     (trap_22_*, accept_goes_on_after_errors_of_one_connection)
 *  6. No SIGPIPE. (trap_35_*)
 *  7. No system call is made for an op that is polled without cause, none but the op's own in the
 *     steady state, and no heap call. (spurious_polls_make_no_system_call, echo_makes_three_calls)
 *  8. A foreign descriptor that blocks is never switched to nonblocking silently, and does not stop
 *     the thread. (foreign_blocking_pipe)
 *  9. Nothing is taken from the host program: no handler, no SIGCHLD; a signal is blocked in this thread
 *     from its first await to its release, and none is lost between. (trap_26_*)
 *
 * OPTIONS (define before every include; and those of exec.h)
 *  EXEC_BACKEND  EXEC_BACKEND_EPOLL   what waits; the others are not built yet   same in all files
 *  EXEC_NET_EVENTS  64                taken from the kernel at once      that of the implementing file
 *  EXEC_SYS_*                         each system call, for tests        those of the implementing file
 *
 * COSTS: a descriptor 24 bytes in a table indexed by its number (16 on 32-bit), an op 72 bytes in the
 * frame. A write to what is no socket takes two more system calls, which keep SIGPIPE away. Signals take one
 * descriptor in all, a child one until it was waited for.
 */
#ifndef EXEC_NET_H
#define EXEC_NET_H

#define EXEC_BACKEND_EPOLL 1
#define EXEC_BACKEND_POLL 2
#define EXEC_BACKEND_URING 3
#ifndef EXEC_BACKEND
#define EXEC_BACKEND EXEC_BACKEND_EPOLL
#endif
#if EXEC_BACKEND == EXEC_BACKEND_POLL
#error "exec_net.h: the poll backend is not built yet: compile with EXEC_BACKEND=EXEC_BACKEND_EPOLL"
#elif EXEC_BACKEND == EXEC_BACKEND_URING
#error "exec_net.h: the io_uring backend is not built yet: compile with EXEC_BACKEND=EXEC_BACKEND_EPOLL"
#elif EXEC_BACKEND != EXEC_BACKEND_EPOLL
#error "exec_net.h: EXEC_BACKEND names no backend: use EXEC_BACKEND_EPOLL"
#endif

#include "exec_timer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------------------------- reactor */

/* What a descriptor can be ready for. */
enum { EXEC_READABLE = 1, EXEC_WRITABLE = 2 };

/* Who waits for a descriptor: an op has one inside; a hand-written leaf registers its own. Must not
   move while registered. */
typedef struct exec_waiter {
    exec_task *task;            /* woken when something of its interest comes */
    int fd;                     /* -EBADF once the descriptor is cancelled, forgotten or closed */
    uint8_t interest;           /* EXEC_READABLE, EXEC_WRITABLE or both */
    uint8_t ready;              /* what has come; whoever uses it up clears it */
    uint8_t linked;             /* registered */
    uint8_t flags;              /* private */
} exec_waiter;

/* One descriptor. Private; public so that a table of them can be made: static exec_fd_slot table[64]; */
typedef struct exec_fd_slot {
    exec_waiter *waiters[2];    /* for reading, for writing */
    uint32_t generation;        /* events of earlier ones are dropped */
    uint8_t kind;
    uint8_t state;
#if EXEC_DEBUG
    uint64_t device, inode;
#endif
} exec_fd_slot;

/* Zero is the default of each. */
typedef struct exec_net_config {
    exec_fd_slot *slots;        /* the table, for descriptors 0 .. slot_count-1; ops on others give
                                   -EMFILE. Default: grows, by the executor's allocator */
    uint32_t slot_count;
} exec_net_config;

/* The signals that an executor holds. Private. */
typedef struct exec_signals {
    exec_waiter waiter;         /* for fd; its task is that of the first op that waits */
    struct exec_signal_op *first;       /* of a ring */
    uint64_t held, watched;     /* a bit each: taken from the host; what the signalfd reports */
    int fd;                     /* signalfd, or the reading end of a pipe */
    uint8_t open;
#if EXEC_POSIX_ONLY
    int write;
    struct exec_signals *next;  /* of the program, for the handler */
    uint8_t state[64];          /* EXEC__SIGNAL_* */
#endif
} exec_signals;

/* Lives at one place from exec_net_attach until exec_destroy. Members are private. */
typedef struct exec_net {
    exec_driver driver;
    exec_fd_slot *slots;
    uint32_t slot_count;
    uint32_t waiting;           /* linked waiters */
    uint8_t fixed;              /* the caller's table */
    uint8_t coarse;             /* the kernel knows no timeout finer than milliseconds */
    int epoll;
    int wake;                   /* the executor's eventfd, once it is registered */
    struct exec_io *paused;     /* accepts that found no descriptor left */
    int64_t pause_until;
    exec_timers timers;         /* attached with it, unless the executor has some */
    exec_signals signals;
} exec_net;

/* Attaches the reactor, and the timers if `ex` has none. 0; -EBUSY: another driver parks already;
   -EMFILE, -ENFILE, -ENOMEM: no epoll; -EINVAL: EXEC_NO_MALLOC without slots. config NULL: defaults.
   Owner's thread, before or between runs. */
EXEC_API int exec_net_attach(exec_net *net, exec *ex, const exec_net_config *config);

/* For hand-written leaves. Wakes `task` on each edge of `interest`, from now until deregister, and
   sets the bits in waiter->ready; what is ready already (or may be) is set at once or comes with the
   next wait. After EAGAIN clear the bit and pend. 0; -EBUSY: another one waits in that direction;
   -EBADF; -EINVAL: no interest; -EMFILE, -ENOMEM, -ENOSPC: no slot. Always-ready files get their bits
   at once. A foreign blocking descriptor wakes once per register or reregister. */
EXEC_API int exec_net_register(exec_net *net, exec_waiter *waiter, int fd, unsigned interest,
                               exec_task *task);
/* The same waiter with another interest. Errors as above; it is deregistered then. */
EXEC_API int exec_net_reregister(exec_net *net, exec_waiter *waiter, unsigned interest);
/* 0, or -ENOENT: it was not registered (any more). */
EXEC_API int exec_net_deregister(exec_net *net, exec_waiter *waiter);
/* Waits at most timeout_ns (0: looks; EXEC_NEVER) and wakes tasks. The number of events, 0 when it was
   interrupted or the time is over, or a negated errno. Rounded up to what the kernel can wait, so never
   early. */
EXEC_API int exec_net_poll(exec_net *net, int64_t timeout_ns);

/* --------------------------------------------------------------------------------------------- ops */

/* One transfer, accept, connect or wait. In the frame; used again and again. */
typedef struct exec_io {
    exec_future fut;            /* EXEC_RESULT(&io): bytes, a descriptor or 0; or a negated errno */
    exec_waiter waiter;
    union {
        void *to;
        const void *from;
        const char *address;
        struct exec_io *next;
    } buf;
    size_t len;                 /* bytes asked for */
    size_t done;                /* bytes moved so far, also when the result is an error */
} exec_io;

/* All of these: awaited on the owner's thread; `buf` must stay until the op is ready. Errors besides
   those of the system call: -ECANCELED: it was cancelled, and nothing moved (or `done` bytes, for
   read_exact and write_all); -EBADF: fd < 0, or exec_fd_cancel; -EBUSY: another op waits for that fd in
   that direction; -EMFILE, -ENOMEM, -ENOSPC: no slot for it. O(1). */

/* At most len bytes, as read(2): 0 is the end of file. */
EXEC_API EXEC__MUST_USE exec_future *exec_read(exec_io *io, int fd, void *buf, size_t len);
/* At least one byte (if len > 0), as write(2). -EPIPE without SIGPIPE. */
EXEC_API EXEC__MUST_USE exec_future *exec_write(exec_io *io, int fd, const void *buf, size_t len);
/* All len bytes: the result is len. -ENODATA: the end of file came before. */
EXEC_API EXEC__MUST_USE exec_future *exec_read_exact(exec_io *io, int fd, void *buf, size_t len);
EXEC_API EXEC__MUST_USE exec_future *exec_write_all(exec_io *io, int fd, const void *buf, size_t len);
/* Sockets, with flags as recv(2), send(2) (MSG_DONTWAIT and MSG_NOSIGNAL are added). */
EXEC_API EXEC__MUST_USE exec_future *exec_recv(exec_io *io, int fd, void *buf, size_t len, int flags);
EXEC_API EXEC__MUST_USE exec_future *exec_send(exec_io *io, int fd, const void *buf, size_t len, int flags);
/* Goes on with a transfer that was cancelled or failed, behind what it has done already:
       EXEC_AWAIT(exec_timeout(&self->limit, exec_read_exact(&self->io, ...), EXEC_MS(500)));
       if (self->limit.expired) EXEC_AWAIT(exec_resume(&self->io)); */
EXEC_API EXEC__MUST_USE exec_future *exec_resume(exec_io *io);

/* 0 when a read or a write would not block, end of file and errors included, or (seldom) when
   somebody else was faster: be ready for EAGAIN. For any descriptor that poll(2) takes. */
EXEC_API EXEC__MUST_USE exec_future *exec_readable(exec_io *io, int fd);
EXEC_API EXEC__MUST_USE exec_future *exec_writable(exec_io *io, int fd);

/* ----------------------------------------------------------------------------------------- sockets */

/* Addresses are numeric text, "127.0.0.1:7777" or "[::1]:7777". A name is -EINVAL: resolve it first,
   with getaddrinfo(3) on another thread. Zero is the default of each option. */
typedef struct exec_socket_opts {
    int backlog;                /* of listen: 4096, which the system cuts to net.core.somaxconn */
    int no_reuse_address;       /* SO_REUSEADDR is set unless this is */
    int reuse_port;             /* SO_REUSEPORT */
    int nagle;                  /* TCP_NODELAY is set, also on accepted sockets, unless this is */
} exec_socket_opts;

/* A listening socket, nonblocking and close-on-exec; port 0 takes a free one (exec_local_address). The
   descriptor, or -EINVAL (address), -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EMFILE ... opts may be NULL. */
EXEC_API int exec_listen(exec *ex, const char *address, const exec_socket_opts *opts);
/* The result is a descriptor of yours, nonblocking, close-on-exec, TCP_NODELAY if it is TCP. Errors of
   one connection are passed over. With no descriptors or memory left it pauses until exec_close_fd or
   100 ms have gone by. It ends with -EBADF, -EINVAL (does not listen), -ENOTSOCK, -EOPNOTSUPP.
   Cancelled together with its value: the value stays, close it. */
EXEC_API EXEC__MUST_USE exec_future *exec_accept(exec_io *io, int listener);
/* Connects at its first poll; the result is a descriptor of yours once the connection stands, or
   -EINVAL (address), -ECONNREFUSED, -ETIMEDOUT ... Cancelled or failed, it closes what it made.
   `address` must stay until the op is ready; opts may be NULL and is copied. */
EXEC_API EXEC__MUST_USE exec_future *exec_connect(exec_io *io, const char *address, const exec_socket_opts *opts);

/* The address as text of a socket, of its peer: 0, -ENOSPC (size below EXEC_ADDRESS_BYTES may be too
   small), -EAFNOSUPPORT (neither IPv4 nor IPv6), -ENOTCONN, -ENOTSOCK, -EBADF. Any thread. */
#define EXEC_ADDRESS_BYTES 48
EXEC_API int exec_local_address(int fd, char *text, size_t size);
EXEC_API int exec_peer_address(int fd, char *text, size_t size);

/* ------------------------------------------------------------------------------------- descriptors */

/* The owner of a descriptor, who opened or accepted it, ends it with this: cancels as exec_fd_cancel,
   deregisters, closes. 0, or -EBADF, -EIO ... of close(2). Owner's thread, as all below. */
EXEC_API int exec_close_fd(exec *ex, int fd);
/* Ops that wait for fd get -EBADF and never touch the number again; later ops too, until it is
   closed. For who is not the owner. 0, -EBADF (no descriptor), -ENOMEM, -EMFILE (no slot to remember it). */
EXEC_API int exec_fd_cancel(exec *ex, int fd);
/* Before a close() by others, or a hand-over: ends what waits as above and forgets all about fd. 0, or
   -EBADF. */
EXEC_API int exec_fd_forget(exec *ex, int fd);
/* Switches a foreign descriptor to nonblocking, for all who share it, and forgets what was known
   about it. 0, -EBADF. */
EXEC_API int exec_fd_adopt(exec *ex, int fd);

/* ----------------------------------------------------------------------------------------- signals */

/* The await of a signal. In the frame; used again and again. */
typedef struct exec_signal_op {
    exec_future fut;            /* EXEC_RESULT(&op): the signal's number, or a negated errno */
    int signo;
    int code;                   /* from here on as in siginfo_t of sigaction(2): SI_USER, SI_QUEUE ... */
    int pid;                    /* who sent it; 0 if nobody did, as all of them under EXEC_POSIX_ONLY */
    uint32_t uid;
    int value;                  /* of sigqueue(3), as a number, */
    void *pointer;              /* as a pointer */
    exec_task *task;            /* from here on private */
    struct exec_signal_op *next, *prev;
    int state;
} exec_signal_op;

/* Waits for a signal, 1 to 64. Ready with -EINVAL: no such number, SIGKILL, SIGSTOP, or one that the
   thread itself raises by a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL); -EMFILE, -ENFILE, -ENOMEM, -ENOSPC:
   no descriptor or slot for the one signalfd of an executor; -ECANCELED: it took none. O(ops that wait
   for signals). Owner's thread.
     From its first await on a signal is blocked in this thread, until exec_signal_release; no handler
   is called, none is installed, no disposition changes. What comes while nobody awaits it stays pending
   in the kernel, for the next await. When it comes while several ops wait for it, each gets it; of
   several executors of a thread one does.
     Signals go to any thread that does not block them: block it in the others too (before they are
   started, or in main before it starts all). One whose default is to do nothing (SIGCHLD, SIGWINCH,
   SIGURG) is kept only while the main thread blocks it.
     Under EXEC_POSIX_ONLY a handler (with SA_RESTART) is installed instead of blocking, and several that
   come before the await are one; it must not be blocked in all threads. */
EXEC_API EXEC__MUST_USE exec_future *exec_signal(exec_signal_op *op, int signo);
/* Gives a signal (0: all that this executor awaited) back to the host program: unblocks it, unless it
   was blocked before, or restores its handler; once the last executor has. One that came and that
   nobody took reaches the host then, its handler or its default action. 0, also if it was not awaited;
   -EINVAL: no such number; -EBUSY: an op waits for it (of all: the others are given back); or, under
   EXEC_POSIX_ONLY, somebody replaced the handler, which stays. exec_destroy does it for all. */
EXEC_API int exec_signal_release(exec *ex, int signo);

/* ---------------------------------------------------------------------------------------- children */

/* A child process. The caller's; holds a descriptor from the start (or adoption) until it was waited for
   or exec_child_detach; must stay where it is while an op waits for it. A zeroed one is none. */
typedef struct exec_child {
    int pid;
    int signal;                 /* that ended it; 0: it exited */
    int fd;                     /* from here on private: pidfd */
    int state;
    int result;
} exec_child;

/* Zero is the default of each. */
typedef struct exec_child_opts {
    const char *const *env;     /* "NAME=value" ..., NULL; default: that of this process */
    int in, out, err;           /* descriptors that become its 0, 1 and 2, in this order, so err = 1 is where
                                   its output goes; 0: its own are this process's. They stay yours */
    int own_group;              /* it leads a process group of its own: no signal of the terminal */
} exec_child_opts;

#if !EXEC_NO_MALLOC
/* Starts argv[0] (looked up in PATH when it has no slash) with the arguments up to NULL. The child begins with
   no signal blocked and each disposition the default; it gets no descriptor that is close-on-exec. 0, or
   -ENOENT, -EACCES, -ENOEXEC, -E2BIG ... of execve(2); -EAGAIN, -ENOMEM, -EMFILE, -ENFILE, -ENOSPC: no process, no
   descriptor or no slot for it; -ENOSYS: the kernel has no pidfd (Linux 5.4), or EXEC_POSIX_ONLY. No
   child is left then: one that ran already was killed. Owner's thread. (Not under EXEC_NO_MALLOC: libc
   allocates for it; start it by other means and adopt it.) */
EXEC_API int exec_child_start(exec *ex, exec_child *child, const char *const *argv, const exec_child_opts *opts);
#endif
/* Takes over a child that somebody else started. 0, or -ECHILD: not a child of this process; -EMFILE, -ENFILE,
   -ENOMEM, -ENOSPC, -ENOSYS as above: it runs on then. Owner's thread. */
EXEC_API int exec_child_adopt(exec *ex, exec_child *child, int pid);

typedef struct exec_child_op { exec_future fut; exec_waiter waiter; exec_child *child; } exec_child_op;
/* Waits for its end: the exit code 0 to 255, or 128 + signal when child->signal ended it; asked again, the same.
   -ECHILD: somebody else waited for it (a handler of the host, or SIGCHLD is ignored), or a zeroed child;
   -ECANCELED: it runs on, and can be waited for again; -EBUSY: another op waits; -EBADF: it was detached
   meanwhile; -ENOMEM, -ENOSPC, -EMFILE; -ENOSYS. No SIGCHLD is needed, and no other child is waited for. O(1). */
EXEC_API EXEC__MUST_USE exec_future *exec_child_wait(exec_child_op *op, exec_child *child);
/* Sends it a signal, never to another process with its number. 0; -ESRCH: it was waited for or detached;
   -EINVAL: no such signal; -EPERM: it has become another user's; -ENOSYS. Any thread, if none waits for it. */
EXEC_API int exec_child_kill(exec_child *child, int signo);
/* Forgets it, which closes the descriptor; the process goes on, and is a zombie when it ends, until somebody
   waits for it or this process ends. Before exec_destroy, if it was not waited for. 0; -ESRCH: as above;
   -ENOSYS. Owner's thread. */
EXEC_API int exec_child_detach(exec *ex, exec_child *child);

/* ------------------------------------------------------------------------ behind the public part */

#define EXEC__NET_LAYOUT EXEC__NET_LAYOUT_(EXEC_VERSION_MAJOR, EXEC_VERSION_MINOR, EXEC_BACKEND)
#define EXEC__NET_LAYOUT_(major, minor, backend) EXEC__NET_LAYOUT__(major, minor, backend)
#define EXEC__NET_LAYOUT__(major, minor, backend) exec__net_layout_v##major##_##minor##_backend##backend
#ifndef EXEC_STATIC
extern EXEC_API const char EXEC__NET_LAYOUT;
EXEC__USED EXEC__MAYBE_UNUSED static const char *const exec__net_layout_used = &EXEC__NET_LAYOUT;
#endif

#ifdef __cplusplus
}
#endif
#endif /* EXEC_NET_H */

/* ============================================================================ the implementation */
#if (defined EXEC_IMPLEMENTATION || defined EXEC_STATIC) && !defined EXEC__NET_IMPLEMENTED
#define EXEC__NET_IMPLEMENTED
#include "exec_timer.h"    /* its implementation, where only declarations came before */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#if !EXEC_POSIX_ONLY
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#else
#include <sched.h>
#endif
#if EXEC_DEBUG
#include <sys/stat.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Each system call has a name that a test may define before; and those of exec.h. */
#ifndef EXEC_SYS_EPOLL_CREATE1
#define EXEC_SYS_EPOLL_CREATE1 epoll_create1
#endif
#ifndef EXEC_SYS_EPOLL_CTL
#define EXEC_SYS_EPOLL_CTL epoll_ctl
#endif
#ifndef EXEC_SYS_EPOLL_WAIT
#define EXEC_SYS_EPOLL_WAIT epoll_wait
#endif
#ifndef EXEC_SYS_EPOLL_PWAIT2
#define EXEC_SYS_EPOLL_PWAIT2 exec__epoll_pwait2
#endif
#ifndef EXEC_SYS_RECV
#define EXEC_SYS_RECV recv
#endif
#ifndef EXEC_SYS_SEND
#define EXEC_SYS_SEND send
#endif
#ifndef EXEC_SYS_ACCEPT4
#define EXEC_SYS_ACCEPT4 exec__accept4
#endif
#ifndef EXEC_SYS_SOCKET
#define EXEC_SYS_SOCKET socket
#endif
#ifndef EXEC_SYS_BIND
#define EXEC_SYS_BIND bind
#endif
#ifndef EXEC_SYS_LISTEN
#define EXEC_SYS_LISTEN listen
#endif
#ifndef EXEC_SYS_CONNECT
#define EXEC_SYS_CONNECT connect
#endif
#ifndef EXEC_SYS_GETSOCKOPT
#define EXEC_SYS_GETSOCKOPT getsockopt
#endif
#ifndef EXEC_SYS_SETSOCKOPT
#define EXEC_SYS_SETSOCKOPT setsockopt
#endif
#ifndef EXEC_SYS_GETSOCKNAME
#define EXEC_SYS_GETSOCKNAME getsockname
#endif
#ifndef EXEC_SYS_GETPEERNAME
#define EXEC_SYS_GETPEERNAME getpeername
#endif
#ifndef EXEC_SYS_FCNTL
#define EXEC_SYS_FCNTL fcntl
#endif
#ifndef EXEC_SYS_FSTAT
#define EXEC_SYS_FSTAT fstat
#endif
#ifndef EXEC_SYS_SIGNALFD
#define EXEC_SYS_SIGNALFD signalfd
#endif
#ifndef EXEC_SYS_SIGPROCMASK
#define EXEC_SYS_SIGPROCMASK sigprocmask    /* of this thread; older libcs have pthread_sigmask elsewhere */
#endif
#ifndef EXEC_SYS_SIGPENDING
#define EXEC_SYS_SIGPENDING sigpending
#endif
#ifndef EXEC_SYS_SIGTIMEDWAIT
#define EXEC_SYS_SIGTIMEDWAIT sigtimedwait
#endif
#ifndef EXEC_SYS_SIGACTION
#define EXEC_SYS_SIGACTION sigaction
#endif
#ifndef EXEC_SYS_PIPE
#define EXEC_SYS_PIPE pipe
#endif
#ifndef EXEC_SYS_POSIX_SPAWNP
#define EXEC_SYS_POSIX_SPAWNP posix_spawnp
#endif
#ifndef EXEC_SYS_PIDFD_OPEN
#define EXEC_SYS_PIDFD_OPEN exec__pidfd_open
#endif
#ifndef EXEC_SYS_PIDFD_SEND_SIGNAL
#define EXEC_SYS_PIDFD_SEND_SIGNAL exec__pidfd_send_signal
#endif
#ifndef EXEC_SYS_KILL
#define EXEC_SYS_KILL kill
#endif
#ifndef EXEC_SYS_WAITID
#define EXEC_SYS_WAITID waitid
#endif

/* As many as a turn polls tasks. */
#ifndef EXEC_NET_EVENTS
#define EXEC_NET_EVENTS 64
#endif

#ifndef EXEC_STATIC
extern EXEC_API const char EXEC__NET_LAYOUT;
const char EXEC__NET_LAYOUT = 0;
#endif

/* From TCP on a kind is known; up to SOCKET it is a socket. */
enum { EXEC__FD_UNKNOWN, EXEC__FD_CANCELLED, EXEC__FD_TCP, EXEC__FD_SOCKET, EXEC__FD_PIPE,
       EXEC__FD_OTHER };

/* slot->state, besides EXEC_READABLE and EXEC_WRITABLE (not known to block). */
enum {
    EXEC__FD_SHORT = 4,         /* a short read ends readiness; also in waiter->flags */
    EXEC__FD_REGISTERED = 8,
    EXEC__FD_BLOCKING = 16,     /* foreign: one call per readiness */
    EXEC__FD_ALWAYS = 32,       /* epoll takes no regular files */
    EXEC__FD_NODELAY = 64       /* a listener whose sockets inherit their options */
};

/* waiter->flags */
enum { EXEC__IO_ALL = 1, EXEC__IO_MSG = 2, EXEC__IO_BEGUN = 8, EXEC__IO_PAUSED = 16, EXEC__IO_NAGLE = 32 };

/* ----------------------------------------------------------------------------------------- backend
   open, close, watch (what waits for this slot is told of its readiness), unwatch, wait. */

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

typedef struct exec__timespec64 { int64_t sec, nsec; } exec__timespec64;

/* struct epoll_event; glibc has its packing from an attribute that tcc does not get to see. */
typedef struct exec__event {
    uint32_t events;
#if !defined __x86_64__ && !defined __i386__
    uint32_t padding;
#endif
    uint32_t fd, generation;
} exec__event;
#ifndef __TINYC__
typedef char exec__event_is_one[sizeof(exec__event) == sizeof(struct epoll_event) ? 1 : -1];
#endif

static struct epoll_event *exec__events(exec__event *events) { return (struct epoll_event *)(void *)events; }

static EXEC__MAYBE_UNUSED int exec__epoll_pwait2(int epoll, struct epoll_event *events, int count,
                                                 const exec__timespec64 *timeout) {
    return (int)syscall(SYS_epoll_pwait2, epoll, events, count, timeout, NULL, 0L);
}

static int exec__backend_open(exec_net *net) {
    net->wake = -1;
    net->epoll = EXEC_SYS_EPOLL_CREATE1(EPOLL_CLOEXEC);
    return net->epoll < 0 ? -errno : 0;
}

static void exec__backend_close(exec_net *net) { EXEC_SYS_CLOSE(net->epoll); }

/* 0 or a negated errno. What the kernel knows of a number may be older than what the slot does. */
static int exec__epoll_set(const exec_net *net, int op, int fd, uint32_t events, uint32_t generation) {
    exec__event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.fd = (uint32_t)fd;
    event.generation = generation;
    if (EXEC_SYS_EPOLL_CTL(net->epoll, op, fd, exec__events(&event)) == 0) return 0;
    if (errno == EEXIST && op == EPOLL_CTL_ADD) op = EPOLL_CTL_MOD;
    else if (errno == ENOENT && op == EPOLL_CTL_MOD) op = EPOLL_CTL_ADD;
    else return -errno;
    return EXEC_SYS_EPOLL_CTL(net->epoll, op, fd, exec__events(&event)) == 0 ? 0 : -errno;
}

/* Of a blocking one: a readiness is of whoever waited for it, since others may use it up meanwhile. */
static int exec__wants(const exec_fd_slot *s, unsigned direction) {
    const exec_waiter *w = s->waiters[direction - 1];
    return w && !(w->ready & direction);
}

/* Edges, once per life of the descriptor; or if it is a blocking one, one event for who waits now. */
static EXEC__COLD int exec__backend_watch(const exec_net *net, int fd, exec_fd_slot *s) {
    int op = s->state & EXEC__FD_REGISTERED ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, status;
    uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    if (s->state & EXEC__FD_BLOCKING)
        events = EPOLLONESHOT | (exec__wants(s, EXEC_READABLE) ? (uint32_t)EPOLLIN : 0)
            | (exec__wants(s, EXEC_WRITABLE) ? (uint32_t)EPOLLOUT : 0);
    status = exec__epoll_set(net, op, fd, events, s->generation);
    if (status == -EPERM && s->kind == EXEC__FD_OTHER) {
        s->state = EXEC__FD_ALWAYS | EXEC__FD_REGISTERED | EXEC_READABLE | EXEC_WRITABLE;
        return 0;
    }
    if (status < 0) return status;
    s->state |= EXEC__FD_REGISTERED;
    if (!(s->state & EXEC__FD_BLOCKING) && (s->kind == EXEC__FD_TCP || s->kind == EXEC__FD_PIPE))
        s->state |= EXEC__FD_SHORT;
    return 0;
}

static void exec__backend_unwatch(const exec_net *net, int fd, const exec_fd_slot *s) {
    if ((s->state & (EXEC__FD_REGISTERED | EXEC__FD_ALWAYS)) == EXEC__FD_REGISTERED)
        EXEC_SYS_EPOLL_CTL(net->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void exec__ready_to(exec_waiter *w, unsigned direction) {
    if (!w) return;
    w->ready = (uint8_t)(w->ready | direction);
    exec_wake(w->task);
}

static void exec__backend_event(exec_net *net, const exec__event *event) {
    uint32_t fd = event->fd, events = event->events;
    unsigned came = 0;
    exec_fd_slot *s;
    if (fd >= net->slot_count) return;          /* the eventfd, which is only to end the wait */
    s = &net->slots[fd];
    if (s->generation != event->generation || s->kind == EXEC__FD_CANCELLED) return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) came |= EXEC_READABLE;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) came |= EXEC_WRITABLE;
    /* Behind these there may be no further edge: from now on only EAGAIN ends readiness. */
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) s->state &= (uint8_t)~EXEC__FD_SHORT;
    if (!(s->state & EXEC__FD_BLOCKING)) s->state = (uint8_t)(s->state | came);
    if (came & EXEC_READABLE) exec__ready_to(s->waiters[0], EXEC_READABLE);
    if (came & EXEC_WRITABLE) exec__ready_to(s->waiters[1], EXEC_WRITABLE);
    if (EXEC__UNLIKELY(s->state & EXEC__FD_BLOCKING)
        && (exec__wants(s, EXEC_READABLE) || exec__wants(s, EXEC_WRITABLE)))
        exec__backend_watch(net, (int)fd, s);
}

static int exec__epoll_ms(const exec_net *net, exec__event *events, int ms) {
    return EXEC_SYS_EPOLL_WAIT(net->epoll, exec__events(events), EXEC_NET_EVENTS, ms);
}

/* A finite wait. In milliseconds where the kernel (or a filter) offers no finer one: rounded up. */
static int exec__epoll_timed(exec_net *net, exec__event *events, int64_t timeout_ns) {
    exec__timespec64 timeout;
    int64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    int count;
    timeout.sec = timeout_ns / 1000000000;
    timeout.nsec = timeout_ns % 1000000000;
    if (!net->coarse) {
        count = EXEC_SYS_EPOLL_PWAIT2(net->epoll, exec__events(events), EXEC_NET_EVENTS, &timeout);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        net->coarse = 1;
    }
    return exec__epoll_ms(net, events, ms > INT32_MAX ? INT32_MAX : (int)ms);
}

/* The eventfd of the executor appears with its first waker. It is never read: each write is an edge. */
static EXEC__COLD int exec__backend_wake_fd(exec_net *net) {
    int fd = exec_wake_fd(net->driver.exec);
    int status = exec__epoll_set(net, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, UINT32_MAX);
    if (status == 0) net->wake = fd;
    return status;
}

static int exec__backend_wait(exec_net *net, int64_t timeout_ns) {
    exec__event events[EXEC_NET_EVENTS];
    int count, status;
    if (EXEC__UNLIKELY(net->wake != exec_wake_fd(net->driver.exec))
        && (status = exec__backend_wake_fd(net)) < 0)
        return status;
    if (timeout_ns <= 0 || timeout_ns == EXEC_NEVER)
        count = exec__epoll_ms(net, events, timeout_ns > 0 ? -1 : 0);
    else
        count = exec__epoll_timed(net, events, timeout_ns);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) exec__backend_event(net, &events[i]);
    return count;
}

/* ------------------------------------------------------------------------------------------- slots */

/* The table up to fd. */
static EXEC__COLD int exec__slots_grow(exec_net *net, uint32_t fd) {
#if EXEC_NO_MALLOC
    (void)net; (void)fd;
    return -EMFILE;
#else
    exec_config *config = &net->driver.exec->config;
    uint32_t count = fd + 16 + fd / 256;        /* little to spare: a connection costs 208 bytes in all */
    exec_fd_slot *slots;
    if (net->fixed) return -EMFILE;
    if (EXEC_SYS_FCNTL((int)fd, F_GETFD) < 0) return -errno;    /* no gigabytes for what is no descriptor */
    if (count < 64) count = 64;
    slots = (exec_fd_slot *)config->allocate(config->user, count * sizeof *slots, sizeof(void *));
    if (!slots) return -ENOMEM;
    memset(slots, 0, count * sizeof *slots);
    if (net->slots) {
        memcpy(slots, net->slots, net->slot_count * sizeof *slots);
        config->release(config->user, net->slots, net->slot_count * sizeof *slots, sizeof(void *));
    }
    net->slots = slots;
    net->slot_count = count;
    return 0;
#endif
}

/* Its slot, or NULL. */
static exec_fd_slot *exec__slot(const exec_net *net, int fd) {
    return (uint32_t)fd < net->slot_count ? &net->slots[fd] : NULL;
}

static void exec__unlink(exec_net *net, exec_waiter *w) {
    exec_fd_slot *s = &net->slots[w->fd];
    if (w->interest & EXEC_READABLE) s->waiters[0] = NULL;
    if (w->interest & EXEC_WRITABLE) s->waiters[1] = NULL;
    w->linked = 0;
    net->waiting--;
}

static void exec__waiter_cancel(exec_waiter *w) {
    w->fd = -EBADF;
    w->ready = w->interest;
    exec_wake(w->task);
}

/* Accepts that pause try again: those of one descriptor, which is going, or (-1) all. */
static EXEC__COLD void exec__resume_accepts(exec_net *net, int fd) {
    exec_io **link = &net->paused, *io;
    while ((io = *link) != NULL) {
        if (fd >= 0 && io->waiter.fd != fd) {
            link = &io->buf.next;
            continue;
        }
        *link = io->buf.next;
        io->waiter.flags &= (uint8_t)~EXEC__IO_PAUSED;
        if (fd >= 0) exec__waiter_cancel(&io->waiter);
        else exec_wake(io->waiter.task);
    }
}

/* Ends what waits: -EBADF, and the number is not theirs any more. */
static void exec__slot_cancel(exec_net *net, exec_fd_slot *s) {
    for (int i = 0; i < 2; i++) {
        exec_waiter *w = s->waiters[i];
        if (!w) continue;
        exec__unlink(net, w);
        exec__waiter_cancel(w);
    }
    if (EXEC__UNLIKELY(net->paused != NULL)) exec__resume_accepts(net, (int)(s - net->slots));
}

/* A new descriptor of this kind: what is left of an older one goes. */
static void exec__slot_reset(exec_net *net, exec_fd_slot *s, unsigned kind) {
    exec__slot_cancel(net, s);
    s->generation++;
    s->kind = (uint8_t)kind;
    s->state = kind == EXEC__FD_UNKNOWN ? 0 : EXEC_READABLE | EXEC_WRITABLE;
}

#if EXEC_DEBUG
/* Remembers which file it is. */
static void exec__file_note(exec_fd_slot *s, int fd) {
    struct stat st;
    memset(&st, 0, sizeof st);                  /* no inode: not known */
    if (EXEC_SYS_FSTAT(fd, &st) < 0) st.st_ino = 0;
    s->device = (uint64_t)st.st_dev;
    s->inode = (uint64_t)st.st_ino;
}

static int exec__file_same(const exec_fd_slot *s, int fd) {
    exec_fd_slot now = *s;
    exec__file_note(&now, fd);
    return !s->inode || !now.inode || (now.device == s->device && now.inode == s->inode);
}
#endif

/* A descriptor that a call of ours made. Without a slot its first op says so. */
static void exec__slot_new(exec_net *net, int fd, unsigned kind) {
    exec_fd_slot *s;
    if ((uint32_t)fd >= net->slot_count && exec__slots_grow(net, (uint32_t)fd) < 0) return;
    s = &net->slots[fd];
    exec__slot_reset(net, s, kind);
#if EXEC_DEBUG
    exec__file_note(s, fd);
#endif
}

static int exec__socket_option(int fd, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    return EXEC_SYS_GETSOCKOPT(fd, SOL_SOCKET, option, &value, &size) < 0 ? -errno : value;
}

/* What a foreign descriptor is. */
static int exec__slot_detect(exec_fd_slot *s, int fd) {
    int domain = exec__socket_option(fd, SO_DOMAIN), flags;
    s->state = EXEC_READABLE | EXEC_WRITABLE;
    if (domain >= 0) {
        int tcp = (domain == AF_INET || domain == AF_INET6)     /* a stream of SCTP has messages */
            && exec__socket_option(fd, SO_PROTOCOL) == IPPROTO_TCP;
        s->kind = tcp ? EXEC__FD_TCP : EXEC__FD_SOCKET;
        if (exec__socket_option(fd, SO_ACCEPTCONN) <= 0) return 0;
        flags = EXEC_SYS_FCNTL(fd, F_GETFL);    /* accept(2) knows no MSG_DONTWAIT */
        if (flags >= 0 && !(flags & O_NONBLOCK)) s->state = EXEC__FD_BLOCKING;
        return 0;
    }
    if (domain != -ENOTSOCK) return domain;
    flags = EXEC_SYS_FCNTL(fd, F_GETFL);
    if (flags < 0) return -errno;
    s->kind = EXEC__FD_OTHER;
    if (!(flags & O_NONBLOCK)) s->state = EXEC__FD_BLOCKING;
#ifdef O_DIRECT
    if (flags & O_DIRECT) return 0;             /* a pipe of packets */
#endif
#ifdef F_GETPIPE_SZ
    if (EXEC_SYS_FCNTL(fd, F_GETPIPE_SZ) > 0) s->kind = EXEC__FD_PIPE;
#endif
    return 0;
}

/* Before the first op on a descriptor. */
static EXEC__COLD int exec__slot_prepare(exec_net *net, int fd) {
    exec_fd_slot *s;
    int status;
    if (fd < 0) return -EBADF;
    if ((uint32_t)fd >= net->slot_count && (status = exec__slots_grow(net, (uint32_t)fd)) < 0) return status;
    s = &net->slots[fd];
    if (s->kind == EXEC__FD_CANCELLED) return -EBADF;
    status = exec__slot_detect(s, fd);
    if (status < 0) {
        s->kind = EXEC__FD_UNKNOWN;
        s->state = 0;
    }
#if EXEC_DEBUG
    exec__file_note(s, fd);
#endif
    return status;
}

static int exec__slot_get(exec_net *net, int fd) {
    if (EXEC__LIKELY((uint32_t)fd < net->slot_count && net->slots[fd].kind > EXEC__FD_CANCELLED)) return 0;
    return exec__slot_prepare(net, fd);
}

/* The waiter waits for its interest from now on. The slot is prepared. */
static int exec__link(exec_net *net, exec_waiter *w, exec_task *task) {
    exec_fd_slot *s = &net->slots[w->fd];
    int status;
    if ((w->interest & EXEC_READABLE) && s->waiters[0]) return -EBUSY;
    if ((w->interest & EXEC_WRITABLE) && s->waiters[1]) return -EBUSY;
#if EXEC_DEBUG
    EXEC_ASSERT(exec__file_same(s, w->fd), "a wait for a descriptor that was closed and came back: "
                "close with exec_close_fd, or call exec_fd_forget before a foreign close()");
#endif
    if (w->interest & EXEC_READABLE) s->waiters[0] = w;
    if (w->interest & EXEC_WRITABLE) s->waiters[1] = w;
    w->task = task;
    w->ready = 0;
    w->linked = 1;
    net->waiting++;
    if (EXEC__LIKELY((s->state & (EXEC__FD_REGISTERED | EXEC__FD_BLOCKING)) == EXEC__FD_REGISTERED)) return 0;
    status = exec__backend_watch(net, w->fd, s);
    if (status < 0) exec__unlink(net, w);
    return status;
}

/* ------------------------------------------------------------------------------------------ driver */

static exec_net *exec__net_of(exec_driver *d) { return (exec_net *)(void *)d; }

static int64_t exec__net_deadline(exec_driver *d) {
    return exec__net_of(d)->paused ? exec__net_of(d)->pause_until : EXEC_NEVER;
}

static void exec__net_turn(exec_driver *d) {
    exec_net *net = exec__net_of(d);
    if (EXEC__UNLIKELY(net->paused != NULL) && exec_now(d->exec) >= net->pause_until)
        exec__resume_accepts(net, -1);
}

EXEC_API int exec_net_poll(exec_net *net, int64_t timeout_ns) {
    int count = exec__backend_wait(net, timeout_ns);
    if (count > 0) net->driver.exec->counters.io_events += (unsigned)count;
    return count;
}

static int exec__net_park(exec_driver *d, int64_t timeout_ns) {
    int count = exec_net_poll(exec__net_of(d), timeout_ns);
    return count < 0 ? count : 0;
}

static unsigned exec__net_waiting(const exec_driver *d) {
    return ((const exec_net *)(const void *)d)->waiting;
}

static int exec__net_poll_fd(exec_driver *d) {
    exec_net *net = exec__net_of(d);
    int status = net->wake == exec_wake_fd(d->exec) ? 0 : exec__backend_wake_fd(net);
    return status < 0 ? status : net->epoll;
}

static void exec__signals_close(exec_net *net);

static void exec__net_forked(exec_driver *d) {
    exec__signals_close(exec__net_of(d));
    exec__backend_close(exec__net_of(d));
}

static void exec__net_dump(exec_driver *d) {
    const exec_net *net = exec__net_of(d);
    exec__text t = { 0, "" };
    exec__put(&t, "net: ");
    exec__put_number(&t, net->waiting);
    exec__put(&t, " wait, ");
    exec__put_number(&t, net->slot_count);
    exec__put(&t, net->paused ? " slots, accept is paused: no descriptors left" : " slots");
    exec_log(d->exec, t.s);
}

/* Each waiter is linked where its descriptor and interest say, and they are as many as were counted. */
static int exec__net_check(exec_driver *d) {
    const exec_net *net = exec__net_of(d);
    uint32_t waiting = 0;
    for (uint32_t fd = 0; fd < net->slot_count; fd++) {
        exec_waiter *const *w = net->slots[fd].waiters;
        for (unsigned i = 0; i < 2; i++)
            if (w[i] && (!w[i]->linked || w[i]->fd != (int)fd || !(w[i]->interest & (i + 1)))) return -EINVAL;
        waiting += (w[0] != NULL ? 1u : 0u) + (w[1] != NULL && w[1] != w[0] ? 1u : 0u);
    }
    return waiting == net->waiting ? 0 : -EINVAL;
}

static void exec__net_detach(exec_driver *d) {
    exec_net *net = exec__net_of(d);
    exec__signals_close(net);
    exec__backend_close(net);
#if !EXEC_NO_MALLOC
    if (net->slots && !net->fixed)
        d->exec->config.release(d->exec->config.user, net->slots, net->slot_count * sizeof *net->slots,
                                sizeof(void *));
#endif
    net->slots = NULL;
    net->slot_count = 0;
}

static const exec_driver_type exec__net_type = {
    "net", exec__net_deadline, exec__net_turn, exec__net_park, exec__net_waiting, exec__net_poll_fd,
    exec__net_forked, exec__net_dump, exec__net_check, exec__net_detach };

/* The reactor of an executor is its parker. */
static exec_net *exec__net(const exec *ex) {
    EXEC_ASSERT(ex->parker && ex->parker->type == &exec__net_type,
                "a descriptor is used without a reactor: call exec_net_attach after exec_init");
    return exec__net_of(ex->parker);
}

EXEC_API int exec_net_attach(exec_net *net, exec *ex, const exec_net_config *config) {
    int status;
    memset(net, 0, sizeof *net);
    if (ex->parker) return -EBUSY;
    if (config && config->slots) {
        net->slots = config->slots;
        net->slot_count = config->slot_count;
        net->fixed = 1;
        memset(net->slots, 0, net->slot_count * sizeof *net->slots);
    }
    if (EXEC_NO_MALLOC && !net->fixed) return -EINVAL;
    if ((status = exec__backend_open(net)) < 0) return status;
    if ((status = exec_timers_attach(&net->timers, ex)) < 0 && status != -EBUSY) {
        exec__backend_close(net);
        return status;
    }
    return exec_attach(ex, &net->driver, &exec__net_type);
}

EXEC_API int exec_net_register(exec_net *net, exec_waiter *w, int fd, unsigned interest, exec_task *task) {
    int status;
    memset(w, 0, sizeof *w);
    w->fd = fd;
    w->task = task;
    if (!(interest & (EXEC_READABLE | EXEC_WRITABLE))) return -EINVAL;
    if ((status = exec__slot_get(net, fd)) < 0) return status;
    return exec_net_reregister(net, w, interest);
}

EXEC_API int exec_net_reregister(exec_net *net, exec_waiter *w, unsigned interest) {
    exec_fd_slot *s;
    int status;
    if (w->linked) exec__unlink(net, w);
    if (!(interest &= EXEC_READABLE | EXEC_WRITABLE)) return -EINVAL;
    if ((status = exec__slot_get(net, w->fd)) < 0) return status;
    s = &net->slots[w->fd];
    w->interest = (uint8_t)interest;
    if ((status = exec__link(net, w, w->task)) < 0) return status;
    w->ready = (uint8_t)(s->state & interest);
    if (w->ready) exec_wake(w->task);
    return 0;
}

EXEC_API int exec_net_deregister(exec_net *net, exec_waiter *w) {
    if (!w->linked) return -ENOENT;
    exec__unlink(net, w);
    return 0;
}

/* ------------------------------------------------------------------------------------ descriptors */

EXEC_API int exec_fd_cancel(exec *ex, int fd) {
    exec_net *net = exec__net(ex);
    int status;
    if (fd < 0) return -EBADF;
    if ((uint32_t)fd >= net->slot_count && (status = exec__slots_grow(net, (uint32_t)fd)) < 0) return status;
    exec__slot_cancel(net, &net->slots[fd]);
    net->slots[fd].kind = EXEC__FD_CANCELLED;
    net->slots[fd].state &= EXEC__FD_REGISTERED | EXEC__FD_ALWAYS;
    return 0;
}

EXEC_API int exec_fd_forget(exec *ex, int fd) {
    exec_net *net = exec__net(ex);
    exec_fd_slot *s = exec__slot(net, fd);
    if (fd < 0) return -EBADF;
    if (!s) return 0;
    exec__backend_unwatch(net, fd, s);
    exec__slot_reset(net, s, EXEC__FD_UNKNOWN);
    return 0;
}

EXEC_API int exec_close_fd(exec *ex, int fd) {
    int status = exec_fd_forget(ex, fd);
    if (status < 0) return status;
    if (EXEC_SYS_CLOSE(fd) < 0 && errno != EINTR) status = -errno;
    if (exec__net(ex)->paused) exec__resume_accepts(exec__net(ex), -1);
    return status;
}

EXEC_API int exec_fd_adopt(exec *ex, int fd) {
    int flags = EXEC_SYS_FCNTL(fd, F_GETFL);
    if (flags < 0 || EXEC_SYS_FCNTL(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    return exec_fd_forget(ex, fd);
}

/* --------------------------------------------------------------------------------------------- ops */

/* The system call may be tried. */
static int exec__may_go(const exec_fd_slot *s, const exec_waiter *w) {
    return ((s->state & EXEC__FD_BLOCKING ? w->ready : s->state) & w->interest) != 0;
}

/* The op may not go on at once: waits, or says why not. */
static int exec__io_wait(exec_cx *cx, exec_net *net, exec_io *io) {
    exec_waiter *w = &io->waiter;
    int status;
    if (EXEC__UNLIKELY(exec_canceled(&io->fut))) {
        if (w->linked) exec__unlink(net, w);
        return -ECANCELED;
    }
    if ((status = exec__slot_get(net, w->fd)) < 0) return status;
    if (EXEC__LIKELY(!exec__may_go(&net->slots[w->fd], w))) {
        if (w->linked) return 0;
        status = exec__link(net, w, cx->task);
        if (EXEC__LIKELY(status < 0 || !exec__may_go(&net->slots[w->fd], w))) return status;
    }
    if (EXEC__UNLIKELY(!exec_spend(cx)))        /* linked: whoever closes the descriptor tells it */
        return w->linked ? 0 : exec__link(net, w, cx->task);
    if (w->linked) exec__unlink(net, w);
    w->ready = 0;
    return 1;
}

/* The beginning of each poll: 1: the system call may be tried; 0: the op pends; or its error. A slot
   with readiness is one that is known and not cancelled. */
static inline int exec__io_go(exec_cx *cx, exec_net *net, exec_io *io) {
    uint32_t fd = (uint32_t)io->waiter.fd;
    if (fd >= net->slot_count || !(net->slots[fd].state & io->waiter.interest) || !cx->quota.budget
        || EXEC__UNLIKELY(exec_canceled(&io->fut)))
        return exec__io_wait(cx, net, io);
    cx->quota.budget--;
    if (io->waiter.linked) exec__unlink(net, &io->waiter);
    return 1;
}

/* A write that cannot raise SIGPIPE: it is blocked meanwhile, and what this write raised is taken. */
static EXEC__COLD ssize_t exec__write_quietly(int fd, const void *buf, size_t len) {
    struct timespec none;
    sigset_t pipe, before, pending;
    ssize_t n;
    int error, own = 1;
    none.tv_sec = 0;
    none.tv_nsec = 0;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe, &before);
    if (sigismember(&before, SIGPIPE)) {
        sigpending(&pending);
        own = !sigismember(&pending, SIGPIPE);
    }
    n = EXEC_SYS_WRITE(fd, buf, len);
    error = errno;
    if (own && (n < 0 ? error == EPIPE : (size_t)n < len))     /* a blocking write may lose its reader midway */
        while (sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR) continue;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n;
}

/* What is no socket. A blocking one is told to be ready for one page (PIPE_BUF) only. */
static EXEC__COLD ssize_t exec__file_call(const exec_fd_slot *s, exec_io *io, char *at, size_t len) {
    int fd = io->waiter.fd, blocking = s->state & EXEC__FD_BLOCKING;
    if (io->waiter.interest == EXEC_READABLE) return EXEC_SYS_READ(fd, at, len);
    return exec__write_quietly(fd, at, blocking && len > 4096 ? 4096 : len);
}

static ssize_t exec__io_call(exec_fd_slot *s, exec_io *io, size_t len) {
    char *at = (char *)io->buf.to + io->done;
    if (EXEC__UNLIKELY(s->kind > EXEC__FD_SOCKET) && !(io->waiter.flags & EXEC__IO_MSG))
        return exec__file_call(s, io, at, len);
    if (io->waiter.interest == EXEC_READABLE) return EXEC_SYS_RECV(io->waiter.fd, at, len, io->fut.resume);
    return EXEC_SYS_SEND(io->waiter.fd, at, len, io->fut.resume);
}

/* One call. The bytes moved, or a negated errno; -EAGAIN: not ready, try again after a wait. */
static intptr_t exec__io_try(exec_net *net, exec_io *io) {
    exec_fd_slot *s = &net->slots[io->waiter.fd];
    size_t len = io->len - io->done;
    ssize_t n = exec__io_call(s, io, len);
    if (EXEC__UNLIKELY(n < 0)) {
        if (errno == EINTR) return -EAGAIN;
        if (errno == EAGAIN) s->state &= (uint8_t)~io->waiter.interest;
        return -errno;
    }
    if ((size_t)n < len && n > 0 && (s->state & io->waiter.flags & EXEC__FD_SHORT))
        s->state &= (uint8_t)~EXEC_READABLE;
    io->done += (size_t)n;
    return n;
}

static exec_poll exec__transfer_poll(exec_cx *cx, exec_future *f) {
    exec_io *io = (exec_io *)(void *)f;
    exec_net *net = exec__net(cx->exec);
    int status;
    while (EXEC__LIKELY((status = exec__io_go(cx, net, io)) > 0)) {
        intptr_t n = exec__io_try(net, io);
        if (n == -EAGAIN) continue;
        if (n < 0 || !(io->waiter.flags & EXEC__IO_ALL)) return exec_ready(f, n);
        if (EXEC__LIKELY(io->done == io->len)) return exec_ready(f, (intptr_t)io->len);
        if (n == 0) return exec_ready(f, -ENODATA);
    }
    return status ? exec_ready(f, status) : exec_pending(cx, f);
}

/* Asks the kernel, since nobody tells when a foreign read used the readiness up; then waits. */
static exec_poll exec__readiness_poll(exec_cx *cx, exec_future *f) {
    exec_io *io = (exec_io *)(void *)f;
    exec_net *net = exec__net(cx->exec);
    struct timespec none;
    struct pollfd p;
    none.tv_sec = 0;
    none.tv_nsec = 0;
    p.events = io->waiter.interest == EXEC_READABLE ? POLLIN : POLLOUT;
    for (;;) {
        int status = exec__io_go(cx, net, io);
        if (status == 0) return exec_pending(cx, f);
        if (status < 0) return exec_ready(f, status);
        p.fd = io->waiter.fd;
        status = EXEC_SYS_PPOLL(&p, 1, &none);
        if (status < 0 && errno != EINTR) return exec_ready(f, -errno);
        if (status > 0) return exec_ready(f, p.revents & POLLNVAL ? -EBADF : 0);
        if (status == 0) net->slots[p.fd].state &= (uint8_t)~io->waiter.interest;
    }
}

/* --------------------------------------------------------------------------------------- addresses */

typedef union exec__address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} exec__address;

static void exec__nodelay(int fd) {
    int one = 1;
    EXEC_SYS_SETSOCKOPT(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* "host:port" or "[v6]:port", numeric. The size of the address, or 0. */
static EXEC__COLD socklen_t exec__address_parse(const char *text, exec__address *out) {
    const char *colon = text ? strrchr(text, ':') : NULL, *digit;
    char host[INET6_ADDRSTRLEN];
    size_t n = colon ? (size_t)(colon - text) : 0;
    unsigned port = 0;
    int v6 = n > 2 && text[0] == '[' && text[n - 1] == ']';
    if (v6) { text++; n -= 2; }
    if (!n || n >= sizeof host || !colon[1]) return 0;
    for (digit = colon + 1; *digit; digit++) {
        if (*digit < '0' || *digit > '9') return 0;
        port = port * 10 + (unsigned)(*digit - '0');
        if (port > 65535) return 0;
    }
    memcpy(host, text, n);
    host[n] = 0;
    memset(out, 0, sizeof *out);
    out->any.sa_family = v6 ? AF_INET6 : AF_INET;
    if (v6) out->v6.sin6_port = htons((uint16_t)port);
    else out->v4.sin_port = htons((uint16_t)port);
    if (inet_pton(out->any.sa_family, host, v6 ? (void *)&out->v6.sin6_addr : (void *)&out->v4.sin_addr) != 1)
        return 0;
    return v6 ? sizeof out->v6 : sizeof out->v4;
}

static void exec__put_v4(exec__text *t, const unsigned char *a) {
    for (int i = 0; i < 4; i++) {
        if (i) exec__put(t, ".");
        exec__put_number(t, a[i]);
    }
}

static void exec__put_hex(exec__text *t, unsigned number) {
    char digit[2] = { 0, 0 };
    int shift = 12;
    while (shift > 0 && !(number >> shift)) shift -= 4;
    for (; shift >= 0; shift -= 4) {
        digit[0] = "0123456789abcdef"[number >> shift & 15];
        exec__put(t, digit);
    }
}

/* Groups in hex; the longest run of two or more zero groups, the first of such, is "::" (RFC 5952). */
static void exec__put_v6(exec__text *t, const unsigned char *a) {
    int from = -1, length = 1, run = 0;
    for (int i = 0; i < 8; i++) {
        run = a[2 * i] | a[2 * i + 1] ? 0 : run + 1;
        if (run > length) {
            length = run;
            from = i + 1 - run;
        }
    }
    exec__put(t, "[");
    for (int i = 0; i < 8; i++) {
        if (i == from) {
            exec__put(t, "::");
            i += length - 1;
            continue;
        }
        if (i && i != from + length) exec__put(t, ":");
        exec__put_hex(t, (unsigned)a[2 * i] << 8 | a[2 * i + 1]);
    }
    exec__put(t, "]");
}

static EXEC__COLD int exec__address_text(const exec__address *a, char *text, size_t size) {
    exec__text t = { 0, "" };
    if (a->any.sa_family == AF_INET) exec__put_v4(&t, (const unsigned char *)&a->v4.sin_addr);
    else if (a->any.sa_family == AF_INET6) exec__put_v6(&t, a->v6.sin6_addr.s6_addr);
    else return -EAFNOSUPPORT;
    exec__put(&t, ":");
    exec__put_number(&t, ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port));
    if (t.n >= size) return -ENOSPC;
    memcpy(text, t.s, t.n + 1);
    return 0;
}

EXEC_API int exec_local_address(int fd, char *text, size_t size) {
    exec__address a;
    socklen_t length = sizeof a;
    memset(&a, 0, sizeof a);
    if (EXEC_SYS_GETSOCKNAME(fd, &a.any, &length) < 0) return -errno;
    return exec__address_text(&a, text, size);
}

EXEC_API int exec_peer_address(int fd, char *text, size_t size) {
    exec__address a;
    socklen_t length = sizeof a;
    memset(&a, 0, sizeof a);
    if (EXEC_SYS_GETPEERNAME(fd, &a.any, &length) < 0) return -errno;
    return exec__address_text(&a, text, size);
}

/* ------------------------------------------------------------------------------------- connections */

/* A stream socket for this address. */
static int exec__socket_make(exec_net *net, const exec__address *a) {
    int fd = EXEC_SYS_SOCKET(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    exec__slot_new(net, fd, EXEC__FD_TCP);
    return fd;
}

/* Accepted sockets inherit TCP_NODELAY. */
static int exec__listen_on(int fd, const exec__address *a, socklen_t size, const exec_socket_opts *opts) {
    int one = 1;
    if (!(opts && opts->no_reuse_address))
        EXEC_SYS_SETSOCKOPT(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (opts && opts->reuse_port
        && EXEC_SYS_SETSOCKOPT(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0) return -errno;
    if (!(opts && opts->nagle)) exec__nodelay(fd);
    if (EXEC_SYS_BIND(fd, &a->any, size) < 0) return -errno;
    return EXEC_SYS_LISTEN(fd, opts && opts->backlog ? opts->backlog : 4096) < 0 ? -errno : 0;
}

EXEC_API int exec_listen(exec *ex, const char *address, const exec_socket_opts *opts) {
    exec_net *net = exec__net(ex);
    exec__address a;
    socklen_t size = exec__address_parse(address, &a);
    exec_fd_slot *s;
    int fd, status;
    if (!size) return -EINVAL;
    if ((fd = exec__socket_make(net, &a)) < 0) return fd;
    if ((status = exec__listen_on(fd, &a, size, opts)) < 0) {
        exec_close_fd(ex, fd);
        return status;
    }
    if ((s = exec__slot(net, fd)) != NULL) s->state |= EXEC__FD_NODELAY;
    return fd;
}

/* accept4 failed. 0: of one connection, try again; 1: nothing is left, pause; or the error. What may
   come from a connection that is gone: accept(2). */
static EXEC__COLD int exec__accept_error(const exec_fd_slot *s, int error) {
    switch (error) {
    case EMFILE: case ENFILE: case ENOBUFS: case ENOMEM:
        return 1;
    case EOPNOTSUPP:
        return s->kind == EXEC__FD_TCP ? 0 : -error;
    case EBADF: case EINVAL: case ENOTSOCK: case EFAULT: case ENOSYS:
        return -error;
    default:
        return 0;
    }
}

static EXEC__COLD void exec__accept_pause(exec_cx *cx, exec_net *net, exec_io *io) {
    if (!net->paused) net->pause_until = exec_now(cx->exec) + EXEC_MS(100);
    io->waiter.flags |= EXEC__IO_PAUSED;
    io->waiter.task = cx->task;
    io->buf.next = net->paused;
    net->paused = io;
}

static EXEC__COLD void exec__accept_unpause(exec_net *net, exec_io *io) {
    exec_io **link = &net->paused;
    while (*link != io) link = &(*link)->buf.next;
    *link = io->buf.next;
    io->waiter.flags &= (uint8_t)~EXEC__IO_PAUSED;
}

static EXEC__MAYBE_UNUSED int exec__accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
#ifdef SYS_accept4
    return (int)syscall(SYS_accept4, fd, address, size, flags);
#else
    return accept4(fd, address, size, flags);   /* where it is reached through socketcall(2) only */
#endif
}

/* An accepted descriptor is what its listener is. */
static void exec__accepted(exec_net *net, const exec_fd_slot *listener, int fd) {
    unsigned kind = listener->kind;
    if (kind == EXEC__FD_TCP && !(listener->state & EXEC__FD_NODELAY)) exec__nodelay(fd);
    exec__slot_new(net, fd, kind);
}

static exec_poll exec__accept_poll(exec_cx *cx, exec_future *f) {
    exec_io *io = (exec_io *)(void *)f;
    exec_net *net = exec__net(cx->exec);
    if (EXEC__UNLIKELY(io->waiter.flags & EXEC__IO_PAUSED)) {
        if (!exec_canceled(f)) return exec_pending(cx, f);
        exec__accept_unpause(net, io);
    }
    for (;;) {
        int status = exec__io_go(cx, net, io), fd;
        exec_fd_slot *s;
        if (status == 0) return exec_pending(cx, f);
        if (status < 0) return exec_ready(f, status);
        s = &net->slots[io->waiter.fd];
        fd = EXEC_SYS_ACCEPT4(io->waiter.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            exec__accepted(net, s, fd);
            return exec_ready(f, fd);
        }
        if (errno == EAGAIN) {
            s->state &= (uint8_t)~EXEC_READABLE;
            continue;
        }
        status = exec__accept_error(s, errno);
        if (status < 0) return exec_ready(f, status);
        if (status > 0) {
            exec__accept_pause(cx, net, io);
            return exec_pending(cx, f);
        }
    }
}

/* 0: connected; -EINPROGRESS; or the error. The descriptor is in io->len, also if it is cancelled. */
static int exec__connect_begin(exec_net *net, exec_io *io) {
    exec__address a;
    socklen_t size = exec__address_parse(io->buf.address, &a);
    int fd, status;
    if (!size) return -EINVAL;
    if ((fd = exec__socket_make(net, &a)) < 0) return fd;
    io->waiter.fd = fd;
    io->len = (size_t)fd;
    io->waiter.flags |= EXEC__IO_BEGUN;
    if ((status = exec__slot_get(net, fd)) < 0) return status;
    if (!(io->waiter.flags & EXEC__IO_NAGLE)) exec__nodelay(fd);
    if (EXEC_SYS_CONNECT(fd, &a.any, size) == 0) return 0;
    if (errno != EINPROGRESS && errno != EINTR) return -errno;
    net->slots[fd].state &= (uint8_t)~EXEC_WRITABLE;
    return -EINPROGRESS;
}

static exec_poll exec__connect_poll(exec_cx *cx, exec_future *f) {
    exec_io *io = (exec_io *)(void *)f;
    exec_net *net = exec__net(cx->exec);
    int status = -EINPROGRESS;
    if (!(io->waiter.flags & EXEC__IO_BEGUN) && !exec_canceled(f)) status = exec__connect_begin(net, io);
    if (status == -EINPROGRESS) {
        status = exec__io_go(cx, net, io);
        if (status == 0) return exec_pending(cx, f);
        if (status > 0) status = -exec__socket_option(io->waiter.fd, SO_ERROR);
        if (status > 0) status = -status;       /* getsockopt itself failed */
    }
    if (status == 0) return exec_ready(f, io->waiter.fd);
    if (io->waiter.flags & EXEC__IO_BEGUN) exec_close_fd(cx->exec, (int)io->len);
    io->waiter.flags &= (uint8_t)~EXEC__IO_BEGUN;
    return exec_ready(f, status);
}

/* --------------------------------------------------------------------------------- prepares an op */

static void exec__io_describe(const exec_future *f, char *buf, size_t size) {
    const exec_io *io = (const exec_io *)(const void *)f;
    exec__text t = { 0, "" };
    exec__put(&t, "fd ");
    exec__put_number(&t, io->waiter.fd);
    if (io->waiter.flags & EXEC__IO_ALL) {
        exec__put(&t, ", ");
        exec__put_number(&t, (int64_t)io->done);
        exec__put(&t, " of ");
        exec__put_number(&t, (int64_t)io->len);
        exec__put(&t, " bytes");
    }
    if (io->waiter.flags & EXEC__IO_PAUSED) exec__put(&t, ", paused: no descriptors left");
    exec__put_into(buf, size, &t);
}

static const exec_type exec__read_type = {
    exec__transfer_poll, exec__io_describe, NULL, "read", __FILE__, 0, 0, 0 };
static const exec_type exec__write_type = {
    exec__transfer_poll, exec__io_describe, NULL, "write", __FILE__, 0, 0, 0 };
static const exec_type exec__accept_type = {
    exec__accept_poll, exec__io_describe, NULL, "accept", __FILE__, 0, 0, 0 };
static const exec_type exec__connect_type = {
    exec__connect_poll, exec__io_describe, NULL, "connect", __FILE__, 0, 0, 0 };
static const exec_type exec__readable_type = {
    exec__readiness_poll, exec__io_describe, NULL, "readable", __FILE__, 0, 0, 0 };
static const exec_type exec__writable_type = {
    exec__readiness_poll, exec__io_describe, NULL, "writable", __FILE__, 0, 0, 0 };

static exec_future *exec__io_init(exec_io *io, const exec_type *type, int fd, unsigned interest,
                                  unsigned flags) {
    exec_future_init(&io->fut, type);
    io->waiter.fd = fd;
    io->waiter.interest = (uint8_t)interest;
    io->waiter.ready = 0;
    io->waiter.linked = 0;
    io->waiter.flags = (uint8_t)flags;
    io->done = 0;
    return &io->fut;
}

static exec_future *exec__read_init(exec_io *io, int fd, void *buf, size_t len, unsigned flags, int msg) {
    exec__io_init(io, &exec__read_type, fd, EXEC_READABLE, flags);
    io->fut.resume = msg | MSG_DONTWAIT;
    io->buf.to = buf;
    io->len = len;
    return &io->fut;
}

static exec_future *exec__write_init(exec_io *io, int fd, const void *buf, size_t len, unsigned flags,
                                     int msg) {
    exec__io_init(io, &exec__write_type, fd, EXEC_WRITABLE, flags);
    io->fut.resume = msg | MSG_DONTWAIT | MSG_NOSIGNAL;
    io->buf.from = buf;
    io->len = len;
    return &io->fut;
}

EXEC_API exec_future *exec_read(exec_io *io, int fd, void *buf, size_t len) {
    return exec__read_init(io, fd, buf, len, EXEC__FD_SHORT, 0);
}

EXEC_API exec_future *exec_write(exec_io *io, int fd, const void *buf, size_t len) {
    return exec__write_init(io, fd, buf, len, 0, 0);
}

/* Nothing is left to do: it is ready without a poll. */
static exec_future *exec__all_init(exec_io *io) {
    if (EXEC__UNLIKELY(io->done == io->len)) exec_ready(&io->fut, (intptr_t)io->len);
    return &io->fut;
}

EXEC_API exec_future *exec_read_exact(exec_io *io, int fd, void *buf, size_t len) {
    exec__read_init(io, fd, buf, len, EXEC__IO_ALL | EXEC__FD_SHORT, 0);
    return exec__all_init(io);
}

EXEC_API exec_future *exec_write_all(exec_io *io, int fd, const void *buf, size_t len) {
    exec__write_init(io, fd, buf, len, EXEC__IO_ALL, 0);
    return exec__all_init(io);
}

EXEC_API exec_future *exec_recv(exec_io *io, int fd, void *buf, size_t len, int flags) {
    return exec__read_init(io, fd, buf, len, flags ? EXEC__IO_MSG : EXEC__IO_MSG | EXEC__FD_SHORT, flags);
}

EXEC_API exec_future *exec_send(exec_io *io, int fd, const void *buf, size_t len, int flags) {
    return exec__write_init(io, fd, buf, len, EXEC__IO_MSG, flags);
}

EXEC_API exec_future *exec_resume(exec_io *io) {
    int32_t msg = io->fut.resume;
    exec_future_init(&io->fut, io->fut.type);
    io->fut.resume = msg;
    io->waiter.flags &= (uint8_t)~EXEC__IO_BEGUN;
    return io->waiter.flags & EXEC__IO_ALL ? exec__all_init(io) : &io->fut;
}

EXEC_API exec_future *exec_readable(exec_io *io, int fd) {
    return exec__io_init(io, &exec__readable_type, fd, EXEC_READABLE, 0);
}

EXEC_API exec_future *exec_writable(exec_io *io, int fd) {
    return exec__io_init(io, &exec__writable_type, fd, EXEC_WRITABLE, 0);
}

EXEC_API exec_future *exec_accept(exec_io *io, int listener) {
    return exec__io_init(io, &exec__accept_type, listener, EXEC_READABLE, 0);
}

EXEC_API exec_future *exec_connect(exec_io *io, const char *address, const exec_socket_opts *opts) {
    io->buf.address = address;
    return exec__io_init(io, &exec__connect_type, -1, EXEC_WRITABLE,
                         opts && opts->nagle ? (unsigned)EXEC__IO_NAGLE : 0);
}

/* ----------------------------------------------------------------------------------------- signals
   The kernel keeps what nobody awaits. Who waits stands in a ring; when the descriptor says that
   something came, those whose signal is pending try to take it, each in a poll of its own, so that one
   that is cancelled has taken none. Who takes one completes the others that wait for the same. */

enum { EXEC__SIGNAL_NEW, EXEC__SIGNAL_WAITS, EXEC__SIGNAL_TRIES, EXEC__SIGNAL_CAME };

static uint64_t exec__signal_bit(int signo) { return (uint64_t)1 << (signo - 1); }

/* What is held of the host belongs to all copies of this library that are linked together (EXEC_STATIC):
   the first to await blocks a signal, the last to release gives it back. So this has one instance. */
#if EXEC__HAS(weak) && EXEC__HAS(visibility)
#define EXEC__SHARED __attribute__((weak, visibility("hidden")))
#else
#define EXEC__SHARED static
#endif

#if !EXEC_POSIX_ONLY
/* Of a thread. */
#if EXEC_NO_THREADS
#define exec__signal_host exec__signal_host_alone_v0_1
#else
#define exec__signal_host exec__signal_host_v0_1
#endif
typedef struct exec__signal_mask { uint64_t before; uint16_t holders[64]; } exec__signal_mask;
EXEC__SHARED EXEC__THREAD_LOCAL exec__signal_mask exec__signal_host;

static void exec__signal_set(sigset_t *set, uint64_t bits) {
    sigemptyset(set);
    for (int signo = 1; bits; signo++, bits >>= 1)
        if (bits & 1) sigaddset(set, signo);
}

static int exec__signals_open(exec_signals *s) {
    sigset_t none;
    sigemptyset(&none);
    s->watched = 0;
    s->fd = EXEC_SYS_SIGNALFD(-1, &none, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->fd < 0 ? -errno : 0;
}

static void exec__signals_shut(exec_signals *s) { EXEC_SYS_CLOSE(s->fd); }

/* The descriptor is ready for what somebody waits for, nothing else. */
static int exec__signals_watch(exec_signals *s, uint64_t bits) {
    sigset_t set;
    exec__signal_set(&set, bits);
    if (EXEC_SYS_SIGNALFD(s->fd, &set, 0) < 0) return -errno;
    s->watched = bits;
    return 0;
}

static int exec__signal_take_from_host(exec_signals *s, int signo) {
    exec__signal_mask *host = &exec__signal_host;
    sigset_t set, before;
    (void)s;
    if (host->holders[signo - 1]++) return 0;
    exec__signal_set(&set, exec__signal_bit(signo));
    if (EXEC_SYS_SIGPROCMASK(SIG_BLOCK, &set, &before) < 0) {
        host->holders[signo - 1]--;
        return -errno;
    }
    host->before &= ~exec__signal_bit(signo);
    if (sigismember(&before, signo)) host->before |= exec__signal_bit(signo);
    return 0;
}

static int exec__signal_give_back(exec_signals *s, int signo) {
    exec__signal_mask *host = &exec__signal_host;
    sigset_t set;
    (void)s;
    exec__signal_set(&set, exec__signal_bit(signo));
    if (host->holders[signo - 1] == 1 && !(host->before & exec__signal_bit(signo))
        && EXEC_SYS_SIGPROCMASK(SIG_UNBLOCK, &set, NULL) < 0) return -errno;
    if (host->holders[signo - 1]) host->holders[signo - 1]--;
    return 0;
}

/* Which have come. If it is not known: any. */
static uint64_t exec__signals_pending(exec_signals *s) {
    sigset_t set;
    uint64_t bits = 0;
    if (EXEC_SYS_SIGPENDING(&set) < 0) return ~bits;
    for (int signo = 1; signo <= 64; signo++)
        if ((s->watched & exec__signal_bit(signo)) && sigismember(&set, signo)) bits |= exec__signal_bit(signo);
    return bits;
}

/* 1: it came; 0: not yet; or a negated errno. */
static int exec__signal_take(exec_signals *s, exec_signal_op *op) {
    struct timespec none;
    siginfo_t info;
    sigset_t set;
    int status;
    (void)s;
    none.tv_sec = 0;
    none.tv_nsec = 0;
    exec__signal_set(&set, exec__signal_bit(op->signo));
    while ((status = EXEC_SYS_SIGTIMEDWAIT(&set, &info, &none)) < 0 && errno == EINTR) continue;
    if (status < 0) return errno == EAGAIN ? 0 : -errno;
    op->code = info.si_code;
    op->pid = (int)info.si_pid;
    op->uid = (uint32_t)info.si_uid;
    op->value = info.si_value.sival_int;
    op->pointer = info.si_value.sival_ptr;
    return 1;
}

#else
/* Of the process. */
#if EXEC_NO_THREADS
#define exec__signal_host exec__signal_host_alone_posix_v0_1
#define exec__signal_caught exec__signal_caught_alone_v0_1
#else
#define exec__signal_host exec__signal_host_posix_v0_1
#define exec__signal_caught exec__signal_caught_v0_1
#endif
enum { EXEC__SIGNAL_FREE, EXEC__SIGNAL_HELD, EXEC__SIGNAL_CAUGHT };
typedef struct exec__signal_handlers {
    exec_signals *first;        /* who holds signals */
    uint32_t lock;              /* around changes; the handler takes none */
    uint32_t inside;            /* handlers that walk the list now */
    uint16_t holders[64];
    struct sigaction before[64];
} exec__signal_handlers;
EXEC__SHARED exec__signal_handlers exec__signal_host;

/* The handler: async-signal-safe, in any thread. */
EXEC__SHARED void exec__signal_caught(int signo);
void exec__signal_caught(int signo) {
    int error = errno;
    exec_signals *s;
    (void)EXEC__SUB(&exec__signal_host.inside, UINT32_MAX);     /* one more; EXEC__ADD would not acquire */
    for (s = EXEC__LOAD(&exec__signal_host.first); s; s = EXEC__LOAD(&s->next)) {
        if (EXEC__LOAD(&s->state[signo - 1]) == EXEC__SIGNAL_FREE) continue;
        EXEC__STORE(&s->state[signo - 1], (uint8_t)EXEC__SIGNAL_CAUGHT);
        if (EXEC_SYS_WRITE(s->write, "", 1) < 0) continue;      /* full: it is readable */
    }
    (void)EXEC__SUB(&exec__signal_host.inside, 1);
    errno = error;
}

static void exec__signal_lock(void) {
#if !EXEC_NO_THREADS
    while (__atomic_exchange_n(&exec__signal_host.lock, 1u, __ATOMIC_ACQUIRE)) sched_yield();
#endif
}

static void exec__signal_unlock(void) { EXEC__STORE(&exec__signal_host.lock, 0u); }

/* No handler that began before is left. */
static void exec__signal_wait_for_handlers(void) {
    while (EXEC__SUB(&exec__signal_host.inside, 0)) sched_yield();
}

static int exec__signals_open(exec_signals *s) {
    int ends[2];
    if (EXEC_SYS_PIPE(ends) < 0) return -errno;
    for (int i = 0; i < 2; i++) {
        EXEC_SYS_FCNTL(ends[i], F_SETFD, FD_CLOEXEC);
        EXEC_SYS_FCNTL(ends[i], F_SETFL, O_NONBLOCK);
    }
    s->fd = ends[0];
    s->write = ends[1];
    s->watched = 0;
    exec__signal_lock();
    s->next = exec__signal_host.first;
    EXEC__STORE(&exec__signal_host.first, s);
    exec__signal_unlock();
    return 0;
}

static void exec__signals_shut(exec_signals *s) {
    exec_signals **link = &exec__signal_host.first;
    exec__signal_lock();
    while (*link != s) link = &(*link)->next;
    EXEC__STORE(link, s->next);
    exec__signal_unlock();
    exec__signal_wait_for_handlers();
    EXEC_SYS_CLOSE(s->fd);
    EXEC_SYS_CLOSE(s->write);
}

static int exec__signals_watch(exec_signals *s, uint64_t bits) {
    s->watched = bits;
    return 0;
}

static int exec__signal_install(int signo) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = exec__signal_caught;
    action.sa_flags = SA_RESTART;
    return EXEC_SYS_SIGACTION(signo, &action, &exec__signal_host.before[signo - 1]) < 0 ? -errno : 0;
}

static int exec__signal_restore(int signo) {
    struct sigaction now;
    if (EXEC_SYS_SIGACTION(signo, NULL, &now) < 0) return -errno;
    if (now.sa_handler != exec__signal_caught) return -EBUSY;
    return EXEC_SYS_SIGACTION(signo, &exec__signal_host.before[signo - 1], NULL) < 0 ? -errno : 0;
}

static int exec__signal_take_from_host(exec_signals *s, int signo) {
    uint16_t *holders = &exec__signal_host.holders[signo - 1];
    int status = 0;
    EXEC__STORE(&s->state[signo - 1], (uint8_t)EXEC__SIGNAL_HELD);
    exec__signal_lock();
    if (!*holders) status = exec__signal_install(signo);
    if (status == 0) ++*holders;
    exec__signal_unlock();
    if (status < 0) EXEC__STORE(&s->state[signo - 1], (uint8_t)EXEC__SIGNAL_FREE);
    return status;
}

static int exec__signal_give_back(exec_signals *s, int signo) {
    int status = 0, caught;
    exec__signal_lock();
    if (--exec__signal_host.holders[signo - 1] == 0) status = exec__signal_restore(signo);
    exec__signal_unlock();
    exec__signal_wait_for_handlers();
    caught = EXEC__LOAD(&s->state[signo - 1]) == EXEC__SIGNAL_CAUGHT;
    EXEC__STORE(&s->state[signo - 1], (uint8_t)EXEC__SIGNAL_FREE);
    if (caught) raise(signo);
    return status;
}

static uint64_t exec__signals_pending(exec_signals *s) {
    char bytes[64];
    uint64_t bits = 0;
    while (EXEC_SYS_READ(s->fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes) continue;
    for (int signo = 1; signo <= 64; signo++)
        if (EXEC__LOAD(&s->state[signo - 1]) == EXEC__SIGNAL_CAUGHT) bits |= exec__signal_bit(signo);
    return bits;
}

static int exec__signal_take(exec_signals *s, exec_signal_op *op) {
    if (EXEC__LOAD(&s->state[op->signo - 1]) != EXEC__SIGNAL_CAUGHT) return 0;
    EXEC__STORE(&s->state[op->signo - 1], (uint8_t)EXEC__SIGNAL_HELD);
    return 1;
}
#endif

/* In a child of fork too: nothing is pending there, and the host gets its own back. */
static void exec__signals_close(exec_net *net) {
    exec_signals *s = &net->signals;
    if (!s->open) return;
    for (int signo = 1; signo <= 64; signo++)
        if (s->held & exec__signal_bit(signo)) exec__signal_give_back(s, signo);
    exec__signals_shut(s);
    memset(s, 0, sizeof *s);
}

/* The descriptor, with a slot. */
static int exec__signals_begin(exec_net *net) {
    exec_signals *s = &net->signals;
    int status;
    if (s->open) return 0;
    if ((status = exec__signals_open(s)) < 0) return status;
    exec__slot_new(net, s->fd, EXEC__FD_OTHER);
    status = exec__slot_get(net, s->fd);
    if (status < 0) exec__signals_shut(s);
    else s->open = 1;
    return status;
}

/* The op's signal is this executor's from now on. */
static int exec__signal_hold(exec_net *net, int signo) {
    int status;
    sigset_t set;
    sigemptyset(&set);
    if (signo < 1 || signo > 64 || sigaddset(&set, signo) < 0) return -EINVAL;
    if (signo == SIGKILL || signo == SIGSTOP || signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE
        || signo == SIGILL) return -EINVAL;
    if (net->signals.held & exec__signal_bit(signo)) return 0;
    if ((status = exec__signals_begin(net)) < 0) return status;
    if ((status = exec__signal_take_from_host(&net->signals, signo)) < 0) return status;
    net->signals.held |= exec__signal_bit(signo);
    return 0;
}

static uint64_t exec__signals_awaited(const exec_signals *s) {
    const exec_signal_op *op = s->first;
    uint64_t bits = 0;
    if (op) do bits |= exec__signal_bit(op->signo); while ((op = op->next) != s->first);
    return bits;
}

/* Out of the ring. The registration passes to the first that is left. */
static void exec__signal_leave(exec_net *net, exec_signal_op *op) {
    exec_signals *s = &net->signals;
    exec_signal_op *first = op->next == op ? NULL : s->first == op ? op->next : s->first;
    op->prev->next = op->next;
    op->next->prev = op->prev;
    if (first == s->first) return;
    s->first = first;
    if (!first) {
        if (s->waiter.linked) exec__unlink(net, &s->waiter);
        return;
    }
    s->waiter.task = first->task;
    if (s->waiter.ready) exec_wake(first->task);
}

static void exec__signal_enter(exec_signals *s, exec_signal_op *op, exec_task *task) {
    exec_signal_op *first = s->first ? s->first : op;
    op->task = task;
    op->next = first;
    op->prev = s->first ? first->prev : op;
    op->prev->next = op;
    first->prev = op;
    s->first = first;
}

/* Nothing had come a moment ago: what comes from now on is told. */
static int exec__signal_link(exec_net *net) {
    exec_signals *s = &net->signals;
    uint64_t awaited = exec__signals_awaited(s);
    int status;
    if ((awaited & ~s->watched) && (status = exec__signals_watch(s, awaited)) < 0) return status;
    if (s->waiter.linked) return 0;
    if ((status = exec__slot_get(net, s->fd)) < 0) return status;
    net->slots[s->fd].state &= (uint8_t)~EXEC_READABLE;
    s->waiter.fd = s->fd;
    s->waiter.interest = EXEC_READABLE;
    return exec__link(net, &s->waiter, s->first->task);
}

/* Something came: those whose signal it is may try; `self` does at once. What nobody waits for any more
   is not watched any more, since it would be told over and over. */
static void exec__signals_look(exec_net *net, const exec_signal_op *self) {
    exec_signals *s = &net->signals;
    exec_signal_op *op = s->first;
    uint64_t pending, awaited = exec__signals_awaited(s);
    s->waiter.ready = 0;
    if (s->waiter.linked) net->slots[s->fd].state &= (uint8_t)~EXEC_READABLE;
    pending = exec__signals_pending(s);
    if (!s->waiter.linked) pending = awaited;       /* somebody closed the descriptor: each says so */
    else if (!(pending & awaited) && s->watched != awaited) exec__signals_watch(s, awaited);
    do {
        if (!(pending & exec__signal_bit(op->signo))) continue;
        op->state = EXEC__SIGNAL_TRIES;
        if (op != self) exec_wake(op->task);
    } while ((op = op->next) != s->first);
}

static void exec__signal_complete(exec_net *net, exec_signal_op *op, const exec_signal_op *from) {
    exec__signal_leave(net, op);
    op->code = from->code;
    op->pid = from->pid;
    op->uid = from->uid;
    op->value = from->value;
    op->pointer = from->pointer;
    op->state = EXEC__SIGNAL_CAME;
    exec_wake(op->task);
}

/* The op took its signal: the others that wait for it have it too. */
static void exec__signal_share(exec_net *net, const exec_signal_op *from) {
    exec_signal_op *op = net->signals.first, *last = op ? op->prev : NULL, *next;
    for (int more = op != NULL; more; op = next) {
        more = op != last;
        next = op->next;
        if (op->signo == from->signo) exec__signal_complete(net, op, from);
    }
}

/* 1: it took its signal; 0: it waits; or a negated errno. */
static int exec__signal_go(exec_cx *cx, exec_net *net, exec_signal_op *op) {
    int fresh = op->state == EXEC__SIGNAL_NEW;
    int status = fresh ? exec__signal_hold(net, op->signo) : 0;
    if (status == 0) status = exec__signal_take(&net->signals, op);
    if (status == 0) {
        if (fresh) exec__signal_enter(&net->signals, op, cx->task);
        op->state = EXEC__SIGNAL_WAITS;
        status = exec__signal_link(net);
        if (status == 0) return 0;
    }
    if (op->state != EXEC__SIGNAL_NEW) exec__signal_leave(net, op);
    return status;
}

static exec_poll exec__signal_poll(exec_cx *cx, exec_future *f) {
    exec_signal_op *op = (exec_signal_op *)(void *)f;
    exec_net *net = exec__net(cx->exec);
    int fresh = op->state == EXEC__SIGNAL_NEW, status;
    if (op->state == EXEC__SIGNAL_CAME) return exec_ready(f, op->signo);
    if (exec_canceled(f)) {
        if (!fresh) exec__signal_leave(net, op);
        return exec_ready(f, -ECANCELED);
    }
    if (!fresh && net->signals.waiter.ready) exec__signals_look(net, op);
    if (op->state == EXEC__SIGNAL_WAITS || !exec_spend(cx)) return exec_pending(cx, f);
    status = exec__signal_go(cx, net, op);
    if (status == 0) return exec_pending(cx, f);
    if (status < 0) return exec_ready(f, status);
    exec__signal_share(net, op);
    return exec_ready(f, op->signo);
}

static const char *exec__signal_name(int signo) {
    static const struct { int signo; const char *name; } names[] = {
        { SIGHUP, "SIGHUP" }, { SIGINT, "SIGINT" }, { SIGQUIT, "SIGQUIT" }, { SIGABRT, "SIGABRT" },
        { SIGUSR1, "SIGUSR1" }, { SIGUSR2, "SIGUSR2" }, { SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" },
        { SIGTERM, "SIGTERM" }, { SIGCHLD, "SIGCHLD" }, { SIGCONT, "SIGCONT" }, { SIGTSTP, "SIGTSTP" },
        { SIGTTIN, "SIGTTIN" }, { SIGTTOU, "SIGTTOU" }, { SIGKILL, "SIGKILL" }
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].signo == signo) return names[i].name;
    return NULL;
}

static void exec__signal_describe(const exec_future *f, char *buf, size_t size) {
    int signo = ((const exec_signal_op *)(const void *)f)->signo;
    const char *name = exec__signal_name(signo);
    exec__text t = { 0, "" };
    if (name) exec__put(&t, name);
    else exec__put_number(&t, signo);
    exec__put_into(buf, size, &t);
}

static const exec_type exec__signal_type = {
    exec__signal_poll, exec__signal_describe, NULL, "signal", __FILE__, 0, 0, 0 };

EXEC_API exec_future *exec_signal(exec_signal_op *op, int signo) {
    memset(op, 0, sizeof *op);
    exec_future_init(&op->fut, &exec__signal_type);
    op->signo = signo;
    return &op->fut;
}

static int exec__signal_release(exec_net *net, int signo) {
    exec_signals *s = &net->signals;
    int status;
    if (!(s->held & exec__signal_bit(signo))) return 0;
    if (exec__signals_awaited(s) & exec__signal_bit(signo)) return -EBUSY;
    status = exec__signal_give_back(s, signo);
    if (status == 0 || status == -EBUSY) s->held &= ~exec__signal_bit(signo);
    return status;
}

EXEC_API int exec_signal_release(exec *ex, int signo) {
    exec_net *net = exec__net(ex);
    int status = 0, last = signo ? signo : 64;
    if (signo < 0 || signo > 64) return -EINVAL;
    for (int i = signo ? signo : 1; i <= last; i++) {
        int one = exec__signal_release(net, i);
        if (one < 0) status = one;
    }
    return status;
}

/* ---------------------------------------------------------------------------------------- children */

enum { EXEC__CHILD_NONE, EXEC__CHILD_LIVES, EXEC__CHILD_OVER };

#if !EXEC_POSIX_ONLY
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#define EXEC__P_PIDFD ((idtype_t)3)

static EXEC__MAYBE_UNUSED int exec__pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
static EXEC__MAYBE_UNUSED int exec__pidfd_send_signal(int fd, int signo) {
    return (int)syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
}

/* 1: it is over, and *info says how; 0: it runs; or a negated errno. */
static int exec__child_look(int fd, siginfo_t *info, int flags) {
    int status;
    memset(info, 0, sizeof *info);
    while ((status = EXEC_SYS_WAITID(EXEC__P_PIDFD, (id_t)fd, info, flags | WEXITED | WNOHANG)) < 0
           && errno == EINTR) continue;
    if (status < 0) return errno == EINVAL ? -ENOSYS : -errno;      /* Linux 5.3 */
    return info->si_pid != 0;
}

/* The descriptor of a child of ours, with a slot. */
static int exec__child_open(exec_net *net, int pid) {
    siginfo_t info;
    int fd = EXEC_SYS_PIDFD_OPEN(pid), status;
    if (fd < 0) return errno == ESRCH || errno == EINVAL ? -ECHILD : errno == EPERM ? -ENOSYS : -errno;
    status = exec__child_look(fd, &info, WNOWAIT);
    if (status >= 0) {
        exec__slot_new(net, fd, EXEC__FD_OTHER);
        status = exec__slot_get(net, fd);
    }
    if (status >= 0) return fd;
    EXEC_SYS_CLOSE(fd);
    return status;
}

static int exec__child_begin(exec *ex, exec_child *child, int pid) {
    int fd = exec__child_open(exec__net(ex), pid);
    memset(child, 0, sizeof *child);
    if (fd < 0) return fd;
    child->pid = pid;
    child->fd = fd;
    child->state = EXEC__CHILD_LIVES;
    return 0;
}

EXEC_API int exec_child_adopt(exec *ex, exec_child *child, int pid) { return exec__child_begin(ex, child, pid); }

#if !EXEC_NO_MALLOC
/* Its descriptors, signals and group: 0 or an errno, as those of posix_spawn(3). */
static int exec__child_describe(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes,
                                const exec_child_opts *opts) {
    int from[3] = { 0, 0, 0 }, error = 0;
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t set;
    if (opts) {
        from[0] = opts->in;
        from[1] = opts->out;
        from[2] = opts->err;
        if (opts->own_group) flags |= POSIX_SPAWN_SETPGROUP;
    }
    for (int to = 0; to < 3 && !error; to++)
        if (from[to]) error = posix_spawn_file_actions_adddup2(files, from[to], to);
    sigemptyset(&set);
    if (!error) error = posix_spawnattr_setsigmask(attributes, &set);
    sigfillset(&set);
    if (!error) error = posix_spawnattr_setsigdefault(attributes, &set);
    if (!error) error = posix_spawnattr_setflags(attributes, flags);
    return error;
}

/* The process, or a negated errno. */
static int exec__child_spawn(const char *const *argv, const exec_child_opts *opts) {
    char *const *env = opts && opts->env ? (char *const *)(const void *)opts->env : environ;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    pid_t pid = 0;
    int error = posix_spawn_file_actions_init(&files);
    if (error) return -error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = exec__child_describe(&files, &attributes, opts);
        if (!error)
            error = EXEC_SYS_POSIX_SPAWNP(&pid, argv[0], &files, &attributes, (char *const *)(const void *)argv, env);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return error ? -error : (int)pid;
}

/* Nobody could wait for it. */
static EXEC__COLD void exec__child_undo(int pid) {
    siginfo_t info;
    EXEC_SYS_KILL(pid, SIGKILL);
    while (EXEC_SYS_WAITID(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR) continue;
}

EXEC_API int exec_child_start(exec *ex, exec_child *child, const char *const *argv, const exec_child_opts *opts) {
    int status, pid;
    memset(child, 0, sizeof *child);
    if (!argv || !argv[0]) return -EINVAL;
    if ((pid = exec__child_spawn(argv, opts)) < 0) return pid;
    status = exec__child_begin(ex, child, pid);
    if (status == -ECHILD) {                    /* it is over, and the host has waited for it */
        child->pid = pid;
        child->state = EXEC__CHILD_OVER;
        child->result = -ECHILD;
        return 0;
    }
    if (status < 0) exec__child_undo(pid);
    return status;
}
#endif

EXEC_API int exec_child_kill(exec_child *child, int signo) {
    if (child->state != EXEC__CHILD_LIVES) return -ESRCH;
    return EXEC_SYS_PIDFD_SEND_SIGNAL(child->fd, signo) < 0 ? -errno : 0;
}

EXEC_API int exec_child_detach(exec *ex, exec_child *child) {
    if (child->state != EXEC__CHILD_LIVES) return -ESRCH;
    child->state = EXEC__CHILD_NONE;
    return exec_close_fd(ex, child->fd);
}

/* It was waited for, by this op or by somebody else. */
static int exec__child_over(exec *ex, exec_child *child, int status, const siginfo_t *info) {
    child->result = status < 0 ? status : info->si_status;
    if (status > 0 && info->si_code != CLD_EXITED) {
        child->signal = info->si_status;
        child->result = 128 + child->signal;
    }
    child->state = EXEC__CHILD_OVER;
    exec_close_fd(ex, child->fd);
    return child->result;
}

/* It runs: the op is told when it ends. */
static int exec__child_link(exec_cx *cx, exec_net *net, exec_child_op *op) {
    int status = exec__slot_get(net, op->child->fd);
    op->waiter.ready = 0;
    if (status < 0 || op->waiter.linked) return status;
    net->slots[op->child->fd].state &= (uint8_t)~EXEC_READABLE;
    op->waiter.fd = op->child->fd;
    op->waiter.interest = EXEC_READABLE;
    return exec__link(net, &op->waiter, cx->task);
}

static exec_poll exec__child_poll(exec_cx *cx, exec_future *f) {
    exec_child_op *op = (exec_child_op *)(void *)f;
    exec_net *net = exec__net(cx->exec);
    siginfo_t info;
    int status;
    if (exec_canceled(f)) {
        if (op->waiter.linked) exec__unlink(net, &op->waiter);
        return exec_ready(f, -ECANCELED);
    }
    if (op->child->state == EXEC__CHILD_NONE) return exec_ready(f, op->waiter.fd < 0 ? -EBADF : -ECHILD);
    if (op->child->state == EXEC__CHILD_OVER) return exec_ready(f, op->child->result);
    if ((op->waiter.linked && !op->waiter.ready) || !exec_spend(cx)) return exec_pending(cx, f);
    status = exec__child_look(op->child->fd, &info, 0);
    if (status == 0 && (status = exec__child_link(cx, net, op)) == 0) return exec_pending(cx, f);
    if (op->waiter.linked) exec__unlink(net, &op->waiter);
    if (status > 0 || status == -ECHILD) status = exec__child_over(cx->exec, op->child, status, &info);
    return exec_ready(f, status);
}

#else       /* POSIX has no descriptor of a process */
EXEC_API int exec_child_adopt(exec *ex, exec_child *child, int pid) {
    (void)ex; (void)child; (void)pid;
    return -ENOSYS;
}
#if !EXEC_NO_MALLOC
EXEC_API int exec_child_start(exec *ex, exec_child *child, const char *const *argv, const exec_child_opts *opts) {
    (void)ex; (void)child; (void)argv; (void)opts;
    return -ENOSYS;
}
#endif
EXEC_API int exec_child_kill(exec_child *child, int signo) {
    (void)child; (void)signo;
    return -ENOSYS;
}
EXEC_API int exec_child_detach(exec *ex, exec_child *child) {
    (void)ex; (void)child;
    return -ENOSYS;
}
static exec_poll exec__child_poll(exec_cx *cx, exec_future *f) {
    (void)cx;
    return exec_ready(f, -ENOSYS);
}
#endif

static void exec__child_describe_wait(const exec_future *f, char *buf, size_t size) {
    exec__text t = { 0, "" };
    exec__put(&t, "pid ");
    exec__put_number(&t, ((const exec_child_op *)(const void *)f)->child->pid);
    exec__put_into(buf, size, &t);
}

static const exec_type exec__child_type = {
    exec__child_poll, exec__child_describe_wait, NULL, "child_wait", __FILE__, 0, 0, 0 };

EXEC_API exec_future *exec_child_wait(exec_child_op *op, exec_child *child) {
    memset(op, 0, sizeof *op);
    exec_future_init(&op->fut, &exec__child_type);
    op->child = child;
    return &op->fut;
}

#ifdef __cplusplus
}
#endif
#endif /* EXEC_IMPLEMENTATION */
