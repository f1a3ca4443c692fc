/* SPDX-License-Identifier: MIT
 * The reactor and what waits on descriptors, over real sockets of 127.0.0.1. Every system call of the
 * headers goes through `faulty`, which counts it and can make it fail. */
#include "net.h"
#include <arpa/inet.h>
#include <sys/wait.h>
#include <time.h>
#if !EXEC_NO_THREADS
#include <pthread.h>
#endif

/* What waits, and what looks. Tests about calls of epoll are for that backend alone. */
#define ON_EPOLL (EXEC_BACKEND == EXEC_BACKEND_EPOLL)
#if ON_EPOLL
#define EPOLL_FD net.epoll
#else
#define EPOLL_FD (-ENOSYS)
#endif
enum { CALL_LOOK = ON_EPOLL ? CALL_EPOLL_WAIT : CALL_PPOLL };

/* ------------------------------------------------------------------------------------ the setting */

static int listen_here(char *address, const exec_socket_opts *opts) {
    int fd = exec_listen(&ex, "127.0.0.1:0", opts);
    assert_true(fd >= 0);
    text_of(fd, address);
    return fd;
}

/* A foreign, blocking socket that connects to the address. */
static int plain_connect(const char *address) {
    struct sockaddr_in to;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* pair[0]: accepted by the library; pair[1]: foreign. */
static void foreign_pair(int pair[2]) {
    char address[EXEC_ADDRESS_BYTES];
    int listener = listen_here(address, NULL);
    exec_io io;
    pair[1] = plain_connect(address);
    pair[0] = (int)run(exec_accept(&io, listener));
    assert_true(pair[0] >= 0);
    assert_int_equal(exec_close_fd(&ex, listener), 0);
}

/* ------------------------------------------------------------------------------- sizes and options */

static void sizes_hold(void **state) {
    (void)state;
    printf("exec_io %zu, slot %zu, waiter %zu, exec_net %zu\n", sizeof(exec_io), sizeof(exec_fd_slot),
           sizeof(exec_waiter), sizeof(exec_net));
    if (sizeof(void *) == 8) {
        assert_true(sizeof(exec_io) <= 72);
        assert_true(sizeof(exec_fd_slot) <= (EXEC_DEBUG ? 40 : 24));
    } else {
        assert_true(sizeof(exec_io) <= 48);
        assert_true(sizeof(exec_fd_slot) <= (EXEC_DEBUG ? 32 : 16));
    }
    if (!EXEC_POSIX_ONLY) assert_true(ON_EPOLL || EXEC_BACKEND == EXEC_BACKEND_POLL);
    else assert_int_equal(EXEC_BACKEND, EXEC_BACKEND_POLL);
    assert_int_not_equal(EXEC_BACKEND_POLL, EXEC_BACKEND_URING);
    assert_true(EXEC_NET_EVENTS > 0);
}

static void attach_refuses_a_second_parker(void **state) {
    exec_net other;
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(exec_net_attach(&other, &ex, NULL), -EBUSY);
    assert_int_equal(exec_net_attach(&net, &ex, NULL), -EBUSY);     /* and the one that is there stays */
    foreign_pair(pair);
    close_pair(pair);
    end();
}

static void attach_uses_the_timers_that_are_there(void **state) {
    exec_net_config config = table_config();
    exec_timers timers;
    exec_sleep_op nap;
    (void)state;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(exec_timers_attach(&timers, &ex), 0);
    assert_int_equal(exec_net_attach(&net, &ex, &config), 0);
    assert_ptr_equal(exec_timers_of(&ex), &timers);
    assert_int_equal(run(exec_sleep(&nap, EXEC_US(10))), 0);
    assert_int_equal(exec_destroy(&ex, 0), 0);
}

static void attach_without_slots_or_epoll_fails_cleanly(void **state) {
    int before = count_fds();
    (void)state;
    assert_int_equal(exec_init(&ex, NULL), 0);
    fail_call(CALL_EPOLL_CREATE, EMFILE, 0, 1);
    if (EXEC_NO_MALLOC) assert_int_equal(exec_net_attach(&net, &ex, NULL), -EINVAL);
    else if (ON_EPOLL) assert_int_equal(exec_net_attach(&net, &ex, NULL), -EMFILE);
    assert_null(exec_timers_of(&ex));
    assert_int_equal(exec_destroy(&ex, 0), 0);
    assert_int_equal(count_fds(), before);
    memset(&fault, 0, sizeof fault);
}

static void a_callers_table_is_a_limit(void **state) {
    exec_net_config config = table_config();
    int pair[2];
    char c = 0;
    exec_io io;
    (void)state;
    fds_before = count_fds();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    config.slot_count = (uint32_t)pair[0] + 1;
    assert_int_equal(exec_init(&ex, NULL), 0);
    assert_int_equal(exec_net_attach(&net, &ex, &config), 0);
    assert_int_equal(run(exec_write(&io, pair[1], &c, 1)), -EMFILE);
    assert_int_equal(run(exec_write(&io, pair[0], &c, 1)), 1);
    memset(calls, 0, sizeof calls);
    assert_int_equal(run(exec_connect(&io, "127.0.0.1:1", NULL)), -EMFILE);     /* and closes what it made */
    assert_int_equal(calls[CALL_CONNECT], 0);
    assert_int_equal(exec_fd_cancel(&ex, pair[1]), -EMFILE);
    assert_int_equal(exec_fd_forget(&ex, pair[1]), 0);
    close_pair(pair);
    end();
}

/* -------------------------------------------------------------------------------------- addresses */

static void bad_addresses(void **state) {
    static const char *const bad[] = {
        "", ":", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
        "127.0.0.1:99999999999999", "127.0.0.1:8 ", "256.0.0.1:80", "1.2.3:80", "::1:80", "[::1]", "[::1]:", "[]:80",
        "[127.0.0.1]:80", "[::1:80", ":80", "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1" };
    exec_io io;
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(exec_listen(&ex, bad[i], NULL), -EINVAL);
        assert_int_equal(run(exec_connect(&io, bad[i], NULL)), -EINVAL);
    }
    assert_int_equal(exec_listen(&ex, NULL, NULL), -EINVAL);
    assert_non_null(strstr(exec_strerror(-EINVAL), "getaddrinfo"));
    assert_int_equal(exec_listen(&ex, "192.0.2.1:0", NULL), -EADDRNOTAVAIL);
    end();
}

static void port_in_use(void **state) {
    char address[EXEC_ADDRESS_BYTES];
    int fd;
    (void)state;
    begin();
    fd = listen_here(address, NULL);
    assert_int_equal(exec_listen(&ex, address, NULL), -EADDRINUSE);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    end();
}

static void options_of_listen(void **state) {
    exec_socket_opts opts;
    char address[EXEC_ADDRESS_BYTES];
    int fd, other;
    (void)state;
    begin();
    memset(&opts, 0, sizeof opts);
    opts.backlog = 7;
    opts.no_reuse_address = opts.reuse_port = opts.nagle = 1;
    fd = listen_here(address, NULL);
    assert_int_equal(asked_backlog, 4096);
    assert_true(socket_option(fd, SOL_SOCKET, SO_REUSEADDR));
    assert_false(socket_option(fd, SOL_SOCKET, SO_REUSEPORT));
    assert_true(socket_option(fd, IPPROTO_TCP, TCP_NODELAY));
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    fd = listen_here(address, &opts);
    assert_int_equal(asked_backlog, 7);
    assert_false(socket_option(fd, SOL_SOCKET, SO_REUSEADDR));
    assert_true(socket_option(fd, SOL_SOCKET, SO_REUSEPORT));
    assert_false(socket_option(fd, IPPROTO_TCP, TCP_NODELAY));
    other = exec_listen(&ex, address, &opts);
    assert_true(other >= 0);
    assert_int_equal(exec_close_fd(&ex, other), 0);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    end();
}

static void addresses_as_text(void **state) {
    char address[EXEC_ADDRESS_BYTES], text[EXEC_ADDRESS_BYTES], small[8];
    int pair[2], fd;
    (void)state;
    begin();
    foreign_pair(pair);
    assert_int_equal(exec_local_address(pair[0], address, sizeof address), 0);
    assert_int_equal(exec_peer_address(pair[1], text, sizeof text), 0);
    assert_string_equal(address, text);
    assert_int_equal(exec_peer_address(pair[1], small, sizeof small), -ENOSPC);
    close_pair(pair);
    fd = listen_here(address, NULL);
    assert_int_equal(exec_peer_address(fd, text, sizeof text), -ENOTCONN);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    assert_int_equal(exec_local_address(-1, text, sizeof text), -EBADF);
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(exec_local_address(pair[0], text, sizeof text), -ENOTSOCK);
    close_pair(pair);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(exec_local_address(pair[0], text, sizeof text), 0);
    assert_string_equal(text, "unix:");
    close_pair(pair);
    end();
}

/* As inet_ntop writes them. */
static void v6_addresses_as_text(void **state) {
    test_seed(6);
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[EXEC_ADDRESS_BYTES], host[INET6_ADDRSTRLEN], expected[64];
        exec__address a;
        memset(&a, 0, sizeof a);
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(80);
        a.size = sizeof a.v6;
        for (int k = 0; k < 8; k++) {
            a.v6.sin6_addr.s6_addr[2 * k] = test_below(3) ? 0 : (unsigned char)test_random();
            a.v6.sin6_addr.s6_addr[2 * k + 1] = test_below(3) ? 0 : (unsigned char)test_random();
        }
        a.v6.sin6_addr.s6_addr[0] = 0x20;       /* not the ones that are written as IPv4 */
        inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof host);
        snprintf(expected, sizeof expected, "[%s]:80", host);
        assert_int_equal(exec__address_text(&a, text, sizeof text), 0);
        assert_string_equal(text, expected);
    }
}

static void v6_loopback(void **state) {
    char address[EXEC_ADDRESS_BYTES], text[EXEC_ADDRESS_BYTES];
    exec_io io, other;
    exec_handle h;
    int fd;
    (void)state;
    begin();
    fd = exec_listen(&ex, "[::1]:0", NULL);
    if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT) {
        printf("no IPv6 here: not tested\n");
        end();
        return;
    }
    assert_int_equal(exec_local_address(fd, address, sizeof address), 0);
    assert_memory_equal(address, "[::1]:", 6);
    start(&h, exec_accept(&other, fd));
    assert_true(run(exec_connect(&io, address, NULL)) >= 0);
    assert_true(join(&h) >= 0);
    assert_int_equal(exec_peer_address((int)EXEC_RESULT(&io), text, sizeof text), 0);
    assert_string_equal(text, address);
    exec_close_fd(&ex, (int)EXEC_RESULT(&io));
    exec_close_fd(&ex, (int)EXEC_RESULT(&other));
    exec_close_fd(&ex, fd);
    end();
}

/* --------------------------------------------------------------------------------- connect, accept */

static void trap_08_connect_is_so_error(void **state) {
    char address[EXEC_ADDRESS_BYTES], text[EXEC_ADDRESS_BYTES];
    int listener, fd;
    exec_io io;
    (void)state;
    begin();
    listener = listen_here(address, NULL);
    (void)!exec_connect(&io, address, NULL);
    assert_int_equal(calls[CALL_CONNECT], 0);           /* preparing does nothing */
    fd = (int)run(&io.fut);
    assert_true(fd >= 0);
    assert_int_equal(exec_peer_address(fd, text, sizeof text), 0);
    assert_string_equal(text, address);
    assert_true(socket_option(fd, IPPROTO_TCP, TCP_NODELAY));
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    {
        exec_socket_opts opts;
        memset(&opts, 0, sizeof opts);
        opts.nagle = 1;
        fd = (int)run(exec_connect(&io, address, &opts));
        assert_false(socket_option(fd, IPPROTO_TCP, TCP_NODELAY));
        assert_int_equal(exec_close_fd(&ex, fd), 0);
    }
    assert_int_equal(exec_close_fd(&ex, listener), 0);
    assert_int_equal(run(exec_connect(&io, address, NULL)), refused_by_so_error());
    assert_false(exec_is_ready(exec_resume(&io)));
    assert_int_equal(run(&io.fut), refused_by_so_error());      /* tries again */
    end();
}

/* A listener whose queue is full: a connect to it stays in progress. */
static int full_listener(char *address, int fillers[2]) {
    exec_socket_opts opts;
    int fd;
    memset(&opts, 0, sizeof opts);
    opts.backlog = 1;
    fd = listen_here(address, &opts);
    for (int i = 0; i < 2; i++) fillers[i] = plain_connect(address);
    return fd;
}

static void trap_21_cancelled_connect_closes_its_fd(void **state) {
    char address[EXEC_ADDRESS_BYTES];
    int fillers[2], listener, fds;
    exec_timeout_op limit;
    exec_handle h;
    exec_io io;
    (void)state;
    begin();
    listener = full_listener(address, fillers);
    fds = count_fds();
    assert_int_equal(run(exec_timeout(&limit, exec_connect(&io, address, NULL), EXEC_MS(5))), -ETIMEDOUT);
    assert_int_equal(EXEC_RESULT(&io), -ECANCELED);
    assert_int_equal(count_fds(), fds);
    start(&h, exec_connect(&io, address, NULL));
    turns(2);
    assert_int_equal(count_fds(), fds + 1);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(count_fds(), fds);
    close_pair(fillers);
    exec_close_fd(&ex, listener);
    end();
}

static void trap_21_cancelled_accept_takes_no_connection(void **state) {
    char address[EXEC_ADDRESS_BYTES];
    int listener, client;
    exec_handle h;
    exec_io io;
    unsigned tried;
    (void)state;
    begin();
    listener = listen_here(address, NULL);
    start(&h, exec_accept(&io, listener));
    turns(2);
    client = plain_connect(address);
    tried = calls[CALL_ACCEPT];
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    assert_int_equal(calls[CALL_ACCEPT], tried);        /* a marked op does not try */
    assert_int_equal(net.fds.waiting, 0);
    assert_true(run(exec_accept(&io, listener)) >= 0);  /* it is still there */
    exec_close_fd(&ex, (int)EXEC_RESULT(&io));
    close(client);
    exec_close_fd(&ex, listener);
    end();
}

static void accepted_sockets(void **state) {
    struct sockaddr_in any;
    char address[EXEC_ADDRESS_BYTES];
    int pair[2], listener;
    exec_io io;
    (void)state;
    begin();
    foreign_pair(pair);
    assert_true(socket_option(pair[0], IPPROTO_TCP, TCP_NODELAY));
    assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(pair[0], F_GETFD) & FD_CLOEXEC);
    close_pair(pair);
    memset(&any, 0, sizeof any);                        /* a foreign listener */
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(listener, 5), 0);
    assert_int_equal(exec_local_address(listener, address, sizeof address), 0);
    pair[1] = plain_connect(address);
    pair[0] = (int)run(exec_accept(&io, listener));
    assert_true(socket_option(pair[0], IPPROTO_TCP, TCP_NODELAY));
    close_pair(pair);
    exec_close_fd(&ex, listener);
    end();
}

static void accept_goes_on_after_errors_of_one_connection(void **state) {
    static const int errors[] = { ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
                                  EOPNOTSUPP, ENETUNREACH, EPERM, ETIMEDOUT, EINTR };
    char address[EXEC_ADDRESS_BYTES];
    int listener;
    exec_io io;
    (void)state;
    begin();
    listener = listen_here(address, NULL);
    for (size_t i = 0; i < COUNT(errors); i++) {
        int client = plain_connect(address);
        fail_call(CALL_ACCEPT, errors[i], 0, 300);      /* more than the budget of a poll */
        assert_true(run(exec_accept(&io, listener)) >= 0);
        exec_close_fd(&ex, (int)EXEC_RESULT(&io));
        close(client);
    }
    exec_close_fd(&ex, listener);
    end();
}

static void accept_on_what_does_not_listen(void **state) {
    int pair[2];
    exec_io io;
    (void)state;
    begin();
    foreign_pair(pair);
    assert_int_equal(run(exec_accept(&io, pair[0])), -EINVAL);
    close_pair(pair);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(run(exec_accept(&io, pair[0])), -EOPNOTSUPP);
    close_pair(pair);
    assert_int_equal(pipe2(pair, O_NONBLOCK), 0);
    assert_int_equal(run(exec_accept(&io, pair[0])), -ENOTSOCK);
    close_pair(pair);
    assert_int_equal(run(exec_accept(&io, -1)), -EBADF);
    end();
}

static void an_accept_that_cannot_be_made_ends(void **state) {
    static const int errors[] = { EBADF, EINVAL, ENOTSOCK, EFAULT, ENOSYS };
    char address[EXEC_ADDRESS_BYTES];
    int listener;
    exec_io io;
    (void)state;
    begin();
    listener = listen_here(address, NULL);
    for (size_t i = 0; i < COUNT(errors); i++) {
        fail_call(CALL_ACCEPT, errors[i], 0, 1);
        assert_int_equal(run(exec_accept(&io, listener)), -errors[i]);
    }
    exec_close_fd(&ex, listener);
    end();
}

typedef struct { EXEC_FRAME; int listener, count, limit; int fds[16]; exec_io io; } acceptor;
EXEC_ASYNC(acceptor) {
    EXEC_BEGIN;
    while (self->count < self->limit) {
        EXEC_TRY(exec_accept(&self->io, self->listener));
        self->fds[self->count++] = (int)EXEC_RESULT(&self->io);
    }
    EXEC_END;
}

static acceptor *start_acceptor(exec_handle *h, int listener, int limit) {
    exec_opts opts = test_opts_handle(h);
    acceptor *a = EXEC_CLAIM(&ex, &opts, acceptor);
    assert_non_null(a);
    a->listener = listener;
    a->limit = limit;
    EXEC_START(a);
    return a;
}

/* It closes what is over the limit of descriptors itself. */
static int under_valgrind(void) {
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload") != NULL;
}

static void trap_22_emfile_on_accept(void **state) {
    enum { CLIENTS = 8, ROOM = 3 };
    char address[EXEC_ADDRESS_BYTES];
    int clients[CLIENTS], listener, last;
    struct rlimit old, low;
    exec_sleep_op nap;
    exec_handle h;
    acceptor *a;
    (void)state;
    if (under_valgrind()) skip();
    begin();
    listener = listen_here(address, NULL);
    for (int i = 0; i < CLIENTS; i++) clients[i] = plain_connect(address);
    last = clients[CLIENTS - 1];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)last + 1 + ROOM;
    a = start_acceptor(&h, listener, CLIENTS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(run(exec_sleep(&nap, EXEC_MS(350))), 0);
    assert_int_equal(a->count, ROOM);
    assert_true(calls[CALL_ACCEPT] <= ROOM + 5);        /* one that failed, and one each 100 ms */
    exec_dump(&ex);
    expect_words(log_text, "no descriptors left");
    assert_int_equal(exec_close_fd(&ex, a->fds[0]), 0); /* wakes it at once */
    turns(2);
    assert_int_equal(a->count, ROOM + 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(join(&h), 0);                      /* or the timer does; the frame is gone then */
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
    for (int fd = last + 1; fd < last + 12; fd++) exec_close_fd(&ex, fd);
    exec_close_fd(&ex, listener);
    end();
}

static void a_paused_accept_can_be_cancelled_or_lose_its_listener(void **state) {
    char address[EXEC_ADDRESS_BYTES];
    int listener, client;
    exec_handle h, second;
    exec_io io, other;
    (void)state;
    begin();
    listener = listen_here(address, NULL);
    client = plain_connect(address);
    fail_call(CALL_ACCEPT, EMFILE, 0, 1000000);
    start(&h, exec_accept(&io, listener));
    start(&second, exec_accept(&other, listener));
    turns(2);
    assert_int_equal(calls[CALL_ACCEPT], 2);
    turns(5);
    assert_int_equal(calls[CALL_ACCEPT], 2);
    assert_int_equal(net.fds.waiting, 0);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    assert_int_equal(exec_close_fd(&ex, listener), 0);
    assert_int_equal(join(&second), -EBADF);
    assert_int_equal(calls[CALL_ACCEPT], 2);
    close(client);
    end();
}

/* -------------------------------------------------------------------------------------- transfers */

typedef struct { EXEC_FRAME; int fd, rounds; unsigned sum; exec_io io; unsigned char buf[64]; } sender;
EXEC_ASYNC(sender) {
    EXEC_BEGIN;
    for (; self->rounds > 0; self->rounds--) {
        memset(self->buf, self->rounds, sizeof self->buf);
        EXEC_TRY(exec_write_all(&self->io, self->fd, self->buf, sizeof self->buf));
    }
    EXEC_END;
}
typedef struct { EXEC_FRAME; int fd, rounds; exec_io io; unsigned char buf[64]; } receiver;
EXEC_ASYNC(receiver) {
    EXEC_BEGIN;
    for (; self->rounds > 0; self->rounds--) {
        EXEC_TRY(exec_read_exact(&self->io, self->fd, self->buf, sizeof self->buf));
        if (self->buf[0] != (unsigned char)self->rounds || self->buf[63] != (unsigned char)self->rounds)
            EXEC_RETURN(-EIO);
    }
    EXEC_END;
}

static void trap_14_reader_and_writer_of_one_fd(void **state) {
    exec_handle h[4];
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    for (int i = 0; i < 2; i++) {       /* buffers of a few messages, so that the writers wait too */
        exec_opts opts = test_opts_handle(&h[2 * i]), more = test_opts_handle(&h[2 * i + 1]);
        int bytes = 1;
        assert_int_equal(setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, sender, .fd = pair[i], .rounds = test_rounds(100000)), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &more, receiver, .fd = pair[i], .rounds = test_rounds(100000)), 0);
    }
    for (int i = 0; i < 4; i++) assert_int_equal(join(&h[i]), 0);
    close_pair(pair);
    end();
}

/* A client that waits for each answer: request and answer in lockstep, in both directions of one fd. */
static void echo_makes_three_calls(void **state) {
    exec_handle h[2];
    exec_io io[2];
    char buf[2][64];
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    memset(buf, 0, sizeof buf);
    for (int round = 0; round < 50; round++) {
        if (round == 5) memset(calls, 0, sizeof calls);
        start(&h[0], exec_read(&io[0], pair[0], buf[0], sizeof buf[0]));
        turns(2);                                               /* pends */
        assert_int_equal(send(pair[1], buf[1], 32, 0), 32);     /* the client, outside */
        assert_int_equal(join(&h[0]), 32);
        assert_int_equal(run(exec_write_all(&io[1], pair[0], buf[0], 32)), 32);
        assert_int_equal(recv(pair[1], buf[1], 64, 0), 32);
    }
    assert_int_equal(calls[CALL_RECV], 45);
    assert_int_equal(calls[CALL_SEND], 45);
    assert_int_equal(calls[CALL_EPOLL_CTL], 0);
    assert_int_equal(all_calls(), 90 + calls[CALL_LOOK] + (EXEC_DEBUG ? calls[CALL_FSTAT] : 0));
    close_pair(pair);
    end();
}

/* One call for each part that came: none that only finds nothing. */
static void an_exact_read_makes_one_call_a_part(void **state) {
    exec_handle h;
    exec_io io;
    char buf[12];
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    start(&h, exec_read_exact(&io, pair[0], buf, sizeof buf));
    turns(2);
    calls[CALL_RECV] = 0;
    for (int part = 1; part <= 3; part++) {
        assert_int_equal(send(pair[1], "part", 4, 0), 4);
        while (io.done < 4 * (size_t)part) turns(1);
        turns(1);
        assert_int_equal(calls[CALL_RECV], part);
    }
    assert_int_equal(join(&h), sizeof buf);
    close_pair(pair);
    end();
}

static void a_megabyte_arrives_whole(void **state) {
    enum { BYTES = 1 << 20 };
    static unsigned char out[BYTES], in[BYTES];
    exec_io w, r;
    exec_handle h;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    test_seed(14);
    for (size_t i = 0; i < BYTES; i++) out[i] = (unsigned char)test_random();
    start(&h, exec_write_all(&w, pair[0], out, BYTES));
    assert_int_equal(run(exec_read_exact(&r, pair[1], in, BYTES)), BYTES);
    assert_int_equal(join(&h), BYTES);
    assert_memory_equal(in, out, BYTES);
    close_pair(pair);
    end();
}

typedef struct { EXEC_FRAME; int fd, left; exec_io io; exec_sleep_op nap; char c; } dripper;
EXEC_ASYNC(dripper) {
    EXEC_BEGIN;
    for (; self->left > 0; self->left--) {
        self->c = (char)self->left;
        EXEC_TRY(exec_write(&self->io, self->fd, &self->c, 1));
        EXEC_TRY(exec_sleep(&self->nap, EXEC_US(200)));
    }
    EXEC_END;
}

static void a_byte_at_a_time(void **state) {
    char buf[20];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), dripper, .fd = pair[1], .left = 20), 0);
    assert_int_equal(run(exec_read_exact(&io, pair[0], buf, sizeof buf)), 20);
    for (int i = 0; i < 20; i++) assert_int_equal(buf[i], 20 - i);
    assert_int_equal(exec_run(&ex), 0);
    close_pair(pair);
    end();
}

static void half_close(void **state) {
    char buf[16];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    assert_int_equal(send(pair[1], "ab", 2, 0), 2);
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    assert_int_equal(run(exec_read(&io, pair[0], buf, sizeof buf)), 2);
    assert_int_equal(run(exec_read(&io, pair[0], buf, sizeof buf)), 0);
    assert_int_equal(run(exec_read(&io, pair[0], buf, sizeof buf)), 0);
    assert_int_equal(run(exec_write_all(&io, pair[0], "answer", 6)), 6);
    assert_int_equal(recv(pair[1], buf, sizeof buf, 0), 6);
    close_pair(pair);
    end();
}

/* Data and end of file come in one edge, to a reader that waits: it sees both. */
static void data_and_fin_in_one_edge(void **state) {
    exec_handle h;
    char buf[16];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    start(&h, exec_read(&io, pair[0], buf, sizeof buf));
    turns(2);
    assert_int_equal(send(pair[1], "ab", 2, 0), 2);
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    assert_int_equal(join(&h), 2);
    assert_int_equal(run(exec_read(&io, pair[0], buf, sizeof buf)), 0);
    close_pair(pair);
    end();
}

static void urgent_data_ends_no_readiness(void **state) {
    exec_timeout_op limit;
    exec_handle h;
    char buf[16];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    start(&h, exec_read(&io, pair[0], buf, sizeof buf));
    turns(2);
    assert_int_equal(send(pair[1], "abc", 3, 0), 3);
    assert_int_equal(send(pair[1], "U", 1, MSG_OOB), 1);
    assert_int_equal(send(pair[1], "def", 3, 0), 3);
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    assert_int_equal(join(&h), 3);                      /* short: stops at the mark */
    assert_int_equal(run(exec_recv(&io, pair[0], buf, 1, MSG_OOB)), 1);
    assert_int_equal(buf[0], 'U');
    assert_int_equal(run(exec_timeout(&limit, exec_read_exact(&io, pair[0], buf, 3), EXEC_SEC(5))), 3);
    assert_memory_equal(buf, "def", 3);
    assert_int_equal(run(exec_timeout(&limit, exec_read(&io, pair[0], buf, 3), EXEC_SEC(5))), 0);
    close_pair(pair);
    end();
}

static void reset_by_the_peer(void **state) {
    struct linger hard = { 1, 0 };
    exec_handle h;
    char c;
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);
    assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    assert_int_equal(exec_close_fd(&ex, pair[1]), 0);
    assert_int_equal(join(&h), -ECONNRESET);
    assert_int_equal(run(exec_write(&io, pair[0], "x", 1)), -EPIPE);
    assert_int_equal(exec_close_fd(&ex, pair[0]), 0);
    end();
}

/* It is no short read, behind which there would be nothing until the next edge. */
typedef struct { EXEC_FRAME; int fd; char c; exec_io io; } reads_twice;
EXEC_ASYNC(reads_twice) {
    EXEC_BEGIN;
    EXEC_TRY(exec_read(&self->io, self->fd, &self->c, 1));
    EXEC_TRY(exec_read(&self->io, self->fd, &self->c, 1));
    EXEC_RETURN(EXEC_RESULT(&self->io));
    EXEC_END;
}
static void the_end_is_ready_as_often_as_it_is_read(void **state) {
    struct pollfd over = { .events = POLLIN };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    exec_io io;
    int pair[2];
    char c;
    (void)state;
    begin();
    tcp_pair(pair, NULL);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);                                   /* it is registered */
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    assert_int_equal(join(&h), 1);
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    over.fd = pair[0];
    assert_int_equal(poll(&over, 1, -1), 1);    /* the executor has not looked yet */
    assert_int_equal(EXEC_SPAWN(&ex, &opts, reads_twice, .fd = pair[0]), 0);
    turns(1);
    assert_int_equal(exec_handle_result(&h), 0);
    close_pair(pair);
    end();
}

static void end_of_file_inside_read_exact(void **state) {
    char buf[8];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    assert_int_equal(run(exec_read_exact(&io, pair[0], buf, 0)), 0);
    assert_int_equal(run(exec_write_all(&io, pair[0], buf, 0)), 0);
    assert_int_equal(send(pair[1], "abc", 3, 0), 3);
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    assert_int_equal(run(exec_read_exact(&io, pair[0], buf, 8)), -ENODATA);
    assert_int_equal(io.done, 3);
    assert_int_equal(run(exec_resume(&io)), -ENODATA);
    close_pair(pair);
    end();
}

static void recv_and_send_with_flags(void **state) {
    exec_timeout_op limit;
    char buf[8];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    assert_int_equal(run(exec_send(&io, pair[0], "abc", 3, MSG_MORE)), 3);
    assert_int_equal(run(exec_send(&io, pair[0], "d", 1, 0)), 1);
    for (int i = 0; i < 3; i++)                         /* a short peek does not end readiness */
        assert_int_equal(run(exec_timeout(&limit, exec_recv(&io, pair[1], buf, 8, MSG_PEEK), EXEC_SEC(5))), 4);
    assert_int_equal(run(exec_recv(&io, pair[1], buf, 8, 0)), 4);
    close_pair(pair);
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(run(exec_send(&io, pair[1], "x", 1, 0)), -ENOTSOCK);
    assert_int_equal(run(exec_write(&io, pair[1], "x", 1)), 1);
    assert_int_equal(run(exec_recv(&io, pair[0], buf, 1, 0)), -ENOTSOCK);
    close_pair(pair);
    end();
}

static void trap_33_timed_out_read_exact_keeps_progress(void **state) {
    exec_timeout_op limit;
    char buf[10];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    assert_int_equal(send(pair[1], "0123", 4, 0), 4);
    assert_int_equal(run(exec_timeout(&limit, exec_read_exact(&io, pair[0], buf, 10), EXEC_MS(5))), -ETIMEDOUT);
    assert_true(limit.expired);
    assert_int_equal(EXEC_RESULT(&io), -ECANCELED);
    assert_int_equal(io.done, 4);
    assert_int_equal(send(pair[1], "456789", 6, 0), 6);
    assert_int_equal(run(exec_resume(&io)), 10);
    assert_memory_equal(buf, "0123456789", 10);
    assert_int_equal(exec_resume(&io)->result, 10);     /* nothing is left */
    assert_true(exec_is_ready(&io.fut));
    close_pair(pair);
    end();
}

/* A peer that never reads: write_all waits, nothing piles up; under a limit it keeps its place. */
static void trap_34_a_peer_that_never_reads(void **state) {
    enum { BYTES = 16 << 20 };
    static unsigned char out[BYTES], in[BYTES];
    exec_timeout_op limit;
    exec_handle h;
    exec_io w, r;
    int pair[2];
    size_t kept;
    (void)state;
    begin();
    foreign_pair(pair);
    for (size_t i = 0; i < BYTES; i++) out[i] = (unsigned char)(i * 31 + (i >> 12));
    assert_int_equal(run(exec_timeout(&limit, exec_write_all(&w, pair[0], out, BYTES), EXEC_MS(20))), -ETIMEDOUT);
    assert_true(limit.expired);
    assert_int_equal(EXEC_RESULT(&w), -ECANCELED);
    kept = w.done;
    assert_in_range(kept, 1, BYTES - 1);
    start(&h, exec_resume(&w));
    assert_int_equal(run(exec_read_exact(&r, pair[1], in, BYTES)), BYTES);
    assert_int_equal(join(&h), BYTES);
    assert_memory_equal(in, out, BYTES);
    close_pair(pair);
    end();
}

static void cancelled_read_moves_nothing(void **state) {
    exec_select_op select;
    exec_sleep_op nap;
    exec_handle h;
    char buf[8];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    start(&h, exec_read(&io, pair[0], buf, sizeof buf));
    turns(2);
    assert_int_equal(send(pair[1], "abc", 3, 0), 3);
    exec_net_poll(&net, EXEC_SEC(5));                   /* it is ready, and woken */
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    assert_int_equal(io.done, 0);
    assert_int_equal(run(exec_select(&select, exec_sleep(&nap, 0), exec_read(&io, pair[0], buf, 8))), 0);
    assert_int_equal(run(exec_read(&io, pair[0], buf, sizeof buf)), 3);
    close_pair(pair);
    end();
}

/* Losers of a select leave no waiter behind. */
static void trap_05_no_waiter_is_left(void **state) {
    exec_select_op select;
    exec_sleep_op nap;
    exec_io r, w;
    char c;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(run(exec_select(&select, exec_read(&r, pair[0], &c, 1), exec_readable(&w, pair[1]),
                                         exec_sleep(&nap, EXEC_US(50)))), 2);
        assert_int_equal(net.fds.waiting, 0);
        assert_int_equal(exec_check(&ex), 0);
    }
    close_pair(pair);
    end();
}

typedef struct { EXEC_FRAME; int fd; int *ops; exec_io io; char c; } endless_writer;
EXEC_ASYNC(endless_writer) {
    EXEC_BEGIN;
    for (; *self->ops < 100000; ++*self->ops) EXEC_TRY(exec_write(&self->io, self->fd, "x", 1));
    EXEC_END;
}
typedef struct { EXEC_FRAME; int *polls; const int *ops; } yielder;
EXEC_ASYNC(yielder) {
    EXEC_BEGIN;
    while (*self->ops < 100000) {
        ++*self->polls;
        EXEC_YIELD;
    }
    EXEC_END;
}

static void trap_37_always_ready_socket_yields(void **state) {
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC), polls = 0, ops = 0;
    exec_config config = default_config();
    (void)state;
    begin_with(&config);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), endless_writer, .fd = fd, .ops = &ops), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), yielder, .polls = &polls, .ops = &ops), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_true(polls >= 100000 / 128);
    fds_before--;
    exec_close_fd(&ex, fd);
    end();
}

/* Who tries again at once lets others run. */
typedef struct { EXEC_FRAME; int left; exec_io io; } stubborn;
EXEC_ASYNC(stubborn) {
    EXEC_BEGIN;
    for (; self->left > 0; self->left--) {
        EXEC_AWAIT(exec_connect(&self->io, "unix:/nonexistent/exec", NULL));
        if (EXEC_RESULT(&self->io) != -ENOENT) EXEC_RETURN(-EPROTO);
    }
    EXEC_END;
}
static void trap_37_connects_that_fail_at_once_yield(void **state) {
    enum { OPS = 1000, PER_POLL = 4 };
    exec_config config = default_config();
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    uint64_t before;
    (void)state;
    config.ops_per_poll = PER_POLL;
    begin_with(&config);
    before = stats(&ex).polls;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, stubborn, .left = OPS), 0);
    assert_int_equal(join(&h), 0);
    assert_true(stats(&ex).polls - before >= OPS / PER_POLL);
    end();
}

typedef struct { EXEC_FRAME; int fd, reads, left; exec_io io; char c; } one_by_one;
EXEC_ASYNC(one_by_one) {
    EXEC_BEGIN;
    for (; self->left > 0; self->left--) {
        if (self->reads) EXEC_TRY(exec_read(&self->io, self->fd, &self->c, 1));
        else EXEC_TRY(exec_write(&self->io, self->fd, "x", 1));
    }
    EXEC_END;
}
static void reads_and_writes_of_a_socket_cost_budget(void **state) {
    enum { OPS = 1000, PER_POLL = 4 };
    exec_config config = default_config();
    int pair[2];
    (void)state;
    config.ops_per_poll = PER_POLL;
    begin_with(&config);
    foreign_pair(pair);
    for (int reads = 0; reads < 2; reads++) {
        uint64_t before = stats(&ex).polls;
        assert_int_equal(EXEC_SPAWN(&ex, test_opts(), one_by_one, .fd = pair[reads], .reads = reads, .left = OPS), 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_true(stats(&ex).polls - before >= OPS / PER_POLL);
    }
    close_pair(pair);
    end();
}

/* The pause ends where time does. */
static void an_accept_pauses_at_the_end_of_time_too(void **state) {
    exec_config config = default_config();
    char address[EXEC_ADDRESS_BYTES];
    exec_handle h;
    int listener, client;
    (void)state;
    config.virtual_clock = 1;
    begin_with(&config);
    listener = listen_here(address, NULL);
    client = plain_connect(address);
    assert_int_equal(exec_clock_advance(&ex, EXEC_NEVER - 1000), 0);
    fail_call(CALL_ACCEPT, EMFILE, 0, 1000);
    start_acceptor(&h, listener, 1);
    turns(6);
    assert_int_equal(calls[CALL_ACCEPT], 1);
    fail_call(CALL_ACCEPT, 0, 0, 0);
    assert_int_equal(exec_handle_abort(&h), 0);
    close(client);
    exec_close_fd(&ex, listener);
    end();
}

/* A read gives what has come: there is nothing behind it to go on with. */
static void resumes_what_is_done(void) {
    int pair[2];
    char c;
    exec_io io;
    begin();
    foreign_pair(pair);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(run(exec_read(&io, pair[0], &c, 1)), 1);
    run(exec_resume(&io));
}
static void a_read_that_is_done_is_not_resumed(void **state) {
    (void)state;
    dies_saying(resumes_what_is_done, "exec_resume: it is done, begin anew");
}

/* An op that yielded for its budget does not touch the number after a close. */
static void a_close_reaches_an_op_that_yielded(void **state) {
    exec_config config = default_config();
    exec_handle h;
    int pair[2], ops = 0, fd;
    exec_opts opts;
    (void)state;
    config.ops_per_poll = 4;
    begin_with(&config);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    opts = test_opts_handle(&h);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, endless_writer, .fd = pair[0], .ops = &ops), 0);
    turns(1);
    assert_in_range(ops, 1, 99999);
    fd = pair[0];
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    assert_int_equal(dup2(pair[1], fd), fd);
    assert_int_equal(join(&h), -EBADF);
    close_pair(pair);
    end();
}

typedef struct { EXEC_FRAME; int *stop; unsigned *polls; } spinner;
EXEC_ASYNC(spinner) {
    EXEC_BEGIN;
    while (!*self->stop) {
        ++*self->polls;
        EXEC_YIELD;
    }
    EXEC_END;
}

static void trap_17_io_and_timers_beside_a_busy_task(void **state) {
    exec_handle reads;
    exec_sleep_op nap;
    unsigned polls = 0;
    int stop = 0, pair[2];
    char c;
    exec_io io;
    (void)state;
    begin();
    foreign_pair(pair);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), spinner, .stop = &stop, .polls = &polls), 0);
    start(&reads, exec_read(&io, pair[0], &c, 1));
    turns(2);
    assert_int_equal(run(exec_sleep(&nap, EXEC_MS(1))), 0);
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    assert_int_equal(join(&reads), 1);
    assert_true(polls > 0);
    stop = 1;
    assert_int_equal(exec_run(&ex), 0);
    close_pair(pair);
    end();
}

static void spurious_polls_make_no_system_call(void **state) {
    exec_handle h[4];
    exec_io io[4];
    char address[EXEC_ADDRESS_BYTES], c;
    int pair[2], listener;
    unsigned before;
    (void)state;
    begin();
    foreign_pair(pair);
    listener = listen_here(address, NULL);
    start(&h[0], exec_read(&io[0], pair[0], &c, 1));
    start(&h[1], exec_accept(&io[1], listener));
    start(&h[2], exec_readable(&io[2], pair[1]));
    turns(3);
    before = all_calls() - calls[CALL_LOOK];
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 3; k++) exec_wake(h[k].task);
        turns(1);
    }
    assert_int_equal(all_calls() - calls[CALL_LOOK], before);
    for (int i = 0; i < 3; i++) assert_int_equal(exec_handle_abort(&h[i]), 0);
    assert_int_equal(exec_close_fd(&ex, listener), 0);
    close_pair(pair);
    end();
}

static void second_waiter_is_busy(void **state) {
    exec_handle h;
    exec_io io, other;
    char c = 0;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);
    assert_int_equal(run(exec_read(&other, pair[0], &c, 1)), -EBUSY);
    assert_int_equal(run(exec_write(&other, pair[0], &c, 1)), 1);
    assert_int_equal(exec_handle_abort(&h), 0);
    close_pair(pair);
    end();
}

/* Who came later is polled first, finds the descriptor ready and takes it all: it need not wait. */
static void a_waiter_that_was_forestalled_is_told_again(void **state) {
    exec_handle waits, takes;
    exec_io io, other;
    char c[4], all[4];
    int pair[2];
    (void)state;
    begin();
    tcp_pair(pair, NULL);
    for (int i = 0; i < 2; i++) {
        start(&waits, i ? exec_readable(&io, pair[0]) : exec_read(&io, pair[0], c, sizeof c));
        turns(2);
        assert_int_equal(send(pair[1], "a", 1, 0), 1);
        start(&takes, exec_read(&other, pair[0], all, sizeof all));
        assert_int_equal(join(&takes), 1);
        turns(2);
        assert_int_equal(exec_handle_result(&waits), -EAGAIN);
        assert_int_equal(send(pair[1], "b", 1, 0), 1);
        turns(2);
        assert_int_equal(exec_handle_result(&waits), !i);
    }
    close_pair(pair);
    end();
}

/* ------------------------------------------------------------------------------------ descriptors */

static void fd_cancel_ends_waits_until_the_close(void **state) {
    exec_handle h;
    exec_io io;
    char c = 0;
    int pair[2], fd;
    (void)state;
    begin();
    foreign_pair(pair);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);
    assert_int_equal(exec_fd_cancel(&ex, pair[0]), 0);
    assert_int_equal(net.fds.waiting, 0);
    assert_int_equal(io.waiter.fd, -EBADF);
    assert_int_equal(join(&h), -EBADF);
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    assert_true(exec_net_poll(&net, 0) >= 0);                   /* nobody waits: a turn would not look */
    assert_int_equal(run(exec_read(&io, pair[0], &c, 1)), -EBADF);
    assert_int_equal(run(exec_write(&io, pair[0], &c, 1)), -EBADF);
    assert_int_equal(run(exec_readable(&io, pair[0])), -EBADF);
    assert_int_equal(run(exec_accept(&io, pair[0])), -EBADF);
    assert_int_equal(exec_fd_cancel(&ex, -1), -EBADF);
    fd = pair[0];
    assert_int_equal(exec_close_fd(&ex, pair[0]), 0);
    assert_int_equal(exec_close_fd(&ex, pair[1]), 0);
    assert_int_equal(exec_fd_cancel(&ex, pair[1]), -EBADF);     /* whoever has the number next is not cancelled */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(run(exec_write(&io, pair[0], &c, 1)), 1);
    assert_int_equal(run(exec_read(&io, pair[1], &c, 1)), 1);
    close_pair(pair);
    do foreign_pair(pair); while (pair[0] > fd && pair[1] > fd);
    assert_int_equal(run(exec_write(&io, pair[0], &c, 1)), 1);
    close_pair(pair);
    end();
}

static void closing_ends_the_waits_of_others(void **state) {
    exec_handle r, w;
    exec_io ri, wi;
    static char big[8 << 20];
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    start(&r, exec_read(&ri, pair[0], big, 1));
    start(&w, exec_write_all(&wi, pair[0], big, sizeof big));
    turns(20);
    assert_int_equal(net.fds.waiting, 2);
    assert_int_equal(exec_close_fd(&ex, pair[0]), 0);
    assert_int_equal(join(&r), -EBADF);
    assert_int_equal(join(&w), -EBADF);
    assert_int_equal(exec_close_fd(&ex, pair[1]), 0);
    assert_int_equal(exec_close_fd(&ex, pair[1]), -EBADF);
    assert_int_equal(exec_close_fd(&ex, -1), -EBADF);
    end();
}

static void fd_forget_before_a_foreign_close(void **state) {
    exec_handle h;
    exec_io io;
    char c;
    int pair[2], other[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);
    assert_int_equal(exec_fd_forget(&ex, pair[0]), 0);
    assert_int_equal(exec_fd_forget(&ex, -1), -EBADF);
    assert_int_equal(join(&h), -EBADF);
    close(pair[0]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    assert_int_equal(other[0], pair[0]);                /* the same number, and it is registered anew */
    start(&h, exec_read(&io, other[0], &c, 1));
    turns(2);
    assert_int_equal(send(other[1], "x", 1, 0), 1);
    assert_int_equal(join(&h), 1);
    close_pair(other);
    exec_close_fd(&ex, pair[1]);
    end();
}

/* One batch brings events of two descriptors; the first is closed and its number opened again before
   they are delivered: the new one gets nothing. */
static struct { int old_fd, fresh[2]; exec_waiter waiter; exec_task *task; } swap;
static void swap_fd(int count) {
    batch_hook = NULL;
    if (count < 2) return;
    assert_int_equal(exec_close_fd(&ex, swap.old_fd), 0);
    assert_int_equal(dup2(swap.fresh[0], swap.old_fd), swap.old_fd);
    close(swap.fresh[0]);
    swap.fresh[0] = swap.old_fd;
    assert_int_equal(exec_net_register(&net, &swap.waiter, swap.fresh[0], EXEC_READABLE, swap.task), 0);
    swap.waiter.ready = 0;
}

static void trap_23_stale_events_of_a_batch(void **state) {
    exec_handle h, idler;
    gate g = { 0 };
    exec_io io;
    char c;
    int a[2], b[2];
    (void)state;
    begin();
    foreign_pair(b);
    foreign_pair(a);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, swap.fresh), 0);
    start(&idler, gate_wait(&g));
    start(&h, exec_read(&io, b[0], &c, 1));
    turns(2);
    assert_int_equal(exec_net_register(&net, &swap.waiter, a[0], EXEC_READABLE, g.task), 0);
    turns(2);
    swap.waiter.ready = 0;
    swap.old_fd = a[0];
    swap.task = g.task;
    assert_int_equal(send(a[1], "x", 1, 0), 1);
    assert_int_equal(send(b[1], "x", 1, 0), 1);
    batch_hook = swap_fd;
    assert_int_equal(exec_net_poll(&net, EXEC_NEVER), 2);
    assert_null(batch_hook);
    assert_int_equal(swap.waiter.ready, 0);
    assert_int_equal(send(swap.fresh[1], "y", 1, 0), 1);
    assert_true(exec_net_poll(&net, EXEC_SEC(5)) >= 1);
    assert_int_equal(swap.waiter.ready, EXEC_READABLE);
    assert_int_equal(exec_net_deregister(&net, &swap.waiter), 0);
    assert_int_equal(join(&h), 1);
    assert_int_equal(exec_handle_abort(&idler), 0);
    close_pair(swap.fresh);
    close_pair(b);
    exec_close_fd(&ex, a[1]);
    end();
}

static void trap_25_regular_files_and_dev_null(void **state) {
    char path[] = "/tmp/exec_test_net_XXXXXX", buf[16] = "";
    exec_waiter waiter;
    exec_handle h;
    gate g = { 0 };
    exec_io io;
    int fd, null;
    (void)state;
    begin();
    fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(run(exec_write_all(&io, fd, "hello", 5)), 5);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(run(exec_readable(&io, fd)), 0);
    assert_int_equal(run(exec_writable(&io, fd)), 0);
    assert_int_equal(run(exec_read(&io, fd, buf, sizeof buf)), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(run(exec_read(&io, fd, buf, sizeof buf)), 0);
    assert_int_equal(run(exec_read(&io, null, buf, sizeof buf)), 0);
    assert_int_equal(run(exec_write(&io, null, buf, sizeof buf)), sizeof buf);
    start(&h, gate_wait(&g));
    turns(1);
    assert_int_equal(exec_net_register(&net, &waiter, fd, EXEC_READABLE | EXEC_WRITABLE, g.task), 0);
    assert_int_equal(waiter.ready, EXEC_READABLE | EXEC_WRITABLE);
    assert_int_equal(exec_net_deregister(&net, &waiter), 0);
    assert_int_equal(exec_handle_abort(&h), 0);
    exec_close_fd(&ex, fd);
    exec_close_fd(&ex, null);
    end();
}

static int sigpipe_pending(void) {
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, SIGPIPE);
}

static void trap_35_sigpipe(void **state) {
    sigset_t block, old, now;
    exec_io io;
    int fds[2];
    (void)state;
    begin();
    foreign_pair(fds);
    exec_close_fd(&ex, fds[1]);
    while (run(exec_write(&io, fds[0], "x", 1)) == 1) continue;
    assert_true(EXEC_RESULT(&io) == -EPIPE || EXEC_RESULT(&io) == -ECONNRESET);
    assert_int_equal(run(exec_send(&io, fds[0], "x", 1, 0)), -EPIPE);
    exec_close_fd(&ex, fds[0]);
    assert_int_equal(pipe(fds), 0);
    exec_close_fd(&ex, fds[0]);
    assert_int_equal(run(exec_write(&io, fds[1], "x", 1)), -EPIPE);     /* and we are alive */
    assert_false(sigpipe_pending());
    sigprocmask(SIG_BLOCK, NULL, &now);
    assert_false(sigismember(&now, SIGPIPE));
    sigemptyset(&block);                /* one of the program's own that is pending stays */
    sigaddset(&block, SIGPIPE);
    sigprocmask(SIG_BLOCK, &block, &old);
    assert_int_equal(run(exec_write(&io, fds[1], "x", 1)), -EPIPE);
    assert_false(sigpipe_pending());
    raise(SIGPIPE);
    assert_int_equal(run(exec_write(&io, fds[1], "x", 1)), -EPIPE);
    assert_true(sigpipe_pending());
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    exec_close_fd(&ex, fds[1]);
    end();
}

/* Never switched, never blocks the thread: a task beside it goes on, and big writes go in pages. */
static void foreign_blocking_pipe(void **state) {
    enum { BYTES = 1 << 20 };
    static unsigned char out[BYTES], in[BYTES];
    exec_sleep_op nap;
    exec_handle h;
    exec_io r, w;
    int fds[2];
    (void)state;
    begin();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    start(&h, exec_read(&r, fds[0], in, sizeof in));
    assert_int_equal(run(exec_sleep(&nap, EXEC_MS(2))), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(join(&h), 3);
    for (size_t i = 0; i < BYTES; i++) out[i] = (unsigned char)(i * 7 + (i >> 11));
    start(&h, exec_write_all(&w, fds[1], out, BYTES));
    assert_int_equal(run(exec_sleep(&nap, EXEC_MS(2))), 0);             /* it waits, we do not */
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    assert_int_equal(run(exec_read_exact(&r, fds[0], in, BYTES)), BYTES);
    assert_int_equal(join(&h), BYTES);
    assert_memory_equal(in, out, BYTES);
    assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    exec_close_fd(&ex, fds[1]);
    assert_int_equal(run(exec_read(&r, fds[0], in, 1)), 0);
    exec_close_fd(&ex, fds[0]);
    end();
}

/* The event of one direction ends the watch of both: who waits for the other one is watched again. */
static void a_blocking_fifo_is_read_and_written(void **state) {
    static char page[4096], in[1 << 20];
    exec_handle reader, writer;
    exec_io r, w;
    char path[64];
    int ends[2], both;
    (void)state;
    begin();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    both = open(path, O_RDWR | O_CLOEXEC);
    assert_true(both >= 0);
    start(&reader, exec_read(&r, both, in, sizeof in));         /* it is empty: writable only */
    turns(2);
    start(&writer, exec_write(&w, both, "abc", 3));
    assert_int_equal(join(&writer), 3);
    assert_int_equal(join(&reader), 3);
    assert_memory_equal(in, "abc", 3);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], page, sizeof page) > 0) continue;     /* it is full: readable only */
    start(&writer, exec_write(&w, both, "def", 3));
    turns(2);
    start(&reader, exec_read(&r, both, in, sizeof in));
    assert_true(join(&reader) >= (intptr_t)sizeof page);
    assert_int_equal(join(&writer), 3);
    assert_int_equal(exec_close_fd(&ex, both), 0);
    close_pair(ends);
    end();
}

/* What was readable once, and was read by others since, does not stop the thread. */
static void adopt_says_why_it_cannot(void **state) {
    int ends[2];
    (void)state;
    begin();
    assert_int_equal(exec_fd_adopt(&ex, -1), -EBADF);
    assert_int_equal(pipe(ends), 0);
    fail_call(CALL_FCNTL, EPERM, 1, 1);
    assert_int_equal(exec_fd_adopt(&ex, ends[0]), -EPERM);
    assert_false(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(exec_fd_adopt(&ex, ends[0]), 0);
    assert_true(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    close_pair(ends);
    end();
}

static void foreign_blocking_pipe_read_by_others(void **state) {
    exec_timeout_op limit;
    exec_handle h;
    exec_io io;
    char c;
    int fds[2];
    (void)state;
    begin();
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    alarm(20);
    assert_int_equal(write(fds[1], "a", 1), 1);
    assert_int_equal(run(exec_readable(&io, fds[0])), 0);
    assert_int_equal(read(fds[0], &c, 1), 1);           /* by the program itself */
    assert_int_equal(run(exec_timeout(&limit, exec_read(&io, fds[0], &c, 1), EXEC_MS(1))), -ETIMEDOUT);
    start(&h, exec_read(&io, fds[0], &c, 1));
    turns(2);
    assert_int_equal(write(fds[1], "b", 1), 1);
    assert_int_equal(exec_net_poll(&net, EXEC_SEC(5)), 1);
    assert_int_equal(exec_handle_abort(&h), 0);         /* the event came, and nobody used it */
    assert_int_equal(EXEC_RESULT(&io), -ECANCELED);
    assert_int_equal(read(fds[0], &c, 1), 1);
    assert_int_equal(run(exec_timeout(&limit, exec_resume(&io), EXEC_MS(1))), -ETIMEDOUT);
    assert_int_equal(run(exec_timeout(&limit, exec_read(&io, fds[0], &c, 1), EXEC_MS(1))), -ETIMEDOUT);
    assert_int_equal(write(fds[1], "c", 1), 1);
    assert_int_equal(run(exec_read(&io, fds[0], &c, 1)), 1);
    alarm(0);
    close_pair(fds);
    end();
}

/* A listener that somebody else made, blocking: accept waits, the thread does not. */
static void foreign_blocking_listener(void **state) {
    char address[EXEC_ADDRESS_BYTES];
    struct sockaddr_in here;
    exec_timeout_op limit;
    exec_io io;
    int fd, first, second;
    (void)state;
    begin();
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof here), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(exec_local_address(fd, address, sizeof address), 0);
    alarm(20);
    assert_int_equal(run(exec_timeout(&limit, exec_accept(&io, fd), EXEC_MS(1))), -ETIMEDOUT);
    first = plain_connect(address);
    second = plain_connect(address);
    for (int i = 0; i < 2; i++) {
        assert_true(run(exec_accept(&io, fd)) >= 0);
        assert_int_equal(exec_close_fd(&ex, (int)EXEC_RESULT(&io)), 0);
    }
    assert_int_equal(run(exec_timeout(&limit, exec_accept(&io, fd), EXEC_MS(1))), -ETIMEDOUT);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    alarm(0);
    exec_close_fd(&ex, first);
    exec_close_fd(&ex, second);
    exec_close_fd(&ex, fd);
    end();
}

/* Nonblocking pipes, up to the end of file. */
static void nonblocking_pipes(void **state) {
    exec_handle h;
    char buf[16];
    exec_io io;
    int fds[2];
    (void)state;
    begin();
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(exec_fd_adopt(&ex, fds[0]), 0);
    assert_int_equal(exec_fd_adopt(&ex, -1), -EBADF);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    start(&h, exec_read(&io, fds[0], buf, sizeof buf));
    turns(2);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(join(&h), 3);
    start(&h, exec_read(&io, fds[0], buf, sizeof buf));
    turns(2);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    close(fds[1]);
    assert_int_equal(join(&h), 3);
    assert_int_equal(run(exec_read(&io, fds[0], buf, sizeof buf)), 0);
    exec_close_fd(&ex, fds[0]);
    end();
}

/* Its writer makes it one of packets while it is known as one of bytes: a short read says nothing. */
static void a_pipe_that_turns_to_packets(void **state) {
#ifdef O_DIRECT
    exec_handle h;
    char buf[16];
    exec_io io;
    int fds[2];
    (void)state;
    begin();
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    start(&h, exec_read(&io, fds[0], buf, sizeof buf));
    turns(2);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK | O_DIRECT), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(join(&h), 3);
    for (int i = 0; i < 2; i++) assert_int_equal(run(exec_read(&io, fds[0], buf, sizeof buf)), 3);
    close_pair(fds);
    end();
#else
    (void)state;
    skip();
#endif
}

static void unix_sockets(void **state) {
    static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
    exec_handle h;
    char buf[16];
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(types); i++) {
        assert_int_equal(socketpair(AF_UNIX, types[i], 0, pair), 0);
        start(&h, exec_read(&io, pair[0], buf, sizeof buf));
        turns(2);
        assert_int_equal(write(pair[1], "abc", 3), 3);  /* two short messages behind one edge */
        assert_int_equal(write(pair[1], "de", 2), 2);
        assert_true(join(&h) >= 3);
        if (types[i] != SOCK_STREAM) assert_int_equal(run(exec_read(&io, pair[0], buf, sizeof buf)), 2);
        close_pair(pair);
    }
    end();
}

static void terminals(void **state) {
    int leader = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), follower = -1;
    exec_handle h;
    char buf[64];
    exec_io io;
    (void)state;
    if (leader >= 0 && grantpt(leader) == 0 && unlockpt(leader) == 0)
        follower = open(ptsname(leader), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (follower < 0) {
        if (leader >= 0) close(leader);
        printf("no terminals here: not tested\n");
        return;
    }
    begin();
    start(&h, exec_read(&io, follower, buf, sizeof buf));
    turns(2);
    assert_int_equal(write(leader, "one\ntwo\n", 8), 8);
    assert_int_equal(join(&h), 4);                      /* a line at a time: short, and more is there */
    assert_int_equal(run(exec_read(&io, follower, buf, sizeof buf)), 4);
    assert_memory_equal(buf, "two\n", 4);
    exec_close_fd(&ex, follower);
    exec_close_fd(&ex, leader);
    fds_before -= 2;
    end();
}

static void readable_and_writable(void **state) {
    exec_handle h;
    exec_io io;
    char buf[8];
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(run(exec_writable(&io, pair[0])), 0);
    start(&h, exec_readable(&io, pair[0]));
    turns(2);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    assert_int_equal(write(pair[1], "abc", 3), 3);
    assert_int_equal(join(&h), 0);
    assert_int_equal(run(exec_readable(&io, pair[0])), 0);
    assert_int_equal(read(pair[0], buf, 8), 3);         /* behind the reactor's back */
    start(&h, exec_readable(&io, pair[0]));
    turns(2);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    assert_int_equal(exec_handle_abort(&h), 0);
    close_pair(pair);
    assert_int_equal(run(exec_readable(&io, pair[0])), -EBADF);
    assert_int_equal(run(exec_writable(&io, -1)), -EBADF);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(run(exec_writable(&io, pair[0])), 0);
    assert_int_equal(close(pair[0]), 0);                /* behind its back too: the kernel knows */
    assert_int_equal(run(exec_writable(&io, pair[0])), -EBADF);
    assert_int_equal(exec_fd_forget(&ex, pair[0]), 0);
    assert_int_equal(exec_close_fd(&ex, pair[1]), 0);
    assert_int_equal(pipe(pair), 0);                    /* a blocking one waits as well */
    start(&h, exec_readable(&io, pair[0]));
    turns(2);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(join(&h), 0);
    close_pair(pair);
    end();
}

/* --------------------------------------------------------------------------- hand-written leaves */

/* A task whose leaf is a gate, and a pair of sockets for it to watch. */
typedef struct { gate gate; exec_handle handle; int pair[2]; exec_waiter waiter; } watching;

static void begin_watching(watching *w) {
    memset(w, 0, sizeof *w);
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w->pair), 0);
    start(&w->handle, gate_wait(&w->gate));
    turns(1);
}
static int watch(watching *w, unsigned interest) {
    return exec_net_register(&net, &w->waiter, w->pair[0], interest, w->gate.task);
}
/* How often the gate is polled by what the peer writes. */
static int polls_by_a_write(watching *w) {
    w->gate.polls = 0;
    assert_int_equal(write(w->pair[1], "ab", 2), 2);
    turns(2);
    return w->gate.polls;
}
static void end_watching(watching *w) {
    close_pair(w->pair);
    assert_int_equal(exec_handle_abort(&w->handle), 0);
    end();
}

static void register_refuses_what_cannot_be_watched(void **state) {
    exec_waiter other;
    watching w;
    (void)state;
    begin_watching(&w);
    assert_int_equal(watch(&w, 0), -EINVAL);
    assert_int_equal(exec_net_register(&net, &other, -1, EXEC_READABLE, w.gate.task), -EBADF);
    assert_int_equal(watch(&w, EXEC_READABLE), 0);
    assert_int_equal(exec_net_register(&net, &other, w.pair[0], EXEC_READABLE, w.gate.task), -EBUSY);
    assert_int_equal(net.fds.waiting, 1);
    end_watching(&w);
    assert_int_equal(w.waiter.fd, -EBADF);              /* the close ended it */
    assert_false(w.waiter.linked);
}

static void register_wakes_until_deregister(void **state) {
    watching w;
    char buf[8];
    (void)state;
    begin_watching(&w);
    assert_int_equal(watch(&w, EXEC_READABLE), 0);
    turns(1);
    w.waiter.ready = 0;                                 /* it may have been ready; EAGAIN said no */
    w.gate.polls = 0;
    turns(2);
    assert_int_equal(w.gate.polls, 0);
    assert_int_equal(write(w.pair[1], "ab", 2), 2);
    assert_true(exec_net_poll(&net, EXEC_SEC(5)) >= 1);
    turns(1);
    assert_int_equal(w.waiter.ready, EXEC_READABLE);
    assert_int_equal(w.gate.polls, 1);
    assert_int_equal(exec_net_deregister(&net, &w.waiter), 0);
    assert_int_equal(exec_net_deregister(&net, &w.waiter), -ENOENT);
    assert_int_equal(net.fds.waiting, 0);
    assert_int_equal(read(w.pair[0], buf, 8), 2);
    turns(1);
    assert_int_equal(polls_by_a_write(&w), 0);          /* nobody is told any more */
    end_watching(&w);
}

static void reregister_sets_another_interest(void **state) {
    watching w;
    (void)state;
    begin_watching(&w);
    assert_int_equal(watch(&w, EXEC_READABLE), 0);
    assert_int_equal(exec_net_reregister(&net, &w.waiter, EXEC_WRITABLE), 0);
    assert_int_equal(w.waiter.ready, EXEC_WRITABLE);
    assert_int_equal(exec_net_reregister(&net, &w.waiter, EXEC_READABLE | EXEC_WRITABLE), 0);
    assert_int_equal(w.waiter.ready, EXEC_READABLE | EXEC_WRITABLE);
    assert_int_equal(net.fds.waiting, 1);
    assert_int_equal(exec_check(&ex), 0);
    assert_int_equal(exec_net_reregister(&net, &w.waiter, 0), -EINVAL);
    assert_int_equal(exec_net_reregister(&net, &w.waiter, EXEC_READABLE | 2), -EINVAL);   /* no such readiness */
    assert_int_equal(watch(&w, 3), -EINVAL);
    assert_int_equal(exec_net_deregister(&net, &w.waiter), -ENOENT);
    assert_int_equal(exec_net_reregister(&net, &w.waiter, EXEC_READABLE), 0);
    assert_int_equal(exec_net_deregister(&net, &w.waiter), 0);
    assert_int_equal(net.fds.waiting, 0);
    end_watching(&w);
}

/* A leaf that lets `from` send to its own descriptor and looks at what came: in its second poll, or (`late`) when it is
   cancelled. It ends when it was told. */
typedef struct looks { exec_future fut; exec_waiter w; int fd, from, late; } looks;
static void look(looks *l) {
    assert_int_equal(send(l->from, "x", 1, 0), 1);
    assert_true(exec_net_poll(&net, 0) >= 1);
}
static exec_poll looks_poll(exec_cx *cx, exec_future *f) {
    looks *l = (looks *)(void *)f;
    int poll = f->resume++;
    if (exec_canceled(f) || (poll && l->w.ready)) {
        if (l->late) look(l);
        assert_int_equal(exec_net_deregister(&net, &l->w), 0);
        return exec_ready(f, exec_canceled(f) ? -ECANCELED : 0);
    }
    if (!poll) assert_int_equal(exec_net_register(&net, &l->w, l->fd, EXEC_READABLE, cx->task), 0);
    l->w.ready = 0;                                     /* it may be, says the first time: it is not */
    if (poll == 1 && !l->late) look(l);
    return exec_pending(cx, f);
}
static const exec_type looks_type = { looks_poll, NULL, NULL, "looks", "test_net.c", 0, 0, 0 };
static exec_future *look_inside(looks *l, const int pair[2], int late) {
    memset(l, 0, sizeof *l);
    exec_future_init(&l->fut, &looks_type);
    l->fd = pair[0];
    l->from = pair[1];
    l->late = late;
    return &l->fut;
}

/* exec_net_poll inside a poll: what came for the task that runs is no less a wake. */
static void a_look_inside_a_poll_wakes_the_task_that_looks(void **state) {
    exec_handle h;
    looks l;
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    start(&h, look_inside(&l, pair, 0));
    turns(4);
    assert_int_equal(exec_handle_result(&h), 0);
    close_pair(pair);
    end();
}

/* The task that an abort from outside unwinds looks, and is over: it is not in the queue then. */
static void a_look_inside_an_unwind_leaves_no_wake_of_what_is_over(void **state) {
    exec_handle h;
    looks l;
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    start(&h, look_inside(&l, pair, 1));
    turns(4);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    assert_int_equal(exec_check(&ex), 0);
    turns(1);
    close_pair(pair);
    end();
}

/* exec_net_poll between exec_prepare and exec_turn takes what would have ended the wait of a foreign loop. */
static void a_look_while_a_foreign_loop_waits_ends_its_wait(void **state) {
    struct pollfd fds[4];
    exec_handle h;
    exec_io io;
    char c;
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(3);                                           /* the first edge says that it is writable */
    while (exec_prepare(&ex) == 0) turns(1);
    assert_in_range(exec_poll_fds(&ex, fds, COUNT(fds)), 1, COUNT(fds));
    assert_int_equal(poll(fds, 1, 0), 0);
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    for (int i = 0; i < 2; i++) {                       /* the second takes what the first one said instead */
        assert_true(exec_net_poll(&net, 0) >= 1);
        assert_int_equal(poll(fds, 1, 0), 1);           /* the first one is always there: of the executor itself */
    }
    turns(1);
    assert_int_equal(exec_handle_result(&h), 1);
    close_pair(pair);
    end();
}

/* A wake from elsewhere too: it is in the inbox, and one write says so. */
static void a_look_while_a_foreign_loop_waits_takes_no_wake_from_elsewhere(void **state) {
    struct pollfd fds[4];
    exec_remote remote;
    (void)state;
    begin();
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    assert_true(exec_prepare(&ex) == EXEC_NEVER);
    assert_in_range(exec_poll_fds(&ex, fds, COUNT(fds)), 1, COUNT(fds));
    assert_int_equal(poll(fds, 1, 0), 0);
    assert_int_equal(exec_remote_stop(&remote), 0);
    assert_true(exec_net_poll(&net, 0) >= 0);
    assert_int_equal(poll(fds, 1, 0), 1);
    exec_remote_drop(&remote);
    end();
}

static void register_a_blocking_pipe(void **state) {
    exec_waiter w;
    exec_handle h;
    gate g = { 0 };
    int fds[2];
    (void)state;
    begin();
    assert_int_equal(pipe(fds), 0);
    start(&h, gate_wait(&g));
    turns(1);
    assert_int_equal(exec_net_register(&net, &w, fds[0], EXEC_READABLE, g.task), 0);
    assert_int_equal(exec_net_poll(&net, 0), 0);
    assert_int_equal(w.ready, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(exec_net_poll(&net, EXEC_SEC(5)), 1);
    assert_int_equal(w.ready, EXEC_READABLE);
    assert_int_equal(exec_net_poll(&net, 0), 0);        /* once per register */
    assert_int_equal(exec_net_reregister(&net, &w, EXEC_READABLE), 0);
    assert_int_equal(exec_net_poll(&net, 0), 1);        /* it is still ready */
    assert_int_equal(exec_net_deregister(&net, &w), 0);
    close_pair(fds);
    assert_int_equal(exec_handle_abort(&h), 0);
    end();
}

static void reregister_of_a_cancelled_descriptor(void **state) {
    exec_waiter w;
    exec_handle h;
    gate g = { 0 };
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    start(&h, gate_wait(&g));
    turns(1);
    assert_int_equal(exec_net_register(&net, &w, pair[0], EXEC_READABLE, g.task), 0);
    assert_int_equal(exec_net_deregister(&net, &w), 0);
    assert_int_equal(exec_fd_cancel(&ex, pair[0]), 0);
    assert_int_equal(exec_net_reregister(&net, &w, EXEC_READABLE), -EBADF);     /* no event would come */
    assert_int_equal(net.fds.waiting, 0);
    close_pair(pair);
    assert_int_equal(exec_handle_abort(&h), 0);
    end();
}

static void poll_with_no_zero_and_finite_timeout(void **state) {
    exec_handle h;
    exec_io io;
    int64_t before;
    char c;
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(exec_net_poll(&net, 0), 0);
    before = exec_now(&ex);
    assert_int_equal(exec_net_poll(&net, EXEC_US(1500)), 0);
    assert_true(exec_now(&ex) - before >= EXEC_US(1500));
    assert_int_equal(exec_net_poll(&net, -1), 0);
    foreign_pair(pair);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    assert_int_equal(exec_net_poll(&net, EXEC_NEVER), 1);
    assert_int_equal(join(&h), 1);
    fail_call(CALL_LOOK, EINTR, 0, 1);
    assert_int_equal(exec_net_poll(&net, EXEC_NEVER), 0);
    fail_call(CALL_LOOK, EBADF, 0, 1);
    assert_int_equal(exec_net_poll(&net, 0), -EBADF);
    close_pair(pair);
    end();
}

#if ON_EPOLL    /* of epoll alone: its fallbacks, and what it knows of a descriptor */
static void without_epoll_pwait2_ppoll_waits_for_the_epoll(void **state) {
    unsigned before;
    (void)state;
    begin();
    fail_call(CALL_EPOLL_PWAIT2, ENOSYS, 0, 1);
    before = calls[CALL_PPOLL];
    for (int i = 0; i < 2; i++) {
        int64_t from = exec_now(&ex);
        assert_int_equal(exec_net_poll(&net, EXEC_US(1500)), 0);
        assert_true(exec_now(&ex) - from >= EXEC_US(1500));
    }
    assert_int_equal(calls[CALL_EPOLL_PWAIT2], !EXEC_SMALL);
    assert_int_equal(calls[CALL_PPOLL], before + 2);
    end();
}

/* What the kernel knows and what the slot does may differ. */
static void add_becomes_mod_and_mod_becomes_add(void **state) {
    struct epoll_event event;
    exec_handle h;
    exec_io io;
    char c;
    int pair[2];
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    memset(&event, 0, sizeof event);
    assert_int_equal(epoll_ctl(net.epoll, EPOLL_CTL_ADD, pair[0], &event), 0);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(join(&h), 1);
    close_pair(pair);
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(run(exec_read(&io, pair[0], &c, 1)), 1);
    assert_int_equal(epoll_ctl(net.epoll, EPOLL_CTL_DEL, pair[0], NULL), 0);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(join(&h), 1);
    close_pair(pair);
    end();
}

#endif

/* ---------------------------------------------------------------------------------------- the rest */

static void dump_names_what_is_waited_for(void **state) {
    char expected[64], buf[10];
    exec_handle h;
    exec_io io;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    assert_int_equal(send(pair[1], "0123", 4, 0), 4);
    start(&h, exec_read_exact(&io, pair[0], buf, 10));
    turns(3);
    exec_dump(&ex);
    snprintf(expected, sizeof expected, "read fd %d, 4 of 10 bytes", pair[0]);
    expect_words(log_text, expected);
    expect_words(log_text, "net: 1 wait");
    assert_int_equal(exec_handle_abort(&h), 0);
    close_pair(pair);
    end();
}

static void check_finds_a_broken_table(void **state) {
    exec_handle h;
    exec_io io;
    char c;
    int pair[2];
    (void)state;
    NEEDS_WORDS();                      /* drivers have no check */
    begin();
    foreign_pair(pair);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(2);
    assert_int_equal(exec_check(&ex), 0);
    net.fds.waiting++;
    assert_int_equal(exec_check(&ex), -EINVAL);
    net.fds.waiting--;
    io.waiter.fd++;
    assert_int_equal(exec_check(&ex), -EINVAL);
    io.waiter.fd--;
    io.waiter.linked = 0;
    assert_int_equal(exec_check(&ex), -EINVAL);
    io.waiter.linked = 1;
    io.waiter.interest = EXEC_WRITABLE;
    assert_int_equal(exec_check(&ex), -EINVAL);
    io.waiter.interest = EXEC_READABLE;
    assert_int_equal(exec_check(&ex), 0);
    assert_int_equal(exec_handle_abort(&h), 0);
    close_pair(pair);
    end();
}

static void a_foreign_loop_waits_on_poll_fds(void **state) {
    exec_remote remote;
    exec_handle h;
    exec_io io;
    char c;
    int pair[2];
    (void)state;
    begin();
    foreign_pair(pair);
    start(&h, exec_read(&io, pair[0], &c, 1));
    turns(3);                                           /* the first edge says that it is writable */
    while (exec_prepare(&ex) == 0) turns(1);
    assert_int_equal(exec_poll_fd(&ex), EPOLL_FD);
    assert_int_equal(exec_poll_fds(&ex, NULL, 0), ON_EPOLL ? 1 : 2);
    assert_int_equal(host_poll(0), 0);
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    assert_int_equal(host_poll(5000), 1);
    turns(2);
    assert_int_equal(exec_handle_result(&h), 1);
    assert_true(exec_prepare(&ex) != 0);
    assert_int_equal(host_poll(0), 0);                /* consumed, though nobody waits any more */
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    assert_int_equal(exec_remote_stop(&remote), 0);
    assert_int_equal(host_poll(5000), 1);
    turns(1);
    assert_true(exec_prepare(&ex) != 0);
    assert_int_equal(host_poll(0), 0);
    exec_remote_drop(&remote);
    turns(1);
    close_pair(pair);
    end();
}

typedef struct { EXEC_FRAME; int fd; exec_sleep_op nap; exec_io io; char c; intptr_t *got; } reads_in_cleanup;
EXEC_ASYNC(reads_in_cleanup) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_readable(&self->io, self->fd));
    EXEC_FINALLY;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(1)));
    EXEC_TRY(exec_read(&self->io, self->fd, &self->c, 1));
    *self->got = EXEC_RESULT(&self->io);
    EXEC_END;
}

static void write_later(int fd) {
    struct timespec moment = { 0, 5000000 };
    nanosleep(&moment, NULL);
    _exit(write(fd, "x", 1) == 1 ? 0 : 1);
}

/* A cleanup that waits for a descriptor: until its limit; for as long as it takes; until a look fails. */
static void destroy_waits_for_what_cleanups_wait_for(void **state) {
    enum { LIMIT, FOR_EVER, FAILS };
    (void)state;
    for (int way = LIMIT; way <= FAILS; way++) {
        intptr_t got = 0;
        int pair[2], status = 0;
        pid_t child = -1;
        int64_t before;
        begin();
        tcp_pair(pair, NULL);
        assert_int_equal(EXEC_SPAWN(&ex, test_opts(), reads_in_cleanup, .fd = pair[0], .got = &got), 0);
        turns(3);
        if (way == FOR_EVER && (child = fork()) == 0) write_later(pair[1]);
        if (way == FAILS) fail_call(ON_EPOLL && !EXEC_SMALL ? CALL_EPOLL_PWAIT2 : CALL_PPOLL, EINVAL, 0, 100);
        before = exec_now(&ex);
        assert_int_equal(exec_destroy(&ex, way == LIMIT ? EXEC_MS(20) : EXEC_NEVER), 0);
        if (way == LIMIT) assert_true(exec_now(&ex) - before >= EXEC_MS(20));
        if (way == FAILS) assert_in_range(fault.times, 1, 99);
        assert_int_equal(got, way == FOR_EVER ? 1 : -ECANCELED);
        if (child > 0) assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(close(pair[0]) | close(pair[1]), 0);
        end();
    }
}

#if ON_EPOLL
/* It is made with the first waker. Whoever looks is told, until epoll takes it. */
static void epoll_may_refuse_the_wake_descriptor(void **state) {
    exec_remote remote;
    exec_handle waits;
    gate g = { 0 };
    (void)state;
    begin();
    start(&waits, gate_wait(&g));
    assert_int_equal(exec_remote_get(&ex, &remote), 0);
    fail_call(CALL_EPOLL_CTL, ENOSPC, 0, 3);
    assert_int_equal(exec_poll_fd(&ex), -ENOSPC);
    assert_int_equal(exec_net_poll(&net, 0), -ENOSPC);
    assert_int_equal(exec_run(&ex), -ENOSPC);
    assert_int_equal(fault.times, 0);
    assert_int_equal(exec_poll_fd(&ex), net.epoll);
    while (exec_prepare(&ex) == 0) turns(1);
    assert_int_equal(exec_remote_stop(&remote), 0);
    assert_int_equal(host_poll(5000), 1);
    assert_int_equal(exec_run(&ex), 1);                 /* stopped */
    exec_remote_drop(&remote);
    gate_open(&g, 7);
    assert_int_equal(join(&waits), 7);
    end();
}
#endif

#if !EXEC_NO_THREADS
static void *send_value(void *arg) {
    struct timespec moment = { 0, 5000000 };
    nanosleep(&moment, NULL);                           /* likely parked by then; right in any case */
    exec_oneshot_send((exec_oneshot *)arg, 42);
    return NULL;
}

static void a_waker_of_another_thread_ends_the_park(void **state) {
    static exec_cell cell;
    exec_oneshot shot;
    exec_oneshot_op op;
    exec_handle h;
    pthread_t thread;
    exec_opts opts;
    (void)state;
    begin();
    for (int i = 0; i < 3; i++) {
        exec_oneshot_init(&shot);
        opts = test_opts_handle(&h);
        if (EXEC_NO_MALLOC) opts.cell = &cell;
        assert_int_equal(EXEC_SPAWN(&ex, &opts, awaits, .op = exec_oneshot_recv(&op, &shot)), 0);
        assert_int_equal(pthread_create(&thread, NULL, send_value, &shot), 0);
        assert_int_equal(join(&h), 0);
        assert_int_equal(op.value, 42);
        assert_int_equal(pthread_join(thread, NULL), 0);
        exec_oneshot_close(&shot, NULL);
    }
    if (ON_EPOLL) {
        assert_int_equal(calls[CALL_EPOLL_CTL], 1);     /* the eventfd is registered once, never read */
        assert_int_equal(calls[CALL_READ], 0);
    } else {
        assert_true(calls[CALL_READ] <= 3);             /* once per signal */
    }
    end();
}
#endif

#if !EXEC_NO_MALLOC
static unsigned heap_calls;
static void *count_allocate(void *user, size_t bytes, size_t align) {
    (void)user; (void)align;
    heap_calls++;
    return malloc(bytes);
}
static void count_release(void *user, void *memory, size_t bytes, size_t align) {
    (void)user; (void)bytes; (void)align;
    heap_calls++;
    free(memory);
}

static void the_table_grows_and_the_steady_state_allocates_nothing(void **state) {
    exec_config config = default_config();
    int fds[200], pair[2];
    unsigned before;
    exec_io io;
    char c;
    (void)state;
    config.allocate = count_allocate;
    config.release = count_release;
    begin_with(&config);
    for (size_t i = 0; i < COUNT(fds); i++) fds[i] = dup(1);
    foreign_pair(pair);
    assert_true(pair[0] > 200);
    assert_true(net.fds.count > 200);
    start(&(exec_handle){ 0 }, exec_read(&io, pair[0], &c, 1));
    turns(2);
    before = heap_calls;
    for (int i = 0; i < 100; i++) {
        exec_waiter *w = net.fds.slots[pair[0]].waiters[0];
        assert_ptr_equal(w, &io.waiter);
        turns(1);
    }
    assert_int_equal(heap_calls, before);
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    assert_int_equal(exec_run(&ex), 0);
    close_pair(pair);
    for (size_t i = 0; i < COUNT(fds); i++) close(fds[i]);
    end();
}

static void *no_memory(void *user, size_t bytes, size_t align) {
    (void)user; (void)bytes; (void)align;
    return NULL;
}

static void no_table_for_what_is_not_open(void **state) {
    exec_config config = default_config();
    exec_io io;
    char c = 0;
    (void)state;
    config.allocate = no_memory;
    config.release = count_release;
    begin_with(&config);
    assert_int_equal(run(exec_read(&io, INT32_MAX, &c, 1)), -EBADF);
    assert_int_equal(exec_fd_cancel(&ex, INT32_MAX), -EBADF);
    end();
}

static void no_memory_for_the_table(void **state) {
    exec_config config = default_config();
    exec_io io;
    char c = 0;
    int fds[2];
    (void)state;
    config.allocate = no_memory;
    config.release = count_release;
    begin_with(&config);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(run(exec_write(&io, fds[1], &c, 1)), -ENOMEM);
    assert_int_equal(exec_fd_cancel(&ex, fds[1]), -ENOMEM);
    close_pair(fds);
    end();
}
#endif

#if ON_EPOLL    /* another backend holds no kernel object */
static void forked_child_drops_the_epoll(void **state) {
    int status = 0;
    pid_t child;
    (void)state;
    begin();
    child = fork();
    if (child == 0) {
        int epoll = net.epoll;
        net.driver.type->forked(&net.driver);
        _exit(fcntl(epoll, F_GETFD) < 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(exec_net_poll(&net, 0), 0);
    end();
}
#endif

#if EXEC_DEBUG
static void debug_finds_a_reused_descriptor(void **state) {
    int status = 0, pair[2], other[2];
    exec_io io;
    pid_t child;
    char c;
    (void)state;
    begin();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(run(exec_write(&io, pair[0], "x", 1)), 1);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);         /* what it says is not for the log */
        if (dup2(null, 2) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, other) < 0) _exit(1);
        if (dup2(other[0], pair[0]) < 0) _exit(1);
        signal(SIGABRT, SIG_DFL);
        exec_run_until(&ex, exec_read(&io, pair[0], &c, 1));
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    close_pair(pair);
    end();
}
#endif

/* ------------------------------------------------------------------- each system call fails once */

/* How long a step may take: what a fault left waiting is given up soon. */
static int64_t patience;

/* The turn that it yields looks at io without a wait, since another op waits. */
typedef struct { EXEC_FRAME; int fd; exec_io io; } late_writer;
EXEC_ASYNC(late_writer) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_TRY(exec_write(&self->io, self->fd, "x", 1));
    EXEC_END;
}

/* Uses every part; each step may fail, none may hang, nothing may leak. 0, or the first error. */
typedef struct {
    EXEC_FRAME;
    int listener, client, server, pipes[2];
    char address[EXEC_ADDRESS_BYTES], text[EXEC_ADDRESS_BYTES], buf[8];
    exec_timeout_op limit;
    exec_join_op both;
    exec_io a, b;
    late_writer late;
} everything;
#define LIMITED(future) EXEC_TRY(exec_timeout(&self->limit, (future), patience))
EXEC_ASYNC(everything) {
    EXEC_BEGIN;
    self->listener = self->client = self->server = self->pipes[0] = self->pipes[1] = -1;
    self->listener = exec_listen(cx->exec, "127.0.0.1:0", NULL);
    if (self->listener < 0) EXEC_RETURN(self->listener);
    if (exec_local_address(self->listener, self->address, sizeof self->address) < 0) EXEC_RETURN(-EIO);
    self->a.fut.result = self->b.fut.result = -1;
    EXEC_AWAIT(exec_timeout(&self->limit, exec_join(&self->both, exec_accept(&self->a, self->listener),
                                                    exec_connect(&self->b, self->address, NULL)), patience));
    self->server = (int)EXEC_RESULT(&self->a);
    self->client = (int)EXEC_RESULT(&self->b);
    if (self->server < 0) EXEC_RETURN(self->server);
    if (self->client < 0) EXEC_RETURN(self->client);
    if (exec_peer_address(self->client, self->text, sizeof self->text) < 0) EXEC_RETURN(-EIO);
    LIMITED(exec_join(&self->both, exec_read_exact(&self->a, self->server, self->buf, 4),
                      exec_write_all(&self->b, self->client, "abcd", 4)));
    LIMITED(exec_join(&self->both, exec_readable(&self->a, self->client),
                      exec_send(&self->b, self->server, "x", 1, 0)));
    LIMITED(exec_recv(&self->a, self->client, self->buf, 1, 0));
    if (pipe2(self->pipes, O_CLOEXEC) < 0) EXEC_RETURN(-errno);
    LIMITED(exec_join(&self->both, exec_read(&self->a, self->pipes[0], self->buf, 1),
                      EXEC_CALL(&self->late, late_writer, .fd = self->pipes[1])));
    EXEC_FINALLY;
    exec_close_fd(cx->exec, self->listener);
    exec_close_fd(cx->exec, self->client);
    exec_close_fd(cx->exec, self->server);
    exec_close_fd(cx->exec, self->pipes[0]);
    exec_close_fd(cx->exec, self->pipes[1]);
    EXEC_END;
}

static intptr_t do_everything(void) {
    static everything all;
    exec_future *f = EXEC_CALL(&all, everything);
    int status;
    patience = fault.call && fault.error != EINTR ? EXEC_MS(30) : EXEC_SEC(60);
#if ON_EPOLL
    net.no_pwait2 = 0;
#endif
    status = exec_run_until(&ex, f);
    if (status == 0) return f->result;
    while (!exec_is_ready(f)) exec_turn(&ex);           /* the loop failed; its task was cancelled */
    return status;
}

static void trap_20_each_system_call_fails(void **state) {
    static const fault_list list[] = {
#if ON_EPOLL
        { CALL_EPOLL_CTL, { ENOMEM, ENOSPC, EBADF, ENOENT, EEXIST, EPERM, EINVAL } },
        { CALL_EPOLL_WAIT, { EINTR, EBADF, EINVAL, EFAULT } },
#endif
#if ON_EPOLL && !EXEC_SMALL
        { CALL_EPOLL_PWAIT2, { EINTR, ENOSYS, EPERM, EINVAL } },
#endif
#if EXEC_DEBUG || !ON_EPOLL
        { CALL_FSTAT, { EBADF, ENOMEM } },
#endif
        { CALL_RECV, { EINTR, ECONNRESET, ENOMEM, ENOTCONN, EBADF, ETIMEDOUT } },
        { CALL_SEND, { EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, EACCES } },
        { CALL_READ, { EINTR, EIO, EISDIR, EBADF } },
        { CALL_WRITE, { EINTR, EIO, ENOSPC, EPIPE, EBADF, EDQUOT } },
        { CALL_ACCEPT, { EAGAIN, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO, EINVAL, EBADF } },
        { CALL_SOCKET, { EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT } },
        { CALL_BIND, { EADDRINUSE, EACCES, EADDRNOTAVAIL, EINVAL } },
        { CALL_LISTEN, { EADDRINUSE, EOPNOTSUPP } },
        { CALL_CONNECT, { ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, EAGAIN, EACCES, ETIMEDOUT } },
        { CALL_GETSOCKOPT, { EBADF, ENOMEM, EINVAL } },
        { CALL_SETSOCKOPT, { EINVAL, ENOPROTOOPT, ENOMEM } },
        { CALL_GETSOCKNAME, { ENOBUFS } },
        { CALL_GETPEERNAME, { ENOTCONN, ENOBUFS } },
        { CALL_FCNTL, { EBADF } },
        { CALL_CLOSE, { EINTR, EIO } },
        { CALL_PPOLL, { EINTR, ENOMEM, EINVAL } } };
    exec_config config = default_config();
    (void)state;
    config.tasks_per_turn = 1;
    begin_with(&config);
    each_call_fails(list, COUNT(list), do_everything);
    end();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sizes_hold),
    cmocka_unit_test(attach_refuses_a_second_parker),
    cmocka_unit_test(attach_uses_the_timers_that_are_there),
    cmocka_unit_test(attach_without_slots_or_epoll_fails_cleanly),
    cmocka_unit_test(a_callers_table_is_a_limit),
    cmocka_unit_test(bad_addresses),
    cmocka_unit_test(port_in_use),
    cmocka_unit_test(options_of_listen),
    cmocka_unit_test(addresses_as_text),
    cmocka_unit_test(v6_addresses_as_text),
    cmocka_unit_test(v6_loopback),
    cmocka_unit_test(trap_08_connect_is_so_error),
    cmocka_unit_test(trap_21_cancelled_connect_closes_its_fd),
    cmocka_unit_test(trap_21_cancelled_accept_takes_no_connection),
    cmocka_unit_test(accepted_sockets),
    cmocka_unit_test(accept_goes_on_after_errors_of_one_connection),
    cmocka_unit_test(accept_on_what_does_not_listen),
    cmocka_unit_test(an_accept_that_cannot_be_made_ends),
    cmocka_unit_test(trap_22_emfile_on_accept),
    cmocka_unit_test(a_paused_accept_can_be_cancelled_or_lose_its_listener),
    cmocka_unit_test(trap_14_reader_and_writer_of_one_fd),
    cmocka_unit_test(echo_makes_three_calls),
    cmocka_unit_test(an_exact_read_makes_one_call_a_part),
    cmocka_unit_test(a_megabyte_arrives_whole),
    cmocka_unit_test(a_byte_at_a_time),
    cmocka_unit_test(half_close),
    cmocka_unit_test(data_and_fin_in_one_edge),
    cmocka_unit_test(urgent_data_ends_no_readiness),
    cmocka_unit_test(reset_by_the_peer),
    cmocka_unit_test(the_end_is_ready_as_often_as_it_is_read),
    cmocka_unit_test(end_of_file_inside_read_exact),
    cmocka_unit_test(recv_and_send_with_flags),
    cmocka_unit_test(trap_33_timed_out_read_exact_keeps_progress),
    cmocka_unit_test(trap_34_a_peer_that_never_reads),
    cmocka_unit_test(cancelled_read_moves_nothing),
    cmocka_unit_test(trap_05_no_waiter_is_left),
    cmocka_unit_test(trap_37_always_ready_socket_yields),
    cmocka_unit_test(trap_37_connects_that_fail_at_once_yield),
    cmocka_unit_test(reads_and_writes_of_a_socket_cost_budget),
    cmocka_unit_test(an_accept_pauses_at_the_end_of_time_too),
    cmocka_unit_test(a_read_that_is_done_is_not_resumed),
    cmocka_unit_test(a_close_reaches_an_op_that_yielded),
    cmocka_unit_test(trap_17_io_and_timers_beside_a_busy_task),
    cmocka_unit_test(spurious_polls_make_no_system_call),
    cmocka_unit_test(second_waiter_is_busy),
    cmocka_unit_test(a_waiter_that_was_forestalled_is_told_again),
    cmocka_unit_test(fd_cancel_ends_waits_until_the_close),
    cmocka_unit_test(closing_ends_the_waits_of_others),
    cmocka_unit_test(fd_forget_before_a_foreign_close),
    cmocka_unit_test(trap_23_stale_events_of_a_batch),
    cmocka_unit_test(trap_25_regular_files_and_dev_null),
    cmocka_unit_test(trap_35_sigpipe),
    cmocka_unit_test(foreign_blocking_pipe),
    cmocka_unit_test(a_blocking_fifo_is_read_and_written),
    cmocka_unit_test(adopt_says_why_it_cannot),
    cmocka_unit_test(foreign_blocking_pipe_read_by_others),
    cmocka_unit_test(foreign_blocking_listener),
    cmocka_unit_test(nonblocking_pipes),
    cmocka_unit_test(a_pipe_that_turns_to_packets),
    cmocka_unit_test(unix_sockets),
    cmocka_unit_test(terminals),
    cmocka_unit_test(readable_and_writable),
    cmocka_unit_test(register_refuses_what_cannot_be_watched),
    cmocka_unit_test(register_wakes_until_deregister),
    cmocka_unit_test(reregister_sets_another_interest),
    cmocka_unit_test(a_look_inside_a_poll_wakes_the_task_that_looks),
    cmocka_unit_test(a_look_inside_an_unwind_leaves_no_wake_of_what_is_over),
    cmocka_unit_test(a_look_while_a_foreign_loop_waits_ends_its_wait),
    cmocka_unit_test(a_look_while_a_foreign_loop_waits_takes_no_wake_from_elsewhere),
    cmocka_unit_test(register_a_blocking_pipe),
    cmocka_unit_test(reregister_of_a_cancelled_descriptor),
    cmocka_unit_test(poll_with_no_zero_and_finite_timeout),
#if ON_EPOLL
    cmocka_unit_test(without_epoll_pwait2_ppoll_waits_for_the_epoll),
    cmocka_unit_test(add_becomes_mod_and_mod_becomes_add),
#endif
    cmocka_unit_test(dump_names_what_is_waited_for),
    cmocka_unit_test(check_finds_a_broken_table),
    cmocka_unit_test(a_foreign_loop_waits_on_poll_fds),
    cmocka_unit_test(destroy_waits_for_what_cleanups_wait_for),
#if ON_EPOLL
    cmocka_unit_test(epoll_may_refuse_the_wake_descriptor),
#endif
#if !EXEC_NO_THREADS
    cmocka_unit_test(a_waker_of_another_thread_ends_the_park),
#endif
#if !EXEC_NO_MALLOC
    cmocka_unit_test(the_table_grows_and_the_steady_state_allocates_nothing),
    cmocka_unit_test(no_table_for_what_is_not_open),
    cmocka_unit_test(no_memory_for_the_table),
#endif
#if ON_EPOLL
    cmocka_unit_test(forked_child_drops_the_epoll),
#endif
#if EXEC_DEBUG
    cmocka_unit_test(debug_finds_a_reused_descriptor),
#endif
    cmocka_unit_test(trap_20_each_system_call_fails),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
