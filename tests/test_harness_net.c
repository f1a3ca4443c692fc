/* SPDX-License-Identifier: MIT
 * What waits for descriptors, signals and child processes in the harness (exec_harness.h). No byte is lost
 * or doubled: what an op says it moved and what the kernel still has is what was sent. */
#include "exec_harness.h"
#include "emulated.h"
#include "unix_address.h"
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/un.h>

/* ------------------------------------------------------------------------------------------- pairs */

enum { TCP, UNIX, PIPE, UDP, DATAGRAMS, FOREIGN_PIPE, FOREIGN_UNIX, HIGH_PIPE };
enum { PIECE = 100, PIECES = 3, BYTES = 12000, CHUNK = 4096 };

static unsigned char pattern[BYTES + CHUNK];

static int raw_inet(int type, struct sockaddr_in *at) {
    socklen_t size = sizeof *at;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    memset(at, 0, sizeof *at);
    at->sin_family = AF_INET;
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)(void *)at, size) < 0) abort();
    if (getsockname(fd, (struct sockaddr *)(void *)at, &size) < 0) abort();
    return fd;
}
static void raw_connect(int fd, const struct sockaddr_in *to) {
    if (connect(fd, (const struct sockaddr *)(const void *)to, sizeof *to) < 0) abort();
}
static void raw_pair(int type, int ends[2]) {
    struct sockaddr_in to, from;
    int listener = raw_inet(type, &to), some = CHUNK;
    ends[1] = raw_inet(type, &from);
    if (type == SOCK_STREAM) setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &some, sizeof some);
    if (type == SOCK_STREAM && listen(listener, 1) < 0) abort();
    raw_connect(ends[1], &to);
    ends[0] = type == SOCK_STREAM ? accept(listener, NULL, NULL) : listener;
    if (type == SOCK_STREAM) close(listener);
    else raw_connect(listener, &from);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
}

/* What is written at ends[1] is read at ends[0]; few bytes fit between. 0, or the library's error. */
static int open_pair(harness *h, int kind, int ends[2]) {
    int small = 1, status = 0;
    if (kind == TCP) raw_pair(SOCK_STREAM, ends);
    else if (kind == UDP) raw_pair(SOCK_DGRAM, ends);
    else if (kind == PIPE || kind == HIGH_PIPE) status = exec_pipe(&h->ex, ends);
    else if (kind == FOREIGN_PIPE) status = pipe(ends);
    else if (kind == FOREIGN_UNIX) status = socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    else status = exec_socket_pair(&h->ex, ends, kind == DATAGRAMS);
    if (status < 0) return status;
    if (kind == PIPE || kind == FOREIGN_PIPE) fcntl(ends[1], F_SETPIPE_SZ, CHUNK);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    if (kind == HIGH_PIPE) {
        int high = fcntl(ends[0], F_DUPFD_CLOEXEC, 200);
        exec_close_fd(&h->ex, ends[0]);
        ends[0] = high;
    }
    return 0;
}

/* The next bytes that are there, as far as `due` come; or -1. */
static ssize_t raw_read(int fd, void *buf, size_t size, int wait_ms) {
    struct pollfd p = { fd, POLLIN, 0 };
    return poll(&p, 1, wait_ms) > 0 ? read(fd, buf, size) : -1;
}

/* ------------------------------------------------------------------------------------------ feeders */

/* The other end, by calls of its own: writes the pattern piece by piece, or reads what comes. */
typedef struct {
    EXEC_FRAME; int fd, pieces, hangs_up, at_once; size_t *count; int *good; int descriptor; exec_sleep_op nap;
} peer;

static ssize_t send_piece(peer *self) {
    union { struct cmsghdr first; char bytes[CMSG_SPACE(2 * sizeof(int))]; } control;
    int two[2] = { self->descriptor, self->descriptor };
    struct iovec part = { pattern + *self->count, PIECE };
    struct msghdr message;
    if (self->descriptor < 0) return write(self->fd, part.iov_base, part.iov_len);
    memset(&message, 0, sizeof message);
    memset(&control, 0, sizeof control);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control.bytes;
    control.first.cmsg_level = SOL_SOCKET;
    control.first.cmsg_type = SCM_RIGHTS;
    control.first.cmsg_len = CMSG_LEN(sizeof two);
    memcpy(CMSG_DATA(&control.first), two, sizeof two);
    return sendmsg(self->fd, &message, MSG_NOSIGNAL);
}
EXEC_ASYNC(peer) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
    for (; self->pieces > 0; self->pieces--) {
        if (send_piece(self) == PIECE) *self->count += PIECE;
        if (!self->at_once) EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
    }
    if (self->hangs_up) shutdown(self->fd, SHUT_WR);
    EXEC_END;
}

static ssize_t take_piece(int fd, size_t *count, int *good, int wait_ms) {
    unsigned char buf[CHUNK];
    ssize_t n = raw_read(fd, buf, sizeof buf, wait_ms);
    if (n <= 0) return n;
    if (*count + (size_t)n > sizeof pattern || memcmp(buf, pattern + *count, (size_t)n) != 0) *good = 0;
    else *count += (size_t)n;
    return n;
}
typedef struct { EXEC_FRAME; int fd; size_t *count; int *good; exec_sleep_op nap; } drain;
EXEC_ASYNC(drain) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
        if (take_piece(self->fd, self->count, self->good, 0) == 0) break;
    }
    EXEC_END;
}

/* ------------------------------------------------------------------------------------------- movers */

/* Awaits what `prepare` makes, so many times, and in its cleanup a sleep. */
typedef struct mover mover;
struct mover {
    EXEC_FRAME;
    harness_mark mark;
    exec_future *(*prepare)(mover *self);
    exec_future *what;
    exec_io *used;              /* of `what` */
    int left, fd, in;
    size_t moved;               /* bytes */
    exec_io io;
    exec_datagram_op mail;
    exec_fds_op fds;
    exec_sendfile_op file;
    exec_timeout_op limit;
    struct iovec parts[3];
    struct msghdr message;
    int came[4];
    exec_sleep_op nap;
    unsigned char buf[BYTES];
};

/* What a transfer says to have moved is its result; one that was cancelled says so, and has moved nothing. */
static void count_moved(mover *self) {
    exec_io *io = self->used;
    if (!io) return;
    self->used = NULL;
    HARNESS_CHECK(harness_now, !exec_canceled(&io->fut) || io->fut.result == -ECANCELED);
    self->moved += io->done;
    if (!(io->waiter.flags & EXEC__IO_ALL) && io->fut.result > 0)
        HARNESS_CHECK(harness_now, (size_t)io->fut.result == io->done);
    if (!(io->waiter.flags & EXEC__IO_ALL) && io->fut.result < 0) HARNESS_CHECK(harness_now, io->done == 0);
    for (unsigned i = 0; i < self->fds.fd_count; i++) close(self->came[i]);
    self->fds.fd_count = 0;
}
EXEC_ASYNC(mover, buf) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    for (; self->left > 0; self->left--) {
        self->used = &self->io;
        self->what = self->prepare(self);
        EXEC_TRY(self->what);
        count_moved(self);
        if (self->left == 1) EXEC_RETURN(self->what->result);
    }
    EXEC_FINALLY;
    count_moved(self);
    EXEC_AWAIT(exec_sleep(&self->nap, EXEC_MS(1)));
    HARNESS_CHECK(harness_now, harness_now->way == HARNESS_KILL || EXEC_RESULT(&self->nap) == 0);  /* not cut short */
    harness_ended(&self->mark);
    EXEC_END;
}

/* Reads what a peer sends; afterwards the rest is read by hand. how: 1 it hangs up behind it; 2 each piece
   brings descriptors; 4 all of it comes at once. */
static void reads(harness *h, int kind, exec_future *(*prepare)(mover *self), int rounds, intptr_t expected, int how) {
    static mover frame;
    size_t sent = 0, seen;
    int ends[2], good = 1;
    if (harness_open(h) < 0) return;
    if (open_pair(h, kind, ends) == 0) {
        if (EXEC_SPAWN(&h->ex, harness_opts(), peer, .fd = ends[1], .pieces = PIECES, .count = &sent,
                       .hangs_up = how & 1, .at_once = how & 4, .descriptor = how & 2 ? ends[1] : -1) == 0) {
            harness_drive(h, EXEC_CALL(&frame, mover, .prepare = prepare, .left = rounds, .fd = ends[0]));
            HARNESS_CHECK(h, h->done || h->result == expected);
            HARNESS_CHECK(h, memcmp(frame.buf, pattern, frame.moved) == 0);
            seen = frame.moved;
            fcntl(ends[0], F_SETFL, O_NONBLOCK);
            while (seen < sent && take_piece(ends[0], &seen, &good, 1000) > 0) continue;
            HARNESS_CHECK(h, good && seen == sent && take_piece(ends[0], &seen, &good, 0) <= 0);
        }
        exec_close_fd(&h->ex, ends[0]);
        exec_close_fd(&h->ex, ends[1]);
    }
    harness_close(h);
}

/* Writes what a peer reads; afterwards the rest is read by hand. */
static void writes(harness *h, int kind, exec_future *(*prepare)(mover *self), int rounds, intptr_t expected) {
    static mover frame;
    size_t seen = 0;
    int ends[2], good = 1, file = memfd_create("harness", MFD_CLOEXEC);
    if (file < 0 || write(file, pattern, BYTES) != BYTES) abort();
    if (harness_open(h) < 0) {
        close(file);
        return;
    }
    if (open_pair(h, kind, ends) == 0) {
        if (EXEC_SPAWN(&h->ex, harness_opts(), drain, .fd = ends[0], .count = &seen, .good = &good) == 0) {
            harness_drive(h, EXEC_CALL(&frame, mover, .prepare = prepare, .left = rounds, .fd = ends[1], .in = file));
            HARNESS_CHECK(h, h->done || h->result == expected);
            while (seen < frame.moved && take_piece(ends[0], &seen, &good, 1000) > 0) continue;
            HARNESS_CHECK(h, good && seen == frame.moved && take_piece(ends[0], &seen, &good, 0) <= 0);
        }
        exec_close_fd(&h->ex, ends[0]);
        exec_close_fd(&h->ex, ends[1]);
    }
    harness_close(h);
    close(file);
}
#define READS(name, kind, rounds, expected, how, ...) \
    static exec_future *name##_prepare(mover *self) { __VA_ARGS__; } \
    static void name(harness *h) { reads(h, kind, name##_prepare, rounds, expected, how); }
#define WRITES(name, kind, rounds, expected, ...) \
    static exec_future *name##_prepare(mover *self) { __VA_ARGS__; } \
    static void name(harness *h) { writes(h, kind, name##_prepare, rounds, expected); }

/* ------------------------------------------------------------------------------------------- reading */

enum { ALL = PIECE * PIECES };

static unsigned char *room(mover *self) { return self->buf + self->moved; }
static exec_future *read_some(mover *self) { return exec_read(&self->io, self->fd, room(self), PIECE); }
static exec_future *read_all(mover *self) { return exec_read_exact(&self->io, self->fd, room(self), ALL); }

READS(read_tcp, TCP, 3, PIECE, 0, return read_some(self))
READS(read_unix, UNIX, 3, PIECE, 0, return read_some(self))
READS(read_pipe, PIPE, 3, PIECE, 0, return read_some(self))
READS(read_foreign_pipe, FOREIGN_PIPE, 3, PIECE, 0, return read_some(self))
READS(read_foreign_unix, FOREIGN_UNIX, 3, PIECE, 0, return read_some(self))
READS(read_high, HIGH_PIPE, 3, PIECE, 0, return read_some(self))
READS(read_to_end, TCP, 4, 0, 1, return read_some(self))
READS(read_end_at_once, TCP, 2, 0, 5, return exec_read(&self->io, self->fd, room(self), CHUNK))
READS(read_boundaries, UNIX, 3, PIECE, 6, return exec_read(&self->io, self->fd, room(self), CHUNK))
READS(exact_tcp, TCP, 1, ALL, 0, return read_all(self))
READS(exact_unix, UNIX, 1, ALL, 0, return read_all(self))
READS(exact_pipe, PIPE, 1, ALL, 0, return read_all(self))
READS(exact_short, UNIX, 1, -ENODATA, 1, return exec_read_exact(&self->io, self->fd, self->buf, ALL + 1))
READS(recv_, TCP, 3, PIECE, 0, return exec_recv(&self->io, self->fd, room(self), PIECE, 0))

static int vector(mover *self, unsigned char *at) {
    for (int i = 0; i < 3; i++) {
        self->parts[i].iov_base = at + PIECE * i;
        self->parts[i].iov_len = PIECE;
    }
    return 3;
}
static exec_future *readv_some(mover *self) {
    return exec_readv(&self->io, self->fd, self->parts, vector(self, room(self)));
}
READS(readv_tcp, TCP, 3, PIECE, 0, return readv_some(self))
READS(readv_pipe, PIPE, 3, PIECE, 0, return readv_some(self))

static exec_future *receive_from(mover *self) {
    self->used = &self->mail.io;
    return exec_recv_from(&self->mail, self->fd, room(self), 2 * PIECE);
}
READS(recv_from_udp, UDP, 3, PIECE, 0, return receive_from(self))
READS(recv_from_unix, DATAGRAMS, 3, PIECE, 0, return receive_from(self))

static struct msghdr *message(mover *self, unsigned char *at) {
    memset(&self->message, 0, sizeof self->message);
    self->message.msg_iov = self->parts;
    self->message.msg_iovlen = (uint16_t)vector(self, at);
    return &self->message;
}
READS(recvmsg_unix, UNIX, 3, PIECE, 0, return exec_recvmsg(&self->io, self->fd, message(self, room(self)), 0))
READS(recvmsg_datagrams, DATAGRAMS, 3, PIECE, 0,
      return exec_recvmsg(&self->io, self->fd, message(self, room(self)), 0))

static exec_future *receive_fds(mover *self, unsigned most) {
    self->used = &self->fds.io;
    return exec_recv_fds(&self->fds, self->fd, room(self), PIECE, self->came, most);
}
READS(recv_fds, UNIX, 3, PIECE, 2, return receive_fds(self, 4))
READS(recv_fds_surplus, UNIX, 3, PIECE, 2, return receive_fds(self, 1))

/* A regular file, which epoll does not take: the pattern's first bytes, piece by piece, never waiting. */
static void read_file(harness *h) {
    static mover frame;
    char path[] = "/tmp/exec-harness-file-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || unlink(path) < 0 || write(fd, pattern, ALL) != ALL || lseek(fd, 0, SEEK_SET) != 0) abort();
    if (harness_open(h) == 0) {
        harness_drive(h, EXEC_CALL(&frame, mover, .prepare = read_pipe_prepare, .left = PIECES + 1, .fd = fd));
        HARNESS_CHECK(h, h->done || (h->result == 0 && frame.moved == ALL));
        HARNESS_CHECK(h, memcmp(frame.buf, pattern, frame.moved) == 0 && lseek(fd, 0, SEEK_CUR) == (off_t)frame.moved);
        exec_fd_forget(&h->ex, fd);
        harness_close(h);
    }
    close(fd);
}

READS(readable, UNIX, 2, 0, 0, return exec_readable(&self->io, self->fd))
READS(timeout_read, UNIX, 1, ALL, 0, return exec_timeout(&self->limit, read_all(self), EXEC_SEC(9)))

/* A read that is cut off by a limit goes on. */
typedef struct {
    EXEC_FRAME; harness_mark mark; int fd; exec_io io; exec_timeout_op limit; unsigned char buf[ALL];
} resumer;
EXEC_ASYNC(resumer) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    EXEC_AWAIT(exec_timeout(&self->limit, exec_read_exact(&self->io, self->fd, self->buf, ALL), EXEC_US(1500)));
    while (self->limit.expired)
        EXEC_AWAIT(exec_timeout(&self->limit, exec_resume(&self->io), EXEC_US(700)));
    EXEC_RETURN(EXEC_RESULT(&self->limit));
    EXEC_FINALLY;
    EXEC_YIELD;
    harness_ended(&self->mark);
    EXEC_END;
}
static void resume(harness *h) {
    static resumer frame;
    size_t sent = 0, seen;
    int ends[2], good = 1;
    if (harness_open(h) < 0) return;
    if (open_pair(h, UNIX, ends) == 0) {
        if (EXEC_SPAWN(&h->ex, harness_opts(), peer, .fd = ends[1], .pieces = PIECES, .count = &sent,
                       .descriptor = -1) == 0) {
            harness_drive(h, EXEC_CALL(&frame, resumer, .fd = ends[0]));
            HARNESS_CHECK(h, h->done || h->result == ALL);
            HARNESS_CHECK(h, memcmp(frame.buf, pattern, frame.io.done) == 0);
            seen = frame.io.done;
            while (seen < sent && take_piece(ends[0], &seen, &good, 1000) > 0) continue;
            HARNESS_CHECK(h, good && seen == sent);
        }
        exec_close_fd(&h->ex, ends[0]);
        exec_close_fd(&h->ex, ends[1]);
    }
    harness_close(h);
}

/* A leaf of one's own. */
typedef struct { exec_future fut; exec_waiter waiter; int fd, begun; void *buf; size_t size; size_t done; } edge_op;
static exec_poll edge_poll(exec_cx *cx, exec_future *f) {
    edge_op *op = (edge_op *)(void *)f;
    exec_net *net = &harness_now->net;
    ssize_t n = -ECANCELED;
    int status;
    if (!op->begun && (status = exec_net_register(net, &op->waiter, op->fd, EXEC_READABLE, cx->task)) < 0)
        return exec_ready(f, status);
    op->begun = 1;
    if (!exec_canceled(f)) {
        if (!op->waiter.ready) return exec_pending(cx, f);
        if (op->waiter.fd < 0) return exec_ready(f, -EBADF);
        n = read(op->fd, op->buf, op->size);
        if (n < 0) op->waiter.ready = 0;
        if (n < 0) return exec_pending(cx, f);
        op->done = (size_t)n;
    }
    exec_net_deregister(net, &op->waiter);
    return exec_ready(f, n);
}
static const exec_type edge_type = { edge_poll, NULL, NULL, "edge", "", sizeof(edge_op), sizeof(edge_op), 8 };
typedef struct { EXEC_FRAME; harness_mark mark; edge_op op; int left, fd; size_t moved; unsigned char buf[ALL]; } edges;
EXEC_ASYNC(edges) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    for (; self->left > 0; self->left--) {
        memset(&self->op, 0, sizeof self->op);
        exec_future_init(&self->op.fut, &edge_type);
        self->op.fd = self->fd;
        self->op.buf = self->buf + self->moved;
        self->op.size = PIECE;
        EXEC_TRY(&self->op.fut);
        self->moved += self->op.done;
        self->op.done = 0;
    }
    EXEC_RETURN(7);
    EXEC_FINALLY;
    self->moved += self->op.done;
    EXEC_YIELD;
    harness_ended(&self->mark);
    EXEC_END;
}
static void registered(harness *h) {
    static edges frame;
    size_t sent = 0, seen;
    int ends[2], good = 1;
    if (harness_open(h) < 0) return;
    if (open_pair(h, UNIX, ends) == 0) {
        if (EXEC_SPAWN(&h->ex, harness_opts(), peer, .fd = ends[1], .pieces = PIECES, .count = &sent,
                       .descriptor = -1) == 0) {
            harness_drive(h, EXEC_CALL(&frame, edges, .left = PIECES, .fd = ends[0]));
            HARNESS_CHECK(h, h->done || h->result == 7);
            seen = frame.moved;
            while (seen < sent && take_piece(ends[0], &seen, &good, 1000) > 0) continue;
            HARNESS_CHECK(h, good && seen == sent);
        }
        exec_close_fd(&h->ex, ends[0]);
        exec_close_fd(&h->ex, ends[1]);
    }
    harness_close(h);
}

/* ------------------------------------------------------------------------------------------- writing */

static unsigned char *source(const mover *self) { return pattern + self->moved; }
static exec_future *write_some(mover *self) { return exec_write(&self->io, self->fd, source(self), 2000); }
static exec_future *write_rest(mover *self) { return exec_write_all(&self->io, self->fd, pattern, BYTES); }

WRITES(write_tcp, TCP, 2, 2000, return write_some(self))
WRITES(write_unix, UNIX, 2, 2000, return write_some(self))
WRITES(write_pipe, PIPE, 2, 2000, return write_some(self))
WRITES(write_foreign_pipe, FOREIGN_PIPE, 2, 2000, return write_some(self))
WRITES(all_tcp, TCP, 1, BYTES, return write_rest(self))
WRITES(all_unix, UNIX, 1, BYTES, return write_rest(self))
WRITES(all_pipe, PIPE, 1, BYTES, return write_rest(self))
WRITES(all_foreign_pipe, FOREIGN_PIPE, 1, BYTES, return write_rest(self))
WRITES(all_foreign_unix, FOREIGN_UNIX, 1, BYTES, return write_rest(self))
WRITES(send_, UNIX, 2, 2000, return exec_send(&self->io, self->fd, source(self), 2000, 0))

static int long_vector(mover *self) {
    for (int i = 0; i < 3; i++) {
        self->parts[i].iov_base = pattern + BYTES / 3 * i;
        self->parts[i].iov_len = BYTES / 3;
    }
    return 3;
}
WRITES(writev_pipe, PIPE, 2, ALL, return exec_writev(&self->io, self->fd, self->parts, vector(self, source(self))))
WRITES(writev_unix, UNIX, 2, ALL, return exec_writev(&self->io, self->fd, self->parts, vector(self, source(self))))
WRITES(writev_all_pipe, PIPE, 1, BYTES, return exec_writev_all(&self->io, self->fd, self->parts, long_vector(self)))
WRITES(writev_all_tcp, TCP, 1, BYTES, return exec_writev_all(&self->io, self->fd, self->parts, long_vector(self)))
WRITES(writev_all_unix, UNIX, 1, BYTES, return exec_writev_all(&self->io, self->fd, self->parts, long_vector(self)))

static exec_future *send_mail(mover *self) {
    self->used = &self->mail.io;
    return exec_send_to(&self->mail, self->fd, source(self), 1000, NULL);
}
WRITES(send_to_udp, UDP, 3, 1000, return send_mail(self))
WRITES(send_to_unix, DATAGRAMS, 6, 1000, return send_mail(self))
WRITES(sendmsg_unix, UNIX, 2, ALL, return exec_sendmsg(&self->io, self->fd, message(self, source(self)), 0))
WRITES(sendmsg_datagrams, DATAGRAMS, 6, ALL, return exec_sendmsg(&self->io, self->fd, message(self, source(self)), 0))

static exec_future *send_descriptors(mover *self) {
    self->used = &self->fds.io;
    return exec_send_fds(&self->fds, self->fd, source(self), 1000, &self->in, 1);
}
WRITES(send_fds, UNIX, 3, 1000, return send_descriptors(self))

static exec_future *send_file(mover *self) {
    self->used = &self->file.io;
    return exec_sendfile(&self->file, self->fd, self->in, 0, SIZE_MAX);
}
enum { SENT_FILE = EXEC_POSIX_ONLY ? -ENOSYS : BYTES };
WRITES(sendfile_tcp, TCP, 1, SENT_FILE, return send_file(self))
WRITES(sendfile_unix, UNIX, 1, SENT_FILE, return send_file(self))
WRITES(sendfile_pipe, PIPE, 1, SENT_FILE, return send_file(self))
WRITES(sendfile_foreign_unix, FOREIGN_UNIX, 1, SENT_FILE, return send_file(self))
WRITES(sendfile_foreign_pipe, FOREIGN_PIPE, 1, SENT_FILE, return send_file(self))
WRITES(writable, UNIX, 2, 0, return exec_writable(&self->io, self->fd))

/* ---------------------------------------------------------------------------------------- connections */

/* Accepts so many and closes them. */
typedef struct { EXEC_FRAME; harness_mark mark; int left, fd, accepted; exec_io io; } acceptor;
EXEC_ASYNC(acceptor) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    for (; self->left > 0; self->left--) {
        EXEC_RESULT(&self->io) = -1;
        EXEC_TRY(exec_accept(&self->io, self->fd));
        self->accepted++;
        exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));
    }
    EXEC_RETURN(7);
    EXEC_FINALLY;
    if (self->left && EXEC_RESULT(&self->io) >= 0) {    /* cancelled together with its value */
        self->accepted++;
        exec_close_fd(cx->exec, (int)EXEC_RESULT(&self->io));
    }
    EXEC_YIELD;
    harness_ended(&self->mark);
    EXEC_END;
}

static int raw_client(const char *to, int nonblocking) {
    exec_address at;
    int fd = -1;
    if (exec_address_parse(&at, to) == 0) {
        struct sockaddr *address = (struct sockaddr *)(void *)at.bytes;
        fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
        if (connect(fd, address, at.size) < 0 && errno != EINPROGRESS) abort();
    }
    return fd;
}
typedef struct { EXEC_FRAME; const char *to; int *fds, *count; exec_sleep_op nap; } dialer;
EXEC_ASYNC(dialer) {
    EXEC_BEGIN;
    for (; *self->count < 3; ++*self->count) {
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
        self->fds[*self->count] = raw_client(self->to, 0);
    }
    EXEC_END;
}
/* Without accept4(2): a connection that cannot be made nonblocking is closed, and ends the accept. */
static int is_unusable(const harness *h) {
    return h->calls[HARNESS_SYS_ACCEPT] && h->way == HARNESS_CALL_FAILS && h->call == HARNESS_SYS_FCNTL
        && h->result == -h->error;
}
static void accepts(harness *h, const char *address, int blocking) {
    static acceptor frame;
    char text[EXEC_ADDRESS_BYTES];
    int listener, fds[3], count = 0, rest = 0, fd;
    if (harness_open(h) < 0) return;
    listener = exec_listen(&h->ex, address, NULL);
    if (listener >= 0 && exec_local_address(listener, text, sizeof text) == 0) {
        if (blocking) fcntl(listener, F_SETFL, 0);
        if (blocking) exec_fd_forget(&h->ex, listener);
        if (EXEC_SPAWN(&h->ex, harness_opts(), dialer, .to = text, .fds = fds, .count = &count) == 0) {
            harness_drive(h, EXEC_CALL(&frame, acceptor, .left = 3, .fd = listener));
            HARNESS_CHECK(h, h->done || h->result == 7);
            fcntl(listener, F_SETFL, O_NONBLOCK);
            while ((fd = accept(listener, NULL, NULL)) >= 0) {
                rest++;
                close(fd);
            }
            HARNESS_CHECK(h, frame.accepted + rest == count - is_unusable(h));
        }
    }
    exec_close_fd(&h->ex, listener);
    harness_close(h);
    while (count > 0) close(fds[--count]);
}
/* With no descriptor left, until somebody frees some. */
typedef struct { EXEC_FRAME; exec_sleep_op nap; } relief;
EXEC_ASYNC(relief) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(150)));
    EXEC_FINALLY;
    harness_now->exhausted = 0;
    EXEC_END;
}
static void accept_paused(harness *h) {
    static acceptor frame;
    char text[EXEC_ADDRESS_BYTES];
    int listener, fds[3], rest = 0, fd, started = 0;
    if (harness_open(h) < 0) return;
    listener = exec_listen(&h->ex, unix_address(0), NULL);
    if (listener >= 0 && exec_local_address(listener, text, sizeof text) == 0) {
        for (int i = 0; i < 3; i++) fds[i] = raw_client(text, 0);
        started = 1;
        if (EXEC_SPAWN(&h->ex, harness_opts(), relief) == 0) {
            h->exhausted = 1;
            harness_drive(h, EXEC_CALL(&frame, acceptor, .left = 3, .fd = listener));
            HARNESS_CHECK(h, h->done || h->result == 7);
            while ((fd = accept(listener, NULL, NULL)) >= 0) {
                rest++;
                close(fd);
            }
            HARNESS_CHECK(h, frame.accepted + rest == 3 - is_unusable(h));
        }
    }
    exec_close_fd(&h->ex, listener);
    harness_close(h);
    for (int i = 0; i < 3 && started; i++) close(fds[i]);
}
static void accept_tcp(harness *h) { accepts(h, "127.0.0.1:0", 0); }
static void accept_unix(harness *h) { accepts(h, unix_address(0), 0); }
static void accept_foreign(harness *h) { accepts(h, "127.0.0.1:0", 1); }

/* Connects, says something, and leaves. */
typedef struct { EXEC_FRAME; harness_mark mark; const char *to; int fd; exec_io io; } connector;
EXEC_ASYNC(connector) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    EXEC_TRY(exec_connect(&self->io, self->to, NULL));
    self->fd = (int)EXEC_RESULT(&self->io);
    EXEC_TRY(exec_write_all(&self->io, self->fd, pattern, PIECE));
    EXEC_RETURN(7);
    EXEC_FINALLY;
    if (self->fd < 0 && EXEC_RESULT(&self->io) >= 0) self->fd = (int)EXEC_RESULT(&self->io);
    if (self->fd >= 0) exec_close_fd(cx->exec, self->fd);
    EXEC_YIELD;
    harness_ended(&self->mark);
    EXEC_END;
}
static void connects(harness *h, const char *address, int refused) {
    static connector frame;
    char text[EXEC_ADDRESS_BYTES];
    int listener;
    if (harness_open(h) < 0) return;
    listener = exec_listen(&h->ex, address, NULL);
    if (listener >= 0 && exec_local_address(listener, text, sizeof text) == 0) {
        if (refused) exec_close_fd(&h->ex, listener);
        frame.io.fut.result = -1;
        harness_drive(h, EXEC_CALL(&frame, connector, .to = text, .fd = -1, .io.fut.result = -1));
        HARNESS_CHECK(h, h->done || h->result == (refused ? refused_by_so_error() : 7));
        if (refused) listener = -1;
    }
    exec_close_fd(&h->ex, listener);
    harness_close(h);
}
static void connect_tcp(harness *h) { connects(h, "127.0.0.1:0", 0); }
static void connect_unix(harness *h) { connects(h, unix_address(0), 0); }
static void connect_refused(harness *h) { connects(h, "127.0.0.1:0", 1); }

/* All that a program calls once: a path that is in use, options, datagrams, addresses, the end of one side. */
typedef struct { EXEC_FRAME; harness_mark mark; int listener, client, server; exec_io a, c; char buf[8]; } dialogue;
static int dialogue_begin(exec *ex, dialogue *self, const char *path) {
    exec_socket_opts opts;
    struct stat st;
    memset(&opts, 0, sizeof opts);
    opts.unlink_path = 1;
    self->listener = exec_listen(ex, path, &opts);
    if (self->listener < 0) return self->listener;
    return fstat(self->listener, &st);
}
EXEC_ASYNC(dialogue) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    {
        int status = dialogue_begin(cx->exec, self, (const char *)exec_user(cx->exec));
        if (status < 0) EXEC_RETURN(status);
    }
    EXEC_TRY(exec_connect(&self->c, (const char *)exec_user(cx->exec), NULL));
    self->client = (int)EXEC_RESULT(&self->c);
    EXEC_TRY(exec_accept(&self->a, self->listener));
    self->server = (int)EXEC_RESULT(&self->a);
    {
        char text[EXEC_ADDRESS_BYTES];
        int status = exec_peer_address(self->client, text, sizeof text), mail;
        if (status < 0 || (status = exec_shutdown_write(self->client)) < 0) EXEC_RETURN(status);
        if ((mail = exec_datagram(cx->exec, "127.0.0.1:0", NULL, NULL)) < 0) EXEC_RETURN(mail);
        exec_close_fd(cx->exec, mail);
    }
    EXEC_TRY(exec_read(&self->a, self->server, self->buf, sizeof self->buf));
    EXEC_RETURN(EXEC_RESULT(&self->a) == 0 ? 7 : -EPROTO);
    EXEC_FINALLY;
    if (self->server < 0 && exec_is_ready(&self->a.fut) && EXEC_RESULT(&self->a) > 0)
        self->server = (int)EXEC_RESULT(&self->a);
    if (self->client < 0 && exec_is_ready(&self->c.fut) && EXEC_RESULT(&self->c) > 0)
        self->client = (int)EXEC_RESULT(&self->c);
    exec_close_fd(cx->exec, self->listener);
    exec_close_fd(cx->exec, self->client);
    exec_close_fd(cx->exec, self->server);
    harness_ended(&self->mark);
    EXEC_END;
}
static void once(harness *h) {
    static dialogue frame;
    char path[64];
    struct sockaddr_un at;
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(path, sizeof path, "unix:/tmp/exec-harness-%d", (int)getpid());
    memset(&at, 0, sizeof at);
    at.sun_family = AF_UNIX;
    memcpy(at.sun_path, path + 5, strlen(path + 5));
    unlink(path + 5);
    if (stale < 0 || bind(stale, (struct sockaddr *)(void *)&at, sizeof at) < 0) abort();
    close(stale);
    h->config.user = path;
    h->whole = 1;
    if (harness_open(h) == 0) {
        harness_drive(h, EXEC_CALL(&frame, dialogue, .listener = -1, .client = -1, .server = -1));
        HARNESS_CHECK(h, h->done || h->result == 7);
        harness_close(h);
    }
    unlink(path + 5);
}

/* --------------------------------------------------------------------------------- signals, children */

static int handled;
static void count_signal(int signo) {
    (void)signo;
    handled++;
}
typedef struct { EXEC_FRAME; int *raised; exec_sleep_op nap; } raiser;
EXEC_ASYNC(raiser) {
    EXEC_BEGIN;
    for (; *self->raised < 2; ++*self->raised) {
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
        raise(SIGRTMIN);
    }
    EXEC_END;
}
typedef struct { EXEC_FRAME; harness_mark mark; int left, taken; exec_signal_op op; } listener;
EXEC_ASYNC(listener) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    for (; self->left > 0; self->left--) {
        EXEC_RESULT(&self->op) = -1;
        EXEC_TRY(exec_signal(&self->op, SIGRTMIN));
        self->taken++;
    }
    EXEC_RETURN(7);
    EXEC_FINALLY;
    if (self->left && EXEC_RESULT(&self->op) > 0) self->taken++;
    EXEC_YIELD;
    harness_ended(&self->mark);
    EXEC_END;
}
/* Two that wait for the same, and one for another: that of the first ends the race. */
typedef struct { EXEC_FRAME; harness_mark mark; int taken; exec_signal_op op[3]; exec_select_op first; } listeners;
EXEC_ASYNC(listeners) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    while (self->taken < 2) {
        for (int i = 0; i < 3; i++) EXEC_RESULT(&self->op[i]) = -1;
        EXEC_TRY(exec_select(&self->first, exec_signal(&self->op[0], SIGRTMIN + 1), exec_signal(&self->op[1], SIGRTMIN),
                             exec_signal(&self->op[2], SIGRTMIN)));
        if (EXEC_RESULT(&self->op[EXEC_RESULT(&self->first)]) > 0) self->taken++;
    }
    EXEC_RETURN(7);
    EXEC_FINALLY;
    if (self->taken < 2 && (EXEC_RESULT(&self->op[1]) > 0 || EXEC_RESULT(&self->op[2]) > 0)) self->taken++;
    EXEC_YIELD;
    harness_ended(&self->mark);
    EXEC_END;
}
static void two_signals(harness *h) {
    static listeners frame;
    int raised = 0;
    handled = 0;
    signal(SIGRTMIN, count_signal);
    if (harness_open(h) < 0) return;
    memset(&frame, 0, sizeof frame);
    if (EXEC_SPAWN(&h->ex, harness_opts(), raiser, .raised = &raised) == 0) {
        harness_drive(h, EXEC_CALL(&frame, listeners));
        HARNESS_CHECK(h, h->done || h->result == 7);
    }
    harness_close(h);
    HARNESS_CHECK(h, frame.taken + handled == raised);
}

/* Each that was raised was taken, or reached the host's handler. */
static void signals(harness *h) {
    static listener frame;
    int raised = 0;
    handled = 0;
    signal(SIGRTMIN, count_signal);
    if (harness_open(h) < 0) return;
    if (EXEC_SPAWN(&h->ex, harness_opts(), raiser, .raised = &raised) == 0) {
        harness_drive(h, EXEC_CALL(&frame, listener, .left = 2));
        HARNESS_CHECK(h, h->done || h->result == 7);
    } else {
        memset(&frame, 0, sizeof frame);
    }
    harness_close(h);
    HARNESS_CHECK(h, frame.taken + handled == raised);
}

/* Started by exec_child_start (which there is not everywhere), or by other means and adopted. What ends by itself does
   so when its input does. */
static const char *const program[] = { "/bin/sh", "-c", "read line; exit 3", NULL };
static const char *const sleeping[] = { "/bin/sleep", "1000", NULL };
typedef struct { EXEC_FRAME; harness_mark mark; int adopts, sleeps, in; exec_child child; exec_child_op op; } keeper;
static int raw_start(const char *const *argv, int in) {
    pid_t pid = fork();
    if (pid < 0) abort();
    if (pid == 0) {
        dup2(in, 0);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return (int)pid;
}
static int keeper_begin(exec *ex, keeper *self) {
    const char *const *argv = self->sleeps ? sleeping : program;
    int pid, status;
#if !EXEC_NO_MALLOC
    exec_child_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.in = self->in;
    if (!self->adopts) return exec_child_start(ex, &self->child, argv, &opts);
#endif
    if (EXEC_POSIX_ONLY) return exec_child_adopt(ex, &self->child, 1);
    pid = raw_start(argv, self->in);
    status = exec_child_adopt(ex, &self->child, pid);
    if (status < 0) kill(pid, SIGKILL);
    if (status < 0) waitpid(pid, NULL, 0);
    return status;
}
EXEC_ASYNC(keeper) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    {
        int status = keeper_begin(cx->exec, self);
        HARNESS_CHECK(harness_now, !EXEC_POSIX_ONLY || status == -ENOSYS);
        if (status < 0 && !EXEC_POSIX_ONLY) EXEC_RETURN(status);
    }
    EXEC_TRY(exec_child_wait(&self->op, &self->child));
    EXEC_RETURN(EXEC_RESULT(&self->op));
    EXEC_FINALLY;
    if (self->child.pid && exec_child_kill(&self->child, SIGKILL) < 0) kill(self->child.pid, SIGKILL);
    if (self->child.pid) EXEC_AWAIT(exec_child_wait(&self->op, &self->child));
    exec_child_detach(cx->exec, &self->child);
    if (self->child.pid) waitpid(self->child.pid, NULL, 0);     /* killed, if it is there; without a pidfd it may be */
    harness_ended(&self->mark);
    EXEC_END;
}
/* Ends its input. */
typedef struct { EXEC_FRAME; int *end; exec_sleep_op nap; } hanger_up;
EXEC_ASYNC(hanger_up) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
    EXEC_FINALLY;
    close(*self->end);
    *self->end = -1;
    EXEC_END;
}
static void child(harness *h, int adopts) {
    static keeper frame;
    int ends[2];
    if (pipe(ends) < 0 || fcntl(ends[0], F_SETFD, FD_CLOEXEC) < 0 || fcntl(ends[1], F_SETFD, FD_CLOEXEC) < 0) abort();
    if (harness_open(h) == 0) {
        if (EXEC_SPAWN(&h->ex, harness_opts(), hanger_up, .end = &ends[1]) == 0) {
            harness_drive(h, EXEC_CALL(&frame, keeper, .adopts = adopts, .in = ends[0]));
            HARNESS_CHECK(h, h->done || h->result == 3 || h->result == -ENOSYS);  /* an emulator without pidfd */
        }
        harness_close(h);
    }
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
}
/* One that runs until it is killed. */
typedef struct { EXEC_FRAME; keeper *of; exec_sleep_op nap; } killer;
EXEC_ASYNC(killer) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
        if (self->of->child.pid && exec_child_kill(&self->of->child, SIGTERM) == 0) break;
    }
    EXEC_END;
}
static void child_kill(harness *h) {
    static keeper frame;
    if (harness_open(h) < 0) return;
    memset(&frame, 0, sizeof frame);
    if (EXEC_SPAWN(&h->ex, harness_opts(), killer, .of = &frame) == 0) {
        harness_drive(h, EXEC_CALL(&frame, keeper, .sleeps = 1, .adopts = EXEC_NO_MALLOC));
        HARNESS_CHECK(h, h->done || h->result == -ENOSYS
                         || (h->result == 128 + SIGTERM && frame.child.signal == SIGTERM));
    }
    harness_close(h);
}
#if !EXEC_NO_MALLOC && !EXEC_POSIX_ONLY
/* One that cannot be waited for is killed; if that is not allowed, it is the caller's. */
static void child_undone(harness *h) {
    static exec_child_op wait;
    exec_child child;
    int status;
    h->whole = 1;
    memset(&child, 0, sizeof child);
    if (harness_open(h) < 0) return;
    h->exhausted = 1;
    status = exec_child_start(&h->ex, &child, sleeping, NULL);
    HARNESS_CHECK(h, status < 0 && (h->done || status == -EMFILE));
    HARNESS_CHECK(h, !child.pid || (h->done && h->call == HARNESS_SYS_KILL && h->error == EPERM));
    if (child.pid) {
        kill(child.pid, SIGKILL);
        HARNESS_CHECK(h, waitpid(child.pid, NULL, 0) == child.pid);
        child.pid = 0;
    }
    harness_drive(h, exec_child_wait(&wait, &child));
    harness_close(h);
}
#endif
static void child_wait(harness *h) { child(h, 0); }
static void child_adopt(harness *h) { child(h, 1); }

/* ----------------------------------------------------------------------------------- one descriptor */

/* Both directions of one socket at once, to a peer that gives back what comes. */
typedef struct { EXEC_FRAME; int fd; exec_sleep_op nap; } mirror;
EXEC_ASYNC(mirror) {
    EXEC_BEGIN;
    for (;;) {
        char buf[CHUNK];
        ssize_t n;
        EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
        n = raw_read(self->fd, buf, sizeof buf, 0);
        if (n > 0 && send(self->fd, buf, (size_t)n, MSG_NOSIGNAL) != n) abort();
    }
    EXEC_END;
}
typedef struct {
    EXEC_FRAME; harness_mark mark; int fd; exec_io in, out; exec_join_op both; exec_timeout_op limit;
    unsigned char buf[BYTES];
} duplex;
EXEC_ASYNC(duplex, buf) {
    EXEC_BEGIN;
    harness_began(&self->mark, NULL);
    EXEC_TRY(exec_timeout(&self->limit, exec_join(&self->both, exec_read_exact(&self->in, self->fd, self->buf, BYTES),
                                                  exec_write_all(&self->out, self->fd, pattern, BYTES)), EXEC_MS(99)));
    EXEC_RETURN(7);
    EXEC_FINALLY;
    EXEC_YIELD;
    harness_ended(&self->mark);
    EXEC_END;
}
static void both_ways(harness *h) {
    static duplex frame;
    int ends[2], small = 1;
    if (harness_open(h) < 0) return;
    if (exec_socket_pair(&h->ex, ends, 0) == 0) {
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        if (EXEC_SPAWN(&h->ex, harness_opts(), mirror, .fd = ends[1]) == 0) {
            harness_drive(h, EXEC_CALL(&frame, duplex, .fd = ends[0]));
            HARNESS_CHECK(h, h->done || h->result == 7);
            HARNESS_CHECK(h, memcmp(frame.buf, pattern, frame.in.done) == 0 && frame.in.done <= frame.out.done);
        }
        exec_close_fd(&h->ex, ends[0]);
        exec_close_fd(&h->ex, ends[1]);
    }
    harness_close(h);
}

/* Somebody ends what waits for the descriptor. */
typedef struct { EXEC_FRAME; int fd; exec_sleep_op nap; } canceller;
EXEC_ASYNC(canceller) {
    EXEC_BEGIN;
    do EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(3)));
    while (exec_fd_cancel(cx->exec, self->fd) < 0);
    EXEC_END;
}
static exec_future *read_much(mover *self) { return exec_read_exact(&self->io, self->fd, self->buf, BYTES); }
static void cancelled_fd(harness *h) {
    static mover frame;
    int ends[2];
    if (harness_open(h) < 0) return;
    if (open_pair(h, UNIX, ends) == 0) {
        if (EXEC_SPAWN(&h->ex, harness_opts(), canceller, .fd = ends[0]) == 0) {
            harness_drive(h, EXEC_CALL(&frame, mover, .prepare = read_much, .left = 1, .fd = ends[0]));
            HARNESS_CHECK(h, h->done || h->result == -EBADF);
        }
        exec_close_fd(&h->ex, ends[0]);
        exec_close_fd(&h->ex, ends[1]);
    }
    harness_close(h);
}

/* --------------------------------------------------------------------------------------- the table */

static const harness_scenario scenarios[] = {
    { "exec_read, tcp", read_tcp },
    { "exec_read, unix", read_unix },
    { "exec_read, pipe", read_pipe },
    { "exec_read, foreign pipe", read_foreign_pipe },
    { "exec_read, foreign unix", read_foreign_unix },
    { "exec_read, descriptor 200", read_high },
    { "exec_read, regular file", read_file },
    { "exec_read, to the end", read_to_end },
    { "exec_read, end at once", read_end_at_once },
    { "exec_read, boundaries", read_boundaries },
    { "exec_read_exact, tcp", exact_tcp },
    { "exec_read_exact, unix", exact_unix },
    { "exec_read_exact, pipe", exact_pipe },
    { "exec_read_exact, -ENODATA", exact_short },
    { "exec_resume", resume },
    { "exec_timeout(read_exact)", timeout_read },
    { "exec_recv", recv_ },
    { "exec_readv, tcp", readv_tcp },
    { "exec_readv, pipe", readv_pipe },
    { "exec_recv_from, udp", recv_from_udp },
    { "exec_recv_from, unix", recv_from_unix },
    { "exec_recvmsg, unix", recvmsg_unix },
    { "exec_recvmsg, datagrams", recvmsg_datagrams },
    { "exec_recv_fds", recv_fds },
    { "exec_recv_fds, surplus", recv_fds_surplus },
    { "exec_readable", readable },
    { "exec_net_register", registered },
    { "exec_write, tcp", write_tcp },
    { "exec_write, unix", write_unix },
    { "exec_write, pipe", write_pipe },
    { "exec_write, foreign pipe", write_foreign_pipe },
    { "exec_write_all, tcp", all_tcp },
    { "exec_write_all, unix", all_unix },
    { "exec_write_all, pipe", all_pipe },
    { "exec_write_all, f. pipe", all_foreign_pipe },
    { "exec_write_all, f. unix", all_foreign_unix },
    { "exec_send", send_ },
    { "exec_writev, pipe", writev_pipe },
    { "exec_writev, unix", writev_unix },
    { "exec_writev_all, pipe", writev_all_pipe },
    { "exec_writev_all, tcp", writev_all_tcp },
    { "exec_writev_all, unix", writev_all_unix },
    { "exec_send_to, udp", send_to_udp },
    { "exec_send_to, unix", send_to_unix },
    { "exec_sendmsg, unix", sendmsg_unix },
    { "exec_sendmsg, datagrams", sendmsg_datagrams },
    { "exec_send_fds", send_fds },
    { "exec_sendfile, tcp", sendfile_tcp },
    { "exec_sendfile, unix", sendfile_unix },
    { "exec_sendfile, pipe", sendfile_pipe },
    { "exec_sendfile, f. unix", sendfile_foreign_unix },
    { "exec_sendfile, f. pipe", sendfile_foreign_pipe },
    { "exec_writable", writable },
    { "exec_accept, tcp", accept_tcp },
    { "exec_accept, unix", accept_unix },
    { "exec_accept, foreign", accept_foreign },
    { "exec_accept, paused", accept_paused },
    { "exec_connect, tcp", connect_tcp },
    { "exec_connect, unix", connect_unix },
    { "exec_connect, refused", connect_refused },
    { "attach, listen, addresses", once },
    { "exec_signal", signals },
    { "exec_child_wait, _start", child_wait },
    { "exec_child_wait, _adopt", child_adopt },
    { "exec_child_kill", child_kill },
#if !EXEC_NO_MALLOC && !EXEC_POSIX_ONLY
    { "exec_child_start, undone", child_undone },
#endif
    { "exec_signal, of two", two_signals },
    { "read and write, one fd", both_ways },
    { "exec_fd_cancel", cancelled_fd },
};

static void make_pattern(void) {
    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (unsigned char)(i * 7 + i / 251);
    signal(SIGPIPE, SIG_DFL);
}
#define SUITE_SETUP make_pattern()
#define SUITE_LEAST 2000
#define SUITE_NOT_UNDER_QEMU(scenario) ((scenario)->run == recv_fds_surplus)
#define QEMU_WHY QEMU_SURPLUS
#include "harness_suite.h"
SUITE(scenarios)
