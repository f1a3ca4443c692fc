/* SPDX-License-Identifier: MIT
 * libev: one loop, its macros for the hot calls.
 * resume: ev_feed_event is its fastest; it is last in, first out, so of several tasks only ev_idle gives each
 * its turn. hop: ev_async. timers: relative, ev_timer_again re-arms. echo: an ev_io per connection, which changes
 * its interest only when a write finds no room.
 * cc -O2 -pthread -o libev libev.c -lev && ./libev --list; ./libev echo PORT */
#include "clock.h"
#include "bench.h"
#include "echo.h"
#include "hop.h"
#include "peer.h"
#include <ev.h>

static uint64_t resumes_left;

/* ------------------------------------------------------------------------------------------- resume */

typedef struct task { ev_idle idle; uint64_t count; } task;
typedef struct resume { struct ev_loop *loop; unsigned count; task *tasks; } resume;

static void resume_fed(struct ev_loop *loop, ev_idle *w, int events) {
    ((task *)w)->count++;
    if (--resumes_left > 0) ev_feed_event(loop, w, events);
}

static void resume_idle(struct ev_loop *loop, ev_idle *w, int events) {
    (void)events;
    ((task *)w)->count++;
    if (--resumes_left == 0) ev_break(loop, EVBREAK_ALL);
}

static void *resume_make(unsigned tasks) {
    resume *r = (resume *)bench_allocate(sizeof *r);
    r->loop = ev_loop_new(EVBACKEND_EPOLL);
    r->count = tasks;
    r->tasks = (task *)bench_allocate(sizeof *r->tasks * tasks);
    for (unsigned i = 0; i < tasks; i++) {
        ev_idle_init(&r->tasks[i].idle, resume_idle);
        if (tasks > 1) ev_idle_start(r->loop, &r->tasks[i].idle);
    }
    return r;
}

static int64_t resume_run(void *state, uint64_t polls) {
    resume *r = (resume *)state;
    int64_t start = bench_now();
    resumes_left = polls;
    if (r->count == 1) {
        ev_set_cb(&r->tasks->idle, resume_fed);
        ev_feed_event(r->loop, &r->tasks->idle, 0);
        ev_invoke_pending(r->loop);
    } else ev_run(r->loop, 0);
    return bench_now() - start;
}

static void resume_drop(void *state) {
    resume *r = (resume *)state;
    ev_loop_destroy(r->loop);
    free(r->tasks);
    free(r);
}

/* --------------------------------------------------------------------------------------------- hops */

typedef struct hops { struct ev_loop *loop; ev_async async; hop h; int flags; } hops;

static void async_came(struct ev_loop *loop, ev_async *w, int events) {
    (void)loop, (void)events;
    hop_came((hop *)w->data);
}

static void hop_wake(hop *h) {
    hops *s = (hops *)h->side;
    ev_async_send(s->loop, &s->async);
}

static void hops_receive(hop *h) {
    hops *s = (hops *)h->side;
    hop_arm(h);
    while (!hop_over(h)) ev_run(s->loop, s->flags);
}

static void *hops_make(unsigned spinning) {
    hops *s = (hops *)bench_allocate(sizeof *s);
    s->loop = ev_loop_new(EVBACKEND_EPOLL);
    s->flags = spinning ? EVRUN_NOWAIT : EVRUN_ONCE;
    s->h.side = s;
    s->h.wake = hop_wake;
    s->h.pause_ns = spinning ? HOP_SPINNING_NS : HOP_PARKED_NS;
    ev_async_init(&s->async, async_came);
    s->async.data = &s->h;
    ev_async_start(s->loop, &s->async);
    return s;
}

static int64_t hops_run(void *state, uint64_t rounds) { return hop_run(&((hops *)state)->h, rounds, hops_receive); }

static void hops_drop(void *state) {
    ev_loop_destroy(((hops *)state)->loop);
    free(state);
}

/* ------------------------------------------------------------------------------------------- timers */

typedef struct timer_side { struct ev_loop *loop; ev_timer *nodes; uint64_t fired; unsigned count; } timer_side;

static void timer_came(struct ev_loop *loop, ev_timer *w, int events) {
    (void)loop, (void)events;
    ++*(uint64_t *)w->data;
}
static inline void side_open(timer_side *s, unsigned nodes, int64_t now) {
    clock_ns = now;
    s->loop = ev_loop_new(EVBACKEND_EPOLL);
    s->count = nodes;
    s->nodes = (ev_timer *)bench_allocate(sizeof *s->nodes * nodes);
    for (unsigned i = 0; i < nodes; i++) {
        ev_timer_init(&s->nodes[i], timer_came, 0., 0.);
        s->nodes[i].data = &s->fired;
    }
}
static inline void side_arm(timer_side *s, unsigned index, int64_t deadline, int64_t now) {
    ev_timer_set(&s->nodes[index], (double)(deadline - now) * 1e-9, 0.);
    ev_timer_start(s->loop, &s->nodes[index]);
}
static inline void side_rearm(timer_side *s, unsigned index, int64_t deadline, int64_t now) {
    s->nodes[index].repeat = (double)(deadline - now) * 1e-9;
    ev_timer_again(s->loop, &s->nodes[index]);
}
static inline void side_cancel(timer_side *s, unsigned index) { ev_timer_stop(s->loop, &s->nodes[index]); }
static inline void side_settle(timer_side *s) { (void)s; }
static inline void side_turn(timer_side *s, int64_t now) {
    clock_ns = now;
    ev_run(s->loop, EVRUN_NOWAIT);
}
static inline uint64_t side_fired(timer_side *s) { return s->fired; }
static inline void side_close(timer_side *s) {
    ev_loop_destroy(s->loop);
    free(s->nodes);
}

#include "timers.h"

/* --------------------------------------------------------------------------------------------- echo */

typedef struct connection { ev_io io; echo_connection c; } connection;

static void came(struct ev_loop *loop, ev_io *w, int events) {
    connection *e = (connection *)w;
    int waits = events & EV_WRITE;
    echo_wants wants = waits ? echo_flush(&e->c) : echo_readable(&e->c);
    if (wants == ECHO_OVER) {
        ev_io_stop(loop, w);
        close(e->c.fd);
        free(e);
    } else if ((wants == ECHO_WRITE) != (waits != 0)) {
        ev_io_stop(loop, w);
        ev_io_set(w, e->c.fd, wants == ECHO_WRITE ? EV_WRITE : EV_READ);
        ev_io_start(loop, w);
    }
}

static void accept_one(struct ev_loop *loop, ev_io *w, int events) {
    int fd = echo_accept(w->fd);
    connection *e = fd < 0 ? NULL : (connection *)malloc(sizeof *e);
    (void)events;
    if (!e) {
        if (fd >= 0) close(fd);
        return;
    }
    e->c.fd = fd;
    ev_io_init(&e->io, came, fd, EV_READ);
    ev_io_start(loop, &e->io);
}

static int serve(int port) {
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    ev_io listener;
    ev_io_init(&listener, accept_one, echo_listen(port), EV_READ);
    ev_io_start(loop, &listener);
    return !ev_run(loop, 0);
}

PEER_MAIN()
