/* SPDX-License-Identifier: MIT
 * The floor of the timers: a bare hierarchical wheel with linked slots. 6 levels of 64 slots, ticks of
 * 65536 ns, absolute deadlines, a bitmap per level; a cancel leaves its slot's bit to whoever looks next. */
#ifndef BENCH_WHEEL_H
#define BENCH_WHEEL_H

#include <stddef.h>
#include <stdint.h>

enum { WHEEL_LEVELS = 6, WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_TICK_BITS = 16 };

typedef struct wheel_node wheel_node;
struct wheel_node {
    wheel_node *next, **link;
    uint64_t tick;
    uint64_t *fired;            /* counted up when it expires */
};

typedef struct wheel {
    uint64_t now;
    uint64_t occupied[WHEEL_LEVELS];
    wheel_node *slots[WHEEL_LEVELS][WHEEL_SLOTS];
} wheel;

static inline void wheel_link(wheel *w, wheel_node *n) {
    unsigned level = (63u - (unsigned)__builtin_clzll((n->tick ^ w->now) | 1)) / WHEEL_BITS;
    wheel_node **first, *next;
    unsigned slot;
    if (level >= WHEEL_LEVELS) level = WHEEL_LEVELS - 1;
    slot = (unsigned)(n->tick >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
    first = &w->slots[level][slot];
    next = *first;
    n->next = next;
    n->link = first;
    *first = n;
    if (next) next->link = &n->next;
    else w->occupied[level] |= (uint64_t)1 << slot;
}

/* The deadline is ahead. */
static inline void wheel_insert(wheel *w, wheel_node *n, int64_t deadline_ns) {
    n->tick = ((uint64_t)deadline_ns + ((1u << WHEEL_TICK_BITS) - 1)) >> WHEEL_TICK_BITS;
    wheel_link(w, n);
}

static inline void wheel_cancel(wheel_node *n) {
    *n->link = n->next;
    if (n->next) n->next->link = n->link;
}

/* The next tick at which a slot opens, and which one; UINT64_MAX: none. */
static inline uint64_t wheel_next(wheel *w, unsigned *level_out, unsigned *slot_out) {
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        while (w->occupied[level]) {
            unsigned slot = (unsigned)__builtin_ctzll(w->occupied[level]), shift = level * WHEEL_BITS;
            if (w->slots[level][slot]) {
                *level_out = level;
                *slot_out = slot;
                return ((w->now >> shift & ~(uint64_t)(WHEEL_SLOTS - 1)) | slot) << shift;
            }
            w->occupied[level] &= ~((uint64_t)1 << slot);
        }
    return UINT64_MAX;
}

static inline void wheel_advance(wheel *w, int64_t now_ns) {
    uint64_t now = (uint64_t)now_ns >> WHEEL_TICK_BITS, event;
    unsigned level, slot;
    while ((event = wheel_next(w, &level, &slot)) <= now) {
        wheel_node *n = w->slots[level][slot], *next;
        w->slots[level][slot] = NULL;
        w->occupied[level] &= ~((uint64_t)1 << slot);
        w->now = event;
        for (; n; n = next) {
            next = n->next;
            if (n->tick > event) wheel_link(w, n);
            else ++*n->fired;
        }
    }
    if (now > w->now) w->now = now;
}

#endif
