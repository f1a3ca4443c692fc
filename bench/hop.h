/* SPDX-License-Identifier: MIT
 * A wake across threads. The sender, on a cpu of its own, waits until the receiver is armed, gives it time to
 * be pending, stamps, wakes; the receiver stamps when it has been woken. Included by each driver, which has its
 * own `wake`. Between the stamps no line of the cache goes from one to the other but those of the wake itself: the
 * sender's is in its own cache when it is written, and read when the time has been taken. The time that a thread
 * takes to start is not in any figure. */
#ifndef BENCH_HOP_H
#define BENCH_HOP_H

#include "bench.h"
#include <pthread.h>

typedef struct hop {
    void (*wake)(struct hop *h);        /* on the sender's thread */
    void *side;
    int64_t pause_ns;                   /* from armed to the stamp: by then the receiver is pending */
    int completes;                      /* the value is sent first; the receiver takes the time behind hop_barrier */
    uint64_t rounds;                    /* until which the receiver goes on */
    uint64_t armed __attribute__((aligned(64)));    /* by the receiver, for this round */
    uint64_t sent __attribute__((aligned(64)));     /* the last round: for who watches a flag, and for hop_barrier */
    int64_t stamp __attribute__((aligned(64)));     /* the sender's, with what follows */
    uint64_t stamped, round;
    uint64_t waited;            /* counts while the sender waits, so that this line is in its cache when it stamps */
    uint64_t got __attribute__((aligned(64)));      /* the receiver's, with what follows */
    int64_t began;                                  /* of who awaits what is completed */
} hop;

enum { HOP_SPINNING_NS = 1500, HOP_PARKED_NS = 50000 };

/* Receiver: from now on a wake counts. */
static inline void hop_arm(hop *h) { BENCH_STORE(&h->armed, h->got + 1); }
static inline int hop_sent(hop *h) { return BENCH_LOAD(&h->sent) > h->got; }
static inline void hop_send(hop *h) { BENCH_STORE(&h->sent, h->round); }
/* Right behind hop_arm: whether the receiver came too late to wait. */
static inline int hop_stamped(hop *h) { return BENCH_LOAD(&h->stamped) > h->got; }

static inline int hop_over(const hop *h) { return h->got == h->rounds; }

/* Receiver: was woken. Nonzero: another round. */
static inline int hop_received(hop *h) {
    int64_t came = bench_now();         /* before the stamp is fetched */
    bench_sample((double)(came - (h->completes ? h->began : h->stamp)));
    h->got++;
    return !hop_over(h);
}

/* Receiver whose callback this is: until hop_over. */
static inline void hop_came(hop *h) {
    if (hop_received(h)) hop_arm(h);
}

/* Receiver: both are here, and the value has been sent. The clock runs from here. */
static inline void hop_barrier(hop *h) {
    hop_arm(h);
    while (!hop_sent(h)) BENCH_PAUSE();
    h->began = bench_now();
}

static inline void *hop_sender(void *argument) {
    hop *h = (hop *)argument;
    const char *cpu = getenv("BENCH_OTHER_CPU");
    if (cpu) bench_pin(atoi(cpu));
    for (h->round = h->got + 1; h->round <= h->rounds; h->round++) {
        int64_t until;
        while (BENCH_LOAD(&h->armed) < h->round) BENCH_PAUSE();
        until = bench_now() + h->pause_ns;
        for (; bench_now() < until; h->waited++) BENCH_PAUSE();
        if (h->completes) {
            h->wake(h);
            hop_send(h);
        } else {
            BENCH_STORE(&h->stamped, h->round);
            h->stamp = bench_now();
            h->wake(h);
        }
    }
    return NULL;
}

/* One run: the sender lives as long as `receive` does. */
static inline int64_t hop_run(hop *h, uint64_t rounds, void (*receive)(hop *h)) {
    pthread_t thread;
    int64_t start = bench_now();
    h->rounds = h->got + rounds;
    bench_must(-pthread_create(&thread, NULL, hop_sender, h), "pthread_create");
    receive(h);
    pthread_join(thread, NULL);
    return bench_now() - start;
}

#endif
