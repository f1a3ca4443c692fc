/* SPDX-License-Identifier: MIT
 * What the tests of sockets and files begin with: each system call of the headers goes through `faulty`,
 * which counts it and can make it fail; an executor whose descriptors are counted before and after. */
#ifndef NET_H
#define NET_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CALL_NONE, CALL_EPOLL_CREATE, CALL_EPOLL_CTL, CALL_EPOLL_WAIT, CALL_EPOLL_PWAIT2, CALL_PPOLL, CALL_RECV, CALL_SEND,
    CALL_READ, CALL_WRITE, CALL_SOCKET, CALL_BIND, CALL_LISTEN, CALL_CONNECT, CALL_ACCEPT, CALL_GETSOCKOPT,
    CALL_SETSOCKOPT, CALL_GETSOCKNAME, CALL_GETPEERNAME, CALL_FCNTL, CALL_FSTAT, CALL_CLOSE, CALL_RECVMSG, CALL_SENDMSG,
    CALL_READV, CALL_WRITEV, CALL_SENDFILE, CALL_PREAD, CALL_PIPE, CALL_SOCKETPAIR, CALL_SHUTDOWN, CALL_LSTAT,
    CALL_UNLINK, CALL_SIGPROCMASK, CALLS
};
#include "faulty.h"

/* Is called with the number of events that a wait brought, before the reactor sees them. */
static void (*batch_hook)(int count);
static inline int batch(int count) {
    if (batch_hook && count > 0) batch_hook(count);
    return count;
}
static int asked_backlog;       /* by the last listen(2) */
static int exec__ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout);
static int sys_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout) {
    return faulty(CALL_PPOLL) ? -1 : batch(exec__ppoll(fds, count, timeout));
}

#define EXEC_SYS_EPOLL_CREATE1(flags) (faulty(CALL_EPOLL_CREATE) ? -1 : epoll_create1(flags))
#define EXEC_SYS_EPOLL_CTL(...) (faulty(CALL_EPOLL_CTL) ? -1 : epoll_ctl(__VA_ARGS__))
#define EXEC_SYS_EPOLL_WAIT(...) (faulty(CALL_EPOLL_WAIT) ? -1 : batch(epoll_wait(__VA_ARGS__)))
#define EXEC_SYS_EPOLL_PWAIT2(...) (faulty(CALL_EPOLL_PWAIT2) ? -1 : batch(exec__epoll_pwait2(__VA_ARGS__)))
#define EXEC_SYS_PPOLL sys_ppoll
#define EXEC_SYS_RECV(...) (faulty(CALL_RECV) ? -1 : recv(__VA_ARGS__))
#define EXEC_SYS_SEND(...) (faulty(CALL_SEND) ? -1 : send(__VA_ARGS__))
#define EXEC_SYS_READ(...) (faulty(CALL_READ) ? -1 : read(__VA_ARGS__))
#define EXEC_SYS_WRITE(...) (faulty(CALL_WRITE) ? -1 : write(__VA_ARGS__))
#define EXEC_SYS_SOCKET(...) (faulty(CALL_SOCKET) ? -1 : socket(__VA_ARGS__))
#define EXEC_SYS_BIND(...) (faulty(CALL_BIND) ? -1 : bind(__VA_ARGS__))
#define EXEC_SYS_LISTEN(fd, backlog) (asked_backlog = (backlog), faulty(CALL_LISTEN) ? -1 : listen(fd, asked_backlog))
#define EXEC_SYS_CONNECT(...) (faulty(CALL_CONNECT) ? -1 : connect(__VA_ARGS__))
#define EXEC_SYS_ACCEPT4(...) (faulty(CALL_ACCEPT) ? -1 : accept4(__VA_ARGS__))
#define EXEC_SYS_ACCEPT(...) (faulty(CALL_ACCEPT) ? -1 : accept(__VA_ARGS__))
#define EXEC_SYS_GETSOCKOPT(...) (faulty(CALL_GETSOCKOPT) ? -1 : getsockopt(__VA_ARGS__))
#define EXEC_SYS_SETSOCKOPT(...) (faulty(CALL_SETSOCKOPT) ? -1 : setsockopt(__VA_ARGS__))
#define EXEC_SYS_GETSOCKNAME(...) (faulty(CALL_GETSOCKNAME) ? -1 : getsockname(__VA_ARGS__))
#define EXEC_SYS_GETPEERNAME(...) (faulty(CALL_GETPEERNAME) ? -1 : getpeername(__VA_ARGS__))
#define EXEC_SYS_FCNTL(...) (faulty(CALL_FCNTL) ? -1 : fcntl(__VA_ARGS__))
#define EXEC_SYS_FSTAT(...) (faulty(CALL_FSTAT) ? -1 : fstat(__VA_ARGS__))
#define EXEC_SYS_RECVMSG(...) (faulty(CALL_RECVMSG) ? -1 : recvmsg(__VA_ARGS__))
#define EXEC_SYS_SENDMSG(...) (faulty(CALL_SENDMSG) ? -1 : sendmsg(__VA_ARGS__))
#define EXEC_SYS_READV(...) (faulty(CALL_READV) ? -1 : readv(__VA_ARGS__))
#define EXEC_SYS_WRITEV(...) (faulty(CALL_WRITEV) ? -1 : writev(__VA_ARGS__))
#define EXEC_SYS_SENDFILE(...) (faulty(CALL_SENDFILE) ? -1 : exec__sendfile(__VA_ARGS__))
#define EXEC_SYS_PREAD(...) (faulty(CALL_PREAD) ? -1 : exec__pread(__VA_ARGS__))
#define EXEC_SYS_PIPE2(...) (faulty(CALL_PIPE) ? -1 : pipe2(__VA_ARGS__))
#define EXEC_SYS_PIPE(...) (faulty(CALL_PIPE) ? -1 : pipe(__VA_ARGS__))
#define EXEC_SYS_SOCKETPAIR(...) (faulty(CALL_SOCKETPAIR) ? -1 : socketpair(__VA_ARGS__))
#define EXEC_SYS_SHUTDOWN(...) (faulty(CALL_SHUTDOWN) ? -1 : shutdown(__VA_ARGS__))
#define EXEC_SYS_LSTAT(...) (faulty(CALL_LSTAT) ? -1 : lstat(__VA_ARGS__))
#define EXEC_SYS_UNLINK(...) (faulty(CALL_UNLINK) ? -1 : unlink(__VA_ARGS__))
#define EXEC_SYS_SIGPROCMASK(...) (faulty(CALL_SIGPROCMASK) ? -1 : sigprocmask(__VA_ARGS__))
#define EXEC_SYS_CLOSE(fd) faulty_close(CALL_CLOSE, fd)

#define TEST_HEADER "../exec_net.h"
#include "test.h"
#include "leaves.h"
#include "reactor.h"
#include "awaits.h"

static inline void text_of(int fd, char *text) {
    assert_int_equal(exec_local_address(fd, text, EXEC_ADDRESS_BYTES), 0);
}
static inline int socket_option(int fd, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    assert_int_equal(getsockopt(fd, level, option, &value, &size), 0);
    return value;
}

/* A connection over loopback: ends[0] accepted, ends[1] connected. */
static inline void tcp_pair(int ends[2], const exec_socket_opts *opts) {
    char address[EXEC_ADDRESS_BYTES];
    int listener = exec_listen(&ex, "127.0.0.1:0", opts);
    exec_handle h;
    exec_io a, c;
    assert_true(listener >= 0);
    text_of(listener, address);
    start(&h, exec_accept(&a, listener));
    ends[1] = (int)run(exec_connect(&c, address, opts));
    ends[0] = (int)join(&h);
    assert_true(ends[0] >= 0 && ends[1] >= 0);
    assert_int_equal(exec_close_fd(&ex, listener), 0);
}

/* poll(2) as a host program calls it: what the executor wants watched is ready, or not. */
static inline int host_poll(int ms) {
    struct pollfd fds[8];
    int n = exec_poll_fds(&ex, fds, COUNT(fds));
    assert_in_range(n, 1, COUNT(fds));
    return poll(fds, (nfds_t)n, ms);
}

/* Each call in `list` fails once with each error at each of its first places, while `all` runs: that
   fails cleanly or goes on, nothing leaks, and the next run works. (trap 20) */
typedef struct { int call; int errors[11]; } fault_list;         /* up to a 0 */
typedef struct { unsigned failed, passed; int fds; } fault_runs;

/* 1: it was called so often, and the call failed. */
static inline int one_call_fails(int call, int error, unsigned skip, intptr_t (*all)(void), fault_runs *runs) {
    intptr_t result;
    int reached;
    fail_call(call, error, skip, 1);
    result = all();
    reached = !fault.times;
    memset(&fault, 0, sizeof fault);
    if (result < 0) runs->failed++;
    else runs->passed++;
    if (error == EINTR) assert_true(result >= 0);       /* an interrupted call is made again */
    assert_int_equal(count_fds(), runs->fds);
    assert_int_equal(net.fds.waiting, 0);
    assert_int_equal(exec_check(&ex), 0);
    assert_int_equal(all(), 0);                         /* the executor works as ever */
    return reached;
}

static inline void each_call_fails(const fault_list *list, size_t count, intptr_t (*all)(void)) {
    fault_runs runs = { 0, 0, 0 };
    assert_int_equal(all(), 0);
    runs.fds = count_fds();
    for (size_t i = 0; i < count; i++) {
        unsigned reached = 0;
        for (const int *error = list[i].errors; *error; error++)
            for (unsigned skip = 0; skip < 8 && one_call_fails(list[i].call, *error, skip, all, &runs); skip++)
                reached++;
        if (!reached) fail_msg("call %d of the list is never made", (int)i);
    }
    printf("%u runs failed cleanly, %u went on\n", runs.failed, runs.passed);
    assert_true(runs.failed >= count);
}
#endif
