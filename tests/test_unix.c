/* SPDX-License-Identifier: MIT
 * Unix sockets and pipes, and descriptors that go through them. */
#include "net.h"

static char directory[32], path[64], address[72];

static void begin_in_a_directory(void) {
    begin();
    strcpy(directory, "/tmp/exec_test_XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/s", directory);
    snprintf(address, sizeof address, "unix:%s", path);
}
static void end_in_a_directory(void) {
    unlink(path);
    assert_int_equal(rmdir(directory), 0);
    end();
}

/* ---------------------------------------------------------------------------------- paths and names */

static void exchange_over(const char *where) {
    char text[EXEC_ADDRESS_BYTES], buf[8];
    int listener = exec_listen(&ex, where, NULL), client, server;
    exec_handle h;
    exec_io a, c;
    assert_true(listener >= 0);
    assert_true(is_ours(listener));
    text_of(listener, text);
    if (strcmp(where, "unix:@") != 0) assert_string_equal(text, where);
    start(&h, exec_accept(&a, listener));
    client = (int)run(exec_connect(&c, text, NULL));
    server = (int)join(&h);
    assert_true(client >= 0 && server >= 0);
    assert_true(is_ours(client) && is_ours(server));
    assert_int_equal(exec_peer_address(client, buf, sizeof buf), -ENOSPC);
    assert_int_equal(exec_peer_address(server, text, sizeof text), 0);
    assert_string_equal(text, "unix:");                 /* the client has no name */
    start(&h, exec_read_exact(&a, server, buf, 5));
    turns(2);
    assert_int_equal(run(exec_write_all(&c, client, "hello", 5)), 5);
    assert_int_equal(join(&h), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(exec_close_fd(&ex, client), 0);
    assert_int_equal(run(exec_read(&a, server, buf, 1)), 0);
    assert_int_equal(exec_close_fd(&ex, server), 0);
    assert_int_equal(exec_close_fd(&ex, listener), 0);
}

static void streams_over_a_path(void **state) {
    exec_io io;
    (void)state;
    begin_in_a_directory();
    assert_int_equal(run(exec_connect(&io, address, NULL)), -ENOENT);
    exchange_over(address);
    assert_int_equal(run(exec_connect(&io, address, NULL)), -ECONNREFUSED);     /* the file stays */
    end_in_a_directory();
}

static void streams_over_an_abstract_name(void **state) {
    char name[64];
    exec_address a;
    exec_io io;
    (void)state;
    begin();
    snprintf(name, sizeof name, "unix:@exec_test_%d", (int)getpid());
    if (EXEC_POSIX_ONLY) {
        assert_int_equal(exec_address_parse(&a, name), -ENOSYS);
        assert_int_equal(exec_listen(&ex, name, NULL), -ENOSYS);
        assert_int_equal(run(exec_connect(&io, name, NULL)), -ENOSYS);
        assert_int_equal(exec_datagram(&ex, name, NULL, NULL), -ENOSYS);
    } else {
        exchange_over(name);
        exchange_over("unix:@");                        /* any that is free */
        assert_int_equal(run(exec_connect(&io, name, NULL)), -ECONNREFUSED);
    }
    end();
}

static void the_longest_path(void **state) {
    size_t most = sizeof ((struct sockaddr_un *)0)->sun_path;
    char text[256];
    exec_address a;
    exec_io io;
    (void)state;
    begin_in_a_directory();
    snprintf(text, sizeof text, "unix:%s/", directory);
    while (strlen(text) < 5 + most - 1) strcat(text, "x");
    exchange_over(text);
    assert_int_equal(unlink(text + 5), 0);
    strcat(text, "x");
    assert_int_equal(exec_address_parse(&a, text), -ENAMETOOLONG);
    assert_int_equal(exec_listen(&ex, text, NULL), -ENAMETOOLONG);
    assert_int_equal(run(exec_connect(&io, text, NULL)), -ENAMETOOLONG);
    if (!EXEC_POSIX_ONLY) {                             /* a name has no zero byte at its end */
        text[5] = '@';
        exchange_over(text);
        strcat(text, "x");
        assert_int_equal(exec_address_parse(&a, text), -ENAMETOOLONG);
    }
    end_in_a_directory();
}

static void a_path_in_the_way(void **state) {
    char text[EXEC_ADDRESS_BYTES];
    exec_socket_opts replace;
    int fd, other;
    (void)state;
    begin_in_a_directory();
    memset(&replace, 0, sizeof replace);
    replace.unlink_path = 1;
    fd = exec_listen(&ex, address, &replace);
    assert_true(fd >= 0);
    assert_int_equal(exec_listen(&ex, address, &replace), -EADDRINUSE);         /* somebody listens */
    assert_int_equal(exec_datagram(&ex, address, NULL, &replace), -EADDRINUSE); /* of another type */
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    assert_int_equal(exec_listen(&ex, address, NULL), -EADDRINUSE);             /* nobody does, but not asked */
    fd = exec_listen(&ex, address, &replace);
    assert_true(fd >= 0);
    other = exec_listen(&ex, address, NULL);
    assert_int_equal(other, -EADDRINUSE);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    fd = exec_datagram(&ex, address, NULL, &replace);
    assert_true(fd >= 0);
    assert_int_equal(exec_datagram(&ex, address, NULL, &replace), -EADDRINUSE);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    assert_int_equal(unlink(path), 0);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    assert_int_equal(exec_listen(&ex, address, &replace), -EADDRINUSE);         /* a file is no socket */
    assert_int_equal(access(path, F_OK), 0);
    fd = exec_listen(&ex, "unix:@exec-in-the-way", &replace);                   /* what has no path */
    assert_true(fd >= 0 || EXEC_POSIX_ONLY);
    if (fd >= 0) assert_int_equal(exec_listen(&ex, "unix:@exec-in-the-way", &replace), -EADDRINUSE);
    if (fd >= 0) assert_int_equal(exec_close_fd(&ex, fd), 0);
    fd = exec_listen(&ex, "127.0.0.1:0", &replace);
    text_of(fd, text);
    assert_int_equal(exec_listen(&ex, text, &replace), -EADDRINUSE);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    end_in_a_directory();
}

/* Neither does one that is about to listen lose its path, nor one that listens get a connection. */
static void a_bound_socket_keeps_its_path(void **state) {
    exec_socket_opts replace;
    struct sockaddr_un name;
    struct pollfd listening;
    int fd, kinds[3] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
    (void)state;
    begin_in_a_directory();
    memset(&replace, 0, sizeof replace);
    replace.unlink_path = 1;
    memset(&name, 0, sizeof name);
    name.sun_family = AF_UNIX;
    memcpy(name.sun_path, path, strlen(path) + 1);
    for (int i = 0; i < 3; i++) {
        fd = socket(AF_UNIX, kinds[i], 0);
        assert_int_equal(bind(fd, (struct sockaddr *)(void *)&name, sizeof name), 0);
        assert_int_equal(exec_listen(&ex, address, &replace), -EADDRINUSE);
        assert_int_equal(exec_datagram(&ex, address, NULL, &replace), -EADDRINUSE);
        close(fd);
        assert_int_equal(unlink(path), 0);
    }
    fd = exec_listen(&ex, address, NULL);
    assert_int_equal(exec_listen(&ex, address, &replace), -EADDRINUSE);
    listening.fd = fd;
    listening.events = POLLIN;
    assert_int_equal(poll(&listening, 1, 0), 0);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    end_in_a_directory();
}

static void what_could_not_be_connected_leaves_no_path(void **state) {
    (void)state;
    begin_in_a_directory();
    for (int again = 0; again < 2; again++) {
        assert_int_equal(exec_datagram(&ex, address, "unix:/nonexistent/exec", NULL), -ENOENT);
        assert_int_equal(access(path, F_OK), -1);
        fail_call(CALL_CONNECT, ENOBUFS, 0, 1);             /* nor is a name or a host taken for one */
        assert_int_equal(exec_datagram(&ex, "127.0.0.1:0", "127.0.0.1:9", NULL), -ENOBUFS);
        if (!EXEC_POSIX_ONLY) assert_int_equal(exec_datagram(&ex, "unix:@", "unix:/nonexistent/exec", NULL), -ENOENT);
    }
    assert_int_equal(calls[CALL_UNLINK], 2);
    end_in_a_directory();
}

/* The kernel counts a zero byte behind a path of 108 bytes, and takes no address with it. */
static void a_sender_whose_path_takes_all_bytes_is_answered(void **state) {
    union { struct sockaddr_un un; struct sockaddr any; char bytes[sizeof(struct sockaddr_un) + 1]; } from;
    char text[EXEC_ADDRESS_BYTES], buf[4];
    exec_datagram_op op;
    exec_address to;
    int server, client = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)state;
    begin_in_a_directory();
    memset(&from, 0, sizeof from);
    from.un.sun_family = AF_UNIX;
    memset(from.un.sun_path, 'x', sizeof from.un.sun_path);
    memcpy(from.un.sun_path, path, strlen(path));
    assert_int_equal(bind(client, &from.any, sizeof from.un), 0);
    server = exec_datagram(&ex, address, NULL, NULL);
    assert_int_equal(exec_address_parse(&to, address), 0);
    assert_int_equal(sendto(client, "ping", 4, 0, (struct sockaddr *)(void *)to.bytes, to.size), 4);
    assert_int_equal(run(exec_recv_from(&op, server, buf, sizeof buf)), 4);
    assert_int_equal(exec_address_text(&op.address, text, sizeof text), 0);
    assert_string_equal(text + 5, from.un.sun_path);
    assert_int_equal(run(exec_send_to(&op, server, "pong", 4, &op.address)), 4);
    assert_int_equal(recv(client, buf, sizeof buf, MSG_DONTWAIT), 4);
    assert_int_equal(unlink(from.un.sun_path), 0);
    close(client);
    fds_before--;
    assert_int_equal(exec_close_fd(&ex, server), 0);
    end_in_a_directory();
}

static void a_full_backlog_says_try_again(void **state) {
    exec_socket_opts opts;
    int fd, clients[8], n = 0;
    exec_io io;
    (void)state;
    begin_in_a_directory();
    memset(&opts, 0, sizeof opts);
    opts.backlog = 1;
    fd = exec_listen(&ex, address, &opts);
    while (n < 8 && (clients[n] = (int)run(exec_connect(&io, address, NULL))) >= 0) n++;
    assert_true(n > 0 && n < 8);
    assert_int_equal(clients[n], -EAGAIN);
    for (int i = 0; i < n; i++) assert_int_equal(exec_close_fd(&ex, clients[i]), 0);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    end_in_a_directory();
}

/* ---------------------------------------------------------------------------------- pairs and pipes */

static void pairs_and_pipes_are_ours(void **state) {
    exec_handle h;
    exec_io r, w;
    int ends[2];
    char buf[8];
    (void)state;
    begin();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(i == 2 ? exec_pipe(&ex, ends) : exec_socket_pair(&ex, ends, i), 0);
        assert_true(is_ours(ends[0]) && is_ours(ends[1]));
        start(&h, exec_read(&r, ends[0], buf, sizeof buf));
        turns(2);
        assert_int_equal(run(exec_write(&w, ends[1], "ab", 2)), 2);
        assert_int_equal(run(exec_write(&w, ends[1], "cde", 3)), 3);
        if (i == 1) {
            assert_int_equal(join(&h), 2);
            assert_int_equal(run(exec_read(&r, ends[0], buf, sizeof buf)), 3);
        } else assert_true(join(&h) >= 2);
        close_pair(ends);
    }
    ends[0] = ends[1] = -7;
    fail_call(CALL_PIPE, EMFILE, 0, 1);
    assert_int_equal(exec_pipe(&ex, ends), -EMFILE);
    fail_call(CALL_SOCKETPAIR, ENFILE, 0, 1);
    assert_int_equal(exec_socket_pair(&ex, ends, 0), -ENFILE);
    assert_int_equal(ends[0], -7);
    assert_int_equal(exec_shutdown_write(-1), -EBADF);
    end();
}

/* What is known of a number is of the descriptor before, which was closed behind our back. */
static void a_new_descriptor_forgets_the_old_one(void **state) {
    int ends[2], old[2];
    exec_handle h;
    exec_io io;
    char c;
    (void)state;
    begin();
    assert_int_equal(exec_pipe(&ex, old), 0);
    assert_int_equal(exec_fd_cancel(&ex, old[0]), 0);
    assert_int_equal(exec_fd_cancel(&ex, old[1]), 0);
    close(old[0]);
    close(old[1]);
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    assert_int_equal(ends[0], old[0]);
    start(&h, exec_read(&io, ends[0], &c, 1));
    turns(2);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(join(&h), 1);
    close_pair(ends);
    end();
}

/* One side's reader and writer: each byte of `out` is written and as many are read, in two tasks. */
enum { DUPLEX = 1 << 18 };
typedef struct { EXEC_FRAME; int fd; size_t done; exec_io io; unsigned char buf[97]; } reader;
EXEC_ASYNC(reader) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_read(&self->io, self->fd, self->buf, sizeof self->buf));
        if (EXEC_RESULT(&self->io) == 0) break;
        for (intptr_t i = 0; i < EXEC_RESULT(&self->io); i++)
            if (self->buf[i] != (unsigned char)(self->done++ % 251)) EXEC_RETURN(-EIO);
    }
    EXEC_RETURN(self->done == DUPLEX ? 0 : -ENODATA);
    EXEC_END;
}
typedef struct { EXEC_FRAME; int fd; size_t done, n; exec_io io; unsigned char buf[131]; } writer;
EXEC_ASYNC(writer) {
    EXEC_BEGIN;
    while (self->done < DUPLEX) {
        self->n = DUPLEX - self->done < sizeof self->buf ? DUPLEX - self->done : sizeof self->buf;
        for (size_t i = 0; i < self->n; i++) self->buf[i] = (unsigned char)((self->done + i) % 251);
        EXEC_TRY(exec_write_all(&self->io, self->fd, self->buf, self->n));
        self->done += self->n;
    }
    EXEC_RETURN(exec_shutdown_write(self->fd));
    EXEC_END;
}

static void trap_14_reader_and_writer_of_one_unix_socket(void **state) {
    exec_socket_opts small;
    exec_handle h[4];
    int ends[2];
    (void)state;
    begin();
    memset(&small, 0, sizeof small);
    small.send_bytes = 4608;
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    memset(h, 0, sizeof h);
    for (int i = 0; i < 2; i++) {
        exec_opts opts = test_opts_handle(&h[2 * i]);
        assert_int_equal(exec_socket_set(ends[i], &small), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, reader, .fd = ends[i]), 0);
        opts = test_opts_handle(&h[2 * i + 1]);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, writer, .fd = ends[i]), 0);
    }
    for (int i = 0; i < 4; i++) assert_int_equal(join(&h[i]), 0);
    close_pair(ends);
    end();
}

static void half_close_lets_the_answer_through(void **state) {
    exec_handle h;
    exec_io a, b;
    int ends[2];
    char buf[8];
    (void)state;
    begin();
    for (int i = 0; i < 2; i++) {
        if (i) tcp_pair(ends, NULL);
        else assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
        start(&h, exec_read_exact(&a, ends[0], buf, 8));
        turns(2);
        assert_int_equal(run(exec_write_all(&b, ends[1], "ask", 3)), 3);
        assert_int_equal(exec_shutdown_write(ends[1]), 0);
        assert_int_equal(join(&h), -ENODATA);
        assert_int_equal(a.done, 3);
        assert_int_equal(run(exec_write_all(&a, ends[0], "answer", 6)), 6);
        assert_int_equal(run(exec_read(&b, ends[1], buf, sizeof buf)), 6);
        assert_int_equal(run(exec_write(&b, ends[1], "x", 1)), -EPIPE);
        close_pair(ends);
    }
    end();
}

/* ------------------------------------------------------------------------------------- descriptors */

/* Through a passed pipe end goes what is written into the other. */
static void is_the_pipe(int fd, int other) {
    char c = 0;
    assert_int_equal(write(other, "p", 1), 1);
    assert_int_equal(read(fd, &c, 1), 1);
    assert_int_equal(c, 'p');
}

static void descriptors_go_through(void **state) {
    int ends[2], pipes[2], got[EXEC_FDS_MAX], many[EXEC_FDS_MAX + 1];
    exec_fds_op in, out;
    exec_handle h;
    char buf[8];
    (void)state;
    begin();
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    for (int i = 0; i <= EXEC_FDS_MAX; i++) many[i] = pipes[0];
    for (int datagrams = 0; datagrams < 2; datagrams++) {
        assert_int_equal(exec_socket_pair(&ex, ends, datagrams), 0);
        for (unsigned n = 0; n <= EXEC_FDS_MAX; n += n < 3 ? 1 : 13) {
            start(&h, exec_recv_fds(&in, ends[0], buf, sizeof buf, got, EXEC_FDS_MAX));
            turns(2);
            assert_int_equal(run(exec_send_fds(&out, ends[1], "abc", 3, many, n)), 3);
            assert_int_equal(join(&h), 3);
            assert_memory_equal(buf, "abc", 3);
            assert_int_equal(in.fd_count, n);
            assert_false(in.truncated);
            for (unsigned i = 0; i < n; i++) {
                assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
                is_the_pipe(got[i], pipes[1]);
                assert_int_equal(exec_close_fd(&ex, got[i]), 0);
            }
        }
        assert_int_equal(run(exec_send_fds(&out, ends[1], "x", 1, many, EXEC_FDS_MAX + 1)), -EINVAL);
        assert_int_equal(run(exec_resume(&out.io)), -EINVAL);
        assert_int_equal(run(exec_send_fds(&out, ends[1], NULL, 0, many, 1)), -EINVAL);
        many[0] = -1;
        assert_int_equal(run(exec_send_fds(&out, ends[1], "x", 1, many, 1)), -EBADF);
        many[0] = pipes[0];
        close_pair(ends);
    }
    close_pair(pipes);
    end();
}

static void surplus_descriptors_do_not_leak(void **state) {
    int ends[2], pipes[2], got[EXEC_FDS_MAX], many[EXEC_FDS_MAX], before;
    exec_fds_op in, out;
    char buf[8];
    (void)state;
    not_under_qemu(QEMU_SURPLUS);
    begin();
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    for (int i = 0; i < EXEC_FDS_MAX; i++) many[i] = pipes[0];
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    before = count_fds();
    for (unsigned sent = 1; sent <= EXEC_FDS_MAX; sent++)
        for (unsigned room = 0; room < sent; room++) {
            assert_int_equal(run(exec_send_fds(&out, ends[1], "ab", 2, many, sent)), 2);
            assert_int_equal(run(exec_recv_fds(&in, ends[0], buf, sizeof buf, got, room)), 2);
            assert_true(in.truncated);
            assert_int_equal(in.fd_count, room);
            assert_int_equal(count_fds(), before + (int)room);
            for (unsigned i = 0; i < room; i++) assert_int_equal(exec_close_fd(&ex, got[i]), 0);
        }
    assert_int_equal(run(exec_send_fds(&out, ends[1], "ab", 2, many, 3)), 2);
    {
        exec_io io;                                     /* a plain read lets them go */
        assert_int_equal(run(exec_read(&io, ends[0], buf, sizeof buf)), 2);
        assert_int_equal(count_fds(), before);
    }
    assert_int_equal(run(exec_send_fds(&out, ends[1], "ab", 2, many, 3)), 2);
    close_pair(ends);                                   /* and so does a close */
    assert_int_equal(count_fds(), before - 2);
    close_pair(pipes);
    end();
}

/* Other control messages come before the descriptors and take room of theirs. */
static void credentials_before_descriptors(void **state) {
    int ends[2], pipes[2], got[EXEC_FDS_MAX], on = 1;
    exec_fds_op in, out;
    char buf[8];
    (void)state;
    begin();
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    assert_int_equal(run(exec_send_fds(&out, ends[1], "ab", 2, pipes, 2)), 2);
    assert_int_equal(run(exec_recv_fds(&in, ends[0], buf, sizeof buf, got, EXEC_FDS_MAX)), 2);
    for (unsigned i = 0; i < in.fd_count; i++) assert_int_equal(exec_close_fd(&ex, got[i]), 0);
    assert_true(in.fd_count == 2 || in.truncated);
    close_pair(ends);
    close_pair(pipes);
    end();
}

/* One that the kernel makes of the sender is none of those that were sent. */
static void a_descriptor_of_the_sender_does_not_leak(void **state) {
    enum { PASS_PIDFD = 76 };
    int ends[2], pipes[2], got[EXEC_FDS_MAX], on = 1, before;
    exec_fds_op in, out;
    char buf[8];
    (void)state;
    begin();
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    if (setsockopt(ends[0], SOL_SOCKET, PASS_PIDFD, &on, sizeof on) == 0) {     /* Linux 6.5 */
        before = count_fds();
        for (unsigned sent = 0; sent < 3; sent++) {
            assert_int_equal(run(exec_send_fds(&out, ends[1], "ab", 2, pipes, sent)), 2);
            assert_int_equal(run(exec_recv_fds(&in, ends[0], buf, sizeof buf, got, EXEC_FDS_MAX)), 2);
            assert_int_equal(in.fd_count, sent);
            for (unsigned i = 0; i < sent; i++) assert_int_equal(exec_close_fd(&ex, got[i]), 0);
            assert_int_equal(count_fds(), before);
        }
    }
    close_pair(ends);
    close_pair(pipes);
    end();
}

/* They are the caller's, whether this executor could use them or not. */
static void descriptors_beyond_a_callers_table_come_too(void **state) {
    exec_net_config config = table_config();
    int ends[2], pipes[2], got[2];
    exec_fds_op in, out;
    char buf[8];
    (void)state;
    fds_before = count_fds();
    mask_before = current_mask();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(pipe(pipes), 0);
    config.slot_count = (uint32_t)pipes[1];
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(exec_net_attach(&net, &ex, &config), 0);
    assert_int_equal(run(exec_send_fds(&out, ends[1], "ab", 2, pipes, 2)), 2);
    assert_int_equal(run(exec_recv_fds(&in, ends[0], buf, sizeof buf, got, 2)), 2);
    assert_int_equal(in.fd_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(got[i] > (int)config.slot_count);
        assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
    }
    is_the_pipe(got[0], pipes[1]);
    close_pair(got);
    close_pair(pipes);
    close_pair(ends);
    end();
}

static void data_ends_where_descriptors_came(void **state) {
    int ends[2], pipes[2], got[2];
    exec_fds_op in, out;
    exec_handle h;
    char buf[16];
    (void)state;
    begin();
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    start(&h, exec_recv_fds(&in, ends[0], buf, sizeof buf, got, 2));
    turns(2);
    for (int i = 0; i < 3; i++) {                       /* all behind one edge */
        assert_int_equal(run(exec_send_fds(&out, ends[1], "abc", 3, &pipes[0], 1)), 3);
        assert_int_equal(run(exec_send_fds(&out, ends[1], "de", 2, &pipes[0], 0)), 2);
    }
    assert_int_equal(join(&h), 3);
    for (int i = 0; i < 3; i++) {
        if (i) assert_true(run(exec_recv_fds(&in, ends[0], buf, sizeof buf, got, 2)) >= 3);
        assert_int_equal(in.fd_count, 1);
        is_the_pipe(got[0], pipes[1]);
        assert_int_equal(exec_close_fd(&ex, got[0]), 0);
    }
    close_pair(ends);
    close_pair(pipes);
    end();
}

static void cancelled_receive_takes_no_descriptor(void **state) {
    int ends[2], pipes[2], got[1], before;
    exec_fds_op in, out;
    exec_handle h;
    char buf[8];
    (void)state;
    begin();
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    start(&h, exec_recv_fds(&in, ends[0], buf, sizeof buf, got, 1));
    turns(2);
    before = count_fds();
    assert_int_equal(run(exec_send_fds(&out, ends[1], "x", 1, pipes, 1)), 1);
    assert_int_equal(exec_handle_abort(&h), 0);         /* it is there, but was not polled */
    assert_int_equal(EXEC_RESULT(&in), -ECANCELED);
    assert_int_equal(in.fd_count, 0);
    assert_int_equal(count_fds(), before);
    assert_int_equal(run(exec_recv_fds(&in, ends[0], buf, sizeof buf, got, 1)), 1);
    assert_int_equal(in.fd_count, 1);
    is_the_pipe(got[0], pipes[1]);
    assert_int_equal(exec_close_fd(&ex, got[0]), 0);
    close_pair(ends);
    close_pair(pipes);
    end();
}

static void no_descriptors_left_for_those_that_come(void **state) {
    int ends[2], pipes[2], got[4], many[4], free_fd;
    struct rlimit old, low;
    exec_fds_op in, out;
    char buf[8];
    (void)state;
    begin();
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    for (int i = 0; i < 4; i++) many[i] = pipes[0];
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    assert_int_equal(run(exec_send_fds(&out, ends[1], "abc", 3, many, 4)), 3);
    free_fd = dup(0);
    close(free_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)free_fd + 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(run(exec_recv_fds(&in, ends[0], buf, sizeof buf, got, 4)), 3);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_memory_equal(buf, "abc", 3);
    if (in.fd_count != 4) {                             /* (valgrind has a limit of its own) */
        assert_true(in.truncated);
        assert_true(in.fd_count <= 2);
    }
    for (unsigned i = 0; i < in.fd_count; i++) assert_int_equal(exec_close_fd(&ex, got[i]), 0);
    close_pair(ends);
    close_pair(pipes);
    end();
}

static void a_received_descriptor_forgets_the_old_one(void **state) {
    int ends[2], pipes[2], old[2], got[2];
    exec_fds_op in, out;
    exec_handle h;
    exec_io io;
    char buf[8];
    (void)state;
    begin();
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    assert_int_equal(exec_pipe(&ex, old), 0);
    assert_int_equal(exec_fd_cancel(&ex, old[0]), 0);
    close(old[0]);
    assert_int_equal(run(exec_send_fds(&out, ends[1], "x", 1, pipes, 1)), 1);
    assert_int_equal(run(exec_recv_fds(&in, ends[0], buf, sizeof buf, got, 1)), 1);
    assert_int_equal(got[0], old[0]);
    start(&h, exec_read(&io, got[0], buf, 1));
    turns(2);
    assert_int_equal(write(pipes[1], "y", 1), 1);
    assert_int_equal(join(&h), 1);
    assert_int_equal(exec_close_fd(&ex, got[0]), 0);
    assert_int_equal(exec_close_fd(&ex, old[1]), 0);
    close_pair(pipes);
    close_pair(ends);
    end();
}

/* A message of ten bytes in two parts. */
static char ten_bytes[10];
static struct msghdr ten_in_two(void) {
    static struct iovec parts[2];
    struct msghdr message;
    memset(&message, 0, sizeof message);
    parts[0].iov_base = ten_bytes;
    parts[0].iov_len = 2;
    parts[1].iov_base = ten_bytes + 2;
    parts[1].iov_len = 8;
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return message;
}

/* The general call: two parts of data, and a descriptor in a control message that the caller makes. */
static void whole_messages_bring_descriptors(void **state) {
    union { struct cmsghdr first; char bytes[CMSG_SPACE(sizeof(int))]; } control;
    struct msghdr message = ten_in_two();
    int ends[2], pipes[2], fd, copy;
    exec_fds_op op;
    exec_handle h;
    exec_io io;
    (void)state;
    begin();
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    start(&h, exec_recvmsg(&io, ends[0], &message, 0));
    turns(2);
    assert_int_equal(run(exec_send_fds(&op, ends[1], "abcde", 5, pipes, 1)), 5);
    assert_int_equal(join(&h), 5);
    assert_memory_equal(ten_bytes, "abcde", 5);
    assert_int_equal(control.first.cmsg_type, SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(&control.first), sizeof fd);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    is_the_pipe(fd, pipes[1]);
    assert_int_equal(run(exec_sendmsg(&io, ends[1], &message, 0)), 10);         /* sends that copy on */
    assert_int_equal(run(exec_recv_fds(&op, ends[0], ten_bytes, sizeof ten_bytes, &copy, 1)), 10);
    assert_int_equal(op.fd_count, 1);
    is_the_pipe(copy, pipes[1]);
    assert_int_equal(exec_close_fd(&ex, copy), 0);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    close_pair(ends);
    close_pair(pipes);
    end();
}

static void whole_messages_end_as_streams_do(void **state) {
    struct msghdr message = ten_in_two();
    int ends[2], pipes[2];
    exec_io io;
    (void)state;
    begin();
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    memcpy(ten_bytes, "abCDEFGHIJ", 10);
    assert_int_equal(run(exec_sendmsg(&io, ends[1], &message, 0)), 10);
    memset(ten_bytes, 0, sizeof ten_bytes);
    assert_int_equal(run(exec_recvmsg(&io, ends[0], &message, MSG_PEEK)), 10);
    assert_memory_equal(ten_bytes, "abCDEFGHIJ", 10);
    assert_int_equal(exec_shutdown_write(ends[1]), 0);
    assert_int_equal(run(exec_recvmsg(&io, ends[0], &message, 0)), 10);
    assert_int_equal(run(exec_recvmsg(&io, ends[0], &message, 0)), 0);
    assert_int_equal(run(exec_sendmsg(&io, ends[1], &message, 0)), -EPIPE);
    assert_int_equal(run(exec_sendmsg(&io, pipes[1], &message, 0)), -ENOTSOCK);
    close_pair(ends);
    close_pair(pipes);
    end();
}

/* ------------------------------------------------------------------- each system call fails once */

#define STEP(call) do { if (status >= 0) status = (call); } while (0)

static intptr_t pass_around(void) {
    int ends[2] = { -1, -1 }, pipes[2] = { -1, -1 }, got[1] = { -1 }, listener = -1, client = -1;
    exec_timeout_op limit;
    exec_socket_opts opts;
    exec_fds_op in, out;
    exec_io io;
    intptr_t status = 0;
    char buf[4];
    memset(&opts, 0, sizeof opts);
    opts.unlink_path = 1;
    in.fd_count = 0;
    STEP(listener = exec_listen(&ex, address, &opts));  /* the file is left from the run before */
    STEP(client = (int)run(exec_connect(&io, address, NULL)));
    STEP(exec_pipe(&ex, pipes));
    STEP(exec_socket_pair(&ex, ends, 0));
    STEP(run(exec_timeout(&limit, exec_send_fds(&out, ends[1], "x", 1, pipes, 1), EXEC_SEC(5))));
    STEP(run(exec_timeout(&limit, exec_recv_fds(&in, ends[0], buf, sizeof buf, got, 1), EXEC_SEC(5))));
    STEP(exec_shutdown_write(ends[1]));
    if (in.fd_count) exec_close_fd(&ex, got[0]);
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0) exec_close_fd(&ex, ends[i]);
        if (pipes[i] >= 0) exec_close_fd(&ex, pipes[i]);
    }
    if (listener >= 0) exec_close_fd(&ex, listener);
    if (client >= 0) exec_close_fd(&ex, client);
    return status < 0 ? status : 0;
}

static void trap_20_each_call_of_unix_sockets_fails(void **state) {
    static const fault_list list[] = {
        { CALL_SOCKET, { EMFILE, ENOBUFS } }, { CALL_BIND, { EACCES, EROFS } }, { CALL_LISTEN, { EADDRINUSE } },
        { CALL_CONNECT, { EACCES, EAGAIN, ECONNREFUSED } }, { CALL_LSTAT, { EACCES, EOVERFLOW } },
        { CALL_UNLINK, { EACCES, EROFS, EPERM } }, { CALL_PIPE, { EMFILE, ENFILE } },
        { CALL_SOCKETPAIR, { EMFILE, ENFILE } }, { CALL_SHUTDOWN, { ENOTCONN } }, { CALL_CLOSE, { EIO } },
        { CALL_SENDMSG, { EINTR, ETOOMANYREFS, EPIPE, ENOBUFS } }, { CALL_RECVMSG, { EINTR, ENOMEM, ECONNRESET } } };
    (void)state;
    begin_in_a_directory();
    each_call_fails(list, COUNT(list), pass_around);
    end_in_a_directory();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_over_a_path),
        cmocka_unit_test(streams_over_an_abstract_name),
        cmocka_unit_test(the_longest_path),
        cmocka_unit_test(a_path_in_the_way),
        cmocka_unit_test(a_bound_socket_keeps_its_path),
        cmocka_unit_test(what_could_not_be_connected_leaves_no_path),
        cmocka_unit_test(a_sender_whose_path_takes_all_bytes_is_answered),
        cmocka_unit_test(a_full_backlog_says_try_again),
        cmocka_unit_test(pairs_and_pipes_are_ours),
        cmocka_unit_test(a_new_descriptor_forgets_the_old_one),
        cmocka_unit_test(trap_14_reader_and_writer_of_one_unix_socket),
        cmocka_unit_test(half_close_lets_the_answer_through),
        cmocka_unit_test(descriptors_go_through),
        cmocka_unit_test(surplus_descriptors_do_not_leak),
        cmocka_unit_test(credentials_before_descriptors),
        cmocka_unit_test(a_descriptor_of_the_sender_does_not_leak),
        cmocka_unit_test(descriptors_beyond_a_callers_table_come_too),
        cmocka_unit_test(data_ends_where_descriptors_came),
        cmocka_unit_test(cancelled_receive_takes_no_descriptor),
        cmocka_unit_test(no_descriptors_left_for_those_that_come),
        cmocka_unit_test(a_received_descriptor_forgets_the_old_one),
        cmocka_unit_test(whole_messages_bring_descriptors),
        cmocka_unit_test(whole_messages_end_as_streams_do),
        cmocka_unit_test(trap_20_each_call_of_unix_sockets_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
