/* SPDX-License-Identifier: MIT
 * Addresses, socket options and datagrams, of IPv4, IPv6 and unix sockets. */
#include "net.h"

static void ops_are_small(void **state) {
    (void)state;
    printf("datagram %zu, fds %zu, sendfile %zu, address %zu\n", sizeof(exec_datagram_op), sizeof(exec_fds_op),
           sizeof(exec_sendfile_op), sizeof(exec_address));
    assert_true(sizeof(exec_datagram_op) <= 192);
    assert_true(sizeof(exec_fds_op) <= 96);
    assert_true(sizeof(exec_sendfile_op) <= 88);
}

/* -------------------------------------------------------------------------------------- addresses */

static void addresses_and_their_texts_agree(void **state) {
    static const char *const good[] = {
        "127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::]:0", "[::1]:80", "[fe80::1%2]:80",
        "[1:2:3:4:5:6:7:8%4294967295]:65535", "unix:path", "unix:/tmp/a b", "unix:./@x",
#if !EXEC_POSIX_ONLY
        "unix:@name",
#endif
    };
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        char text[EXEC_ADDRESS_BYTES];
        exec_address a;
        assert_int_equal(exec_address_parse(&a, good[i]), 0);
        assert_true(a.size > 0 && a.size <= sizeof a.bytes);
        assert_int_equal(exec_address_text(&a, text, sizeof text), 0);
        assert_string_equal(text, good[i]);
        assert_int_equal(exec_address_text(&a, text, strlen(good[i])), -ENOSPC);
        assert_int_equal(exec_address_text(&a, text, strlen(good[i]) + 1), 0);
    }
}

static void texts_that_are_no_addresses(void **state) {
    static const char *const bad[] = {
        "", "unix", "unix:", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:+1", "127.0.0.1:65536", "127.1:1",
        "127.0.0.1:18446744073709551617", "[::1%]:80", "[::1%x]:80", "[::1%4294967296]:80",
        "[::1%18446744073709551617]:8", "127.0.0.1%2:80", "[::1]80", "fe80::1%2:80",
        "[::`]:80", "[::@]:80", "[::g]:80" };
    exec_address a;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) assert_int_equal(exec_address_parse(&a, bad[i]), -EINVAL);
    assert_int_equal(exec_address_parse(&a, NULL), -EINVAL);
}

/* The bytes of the host in an address, beside what libc makes of the same text; -1: where only one takes it. */
static int same_as_inet_pton(int family, const char *host) {
    unsigned char theirs[16];
    char text[64];
    exec_address a;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    int good = inet_pton(family, host, theirs) == 1;
    snprintf(text, sizeof text, family == AF_INET ? "%s:80" : "[%s]:80", host);
    if ((exec_address_parse(&a, text) == 0) != good) return -1;
    if (!good) return 0;
    memcpy(&v4, a.bytes, sizeof v4);
    memcpy(&v6, a.bytes, sizeof v6);
    if (family == AF_INET) return memcmp(&v4.sin_addr, theirs, 4) == 0 && v4.sin_port == htons(80) ? 1 : -1;
    return memcmp(&v6.sin6_addr, theirs, 16) == 0 && v6.sin6_port == htons(80) ? 1 : -1;
}

/* Texts near to addresses: parts that are often right, one after the other. */
static void hosts_are_read_as_inet_pton_reads_them(void **state) {
    static const char *const parts[] = { ":", ":", ":", "::", ".", ".", "0", "1", "9", "25", "255", "256", "00", "a",
                                         "F", "g", "ffff", "12345", "1.2.3.4", "::ffff:", "1:2:3:", "0:0:0:0:" };
    unsigned good = 0;
    (void)state;
    test_seed(20261121);
    for (int i = 0; i < 300000; i++) {
        char host[48] = "";
        int family = i & 1 ? AF_INET : AF_INET6, same;
        for (unsigned n = 1 + test_below(9); n; n--) {
            const char *part = parts[test_below(COUNT(parts))];
            if (strlen(host) + strlen(part) < sizeof host) strcat(host, part);
        }
        if ((same = same_as_inet_pton(family, host)) < 0) fail_msg("%s is not read as inet_pton reads it", host);
        good += (unsigned)same;
    }
    if (good < 1000) fail_msg("only %u of the texts were addresses", good);
}

static void foreign_and_nameless_addresses_as_text(void **state) {
    char text[EXEC_ADDRESS_BYTES];
    exec_address a;
    struct sockaddr_un full;
    (void)state;
    memset(&a, 0, sizeof a);
    assert_int_equal(exec_address_text(&a, text, sizeof text), 0);
    assert_string_equal(text, "unix:");
    memset(&full, 'x', sizeof full);                    /* no zero byte at its end */
    full.sun_family = AF_UNIX;
    a.size = sizeof full;
    memcpy(a.bytes, &full, sizeof full);
    assert_int_equal(exec_address_text(&a, text, sizeof text), 0);
    assert_int_equal(strlen(text), 5 + sizeof full.sun_path);
    memset(full.sun_path, 0, sizeof full.sun_path);     /* zero bytes in an abstract name */
    full.sun_path[2] = 'y';
    memcpy(a.bytes, &full, sizeof full);
    a.size = (uint32_t)offsetof(struct sockaddr_un, sun_path) + 3;
    assert_int_equal(exec_address_text(&a, text, sizeof text), 0);
    assert_string_equal(text, "unix:@@y");
    full.sun_family = 255;
    memcpy(a.bytes, &full, sizeof full);
    assert_int_equal(exec_address_text(&a, text, sizeof text), -EAFNOSUPPORT);
}

/* ---------------------------------------------------------------------------------------- options */

static void options_reach_the_socket(void **state) {
    exec_socket_opts opts;
    int ends[2];
    (void)state;
    begin();
    memset(&opts, 0, sizeof opts);
    opts.keepalive_s = 20;
    opts.receive_bytes = 8192;
    opts.send_bytes = 16384;
    opts.ttl = 7;
    opts.tos = 0x10;
    opts.reset_on_close = 1;
    tcp_pair(ends, &opts);
    for (int i = 0; i < 2; i++) {                       /* accepted ones inherit them */
        assert_int_equal(socket_option(ends[i], SOL_SOCKET, SO_KEEPALIVE), 1);
        assert_int_equal(socket_option(ends[i], IPPROTO_TCP, TCP_KEEPIDLE), 20);
        assert_int_equal(socket_option(ends[i], IPPROTO_TCP, TCP_KEEPINTVL), 5);
        assert_int_equal(socket_option(ends[i], IPPROTO_TCP, TCP_KEEPCNT), 4);
        assert_int_equal(socket_option(ends[i], IPPROTO_IP, IP_TTL), 7);
        assert_int_equal(socket_option(ends[i], IPPROTO_TCP, TCP_NODELAY), 1);
    }
    assert_int_equal(socket_option(ends[1], SOL_SOCKET, SO_SNDBUF), 2 * 16384);
    assert_int_equal(socket_option(ends[1], SOL_SOCKET, SO_RCVBUF), 2 * 8192);
    assert_int_equal(socket_option(ends[1], IPPROTO_IP, IP_TOS), 0x10);
    close_pair(ends);
    end();
}

static void options_are_set_at_any_time(void **state) {
    exec_socket_opts opts;
    int ends[2];
    (void)state;
    begin();
    memset(&opts, 0, sizeof opts);
    tcp_pair(ends, NULL);
    opts.nagle = 1;
    assert_int_equal(exec_socket_set(ends[0], &opts), 0);
    assert_int_equal(socket_option(ends[0], IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(exec_socket_set(ends[0], NULL), 0);
    assert_int_equal(socket_option(ends[0], IPPROTO_TCP, TCP_NODELAY), 1);
    opts.keepalive_s = 3;
    assert_int_equal(exec_socket_set(ends[0], &opts), 0);
    assert_int_equal(socket_option(ends[0], IPPROTO_TCP, TCP_KEEPIDLE), 3);
    assert_int_equal(socket_option(ends[0], IPPROTO_TCP, TCP_KEEPINTVL), 1);    /* a quarter, but not none */
    close_pair(ends);
    end();
}

static void options_reach_a_datagram_socket(void **state) {
    exec_socket_opts opts;
    int fd;
    (void)state;
    begin();
    memset(&opts, 0, sizeof opts);
    opts.broadcast = opts.reuse_port = 1;
    fd = exec_datagram(&ex, "127.0.0.1:0", NULL, &opts);
    assert_int_equal(socket_option(fd, SOL_SOCKET, SO_BROADCAST), 1);
    assert_int_equal(socket_option(fd, SOL_SOCKET, SO_REUSEPORT), 1);
    assert_int_equal(socket_option(fd, SOL_SOCKET, SO_REUSEADDR), 0);   /* would share the port of others */
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    end();
}

static void reset_on_close_is_seen_by_the_peer(void **state) {
    exec_socket_opts opts;
    int ends[2];
    exec_io io;
    char c;
    (void)state;
    begin();
    memset(&opts, 0, sizeof opts);
    opts.reset_on_close = 1;
    tcp_pair(ends, NULL);
    assert_int_equal(exec_socket_set(ends[0], &opts), 0);
    assert_int_equal(exec_close_fd(&ex, ends[0]), 0);
    assert_int_equal(run(exec_read(&io, ends[1], &c, 1)), -ECONNRESET);
    assert_int_equal(exec_close_fd(&ex, ends[1]), 0);
    end();
}

static void v6_only_and_its_contrary(void **state) {
    exec_socket_opts opts;
    int fd;
    (void)state;
    begin();
    memset(&opts, 0, sizeof opts);
    for (int want = -1; want <= 1; want += 2) {
        opts.v6_only = want;
        opts.ttl = 9;
        opts.tos = 0x20;
        fd = exec_datagram(&ex, "[::]:0", NULL, &opts);
        if (fd == -EAFNOSUPPORT) break;                 /* no IPv6 here */
        assert_int_equal(socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY), want > 0);
        assert_int_equal(socket_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 9);
        assert_int_equal(socket_option(fd, IPPROTO_IPV6, IPV6_TCLASS), 0x20);
        assert_true(exec_socket_set(fd, &opts) < 0);    /* too late for it */
        assert_int_equal(exec_close_fd(&ex, fd), 0);
    }
    end();
}

static void an_option_that_fails_is_an_error(void **state) {
    exec_socket_opts opts;
    exec_io io;
    int pipes[2], ends[2];
    (void)state;
    begin();
    memset(&opts, 0, sizeof opts);
    opts.keepalive_s = 5;
    assert_true(exec_datagram(&ex, "127.0.0.1:0", NULL, &opts) < 0);
    opts.keepalive_s = 0;
    opts.ttl = 1000;
    assert_int_equal(exec_listen(&ex, "127.0.0.1:0", &opts), -EINVAL);
    assert_int_equal(run(exec_connect(&io, "127.0.0.1:1", &opts)), -EINVAL);
    assert_int_equal(exec_socket_pair(&ex, ends, 0), 0);
    assert_true(exec_socket_set(ends[0], &opts) < 0);
    memset(&opts, 0, sizeof opts);
    opts.reset_on_close = 1;
    fail_call(CALL_SETSOCKOPT, ENOBUFS, 0, 1);
    assert_int_equal(exec_socket_set(ends[0], &opts), -ENOBUFS);
    fail_call(CALL_GETSOCKNAME, ENOBUFS, 0, 1);
    assert_int_equal(exec_socket_set(ends[0], &opts), -ENOBUFS);
    assert_int_equal(exec_socket_set(ends[0], &opts), 0);
    close_pair(ends);
    assert_int_equal(exec_socket_set(-1, &opts), -EBADF);
    assert_int_equal(exec_pipe(&ex, pipes), 0);
    assert_int_equal(exec_socket_set(pipes[0], &opts), -ENOTSOCK);
    close_pair(pipes);
    end();
}

/* -------------------------------------------------------------------------------------- datagrams */

/* A server that is bound and a client that can be answered, of each family that there is. */
static const char *const local_of[] = { "127.0.0.1:0", "[::1]:0", "unix:@" };

static int opened(size_t family, int ends[2], char *server) {
    ends[0] = exec_datagram(&ex, local_of[family], NULL, NULL);
    if (ends[0] == -EADDRNOTAVAIL || ends[0] == -EAFNOSUPPORT || ends[0] == -ENOSYS) return 0;
    ends[1] = exec_datagram(&ex, local_of[family], NULL, NULL);
    assert_true(ends[0] >= 0 && ends[1] >= 0);
    assert_true(is_ours(ends[0]));
    text_of(ends[0], server);
    return 1;
}

static void an_answer_goes_to_the_sender(void **state) {
    char server[EXEC_ADDRESS_BYTES], client[EXEC_ADDRESS_BYTES], text[EXEC_ADDRESS_BYTES], buf[8];
    exec_datagram_op in, out;
    exec_address to;
    exec_handle h;
    int ends[2];
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(local_of); i++) {
        if (!opened(i, ends, server)) continue;
        text_of(ends[1], client);
        assert_int_equal(exec_address_parse(&to, server), 0);
        start(&h, exec_recv_from(&in, ends[0], buf, sizeof buf));
        turns(2);
        assert_int_equal(run(exec_send_to(&out, ends[1], "ping", 4, &to)), 4);
        memset(&to, 0, sizeof to);                      /* it was copied */
        assert_int_equal(join(&h), 4);
        assert_memory_equal(buf, "ping", 4);
        assert_false(in.truncated);
        assert_int_equal(exec_address_text(&in.address, text, sizeof text), 0);
        assert_string_equal(text, client);
        assert_int_equal(run(exec_send_to(&in, ends[0], "pong!", 5, &in.address)), 5);
        assert_int_equal(run(exec_recv_from(&out, ends[1], buf, sizeof buf)), 5);
        assert_memory_equal(buf, "pong!", 5);
        assert_int_equal(exec_address_text(&out.address, text, sizeof text), 0);
        assert_string_equal(text, server);
        close_pair(ends);
    }
    end();
}

static void a_connected_socket_needs_no_address(void **state) {
    char server[EXEC_ADDRESS_BYTES], text[EXEC_ADDRESS_BYTES], buf[8];
    exec_datagram_op op;
    int ends[2], connected;
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(local_of); i++) {
        if (!opened(i, ends, server)) continue;
        assert_true(run(exec_send_to(&op, ends[1], "x", 1, NULL)) == (i == 2 ? -ENOTCONN : -EDESTADDRREQ));
        connected = exec_datagram(&ex, i == 2 ? local_of[i] : NULL, server, NULL);
        assert_true(connected >= 0);
        assert_int_equal(exec_peer_address(connected, text, sizeof text), 0);
        assert_string_equal(text, server);
        assert_int_equal(run(exec_send_to(&op, connected, "abc", 3, NULL)), 3);
        assert_int_equal(run(exec_recv_from(&op, ends[0], buf, sizeof buf)), 3);
        assert_int_equal(run(exec_send_to(&op, ends[0], "de", 2, &op.address)), 2);
        assert_int_equal(run(exec_recv_from(&op, connected, buf, sizeof buf)), 2);
        assert_int_equal(exec_close_fd(&ex, connected), 0);
        close_pair(ends);
    }
    end();
}

static void what_does_not_fit_is_cut_and_told(void **state) {
    char server[EXEC_ADDRESS_BYTES], buf[4] = "";
    exec_datagram_op op;
    exec_address to;
    int ends[2];
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(local_of); i++) {
        if (!opened(i, ends, server)) continue;
        assert_int_equal(exec_address_parse(&to, server), 0);
        assert_int_equal(run(exec_send_to(&op, ends[1], "abcdef", 6, &to)), 6);
        assert_int_equal(run(exec_send_to(&op, ends[1], "ghij", 4, &to)), 4);
        assert_int_equal(run(exec_recv_from(&op, ends[0], buf, 4)), 4);
        assert_true(op.truncated);
        assert_memory_equal(buf, "abcd", 4);
        assert_int_equal(run(exec_recv_from(&op, ends[0], buf, 4)), 4);
        assert_false(op.truncated);
        assert_memory_equal(buf, "ghij", 4);
        close_pair(ends);
    }
    end();
}

static void an_empty_datagram_is_one(void **state) {
    char server[EXEC_ADDRESS_BYTES], buf[4];
    exec_datagram_op in, out;
    exec_handle h;
    exec_address to;
    int ends[2];
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(local_of); i++) {
        if (!opened(i, ends, server)) continue;
        assert_int_equal(exec_address_parse(&to, server), 0);
        start(&h, exec_recv_from(&in, ends[0], buf, sizeof buf));
        turns(2);
        assert_int_equal(run(exec_send_to(&out, ends[1], NULL, 0, &to)), 0);
        assert_int_equal(run(exec_send_to(&out, ends[1], "x", 1, &to)), 1);
        assert_int_equal(join(&h), 0);
        assert_true(in.address.size > 0);
        assert_int_equal(run(exec_recv_from(&in, ends[0], buf, sizeof buf)), 1);
        close_pair(ends);
    }
    end();
}

/* Behind one edge there may be many: only EAGAIN ends readiness. */
static void datagrams_that_came_together_are_all_received(void **state) {
    char server[EXEC_ADDRESS_BYTES], buf[64];
    exec_datagram_op in, out;
    exec_timeout_op limit;
    exec_handle h;
    exec_address to;
    int ends[2];
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(local_of); i++) {
        if (!opened(i, ends, server)) continue;
        assert_int_equal(exec_address_parse(&to, server), 0);
        start(&h, exec_recv_from(&in, ends[0], buf, sizeof buf));
        turns(2);
        for (int k = 1; k <= 5; k++) {
            exec_future *f = exec_send_to(&out, ends[1], "abcdefgh", (size_t)k, &to);
            assert_int_equal(run(f), k);
        }
        assert_int_equal(join(&h), 1);
        for (int k = 2; k <= 5; k++) assert_int_equal(run(exec_recv_from(&in, ends[0], buf, sizeof buf)), k);
        assert_int_equal(run(exec_timeout(&limit, exec_recv_from(&in, ends[0], buf, 8), EXEC_MS(1))), -ETIMEDOUT);
        close_pair(ends);
    }
    end();
}

/* Also not by the ops of streams, which take a short read of TCP for the end. */
static void a_short_read_ends_no_readiness(void **state) {
    char server[EXEC_ADDRESS_BYTES], buf[64];
    exec_timeout_op limit;
    exec_handle h;
    exec_address to;
    exec_io io;
    int ends[2];
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(local_of); i++) {
        if (!opened(i, ends, server)) continue;
        assert_int_equal(exec_address_parse(&to, server), 0);
        start(&h, exec_read(&io, ends[0], buf, sizeof buf));
        turns(2);
        assert_int_equal(sendto(ends[1], "abc", 3, 0, (struct sockaddr *)(void *)to.bytes, to.size), 3);
        assert_int_equal(sendto(ends[1], "de", 2, 0, (struct sockaddr *)(void *)to.bytes, to.size), 2);
        assert_int_equal(join(&h), 3);
        assert_int_equal(run(exec_timeout(&limit, exec_read(&io, ends[0], buf, sizeof buf), EXEC_SEC(5))), 2);
        close_pair(ends);
    }
    end();
}

static void a_refused_datagram_is_an_error_of_one_op(void **state) {
    char address[EXEC_ADDRESS_BYTES], buf[4];
    exec_datagram_op op;
    exec_timeout_op limit;
    int fd, server;
    (void)state;
    begin();
    server = exec_datagram(&ex, "127.0.0.1:0", NULL, NULL);
    text_of(server, address);
    fd = exec_datagram(&ex, NULL, address, NULL);
    assert_int_equal(exec_close_fd(&ex, server), 0);
    assert_int_equal(run(exec_send_to(&op, fd, "x", 1, NULL)), 1);
    assert_int_equal(run(exec_recv_from(&op, fd, buf, sizeof buf)), -ECONNREFUSED);
    assert_int_equal(run(exec_timeout(&limit, exec_recv_from(&op, fd, buf, 4), EXEC_MS(1))), -ETIMEDOUT);
    server = exec_datagram(&ex, address, NULL, NULL);
    assert_true(server >= 0);
    assert_int_equal(run(exec_send_to(&op, fd, "y", 1, NULL)), 1);
    assert_int_equal(run(exec_recv_from(&op, server, buf, sizeof buf)), 1);
    assert_int_equal(buf[0], 'y');
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    assert_int_equal(exec_close_fd(&ex, server), 0);
    end();
}

static void cancelled_receive_takes_nothing(void **state) {
    char server[EXEC_ADDRESS_BYTES], buf[4];
    exec_datagram_op in, out;
    exec_address to;
    exec_handle h;
    unsigned before;
    int ends[2];
    (void)state;
    begin();
    for (size_t i = 0; i < COUNT(local_of); i++) {
        if (!opened(i, ends, server)) continue;
        assert_int_equal(exec_address_parse(&to, server), 0);
        start(&h, exec_recv_from(&in, ends[0], buf, sizeof buf));
        turns(2);
        before = calls[CALL_RECVMSG];
        for (int k = 0; k < 10; k++) {                  /* woken without cause: no system call */
            exec_wake(h.task);
            turns(1);
        }
        assert_int_equal(calls[CALL_RECVMSG], before);
        assert_int_equal(run(exec_send_to(&out, ends[1], "abc", 3, &to)), 3);
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_int_equal(EXEC_RESULT(&in), -ECANCELED);
        assert_int_equal(net.fds.waiting, 0);
        assert_int_equal(run(exec_recv_from(&in, ends[0], buf, sizeof buf)), 3);
        close_pair(ends);
    }
    end();
}

static void too_long_for_a_datagram(void **state) {
    static char huge[70000];
    char server[EXEC_ADDRESS_BYTES];
    exec_datagram_op op;
    exec_address to;
    int ends[2];
    (void)state;
    begin();
    assert_true(opened(0, ends, server));
    assert_int_equal(exec_address_parse(&to, server), 0);
    assert_int_equal(run(exec_send_to(&op, ends[1], huge, sizeof huge, &to)), -EMSGSIZE);
    close_pair(ends);
    end();
}

/* Nobody tells an unconnected sender when the queue of a unix socket has room. */
static void a_full_queue_is_an_error_or_a_wait(void **state) {
    char server[EXEC_ADDRESS_BYTES], buf[4];
    exec_datagram_op in, out;
    exec_timeout_op limit;
    exec_address to;
    exec_handle h;
    int ends[2], connected, sent = 0;
    intptr_t status;
    (void)state;
    begin();
    if (!opened(2, ends, server)) {
        end();
        return;
    }
    assert_int_equal(exec_address_parse(&to, server), 0);
    while ((status = run(exec_send_to(&out, ends[1], "x", 1, &to))) == 1) sent++;
    assert_int_equal(status, -ENOBUFS);
    connected = exec_datagram(&ex, NULL, server, NULL);
    assert_true(connected >= 0);
    assert_int_equal(run(exec_timeout(&limit, exec_send_to(&out, connected, "y", 1, NULL), EXEC_MS(1))), -ETIMEDOUT);
    start(&h, exec_send_to(&out, connected, "y", 1, NULL));
    turns(2);
    exec_dump(&ex);
    expect_words(log_text, "send_to fd ");
    assert_null(strstr(log_text, " bytes"));            /* it goes whole, or not */
    for (int i = 0; i < sent; i++) assert_int_equal(run(exec_recv_from(&in, ends[0], buf, sizeof buf)), 1);
    assert_int_equal(join(&h), 1);
    assert_int_equal(run(exec_recv_from(&in, ends[0], buf, sizeof buf)), 1);
    assert_int_equal(buf[0], 'y');
    assert_int_equal(in.address.size, 0);               /* it has no name */
    assert_int_equal(run(exec_send_to(&out, ends[1], "z", 1, &to)), 1);     /* there is room again */
    assert_int_equal(exec_close_fd(&ex, connected), 0);
    close_pair(ends);
    end();
}

/* The general call, too: an op that waited for it would try again and again. */
static void a_message_to_a_full_queue_is_an_error(void **state) {
    char server[EXEC_ADDRESS_BYTES], byte = 'x';
    exec_timeout_op limit;
    struct msghdr message;
    struct iovec part;
    exec_address to;
    exec_io io;
    int ends[2];
    intptr_t status;
    (void)state;
    begin();
    if (!opened(2, ends, server)) {
        end();
        return;
    }
    assert_int_equal(exec_address_parse(&to, server), 0);
    memset(&message, 0, sizeof message);
    part.iov_base = &byte;
    part.iov_len = 1;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_name = to.bytes;
    message.msg_namelen = to.size;
    do status = run(exec_timeout(&limit, exec_sendmsg(&io, ends[1], &message, 0), EXEC_SEC(1))); while (status == 1);
    assert_int_equal(status, -ENOBUFS);
    assert_int_equal(recv(ends[0], &byte, 1, 0), 1);
    assert_int_equal(run(exec_sendmsg(&io, ends[1], &message, 0)), 1);      /* there is room again */
    close_pair(ends);
    end();
}

static void what_datagram_refuses(void **state) {
    char address[EXEC_ADDRESS_BYTES], path[128] = "unix:";
    int fd;
    (void)state;
    begin();
    assert_int_equal(exec_datagram(&ex, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(exec_datagram(&ex, "localhost:1", NULL, NULL), -EINVAL);
    assert_int_equal(exec_datagram(&ex, NULL, "localhost:1", NULL), -EINVAL);
    assert_int_equal(exec_datagram(&ex, "127.0.0.1:0", "[::1]:9", NULL), -EINVAL);
    assert_int_equal(exec_datagram(&ex, "192.0.2.1:0", NULL, NULL), -EADDRNOTAVAIL);
    assert_int_equal(exec_datagram(&ex, NULL, "unix:/nonexistent/exec", NULL), -ENOENT);
    memset(path + 5, 'x', 110);
    assert_int_equal(exec_datagram(&ex, path, NULL, NULL), -ENAMETOOLONG);
    fd = exec_datagram(&ex, "127.0.0.1:0", NULL, NULL);
    text_of(fd, address);
    assert_int_equal(exec_datagram(&ex, address, NULL, NULL), -EADDRINUSE);
    assert_int_equal(exec_close_fd(&ex, fd), 0);
    end();
}

static intptr_t exchange(void) {
    char address[EXEC_ADDRESS_BYTES], buf[4];
    exec_datagram_op op;
    exec_timeout_op limit;
    exec_socket_opts opts;
    int server = -1, fd = -1;
    intptr_t status;
    memset(&opts, 0, sizeof opts);
    opts.send_bytes = 65536;
    server = exec_datagram(&ex, "127.0.0.1:0", NULL, &opts);
    status = server;
    if (status >= 0) status = exec_local_address(server, address, sizeof address);
    if (status >= 0) status = fd = exec_datagram(&ex, NULL, address, NULL);
    if (status >= 0) status = run(exec_timeout(&limit, exec_send_to(&op, fd, "abc", 3, NULL), EXEC_SEC(5)));
    if (status >= 0) status = run(exec_timeout(&limit, exec_recv_from(&op, server, buf, sizeof buf), EXEC_SEC(5)));
    if (server >= 0) exec_close_fd(&ex, server);
    if (fd >= 0) exec_close_fd(&ex, fd);
    return status < 0 ? status : 0;
}

static void trap_20_each_call_of_datagrams_fails(void **state) {
    static const fault_list list[] = {
        { CALL_SOCKET, { EMFILE, ENOBUFS, EAFNOSUPPORT } }, { CALL_BIND, { EADDRINUSE, EACCES } },
        { CALL_CONNECT, { ENETUNREACH, EACCES } }, { CALL_SETSOCKOPT, { ENOPROTOOPT, ENOMEM } },
        { CALL_GETSOCKNAME, { ENOBUFS } }, { CALL_CLOSE, { EIO } },
        { CALL_SENDMSG, { EINTR, ECONNREFUSED, ENOBUFS, EPERM, EHOSTUNREACH } },
        { CALL_RECVMSG, { EINTR, ECONNREFUSED, ENOMEM, EBADF } } };
    (void)state;
    begin();
    each_call_fails(list, COUNT(list), exchange);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_are_small),
        cmocka_unit_test(addresses_and_their_texts_agree),
        cmocka_unit_test(texts_that_are_no_addresses),
        cmocka_unit_test(hosts_are_read_as_inet_pton_reads_them),
        cmocka_unit_test(foreign_and_nameless_addresses_as_text),
        cmocka_unit_test(options_reach_the_socket),
        cmocka_unit_test(options_are_set_at_any_time),
        cmocka_unit_test(options_reach_a_datagram_socket),
        cmocka_unit_test(reset_on_close_is_seen_by_the_peer),
        cmocka_unit_test(v6_only_and_its_contrary),
        cmocka_unit_test(an_option_that_fails_is_an_error),
        cmocka_unit_test(an_answer_goes_to_the_sender),
        cmocka_unit_test(a_connected_socket_needs_no_address),
        cmocka_unit_test(what_does_not_fit_is_cut_and_told),
        cmocka_unit_test(an_empty_datagram_is_one),
        cmocka_unit_test(datagrams_that_came_together_are_all_received),
        cmocka_unit_test(a_short_read_ends_no_readiness),
        cmocka_unit_test(a_refused_datagram_is_an_error_of_one_op),
        cmocka_unit_test(cancelled_receive_takes_nothing),
        cmocka_unit_test(too_long_for_a_datagram),
        cmocka_unit_test(a_full_queue_is_an_error_or_a_wait),
        cmocka_unit_test(a_message_to_a_full_queue_is_an_error),
        cmocka_unit_test(what_datagram_refuses),
        cmocka_unit_test(trap_20_each_call_of_datagrams_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
