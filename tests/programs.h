/* SPDX-License-Identifier: MIT
 * Random programs, run by a reference interpreter and by the executor: both write what happens, in order,
 * and must write the same. A program is a few tasks, each a tree of coroutines whose steps await leaves, sleeps,
 * children, selects, races, joins, timeouts and other tasks, spawn into groups, wake, abort and kill; a script
 * of events from outside is made while the reference runs, and ends perhaps with exec_destroy in the middle. Each
 * step of a program is run at most once, so that its state stands beside it. What a program is given by chance: the
 * polls of a turn, the ops of a poll, preempt_ns and cleanup_ns.
 *
 * The reference polls from the root down and knows no parents; it is written from the contract. What no contract
 * says (in which order siblings are cancelled, in which order several joiners of a task are woken) it does as
 * the executor does.
 *
 *     unsigned choice(unsigned n)      0 .. n-1: makes the program; defined before
 *     PROGRAM_BAD(text)                what a difference does */
#ifndef PROGRAMS_H
#define PROGRAMS_H

enum { NODES = 512, TASKS = 96, ROOTS = 6, KIDS = 3, STEPS = 6, TRACE = 8192, SCRIPT = 512, DEPTH = 4, NONE = -1 };

/* What a step does; those before YIELD can be awaited anywhere. */
enum { LEAF, IO, SLEEP, CALL, SELECT, FAIR, RACE, JOIN, TIMEOUT, AFTER, HANDLE, YIELD, UNTIL, GROUP, GROUP_JOIN, ROOM,
       GROUP_CANCEL, SPAWN, WAKE, ABORT, KILL, BUSY, PREEMPT, RETURN, KINDS };
static const char *const kind_names[] = { "leaf", "io", "sleep", "call", "select", "fair", "race", "join", "timeout",
    "after", "handle", "yield", "until", "group", "group_join", "room", "group_cancel", "spawn", "wake", "abort",
    "kill", "busy", "preempt", "return" };
enum { AWAIT, TRY, SHIELD };

typedef struct node {
    int kind, how;
    int value;              /* a result; a task; of a timer, a busy: how far; of a group_cancel: the level; of a
                               fair select: where it begins */
    int stubborn, open;     /* a leaf that no cancel ends; that is ready from the start */
    int timer, relative;    /* its number, for a deadline of its own; by the call that takes a span */
    unsigned kids;
    int kid[KIDS];          /* branches; the coroutine of a group */
    unsigned steps, cleanups;
    int step[STEPS], cleanup[STEPS];    /* of a coroutine */
    unsigned limit;
    int collect;
} node;

enum { E_POLL, E_LEAF, E_BODY, E_STEP, E_RESULT, E_CLEANUP, E_END, E_ANSWER, E_OVER, E_LOOK, E_DESTROY, EVENTS };
static const char *const event_names[] = { "poll of task", "leaf", "body", "step", "result", "cleanup", "end", "answer",
                                           "over", "look at io", "destroy" };
typedef struct event { int what, id, value; } event;
typedef struct history { unsigned length; event events[TRACE]; } history;

enum { S_TURN, S_OPEN, S_NUDGE, S_ABORT, S_KILL, S_DESTROY };
typedef struct action { int what, id; int64_t by; } action;

static struct {
    node nodes[NODES];
    unsigned count, timers, roots, started_first, started, budget;
    int root[ROOTS];
    unsigned per_turn, per_poll;
    int64_t preempt, span;          /* preempt_ns, cleanup_ns */
    unsigned destroyed_after;       /* so many events, or never */
    action script[SCRIPT];
    unsigned actions;
    history expected, seen;
} program;

static void happens(history *h, int what, int id, int value) {
    event *e = &h->events[h->length];
    if (h->length + 1 >= TRACE) return;
    h->length++;
    e->what = what;
    e->id = id;
    e->value = value;
}

/* In exec_destroy only the first of several with nothing between: the wheel may wake early, to open a slot. */
static void looks(history *h, unsigned waiting, int closing) {
    if (closing && h->length && h->events[h->length - 1].what == E_LOOK) return;
    happens(h, E_LOOK, 0, (int)waiting);
}

/* -------------------------------------------------------------------------------- making a program */

static int make_coroutine(unsigned depth);

static int make_node(int kind) {
    node *n = &program.nodes[program.count];
    if (program.count >= NODES) PROGRAM_BAD("a program is too large");
    memset(n, 0, sizeof *n);
    n->kind = kind;
    if (program.budget > 0) program.budget--;
    return (int)program.count++;
}

static int some_result(void) {
    static const int results[] = { 0, 0, 7, 7, 3, -EIO, -ECANCELED };
    return results[choice(COUNT(results))];
}

static int is_timer(const node *n) { return n->kind == SLEEP || n->kind == TIMEOUT || n->kind == AFTER; }
static int is_branches(const node *n) { return n->kind >= SELECT && n->kind <= JOIN; }

/* What can be awaited. */
static int make_future(unsigned depth) {
    int deep = depth >= DEPTH || program.budget == 0 || program.count > NODES - 40;
    int kind = (int)choice(deep ? CALL : YIELD), i;
    node *n;
    if (kind == CALL) return make_coroutine(depth + 1);
    i = make_node(kind);
    n = &program.nodes[i];
    if (n->kind == LEAF || n->kind == IO) {
        n->value = some_result();
        n->open = choice(4) == 0;
        n->stubborn = n->kind == LEAF && choice(16) == 0;
    } else if (is_timer(n)) {
        n->value = (int)choice(4);
        n->timer = (int)program.timers++;
        n->relative = choice(2) != 0;
    } else if (n->kind == HANDLE) {
        n->value = (int)choice(program.roots);
    }
    if (n->kind == TIMEOUT || n->kind == AFTER) n->kid[n->kids++] = make_future(depth + 1);
    if (is_branches(n))
        for (unsigned k = 1 + choice(KIDS); k > 0; k--) n->kid[n->kids++] = make_future(depth + 1);
    if (n->kind == FAIR) n->value = (int)choice(n->kids + 1);
    return i;
}

static int make_step(unsigned depth, int in_cleanup) {
    int deep = depth >= DEPTH || program.budget == 0 || program.count > NODES - 40, i;
    unsigned what = choice(16);
    if (what < 8) {
        i = make_future(depth);
        what = choice(4);
        program.nodes[i].how = what == 0 ? TRY : what == 1 && !in_cleanup ? SHIELD : AWAIT;
        return i;
    }
    i = make_node(YIELD + (int)choice(RETURN + 1 - YIELD));
    if (program.nodes[i].kind == RETURN && (in_cleanup || choice(3))) program.nodes[i].kind = YIELD;
    if (program.nodes[i].kind == GROUP && (in_cleanup || deep)) program.nodes[i].kind = GROUP_JOIN;
    if (program.nodes[i].kind == SPAWN && program.started == program.roots) program.nodes[i].kind = UNTIL;
    if ((program.nodes[i].kind == ABORT || program.nodes[i].kind == KILL) && choice(2)) program.nodes[i].kind = WAKE;
    program.nodes[i].how = choice(2) ? TRY : AWAIT;
    if (program.nodes[i].kind == GROUP) program.nodes[i].kid[0] = make_coroutine(depth + 1);
    if (program.nodes[i].kind == SPAWN) program.nodes[i].value = (int)program.started++;
    else if (program.nodes[i].kind == GROUP_CANCEL) program.nodes[i].value = 1 + (choice(4) == 0);
    else if (program.nodes[i].kind == RETURN) program.nodes[i].value = some_result();
    else if (program.nodes[i].kind == BUSY) program.nodes[i].value = NODES * (1 + (int)choice(2));
    else program.nodes[i].value = (int)choice(program.roots);
    return i;
}

static int make_coroutine(unsigned depth) {
    int i = make_node(CALL);
    unsigned steps = depth == 0 ? STEPS : 1 + choice(4), cleanups = choice(3);
    program.nodes[i].value = choice(4) ? 0 : some_result();
    program.nodes[i].limit = choice(3);
    program.nodes[i].collect = choice(2) != 0;
    for (unsigned k = 0; k < steps; k++) {
        int step = make_step(depth, 0);
        program.nodes[i].step[program.nodes[i].steps++] = step;
    }
    for (unsigned k = 0; k < cleanups; k++) {
        int step = make_step(depth, 1);
        program.nodes[i].cleanup[program.nodes[i].cleanups++] = step;
    }
    return i;
}

static void make_program(void) {
    program.count = program.timers = program.actions = 0;
    program.expected.length = program.seen.length = 0;
    program.roots = 3 + choice(ROOTS - 2);
    program.started = program.started_first = 2 + choice(program.roots - 1);
    program.budget = 70 + choice(80);
    program.per_turn = choice(3) ? 64 : 1 + choice(3);
    program.per_poll = choice(3) ? 128 : 1 + choice(3);
    program.preempt = NODES * (1 + (int64_t)choice(2));
    program.span = NODES * (int64_t)choice(4);
    program.destroyed_after = choice(3) ? UINT32_MAX : 2 + choice(50);
    for (unsigned i = 0; i < ROOTS; i++) program.root[i] = NONE;
    for (unsigned i = 0; i < program.started; i++) program.root[i] = make_coroutine(0);
    for (unsigned i = 0; i < program.roots; i++)        /* those that a step starts */
        if (program.root[i] == NONE) program.root[i] = make_coroutine(DEPTH - 1);
}

/* No two timers have one deadline. */
static int64_t deadline_of(const node *n, int64_t now) { return (now / NODES + 1 + n->value) * NODES + n->timer; }
/* What it is prepared with. A poll moves the clock by multiples of NODES only: deadlines stay apart. */
static int64_t time_of(const node *n, int64_t now) { return deadline_of(n, now) - (n->relative ? now : 0); }

/* ------------------------------------------------------------------------------- the reference */

typedef struct strand { int root, leaf, level, deliver, fresh, done; } strand;

/* What a node of the program is doing. */
typedef struct doing {
    int ready, result, mark, killed;
    int phase;                      /* of a coroutine */
    unsigned at;                    /* its next step */
    int awaits, alone, shield;      /* the child that pends; it pends itself */
    int scope;
    strand branch[KIDS];
    int winner, begin, begun;       /* of a timer, begun: it was armed */
    int armed, fired, over;         /* a timer; of a timeout: it has expired */
    int64_t deadline;
    int waiter;                     /* the task to wake */
    int level, error, room_waits, owner;            /* of its group */
    unsigned live, running, held_count;
    int held[TASKS];                /* tasks: first come first */
} doing;
enum { BODY, CLEANUP, ENDING };

typedef struct task {
    strand s;
    int group, handle, queued, gone, held, over, result, observers[NODES];
    unsigned observing;
    int cancelling, swept;          /* in the second list; the last sweep met it */
} task;

static struct {
    doing of[NODES];
    task tasks[TASKS];
    unsigned count;
    int handle[ROOTS];              /* the task, or NONE */
    int queue[1 << 16];
    unsigned first, last;
    int running, woken;
    unsigned ops;                   /* that the poll has left */
    int64_t now, looked, preempt_at, sweep_at;      /* the wheel's last look at the clock; EXEC_NEVER */
    unsigned live, armed, io;       /* timers that are armed; leaves that wait for io */
    int list[2][TASKS];             /* tasks, as they are cancelled: all; those that are cancelling */
    unsigned listed[2];
    int came[SCRIPT];               /* io that the next look brings */
    unsigned coming;
    int closing;
} ref;
/* How often what is rare came. */
static struct { unsigned long preempted, used_up, swept, destroyed, stuck, passed; } seldom;

static int ref_poll(strand *s, int i);
static void ref_group_cancel(int c, int level);

static void say(int what, int id, int value) { happens(&program.expected, what, id, value); }

static void ref_wake(int t) {
    task *k = &ref.tasks[t];
    if (ref.running == t) {
        ref.woken = 1;
        return;
    }
    if (k->queued || k->held) return;
    k->queued = 1;
    ref.queue[ref.last++ % COUNT(ref.queue)] = t;
}

/* Takes one op of the poll's budget. */
static int ref_spend(void) {
    if (ref.ops > 0) {
        ref.ops--;
        return 1;
    }
    seldom.used_up++;
    ref_wake(ref.running);
    return 0;
}

/* A group's tasks stand behind its first one. */
static void ref_list(int t, unsigned list) {
    int *l = ref.list[list], group = ref.tasks[t].group;
    unsigned place = 0, n = ref.listed[list]++;
    while (place < n && (group == NONE || ref.tasks[l[place]].group != group)) place++;
    if (place < n) place++;
    for (unsigned k = n; k > place; k--) l[k] = l[k - 1];
    l[place] = t;
}

static void ref_unlist(int t) {
    unsigned list = ref.tasks[t].cancelling != 0, k = 0;
    while (ref.list[list][k] != t) k++;
    for (ref.listed[list]--; k < ref.listed[list]; k++) ref.list[list][k] = ref.list[list][k + 1];
}

static int ref_ready(int i, int result) {
    ref.of[i].ready = 1;
    ref.of[i].result = result;
    return 1;
}
static int ref_pending(strand *s, int i) {
    s->leaf = i;
    return 0;
}

static void ref_strand(strand *s, int root) {
    memset(s, 0, sizeof *s);
    s->root = root;
    s->fresh = 1;
}
static void ref_cancel(strand *s, int level) {
    if (level <= s->level || s->done) return;
    s->level = level;
    s->deliver = 1;
}

/* Of a task: from now on it has between one and two spans for its cleanups. */
static void ref_raise(int t, int level) {
    task *k = &ref.tasks[t];
    ref_cancel(&k->s, level);
    if (!program.span || k->cancelling) return;
    ref_unlist(t);
    if (!ref.listed[1]) ref.sweep_at = EXEC_NEVER;
    if (level < 2 && ref.sweep_at == EXEC_NEVER) ref.sweep_at = ref.now + program.span;
    k->cancelling = 1;
    ref_list(t, 1);
}
static void ref_cancel_task(int t, int level) {
    if (level <= ref.tasks[t].s.level) return;
    ref_raise(t, level);
    ref_wake(t);
}

/* Who was cancelling at the last one too is killed. */
static void ref_sweep(void) {
    int left = 0;
    if (!ref.listed[1] || ref.now < ref.sweep_at) return;
    for (unsigned k = 0; k < ref.listed[1]; k++) {
        task *t = &ref.tasks[ref.list[1][k]];
        if (t->swept && t->s.level < 2) seldom.swept++;
        if (t->swept) ref_cancel_task(ref.list[1][k], 2);
        t->swept = 1;
        if (t->s.level < 2) left = 1;
    }
    ref.sweep_at = left ? ref.now + program.span : EXEC_NEVER;
}

/* The outermost frame of the strand that is in a cleanup or shields. */
static int ref_shielded(const strand *s) {
    for (int i = s->root; i != NONE; i = ref.of[i].awaits) {
        if (program.nodes[i].kind != CALL) return NONE;
        if (ref.of[i].phase != BODY || ref.of[i].shield) return i;
    }
    return NONE;
}

/* It pends and has a level: 1 if its leaf is to be polled with the mark. A kill's reaches what pends when it
   comes; what pends later takes from the budget. */
static int ref_deliver(strand *s) {
    int asked = s->deliver, to = ref_shielded(s);
    s->deliver = 0;
    if (s->level == 2) {
        if (ref.of[s->leaf].killed || (!asked && !ref_spend())) return 0;
        ref.of[s->leaf].mark = ref.of[s->leaf].killed = 1;
        return 1;
    }
    if (!asked) return 0;
    ref.of[to == NONE ? s->leaf : to].mark = 1;
    return to == NONE;
}

static int ref_strand_poll(strand *s) {
    if (s->fresh) s->fresh = 0;
    else if (s->level) ref_deliver(s);
    do {
        if (ref_poll(s, s->root)) return s->done = 1;
    } while (s->level && ref_deliver(s));
    return 0;
}

static int ref_leaf(strand *s, int i) {
    doing *n = &ref.of[i];
    say(E_LEAF, i, n->mark);
    if (program.nodes[i].kind == IO && n->waiter != NONE) ref.io--;
    n->waiter = NONE;
    if (n->fired && (n->mark || ref_spend())) return ref_ready(i, program.nodes[i].value);
    if (n->mark && !program.nodes[i].stubborn) return ref_ready(i, -ECANCELED);
    if (program.nodes[i].kind == IO) ref.io++;
    n->waiter = ref.running;
    return ref_pending(s, i);
}

/* 0: its time has come already, by the wheel's last look. */
static int ref_arm(int i) {
    doing *n = &ref.of[i];
    if (program.nodes[i].relative) {
        if (!ref.armed) ref.looked = ref.now;
        n->deadline += ref.now;
    }
    if (n->deadline <= ref.looked) {
        seldom.passed++;
        return 0;
    }
    n->armed = n->begun = 1;
    n->waiter = ref.running;
    ref.armed++;
    return 1;
}
static void ref_disarm(int i) {
    if (ref.of[i].armed) ref.armed--;
    ref.of[i].armed = 0;
}

static int ref_sleep(strand *s, int i) {
    doing *n = &ref.of[i];
    if (n->fired) return ref_ready(i, 0);
    if (n->mark) {
        ref_disarm(i);
        return ref_ready(i, -ECANCELED);
    }
    if (n->begun || ref_arm(i)) return ref_pending(s, i);
    return ref_spend() ? ref_ready(i, 0) : ref_pending(s, i);
}

/* Its first argument that is ready wins; then the others are cancelled, and then polled. */
static unsigned ref_branches(int i, int open) {
    const node *p = &program.nodes[i];
    doing *n = &ref.of[i];
    unsigned pending = 0;
    for (unsigned m = 0; m < p->kids; m++) {
        unsigned k = ((unsigned)n->begin + m) % p->kids;
        strand *s = &n->branch[k];
        int result;
        if (s->done || (s->fresh && !open)) continue;
        if (!ref_strand_poll(s)) {
            pending++;
            continue;
        }
        result = ref.of[s->root].result;
        if (p->kind == JOIN && result < 0 && n->error >= 0) n->error = result;
        if (p->kind == RACE && result < 0) n->error = result;
        if (p->kind == JOIN || (p->kind == RACE && result < 0) || !open) continue;
        n->winner = (int)k;
        if (p->kind == FAIR) n->begin = (int)((k + 1) % p->kids);
        for (unsigned j = 0; j < p->kids; j++) if (!n->branch[j].fresh) ref_cancel(&n->branch[j], 1);
        return ref_branches(i, 0);
    }
    return pending;
}

static int ref_combinator(strand *s, int i) {
    const node *p = &program.nodes[i];
    doing *n = &ref.of[i];
    if (n->mark) for (unsigned k = 0; k < p->kids; k++) if (!n->branch[k].fresh) ref_cancel(&n->branch[k], s->level);
    if (ref_branches(i, n->winner == NONE && !n->mark)) return ref_pending(s, i);
    if (p->kind == JOIN) return ref_ready(i, n->error);
    return ref_ready(i, n->winner != NONE ? n->winner : n->mark ? -ECANCELED : n->error);
}

static int ref_timeout(strand *s, int i) {
    doing *n = &ref.of[i];
    strand *inner = &n->branch[0];
    int over, result;
    if (n->mark) {
        ref_disarm(i);
        ref_cancel(inner, s->level);
    }
    over = ref_strand_poll(inner);
    if (!over && !n->mark && !n->over && (n->begun ? n->fired : !ref_arm(i) && ref_spend())) {
        n->over = 1;
        ref_cancel(inner, 1);
        over = ref_strand_poll(inner);
    }
    if (!over) return ref_pending(s, i);
    ref_disarm(i);
    result = ref.of[inner->root].result;
    n->over = n->over && result == -ECANCELED;
    return ref_ready(i, n->over ? -ETIMEDOUT : result);
}

/* The result waits for the time, and a cancel for the result only. */
static int ref_after(strand *s, int i) {
    doing *n = &ref.of[i];
    strand *inner = &n->branch[0];
    if (n->mark) {
        ref_disarm(i);
        ref_cancel(inner, s->level);
    } else if (inner->fresh) {
        (void)ref_arm(i);
    }
    if (!inner->done && !ref_strand_poll(inner)) return ref_pending(s, i);
    return n->armed ? ref_pending(s, i) : ref_ready(i, ref.of[inner->root].result);
}

static void ref_unobserve(task *t, int i) {
    unsigned k = 0;
    while (t->observers[k] != i) k++;
    for (t->observing--; k < t->observing; k++) t->observers[k] = t->observers[k + 1];
}

static int ref_handle(strand *s, int i) {
    doing *n = &ref.of[i];
    int t = ref.handle[program.nodes[i].value];
    task *k = t == NONE ? NULL : &ref.tasks[t];
    if (!n->begun) {
        if (!k) return ref_ready(i, -EINVAL);
        if (t == ref.running) return ref_ready(i, -EDEADLK);
        if (k->over) return ref_ready(i, k->result);
        n->begun = 1;
        n->waiter = ref.running;
        k->observers[k->observing++] = i;
    }
    if (k->over) return ref_ready(i, k->result);
    if (!n->mark) return ref_pending(s, i);
    ref_unobserve(k, i);
    return ref_ready(i, -ECANCELED);
}

/* Makes a future ready to be polled first. */
static void ref_prepare(int i) {
    const node *p = &program.nodes[i];
    doing *n = &ref.of[i];
    memset(n, 0, offsetof(doing, held));
    n->awaits = n->waiter = n->winner = NONE;
    if (p->kind == LEAF || p->kind == IO || p->kind == UNTIL) n->fired = p->open;
    if (is_timer(p)) n->deadline = time_of(p, ref.now);
    if (p->kind == FAIR) n->begin = p->value % (int)p->kids;
    if (p->kind >= HANDLE) return;
    for (unsigned k = 0; k < p->kids; k++) {
        ref_prepare(p->kid[k]);
        ref_strand(&n->branch[k], p->kid[k]);
    }
}

static int ref_spawn(int root, int group, int handle) {
    int t = (int)ref.count++;
    task *k = &ref.tasks[t];
    memset(k, 0, sizeof *k);
    ref_prepare(root);
    ref_strand(&k->s, root);
    k->group = group;
    k->handle = handle;
    ref.live++;
    ref_list(t, 0);
    return t;
}

static int ref_has_room(int c) { return !program.nodes[c].limit || ref.of[c].running < program.nodes[c].limit; }

static void ref_begin(int c, int t) {
    ref.of[c].running++;
    ref.tasks[t].held = 0;
    ref_wake(t);
}
static void ref_release(int c) {
    doing *g = &ref.of[c];
    int t = g->held[0];
    for (unsigned k = 1; k < g->held_count; k++) g->held[k - 1] = g->held[k];
    g->held_count--;
    ref_begin(c, t);
}

static void ref_group_failed(int c, int error) {
    if (ref.of[c].error >= 0) ref.of[c].error = error;
    if (!program.nodes[c].collect) ref_group_cancel(c, 1);
}

/* Those of a group, or all: a task may leave the list meanwhile. */
static void ref_cancel_listed(unsigned list, int group, int level) {
    int t[TASKS];
    unsigned n = ref.listed[list];
    memcpy(t, ref.list[list], sizeof t);
    for (unsigned k = 0; k < n; k++) {
        if (group != NONE && ref.tasks[t[k]].group != group) continue;
        if (group == NONE && ref.tasks[t[k]].group != NONE)
            while (ref.of[ref.tasks[t[k]].group].held_count) ref_release(ref.tasks[t[k]].group);
        ref_cancel_task(t[k], level);
    }
}

static void ref_group_cancel(int c, int level) {
    doing *g = &ref.of[c];
    if (level <= g->level) return;
    g->level = level;
    while (g->held_count) ref_release(c);
    if (g->room_waits) ref_wake(g->owner);
    ref_cancel_listed(0, c, level);
    ref_cancel_listed(1, c, level);
}

static void ref_group_spawn(int c, int root) {
    doing *g = &ref.of[c];
    int t;
    g->owner = ref.running;
    g->scope = 1;
    if (g->level || ref.closing) {
        ref_group_failed(c, -ECANCELED);
        say(E_ANSWER, root, -ECANCELED);
        return;
    }
    t = ref_spawn(root, c, NONE);
    g->live++;
    say(E_ANSWER, root, 0);
    if (g->held_count || !ref_has_room(c)) {
        g->held[g->held_count++] = t;
        ref.tasks[t].held = 1;
    } else {
        ref_begin(c, t);
    }
}

static void ref_child_over(int c, int t, int cancelled) {
    doing *g = &ref.of[c];
    g->live--;
    g->running--;
    if (ref.tasks[t].result < 0 && !cancelled) ref_group_failed(c, ref.tasks[t].result);
    while (g->held_count && ref_has_room(c)) ref_release(c);
    if (!g->live || (g->room_waits && ref_has_room(c))) ref_wake(g->owner);
}

static void ref_task_over(int t) {
    task *k = &ref.tasks[t];
    const doing *root = &ref.of[k->s.root];
    k->over = 1;
    k->result = root->result;
    ref.live--;
    ref_unlist(t);
    say(E_OVER, k->s.root, k->result);
    while (k->observing) ref_wake(ref.of[k->observers[--k->observing]].waiter);    /* the last that came first */
    if (k->group != NONE) ref_child_over(k->group, t, root->mark && k->result == -ECANCELED);
}

static int ref_group_join(strand *s, int i, int c) {
    doing *g = &ref.of[c];
    int error = g->error;
    if (ref.of[i].mark) ref_group_cancel(c, s->level);
    if (g->live) return ref_pending(s, i);
    g->error = g->level = 0;
    return ref_ready(i, error < 0 ? error : ref.of[i].mark ? -ECANCELED : 0);
}

static int ref_room(strand *s, int i, int c) {
    doing *g = &ref.of[c];
    g->room_waits = 0;
    if (ref.of[i].mark) return ref_ready(i, -ECANCELED);
    if (g->level) return ref_ready(i, g->error < 0 ? g->error : -ECANCELED);
    if (!ref_has_room(c)) g->room_waits = 1;
    else if (ref_spend()) return ref_ready(i, 0);
    return ref_pending(s, i);
}

static void ref_begins(int t) {
    ref.running = t;
    ref.woken = 0;
    ref.ops = program.per_poll;
}

static void ref_unwind_now(int t) {
    task *k = &ref.tasks[t];
    int queued = k->queued;
    ref_begins(t);
    say(E_POLL, k->s.root, 0);
    if (ref_strand_poll(&k->s)) {
        ref.running = NONE;
        k->gone = queued;
        ref_task_over(t);
        return;
    }
    ref.running = NONE;
    if (!queued && ref.woken) ref_wake(t);
}

/* abort and kill: of a task that has a handle. */
static int ref_handle_cancel(int handle, int level) {
    int t = ref.handle[handle];
    task *k = t == NONE ? NULL : &ref.tasks[t];
    if (!k || k->over || k->s.level >= level) return -EALREADY;
    if (level == 1 && ref.of[k->s.root].phase != BODY) return -EALREADY;
    ref_raise(t, level);
    if (ref.running != NONE) ref_wake(t);
    else ref_unwind_now(t);
    return 0;
}

/* A step that awaits nothing. */
static void ref_act(int c, const node *p) {
    int t = ref.handle[p->value % ROOTS];
    switch (p->kind) {
    case GROUP: ref_group_spawn(c, p->kid[0]); break;
    case GROUP_CANCEL: ref_group_cancel(c, p->value); break;
    case SPAWN:
        say(E_ANSWER, p->value, ref.closing ? -ECANCELED : 0);
        if (ref.closing) break;
        ref.handle[p->value] = ref_spawn(program.root[p->value], NONE, p->value);
        ref_wake(ref.handle[p->value]);
        break;
    case BUSY: ref.now += p->value; break;
    case WAKE: if (t != NONE && !ref.tasks[t].over) ref_wake(t); break;
    case ABORT: say(E_ANSWER, p->value, ref_handle_cancel(p->value, 1)); break;
    case KILL: say(E_ANSWER, p->value, ref_handle_cancel(p->value, 2)); break;
    default: break;
    }
}

static int ref_await_result(int i) { return ref.of[i].result + 1000000 * (ref.of[i].over + ref.of[i].begin); }

static int ref_preempts(void) {
    if (ref.preempt_at == EXEC_NEVER) ref.preempt_at = ref.now + program.preempt;
    if (ref.now >= ref.preempt_at) seldom.preempted++;
    return ref.now >= ref.preempt_at;
}

/* The condition of an `until`. */
static int ref_holds(int i) {
    say(E_LEAF, i, 0);
    ref.of[i].waiter = ref.of[i].fired ? NONE : ref.running;
    return ref.of[i].fired;
}

static void ref_result(int c, int result) { if (ref.of[c].result >= 0) ref.of[c].result = result; }

static void ref_enter_cleanup(int c) {
    doing *n = &ref.of[c];
    if (n->at && n->phase == BODY) {
        int i = program.nodes[c].step[n->at - 1];
        if (program.nodes[i].kind == UNTIL) ref.of[i].waiter = NONE;
    }
    n->phase = CLEANUP;
    n->at = 0;
    n->shield = 0;
    say(E_CLEANUP, c, 0);
}

/* The step's await is over. */
static void ref_awaited(int c, int step) {
    int result = ref.of[step].result, tried = program.nodes[step].how == TRY;
    ref.of[c].shield = 0;
    if (tried && result < 0) ref_result(c, result);
    if (tried && result < 0 && ref.of[c].phase == BODY) ref_enter_cleanup(c);
    else say(E_RESULT, step, ref_await_result(step));
}

static int ref_end(strand *s, int c) {
    doing *n = &ref.of[c];
    n->phase = ENDING;
    if (n->scope) {
        ref_group_cancel(c, s->level > 1 ? 2 : 1);
        if (n->live) return ref_pending(s, c);
    }
    n->ready = 1;
    return 1;
}

/* A cancel came while it pended: from its body it goes to its cleanup. */
static int ref_unwinds(int c) {
    doing *n = &ref.of[c];
    if (!n->mark || n->phase != BODY) return 0;
    n->result = -ECANCELED;
    n->killed = n->alone = 0;
    ref_enter_cleanup(c);
    return 1;
}

/* Goes on with what it pends in. 1: it is over. */
static int ref_go_on(strand *s, int c) {
    doing *n = &ref.of[c];
    int step = n->phase == BODY ? program.nodes[c].step[n->at - 1] : program.nodes[c].cleanup[n->at - 1];
    const node *p = &program.nodes[step];
    if (n->awaits != NONE) {
        int over = p->kind == GROUP_JOIN ? ref_group_join(s, step, c) : p->kind == ROOM ? ref_room(s, step, c)
                 : ref_poll(s, step);
        if (!over) return 0;
        n->awaits = NONE;
        if (ref.of[step].mark) n->mark = 1;
        if (!ref_unwinds(c)) ref_awaited(c, step);
        return 1;
    }
    n->alone = 0;
    if (ref_unwinds(c) || p->kind == YIELD || p->kind == PREEMPT) return 1;
    if (n->killed) {
        n->killed = 0;
        ref.of[step].waiter = NONE;
    } else if (!ref_holds(step)) {
        n->killed = 0;
        n->alone = 1;
        return ref_pending(s, c);
    }
    say(E_RESULT, step, ref.of[step].fired);
    return 1;
}

/* The next step. 0: it pends. */
static int ref_step(strand *s, int c, int step) {
    doing *n = &ref.of[c];
    const node *p = &program.nodes[step];
    say(E_STEP, step, p->kind);
    if (p->kind == RETURN) {
        ref_result(c, p->value);
        ref_enter_cleanup(c);
    } else if (p->kind == YIELD || p->kind == PREEMPT) {
        if (p->kind == PREEMPT && !ref_preempts()) return 1;
        ref.woken = n->alone = 1;
        return ref_pending(s, c);
    } else if (p->kind == UNTIL) {
        ref_prepare(step);
        if (ref_holds(step)) {
            say(E_RESULT, step, 1);
            return 1;
        }
        n->killed = 0;
        n->alone = 1;
        return ref_pending(s, c);
    } else if (p->kind > UNTIL && p->kind != GROUP_JOIN && p->kind != ROOM) {
        ref_act(c, p);
    } else {
        ref_prepare(step);
        n->shield = p->how == SHIELD;
        n->awaits = step;
        return ref_go_on(s, c);
    }
    return 1;
}

static int ref_coroutine(strand *s, int c) {
    const node *p = &program.nodes[c];
    doing *n = &ref.of[c];
    if (n->phase == ENDING) return ref_end(s, c);
    if (!n->begun) say(E_BODY, c, 0);
    n->begun = 1;
    if ((n->awaits != NONE || n->alone) && !ref_go_on(s, c)) return 0;
    for (;;) {
        if (n->phase == BODY && n->at == p->steps) {
            ref_result(c, p->value);
            ref_enter_cleanup(c);
        } else if (n->phase == BODY) {
            if (!ref_step(s, c, p->step[n->at++])) return 0;
        } else if (n->at == p->cleanups) {
            say(E_END, c, 0);
            return ref_end(s, c);
        } else if (!ref_step(s, c, p->cleanup[n->at++])) {
            return 0;
        }
    }
}

static int ref_poll(strand *s, int i) {
    if (ref.of[i].ready) return 1;
    switch (program.nodes[i].kind) {
    case LEAF: case IO: return ref_leaf(s, i);
    case SLEEP: return ref_sleep(s, i);
    case CALL: return ref_coroutine(s, i);
    case TIMEOUT: return ref_timeout(s, i);
    case AFTER: return ref_after(s, i);
    case HANDLE: return ref_handle(s, i);
    default: return ref_combinator(s, i);
    }
}

static void ref_poll_task(int t) {
    task *k = &ref.tasks[t];
    int over;
    ref_begins(t);
    say(E_POLL, k->s.root, 0);
    over = ref_strand_poll(&k->s);
    ref.running = NONE;
    k->queued = 0;
    if (over) ref_task_over(t);
    else if (ref.woken) ref_wake(t);
}

/* What came wakes who waits for it, in that order. */
static void ref_look(void) {
    looks(&program.expected, ref.io, ref.closing);
    for (unsigned k = 0; k < ref.coming; k++) {
        doing *n = &ref.of[ref.came[k]];
        if (n->waiter == NONE) continue;
        n->fired = 1;
        ref_wake(n->waiter);
    }
    ref.coming = 0;
}

/* The first timer, or NONE. */
static int ref_first(void) {
    int first = NONE;
    for (unsigned i = 0; i < program.count && ref.armed; i++)
        if (ref.of[i].armed && (first == NONE || ref.of[i].deadline < ref.of[first].deadline)) first = (int)i;
    return first;
}

static void ref_expire(void) {
    int i;
    if (ref.armed) ref.looked = ref.now;
    while ((i = ref_first()) != NONE && ref.of[i].deadline <= ref.now) {
        ref_disarm(i);
        ref.of[i].fired = 1;
        ref_wake(ref.of[i].waiter);
    }
}

/* Io, unless a wait has brought it; timers; then polls. */
static void ref_turn(int looked) {
    unsigned left = program.per_turn;
    ref.preempt_at = EXEC_NEVER;
    if (!looked && ref.io) ref_look();
    ref_expire();
    ref_sweep();
    while (ref.first != ref.last && left > 0) {
        int t = ref.queue[ref.first++ % COUNT(ref.queue)];
        if (ref.tasks[t].gone) continue;
        left--;
        ref_poll_task(t);
    }
}

/* ------------------------------------------------------------------ the reference's exec_destroy */

static int64_t ref_deadline(void) {
    int i = ref_first();
    int64_t next = i == NONE ? EXEC_NEVER : ref.of[i].deadline;
    return ref.listed[1] && ref.sweep_at < next ? ref.sweep_at : next;
}

static void ref_cancel_all(int level) {
    ref_cancel_listed(0, NONE, level);
    ref_cancel_listed(1, NONE, level);
}

/* Until the limit, or until nothing can end a cleanup any more. The clock jumps from deadline to deadline, and
   where io is waited for to the limit: that is a wait for real. */
static void ref_unwind_all(int64_t limit) {
    ref_cancel_all(1);
    while (ref.live) {
        int64_t next = ref_deadline();
        int idle = ref.first == ref.last, waits = idle && ref.io;
        if (idle && !ref.io) {
            if (next == EXEC_NEVER || next > limit) {
                if (next != EXEC_NEVER && limit > ref.now) ref.now = limit;
                return;
            }
            if (next > ref.now) ref.now = next;
        } else if (waits && next <= ref.now) {
            waits = 0;
        }
        if (ref.now >= limit) return;
        if (waits) ref_look();
        ref_turn(waits);
        if (waits && limit != EXEC_NEVER) ref.now = limit;
    }
}

static int ref_destroy(int64_t span) {
    ref.closing = 1;
    ref_unwind_all(span == EXEC_NEVER ? EXEC_NEVER : ref.now + span);
    ref_cancel_all(2);
    while (ref.live && ref.first != ref.last) ref_turn(0);
    seldom.destroyed++;
    if (ref.live) seldom.stuck++;
    return ref.live ? -ETIMEDOUT : 0;
}

/* --------------------------------------------------------------------------------- the executor */

EXEC_ASYNC_DECLARE(coroutine);

typedef struct coroutine {
    EXEC_FRAME;
    int self_id, step;
    unsigned at;
    exec_future *awaited;           /* last */
    exec_group group;
} coroutine;
typedef struct leaf { exec_future fut; int id; } leaf;

static struct {
    exec ex;
    exec_timers timers;
    exec_handle handles[ROOTS];
    exec_task *waiter[NODES];       /* at a leaf or an until */
    int open[NODES];
    exec_driver driver;             /* brings io */
    unsigned io;                    /* leaves that wait for it */
    int came[SCRIPT];
    unsigned coming;
    union { coroutine call; leaf leaf; exec_sleep_op sleep; exec_branches_op branches; exec_timeout_op timeout;
            exec_handle_op handle; } ops[NODES];
} real;

static void did(int what, int id, int value) { happens(&program.seen, what, id, value); }

static exec_poll leaf_poll(exec_cx *cx, exec_future *f) {
    int i = ((leaf *)(void *)f)->id;
    did(E_LEAF, i, exec_canceled(f));
    if (program.nodes[i].kind == IO && real.waiter[i]) real.io--;
    real.waiter[i] = NULL;
    if (real.open[i] && (exec_canceled(f) || exec_spend(cx))) return exec_ready(f, program.nodes[i].value);
    if (exec_canceled(f) && !program.nodes[i].stubborn) return exec_ready(f, -ECANCELED);
    if (program.nodes[i].kind == IO) real.io++;
    real.waiter[i] = cx->task;
    return exec_pending(cx, f);
}
static const exec_type leaf_type = { leaf_poll, NULL, NULL, "leaf", __FILE__, sizeof(leaf), sizeof(leaf),
                                     EXEC__ALIGNOF(leaf) };

static int io_park(exec_driver *d, int64_t timeout_ns) {
    (void)d; (void)timeout_ns;
    looks(&program.seen, real.io, real.ex.closing);
    for (unsigned k = 0; k < real.coming; k++) {
        int i = real.came[k];
        if (!real.waiter[i]) continue;
        real.open[i] = 1;
        exec_wake(real.waiter[i]);
    }
    real.coming = 0;
    return 0;
}
static unsigned io_waiting(const exec_driver *d) { (void)d; return real.io; }
static const exec_driver_type io_type = { "io", NULL, NULL, io_park, io_waiting, NULL, NULL, NULL, NULL, NULL };

/* A future with a deadline, in either form. */
static exec_future *timer_of(int i, exec_future *inner) {
    const node *n = &program.nodes[i];
    int64_t time = time_of(n, exec_now(&real.ex));
    if (n->kind == SLEEP)
        return n->relative ? exec_sleep(&real.ops[i].sleep, time) : exec_sleep_until(&real.ops[i].sleep, time);
    if (n->kind == TIMEOUT)
        return n->relative ? exec_timeout(&real.ops[i].timeout, inner, time)
                           : exec_timeout_at(&real.ops[i].timeout, inner, time);
    return n->relative ? exec_after_delay(&real.ops[i].timeout, inner, time)
                       : exec_after(&real.ops[i].timeout, inner, time);
}

static exec_future *future_of(int i) {
    const node *n = &program.nodes[i];
    exec_future *kids[KIDS] = { NULL };
    for (unsigned k = 0; n->kind != CALL && k < n->kids; k++) kids[k] = future_of(n->kid[k]);
    switch (n->kind) {
    case LEAF: case IO:
        exec_future_init(&real.ops[i].leaf.fut, &leaf_type);
        real.ops[i].leaf.id = i;
        real.open[i] = n->open;
        return &real.ops[i].leaf.fut;
    case SLEEP: case TIMEOUT: case AFTER: return timer_of(i, kids[0]);
    case CALL: return EXEC_CALL(&real.ops[i].call, coroutine, .self_id = i);
    case SELECT: return exec_select_n(&real.ops[i].branches, real.ops[i].branches.inline_strands, kids, n->kids);
    case FAIR:
        real.ops[i].branches.begin = (unsigned)n->value;        /* where an earlier await left it */
        return exec_select_fair_n(&real.ops[i].branches, real.ops[i].branches.inline_strands, kids, n->kids);
    case RACE: return exec_race_n(&real.ops[i].branches, real.ops[i].branches.inline_strands, kids, n->kids);
    case JOIN: return exec_join_n(&real.ops[i].branches, real.ops[i].branches.inline_strands, kids, n->kids);
    default: return exec_handle_join(&real.ops[i].handle, &real.handles[n->value]);
    }
}

static exec_future *awaited(coroutine *c) {
    int kind = program.nodes[c->step].kind;
    if (kind == GROUP_JOIN) return exec_group_join(&c->group);
    if (kind == ROOM) return exec_group_room(&c->group);
    return future_of(c->step);
}

static int spawn_root(int root) {
    exec_opts opts = test_opts_handle(&real.handles[root]);
    return EXEC_SPAWN(&real.ex, &opts, coroutine, .self_id = program.root[root]);
}

/* What awaits nothing, but a spawn into the group. */
static void act(coroutine *c) {
    const node *n = &program.nodes[c->step];
    exec_handle *h = &real.handles[n->value % ROOTS];
    if (n->kind == GROUP_CANCEL) exec_group_cancel(&c->group, (unsigned)n->value);
    else if (n->kind == SPAWN) did(E_ANSWER, n->value, spawn_root(n->value));
    else if (n->kind == BUSY && exec_clock_advance(&real.ex, n->value) < 0) PROGRAM_BAD("a clock stands still");
    else if (n->kind == WAKE && h->task) exec_wake(h->task);
    else if (n->kind == ABORT) did(E_ANSWER, n->value, exec_handle_abort(h));
    else if (n->kind == KILL) did(E_ANSWER, n->value, exec_handle_kill(h));
}

static int until_holds(const exec_cx *cx, int i) {
    did(E_LEAF, i, 0);
    real.waiter[i] = real.open[i] ? NULL : cx->task;
    return real.open[i];
}
static void until_ends(int i) {
    did(E_RESULT, i, real.open[i]);
    real.waiter[i] = NULL;
}

static const node *of(const coroutine *c) { return &program.nodes[c->self_id]; }
static const node *step_of(const coroutine *c) { return &program.nodes[c->step]; }

/* The next step of the body or the cleanup. 0: there is none. */
static int next_step(coroutine *c, const int *steps, unsigned count) {
    if (c->at == count) return 0;
    c->step = steps[c->at++];
    did(E_STEP, c->step, step_of(c)->kind);
    if (step_of(c)->kind == UNTIL) real.open[c->step] = 0;
    return 1;
}

static void body_begins(coroutine *c) {
    did(E_BODY, c->self_id, 0);
    c->group.limit = of(c)->limit;
    c->group.collect = of(c)->collect != 0;
}

static void spawned(const node *n, int status) { did(E_ANSWER, n->kid[0], status); }

static void cleanup_begins(coroutine *c) {
    if (step_of(c)->kind == UNTIL) real.waiter[c->step] = NULL;
    c->at = 0;
    did(E_CLEANUP, c->self_id, 0);
}

static void awaited_it(const coroutine *c) {
    int i = c->step;
    int kind = program.nodes[i].kind, over = kind == TIMEOUT && real.ops[i].timeout.expired;
    if (kind == AFTER && real.ops[i].timeout.expired) PROGRAM_BAD("an exec_after expired");
    if (kind == FAIR) over = (int)real.ops[i].branches.begin;
    did(E_RESULT, i, (int)c->awaited->result + 1000000 * over);
}

static int awaits(int kind) { return kind <= HANDLE || kind == GROUP_JOIN || kind == ROOM; }

EXEC_ASYNC_DEFINE(coroutine) {
    EXEC_BEGIN;
    body_begins(self);
    while (next_step(self, of(self)->step, of(self)->steps)) {
        const node *n = step_of(self);
        if (n->kind == RETURN) EXEC_RETURN(n->value);
        else if (n->kind == YIELD) EXEC_YIELD;
        else if (n->kind == PREEMPT) EXEC_YIELD_IF_NEEDED;
        else if (n->kind == UNTIL) {
            EXEC_WAIT_UNTIL(until_holds(cx, self->step));
            until_ends(self->step);
        } else if (n->kind == GROUP) {
            spawned(n, EXEC_GROUP_SPAWN_OPTS(&self->group, test_opts(), coroutine, .self_id = n->kid[0]));
        } else if (awaits(n->kind)) {
            if (n->how == TRY) EXEC_TRY(self->awaited = awaited(self));
            else if (n->how == SHIELD) EXEC_SHIELD(self->awaited = awaited(self));
            else EXEC_AWAIT(self->awaited = awaited(self));
            awaited_it(self);
        } else act(self);
    }
    EXEC_RETURN(of(self)->value);
    EXEC_FINALLY;
    cleanup_begins(self);
    while (next_step(self, of(self)->cleanup, of(self)->cleanups)) {
        const node *n = step_of(self);
        if (n->kind == YIELD) EXEC_YIELD;
        else if (n->kind == PREEMPT) EXEC_YIELD_IF_NEEDED;
        else if (n->kind == UNTIL) {
            EXEC_WAIT_UNTIL(until_holds(cx, self->step));
            until_ends(self->step);
        } else if (awaits(n->kind)) {
            if (n->how == TRY) EXEC_TRY(self->awaited = awaited(self));
            else EXEC_AWAIT(self->awaited = awaited(self));
            awaited_it(self);
        } else act(self);
    }
    did(E_END, self->self_id, 0);
    EXEC_END;
}

/* ------------------------------------------------------------------------------------- the script */

/* One that pends at a leaf or an until, or NONE. */
static int some_waiting(void) {
    int found[NODES];
    unsigned n = 0;
    for (unsigned i = 0; i < program.count; i++) {
        int kind = program.nodes[i].kind;
        if ((kind == LEAF || kind == IO || kind == UNTIL) && ref.of[i].waiter != NONE) found[n++] = (int)i;
    }
    return n ? found[choice(n)] : NONE;
}

/* How far it is to the next deadline. */
static int64_t ref_next(void) {
    int64_t next = ref_deadline(), far = ref.now + 2 * NODES;
    return next < ref.now ? 0 : (next < far ? next : far) - ref.now;
}

/* What a leaf waits for, from outside; or from the reactor, which the next look asks. */
static void ref_open(int id) {
    if (program.nodes[id].kind == IO) {
        ref.came[ref.coming++] = id;
        return;
    }
    ref.of[id].fired = 1;
    ref_wake(ref.of[id].waiter);
}

static void ref_does(int what, int id, int64_t by) {
    action *a = &program.script[program.actions];
    if (program.actions == SCRIPT) PROGRAM_BAD("a script is too long");
    program.actions++;
    a->what = what;
    a->id = id;
    a->by = by;
    if (what == S_TURN) {
        ref.now += by;
        ref_turn(0);
    } else if (what == S_OPEN) {
        ref_open(id);
    } else if (what == S_NUDGE) {
        ref_wake(ref.of[id].waiter);
    } else if (what == S_DESTROY) {
        say(E_DESTROY, 0, ref_destroy(by));
    } else {
        say(E_ANSWER, id, ref_handle_cancel(id, what == S_ABORT ? 1 : 2));
    }
}

static void ref_event(void) {
    unsigned what = choice(12);
    int at = some_waiting(), by = (int)choice(2 * NODES);
    if (what < 4 && at != NONE) ref_does(S_OPEN, at, 0);
    else if (what == 4 && at != NONE) ref_does(S_NUDGE, at, 0);
    else if (what == 5 && choice(4) == 0) ref_does(choice(2) ? S_ABORT : S_KILL, (int)choice(program.roots), 0);
    if (what < 8) by = 0;
    if (by > ref_next()) by = (int)(ref_next());
    ref_does(S_TURN, 0, by);
}

/* Without io in a program, which a cleanup could wait for as long, a deadline may be none. */
static int64_t some_limit(void) {
    int never = choice(4) == 0;
    if (!never) return choice(4 * NODES);
    for (unsigned i = 0; i < program.count; i++) if (program.nodes[i].kind == IO) return 1000 * NODES;
    return EXEC_NEVER;
}

/* What refuses to end is opened, until nothing is left. */
static void ref_destroys(void) {
    ref_does(S_DESTROY, 0, some_limit());
    while (ref.live && program.actions < SCRIPT - 2) {
        int at = some_waiting();
        if (at == NONE) PROGRAM_BAD("an executor cannot be destroyed");
        ref_does(S_OPEN, at, 0);
        ref_does(S_DESTROY, 0, choice(2 * NODES));
    }
}

/* A task that a step spawned after all were killed: one that shields a join of its own group's owner waits for ever. */
static void ref_kill_the_late(void) {
    for (unsigned i = 0; i < program.roots; i++) {
        int t = ref.handle[i];
        if (t != NONE && !ref.tasks[t].over && ref.tasks[t].s.level < 2) ref_does(S_KILL, (int)i, 0);
    }
}

static int may_go_on(void) { return ref.live > 0 && program.actions < SCRIPT - 80; }

static void reference(void) {
    for (unsigned i = 0; i < program.count; i++) {
        memset(&ref.of[i], 0, offsetof(doing, held));
        ref.of[i].waiter = NONE;
    }
    memset(ref.listed, 0, sizeof ref.listed);
    ref.count = ref.first = ref.last = ref.live = ref.armed = ref.io = ref.coming = 0;
    ref.now = ref.looked = 0;
    ref.preempt_at = ref.sweep_at = EXEC_NEVER;
    ref.closing = 0;
    ref.running = NONE;
    for (unsigned i = 0; i < ROOTS; i++) ref.handle[i] = NONE;
    for (unsigned i = 0; i < program.started_first; i++) {
        ref.handle[i] = ref_spawn(program.root[i], NONE, (int)i);
        ref_wake(ref.handle[i]);
    }
    for (unsigned i = 0; i < 60 && i < program.destroyed_after && may_go_on(); i++) ref_event();
    if (program.destroyed_after < 60) {
        ref_destroys();
        return;
    }
    for (unsigned i = 0; i < 60 && may_go_on(); i++) {      /* helped on */
        int at = some_waiting();
        if (at != NONE) ref_does(S_OPEN, at, 0);
        ref_does(S_TURN, 0, ref_next());
    }
    for (unsigned i = 0; i < program.roots; i++) ref_does(S_KILL, (int)i, 0);
    while (ref.live > 0 && program.actions < SCRIPT - 2 - ROOTS) {
        int at;
        ref_kill_the_late();
        at = some_waiting();
        if (at != NONE) ref_does(S_OPEN, at, 0);
        ref_does(S_TURN, 0, ref_next());
    }
    if (ref.live) PROGRAM_BAD("a program does not end");
}

static void really_does(const action *a) {
    exec_handle *h = &real.handles[a->id % ROOTS];
    if (a->what == S_OPEN && program.nodes[a->id].kind == IO) {
        real.came[real.coming++] = a->id;
        return;
    }
    if (a->what == S_OPEN) real.open[a->id] = 1;
    if (a->what == S_DESTROY) {
        did(E_DESTROY, 0, exec_destroy(&real.ex, a->by));
    } else if (a->what == S_OPEN || a->what == S_NUDGE) {
        if (real.waiter[a->id]) exec_wake(real.waiter[a->id]);
    } else if (a->what == S_ABORT) {
        did(E_ANSWER, a->id, exec_handle_abort(h));
    } else if (a->what == S_KILL) {
        did(E_ANSWER, a->id, exec_handle_kill(h));
    } else {
        if (exec_clock_advance(&real.ex, a->by) < 0 || exec_turn(&real.ex) < 0) PROGRAM_BAD("a turn failed");
    }
}

static void program_traced(int what, exec_task *t, int value) {
    did(what, ((const coroutine *)(const void *)exec__root_of(t))->self_id, value);
}

static void executor(void) {
    exec_config config;
    memset(&config, 0, sizeof config);
    memset(real.handles, 0, sizeof real.handles);
    memset(real.waiter, 0, sizeof real.waiter);
    config.virtual_clock = 1;
    config.tasks_per_turn = program.per_turn;
    config.ops_per_poll = program.per_poll;
    config.preempt_ns = program.preempt;
    config.cleanup_ns = program.span;
    real.io = real.coming = 0;
    config.stall_ns = EXEC_DEBUG ? EXEC_NEVER : 0;
    if (exec_init(&real.ex, &config) < 0 || exec_timers_attach(&real.timers, &real.ex) < 0
        || exec_attach(&real.ex, &real.driver, &io_type) < 0) PROGRAM_BAD("no executor");
    for (unsigned i = 0; i < program.started_first; i++) if (spawn_root((int)i) < 0) PROGRAM_BAD("no memory");
    for (unsigned i = 0; i < program.actions; i++) really_does(&program.script[i]);
    if (exec_check(&real.ex) < 0) PROGRAM_BAD("exec_check");
    if (real.ex.counters.tasks) PROGRAM_BAD("a task is left that the reference has ended");
    if (exec_destroy(&real.ex, 0) < 0) PROGRAM_BAD("exec_destroy");
}

static void print_event(const char *who, const event *e) {
    fprintf(stderr, "  %s: %s %d (%s) %d\n", who, event_names[e->what], e->id, kind_names[program.nodes[e->id].kind],
            e->value);
}

/* Makes a program and runs it both ways. */
static void one_program(void) {
    unsigned n = 0;
    make_program();
    reference();
    executor();
    while (n < program.expected.length && n < program.seen.length
           && memcmp(&program.expected.events[n], &program.seen.events[n], sizeof(event)) == 0) n++;
    if (n == program.expected.length && n == program.seen.length) return;
    for (unsigned i = n < 12 ? 0 : n - 12; i < n; i++) print_event("both", &program.seen.events[i]);
    for (unsigned i = n; i < n + 3; i++) {
        if (i < program.expected.length) print_event("reference", &program.expected.events[i]);
        if (i < program.seen.length) print_event("executor", &program.seen.events[i]);
    }
    PROGRAM_BAD("the executor does not what the reference does");
}
#endif
