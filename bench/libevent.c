/* SPDX-License-Identifier: MIT
 * libevent: one base, events in memory of the driver (event_assign), no bufferevents.
 * resume: event_active on itself. hop: event_active from the other thread. timers: relative, event_add re-arms. echo: a
 * persistent event per connection, which changes its interest only when a write finds no room.
 * cc -O2 -pthread -o libevent libevent.c -levent_core -levent_pthreads && ./libevent --list; ./libevent echo PORT */
#include "clock.h"
#include "bench.h"
#include "echo.h"
#include "hop.h"
#include "peer.h"
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

/* ------------------------------------------------------------------------------------------- resume */

typedef struct task { struct event event; uint64_t count; } task;
typedef struct resume { struct event_base *base; unsigned count; task *tasks; } resume;

static uint64_t resumes_left;

static void resume_came(evutil_socket_t self, short what, void *arg) {
    task *t = (task *)arg;
    (void)self, (void)what;
    t->count++;
    if (--resumes_left > 0) event_active(&t->event, EV_TIMEOUT, 0);
    else event_base_loopbreak(event_get_base(&t->event));
}

static void *resume_make(unsigned tasks) {
    resume *r = (resume *)bench_allocate(sizeof *r);
    r->base = event_base_new();
    r->count = tasks;
    r->tasks = (task *)bench_allocate(sizeof *r->tasks * tasks);
    for (unsigned i = 0; i < tasks; i++)
        event_assign(&r->tasks[i].event, r->base, -1, 0, resume_came, &r->tasks[i]);
    return r;
}

/* What the last run left active is still in the queue. */
static int64_t resume_run(void *state, uint64_t polls) {
    resume *r = (resume *)state;
    int64_t start;
    for (unsigned i = 0; i < r->count; i++) event_active(&r->tasks[i].event, EV_TIMEOUT, 0);
    start = bench_now();
    resumes_left = polls;
    event_base_loop(r->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return bench_now() - start;
}

static void resume_drop(void *state) {
    resume *r = (resume *)state;
    for (unsigned i = 0; i < r->count; i++) event_del(&r->tasks[i].event);
    event_base_free(r->base);
    free(r->tasks);
    free(r);
}

/* --------------------------------------------------------------------------------------------- hops */

typedef struct hops { struct event_base *base; struct event event; hop h; int flags; } hops;

static void active_came(evutil_socket_t self, short what, void *arg) {
    (void)self, (void)what;
    hop_came((hop *)arg);
}

static void hop_wake(hop *h) { event_active(&((hops *)h->side)->event, EV_TIMEOUT, 0); }

static void hops_receive(hop *h) {
    hops *s = (hops *)h->side;
    hop_arm(h);
    while (!hop_over(h)) event_base_loop(s->base, s->flags);
}

static void *hops_make(unsigned spinning) {
    hops *s = (hops *)bench_allocate(sizeof *s);
    evthread_use_pthreads();
    s->base = event_base_new();
    s->flags = EVLOOP_NO_EXIT_ON_EMPTY | (spinning ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
    s->h.side = s;
    s->h.wake = hop_wake;
    s->h.pause_ns = spinning ? HOP_SPINNING_NS : HOP_PARKED_NS;
    event_assign(&s->event, s->base, -1, 0, active_came, &s->h);
    return s;
}

static int64_t hops_run(void *state, uint64_t rounds) { return hop_run(&((hops *)state)->h, rounds, hops_receive); }

static void hops_drop(void *state) {
    event_base_free(((hops *)state)->base);
    free(state);
}

/* ------------------------------------------------------------------------------------------- timers */

typedef struct timer_side { struct event_base *base; struct event *nodes; uint64_t fired; unsigned count; } timer_side;

static void timer_came(evutil_socket_t self, short what, void *arg) {
    (void)self, (void)what;
    ++*(uint64_t *)arg;
}
static inline void side_open(timer_side *s, unsigned nodes, int64_t now) {
    clock_ns = now;
    s->base = event_base_new();
    s->count = nodes;
    s->nodes = (struct event *)bench_allocate(sizeof *s->nodes * nodes);
    for (unsigned i = 0; i < nodes; i++) event_assign(&s->nodes[i], s->base, -1, 0, timer_came, &s->fired);
}
static inline void side_arm(timer_side *s, unsigned index, int64_t deadline, int64_t now) {
    struct timeval after;
    after.tv_sec = (deadline - now) / 1000000000;
    after.tv_usec = (deadline - now) % 1000000000 / 1000;
    event_add(&s->nodes[index], &after);
}
#define side_rearm side_arm
static inline void side_cancel(timer_side *s, unsigned index) { event_del(&s->nodes[index]); }
static inline void side_settle(timer_side *s) { (void)s; }
static inline void side_turn(timer_side *s, int64_t now) {
    clock_ns = now;
    event_base_loop(s->base, EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY);
}
static inline uint64_t side_fired(timer_side *s) { return s->fired; }
static inline void side_close(timer_side *s) {
    for (unsigned i = 0; i < s->count; i++) event_del(&s->nodes[i]);
    event_base_free(s->base);
    free(s->nodes);
}

#include "timers.h"

/* --------------------------------------------------------------------------------------------- echo */

typedef struct connection { struct event event; echo_connection c; } connection;

static void came(evutil_socket_t fd, short what, void *arg) {
    connection *e = (connection *)arg;
    int waits = what & EV_WRITE;
    echo_wants wants = waits ? echo_flush(&e->c) : echo_readable(&e->c);
    if (wants == ECHO_READ && !waits) return;
    if (wants == ECHO_WRITE && waits) return;
    event_del(&e->event);
    if (wants == ECHO_OVER) {
        close(fd);
        free(e);
        return;
    }
    event_assign(&e->event, event_get_base(&e->event), fd, (short)((waits ? EV_READ : EV_WRITE) | EV_PERSIST), came, e);
    event_add(&e->event, NULL);
}

static void accept_one(evutil_socket_t listener, short what, void *arg) {
    int fd = echo_accept(listener);
    connection *e = fd < 0 ? NULL : (connection *)malloc(sizeof *e);
    (void)what;
    if (!e) {
        if (fd >= 0) close(fd);
        return;
    }
    e->c.fd = fd;
    event_assign(&e->event, (struct event_base *)arg, fd, EV_READ | EV_PERSIST, came, e);
    event_add(&e->event, NULL);
}

static int serve(int port) {
    struct event_base *base = event_base_new();
    struct event listener;
    event_assign(&listener, base, echo_listen(port), EV_READ | EV_PERSIST, accept_one, base);
    event_add(&listener, NULL);
    return event_base_dispatch(base);
}

PEER_MAIN()
