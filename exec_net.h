/* SPDX-License-Identifier: MIT
 *
 * exec_net.h - sockets and other descriptors for exec.h: streams, datagrams, unix sockets, files, readiness
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
 * WHAT HOLDS (each with the test that proves it, in tests/)
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
 *     the thread (foreign_blocking_pipe); but for a write to a terminal that takes none: exec_fd_adopt.
 *  9. A descriptor that comes in a message is close-on-exec, and it is in op->fds or closed: none leaks,
 *     also when there are too many or the op is cancelled. (surplus_descriptors_do_not_leak,
 *     cancelled_receive_takes_no_descriptor)
 * 10. Nothing is taken from the host program: no handler, no SIGCHLD; a signal is blocked in this thread
 *     from its first await to its release, and none is lost between. (trap_26_*)
 *
 * OPTIONS (define before every include; and those of exec.h)
 *  EXEC_BACKEND  EXEC_BACKEND_EPOLL   what waits. EXEC_BACKEND_POLL: poll(2), each wait O(highest
 *                                     descriptor waited for), 8 bytes more for each; all that
 *                                     EXEC_POSIX_ONLY has. An error queue (IP_RECVERR) that
 *                                     nobody reads ends each wait at once        same in all files
 *  EXEC_NET_EVENTS  64                taken from the kernel at once      that of the implementing file
 *  EXEC_SYS_*                         each system call, for tests        those of the implementing file
 *
 * COSTS: a descriptor 24 bytes in a table indexed by its number (16 on 32-bit), an op 72 bytes in the
 * frame, one for datagrams 192. A write to what is no socket, and a sendfile, takes two more system calls,
 * which keep SIGPIPE away. Signals take one descriptor in all, a child one until it was waited for.
 */
#ifndef EXEC_NET_H
#define EXEC_NET_H

#include "exec_timer.h"

#define EXEC_BACKEND_EPOLL 1
#define EXEC_BACKEND_POLL 2
#define EXEC_BACKEND_URING 3
#ifndef EXEC_BACKEND
#if EXEC_POSIX_ONLY
#define EXEC_BACKEND EXEC_BACKEND_POLL
#else
#define EXEC_BACKEND EXEC_BACKEND_EPOLL
#endif
#endif
#if EXEC_BACKEND == EXEC_BACKEND_URING
#error "exec_net.h: the io_uring backend is not built yet: compile with EXEC_BACKEND=EXEC_BACKEND_EPOLL"
#elif EXEC_BACKEND != EXEC_BACKEND_EPOLL && EXEC_BACKEND != EXEC_BACKEND_POLL
#error "exec_net.h: EXEC_BACKEND names no backend: use EXEC_BACKEND_EPOLL or EXEC_BACKEND_POLL"
#elif EXEC_POSIX_ONLY && EXEC_BACKEND != EXEC_BACKEND_POLL
#error "exec_net.h: POSIX has no epoll: compile EXEC_POSIX_ONLY with EXEC_BACKEND_POLL, or without EXEC_BACKEND"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------------------------- reactor */

struct iovec;
struct msghdr;

/* What a descriptor can be ready for: POLLIN and POLLOUT of Linux. */
enum { EXEC_READABLE = 1, EXEC_WRITABLE = 4 };

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
    struct pollfd *pollfds;     /* EXEC_BACKEND_POLL with `slots`: at least slot_count + 1 of them */
    uint32_t pollfd_count;
} exec_net_config;

/* The signals that an executor holds. Private. */
typedef struct exec_signals {
    exec_waiter waiter;         /* for fd; its task is that of the first op that waits */
    struct exec_signal_op *first;       /* of a ring */
    uint64_t held, watched;     /* a bit each: taken from the host; what the signalfd reports */
    void (*close)(struct exec_net *net);        /* NULL: not open */
    int fd;                     /* signalfd, or the reading end of a pipe */
#if EXEC_POSIX_ONLY
    int write;
    struct exec_signals *next;  /* of the program, for the handler */
    uint8_t state[64];          /* EXEC__SIGNAL_* */
#endif
} exec_signals;

/* Lives at one place from exec_net_attach until exec_destroy. Members are private. */
typedef struct exec_net {
    exec_driver driver;
    exec__fd_table fds;              /* the table; the executor knows it */
    uint8_t fixed;              /* the caller's table */
#if EXEC_BACKEND == EXEC_BACKEND_POLL
    struct pollfd *pollfds;     /* the caller's; else they lie behind the slots */
    uint32_t top;               /* who waits has a descriptor below */
    uint32_t changes;           /* of whom a number is */
#else
    uint8_t no_pwait2;          /* the kernel has none */
    int epoll;
    int wake;                   /* the executor's eventfd, once it is registered */
#endif
    struct exec_io *paused;     /* accepts that found no descriptor left */
    int64_t pause_until;
    exec_timers timers;         /* attached with it, unless the executor has some */
    exec_signals signals;
} exec_net;

/* Attaches the reactor, and the timers if `ex` has none. 0; -EBUSY: another driver parks already;
   -EMFILE, -ENFILE, -ENOMEM: no epoll; -EINVAL: EXEC_NO_MALLOC without slots, EXEC_BACKEND_POLL with slots
   and without enough pollfds. config NULL: defaults.
   Owner's thread, before or between runs. */
EXEC_API int exec_net_attach(exec_net *net, exec *ex, const exec_net_config *config);

/* For hand-written leaves; owner's thread, as all up to the addresses. Wakes `task` on each edge of
   `interest`, from now until deregister, and sets the bits in waiter->ready; what is ready already (or may
   be) is set at once or comes with the next wait. A bit that stays set may keep the next edge away
   (EXEC_BACKEND_POLL), and one that is cleared too early comes again: after EAGAIN clear the bit and pend.
   `task` is one of its executor. 0; -EBUSY: another one waits in that direction; -EBADF; -EINVAL: no interest, or
   an unknown one; -EMFILE, -ENOMEM, -ENOSPC: no
   slot. Always-ready files get their bits at once. A foreign blocking descriptor wakes once per register or
   reregister. */
EXEC_API int exec_net_register(exec_net *net, exec_waiter *waiter, int fd, unsigned interest,
                               exec_task *task);
/* The same waiter with another interest. Errors as above; it is deregistered then. */
EXEC_API int exec_net_reregister(exec_net *net, exec_waiter *waiter, unsigned interest);
/* 0, or -ENOENT: it was not registered (any more). */
EXEC_API int exec_net_deregister(exec_net *net, exec_waiter *waiter);
/* Waits at most timeout_ns (0: looks; EXEC_NEVER) and wakes tasks. The number of events, 0 when it was
   interrupted or the time is over, or a negated errno. Rounded up to what the kernel can wait, so never
   early. Between exec_prepare and exec_turn what it took stays ready, for a foreign loop and for the next look. */
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
        const struct iovec *vector;
        struct exec_io *next;
    } buf;
    size_t len;                 /* bytes asked for */
    union {
        size_t done;            /* bytes moved so far, also when the result is an error */
        const struct exec_socket_opts *opts;    /* private: of a connect */
    };
} exec_io;

/* All of these: awaited on the owner's thread; `buf` must stay until the op is ready. Errors besides
   those of the system call: -ECANCELED: it was cancelled, and nothing moved (or `done` bytes, for
   read_exact and write_all); -EBADF: fd < 0, or exec_fd_cancel; -EBUSY: another op waits for that fd in
   that direction; -EMFILE, -ENOMEM, -ENOSPC: no slot for it. O(1). */

/* At most len bytes, as read(2): 0 is the end of file, or that of a len of 0, which waits for nothing. */
EXEC_API EXEC__MUST_USE exec_future *exec_read(exec_io *io, int fd, void *buf, size_t len);
/* At least one byte (if len > 0), as write(2). -EPIPE without SIGPIPE. */
EXEC_API EXEC__MUST_USE exec_future *exec_write(exec_io *io, int fd, const void *buf, size_t len);
/* All len bytes: the result is len. -ENODATA: the end of file came before. */
EXEC_API EXEC__MUST_USE exec_future *exec_read_exact(exec_io *io, int fd, void *buf, size_t len);
EXEC_API EXEC__MUST_USE exec_future *exec_write_all(exec_io *io, int fd, const void *buf, size_t len);
/* Sockets, with flags as recv(2), send(2) (MSG_DONTWAIT and MSG_NOSIGNAL are added). With epoll, urgent data and
   the error queue (MSG_OOB, MSG_ERRQUEUE) share one readiness with plain data: what one op finds empty, another
   one of these is not told of again. With poll, an op that waits for one of them looks at each turn while plain data
   lies unread. Read them where the plain read says that something came. */
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

/* --------------------------------------------------------------------------------------- addresses */

/* Addresses are text:
       "127.0.0.1:7777", "[::1]:7777", "[fe80::1%2]:7777"      numeric; behind % the number of an interface
       "unix:path"                                             a unix socket, at most 107 bytes of path
       "unix:@name", "unix:@"                                  abstract (Linux); any free name
   A host name is -EINVAL: resolve it first, with getaddrinfo(3) on another thread. */

/* A socket address without its text, as datagrams bring it. Any size 0 is that of a nameless socket. */
typedef struct exec_address {
    uint32_t size;              /* of the sockaddr in bytes */
    unsigned char bytes[112];   /* aligned as a sockaddr */
} exec_address;

/* 0, -EINVAL, -ENAMETOOLONG, -ENOSYS (an abstract name under EXEC_POSIX_ONLY). Any thread, as below. */
EXEC_API int exec_address_parse(exec_address *a, const char *text);
/* 0, -ENOSPC (size below EXEC_ADDRESS_BYTES may be too small), -EAFNOSUPPORT (of another family). A
   nameless unix socket is "unix:", and a zero byte in an abstract name an '@'. */
#define EXEC_ADDRESS_BYTES 128
EXEC_API int exec_address_text(const exec_address *a, char *text, size_t size);
/* The text of a socket's own address, of its peer's: errors as above; -ENOTCONN, -ENOTSOCK, -EBADF. */
EXEC_API int exec_local_address(int fd, char *text, size_t size);
EXEC_API int exec_peer_address(int fd, char *text, size_t size);

/* ----------------------------------------------------------------------------------------- sockets */

/* Zero is the default of each. What the system refuses is an error, never passed over; accepted sockets
   have those of their listener. */
typedef struct exec_socket_opts {
    int backlog;                /* of listen: 4096, which the system cuts to net.core.somaxconn */
    int no_reuse_address;       /* SO_REUSEADDR is set on what listens unless this is */
    int reuse_port;             /* SO_REUSEPORT */
    int nagle;                  /* TCP_NODELAY is set, also on accepted sockets, unless this is */
    int unlink_path;            /* a socket file that nobody is bound to any more is removed before
                                   "unix:path" is bound; without this it is -EADDRINUSE */
    int keepalive_s;            /* TCP: after so many idle seconds 4 probes, a quarter of it apart; so a
                                   peer that has gone ends the connection after twice as long */
    int receive_bytes;          /* SO_RCVBUF, SO_SNDBUF: the system has bounds of its own */
    int send_bytes;
    int v6_only;                /* 1: an IPv6 socket takes no IPv4; -1: it does; 0: as the system has it */
    int broadcast;              /* SO_BROADCAST */
    int reset_on_close;         /* close throws away what is unsent, and the peer sees a reset */
    int ttl;                    /* of IP packets: hop limit, traffic class */
    int tos;
} exec_socket_opts;

/* A listening socket, nonblocking and close-on-exec; port 0 takes a free one (exec_local_address). The
   descriptor, or -EINVAL, -ENAMETOOLONG, -ENOSYS (address), -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EMFILE
   ... opts may be NULL. The file of a "unix:path" stays behind: unlink(2) it after the close. Owner's thread.
   Without exec_net_attach this, and all here that takes `ex`, is an assertion. */
EXEC_API int exec_listen(exec *ex, const char *address, const exec_socket_opts *opts);
/* The result is a descriptor of yours, nonblocking, close-on-exec, TCP_NODELAY if it is TCP. Errors of
   one connection are passed over. With no descriptors or memory left it pauses until exec_close_fd or
   100 ms have gone by. It ends with -EBADF, -EINVAL (does not listen), -ENOTSOCK, -EOPNOTSUPP.
   Cancelled together with its value: the value stays, close it. */
EXEC_API EXEC__MUST_USE exec_future *exec_accept(exec_io *io, int listener);
/* Connects at its first poll; the result is a descriptor of yours once the connection stands, or
   -EINVAL, -ENAMETOOLONG, -ENOSYS (address), -ECONNREFUSED, -ETIMEDOUT, -EAGAIN (the backlog of a unix
   socket is full: try again later) ... Cancelled or failed, it closes what it made. `address` and opts,
   which may be NULL, must stay until the op is ready. */
EXEC_API EXEC__MUST_USE exec_future *exec_connect(exec_io *io, const char *address, const exec_socket_opts *opts);
/* Sets the options of any socket but those that come before a bind (backlog, no_reuse_address,
   unlink_path). 0, or the error of the first that fails: -ENOPROTOOPT, -EINVAL, -EOPNOTSUPP (not of this
   kind of socket) ..., -ENOTSOCK, -EBADF. Any thread. */
EXEC_API int exec_socket_set(int fd, const exec_socket_opts *opts);
/* No more is written: the peer reads to the end, and its answer still comes. 0, or -ENOTCONN, -ENOTSOCK,
   -EBADF. Any thread. */
EXEC_API int exec_shutdown_write(int fd);
/* Two connected unix sockets, of bytes or of datagrams; and a pipe, written at ends[1], read at ends[0].
   Nonblocking and close-on-exec (a program that gets an end as its output expects a blocking one: make that pipe
   by pipe2(2), and use your end as it is). 0, or -EMFILE, -ENFILE ... and ends is as it was. Owner's thread. */
EXEC_API int exec_socket_pair(exec *ex, int ends[2], int datagrams);
EXEC_API int exec_pipe(exec *ex, int ends[2]);

/* --------------------------------------------------------------------------------------- datagrams */

/* One receive_from or send_to. In the frame; used again and again. */
typedef struct exec_datagram_op {
    union {
        exec_future fut;        /* EXEC_RESULT(&op): bytes, or a negated errno */
        exec_io io;             /* private */
    };
    exec_address address;       /* who sent it; to whom it goes */
    int truncated;              /* the datagram was longer than buf, the rest is gone */
} exec_datagram_op;

/* A datagram socket (IPv4, IPv6, unix), bound to `local`, connected to `remote`: either may be NULL, not
   both. A nonblocking and close-on-exec descriptor; or an error as of exec_listen; -EINVAL: two families;
   -ECONNREFUSED, -ENOENT: no such unix socket. A socket of "unix:path" or "unix:@" can be answered, one
   without a local address cannot. opts may be NULL. Owner's thread. */
EXEC_API int exec_datagram(exec *ex, const char *local, const char *remote, const exec_socket_opts *opts);
/* The next datagram, also an empty one (0). Its sender is in op->address. -ECONNREFUSED and the like: an
   earlier datagram of a connected socket came back; this op took nothing, the next one goes on. */
EXEC_API EXEC__MUST_USE exec_future *exec_recv_from(exec_datagram_op *op, int fd, void *buf, size_t len);
/* One datagram to `to`, which is copied, or (NULL) to whom the socket is connected; so an answer is
   exec_send_to(op, fd, buf, n, &op->address). Result: len; -EMSGSIZE; -ECONNREFUSED as above: nothing was
   sent; -EDESTADDRREQ, -ENOTCONN: to NULL without a connection; -ENOBUFS: to a unix socket whose queue
   is full, which only a connected socket waits for. */
EXEC_API EXEC__MUST_USE exec_future *exec_send_to(exec_datagram_op *op, int fd, const void *buf, size_t len,
                                                  const exec_address *to);

/* ---------------------------------------------------------------------------------------- messages */

/* One message with descriptors. In the frame; used again and again. */
typedef struct exec_fds_op {
    union {
        exec_future fut;        /* EXEC_RESULT(&op): bytes, or a negated errno */
        exec_io io;             /* private */
    };
    union {
        int *to;
        const int *from;
    } fds;                      /* private */
    unsigned room;              /* private: of a send, how many go */
    unsigned fd_count;          /* descriptors that came; they are yours, close-on-exec */
    int truncated;              /* more came than could be taken, and were closed; or data was cut */
} exec_fds_op;

/* Data and descriptors through a unix socket, at most so many. The receiver's are copies: close yours. */
#define EXEC_FDS_MAX 16
/* At least one byte, as exec_send; all descriptors go with it. `fds` must stay until the op is ready.
   -EINVAL: more than EXEC_FDS_MAX, or no byte to go with them; -EBADF; -ETOOMANYREFS: too many in flight. */
EXEC_API EXEC__MUST_USE exec_future *exec_send_fds(exec_fds_op *op, int fd, const void *buf, size_t len,
                                                   const int *fds, unsigned count);
/* At most len bytes and `room` descriptors, as exec_recv: no further than to the end of the data that
   descriptors came with. Cancelled together with its value: op->fd_count of them stay, close them. */
EXEC_API EXEC__MUST_USE exec_future *exec_recv_fds(exec_fds_op *op, int fd, void *buf, size_t len, int *fds,
                                                   unsigned room);
/* Whatever else sendmsg(2), recvmsg(2) can: with their flags (MSG_DONTWAIT, MSG_NOSIGNAL and
   MSG_CMSG_CLOEXEC are added), their results and errors; -ENOBUFS as of exec_send_to. `message` and all it
   names must stay until the op is ready; it is changed only then. (Under EXEC_POSIX_ONLY a stream that is foreign
   and blocks may stop the thread by a long one: nothing but the whole message can be tried.) */
EXEC_API EXEC__MUST_USE exec_future *exec_sendmsg(exec_io *io, int fd, const struct msghdr *message, int flags);
EXEC_API EXEC__MUST_USE exec_future *exec_recvmsg(exec_io *io, int fd, struct msghdr *message, int flags);

/* --------------------------------------------------------------------------------- vectors and files */

/* As readv(2), writev(2), for any descriptor: at least one byte; -EINVAL: count below 0 or above 1024, or
   more bytes than fit the result. -EPIPE without SIGPIPE. The vector must stay until the op is ready.
   O(count). */
EXEC_API EXEC__MUST_USE exec_future *exec_readv(exec_io *io, int fd, const struct iovec *vector, int count);
EXEC_API EXEC__MUST_USE exec_future *exec_writev(exec_io *io, int fd, const struct iovec *vector, int count);
/* All bytes of any number of parts; the vector is not changed, and exec_resume goes on behind io->done. Of
   bytes, not of datagrams: 16 parts at a time. */
EXEC_API EXEC__MUST_USE exec_future *exec_writev_all(exec_io *io, int fd, const struct iovec *vector, int count);

/* One file to send. In the frame; used again and again. */
typedef struct exec_sendfile_op {
    union {
        exec_future fut;        /* EXEC_RESULT(&op): bytes sent, or a negated errno */
        exec_io io;             /* io.done: bytes sent so far; exec_resume(&op->io) goes on */
    };
    int64_t offset;             /* private: of the first byte */
    int in;                     /* private */
} exec_sendfile_op;

/* `count` bytes of the file `in` from `offset` on, or as many as it has, to a socket, a pipe or a file:
   the result says how many. (SIZE_MAX: to the end; 32-bit: 2 GiB at a time.) The position of `in` stays.
   -EPIPE without SIGPIPE; -EINVAL, -ESPIPE: not from such an `in`, see sendfile(2); -ENOSYS under
   EXEC_POSIX_ONLY. */
EXEC_API EXEC__MUST_USE exec_future *exec_sendfile(exec_sendfile_op *op, int out, int in, int64_t offset,
                                                   size_t count);

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
     Signals go to any thread that does not block them: block it in the others too, which inherit it when this
   thread blocks it, starts them and unblocks it again. One whose default is to do nothing (SIGCHLD, SIGWINCH,
   SIGURG) is kept only while the main thread blocks it.
     Under EXEC_POSIX_ONLY a handler (with SA_RESTART) is installed instead of blocking, and several that
   come before the await are one; where all threads block it, this one too, it does not come. */
EXEC_API EXEC__MUST_USE exec_future *exec_signal(exec_signal_op *op, int signo);
/* Gives a signal (0: all that this executor awaited) back to the host program: unblocks it, unless it
   was blocked before, or restores its handler; once the last executor has. One that came and that
   nobody took reaches the host then, its handler or its default action. 0, also if it was not awaited;
   -EINVAL: no such number; -EBUSY: an op waits for it (of all: the others are given back); or, under
   EXEC_POSIX_ONLY, somebody replaced the handler, which stays. exec_destroy does it for all: so a second SIGTERM
   during a graceful stop ends the program there, unless somebody awaited that one too. */
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
                                   its output goes; 0: its own are this process's. They stay yours. For most
                                   programs they must block, which those of exec_pipe do not: pipe2(2) */
    int own_group;              /* it leads a process group of its own: no signal of the terminal */
} exec_child_opts;

#if !EXEC_NO_MALLOC
/* Starts argv[0] (looked up in PATH when it has no slash) with the arguments up to NULL. The child begins with
   no signal blocked and each disposition the default; it gets no descriptor that is close-on-exec. 0, or
   -ENOENT, -EACCES, -ENOEXEC, -E2BIG ... of execve(2); -EAGAIN, -ENOMEM, -EMFILE, -ENFILE, -ENOSPC: no process, no
   descriptor or no slot for it; -ENOSYS: the kernel has no pidfd (Linux 5.4), or EXEC_POSIX_ONLY. No
   child is left then: one that ran already was killed; or if it may not be, as it has become another user's, it
   runs on and child->pid is its number, for waitpid(2) or exec_child_adopt. Owner's thread. (Not under
   EXEC_NO_MALLOC: libc allocates for it; start it by other means and adopt it.) */
EXEC_API int exec_child_start(exec *ex, exec_child *child, const char *const *argv, const exec_child_opts *opts);
#endif
/* Takes over a child that somebody else started. 0, or -ECHILD: not a child of this process; -EMFILE, -ENFILE,
   -ENOMEM, -ENOSPC, -ENOSYS as above: it runs on then. Owner's thread. */
EXEC_API int exec_child_adopt(exec *ex, exec_child *child, int pid);

/* One wait for a child. In the frame; used again and again. */
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
#if EXEC_BACKEND == EXEC_BACKEND_EPOLL
#include <sys/epoll.h>
#endif
#if EXEC_POSIX_ONLY
#include <sched.h>
#else
#include <spawn.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#endif
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each system call has a name that a test may define before; and those of exec.h. */
#ifndef EXEC_SYS_EPOLL_CREATE1
#if EXEC__DIRECT
#define EXEC_SYS_EPOLL_CREATE1 exec__epoll_create1
#else
#define EXEC_SYS_EPOLL_CREATE1 epoll_create1
#endif
#endif
#ifndef EXEC_SYS_EPOLL_CTL
#define EXEC_SYS_EPOLL_CTL epoll_ctl
#endif
#ifndef EXEC_SYS_EPOLL_WAIT
#if EXEC__DIRECT
#define EXEC_SYS_EPOLL_WAIT exec__epoll_wait
#else
#define EXEC_SYS_EPOLL_WAIT epoll_wait
#endif
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
#ifndef EXEC_SYS_ACCEPT
#define EXEC_SYS_ACCEPT accept
#endif
#ifndef EXEC_SYS_SOCKET
#if EXEC__DIRECT && defined SYS_socket
#define EXEC_SYS_SOCKET exec__sys_socket
#else
#define EXEC_SYS_SOCKET socket
#endif
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
#if EXEC__DIRECT && defined SYS_socket
#define EXEC_SYS_GETSOCKOPT exec__getsockopt
#else
#define EXEC_SYS_GETSOCKOPT getsockopt
#endif
#endif
#ifndef EXEC_SYS_SETSOCKOPT
#if EXEC__DIRECT && defined SYS_socket
#define EXEC_SYS_SETSOCKOPT exec__setsockopt
#else
#define EXEC_SYS_SETSOCKOPT setsockopt
#endif
#endif
#ifndef EXEC_SYS_GETSOCKNAME
#define EXEC_SYS_GETSOCKNAME getsockname
#endif
#ifndef EXEC_SYS_GETPEERNAME
#define EXEC_SYS_GETPEERNAME getpeername
#endif
#ifndef EXEC_SYS_FSTAT
#define EXEC_SYS_FSTAT fstat
#endif
#ifndef EXEC_SYS_SIGNALFD
#define EXEC_SYS_SIGNALFD signalfd
#endif
#ifndef EXEC_SYS_SIGPROCMASK
#if EXEC__DIRECT
#define EXEC_SYS_SIGPROCMASK exec__sigprocmask
#else
#define EXEC_SYS_SIGPROCMASK sigprocmask    /* of this thread; older libcs have pthread_sigmask elsewhere */
#endif
#endif
#ifndef EXEC_SYS_SIGPENDING
#if EXEC__DIRECT
#define EXEC_SYS_SIGPENDING exec__sigpending
#else
#define EXEC_SYS_SIGPENDING sigpending
#endif
#endif
#ifndef EXEC_SYS_SIGTIMEDWAIT
#if EXEC__DIRECT
#define EXEC_SYS_SIGTIMEDWAIT exec__sigtimedwait
#else
#define EXEC_SYS_SIGTIMEDWAIT sigtimedwait
#endif
#endif
#ifndef EXEC_SYS_SIGACTION
#define EXEC_SYS_SIGACTION sigaction
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
#ifndef EXEC_SYS_RECVMSG
#define EXEC_SYS_RECVMSG recvmsg
#endif
#ifndef EXEC_SYS_SENDMSG
#define EXEC_SYS_SENDMSG sendmsg
#endif
#ifndef EXEC_SYS_READV
#define EXEC_SYS_READV readv
#endif
#ifndef EXEC_SYS_WRITEV
#define EXEC_SYS_WRITEV writev
#endif
#ifndef EXEC_SYS_SENDFILE
#define EXEC_SYS_SENDFILE exec__sendfile
#endif
#ifndef EXEC_SYS_PREAD
#define EXEC_SYS_PREAD exec__pread
#endif
#ifndef EXEC_SYS_PIPE2
#define EXEC_SYS_PIPE2 exec__pipe2
#endif
#ifndef EXEC_SYS_SOCKETPAIR
#define EXEC_SYS_SOCKETPAIR socketpair
#endif
#ifndef EXEC_SYS_SHUTDOWN
#define EXEC_SYS_SHUTDOWN shutdown
#endif
#ifndef EXEC_SYS_LSTAT
#define EXEC_SYS_LSTAT lstat
#endif
#ifndef EXEC_SYS_UNLINK
#define EXEC_SYS_UNLINK unlink
#endif

/* POSIX has none: foreign blocking sockets get one call per readiness there. */
#if EXEC_POSIX_ONLY
#define EXEC__DONTWAIT 0
#else
#define EXEC__DONTWAIT MSG_DONTWAIT
#endif

static const struct timespec exec__no_time = { 0, 0 };

#if EXEC__DIRECT
#ifdef SYS_socket       /* else through socketcall(2) only */
static EXEC__MAYBE_UNUSED int exec__sys_socket(int family, int type, int protocol) {
    return (int)syscall(SYS_socket, (long)family, (long)type, (long)protocol);
}

static EXEC__MAYBE_UNUSED int exec__getsockopt(int fd, int level, int option, void *value, socklen_t *size) {
    return (int)syscall(SYS_getsockopt, (long)fd, (long)level, (long)option, value, size);
}

static EXEC__MAYBE_UNUSED int exec__setsockopt(int fd, int level, int option, const void *value, socklen_t size) {
    return (int)syscall(SYS_setsockopt, (long)fd, (long)level, (long)option, value, (long)size);
}
#endif

#ifdef SYS_rt_sigtimedwait
#define EXEC__SYS_SIGTIMEDWAIT SYS_rt_sigtimedwait
#else
#define EXEC__SYS_SIGTIMEDWAIT SYS_rt_sigtimedwait_time64
#endif
/* Of a set the kernel takes the first bytes. */
static EXEC__MAYBE_UNUSED int exec__sigprocmask(int how, const sigset_t *set, sigset_t *before) {
    return (int)syscall(SYS_rt_sigprocmask, (long)how, set, before, (long)(_NSIG / 8));
}

static EXEC__MAYBE_UNUSED int exec__sigpending(sigset_t *set) {
    return (int)syscall(SYS_rt_sigpending, set, (long)(_NSIG / 8));
}

static EXEC__MAYBE_UNUSED int exec__sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout) {
    const exec__kernel_timespec kernel = { (exec__kernel_time)timeout->tv_sec, (exec__kernel_time)timeout->tv_nsec };
    int signo = (int)syscall(EXEC__SYS_SIGTIMEDWAIT, set, info, &kernel, (long)(_NSIG / 8));
    if (signo > 0 && info && info->si_code == SI_TKILL) info->si_code = SI_USER;    /* as glibc has it */
    return signo;
}
#endif

/* What a system call returned, or its errno, negated. */
static EXEC__NOINLINE int exec__checked(int status) { return status < 0 ? -errno : status; }

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
    EXEC__BOTH = EXEC_READABLE | EXEC_WRITABLE,
    EXEC__FD_ALWAYS = 2,        /* epoll takes no regular files */
    EXEC__FD_NODELAY = 8,       /* a listener whose sockets inherit their options */
    EXEC__FD_BLOCKING = 16,     /* foreign: one call per readiness */
    EXEC__FD_SHORT = 32,        /* a short read ends readiness; also in waiter->flags */
    EXEC__FD_REGISTERED = 64,
    EXEC__FD_SOCKET_NOW = 128,  /* a socket that does not block: exec__socket_poll */
    /* What a plain descriptor has, and a plain event. ALWAYS, NODELAY and BLOCKING are bits of rare events (EPOLLPRI,
       EPOLLERR, EPOLLHUP), so one test of both together finds what is rare of either. */
    EXEC__FD_PLAIN = EXEC__BOTH | EXEC__FD_SHORT | EXEC__FD_REGISTERED | EXEC__FD_SOCKET_NOW
};

/* waiter->flags */
enum { EXEC__IO_ALL = 1, EXEC__IO_COPY = 2, EXEC__IO_MSG = 4, EXEC__IO_BEGUN = 8, EXEC__IO_PAUSED = 16,
       EXEC__IO_URGENT = 64 };

/* ------------------------------------------------------------------------- readiness reaches a waiter */

/* Of who waits in a direction, in slot->waiters. */
static inline unsigned exec__waiter_index(unsigned direction) { return direction == EXEC_WRITABLE; }

/* Of a blocking one: a readiness is of whoever waited for it, since others may use it up meanwhile. */
static int exec__wants(const exec_fd_slot *s, unsigned direction) {
    const exec_waiter *w = s->waiters[exec__waiter_index(direction)];
    return w && !(w->ready & direction);
}

static inline void exec__tell(exec *ex, exec_waiter *w, unsigned direction) {
    w->ready = (uint8_t)(w->ready | direction);
    exec__wake(ex, w->task);
}

static inline void exec__tell_waiters(exec *ex, const exec_fd_slot *s, unsigned came) {
    if (s->waiters[0] && came & EXEC_READABLE) exec__tell(ex, s->waiters[0], EXEC_READABLE);
    if (s->waiters[1] && came & EXEC_WRITABLE) exec__tell(ex, s->waiters[1], EXEC_WRITABLE);
}

/* Readiness is kept, but not of a blocking one (see exec__wants). */
static void exec__came(exec *ex, exec_fd_slot *s, unsigned came) {
    if (!(s->state & EXEC__FD_BLOCKING)) s->state = (uint8_t)(s->state | came);
    exec__tell_waiters(ex, s, came);
}

/* ----------------------------------------------------------------------------------------- backends
   open, close; bytes (of memory behind the table); file (what it has to know of one that is no socket);
   watch (what waits for this slot is told of its readiness), unwatch; wait; fds (for a foreign loop). */

#if EXEC_BACKEND == EXEC_BACKEND_EPOLL

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

typedef struct exec__timespec64 { int64_t sec, nsec; } exec__timespec64;

/* struct epoll_event; glibc has its packing from an attribute that tcc does not get to see. */
typedef struct exec__event {
    uint32_t events;
    union {
        struct { uint32_t fd, generation; } of;
#if !defined __x86_64__ && !defined __i386__
        uint64_t aligned;
#endif
    } data;
} exec__event;
#ifndef __TINYC__
typedef char exec__event_is_one[sizeof(exec__event) == sizeof(struct epoll_event)
                                && EXEC__ALIGNOF(exec__event) >= EXEC__ALIGNOF(struct epoll_event) ? 1 : -1];
#endif

static struct epoll_event *exec__events(exec__event *events) { return (struct epoll_event *)(void *)events; }

static EXEC__MAYBE_UNUSED int exec__epoll_pwait2(int epoll, struct epoll_event *events, int count,
                                                 const exec__timespec64 *timeout) {
    return (int)syscall(SYS_epoll_pwait2, epoll, events, count, timeout, NULL, 0L);
}

#if EXEC__DIRECT
static EXEC__MAYBE_UNUSED int exec__epoll_create1(int flags) { return (int)syscall(SYS_epoll_create1, (long)flags); }

static EXEC__MAYBE_UNUSED int exec__epoll_wait(int epoll, struct epoll_event *events, int count, int ms) {
    return (int)syscall(SYS_epoll_pwait, (long)epoll, events, (long)count, (long)ms, NULL, 0L);
}
#endif

static int exec__backend_open(exec_net *net, const exec_net_config *config) {
    (void)config;
    net->wake = -1;
    net->epoll = EXEC_SYS_EPOLL_CREATE1(EPOLL_CLOEXEC);
    return exec__checked(net->epoll);
}

static void exec__backend_close(exec_net *net) { EXEC_SYS_CLOSE(net->epoll); }

static EXEC__MAYBE_UNUSED size_t exec__backend_bytes(uint32_t count) {
    (void)count;
    return 0;
}

/* A pipe is never one that epoll does not take. */
static void exec__backend_file(exec_fd_slot *s, int fd) {
    (void)s; (void)fd;                          /* what it needs may be hidden */
#ifdef F_GETPIPE_SZ
    if (EXEC_SYS_FCNTL(fd, F_GETPIPE_SZ, 0) > 0) s->kind = EXEC__FD_PIPE;
#endif
}

/* 0 or a negated errno. What the kernel knows of a number may be older than what the slot does. */
static int exec__epoll_set(const exec_net *net, int op, int fd, uint32_t events, uint32_t generation) {
    exec__event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.of.fd = (uint32_t)fd;
    event.data.of.generation = generation;
    if (EXEC_SYS_EPOLL_CTL(net->epoll, op, fd, exec__events(&event)) == 0) return 0;
    if (errno == EEXIST && op == EPOLL_CTL_ADD) op = EPOLL_CTL_MOD;
    else if (errno == ENOENT && op == EPOLL_CTL_MOD) op = EPOLL_CTL_ADD;
    else return -errno;
    return exec__checked(EXEC_SYS_EPOLL_CTL(net->epoll, op, fd, exec__events(&event)));
}

/* Edges, once per life of the descriptor; or if it is a blocking one, one event for who waits now. */
static EXEC__COLD int exec__backend_watch(exec_net *net, int fd, exec_fd_slot *s) {
    int op = s->state & EXEC__FD_REGISTERED ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, status;
    uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    if (s->state & EXEC__FD_BLOCKING)
        events = EPOLLONESHOT | (exec__wants(s, EXEC_READABLE) ? (uint32_t)EPOLLIN : 0)
            | (exec__wants(s, EXEC_WRITABLE) ? (uint32_t)EPOLLOUT : 0);
    status = exec__epoll_set(net, op, fd, events, s->generation);
    if (status == -EPERM && s->kind == EXEC__FD_OTHER) {
        s->state = EXEC__FD_ALWAYS | EXEC__FD_REGISTERED | EXEC__BOTH;
        return 0;
    }
    if (status < 0) return status;
    s->state |= EXEC__FD_REGISTERED;
    /* Not of a pipe: its writer may turn it to packets (O_DIRECT) at any time, which nobody tells. */
    if (!(s->state & EXEC__FD_BLOCKING) && s->kind == EXEC__FD_TCP)
        s->state |= EXEC__FD_SHORT;
    return 0;
}

static void exec__backend_unwatch(exec_net *net, int fd, const exec_fd_slot *s) {
    if ((s->state & (EXEC__FD_REGISTERED | EXEC__FD_ALWAYS)) == EXEC__FD_REGISTERED)
        EXEC_SYS_EPOLL_CTL(net->epoll, EPOLL_CTL_DEL, fd, NULL);
}

EXEC__STATIC_ASSERT((int)EXEC_READABLE == (int)EPOLLIN && (int)EXEC_WRITABLE == (int)EPOLLOUT,
                    "exec_net.h: a readiness is what epoll calls it");

/* More than that bytes came or went; or of a blocking one or a listener. */
static EXEC__COLD void exec__epoll_rare(exec_net *net, uint32_t fd, exec_fd_slot *s, uint32_t events) {
    unsigned came = events & EXEC__BOTH;
    if (events != came) {
        came |= events & (EPOLLHUP | EPOLLERR) ? (unsigned)EXEC__BOTH : (unsigned)EXEC_READABLE;
        /* Behind these there may be no further edge: from now on only EAGAIN ends readiness. */
        s->state &= (uint8_t)~EXEC__FD_SHORT;
    }
    exec__came(net->driver.exec, s, came);
    if ((s->state & EXEC__FD_BLOCKING) && (exec__wants(s, EXEC_READABLE) || exec__wants(s, EXEC_WRITABLE)))
        exec__backend_watch(net, (int)fd, s);
}

static inline void exec__epoll_event(exec_net *net, exec *ex, const exec__event *event) {
    uint32_t fd = event->data.of.fd, events = event->events, state;
    exec_fd_slot *s;
    if (fd >= net->fds.count) return;           /* the eventfd, which is only to end the wait */
    s = &net->fds.slots[fd];
    if (s->generation != event->data.of.generation) return;
    state = s->state | events;
    if (EXEC__UNLIKELY(state & ~(uint32_t)EXEC__FD_PLAIN)) {
        exec__epoll_rare(net, fd, s, events);
    } else {
        s->state = (uint8_t)state;
        exec__tell_waiters(ex, s, events);
    }
}

static int exec__epoll_ms(const exec_net *net, exec__event *events, int ms) {
    return EXEC_SYS_EPOLL_WAIT(net->epoll, exec__events(events), EXEC_NET_EVENTS, ms);
}

/* A finite wait. Where the kernel (or a filter) has no epoll_pwait2, ppoll waits for the epoll; so it does in small
   programs, which have it anyway. */
static int exec__epoll_timed(exec_net *net, exec__event *events, int64_t timeout_ns) {
    exec__timespec64 timeout;
    struct pollfd any;
    int count;
    if (!EXEC_SMALL && !EXEC__LIBC_WAITS && !net->no_pwait2) {
        timeout.nsec = timeout_ns;
        timeout.sec = exec__take_seconds(&timeout.nsec);
        count = EXEC_SYS_EPOLL_PWAIT2(net->epoll, exec__events(events), EXEC_NET_EVENTS, &timeout);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        net->no_pwait2 = 1;
    }
    exec__poll_put(&any, 1, 0, net->epoll, POLLIN);
    count = exec__poll_ns(&any, 1, timeout_ns);
    return count > 0 ? exec__epoll_ms(net, events, 0) : count;
}

/* The eventfd of the executor appears with its first waker. It is never read: each write is an edge. */
static EXEC__COLD int exec__epoll_wake_fd(exec_net *net) {
    int fd = exec_wake_fd(net->driver.exec);
    int status = exec__epoll_set(net, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, UINT32_MAX);
    if (status == 0) net->wake = fd;
    return status;
}

static int exec__backend_wait(exec_net *net, int64_t timeout_ns) {
    exec__event events[EXEC_NET_EVENTS];
    exec *ex = net->driver.exec;
    int count, status;
    if (EXEC__UNLIKELY(net->wake != exec_wake_fd(ex))
        && (status = exec__epoll_wake_fd(net)) < 0)
        return status;
    if (timeout_ns <= 0 || timeout_ns == EXEC_NEVER)
        count = exec__epoll_ms(net, events, timeout_ns > 0 ? -1 : 0);
    else
        count = exec__epoll_timed(net, events, timeout_ns);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) exec__epoll_event(net, ex, &events[i]);
    return count;
}

/* The epoll is readable as soon as anything in it is ready. */
static int exec__backend_fds(exec_net *net, struct pollfd *fds, unsigned count) {
    int status = net->wake == exec_wake_fd(net->driver.exec) ? 0 : exec__epoll_wake_fd(net);
    if (status < 0) return status;
    if (!fds) return net->epoll;
    exec__poll_put(fds, count, 0, net->epoll, POLLIN);
    return 1;
}

#else /* EXEC_BACKEND_POLL: what is waited for is gathered anew for each wait, so a link costs nothing */

static void exec__slot_reset(exec_net *net, exec_fd_slot *s, unsigned kind);

static int exec__backend_open(exec_net *net, const exec_net_config *config) {
    if (!net->fixed) return 0;
    if (!config->pollfds || config->pollfd_count <= config->slot_count) return -EINVAL;
    net->pollfds = config->pollfds;
    return 0;
}

static void exec__backend_close(exec_net *net) { (void)net; }      /* the kernel holds nothing */

/* One for each slot, one for the executor's. */
static EXEC__MAYBE_UNUSED size_t exec__backend_bytes(uint32_t count) {
    return (count + (size_t)1) * sizeof(struct pollfd);
}

/* poll(2) finds these always ready: no op has to wait for that. */
static void exec__backend_file(exec_fd_slot *s, int fd) {
    struct stat st;
    memset(&st, 0, sizeof st);
    if (EXEC_SYS_FSTAT(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode)))
        s->state = EXEC__FD_ALWAYS | EXEC__BOTH;
}

/* Levels: what is left after a short read ends the next wait. A wait that a foreign loop has begun does not
   know of this one. */
static EXEC__COLD int exec__backend_watch(exec_net *net, int fd, exec_fd_slot *s) {
    if (net->top <= (uint32_t)fd) net->top = (uint32_t)fd + 1;
    if (!(s->state & (EXEC__FD_BLOCKING | EXEC__FD_ALWAYS))) s->state |= EXEC__FD_SHORT;
    if (net->driver.exec->armed) exec__signal_armed(net->driver.exec);
    return 0;
}

static void exec__backend_unwatch(exec_net *net, int fd, const exec_fd_slot *s) {
    (void)fd; (void)s;
    net->changes++;
}

/* What a slot lacks: 0 if nobody waits, or who does was told. */
static int exec__poll_events(const exec_fd_slot *s) {
    int events = 0;
    if (exec__wants(s, EXEC_READABLE)) events |= s->waiters[0]->flags & EXEC__IO_URGENT ? POLLIN | POLLPRI : POLLIN;
    if (exec__wants(s, EXEC_WRITABLE)) events |= POLLOUT;
    return events;
}

/* The executor's own is the first. */
static int exec__poll_gather(exec_net *net, struct pollfd *fds, unsigned count) {
    int wake = exec_wake_fd(net->driver.exec);
    uint32_t top = 0;
    unsigned n = 0;
    if (wake >= 0) exec__poll_put(fds, count, n++, wake, POLLIN);
    for (uint32_t fd = 0; fd < net->top; fd++) {
        const exec_fd_slot *s = &net->fds.slots[fd];
        int events = exec__poll_events(s);
        if (s->waiters[0] || s->waiters[1]) top = fd + 1;
        if (events) exec__poll_put(fds, count, n++, (int)fd, events);
    }
    net->top = top;
    return (int)n;
}

static void exec__poll_event(exec_net *net, const struct pollfd *p) {
    exec_fd_slot *s = &net->fds.slots[p->fd];
    unsigned came = 0;
    if (s->kind == EXEC__FD_CANCELLED) return;
    if (p->revents & POLLNVAL) {                /* closed behind our back: whoever waits gets -EBADF */
        exec__slot_reset(net, s, EXEC__FD_UNKNOWN);
        return;
    }
    if (p->revents & (POLLIN | POLLHUP | POLLERR | POLLPRI)) came |= EXEC_READABLE;
    if (p->revents & (POLLOUT | POLLHUP | POLLERR)) came |= EXEC_WRITABLE;
    exec__came(net->driver.exec, s, came);
}

static struct pollfd *exec__pollfds(const exec_net *net) {
    return net->fixed ? net->pollfds : (struct pollfd *)(void *)(net->fds.slots + net->fds.count);
}

static int exec__backend_wait(exec_net *net, int64_t timeout_ns) {
    struct pollfd one, *fds = net->fds.slots ? exec__pollfds(net) : &one;
    const exec *ex = net->driver.exec;
    unsigned n = (unsigned)exec__poll_gather(net, fds, net->fds.count + 1), i = ex->port != NULL;
    uint32_t changes = net->changes;
    int count = exec__poll_ns(fds, n, timeout_ns > 0 ? timeout_ns : 0), status;
    if (count < 0) return errno == EINTR ? 0 : -errno;
    if (count > 0 && i && fds[0].revents && (status = exec__wake_take(ex->port)) < 0) return status;
    if (net->changes != changes) return count;  /* a number changed hands meanwhile: the next wait says it again */
    for (; i < n; i++)
        if (fds[i].revents) exec__poll_event(net, &fds[i]);
    return count;
}

static int exec__backend_fds(exec_net *net, struct pollfd *fds, unsigned count) {
    return fds ? exec__poll_gather(net, fds, count) : -ENOSYS;
}

#endif

/* ------------------------------------------------------------------------------------------- slots */

/* A table of so many, and what the backend has behind it. */
static EXEC__MAYBE_UNUSED size_t exec__slots_bytes(uint32_t count) {
    return count * sizeof(exec_fd_slot) + exec__backend_bytes(count);
}

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
    if (EXEC_SYS_FCNTL((int)fd, F_GETFD, 0) < 0) return -errno;    /* no gigabytes for what is no descriptor */
    if (count < 64) count = 64;
    slots = (exec_fd_slot *)config->allocate(config->user, exec__slots_bytes(count), sizeof(void *));
    if (!slots) return -ENOMEM;
    memset(slots, 0, count * sizeof *slots);
    if (net->fds.slots) {
        memcpy(slots, net->fds.slots, net->fds.count * sizeof *slots);
        config->release(config->user, net->fds.slots, exec__slots_bytes(net->fds.count), sizeof(void *));
    }
    net->fds.slots = slots;
    net->fds.count = count;
    return 0;
#endif
}

/* Its slot, or NULL. */
static exec_fd_slot *exec__slot(const exec_net *net, int fd) {
    return (uint32_t)fd < net->fds.count ? &net->fds.slots[fd] : NULL;
}

static inline void exec__link_to(exec__fd_table *fds, exec_fd_slot *s, exec_waiter *w, unsigned interest,
                                 exec_task *task) {
    if (interest & EXEC_READABLE) s->waiters[0] = w;
    if (interest & EXEC_WRITABLE) s->waiters[1] = w;
    w->task = task;
    w->ready = 0;
    w->linked = 1;
    fds->waiting++;
}

static inline void exec__unlink_from(exec__fd_table *fds, exec_fd_slot *s, exec_waiter *w, unsigned interest) {
    if (interest & EXEC_READABLE) s->waiters[0] = NULL;
    if (interest & EXEC_WRITABLE) s->waiters[1] = NULL;
    w->linked = 0;
    fds->waiting--;
}

static void exec__unlink(exec_net *net, exec_waiter *w) {
    exec__unlink_from(&net->fds, &net->fds.slots[w->fd], w, w->interest);
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
    if (EXEC__UNLIKELY(net->paused != NULL)) exec__resume_accepts(net, (int)(s - net->fds.slots));
}

/* A new descriptor of this kind: what is left of an older one goes. */
static void exec__slot_reset(exec_net *net, exec_fd_slot *s, unsigned kind) {
    exec__slot_cancel(net, s);
    s->generation++;
    s->kind = (uint8_t)kind;
    s->state = kind == EXEC__FD_UNKNOWN ? 0 : EXEC__BOTH;
    if (kind == EXEC__FD_TCP || kind == EXEC__FD_SOCKET) s->state |= EXEC__FD_SOCKET_NOW;
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
    if ((uint32_t)fd >= net->fds.count && exec__slots_grow(net, (uint32_t)fd) < 0) return;
    s = &net->fds.slots[fd];
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

#if EXEC_POSIX_ONLY
/* The family of a socket, or -ENOTSOCK, or another error. */
static int exec__socket_family(int fd) {
    struct sockaddr_storage any;
    socklen_t size = sizeof any;
    memset(&any, 0, sizeof any);
    return EXEC_SYS_GETSOCKNAME(fd, (struct sockaddr *)(void *)&any, &size) < 0 ? -errno : any.ss_family;
}

static int exec__socket_is_tcp(int fd) { return exec__socket_option(fd, SO_TYPE) == SOCK_STREAM; }

/* Nothing can be asked not to wait. */
static int exec__socket_waits(int fd) {
    (void)fd;
    return 1;
}
#else
static int exec__socket_family(int fd) { return exec__socket_option(fd, SO_DOMAIN); }

/* A stream of SCTP has messages. */
static int exec__socket_is_tcp(int fd) { return exec__socket_option(fd, SO_PROTOCOL) == IPPROTO_TCP; }

/* accept(2) knows no MSG_DONTWAIT. What cannot be told is taken to wait. */
static int exec__socket_waits(int fd) { return exec__socket_option(fd, SO_ACCEPTCONN) != 0; }
#endif

/* What a foreign descriptor is. */
static int exec__slot_detect(exec_fd_slot *s, int fd) {
    int family = exec__socket_family(fd), flags;
    if (family >= 0) {
        int tcp = (family == AF_INET || family == AF_INET6) && exec__socket_is_tcp(fd);
        s->kind = tcp ? EXEC__FD_TCP : EXEC__FD_SOCKET;
        flags = exec__socket_waits(fd) ? exec__checked(EXEC_SYS_FCNTL(fd, F_GETFL, 0)) : O_NONBLOCK;
        if (flags < 0) return flags;
        s->state = flags & O_NONBLOCK ? EXEC__FD_SOCKET_NOW | EXEC__BOTH : EXEC__FD_BLOCKING;
        return 0;
    }
    if (family != -ENOTSOCK) return family;
    flags = exec__checked(EXEC_SYS_FCNTL(fd, F_GETFL, 0));
    if (flags < 0) return flags;
    s->kind = EXEC__FD_OTHER;
    s->state = flags & O_NONBLOCK ? EXEC__BOTH : EXEC__FD_BLOCKING;
    exec__backend_file(s, fd);
    return 0;
}

/* Before the first op on a descriptor. */
static EXEC__COLD int exec__slot_prepare(exec_net *net, int fd) {
    exec_fd_slot *s;
    int status;
    if (fd < 0) return -EBADF;
    if ((uint32_t)fd >= net->fds.count && (status = exec__slots_grow(net, (uint32_t)fd)) < 0) return status;
    s = &net->fds.slots[fd];
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
    if (EXEC__LIKELY((uint32_t)fd < net->fds.count && net->fds.slots[fd].kind > EXEC__FD_CANCELLED)) return 0;
    return exec__slot_prepare(net, fd);
}

#if EXEC_DEBUG
/* -EBUSY tells the second one; the log tells where both are. */
static EXEC__COLD void exec__say_busy(exec_net *net, const exec_waiter *first, exec_task *second) {
    const exec_future *one = exec__root_of(first->task), *two = exec__root_of(second);
    exec__text t = { 0, "" };
    exec__put_place(&t, two->type->file, exec__line_of(two));
    exec__put(&t, ": descriptor ");
    exec__put_number(&t, first->fd);
    exec__put(&t, " is waited for already, at ");
    exec__put_place(&t, one->type->file, exec__line_of(one));
    exec__put(&t, ": -EBUSY; one op a direction at a time, let one task do both or wait for it");
    exec_log(net->driver.exec, t.s);
}
#endif

/* The waiter waits for its interest from now on. The slot is prepared. */
static int exec__link(exec_net *net, exec_waiter *w, exec_task *task) {
    exec_fd_slot *s = &net->fds.slots[w->fd];
    const exec_waiter *busy = w->interest & EXEC_READABLE ? s->waiters[0] : NULL;
    int status;
    if (!busy && (w->interest & EXEC_WRITABLE)) busy = s->waiters[1];
#if EXEC_DEBUG
    if (busy) exec__say_busy(net, busy, task);
    else if (!exec__file_same(s, w->fd))
        exec__fail_in(task, "a wait for a descriptor that was closed and came back: "
                      "close with exec_close_fd, or call exec_fd_forget before a foreign close()");
#endif
    if (busy) return -EBUSY;
    exec__link_to(&net->fds, s, w, w->interest, task);
    if (EXEC__LIKELY((s->state & (EXEC__FD_REGISTERED | EXEC__FD_BLOCKING)) == EXEC__FD_REGISTERED)) return 0;
    status = exec__backend_watch(net, w->fd, s);
    if (status < 0) exec__unlink(net, w);
    return status;
}

/* Of a descriptor that is not read, but tells when to ask: nothing had come a moment ago, so what comes from
   now on is told. */
static int exec__link_asked(exec_net *net, exec_waiter *w, int fd, exec_task *task) {
    int status = exec__slot_get(net, fd);
    if (status < 0) return status;
    net->fds.slots[fd].state &= (uint8_t)~EXEC_READABLE;
    w->fd = fd;
    w->interest = EXEC_READABLE;
    return exec__link(net, w, task);
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
    exec *ex = net->driver.exec;
    int count = exec__backend_wait(net, timeout_ns);
    if (count <= 0) return count;
    ex->counters.io_events += (unsigned)count;
    if (ex->armed) {                            /* a foreign loop waits for what was taken, the signal among it */
        ex->armed = EXEC__ARMED;
        exec__signal_armed(ex);
    }
    return count;
}

static int exec__net_park(exec_driver *d, int64_t timeout_ns) {
    int count = exec_net_poll(exec__net_of(d), timeout_ns);
    return count < 0 ? count : 0;
}

static unsigned exec__net_waiting(const exec_driver *d) {
    return ((const exec_net *)(const void *)d)->fds.waiting;
}

static int exec__net_poll_fds(exec_driver *d, struct pollfd *fds, unsigned count) {
    return exec__backend_fds(exec__net_of(d), fds, count);
}

#if EXEC_POSIX_ONLY
static void exec__signals_forked(exec_net *net);
#endif

static void exec__net_forked(exec_driver *d) {
    exec_net *net = exec__net_of(d);
#if EXEC_POSIX_ONLY
    exec__signals_forked(net);
#endif
    if (net->signals.close) net->signals.close(net);
    exec__backend_close(net);
}

static void exec__net_dump(exec_driver *d) {
    const exec_net *net = exec__net_of(d);
    exec__text t = { 0, "" };
    exec__put(&t, "net: ");
    exec__put_number(&t, net->fds.waiting);
    exec__put(&t, " wait, ");
    exec__put_number(&t, net->fds.count);
    exec__put(&t, net->paused ? " slots, accept is paused: no descriptors left" : " slots");
    exec_log(d->exec, t.s);
}

/* Each waiter is linked where its descriptor and interest say, and they are as many as were counted. */
static int exec__net_check(exec_driver *d) {
    const exec_net *net = exec__net_of(d);
    uint32_t waiting = 0;
    for (uint32_t fd = 0; fd < net->fds.count; fd++) {
        exec_waiter *const *w = net->fds.slots[fd].waiters;
        for (unsigned i = 0; i < 2; i++)
            if (w[i] && (!w[i]->linked || w[i]->fd != (int)fd
                         || !(w[i]->interest & (i ? EXEC_WRITABLE : EXEC_READABLE)))) return -EINVAL;
        waiting += (w[0] != NULL ? 1u : 0u) + (w[1] != NULL && w[1] != w[0] ? 1u : 0u);
    }
    return waiting == net->fds.waiting ? 0 : -EINVAL;
}

#if EXEC_DEBUG
static int exec__waiter_left(const exec_waiter *w, const exec__left *left) {
    return w && (exec__is_inside(left, w) || w->task == left->task);
}

/* Waiters of descriptors, accepts that pause, signals. */
static const char *exec__net_hold(const exec *ex, const exec__left *left) {
    const exec_net *net = ex->net;
    const exec_signal_op *first = net ? net->signals.first : NULL, *op = first;
    int held = 0;
    if (!net) return NULL;
    for (uint32_t fd = 0; fd < net->fds.count && net->fds.waiting && !held; fd++) {
        exec_waiter *const *w = net->fds.slots[fd].waiters;
        held = exec__waiter_left(w[0], left) || exec__waiter_left(w[1], left);
    }
    for (const exec_io *io = net->paused; io && !held; io = io->buf.next) held = exec__waiter_left(&io->waiter, left);
    if (op) do held = held || exec__is_inside(left, op) || op->task == left->task;
    while ((op = op->next) != first);
    return held ? "a frame is freed and an op in it, or of its task, still waits for a descriptor or a signal: "
                  "exec_net_deregister when the leaf ends" : NULL;
}
#endif

static void exec__net_detach(exec_driver *d) {
    exec_net *net = exec__net_of(d);
    if (net->signals.close) net->signals.close(net);
    exec__backend_close(net);
#if !EXEC_NO_MALLOC
    if (net->fds.slots && !net->fixed)
        d->exec->config.release(d->exec->config.user, net->fds.slots, exec__slots_bytes(net->fds.count),
                                sizeof(void *));
#endif
    net->fds.slots = NULL;
    net->fds.count = 0;
}

static const exec_driver_type exec__net_type = {
    "net", exec__net_deadline, exec__net_turn, exec__net_park, exec__net_waiting, exec__net_poll_fds,
    exec__net_forked, EXEC__WORDS(exec__net_dump), EXEC__WORDS(exec__net_check), exec__net_detach };

static exec_net *exec__net(const exec *ex) {
    EXEC_ASSERT(ex->net, "a descriptor is used without a reactor: call exec_net_attach after exec_init");
    return ex->net;
}

EXEC_API int exec_net_attach(exec_net *net, exec *ex, const exec_net_config *config) {
    int status;
    if (ex->parker) return -EBUSY;              /* which may be this one */
    memset(net, 0, sizeof *net);
    if (config && config->slots) {
        net->fds.slots = config->slots;
        net->fds.count = config->slot_count;
        net->fixed = 1;
        memset(config->slots, 0, config->slot_count * sizeof *config->slots);
    }
    if (EXEC_NO_MALLOC && !net->fixed) return -EINVAL;
    if ((status = exec__backend_open(net, config)) < 0) return status;
    if ((status = exec_timers_attach(&net->timers, ex)) < 0 && status != -EBUSY) {
        exec__backend_close(net);
        return status;
    }
    if ((status = exec_attach(ex, &net->driver, &exec__net_type)) < 0) return status;
    ex->net = net;
    ex->fds = &net->fds;
#if EXEC_DEBUG
    ex->holds[1] = exec__net_hold;
#endif
    return 0;
}

EXEC_API int exec_net_register(exec_net *net, exec_waiter *w, int fd, unsigned interest, exec_task *task) {
    memset(w, 0, sizeof *w);
    w->fd = fd;
    w->task = task;
    return exec_net_reregister(net, w, interest);
}

EXEC_API int exec_net_reregister(exec_net *net, exec_waiter *w, unsigned interest) {
    exec_fd_slot *s;
    int status;
    if (w->linked) exec__unlink(net, w);
    if (!interest || (interest & ~(unsigned)EXEC__BOTH)) return -EINVAL;
    if ((status = exec__slot_get(net, w->fd)) < 0) return status;
    s = &net->fds.slots[w->fd];
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
    if (EXEC_SYS_FCNTL(fd, F_GETFD, 0) < 0) return -errno;     /* whoever has the number next is not cancelled */
    if ((uint32_t)fd >= net->fds.count && (status = exec__slots_grow(net, (uint32_t)fd)) < 0) return status;
    exec__slot_cancel(net, &net->fds.slots[fd]);
    net->fds.slots[fd].generation++;                /* no event is its own any more */
    net->fds.slots[fd].kind = EXEC__FD_CANCELLED;
    net->fds.slots[fd].state &= EXEC__FD_REGISTERED | EXEC__FD_ALWAYS;
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
    int flags = EXEC_SYS_FCNTL(fd, F_GETFL, 0);
    if (flags < 0 || EXEC_SYS_FCNTL(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    return exec_fd_forget(ex, fd);
}

/* --------------------------------------------------------------------------------------------- ops */

/* The system call may be tried. */
static int exec__may_go(const exec_fd_slot *s, const exec_waiter *w) {
    return ((s->state & EXEC__FD_BLOCKING ? w->ready : s->state) & w->interest) != 0;
}

/* 1: the system call may be tried; 0: not yet, and the op is linked; or why not. */
static int exec__io_ask(exec_cx *cx, exec_net *net, exec_waiter *w) {
    const exec_fd_slot *s;
    int status = exec__slot_get(net, w->fd);
    if (status < 0) return status;
    s = &net->fds.slots[w->fd];
    if (!w->linked && (!exec__may_go(s, w) || cx->quota < EXEC__OP)) {  /* whoever closes the descriptor tells it */
        w->ready = 0;
        if ((status = exec__link(net, w, cx->task)) < 0) return status;
    }
    if (exec__may_go(s, w)) return 1;
    w->ready = 0;                               /* another op may have used it up: it is to be told again */
    return 0;
}

/* The op may not go on at once: waits, or says why not. */
static int exec__io_wait(exec_cx *cx, exec_net *net, exec_io *io) {
    exec_waiter *w = &io->waiter;
    int status = -ECANCELED;
    if (EXEC__LIKELY(!exec_canceled(&io->fut))) {
        status = exec__io_ask(cx, net, w);
        if (EXEC__LIKELY(status == 0 || (status > 0 && !exec_spend(cx)))) return 0;
    }
    if (w->linked) exec__unlink(net, w);
    w->ready = 0;
    return status;
}

/* The beginning of each poll: 1: the system call may be tried; 0: the op pends; or its error. A slot
   with readiness is one that is known and not cancelled. */
static inline int exec__io_go(exec_cx *cx, exec_net *net, exec_io *io) {
    uint32_t fd = (uint32_t)io->waiter.fd;
    if (fd >= net->fds.count || !(net->fds.slots[fd].state & io->waiter.interest) || cx->quota < EXEC__OP
        || EXEC__UNLIKELY(exec_canceled(&io->fut)))
        return exec__io_wait(cx, net, io);
    cx->quota -= EXEC__OP;
    if (io->waiter.linked) exec__unlink(net, &io->waiter);
    return 1;
}

/* Around a write that shall not raise SIGPIPE: it is blocked meanwhile, and what the write raised is taken. */
typedef struct exec__quiet { sigset_t pipe, before; int own; } exec__quiet;

/* 0, or -1 and errno: it cannot be blocked, so nothing may be written. */
static EXEC__COLD int exec__quiet_begin(exec__quiet *q) {
    sigset_t pending;
    sigemptyset(&q->pipe);
    sigaddset(&q->pipe, SIGPIPE);
    if (EXEC_SYS_SIGPROCMASK(SIG_BLOCK, &q->pipe, &q->before) < 0) return -1;
    q->own = !sigismember(&q->before, SIGPIPE)
        || (EXEC_SYS_SIGPENDING(&pending) == 0 && !sigismember(&pending, SIGPIPE));
    return 0;
}

/* n of len bytes were written, or errno says why not; it stays. */
static EXEC__COLD ssize_t exec__quiet_end(const exec__quiet *q, ssize_t n, size_t len) {
    int error = errno;
    if (q->own && (n < 0 ? error == EPIPE : (size_t)n < len))  /* a blocking write may lose its reader midway */
        while (EXEC_SYS_SIGTIMEDWAIT(&q->pipe, NULL, &exec__no_time) < 0 && errno == EINTR) continue;
    EXEC_SYS_SIGPROCMASK(SIG_SETMASK, &q->before, NULL);
    errno = error;
    return n;
}

static EXEC__COLD ssize_t exec__write_quietly(int fd, const void *buf, size_t len) {
    exec__quiet quiet;
    if (exec__quiet_begin(&quiet) < 0) return -1;
    return exec__quiet_end(&quiet, EXEC_SYS_WRITE(fd, buf, len), len);
}

/* A blocking pipe that is ready has room for so much (PIPE_BUF of Linux), and a stream is asked for no more. */
#define EXEC__PAGE ((size_t)4096)

/* What is no socket. */
static EXEC__COLD ssize_t exec__file_call(const exec_fd_slot *s, exec_io *io, char *at, size_t len) {
    int fd = io->waiter.fd, blocking = s->state & EXEC__FD_BLOCKING;
    if (io->waiter.interest == EXEC_READABLE) return EXEC_SYS_READ(fd, at, len);
    return exec__write_quietly(fd, at, blocking && len > EXEC__PAGE ? EXEC__PAGE : len);
}

#if EXEC_POSIX_ONLY
/* A message goes whole; a stream takes at once what is small beside its buffer. 0, or -1 and errno: nothing is
   known that would not stop the thread. */
static int exec__send_most(const exec_fd_slot *s, const exec_io *io, size_t *len) {
    int fd = io->waiter.fd, type, room;
    if (!(s->state & EXEC__FD_BLOCKING) || io->waiter.interest == EXEC_READABLE) return 0;
    if ((type = exec__socket_option(fd, SO_TYPE)) < 0) return -1;
    if (type != SOCK_STREAM) return 0;
    if ((room = exec__socket_option(fd, SO_SNDBUF)) < 0) return -1;
    if (*len > EXEC__PAGE) *len = EXEC__PAGE;
    if (*len > (size_t)room / 4) *len = (size_t)room / 4;
    return 0;
}
#endif

static ssize_t exec__io_call(exec_fd_slot *s, exec_io *io, size_t len) {
    char *at = (char *)io->buf.to + io->done;
    if (EXEC__UNLIKELY(s->kind > EXEC__FD_SOCKET) && !(io->waiter.flags & EXEC__IO_MSG))
        return exec__file_call(s, io, at, len);
#if EXEC_POSIX_ONLY
    if (exec__send_most(s, io, &len) < 0) return -1;
#endif
    if (io->waiter.interest == EXEC_READABLE) return EXEC_SYS_RECV(io->waiter.fd, at, len, io->fut.resume);
    return EXEC_SYS_SEND(io->waiter.fd, at, len, io->fut.resume);
}

/* A call for len bytes returned n. The bytes moved, or a negated errno; -EAGAIN: not ready, try again
   after a wait. */
static inline intptr_t exec__io_moved(exec_fd_slot *s, exec_io *io, size_t len, ssize_t n) {
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

static intptr_t exec__io_try(exec_net *net, exec_io *io) {
    exec_fd_slot *s = &net->fds.slots[io->waiter.fd];
    size_t len = io->len - io->done;
    return exec__io_moved(s, io, len, exec__io_call(s, io, len));
}

/* After an attempt that exec__io_moved told of: 1: the op is ready; 0: another attempt is due. */
static int exec__moved(exec_io *io, intptr_t n) {
    if (n == -EAGAIN) return 0;
    if (n >= 0 && io->waiter.flags & EXEC__IO_ALL) {
        if (n > 0 && io->done < io->len) return 0;
        n = io->done == io->len ? (intptr_t)io->len : -ENODATA;
    }
    (void)exec_ready(&io->fut, n);
    return 1;
}

/* The poll of each op that moves bytes: `attempt` makes one call, as exec__io_try does. */
static exec_poll exec__transfer(exec_cx *cx, exec_future *f, intptr_t (*attempt)(exec_net *net, exec_io *io)) {
    exec_io *io = (exec_io *)(void *)f;
    exec_net *net = exec__net(cx->exec);
    for (;;) {
        int status = exec__io_go(cx, net, io);
        if (status <= 0) return status ? exec_ready(f, status) : exec_pending(cx, f);
        if (exec__moved(io, attempt(net, io))) return EXEC__READY;
    }
}

static exec_poll exec__transfer_poll(exec_cx *cx, exec_future *f) { return exec__transfer(cx, f, exec__io_try); }

#if EXEC_SMALL
#define exec__read_poll exec__transfer_poll
#define exec__write_poll exec__transfer_poll
#else
/* READ AND WRITE OF A SOCKET, which most polls are, on a way of their own: one call, if it may be ready; or a
   wait for its next edge. Whatever is not plain is left to exec__transfer_poll. */

/* The call did not move all, or it failed. The executor that polls is the current one. */
static EXEC__COLD exec_poll exec__socket_rest(exec_io *io, ssize_t n) {
    exec *ex = exec_current();
    if (exec__moved(io, exec__io_moved(&ex->fds->slots[io->waiter.fd], io, io->len - io->done, n))) return EXEC__READY;
    return exec__transfer_poll(&ex->cx, &io->fut);
}

/* The slot comes first, so that the op stays second, in the register in which its poll got it. */
static EXEC__NOINLINE exec_poll exec__recv(exec_fd_slot *s, exec_io *io) {
    size_t done = io->done;
    ssize_t n = EXEC_SYS_RECV(io->waiter.fd, (char *)io->buf.to + done, io->len - done, io->fut.resume);
    if (EXEC__UNLIKELY(n <= 0)) return exec__socket_rest(io, n);
    done = io->done + (size_t)n;
    if (done < io->len) {
        if (EXEC__UNLIKELY(io->waiter.flags & EXEC__IO_ALL)) return exec__socket_rest(io, n);
        if (s->state & EXEC__FD_SHORT) s->state &= (uint8_t)~EXEC_READABLE;
    }
    io->done = done;
    return exec_ready(&io->fut, (intptr_t)done);
}

static EXEC__NOINLINE exec_poll exec__send(exec_io *io) {
    size_t done = io->done;
    ssize_t n = EXEC_SYS_SEND(io->waiter.fd, (const char *)io->buf.from + done, io->len - done, io->fut.resume);
    if (EXEC__UNLIKELY(n <= 0)) return exec__socket_rest(io, n);
    done = io->done + (size_t)n;
    if (EXEC__UNLIKELY(done < io->len && (io->waiter.flags & EXEC__IO_ALL))) return exec__socket_rest(io, n);
    io->done = done;
    return exec_ready(&io->fut, (intptr_t)done);
}

EXEC__ALWAYS_INLINE exec_poll exec__socket_poll(exec_cx *cx, exec_future *f, unsigned direction) {
    const unsigned later = EXEC__FD_SOCKET_NOW | EXEC__FD_REGISTERED;
    exec_io *io = (exec_io *)(void *)f;
    exec__fd_table *fds = exec__of(cx)->fds;
    uint32_t fd = (uint32_t)io->waiter.fd;
    exec_fd_slot *s;
    if (EXEC__UNLIKELY(fd >= fds->count)) return exec__transfer_poll(cx, f);
    s = &fds->slots[fd];
    if (s->state & direction) {
        if (EXEC__UNLIKELY(!(s->state & EXEC__FD_SOCKET_NOW) || (cx->quota -= EXEC__OP) < 0))
            return exec__transfer_poll(cx, f);
        if (io->waiter.linked) {                /* only one that has waited can have been cancelled */
            if (EXEC__UNLIKELY(exec_canceled(f))) return exec__transfer_poll(cx, f);
            exec__unlink_from(fds, s, &io->waiter, direction);
        }
        return direction == EXEC_READABLE ? exec__recv(s, io) : exec__send(io);
    }
    if (EXEC_DEBUG || (s->state & later) != later || s->waiters[exec__waiter_index(direction)])
        return exec__transfer_poll(cx, f);
    exec__link_to(fds, s, &io->waiter, direction, cx->task);
    return exec_pending(cx, f);
}

static exec_poll exec__read_poll(exec_cx *cx, exec_future *f) { return exec__socket_poll(cx, f, EXEC_READABLE); }
static exec_poll exec__write_poll(exec_cx *cx, exec_future *f) { return exec__socket_poll(cx, f, EXEC_WRITABLE); }
#endif

/* Asks the kernel, since nobody tells when a foreign read used the readiness up; then waits. */
static exec_poll exec__readiness_poll(exec_cx *cx, exec_future *f) {
    exec_io *io = (exec_io *)(void *)f;
    exec_net *net = exec__net(cx->exec);
    struct pollfd p;
    p.events = io->waiter.interest == EXEC_READABLE ? POLLIN : POLLOUT;
    p.revents = 0;
    for (;;) {
        int status = exec__io_go(cx, net, io);
        if (status == 0) return exec_pending(cx, f);
        if (status < 0) return exec_ready(f, status);
        p.fd = io->waiter.fd;
        status = EXEC_SYS_PPOLL(&p, 1, &exec__no_time);
        if (status < 0 && errno != EINTR) return exec_ready(f, -errno);
        if (status > 0) return exec_ready(f, p.revents & POLLNVAL ? -EBADF : 0);
        if (status == 0) net->fds.slots[p.fd].state &= (uint8_t)~io->waiter.interest;
    }
}

/* --------------------------------------------------------------------------------------- addresses */

typedef struct exec__address {
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
        unsigned char bytes[sizeof(((exec_address *)0)->bytes)];
    };
} exec__address;
typedef char exec__address_fits[sizeof(struct sockaddr_un) <= sizeof(((exec_address *)0)->bytes) ? 1 : -1];

static unsigned exec__digit(char c) {
    if (c >= '0' && c <= '9') return (unsigned)(c - '0');
    c = (char)(c | ('a' - 'A'));
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* A number, while it is at most `most`. Of how many digits: 0: there is none. */
static unsigned exec__parse_number(const char **text, unsigned base, uint32_t most, uint32_t *number) {
    const char *begin = *text;
    uint64_t value = 0, next;
    unsigned digit;
    while ((digit = exec__digit(**text)) < base && (next = value * base + digit) <= most) {
        value = next;
        ++*text;
    }
    *number = (uint32_t)value;
    return (unsigned)(*text - begin);
}

/* Nothing but a number, up to `end`. 0 or -EINVAL. */
static int exec__parse_all(const char *text, const char *end, uint32_t most, uint32_t *number) {
    return exec__parse_number(&text, 10, most, number) && text == end ? 0 : -EINVAL;
}

/* Four numbers, without leading zeros, up to `end`. */
static int exec__parse_v4(const char *text, const char *end, unsigned char *out) {
    for (int i = 0; i < 4; i++) {
        int zero = *text == '0';
        uint32_t value;
        unsigned digits = exec__parse_number(&text, 10, 255, &value);
        if (!digits || (zero && digits > 1)) return -EINVAL;
        if (i < 3 && *text++ != '.') return -EINVAL;
        out[i] = (unsigned char)value;
    }
    return text == end ? 0 : -EINVAL;
}

/* Groups of hex digits up to `end`, a "::" for those that are zero, perhaps four numbers last (RFC 4291). `out` is
   zeroed. */
static int exec__parse_v6(const char *text, const char *end, unsigned char *out) {
    unsigned n = 0, gap = 17, digits, to = 16;
    if (*text == ':' && *++text != ':') return -EINVAL;
    while (text < end) {
        const char *group = text;
        uint32_t value;
        if (*text == ':') {                     /* the second of two */
            if (gap <= 16) return -EINVAL;
            gap = n;
            text++;
            continue;
        }
        digits = exec__parse_number(&text, 16, 0xFFFF, &value);
        if (*text == '.' && n <= 12) {
            if (exec__parse_v4(group, end, out + n) < 0) return -EINVAL;
            n += 4;
            break;
        }
        if (!digits || digits > 4 || n > 14) return -EINVAL;
        out[n++] = (unsigned char)(value >> 8);
        out[n++] = (unsigned char)value;
        if (text < end && (*text++ != ':' || text == end)) return -EINVAL;
    }
    if ((gap > 16) != (n == 16)) return -EINVAL;
    while (n > gap) {                           /* what came behind the gap goes to the end */
        unsigned char byte = out[--n];
        out[n] = 0;
        out[--to] = byte;
    }
    return 0;
}

/* "[v6]:port" or "[v6%scope]:port". */
static int exec__parse_inet6(const char *text, const char *end, exec__address *out) {
    const char *zone = text;
    while (zone < end && *zone != '%') zone++;
    if (zone < end && exec__parse_all(zone + 1, end, UINT32_MAX, &out->v6.sin6_scope_id) < 0) return -EINVAL;
    out->size = sizeof out->v6;
    out->v6.sin6_family = AF_INET6;
    return exec__parse_v6(text, zone, out->v6.sin6_addr.s6_addr);
}

/* "host:port" or "[v6]:port", numeric. */
static int exec__parse_inet(const char *text, exec__address *out) {
    const char *colon = NULL, *end = text;
    uint32_t port;
    for (; *end; end++) if (*end == ':') colon = end;
    if (!colon || exec__parse_all(colon + 1, end, 65535, &port) < 0) return -EINVAL;
    if (*text == '[') {
        out->v6.sin6_port = htons((uint16_t)port);
        return colon[-1] == ']' ? exec__parse_inet6(text + 1, colon - 1, out) : -EINVAL;
    }
    out->size = sizeof out->v4;
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    return exec__parse_v4(text, colon, (unsigned char *)&out->v4.sin_addr);
}

/* An abstract name has a zero byte for the '@' and none at its end; without any name the kernel finds one. */
static int exec__parse_unix(const char *path, exec__address *out) {
    int abstract = path[0] == '@';
    size_t n = 0;
    if (!path[0]) return -EINVAL;
    if (abstract && EXEC_POSIX_ONLY) return -ENOSYS;
    for (; path[n]; n++) {
        if (n + !abstract >= sizeof out->local.sun_path) return -ENAMETOOLONG;
        out->local.sun_path[n] = path[n];
    }
    out->local.sun_family = AF_UNIX;
    if (abstract) out->local.sun_path[0] = 0;
    if (abstract && n == 1) n = 0;
    out->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
    return 0;
}

static EXEC__COLD int exec__address_parse(const char *text, exec__address *out) {
    memset(out, 0, sizeof *out);
    if (!text) return -EINVAL;
    for (const char *p = "unix:", *t = text; *t == *p; t++)
        if (!*++p) return exec__parse_unix(t + 1, out);
    return exec__parse_inet(text, out);
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
static void exec__put_v6(exec__text *t, const unsigned char *a, uint32_t scope) {
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
    if (scope) {
        exec__put(t, "%");
        exec__put_number(t, scope);
    }
    exec__put(t, "]");
}

/* A path may fill its array to the end without a zero byte. */
static void exec__put_path(exec__text *t, const exec__address *a) {
    char path[sizeof a->local.sun_path + 1];
    size_t before = offsetof(struct sockaddr_un, sun_path), n = a->size > before ? a->size - before : 0;
    if (n >= sizeof path) n = sizeof path - 1;
    memcpy(path, a->local.sun_path, n);
    path[n] = 0;
    for (size_t i = 0; i < n && !a->local.sun_path[0]; i++)
        if (!path[i]) path[i] = '@';
    exec__put(t, "unix:");
    exec__put(t, path);
}

static EXEC__COLD int exec__address_text(const exec__address *a, char *text, size_t size) {
    exec__text t = { 0, "" };
    int family = a->size ? a->any.sa_family : AF_UNIX;
    if (family == AF_INET) exec__put_v4(&t, (const unsigned char *)&a->v4.sin_addr);
    else if (family == AF_INET6) exec__put_v6(&t, a->v6.sin6_addr.s6_addr, a->v6.sin6_scope_id);
    else if (family == AF_UNIX) exec__put_path(&t, a);
    else return -EAFNOSUPPORT;
    if (family != AF_UNIX) {
        exec__put(&t, ":");
        exec__put_number(&t, ntohs(family == AF_INET ? a->v4.sin_port : a->v6.sin6_port));
    }
    if (t.n >= size) return -ENOSPC;
    memcpy(text, t.s, t.n + 1);
    return 0;
}

EXEC_API int exec_address_parse(exec_address *a, const char *text) {
    exec__address parsed;
    int status = exec__address_parse(text, &parsed);
    if (status < 0) return status;
    a->size = parsed.size;
    memcpy(a->bytes, parsed.bytes, sizeof a->bytes);
    return 0;
}

EXEC_API int exec_address_text(const exec_address *a, char *text, size_t size) {
    exec__address copy;
    copy.size = a->size;
    memcpy(copy.bytes, a->bytes, sizeof copy.bytes);
    return exec__address_text(&copy, text, size);
}

/* The address of a socket, of its peer. */
static int exec__socket_name(int fd, int peer, exec__address *a) {
    memset(a, 0, sizeof *a);
    a->size = sizeof a->bytes;
    return (peer ? EXEC_SYS_GETPEERNAME(fd, &a->any, &a->size) : EXEC_SYS_GETSOCKNAME(fd, &a->any, &a->size)) < 0
        ? -errno : 0;
}

EXEC_API int exec_local_address(int fd, char *text, size_t size) {
    exec__address a;
    int status = exec__socket_name(fd, 0, &a);
    return status < 0 ? status : exec__address_text(&a, text, size);
}

EXEC_API int exec_peer_address(int fd, char *text, size_t size) {
    exec__address a;
    int status = exec__socket_name(fd, 1, &a);
    return status < 0 ? status : exec__address_text(&a, text, size);
}

/* ----------------------------------------------------------------------------------------- options */

/* What a system does not name is no option of its sockets: -ENOPROTOOPT. */
#ifdef SO_REUSEPORT
#define EXEC__REUSEPORT SO_REUSEPORT
#else
#define EXEC__REUSEPORT (-1)
#endif
#ifdef TCP_KEEPIDLE
#define EXEC__KEEPALIVE(name) TCP_KEEP##name
#else
#define EXEC__KEEPALIVE(name) (-1)
#endif
#ifdef IP_TTL
#define EXEC__IP(name) IP_##name
#define EXEC__IPV6(name) IPV6_##name
#else
#define EXEC__IP(name) (-1)
#define EXEC__IPV6(name) (-1)
#endif

/* What a member of exec_socket_opts sets if it is not zero: itself, or this value, or as one of these says. */
enum { EXEC__GIVEN, EXEC__A_QUARTER = -1, EXEC__IS_POSITIVE = -2, EXEC__GIVEN_V4 = -3, EXEC__GIVEN_V6 = -4 };
typedef struct exec__setting { uint16_t at, level; int16_t option, value; } exec__setting;
#define EXEC__SETTING(member, level, option, value) { offsetof(exec_socket_opts, member), level, option, value }

static const exec__setting exec__settings[] = {
    EXEC__SETTING(reuse_port, SOL_SOCKET, EXEC__REUSEPORT, 1),
    EXEC__SETTING(keepalive_s, SOL_SOCKET, SO_KEEPALIVE, 1),
    EXEC__SETTING(keepalive_s, IPPROTO_TCP, EXEC__KEEPALIVE(IDLE), EXEC__GIVEN),
    EXEC__SETTING(keepalive_s, IPPROTO_TCP, EXEC__KEEPALIVE(INTVL), EXEC__A_QUARTER),
    EXEC__SETTING(keepalive_s, IPPROTO_TCP, EXEC__KEEPALIVE(CNT), 4),
    EXEC__SETTING(receive_bytes, SOL_SOCKET, SO_RCVBUF, EXEC__GIVEN),
    EXEC__SETTING(send_bytes, SOL_SOCKET, SO_SNDBUF, EXEC__GIVEN),
    EXEC__SETTING(v6_only, IPPROTO_IPV6, IPV6_V6ONLY, EXEC__IS_POSITIVE),
    EXEC__SETTING(broadcast, SOL_SOCKET, SO_BROADCAST, 1),
    EXEC__SETTING(ttl, IPPROTO_IP, EXEC__IP(TTL), EXEC__GIVEN_V4),
    EXEC__SETTING(ttl, IPPROTO_IPV6, EXEC__IPV6(UNICAST_HOPS), EXEC__GIVEN_V6),
    EXEC__SETTING(tos, IPPROTO_IP, EXEC__IP(TOS), EXEC__GIVEN_V4),
    EXEC__SETTING(tos, IPPROTO_IPV6, EXEC__IPV6(TCLASS), EXEC__GIVEN_V6) };

static int exec__option(int fd, int level, int option, int value) {
    return exec__checked(EXEC_SYS_SETSOCKOPT(fd, level, option, &value, sizeof value));
}

static int exec__linger(int fd) {
    struct linger none;
    none.l_onoff = 1;
    none.l_linger = 0;
    return exec__checked(EXEC_SYS_SETSOCKOPT(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none));
}

static int exec__setting_apply(int fd, int family, const exec__setting *row, const exec_socket_opts *o) {
    int given, value = row->value;
    memcpy(&given, (const char *)o + row->at, sizeof given);
    if (!given || value == (family == AF_INET6 ? EXEC__GIVEN_V4 : EXEC__GIVEN_V6)) return 0;
    if (value == EXEC__A_QUARTER) value = given < 8 ? 1 : given / 4;
    else if (value == EXEC__IS_POSITIVE) value = given > 0;
    else if (value <= 0) value = given;
    return exec__option(fd, row->level, row->option, value);
}

/* The options that a socket of this family and type may have at any time. */
static EXEC__COLD int exec__socket_apply(int fd, int family, int type, const exec_socket_opts *opts) {
    int tcp = type == SOCK_STREAM && (family == AF_INET6 || family == AF_INET);
    int status = tcp ? exec__option(fd, IPPROTO_TCP, TCP_NODELAY, !opts || !opts->nagle) : 0;
    if (!opts) return status;
    for (size_t i = 0; i < sizeof exec__settings / sizeof *exec__settings && status == 0; i++)
        status = exec__setting_apply(fd, family, &exec__settings[i], opts);
    return status == 0 && opts->reset_on_close ? exec__linger(fd) : status;
}

EXEC_API int exec_socket_set(int fd, const exec_socket_opts *opts) {
    exec__address a;
    int type = exec__socket_option(fd, SO_TYPE), status = exec__socket_name(fd, 0, &a);
    if (type < 0) return type;
    return status < 0 ? status : exec__socket_apply(fd, a.any.sa_family, type, opts);
}

/* ------------------------------------------------------------------------------------- connections */

/* Nonblocking and close-on-exec. The descriptor, or -1 and errno. */
#if EXEC_POSIX_ONLY
static int exec__own_or_close(int fd) {
    int status = fd < 0 ? 0 : exec__own_fd(fd);
    if (status == 0) return fd;
    EXEC_SYS_CLOSE(fd);
    errno = -status;
    return -1;
}

static int exec__socket(int family, int type) { return exec__own_or_close(EXEC_SYS_SOCKET(family, type, 0)); }
static int exec__accept(int listener) { return exec__own_or_close(EXEC_SYS_ACCEPT(listener, NULL, NULL)); }
#else
static EXEC__MAYBE_UNUSED int exec__accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
#ifdef SYS_accept4
    return (int)syscall(SYS_accept4, fd, address, size, flags);
#else
    return accept4(fd, address, size, flags);   /* where it is reached through socketcall(2) only */
#endif
}

static int exec__socket(int family, int type) {
    return EXEC_SYS_SOCKET(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int exec__accept(int listener) {
    return EXEC_SYS_ACCEPT4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
#endif

/* A socket for this address. */
static int exec__socket_make(exec_net *net, const exec__address *a, int type) {
    int fd = exec__checked(exec__socket(a->any.sa_family, type));
    if (fd < 0) return fd;
    exec__slot_new(net, fd, type == SOCK_STREAM && a->any.sa_family != AF_UNIX ? EXEC__FD_TCP : EXEC__FD_SOCKET);
    return fd;
}

/* Whether what stands in the way is a socket file that nobody is bound to. A datagram socket finds out whatever
   is bound there: a stream is of the wrong type, also before it listens, and no connection is made to it. */
static int exec__path_is_stale(const exec__address *a) {
    struct stat st;
    int fd, stale;
    if (a->any.sa_family != AF_UNIX || !a->local.sun_path[0]) return 0;
    if (EXEC_SYS_LSTAT(a->local.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode)) return 0;
    fd = exec__socket(AF_UNIX, SOCK_DGRAM);
    if (fd < 0) return 0;
    stale = EXEC_SYS_CONNECT(fd, &a->any, a->size) < 0 && errno == ECONNREFUSED;
    EXEC_SYS_CLOSE(fd);
    return stale;
}

static int exec__bind(int fd, const exec__address *a, const exec_socket_opts *opts) {
    int status = exec__checked(EXEC_SYS_BIND(fd, &a->any, a->size));
    if (status != -EADDRINUSE || !opts || !opts->unlink_path) return status;
    if (!exec__path_is_stale(a)) return -EADDRINUSE;
    if (EXEC_SYS_UNLINK(a->local.sun_path) < 0) return -errno;
    return exec__checked(EXEC_SYS_BIND(fd, &a->any, a->size));
}

static int exec__listen_on(int fd, const exec__address *a, const exec_socket_opts *opts) {
    int status = opts && opts->no_reuse_address ? 0 : exec__option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (status < 0 || (status = exec__socket_apply(fd, a->any.sa_family, SOCK_STREAM, opts)) < 0) return status;
    if ((status = exec__bind(fd, a, opts)) < 0) return status;
    return exec__checked(EXEC_SYS_LISTEN(fd, opts && opts->backlog ? opts->backlog : 4096));
}

EXEC_API int exec_listen(exec *ex, const char *address, const exec_socket_opts *opts) {
    exec_net *net = exec__net(ex);
    exec__address a;
    exec_fd_slot *s;
    int fd, status = exec__address_parse(address, &a);
    if (status < 0) return status;
    if ((fd = exec__socket_make(net, &a, SOCK_STREAM)) < 0) return fd;
    if ((status = exec__listen_on(fd, &a, opts)) < 0) {
        exec_close_fd(ex, fd);
        return status;
    }
    if ((s = exec__slot(net, fd)) != NULL) s->state |= EXEC__FD_NODELAY;
    return fd;
}

EXEC_API int exec_shutdown_write(int fd) { return exec__checked(EXEC_SYS_SHUTDOWN(fd, SHUT_WR)); }

#if EXEC_POSIX_ONLY
static int exec__socket_pair(int type, int made[2]) {
    return EXEC_SYS_SOCKETPAIR(AF_UNIX, type, 0, made) < 0 ? -errno : exec__own_pair(made);
}
#else
static int exec__socket_pair(int type, int made[2]) {
    return exec__checked(EXEC_SYS_SOCKETPAIR(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, made));
}

static EXEC__MAYBE_UNUSED int exec__pipe2(int made[2], int flags) {    /* libc's wants _GNU_SOURCE */
    return (int)syscall(SYS_pipe2, made, (long)flags);
}

static int exec__pipe(int made[2]) { return exec__checked(EXEC_SYS_PIPE2(made, O_NONBLOCK | O_CLOEXEC)); }
#endif

static int exec__pair_new(exec *ex, int status, const int made[2], int ends[2], unsigned kind) {
    for (int i = 0; i < 2 && status == 0; i++) {
        ends[i] = made[i];
        exec__slot_new(exec__net(ex), ends[i], kind);
    }
    return status;
}

EXEC_API int exec_socket_pair(exec *ex, int ends[2], int datagrams) {
    int made[2] = { -1, -1 }, status = exec__socket_pair(datagrams ? SOCK_DGRAM : SOCK_STREAM, made);
    return exec__pair_new(ex, status, made, ends, EXEC__FD_SOCKET);
}

EXEC_API int exec_pipe(exec *ex, int ends[2]) {
    int made[2] = { -1, -1 }, status = exec__pipe(made);
    return exec__pair_new(ex, status, made, ends, EXEC__FD_PIPE);
}

static void exec__nodelay(int fd) { (void)exec__option(fd, IPPROTO_TCP, TCP_NODELAY, 1); }

/* accept failed. 0: of one connection, try again; 1: nothing is left, pause; or the error. What may
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
    if (!net->paused) net->pause_until = exec__after(exec_now(cx->exec), EXEC_MS(100));
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
        s = &net->fds.slots[io->waiter.fd];
        fd = exec__accept(io->waiter.fd);
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
    int fd, status = exec__address_parse(io->buf.address, &a);
    if (status < 0) return status;
    if ((fd = exec__socket_make(net, &a, SOCK_STREAM)) < 0) return fd;
    io->waiter.fd = fd;
    io->len = (size_t)fd;
    io->waiter.flags |= EXEC__IO_BEGUN;
    if ((status = exec__slot_get(net, fd)) < 0) return status;
    if ((status = exec__socket_apply(fd, a.any.sa_family, SOCK_STREAM, io->opts)) < 0) return status;
    if (EXEC_SYS_CONNECT(fd, &a.any, a.size) == 0) return 0;
    if (errno != EINPROGRESS && errno != EINTR) return -errno;
    net->fds.slots[fd].state &= (uint8_t)~EXEC_WRITABLE;
    return -EINPROGRESS;
}

static exec_poll exec__connect_poll(exec_cx *cx, exec_future *f) {
    exec_io *io = (exec_io *)(void *)f;
    exec_net *net = exec__net(cx->exec);
    int status = -EINPROGRESS;
    if (!(io->waiter.flags & EXEC__IO_BEGUN) && !exec_canceled(f)) {
        if (!exec_spend(cx)) return exec_pending(cx, f);        /* it may be over at once */
        status = exec__connect_begin(net, io);
    }
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

/* --------------------------------------------------------------------------------------- datagrams */

static int exec__datagram_on(int fd, const exec__address *local, const exec__address *remote,
                             const exec_socket_opts *opts) {
    int family = (local ? local : remote)->any.sa_family;
    int status = exec__socket_apply(fd, family, SOCK_DGRAM, opts);
    if (status == 0 && local) status = exec__bind(fd, local, opts);
    if (status < 0 || !remote) return status;
    status = exec__checked(EXEC_SYS_CONNECT(fd, &remote->any, remote->size));
    if (status < 0 && local && family == AF_UNIX && local->local.sun_path[0]) EXEC_SYS_UNLINK(local->local.sun_path);
    return status;
}

EXEC_API int exec_datagram(exec *ex, const char *local, const char *remote, const exec_socket_opts *opts) {
    exec__address here, there;
    const exec__address *from = local ? &here : NULL, *to = remote ? &there : NULL;
    int fd, status;
    if (!local && !remote) return -EINVAL;
    if (local && (status = exec__address_parse(local, &here)) < 0) return status;
    if (remote && (status = exec__address_parse(remote, &there)) < 0) return status;
    if (from && to && from->any.sa_family != to->any.sa_family) return -EINVAL;
    if ((fd = exec__socket_make(exec__net(ex), from ? from : to, SOCK_DGRAM)) < 0) return fd;
    status = exec__datagram_on(fd, from, to, opts);
    if (status == 0) return fd;
    exec_close_fd(ex, fd);
    return status;
}

/* ---------------------------------------------------------------------------------------- messages */

#if EXEC_POSIX_ONLY || !defined MSG_CMSG_CLOEXEC
#define EXEC__CMSG_CLOEXEC 0
#else
#define EXEC__CMSG_CLOEXEC MSG_CMSG_CLOEXEC
#endif

static int exec__is_to_unix(const struct msghdr *message) {
    sa_family_t family = AF_UNSPEC;
    size_t before = offsetof(struct sockaddr, sa_family);
    if (!message->msg_name || message->msg_namelen < before + sizeof family) return 0;
    memcpy(&family, (const unsigned char *)message->msg_name + before, sizeof family);
    return family == AF_UNIX;
}

/* A queue that is full is no state of this socket, so no event would tell when it is not. */
static ssize_t exec__message_call(const exec_io *io, struct msghdr *message, int flags) {
    ssize_t n;
    if (io->waiter.interest == EXEC_READABLE) return EXEC_SYS_RECVMSG(io->waiter.fd, message, flags);
    n = EXEC_SYS_SENDMSG(io->waiter.fd, message, flags);
    if (n < 0 && errno == EAGAIN && exec__is_to_unix(message)) errno = ENOBUFS;
    return n;
}

/* The data of an op as a message. 0, or -1 and errno. */
static int exec__message_init(struct msghdr *message, struct iovec *part, const exec_fd_slot *s, const exec_io *io) {
    (void)s;
    memset(message, 0, sizeof *message);
    part->iov_base = io->buf.to;
    part->iov_len = io->len;
    message->msg_iov = part;
    message->msg_iovlen = 1;
#if EXEC_POSIX_ONLY
    return exec__send_most(s, io, &part->iov_len);
#else
    return 0;
#endif
}

/* A descriptor that came by a message: what is known of its number is of an older one. */
static void exec__fd_came(exec_net *net, int fd) {
    exec_fd_slot *s = exec__slot(net, fd);
    if (s) exec__slot_reset(net, s, EXEC__FD_UNKNOWN);
    if (!EXEC__CMSG_CLOEXEC) EXEC_SYS_FCNTL(fd, F_SETFD, FD_CLOEXEC);
}

#ifdef __linux__
#define EXEC__SCM_PIDFD 4       /* of SO_PASSPIDFD, which older headers do not know */
#else
#define EXEC__SCM_PIDFD (-1)
#endif

/* Kept up to `room`, the others closed; or (op NULL) left in the message, which is the caller's. */
static void exec__fds_came(exec_net *net, const unsigned char *fds, size_t bytes, exec_fds_op *op, unsigned room) {
    for (; bytes >= sizeof(int); bytes -= sizeof(int), fds += sizeof(int)) {
        int fd;
        memcpy(&fd, fds, sizeof fd);
        exec__fd_came(net, fd);
        if (op && op->fd_count < room) op->fds.to[op->fd_count++] = fd;
        else if (op) EXEC_SYS_CLOSE(fd);
    }
}

/* The descriptors of a message. (CMSG_NXTHDR of musl has a conversion that is a warning.) */
static void exec__message_fds(exec_net *net, const struct msghdr *message, exec_fds_op *op) {
    size_t at = 0, bytes;
    while (at + CMSG_LEN(0) <= message->msg_controllen) {
        struct cmsghdr *c = (struct cmsghdr *)(void *)((unsigned char *)message->msg_control + at);
        if (c->cmsg_len < CMSG_LEN(0)) return;
        bytes = c->cmsg_len - CMSG_LEN(0);
        if (c->cmsg_level == SOL_SOCKET && (c->cmsg_type == SCM_RIGHTS || c->cmsg_type == EXEC__SCM_PIDFD))
            exec__fds_came(net, CMSG_DATA(c), bytes, op, op && c->cmsg_type == SCM_RIGHTS ? op->room : 0);
        at += CMSG_SPACE(bytes);
    }
}

static intptr_t exec__message_try(exec_net *net, exec_io *io) {
    struct msghdr *message = (struct msghdr *)io->buf.to;
    ssize_t n = exec__message_call(io, message, io->fut.resume);
    if (n >= 0 && io->waiter.interest == EXEC_READABLE) exec__message_fds(net, message, NULL);
    return exec__io_moved(&net->fds.slots[io->waiter.fd], io, 0, n);
}

static exec_poll exec__message_poll(exec_cx *cx, exec_future *f) { return exec__transfer(cx, f, exec__message_try); }

static intptr_t exec__datagram_try(exec_net *net, exec_io *io) {
    exec_datagram_op *op = (exec_datagram_op *)(void *)io;
    exec_fd_slot *s = &net->fds.slots[io->waiter.fd];
    int receives = io->waiter.interest == EXEC_READABLE;
    struct msghdr message;
    struct iovec part;
    ssize_t n;
    if (exec__message_init(&message, &part, s, io) < 0) return exec__io_moved(s, io, io->len, -1);
    if (receives || op->address.size) {
        message.msg_name = op->address.bytes;
        message.msg_namelen = receives ? (socklen_t)sizeof op->address.bytes : op->address.size;
    }
    n = exec__message_call(io, &message, EXEC__DONTWAIT | MSG_NOSIGNAL);
    if (receives && n >= 0) {
        op->address.size = message.msg_namelen;         /* it counts a zero behind a path that has no room for one */
        if (op->address.size > sizeof(struct sockaddr_un)) op->address.size = sizeof(struct sockaddr_un);
        op->truncated = (message.msg_flags & MSG_TRUNC) != 0;
    }
    return exec__io_moved(s, io, io->len, n);
}

static exec_poll exec__datagram_poll(exec_cx *cx, exec_future *f) {
    return exec__transfer(cx, f, exec__datagram_try);
}

/* Exactly so long that the kernel makes no descriptor that there is no room for. */
static intptr_t exec__fds_try(exec_net *net, exec_io *io) {
    exec_fds_op *op = (exec_fds_op *)(void *)io;
    exec_fd_slot *s = &net->fds.slots[io->waiter.fd];
    int receives = io->waiter.interest == EXEC_READABLE;
    union { struct cmsghdr first; unsigned char bytes[CMSG_SPACE(EXEC_FDS_MAX * sizeof(int))]; } control;
    struct msghdr message;
    struct iovec part;
    ssize_t n;
    if (exec__message_init(&message, &part, s, io) < 0) return exec__io_moved(s, io, io->len, -1);
    memset(&control, 0, sizeof control);
    if (op->room) {
        message.msg_control = &control;
        message.msg_controllen = (uint16_t)CMSG_LEN(op->room * sizeof(int));
    }
    if (!receives && op->room) {
        control.first.cmsg_level = SOL_SOCKET;
        control.first.cmsg_type = SCM_RIGHTS;
        control.first.cmsg_len = (uint16_t)CMSG_LEN(op->room * sizeof(int));
        memcpy(CMSG_DATA(&control.first), op->fds.from, op->room * sizeof(int));
    }
    n = exec__message_call(io, &message, EXEC__DONTWAIT | MSG_NOSIGNAL | (receives ? EXEC__CMSG_CLOEXEC : 0));
    if (receives && n >= 0) {
        exec__message_fds(net, &message, op);
        op->truncated = (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
    }
    return exec__io_moved(s, io, io->len, n);
}

static exec_poll exec__fds_poll(exec_cx *cx, exec_future *f) {
    const exec_fds_op *op = (const exec_fds_op *)(void *)f;
    if (op->room > EXEC_FDS_MAX || (op->room && !op->io.len && op->io.waiter.interest == EXEC_WRITABLE))
        return exec_ready(f, -EINVAL);
    return exec__transfer(cx, f, exec__fds_try);
}

/* --------------------------------------------------------------------------------- vectors and files */

enum { EXEC__PARTS = 16, EXEC__PARTS_MAX = 1024 };

/* What the op has left to do, up to `most` bytes, as parts. Their number and, in *len, their bytes. */
static uint16_t exec__vector_rest(const exec_io *io, struct iovec *parts, size_t most, size_t *len) {
    const struct iovec *v = io->buf.vector, *end = v + io->fut.resume;
    size_t skip = io->done;
    uint16_t count = 0;
    *len = 0;
    for (; v < end && count < EXEC__PARTS && *len < most; v++) {
        size_t n = v->iov_len;
        if (skip >= n) {
            skip -= n;
            continue;
        }
        n -= skip;
        if (n > most - *len) n = most - *len;
        parts[count].iov_base = (char *)v->iov_base + skip;
        parts[count++].iov_len = n;
        *len += n;
        skip = 0;
    }
    return count;
}

static EXEC__COLD ssize_t exec__vector_file(const exec_io *io, const struct iovec *parts, int count, size_t len) {
    exec__quiet quiet;
    if (io->waiter.interest == EXEC_READABLE) return EXEC_SYS_READV(io->waiter.fd, parts, count);
    if (exec__quiet_begin(&quiet) < 0) return -1;
    return exec__quiet_end(&quiet, EXEC_SYS_WRITEV(io->waiter.fd, parts, count), len);
}

/* The caller's vector where one call is all. A blocking descriptor takes a page at a time. */
static intptr_t exec__vector_try(exec_net *net, exec_io *io) {
    exec_fd_slot *s = &net->fds.slots[io->waiter.fd];
    struct iovec rest[EXEC__PARTS];
    struct msghdr message;
    size_t len = io->len, most = SIZE_MAX;
    if (s->kind > EXEC__FD_SOCKET && (s->state & EXEC__FD_BLOCKING) && io->waiter.interest == EXEC_WRITABLE)
        most = EXEC__PAGE;
#if EXEC_POSIX_ONLY
    if (s->kind <= EXEC__FD_SOCKET && exec__send_most(s, io, &most) < 0) return exec__io_moved(s, io, len, -1);
#endif
    memset(&message, 0, sizeof message);
    message.msg_iov = (struct iovec *)io->buf.to;
    message.msg_iovlen = (uint16_t)io->fut.resume;
    if (most < SIZE_MAX || (io->waiter.flags & EXEC__IO_ALL)) {
        message.msg_iov = rest;
        message.msg_iovlen = exec__vector_rest(io, rest, most, &len);
    }
    if (s->kind > EXEC__FD_SOCKET)
        return exec__io_moved(s, io, len, exec__vector_file(io, message.msg_iov, (int)message.msg_iovlen, len));
    return exec__io_moved(s, io, len, exec__message_call(io, &message, EXEC__DONTWAIT | MSG_NOSIGNAL));
}

static exec_poll exec__vector_poll(exec_cx *cx, exec_future *f) { return exec__transfer(cx, f, exec__vector_try); }

#if !EXEC_POSIX_ONLY
/* 64-bit offsets also where off_t is not, unless a missing _GNU_SOURCE hides the calls. */
#if defined __GLIBC__ && defined __USE_LARGEFILE64
typedef off64_t exec__offset;
#define exec__sendfile_libc sendfile64
#define exec__pread_libc pread64
#else
typedef off_t exec__offset;
#define exec__sendfile_libc sendfile
#define exec__pread_libc pread
#endif

static int exec__offset_fits(int64_t offset) {
    if ((exec__offset)offset == offset) return 1;
    errno = EOVERFLOW;
    return 0;
}

static EXEC__MAYBE_UNUSED ssize_t exec__sendfile(int out, int in, int64_t *offset, size_t len) {
    exec__offset at = (exec__offset)*offset;
    return exec__offset_fits(*offset) ? exec__sendfile_libc(out, in, &at, len) : -1;
}

static EXEC__MAYBE_UNUSED ssize_t exec__pread(int fd, void *buf, size_t len, int64_t offset) {
    return exec__offset_fits(offset) ? exec__pread_libc(fd, buf, len, (exec__offset)offset) : -1;
}

/* To a foreign socket that blocks: sendfile(2) knows no MSG_DONTWAIT. */
static EXEC__COLD ssize_t exec__sendfile_copy(const exec_sendfile_op *op, int64_t at, size_t len) {
    char buf[EXEC__PAGE];
    ssize_t n = EXEC_SYS_PREAD(op->in, buf, len < sizeof buf ? len : sizeof buf, at);
    return n <= 0 ? n : EXEC_SYS_SEND(op->io.waiter.fd, buf, (size_t)n, EXEC__DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t exec__sendfile_call(const exec_fd_slot *s, exec_sendfile_op *op, size_t len) {
    exec_waiter *w = &op->io.waiter;
    int64_t at = op->offset + (int64_t)op->io.done;
    exec__quiet quiet;
    if (!(w->flags & EXEC__IO_BEGUN)) {
        w->flags |= EXEC__IO_BEGUN;
        if (s->kind <= EXEC__FD_SOCKET && !(EXEC_SYS_FCNTL(w->fd, F_GETFL, 0) & O_NONBLOCK)) w->flags |= EXEC__IO_COPY;
    }
    if (w->flags & EXEC__IO_COPY) return exec__sendfile_copy(op, at, len);
    if (exec__quiet_begin(&quiet) < 0) return -1;
    return exec__quiet_end(&quiet, EXEC_SYS_SENDFILE(w->fd, op->in, &at, len), len);
}

/* A blocking pipe is told to have room for one page. Others get so much at a time that a file which is
   taken as fast as it is read yields after some milliseconds. */
static intptr_t exec__sendfile_try(exec_net *net, exec_io *io) {
    exec_sendfile_op *op = (exec_sendfile_op *)(void *)io;
    exec_fd_slot *s = &net->fds.slots[io->waiter.fd];
    size_t len = io->len - io->done, most = 1 << 17;
    ssize_t n;
    if (s->state & EXEC__FD_BLOCKING) most = EXEC__PAGE - (size_t)((uint64_t)op->offset + io->done) % EXEC__PAGE;
    n = exec__sendfile_call(s, op, len < most ? len : most);
    if (n == 0) io->len = io->done;             /* the end of the file */
    return exec__io_moved(s, io, len, n);
}

static exec_poll exec__sendfile_poll(exec_cx *cx, exec_future *f) {
    return exec__transfer(cx, f, exec__sendfile_try);
}
#else
static exec_poll exec__sendfile_poll(exec_cx *cx, exec_future *f) {
    (void)cx;
    return exec_ready(f, -ENOSYS);
}
#endif

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

static const exec_type exec__read_type = EXEC__TYPE(exec__read_poll, exec__io_describe, NULL, "read");
/* recv with flags: a short read may not end readiness, so it has no fast path. */
static const exec_type exec__recv_type = EXEC__TYPE(exec__transfer_poll, exec__io_describe, NULL, "read");
static const exec_type exec__write_type = EXEC__TYPE(exec__write_poll, exec__io_describe, NULL, "write");
static const exec_type exec__accept_type = EXEC__TYPE(exec__accept_poll, exec__io_describe, NULL, "accept");
static const exec_type exec__connect_type = EXEC__TYPE(exec__connect_poll, exec__io_describe, NULL, "connect");
static const exec_type exec__readable_type = EXEC__TYPE(exec__readiness_poll, exec__io_describe, NULL, "readable");
static const exec_type exec__writable_type = EXEC__TYPE(exec__readiness_poll, exec__io_describe, NULL, "writable");

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
    io->fut.resume = msg | EXEC__DONTWAIT;
    io->buf.to = buf;
    io->len = len;
    return &io->fut;
}

static exec_future *exec__write_init(exec_io *io, int fd, const void *buf, size_t len, unsigned flags,
                                     int msg) {
    exec__io_init(io, &exec__write_type, fd, EXEC_WRITABLE, flags);
    io->fut.resume = msg | EXEC__DONTWAIT | MSG_NOSIGNAL;
    io->buf.from = buf;
    io->len = len;
    return &io->fut;
}

/* Nothing is left to do: it is ready without a poll. */
static exec_future *exec__all_init(exec_io *io) {
    if (EXEC__UNLIKELY(io->done == io->len)) exec_ready(&io->fut, (intptr_t)io->len);
    return &io->fut;
}

EXEC_API exec_future *exec_read(exec_io *io, int fd, void *buf, size_t len) {
    exec__read_init(io, fd, buf, len, EXEC__FD_SHORT, 0);
    return exec__all_init(io);
}

EXEC_API exec_future *exec_write(exec_io *io, int fd, const void *buf, size_t len) {
    return exec__write_init(io, fd, buf, len, 0, 0);
}

EXEC_API exec_future *exec_read_exact(exec_io *io, int fd, void *buf, size_t len) {
    exec__read_init(io, fd, buf, len, (int)EXEC__IO_ALL | (int)EXEC__FD_SHORT, 0);
    return exec__all_init(io);
}

EXEC_API exec_future *exec_write_all(exec_io *io, int fd, const void *buf, size_t len) {
    exec__write_init(io, fd, buf, len, EXEC__IO_ALL, 0);
    return exec__all_init(io);
}

EXEC_API exec_future *exec_recv(exec_io *io, int fd, void *buf, size_t len, int flags) {
    if (!flags) return exec__read_init(io, fd, buf, len, (int)EXEC__IO_MSG | (int)EXEC__FD_SHORT, 0);
    exec__read_init(io, fd, buf, len, flags & MSG_OOB ? EXEC__IO_MSG | EXEC__IO_URGENT : EXEC__IO_MSG, flags);
    io->fut.type = &exec__recv_type;
    return &io->fut;
}

EXEC_API exec_future *exec_send(exec_io *io, int fd, const void *buf, size_t len, int flags) {
    return exec__write_init(io, fd, buf, len, EXEC__IO_MSG, flags);
}

EXEC_API exec_future *exec_resume(exec_io *io) {
    int32_t msg = io->fut.resume;
    EXEC_ASSERT(io->waiter.flags & EXEC__IO_ALL || !io->done, "exec_resume: it is done, begin anew");
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
    exec__io_init(io, &exec__connect_type, -1, EXEC_WRITABLE, 0);
    io->buf.address = address;
    io->opts = opts;
    return &io->fut;
}

static const exec_type exec__recvmsg_type = EXEC__TYPE(exec__message_poll, exec__io_describe, NULL, "recvmsg");
static const exec_type exec__sendmsg_type = EXEC__TYPE(exec__message_poll, exec__io_describe, NULL, "sendmsg");
static const exec_type exec__recv_from_type = EXEC__TYPE(exec__datagram_poll, exec__io_describe, NULL, "recv_from");
static const exec_type exec__send_to_type = EXEC__TYPE(exec__datagram_poll, exec__io_describe, NULL, "send_to");
static const exec_type exec__recv_fds_type = EXEC__TYPE(exec__fds_poll, exec__io_describe, NULL, "recv_fds");
static const exec_type exec__send_fds_type = EXEC__TYPE(exec__fds_poll, exec__io_describe, NULL, "send_fds");
static const exec_type exec__readv_type = EXEC__TYPE(exec__vector_poll, exec__io_describe, NULL, "readv");
static const exec_type exec__writev_type = EXEC__TYPE(exec__vector_poll, exec__io_describe, NULL, "writev");

EXEC_API exec_future *exec_recvmsg(exec_io *io, int fd, struct msghdr *message, int flags) {
    exec__io_init(io, &exec__recvmsg_type, fd, EXEC_READABLE, flags & MSG_OOB ? +EXEC__IO_URGENT : 0);
    io->fut.resume = flags | EXEC__DONTWAIT | EXEC__CMSG_CLOEXEC;
    io->buf.to = message;
    return &io->fut;
}

EXEC_API exec_future *exec_sendmsg(exec_io *io, int fd, const struct msghdr *message, int flags) {
    exec__io_init(io, &exec__sendmsg_type, fd, EXEC_WRITABLE, 0);
    io->fut.resume = flags | EXEC__DONTWAIT | MSG_NOSIGNAL;
    io->buf.from = message;
    return &io->fut;
}

EXEC_API exec_future *exec_recv_from(exec_datagram_op *op, int fd, void *buf, size_t len) {
    exec__io_init(&op->io, &exec__recv_from_type, fd, EXEC_READABLE, 0);
    op->io.buf.to = buf;
    op->io.len = len;
    op->address.size = 0;
    op->truncated = 0;
    return &op->io.fut;
}

EXEC_API exec_future *exec_send_to(exec_datagram_op *op, int fd, const void *buf, size_t len,
                                   const exec_address *to) {
    exec__io_init(&op->io, &exec__send_to_type, fd, EXEC_WRITABLE, 0);
    op->io.buf.from = buf;
    op->io.len = len;
    if (!to) op->address.size = 0;
    else if (to != &op->address) op->address = *to;
    op->truncated = 0;
    return &op->io.fut;
}

EXEC_API exec_future *exec_send_fds(exec_fds_op *op, int fd, const void *buf, size_t len, const int *fds,
                                    unsigned count) {
    exec__io_init(&op->io, &exec__send_fds_type, fd, EXEC_WRITABLE, 0);
    op->io.buf.from = buf;
    op->io.len = len;
    op->fds.from = fds;
    op->room = count;
    op->fd_count = 0;
    op->truncated = 0;
    return &op->io.fut;
}

EXEC_API exec_future *exec_recv_fds(exec_fds_op *op, int fd, void *buf, size_t len, int *fds, unsigned room) {
    exec__io_init(&op->io, &exec__recv_fds_type, fd, EXEC_READABLE, 0);
    op->io.buf.to = buf;
    op->io.len = len;
    op->fds.to = fds;
    op->room = room < EXEC_FDS_MAX ? room : EXEC_FDS_MAX;
    op->fd_count = 0;
    op->truncated = 0;
    return &op->io.fut;
}

/* The bytes of a vector; SIZE_MAX: more than a result can be. */
static size_t exec__vector_bytes(const struct iovec *vector, int count) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) {
        if (vector[i].iov_len > (size_t)INTPTR_MAX - sum) return SIZE_MAX;
        sum += vector[i].iov_len;
    }
    return sum;
}

static exec_future *exec__vector_init(exec_io *io, const exec_type *type, int fd, const struct iovec *vector,
                                      int count, unsigned interest, unsigned flags) {
    exec__io_init(io, type, fd, interest, flags);
    io->fut.resume = count;
    io->buf.vector = vector;
    if (count > EXEC__PARTS_MAX && !(flags & EXEC__IO_ALL)) count = -1;
    io->len = exec__vector_bytes(vector, count);
    if (count < 0 || io->len == SIZE_MAX) exec_ready(&io->fut, -EINVAL);
    else if (interest == EXEC_READABLE || (flags & EXEC__IO_ALL)) exec__all_init(io);
    return &io->fut;
}

EXEC_API exec_future *exec_readv(exec_io *io, int fd, const struct iovec *vector, int count) {
    return exec__vector_init(io, &exec__readv_type, fd, vector, count, EXEC_READABLE, EXEC__FD_SHORT);
}

EXEC_API exec_future *exec_writev(exec_io *io, int fd, const struct iovec *vector, int count) {
    return exec__vector_init(io, &exec__writev_type, fd, vector, count, EXEC_WRITABLE, 0);
}

EXEC_API exec_future *exec_writev_all(exec_io *io, int fd, const struct iovec *vector, int count) {
    return exec__vector_init(io, &exec__writev_type, fd, vector, count, EXEC_WRITABLE, EXEC__IO_ALL);
}

static const exec_type exec__sendfile_type = EXEC__TYPE(exec__sendfile_poll, exec__io_describe, NULL, "sendfile");

EXEC_API exec_future *exec_sendfile(exec_sendfile_op *op, int out, int in, int64_t offset, size_t count) {
    exec__io_init(&op->io, &exec__sendfile_type, out, EXEC_WRITABLE, EXEC_POSIX_ONLY ? 0 : EXEC__IO_ALL);
    op->io.len = count < (size_t)INTPTR_MAX ? count : (size_t)INTPTR_MAX;
    op->offset = offset;
    op->in = in;
    return EXEC_POSIX_ONLY ? &op->io.fut : exec__all_init(&op->io);
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

/* The kernel's own have other things in the place of a sender, but for a child's end. */
static int exec__signal_was_sent(const siginfo_t *info) {
    if (info->si_code > 0) return info->si_signo == SIGCHLD;
    return info->si_code != SI_TIMER && info->si_code != SI_SIGIO;
}

/* 1: it came; 0: not yet; or a negated errno. */
static int exec__signal_take(exec_signals *s, exec_signal_op *op) {
    siginfo_t info;
    sigset_t set;
    int status;
    (void)s;
    exec__signal_set(&set, exec__signal_bit(op->signo));
    while ((status = EXEC_SYS_SIGTIMEDWAIT(&set, &info, &exec__no_time)) < 0 && errno == EINTR) continue;
    if (status < 0) return errno == EAGAIN ? 0 : -errno;
    op->code = info.si_code;
    op->pid = exec__signal_was_sent(&info) ? (int)info.si_pid : 0;
    op->uid = exec__signal_was_sent(&info) ? (uint32_t)info.si_uid : 0;
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
        while (EXEC_SYS_WRITE(s->write, "", 1) < 0 && errno == EINTR) continue;     /* if full, it is readable */
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
    int ends[2], status = exec__pipe(ends);
    if (status < 0) return status;
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
    return exec__checked(EXEC_SYS_SIGACTION(signo, &action, &exec__signal_host.before[signo - 1]));
}

static int exec__signal_restore(int signo) {
    struct sigaction now;
    if (EXEC_SYS_SIGACTION(signo, NULL, &now) < 0) return -errno;
    if (now.sa_handler != exec__signal_caught) return -EBUSY;
    return exec__checked(EXEC_SYS_SIGACTION(signo, &exec__signal_host.before[signo - 1], NULL));
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

/* While others hold it the host gets nothing: what came is theirs too. */
static int exec__signal_give_back(exec_signals *s, int signo) {
    uint16_t *holders = &exec__signal_host.holders[signo - 1];
    int status = 0, last, caught;
    exec__signal_lock();
    last = *holders == 1;
    if (last) status = exec__signal_restore(signo);
    if (status == 0 || status == -EBUSY) --*holders;
    exec__signal_unlock();
    if (status < 0 && status != -EBUSY) return status;
    exec__signal_wait_for_handlers();
    caught = EXEC__LOAD(&s->state[signo - 1]) == EXEC__SIGNAL_CAUGHT;
    EXEC__STORE(&s->state[signo - 1], (uint8_t)EXEC__SIGNAL_FREE);
    if (caught && last) EXEC_SYS_KILL(EXEC_SYS_GETPID(), signo);    /* any thread may take it; raise(3) asks this one */
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

static void exec__signals_close(exec_net *net) {
    exec_signals *s = &net->signals;
    for (int signo = 1; signo <= 64; signo++)
        if (s->held & exec__signal_bit(signo)) exec__signal_give_back(s, signo);
    exec__signals_shut(s);
    memset(s, 0, sizeof *s);
}

#if EXEC_POSIX_ONLY
/* In a child of fork nothing is pending. What a handler caught is the parent's, and its other threads, one of
   which may have been in a handler or had the lock, are not here. */
static void exec__signals_forked(exec_net *net) {
    uint8_t *state = net->signals.state;
    EXEC__STORE(&exec__signal_host.inside, 0u);
    exec__signal_unlock();
    for (int i = 0; i < 64; i++)
        if (EXEC__LOAD(&state[i]) == EXEC__SIGNAL_CAUGHT) EXEC__STORE(&state[i], (uint8_t)EXEC__SIGNAL_HELD);
}
#endif

/* The descriptor, with a slot. */
static int exec__signals_begin(exec_net *net) {
    exec_signals *s = &net->signals;
    int status;
    if (s->close) return 0;
    if ((status = exec__signals_open(s)) < 0) return status;
    exec__slot_new(net, s->fd, EXEC__FD_OTHER);
    status = exec__slot_get(net, s->fd);
    if (status < 0) exec__signals_shut(s);
    else s->close = exec__signals_close;
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

static int exec__signal_link(exec_net *net) {
    exec_signals *s = &net->signals;
    uint64_t awaited = exec__signals_awaited(s);
    int status;
    if ((awaited & ~s->watched) && (status = exec__signals_watch(s, awaited)) < 0) return status;
    return s->waiter.linked ? 0 : exec__link_asked(net, &s->waiter, s->fd, s->first->task);
}

/* Something came: those whose signal it is may try; `self` does at once. What nobody waits for any more
   is not watched any more, since it would be told over and over. */
static void exec__signals_look(exec_net *net, const exec_signal_op *self) {
    exec_signals *s = &net->signals;
    exec_signal_op *op = s->first;
    uint64_t pending, awaited = exec__signals_awaited(s);
    s->waiter.ready = 0;
    if (s->waiter.linked) net->fds.slots[s->fd].state &= (uint8_t)~EXEC_READABLE;
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

static const exec_type exec__signal_type = EXEC__TYPE(exec__signal_poll, exec__signal_describe, NULL, "signal");

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

EXEC_API int exec_child_adopt(exec *ex, exec_child *child, int pid) {
    int fd = exec__child_open(exec__net(ex), pid);
    memset(child, 0, sizeof *child);
    if (fd < 0) return fd;
    child->pid = pid;
    child->fd = fd;
    child->state = EXEC__CHILD_LIVES;
    return 0;
}

#if !EXEC_NO_MALLOC
/* Its descriptors, signals and group: 0 or an errno, as those of posix_spawn(3). */
static int exec__child_attributes(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes,
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

extern char **environ;      /* hidden without _GNU_SOURCE */

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
        error = exec__child_attributes(&files, &attributes, opts);
        if (!error)
            error = EXEC_SYS_POSIX_SPAWNP(&pid, argv[0], &files, &attributes, (char *const *)(const void *)argv, env);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return error ? -error : (int)pid;
}

/* Nobody could wait for it. 0, or its number if it may not be killed and runs on: that may take as long as it likes. */
static EXEC__COLD int exec__child_undo(int pid) {
    int flags = EXEC_SYS_KILL(pid, SIGKILL) < 0 ? WEXITED | WNOHANG : WEXITED, status;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    while ((status = EXEC_SYS_WAITID(P_PID, (id_t)pid, &info, flags)) < 0 && errno == EINTR) continue;
    return status == 0 && !info.si_pid ? pid : 0;
}

EXEC_API int exec_child_start(exec *ex, exec_child *child, const char *const *argv, const exec_child_opts *opts) {
    int status, pid;
    memset(child, 0, sizeof *child);
    if (!argv || !argv[0]) return -EINVAL;
    if ((pid = exec__child_spawn(argv, opts)) < 0) return pid;
    status = exec_child_adopt(ex, child, pid);
    if (status == -ECHILD) {                    /* it is over, and the host has waited for it */
        child->pid = pid;
        child->state = EXEC__CHILD_OVER;
        child->result = -ECHILD;
        return 0;
    }
    if (status < 0) child->pid = exec__child_undo(pid);
    return status;
}
#endif

EXEC_API int exec_child_kill(exec_child *child, int signo) {
    if (child->state != EXEC__CHILD_LIVES) return -ESRCH;
    return exec__checked(EXEC_SYS_PIDFD_SEND_SIGNAL(child->fd, signo));
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
    op->waiter.ready = 0;
    return op->waiter.linked ? 0 : exec__link_asked(net, &op->waiter, op->child->fd, cx->task);
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

static void exec__child_describe(const exec_future *f, char *buf, size_t size) {
    exec__text t = { 0, "" };
    exec__put(&t, "pid ");
    exec__put_number(&t, ((const exec_child_op *)(const void *)f)->child->pid);
    exec__put_into(buf, size, &t);
}

static const exec_type exec__child_type = EXEC__TYPE(exec__child_poll, exec__child_describe, NULL, "child_wait");

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
