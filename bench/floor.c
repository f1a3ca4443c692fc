/* SPDX-License-Identifier: MIT
 * The floor: what one would write by hand for each workload alone; no cancel, no join, no list of tasks, no second
 * kind of event. (The echo server is echo_floor.c.)
 * cc -O2 -pthread -o floor floor.c && ./floor --list */
#include "bench.h"
#include "hop.h"
#include "wheel.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------- a queue */

/* A linked run queue of nodes: a function, the state of a switch, a flag against being queued twice. */
typedef struct node node;
typedef struct queue { node *head, **end; } queue;

struct node {
    node *next;
    void (*run)(queue *q, node *n);
    unsigned state, queued;
    uint64_t count;
};

static int queue_stop;

static inline void queue_wake(queue *q, node *n) {
    if (n->queued) return;
    n->queued = 1;
    n->next = NULL;
    *q->end = n;
    q->end = &n->next;
}

static void queue_run(queue *q) {
    for (queue_stop = 0; q->head && !queue_stop;) {
        node *n = q->head;
        q->head = n->next;
        if (!q->head) q->end = &q->head;
        n->queued = 0;
        n->run(q, n);
    }
}

/* ------------------------------------------------------------------------------------------- resume */

typedef struct resume { queue q; node *nodes; } resume;

static uint64_t resumes_left;

static void resume_node(queue *q, node *n) {
    switch (n->state) {
    case 0:
        for (;;) {
            n->count++;
            if (--resumes_left == 0) queue_stop = 1;
            n->state = 1;
            queue_wake(q, n);
            return;
    case 1:;
        }
    }
}

static void *resume_make(unsigned tasks) {
    resume *r = (resume *)bench_allocate(sizeof *r);
    r->nodes = (node *)bench_allocate(sizeof *r->nodes * tasks);
    r->q.end = &r->q.head;
    for (unsigned i = 0; i < tasks; i++) {
        r->nodes[i].run = resume_node;
        queue_wake(&r->q, &r->nodes[i]);
    }
    return r;
}

static int64_t resume_run(void *state, uint64_t polls) {
    int64_t start = bench_now();
    resumes_left = polls;
    queue_run(&((resume *)state)->q);
    return bench_now() - start;
}

static void resume_drop(void *state) {
    free(((resume *)state)->nodes);
    free(state);
}

/* -------------------------------------------------------------------------------------------- spawn */

/* Malloc and free, or a free list of slots, of as many bytes as ours has; the frame is one word. */
enum { CHAINS = 64, SLOTS = CHAINS + 1, SLOT_BYTES = 112 };

typedef union slot { node n; unsigned char bytes[SLOT_BYTES]; } slot;
typedef struct spawn {
    queue q;
    int pool;
    node *free_list;
    slot slots[SLOTS];
} spawn;

static uint64_t spawns_left;

static inline node *spawn_take(spawn *s) {
    node *n = s->free_list;
    if (!s->pool) return (node *)malloc(sizeof(slot));
    if (n) s->free_list = n->next;
    return n;
}

static inline void spawn_give(spawn *s, node *n) {
    if (!s->pool) {
        free(n);
        return;
    }
    n->next = s->free_list;
    s->free_list = n;
}

static void spawn_node(queue *q, node *n);

static void spawn_one(spawn *s, uint64_t number) {
    node *n = spawn_take(s);
    if (!n) abort();
    n->run = spawn_node;
    n->queued = 0;
    n->count = number;
    queue_wake(&s->q, n);
}

static void spawn_node(queue *q, node *n) {
    spawn *s = (spawn *)(void *)q;
    if (spawns_left > 0) {
        spawns_left--;
        spawn_one(s, n->count + 1);
    }
    spawn_give(s, n);
}

static void *spawn_make_heap(unsigned size) {
    spawn *s = (spawn *)bench_allocate(sizeof *s);
    (void)size;
    s->q.end = &s->q.head;
    return s;
}

static void *spawn_make_pool(unsigned size) {
    spawn *s = (spawn *)spawn_make_heap(size);
    s->pool = 1;
    for (int i = 0; i < SLOTS; i++) spawn_give(s, &s->slots[i].n);
    return s;
}

static int64_t spawn_run(void *state, uint64_t tasks) {
    spawn *s = (spawn *)state;
    int64_t start = bench_now();
    spawns_left = tasks;
    for (int i = 0; i < CHAINS; i++) spawn_one(s, 0);
    queue_run(&s->q);
    return bench_now() - start;
}

/* Operations are tasks that wait for ever: a node each. */
static int64_t idle_run(void *state, uint64_t tasks) {
    (void)state;
    for (uint64_t i = 0; i < tasks; i++)
        if (!malloc(sizeof(node))) abort();
    return 0;
}

static void spawn_drop(void *state) { free(state); }

/* --------------------------------------------------------------------------------------------- hops */

/* A flag on a cache line, or an eventfd in an epoll set; for what is completed, a flag on a line of its own. */
typedef struct hops {
    hop h;
    int event_fd, loop_fd;
    uint64_t value __attribute__((aligned(64)));
} hops;

static void wake_parked(hop *h) {
    uint64_t one = 1;
    if (write(((hops *)h->side)->event_fd, &one, sizeof one) != sizeof one) abort();
}

static void complete(hop *h) {
    hops *s = (hops *)h->side;
    BENCH_STORE(&s->value, s->value + 1);
}

static void receive_spinning(hop *h) {
    do {
        hop_arm(h);
        while (!hop_sent(h)) BENCH_PAUSE();
    } while (hop_received(h));
}

static void receive_parked(hop *h) {
    const hops *s = (const hops *)h->side;
    struct epoll_event event;
    uint64_t value;
    do {
        hop_arm(h);
        do bench_must(epoll_wait(s->loop_fd, &event, 1, -1), "epoll_wait");
        while (read(s->event_fd, &value, sizeof value) < 0);
    } while (hop_received(h));
}

static void receive_completed(hop *h) {
    const hops *s = (const hops *)h->side;
    do {
        hop_barrier(h);
        if (BENCH_LOAD(&s->value) > h->got) bench_ready++;
        while (BENCH_LOAD(&s->value) <= h->got) BENCH_PAUSE();
    } while (hop_received(h));
}

static hops *hops_make(int64_t pause_ns, void (*wake)(hop *h)) {
    hops *s = (hops *)bench_allocate(sizeof *s);
    struct epoll_event event;
    s->h.side = s;
    s->h.wake = wake;
    s->h.pause_ns = pause_ns;
    s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->loop_fd = epoll_create1(EPOLL_CLOEXEC);
    event.events = EPOLLIN;
    event.data.fd = s->event_fd;
    bench_must(epoll_ctl(s->loop_fd, EPOLL_CTL_ADD, s->event_fd, &event) < 0 ? -errno : 0, "epoll_ctl");
    return s;
}

static void *hops_make_spinning(unsigned size) { return (void)size, hops_make(HOP_SPINNING_NS, hop_send); }
static void *hops_make_parked(unsigned size) { return (void)size, hops_make(HOP_PARKED_NS, wake_parked); }
static void *hops_make_completed(unsigned size) {
    hops *s = hops_make(0, complete);
    (void)size;
    s->h.completes = 1;
    return s;
}

static int64_t hops_run_spinning(void *s, uint64_t n) { return hop_run(&((hops *)s)->h, n, receive_spinning); }
static int64_t hops_run_parked(void *s, uint64_t n) { return hop_run(&((hops *)s)->h, n, receive_parked); }
static int64_t hops_run_completed(void *s, uint64_t n) { return hop_run(&((hops *)s)->h, n, receive_completed); }

static void hops_drop(void *state) {
    hops *s = (hops *)state;
    close(s->event_fd);
    close(s->loop_fd);
    free(s);
}

/* ------------------------------------------------------------------------------------------- timers */

typedef struct timer_side { wheel w; uint64_t fired; wheel_node *nodes; } timer_side;

static inline void side_open(timer_side *s, unsigned nodes, int64_t now) {
    s->nodes = (wheel_node *)bench_allocate(sizeof *s->nodes * nodes);
    for (unsigned i = 0; i < nodes; i++) s->nodes[i].fired = &s->fired;
    wheel_advance(&s->w, now);
}
static inline void side_arm(timer_side *s, unsigned index, int64_t deadline, int64_t now) {
    (void)now;
    wheel_insert(&s->w, &s->nodes[index], deadline);
}
static inline void side_cancel(timer_side *s, unsigned index) { wheel_cancel(&s->nodes[index]); }
static inline void side_rearm(timer_side *s, unsigned index, int64_t deadline, int64_t now) {
    side_cancel(s, index);
    side_arm(s, index, deadline, now);
}
static inline void side_settle(timer_side *s) { (void)s; }
static inline void side_turn(timer_side *s, int64_t now) { wheel_advance(&s->w, now); }
static inline uint64_t side_fired(timer_side *s) { return s->fired; }
static inline void side_close(timer_side *s) { free(s->nodes); }

#include "timers.h"

static int64_t next_run(void *state, uint64_t operations) {
    timers_bench *b = (timers_bench *)state;
    int64_t start = bench_now();
    uint64_t sum = 0;
    unsigned level, first;
    for (uint64_t i = 0; i < operations; i += 4) BENCH_FOUR_TIMES(sum += wheel_next(&b->side.w, &level, &first));
    return sum ? bench_now() - start : 0;
}

static const bench_workload workloads[] = {
    RESUME_WORKLOADS("resume", resume_make),
    RESUME_WORKLOADS("resume-depth16", resume_make),
    { "spawn/heap", 0, 0, spawn_make_heap, spawn_run, spawn_drop, 0 },
    { "spawn/pool", 0, 0, spawn_make_pool, spawn_run, spawn_drop, 0 },
    { "task-idle", 0, 0, spawn_make_heap, idle_run, spawn_drop, 0 },
    { "hop/spinning", 0, 1000, hops_make_spinning, hops_run_spinning, hops_drop, 1 },
    { "hop/parked", 0, 100, hops_make_parked, hops_run_parked, hops_drop, 1 },
    { "oneshot/completed", 0, 1000, hops_make_completed, hops_run_completed, hops_drop, 1 },
    TIMER_WORKLOADS,
    { "timer-next/1000", 1000, 0, timers_make, next_run, timers_drop, 0 },
    { "timer-next/1000000", 1000000, 0, timers_make, next_run, timers_drop, 0 }
};

int main(int argc, char **argv) { return BENCH_MAIN(argc, argv, workloads); }
