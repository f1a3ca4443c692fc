/* SPDX-License-Identifier: MIT
 * libuv: one loop.
 * resume: a uv_idle_t per task, which the loop calls once a round. hop: uv_async_t. timers: relative, in ms,
 * uv_timer_start re-arms. echo: a uv_tcp_t per connection, uv_try_write, and a uv_write only for what finds no room.
 * cc -O2 -pthread -o libuv libuv.c -luv && ./libuv --list; ./libuv echo PORT */
#include "clock.h"
#include "bench.h"
#include "echo.h"
#include "hop.h"
#include "peer.h"
#include <uv.h>

static void must(int status, const char *what) {
    if (status >= 0) return;
    fprintf(stderr, "bench: %s: %s\n", what, uv_strerror(status));
    exit(1);
}

/* Closes what is left of a loop whose handles lie in memory of ours. */
static void close_one(uv_handle_t *handle, void *unused) {
    (void)unused;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}
static void close_loop(uv_loop_t *loop) {
    uv_walk(loop, close_one, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    must(uv_loop_close(loop), "uv_loop_close");
}

/* ------------------------------------------------------------------------------------------- resume */

typedef struct resume { uv_loop_t loop; uv_idle_t *idles; } resume;

static uint64_t resumes_left;

static void resume_idle(uv_idle_t *handle) {
    handle->data = (char *)handle->data + 1;        /* its count */
    if (--resumes_left == 0) uv_stop(handle->loop);
}

static void *resume_make(unsigned tasks) {
    resume *r = (resume *)bench_allocate(sizeof *r);
    r->idles = (uv_idle_t *)bench_allocate(sizeof *r->idles * tasks);
    must(uv_loop_init(&r->loop), "uv_loop_init");
    for (unsigned i = 0; i < tasks; i++) {
        uv_idle_init(&r->loop, &r->idles[i]);
        uv_idle_start(&r->idles[i], resume_idle);
    }
    return r;
}

static int64_t resume_run(void *state, uint64_t polls) {
    int64_t start = bench_now();
    resumes_left = polls;
    uv_run(&((resume *)state)->loop, UV_RUN_DEFAULT);
    return bench_now() - start;
}

static void resume_drop(void *state) {
    resume *r = (resume *)state;
    close_loop(&r->loop);
    free(r->idles);
    free(r);
}

/* --------------------------------------------------------------------------------------------- hops */

typedef struct hops { uv_loop_t loop; uv_async_t async; hop h; uv_run_mode mode; } hops;

static void async_came(uv_async_t *handle) { hop_came((hop *)handle->data); }

static void hop_wake(hop *h) { uv_async_send(&((hops *)h->side)->async); }

static void hops_receive(hop *h) {
    hops *s = (hops *)h->side;
    hop_arm(h);
    while (!hop_over(h)) uv_run(&s->loop, s->mode);
}

static void *hops_make(unsigned spinning) {
    hops *s = (hops *)bench_allocate(sizeof *s);
    must(uv_loop_init(&s->loop), "uv_loop_init");
    must(uv_async_init(&s->loop, &s->async, async_came), "uv_async_init");
    s->async.data = &s->h;
    s->h.side = s;
    s->mode = spinning ? UV_RUN_NOWAIT : UV_RUN_ONCE;
    s->h.wake = hop_wake;
    s->h.pause_ns = spinning ? HOP_SPINNING_NS : HOP_PARKED_NS;
    return s;
}

static int64_t hops_run(void *state, uint64_t rounds) { return hop_run(&((hops *)state)->h, rounds, hops_receive); }

static void hops_drop(void *state) {
    close_loop(&((hops *)state)->loop);
    free(state);
}

/* ------------------------------------------------------------------------------------------- timers */

typedef struct timer_side { uv_loop_t loop; uv_timer_t *nodes; uint64_t fired; } timer_side;

static void timer_came(uv_timer_t *handle) { ++*(uint64_t *)handle->data; }

static inline void side_open(timer_side *s, unsigned nodes, int64_t now) {
    clock_ns = now;
    must(uv_loop_init(&s->loop), "uv_loop_init");
    s->nodes = (uv_timer_t *)bench_allocate(sizeof *s->nodes * nodes);
    for (unsigned i = 0; i < nodes; i++) {
        uv_timer_init(&s->loop, &s->nodes[i]);
        s->nodes[i].data = &s->fired;
    }
}
static inline void side_arm(timer_side *s, unsigned index, int64_t deadline, int64_t now) {
    uv_timer_start(&s->nodes[index], timer_came, (uint64_t)(deadline - now) / 1000000, 0);
}
#define side_rearm side_arm
static inline void side_cancel(timer_side *s, unsigned index) { uv_timer_stop(&s->nodes[index]); }
static inline void side_settle(timer_side *s) { (void)s; }
static inline void side_turn(timer_side *s, int64_t now) {
    clock_ns = now;
    uv_run(&s->loop, UV_RUN_NOWAIT);
}
static inline uint64_t side_fired(timer_side *s) { return s->fired; }
static inline void side_close(timer_side *s) {
    close_loop(&s->loop);
    free(s->nodes);
}

#include "timers.h"

/* --------------------------------------------------------------------------------------------- echo */

typedef struct connection { uv_tcp_t tcp; uv_write_t write; char buf[4096]; } connection;

static void gone(uv_handle_t *handle) { free(handle); }
static void over(connection *c) {
    if (!uv_is_closing((uv_handle_t *)&c->tcp)) uv_close((uv_handle_t *)&c->tcp, gone);
}

static void room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf) {
    connection *c = (connection *)handle;
    (void)wanted;
    *buf = uv_buf_init(c->buf, sizeof c->buf);
}

static void came(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void written(uv_write_t *write, int status) {
    connection *c = (connection *)write->data;
    if (status < 0) over(c);
    else uv_read_start((uv_stream_t *)&c->tcp, room, came);
}

static void came(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    connection *c = (connection *)stream;
    uv_buf_t rest = uv_buf_init(buf->base, (unsigned)(n > 0 ? n : 0));
    int done;
    if (n == 0) return;
    if (n < 0) {
        over(c);
        return;
    }
    done = uv_try_write(stream, &rest, 1);
    if (done == n) return;
    if (done < 0 && done != UV_EAGAIN) {
        over(c);
        return;
    }
    if (done > 0) rest = uv_buf_init(rest.base + done, (unsigned)(n - done));
    c->write.data = c;
    uv_read_stop(stream);
    uv_write(&c->write, stream, &rest, 1, written);
}

static void accept_one(uv_stream_t *listener, int status) {
    connection *c = status < 0 ? NULL : (connection *)malloc(sizeof *c);
    if (!c) return;
    uv_tcp_init(listener->loop, &c->tcp);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0) {
        over(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, room, came);
}

static int serve(int port) {
    uv_loop_t *loop = uv_default_loop();
    struct sockaddr_in address = echo_loopback(port);
    int size = sizeof address;
    uv_tcp_t listener;
    echo_raise_limit();
    must(uv_tcp_init(loop, &listener), "uv_tcp_init");
    must(uv_tcp_bind(&listener, (struct sockaddr *)&address, 0), "uv_tcp_bind");
    must(uv_listen((uv_stream_t *)&listener, 4096, accept_one), "uv_listen");
    must(uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size), "uv_tcp_getsockname");
    echo_say_port((struct sockaddr *)&address);
    return uv_run(loop, UV_RUN_DEFAULT);
}

PEER_MAIN()
