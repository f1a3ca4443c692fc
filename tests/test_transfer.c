/* SPDX-License-Identifier: MIT
 * Vectors and files: readv, writev, writev_all, sendfile, over sockets, pipes and files. */
#include "net.h"
#include <sys/ioctl.h>

enum { BYTES = 1 << 17 };
static unsigned char expected[BYTES], got[BYTES];

static void fill_expected(void) {
    for (size_t i = 0; i < BYTES; i++) expected[i] = (unsigned char)(i * 31 + (i >> 8) * 7);
}

/* What is written to: each kind of descriptor with as little room as it can have. ends[0] is read. */
enum { OVER_TCP, OVER_UNIX, OVER_PIPE, OVER_BLOCKING_PIPE, OVER_BLOCKING_SOCKET, KINDS };

static void open_kind(int kind, int ends[2]) {
    exec_socket_opts small;
    memset(&small, 0, sizeof small);
    small.send_bytes = 4608;
    small.receive_bytes = 2304;
    switch (kind) {
    case OVER_TCP: tcp_pair(ends, &small); break;
    case OVER_PIPE: assert_int_equal(exec_pipe(&ex, ends), 0); break;
    case OVER_BLOCKING_PIPE: assert_int_equal(pipe2(ends, O_CLOEXEC), 0); break;
    case OVER_BLOCKING_SOCKET: assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0); break;
    default: assert_int_equal(exec_socket_pair(&ex, ends, 0), 0); break;
    }
    if (kind == OVER_UNIX || kind == OVER_BLOCKING_SOCKET) assert_int_equal(exec_socket_set(ends[1], &small), 0);
#ifdef F_SETPIPE_SZ
    if (kind == OVER_PIPE || kind == OVER_BLOCKING_PIPE) fcntl(ends[1], F_SETPIPE_SZ, 4096);
#endif
}

/* Reads `limit` bytes in pieces of any size, and looks that nothing waits behind them. */
typedef struct { EXEC_FRAME; int fd; size_t done, limit; exec_io io; } collector;
EXEC_ASYNC(collector) {
    EXEC_BEGIN;
    while (self->done < self->limit) {
        EXEC_TRY(exec_read(&self->io, self->fd, got + self->done, 1 + test_below(5000)));
        if (EXEC_RESULT(&self->io) == 0) break;
        self->done += (size_t)EXEC_RESULT(&self->io);
        if (self->done > BYTES - 5000) EXEC_RETURN(-EOVERFLOW);
    }
    EXEC_END;
}
static collector *collect(exec_handle *h, int fd, size_t limit) {
    exec_opts opts = test_opts_handle(h);
    collector *c;
    memset(h, 0, sizeof *h);
    c = EXEC_CLAIM(&ex, &opts, collector);
    c->fd = fd;
    c->limit = limit;
    EXEC_START(c);
    return c;
}

/* A file of our bytes; nobody else sees it. */
static int open_file(void) {
    char path[] = "/tmp/exec_test_XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, expected, BYTES), BYTES);
    return fd;
}

/* ---------------------------------------------------------------------------------------- vectors */

static struct iovec part_of(const void *at, size_t bytes) {
    struct iovec part;
    part.iov_base = (void *)(uintptr_t)at;
    part.iov_len = bytes;
    return part;
}

/* Seven bytes in parts, one of them empty; and room for ten. */
static struct iovec seven[3], ten[3];
static char first[1], second[5], third[4];
static void prepare_vectors(void) {
    seven[0] = part_of("abc", 3);
    seven[1] = part_of(NULL, 0);
    seven[2] = part_of("defg", 4);
    ten[0] = part_of(first, sizeof first);
    ten[1] = part_of(second, sizeof second);
    ten[2] = part_of(third, sizeof third);
    memset(first, 0, sizeof first);
    memset(second, 0, sizeof second);
    memset(third, 0, sizeof third);
}
static void seven_have_come(void) {
    assert_memory_equal(first, "a", 1);
    assert_memory_equal(second, "bcdef", 5);
    assert_memory_equal(third, "g", 2);         /* and a zero byte: no more than that */
}

static void vectors_scatter_and_gather(void **state) {
    int ends[2];
    exec_handle h;
    exec_io r, w;
    (void)state;
    begin();
    for (int kind = 0; kind < KINDS; kind++) {
        prepare_vectors();
        open_kind(kind, ends);
        start(&h, exec_readv(&r, ends[0], ten, 3));
        turns(2);
        assert_int_equal(run(exec_writev(&w, ends[1], seven, 3)), 7);
        assert_int_equal(join(&h), 7);
        seven_have_come();
        assert_int_equal(exec_close_fd(&ex, ends[1]), 0);
        assert_int_equal(run(exec_readv(&r, ends[0], ten, 3)), 0);
        assert_int_equal(exec_close_fd(&ex, ends[0]), 0);
    }
    end();
}

static void vectors_that_cannot_be_are_refused(void **state) {
    int ends[2];
    exec_io io;
    (void)state;
    begin();
    for (int kind = 0; kind < KINDS; kind++) {
        prepare_vectors();
        open_kind(kind, ends);
        assert_int_equal(run(exec_writev(&io, ends[1], seven, -1)), -EINVAL);
        assert_int_equal(run(exec_writev(&io, ends[1], seven, 1025)), -EINVAL);
        assert_int_equal(run(exec_writev_all(&io, ends[1], seven, -1)), -EINVAL);
        assert_int_equal(run(exec_writev_all(&io, ends[1], seven, 0)), 0);
        assert_true(exec_is_ready(exec_writev_all(&io, ends[1], seven, 0)));    /* without a poll */
        assert_false(exec_is_ready(exec_writev(&io, ends[1], seven, 0)));
        seven[1].iov_len = SIZE_MAX;
        assert_int_equal(run(exec_writev(&io, ends[1], seven, 3)), -EINVAL);
        close_pair(ends);
    }
    end();
}

/* As read(2) and readv(2): at once, whatever has not come. */
static void a_read_of_no_bytes_does_not_wait(void **state) {
    int ends[2];
    char c;
    (void)state;
    begin();
    for (int kind = 0; kind < KINDS; kind++) {
        exec_handle h[2];
        exec_io io[2];
        prepare_vectors();
        open_kind(kind, ends);
        start(&h[0], exec_read(&io[0], ends[0], &c, 0));
        start(&h[1], exec_readv(&io[1], ends[0], ten, 0));
        turns(3);
        for (int i = 0; i < 2; i++) assert_int_equal(exec_handle_result(&h[i]), 0);
        close_pair(ends);
    }
    end();
}

static void vectors_of_a_file(void **state) {
    int file;
    exec_io io;
    (void)state;
    begin();
    fill_expected();
    prepare_vectors();
    file = open_file();
    assert_int_equal(run(exec_writev(&io, file, seven, 3)), 7);
    assert_int_equal(lseek(file, -7, SEEK_END), BYTES);
    assert_int_equal(run(exec_readv(&io, file, ten, 3)), 7);
    seven_have_come();
    assert_int_equal(run(exec_readv(&io, file, ten, 3)), 0);
    assert_int_equal(exec_close_fd(&ex, file), 0);
    end();
}

/* A vector to a socket of datagrams is one of them. */
static void a_vector_is_one_datagram(void **state) {
    struct iovec parts[20];
    int ends[2];
    exec_io io;
    char buf[64];
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(parts); i++) {
        parts[i].iov_base = &expected[i];
        parts[i].iov_len = 1;
    }
    assert_int_equal(exec_socket_pair(&ex, ends, 1), 0);
    assert_int_equal(run(exec_writev(&io, ends[1], parts, COUNT(parts))), COUNT(parts));
    assert_int_equal(run(exec_read(&io, ends[0], buf, sizeof buf)), COUNT(parts));
    close_pair(ends);
    end();
}

/* Only a blocking descriptor is written by pages. */
static void a_vector_into_a_pipe_or_a_file_is_one_call(void **state) {
    struct iovec parts[3];
    int ends[2], file;
    exec_io io;
    (void)state;
    begin();
    fill_expected();
    for (size_t i = 0; i < COUNT(parts); i++) {
        parts[i].iov_base = &expected[3000 * i];
        parts[i].iov_len = 3000;
    }
    file = open_file();
    assert_int_equal(exec_pipe(&ex, ends), 0);
    assert_int_equal(run(exec_writev(&io, ends[1], parts, COUNT(parts))), 9000);
    assert_int_equal(run(exec_writev(&io, file, parts, COUNT(parts))), 9000);
    assert_int_equal(run(exec_read_exact(&io, ends[0], got, 9000)), 9000);
    assert_memory_equal(got, expected, 9000);
    close_pair(ends);
    assert_int_equal(exec_close_fd(&ex, file), 0);
    end();
}

static void a_short_readv_ends_readiness(void **state) {
    struct iovec part;
    int ends[2];
    exec_handle h;
    unsigned before;
    exec_io io, w;
    char buf[16];
    (void)state;
    begin();
    part.iov_base = buf;
    part.iov_len = sizeof buf;
    tcp_pair(ends, NULL);
    start(&h, exec_readv(&io, ends[0], &part, 1));
    turns(2);
    for (int i = 0; i < 5; i++) {
        before = calls[CALL_RECVMSG];
        assert_int_equal(run(exec_write(&w, ends[1], "abc", 3)), 3);
        assert_int_equal(join(&h), 3);
        start(&h, exec_readv(&io, ends[0], &part, 1));
        turns(2);
        if (i && EXEC_BACKEND == EXEC_BACKEND_EPOLL) assert_int_equal(calls[CALL_RECVMSG], before + 1);
    }
    assert_int_equal(exec_handle_abort(&h), 0);
    close_pair(ends);
    end();
}

/* What could raise SIGPIPE is not written where that cannot be blocked. */
static void without_a_signal_mask_nothing_is_written(void **state) {
    struct iovec part = { expected, 1 };
    exec_sendfile_op s;
    int ends[2], file;
    exec_io io;
    char c;
    (void)state;
    begin();
    fill_expected();
    file = open_file();
    assert_int_equal(exec_pipe(&ex, ends), 0);
    fail_call(CALL_SIGPROCMASK, EPERM, 0, 3);
    assert_int_equal(run(exec_write(&io, ends[1], "a", 1)), -EPERM);
    assert_int_equal(run(exec_writev(&io, ends[1], &part, 1)), -EPERM);
    assert_int_equal(run(exec_sendfile(&s, ends[1], file, 0, 1)), EXEC_POSIX_ONLY ? -ENOSYS : -EPERM);
    assert_int_equal(exec_close_fd(&ex, ends[1]), 0);
    assert_int_equal(run(exec_read(&io, ends[0], &c, 1)), 0);
    assert_int_equal(exec_close_fd(&ex, ends[0]), 0);
    close(file);
    end();
}

/* Parts of any size, of which many are empty, that are `bytes` together. Their number. */
static int random_parts(struct iovec *parts, size_t most, size_t bytes) {
    size_t at = 0, count = 0;
    for (; count + 1 < most && at < bytes; count++) {
        size_t n = test_below(4) == 0 ? 0 : test_below(test_below(3) == 0 ? 9000 : 40);
        if (n > bytes - at) n = bytes - at;
        parts[count].iov_base = expected + at;
        parts[count].iov_len = n;
        at += n;
    }
    parts[count].iov_base = expected + at;
    parts[count++].iov_len = bytes - at;
    return (int)count;
}

static void writev_all_writes_each_byte_once_and_in_order(void **state) {
    static struct iovec parts[2000], copy[2000];
    int rounds = test_rounds(60);
    (void)state;
    test_seed(35);
    begin();
    fill_expected();
    for (int i = 0; i < rounds; i++) {
        size_t bytes = test_below(BYTES - 6000);
        int count = random_parts(parts, COUNT(parts), bytes), ends[2];
        exec_handle h;
        exec_io io;
        memcpy(copy, parts, sizeof parts);
        open_kind(i % KINDS, ends);
        collect(&h, ends[0], bytes);
        assert_int_equal(run(exec_writev_all(&io, ends[1], parts, count)), bytes);
        assert_int_equal(io.done, bytes);
        assert_memory_equal(copy, parts, sizeof parts);
        assert_int_equal(exec_close_fd(&ex, ends[1]), 0);
        assert_int_equal(join(&h), 0);
        assert_memory_equal(got, expected, bytes);
        assert_int_equal(exec_close_fd(&ex, ends[0]), 0);
    }
    end();
}

/* What has arrived so far; returns how much that is in all. */
static size_t drain(int fd, size_t received) {
    int waiting = 0;
    while (ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0) {
        ssize_t n = read(fd, got + received, (size_t)waiting);
        assert_true(n > 0);
        received += (size_t)n;
    }
    return received;
}

/* Aborts f at random points and goes on with it: each time `done` says what went out, nothing is sent
   twice or left out. The bytes that were received are the proof. How often it was aborted. */
static unsigned abort_and_resume(exec_io *io, exec_future *f, int kind, int from, const unsigned char *bytes,
                                 size_t count) {
    size_t received = 0;
    unsigned aborts = 0;
    exec_handle h;
    memset(got, 0, sizeof got);
    for (;; aborts++, f = exec_resume(io)) {
        intptr_t result;
        start(&h, f);
        turns((int)test_below(3));
        exec_handle_abort(&h);
        result = join(&h);
        assert_int_equal(net.fds.waiting, 0);
        assert_true(io->done <= count);
        received = drain(from, received);
        if (kind == OVER_TCP) assert_true(received <= io->done);        /* some may still be on its way */
        else assert_int_equal(received, io->done);
        if (EXEC_RESULT(io) != -ECANCELED) break;
        assert_int_equal(result, -ECANCELED);
        if (io->done == count) break;
    }
    assert_int_equal(io->done, count);
    while (received < count) {                          /* ours are nonblocking */
        exec_io r;
        assert_true(run(exec_readable(&r, from)) == 0);
        received = drain(from, received);
    }
    assert_memory_equal(got, bytes, count);
    return aborts;
}

/* More than the kernel takes in one call. */
static void writev_all_takes_any_number_of_parts(void **state) {
    static struct iovec parts[3000];
    (void)state;
    begin();
    fill_expected();
    for (size_t i = 0; i < COUNT(parts); i++) {
        parts[i].iov_base = expected + i;
        parts[i].iov_len = 1;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        exec_handle h;
        exec_io io;
        int ends[2];
        open_kind(kind, ends);
        collect(&h, ends[0], COUNT(parts));
        assert_int_equal(run(exec_writev_all(&io, ends[1], parts, COUNT(parts))), COUNT(parts));
        assert_int_equal(exec_close_fd(&ex, ends[1]), 0);
        assert_int_equal(join(&h), 0);
        assert_memory_equal(got, expected, COUNT(parts));
        assert_int_equal(exec_close_fd(&ex, ends[0]), 0);
    }
    end();
}

static void trap_33_an_aborted_writev_all_goes_on(void **state) {
    static struct iovec parts[500];
    int rounds = test_rounds(30);
    unsigned aborts = 0;
    (void)state;
    test_seed(33);
    begin();
    fill_expected();
    for (int i = 0; i < rounds; i++) {
        size_t bytes = test_below(BYTES);
        int count = random_parts(parts, COUNT(parts), bytes), ends[2];
        exec_io io;
        exec_future *f;
        open_kind(i % KINDS, ends);
        f = exec_writev_all(&io, ends[1], parts, count);
        aborts += abort_and_resume(&io, f, i % KINDS, ends[0], expected, bytes);
        close_pair(ends);
    }
    assert_true(aborts >= (unsigned)rounds);
    end();
}

static void trap_35_no_sigpipe_by_a_vector_or_a_file(void **state) {
    exec_sendfile_op op;
    struct iovec part;
    sigset_t pending, now;
    int ends[2], file;
    exec_io io;
    (void)state;
    begin();
    fill_expected();
    file = open_file();
    part.iov_base = expected;
    part.iov_len = 10;
    for (int kind = 0; kind < KINDS; kind++) {
        open_kind(kind, ends);
        assert_int_equal(exec_close_fd(&ex, ends[0]), 0);
        while (run(exec_writev(&io, ends[1], &part, 1)) == 10) continue;
        assert_true(EXEC_RESULT(&io) == -EPIPE || EXEC_RESULT(&io) == -ECONNRESET);
        assert_int_equal(run(exec_writev_all(&io, ends[1], &part, 1)), -EPIPE);
        assert_int_equal(io.done, 0);
        assert_int_equal(run(exec_sendfile(&op, ends[1], file, 0, 10)), EXEC_POSIX_ONLY ? -ENOSYS : -EPIPE);
        assert_int_equal(op.io.done, 0);
        assert_int_equal(exec_close_fd(&ex, ends[1]), 0);
    }
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
    sigprocmask(SIG_BLOCK, NULL, &now);
    assert_false(sigismember(&now, SIGPIPE));
    assert_int_equal(exec_close_fd(&ex, file), 0);
    end();
}

/* ------------------------------------------------------------------------------------------ files */

#if EXEC_POSIX_ONLY
static void posix_has_no_sendfile(void **state) {
    exec_sendfile_op op;
    int ends[2];
    (void)state;
    begin();
    open_kind(OVER_UNIX, ends);
    assert_int_equal(run(exec_sendfile(&op, ends[1], 0, 0, 10)), -ENOSYS);
    assert_int_equal(run(exec_resume(&op.io)), -ENOSYS);
    assert_int_equal(run(exec_sendfile(&op, ends[1], 0, 0, 0)), -ENOSYS);
    assert_int_equal(op.io.done, 0);
    close_pair(ends);
    end();
}
#else
static void a_file_goes_out_from_anywhere(void **state) {
    int rounds = test_rounds(60), file;
    (void)state;
    test_seed(60);
    begin();
    fill_expected();
    file = open_file();
    for (int i = 0; i < rounds; i++) {
        size_t offset = test_below(BYTES + 100), count = test_below(BYTES - 6000), there;
        exec_sendfile_op op;
        exec_handle h;
        int ends[2];
        there = offset >= BYTES ? 0 : count < BYTES - offset ? count : BYTES - offset;
        if (there == BYTES - offset && test_below(2)) count = SIZE_MAX;        /* to the end */
        if (there > BYTES - 6000) continue;
        open_kind(i % KINDS, ends);
        collect(&h, ends[0], there);
        assert_int_equal(run(exec_sendfile(&op, ends[1], file, (int64_t)offset, count)), there);
        assert_int_equal(op.io.done, there);
        assert_int_equal(exec_close_fd(&ex, ends[1]), 0);
        assert_int_equal(join(&h), 0);
        if (there) assert_memory_equal(got, &expected[offset], there);
        assert_int_equal(exec_close_fd(&ex, ends[0]), 0);
    }
    assert_int_equal(lseek(file, 0, SEEK_CUR), BYTES);  /* where we left it */
    assert_int_equal(exec_close_fd(&ex, file), 0);
    end();
}

static void trap_33_an_aborted_sendfile_goes_on(void **state) {
    int rounds = test_rounds(30), file;
    unsigned aborts = 0;
    (void)state;
    test_seed(34);
    begin();
    fill_expected();
    file = open_file();
    for (int i = 0; i < rounds; i++) {
        size_t offset = test_below(BYTES), count = BYTES - offset;
        exec_sendfile_op op;
        exec_future *f;
        int ends[2];
        open_kind(i % KINDS, ends);
        f = exec_sendfile(&op, ends[1], file, (int64_t)offset, count);
        aborts += abort_and_resume(&op.io, f, i % KINDS, ends[0], expected + offset, count);
        close_pair(ends);
    }
    assert_true(aborts >= (unsigned)rounds);
    assert_int_equal(exec_close_fd(&ex, file), 0);
    end();
}

static void a_file_into_a_file(void **state) {
    exec_sendfile_op op;
    int in, out;
    (void)state;
    begin();
    fill_expected();
    in = open_file();
    out = open_file();
    assert_int_equal(lseek(out, 0, SEEK_SET), 0);
    assert_int_equal(run(exec_sendfile(&op, out, in, 100, 5000)), 5000);
    assert_int_equal(pread(out, got, 5000, 0), 5000);
    assert_memory_equal(got, expected + 100, 5000);
    assert_int_equal(exec_close_fd(&ex, in), 0);
    assert_int_equal(exec_close_fd(&ex, out), 0);
    end();
}

static void offsets_need_64_bits(void **state) {
    static const int64_t far = INT64_C(5) << 30;
    exec_sendfile_op op;
    int ends[2], file;
    exec_io io;
    char buf[16];
    (void)state;
    begin();
    fill_expected();
    file = open_file();
#ifdef __GLIBC__
    if (pwrite64(file, "far away", 8, far) == 8) {      /* a hole before it */
#else
    if (pwrite(file, "far away", 8, far) == 8) {
#endif
        for (int kind = OVER_UNIX; kind <= OVER_BLOCKING_SOCKET; kind += OVER_BLOCKING_SOCKET - OVER_UNIX) {
            open_kind(kind, ends);
            assert_int_equal(run(exec_sendfile(&op, ends[1], file, far, 100)), 8);
            assert_int_equal(run(exec_read(&io, ends[0], buf, sizeof buf)), 8);
            assert_memory_equal(buf, "far away", 8);
            close_pair(ends);
        }
    } else printf("no such large files here: not tested\n");
    assert_int_equal(exec_close_fd(&ex, file), 0);
    end();
}

static void what_sendfile_refuses(void **state) {
    exec_sendfile_op op;
    int ends[2], pipes[2], file;
    (void)state;
    begin();
    fill_expected();
    file = open_file();
    open_kind(OVER_UNIX, ends);
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    assert_true(run(exec_sendfile(&op, ends[1], pipes[0], 0, 10)) < 0);
    assert_int_equal(run(exec_sendfile(&op, ends[1], file, -1, 10)), -EINVAL);
    assert_int_equal(run(exec_sendfile(&op, ends[1], -1, 0, 10)), -EBADF);
    assert_int_equal(run(exec_sendfile(&op, -1, file, 0, 10)), -EBADF);
    assert_int_equal(run(exec_sendfile(&op, ends[1], file, 0, 0)), 0);
    close_pair(pipes);
    close_pair(ends);
    assert_int_equal(exec_close_fd(&ex, file), 0);
    end();
}

/* To what takes a file as fast as it is read: others run meanwhile. */
typedef struct { EXEC_FRAME; int polls, *over; } bystander;
EXEC_ASYNC(bystander) {
    EXEC_BEGIN;
    while (!*self->over) {
        self->polls++;
        EXEC_YIELD;
    }
    EXEC_RETURN(self->polls);
    EXEC_END;
}
typedef struct { EXEC_FRAME; int in, out, *over; exec_sendfile_op op; } sender;
EXEC_ASYNC(sender) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sendfile(&self->op, self->out, self->in, 0, SIZE_MAX));
    EXEC_RETURN(EXEC_RESULT(&self->op));
    EXEC_FINALLY;
    *self->over = 1;
    EXEC_END;
}

static void trap_37_a_huge_file_yields(void **state) {
    exec_handle h[2];
    exec_opts opts;
    int file, null = open("/dev/null", O_WRONLY | O_CLOEXEC), over = 0;
    (void)state;
    begin();
    fill_expected();
    file = open_file();
    assert_int_equal(ftruncate(file, 100 << 20), 0);
    memset(h, 0, sizeof h);
    opts = test_opts_handle(&h[0]);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, sender, .in = file, .out = null, .over = &over), 0);
    opts = test_opts_handle(&h[1]);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, bystander, .over = &over), 0);
    assert_int_equal(join(&h[0]), 100 << 20);
    assert_true(join(&h[1]) >= 5);                      /* 128 calls of 128 KiB each */
    assert_int_equal(exec_close_fd(&ex, file), 0);
    fds_before--;
    assert_int_equal(exec_close_fd(&ex, null), 0);
    end();
}

#endif

/* ------------------------------------------------------------------- each system call fails once */

#define STEP(call) do { if (status >= 0) status = (call); } while (0)
#define LIMITED(future) run(exec_timeout(&limit, (future), EXEC_SEC(5)))

static int faulty_file;

static intptr_t move_around(void) {
    int ours[2] = { -1, -1 }, foreign[2] = { -1, -1 }, pipes[2] = { -1, -1 };
    exec_timeout_op limit;
#if !EXEC_POSIX_ONLY
    exec_sendfile_op op;
#endif
    struct iovec part;
    exec_io io;
    intptr_t status = 0;
    char buf[64];
    part.iov_base = buf;
    part.iov_len = 3;
    memset(buf, 0, sizeof buf);
    STEP(exec_socket_pair(&ex, ours, 0));
    STEP(exec_pipe(&ex, pipes));
    STEP(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, foreign));
    STEP(LIMITED(exec_writev(&io, pipes[1], &part, 1)));
    STEP(LIMITED(exec_readv(&io, pipes[0], &part, 1)));
    STEP(LIMITED(exec_writev_all(&io, ours[1], &part, 1)));
    STEP(LIMITED(exec_readv(&io, ours[0], &part, 1)));
#if !EXEC_POSIX_ONLY
    STEP(LIMITED(exec_sendfile(&op, ours[1], faulty_file, 0, 50)));
    STEP(LIMITED(exec_read_exact(&io, ours[0], buf, 50)));
    STEP(LIMITED(exec_sendfile(&op, foreign[1], faulty_file, 0, 50)));
    STEP(LIMITED(exec_read_exact(&io, foreign[0], buf, 50)));
#endif
    for (int i = 0; i < 2; i++) {
        if (ours[i] >= 0) exec_close_fd(&ex, ours[i]);
        if (foreign[i] >= 0) exec_close_fd(&ex, foreign[i]);
        if (pipes[i] >= 0) exec_close_fd(&ex, pipes[i]);
    }
    return status < 0 ? status : 0;
}

static void trap_20_each_call_of_transfers_fails(void **state) {
    static const fault_list list[] = {
        { CALL_READV, { EINTR, EIO, EBADF } }, { CALL_WRITEV, { EINTR, EPIPE, EIO, ENOSPC } },
        { CALL_RECVMSG, { EINTR, ECONNRESET, ENOMEM } }, { CALL_SENDMSG, { EINTR, EPIPE, ENOBUFS } },
#if !EXEC_POSIX_ONLY
        { CALL_SENDFILE, { EINTR, EIO, ENOMEM, EPIPE } }, { CALL_PREAD, { EINTR, EIO } },
        { CALL_SEND, { EINTR, EPIPE } }, { CALL_GETSOCKOPT, { EBADF, ENOMEM } },
#endif
        { CALL_FCNTL, { EBADF } } };
    (void)state;
    begin();
    fill_expected();
    faulty_file = open_file();
    each_call_fails(list, COUNT(list), move_around);
    assert_int_equal(exec_close_fd(&ex, faulty_file), 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_scatter_and_gather),
        cmocka_unit_test(vectors_that_cannot_be_are_refused),
        cmocka_unit_test(a_read_of_no_bytes_does_not_wait),
        cmocka_unit_test(vectors_of_a_file),
        cmocka_unit_test(a_vector_is_one_datagram),
        cmocka_unit_test(a_vector_into_a_pipe_or_a_file_is_one_call),
        cmocka_unit_test(a_short_readv_ends_readiness),
        cmocka_unit_test(without_a_signal_mask_nothing_is_written),
        cmocka_unit_test(writev_all_writes_each_byte_once_and_in_order),
        cmocka_unit_test(writev_all_takes_any_number_of_parts),
        cmocka_unit_test(trap_33_an_aborted_writev_all_goes_on),
        cmocka_unit_test(trap_35_no_sigpipe_by_a_vector_or_a_file),
#if EXEC_POSIX_ONLY
        cmocka_unit_test(posix_has_no_sendfile),
#else
        cmocka_unit_test(a_file_goes_out_from_anywhere),
        cmocka_unit_test(trap_33_an_aborted_sendfile_goes_on),
        cmocka_unit_test(a_file_into_a_file),
        cmocka_unit_test(offsets_need_64_bits),
        cmocka_unit_test(what_sendfile_refuses),
        cmocka_unit_test(trap_37_a_huge_file_yields),
#endif
        cmocka_unit_test(trap_20_each_call_of_transfers_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
