/* SPDX-License-Identifier: MIT
 * Random trees of coroutines, children, selects, races, joins, timeouts, shields and groups with limits,
 * with aborts, kills, self-aborts and spurious wakes at random points. What must hold: each body that
 * began has its cleanup run exactly once and to its end; each task that was spawned into a group
 * begins; no child outlives its parent's await; nothing hangs.
 * EXEC_TEST_TREES says how many (100000; 20000 under EXEC_DEBUG, which overwrites 8 KiB of stack a poll). */
#define TEST_HEADER "../exec_timer.h"
#include "test.h"
#include "leaves.h"

enum { MAX_DEPTH = 4, MAX_KIDS = 4 };

typedef struct world world;
typedef struct node node;

/* A leaf that the world completes. A stubborn one is owned by the kernel: no cancel ends it. */
typedef struct leaf {
    exec_future fut;
    world *w;
    exec_task *task;
    struct leaf *next, **link;
    int stubborn, complete;
} leaf;

struct node {
    EXEC_FRAME;
    world *w;
    node *boss;             /* whose group this is a task of */
    unsigned depth, steps, op;
    int began, cleanups, ended;
    exec_future *awaited;   /* last, by the body */
    unsigned kids, group_live;
    node *kid[MAX_KIDS];
    leaf leaf;
    exec_branches_op branches;
    exec_timeout_op timeout;
    exec_group group;
    node *all;              /* the next one of the arena */
};

struct world {
    exec ex;
    exec_timers timers;
    leaf *leaves;
    unsigned leaf_count;
    node *arena;
    exec_handle handles[3];
    unsigned tasks, budget;
    unsigned began, ended;
    unsigned grouped, grouped_began;
};

static unsigned long long totals[16];
enum { BEGAN, ENDED, CALLS, SELECTS, FAIR_SELECTS, RACES, JOINS, TIMEOUTS, EXPIRED, SHIELDS, GROUP_TASKS, HELD_BACK,
       ROOMS, ABORTS, KILLS, SELF_ABORTS };

/* -------------------------------------------------------------------------------------- the leaf */

static void leaf_unlink(leaf *l) {
    if (!l->link) return;
    *l->link = l->next;
    if (l->next) l->next->link = l->link;
    l->link = NULL;
    l->w->leaf_count--;
}

static void leaf_link(leaf *l, exec_task *task) {
    if (l->link) return;
    l->task = task;
    l->next = l->w->leaves;
    l->link = &l->w->leaves;
    if (l->next) l->next->link = &l->next;
    l->w->leaves = l;
    l->w->leaf_count++;
}

static exec_poll leaf_poll(exec_cx *cx, exec_future *f) {
    leaf *l = (leaf *)(void *)f;
    if (l->complete || (exec_canceled(f) && !l->stubborn)) {
        leaf_unlink(l);
        return exec_ready(f, l->complete ? 0 : -ECANCELED);
    }
    leaf_link(l, cx->task);
    return exec_pending(cx, f);
}

static const exec_type leaf_type = { leaf_poll, NULL, NULL, "leaf", __FILE__, sizeof(leaf), sizeof(leaf), 8 };

static exec_future *leaf_wait(leaf *l, world *w) {
    exec_future_init(&l->fut, &leaf_type);
    l->w = w;
    l->link = NULL;
    l->complete = 0;
    l->stubborn = test_below(16) == 0;
    return &l->fut;
}

/* The condition of a wait: the world makes it true. */
static int condition(leaf *l, exec_cx *cx) {
    if (!l->complete) leaf_link(l, cx->task);
    return l->complete;
}

static void condition_set_up(leaf *l, world *w) {
    leaf_wait(l, w);
    l->stubborn = 0;
}

/* -------------------------------------------------------------------------------------- the tree */

enum { OP_YIELD, OP_LEAF, OP_CALL, OP_TRY, OP_SELECT, OP_FAIR, OP_RACE, OP_JOIN, OP_TIMEOUT, OP_TIMED_SELECT,
       OP_SHIELD, OP_GROUP, OP_GROUP_ROOM, OP_GROUP_JOIN, OP_WAIT_UNTIL, OP_SELF_ABORT, OP_SELF_KILL, OP_RETURN,
       OP_COUNT };

EXEC_ASYNC_DECLARE(node);

static void choose(node *self) {
    self->op = test_below(OP_COUNT);
    if (self->w->budget == 0 && self->op > OP_LEAF) self->op = OP_LEAF;
    if (self->depth >= MAX_DEPTH && self->op >= OP_CALL && self->op <= OP_GROUP_JOIN) self->op = test_below(2);
    if (self->w->budget > 0) self->w->budget--;
    self->kids = 0;
}

static exec_future *kid(node *self) {
    node *k = (node *)calloc(1, sizeof *k);
    exec_future *f;
    assert_non_null(k);
    f = EXEC_CALL(k, node, .w = self->w, .depth = self->depth + 1, .steps = test_below(4));
    k->all = self->w->arena;
    self->w->arena = k;
    self->kid[self->kids++] = k;
    return f;
}

static int alive(const node *n) { return n->began && !n->ended; }

/* After an await: its children are over, and what they spawned. */
static void kids_are_gone(const node *self) {
    for (unsigned i = 0; i < self->kids; i++) {
        assert_false(alive(self->kid[i]));
        assert_int_equal(self->kid[i]->group_live, 0);
    }
}

static void body_begins(node *self) {
    assert_false(self->began);
    self->began = 1;
    self->w->began++;
    if (!self->boss) return;
    self->boss->group_live++;
    self->w->grouped_began++;
}

/* A body is not entered again once a cancel reached it. */
static void body_goes_on(node *self) {
    int awaited = self->op != OP_YIELD && self->op != OP_WAIT_UNTIL && self->op != OP_GROUP
        && self->op != OP_SELF_ABORT && self->op != OP_SELF_KILL;
    if (self->op == OP_TIMEOUT || self->op == OP_TIMED_SELECT) totals[EXPIRED] += (unsigned)self->timeout.expired;
    if (self->op == OP_GROUP_JOIN) assert_int_equal(self->group.live + self->group_live, 0);
    totals[SHIELDS] += self->op == OP_SHIELD;
    totals[CALLS] += self->op == OP_CALL || self->op == OP_TRY;
    assert_false(exec_canceled(&self->fut));
    if (awaited) assert_false(exec_canceled(self->awaited));
    kids_are_gone(self);
}

static void cleanup_begins(node *self) {
    if (self->op == OP_WAIT_UNTIL) leaf_unlink(&self->leaf);
    assert_true(self->began);
    assert_int_equal(self->cleanups++, 0);
    kids_are_gone(self);
}

static void cleanup_ends(node *self) {
    assert_false(self->ended);
    kids_are_gone(self);
    self->ended = 1;
    self->w->ended++;
    if (self->boss) self->boss->group_live--;
}

static exec_handle *handle_of(world *w, const exec_task *t) {
    for (unsigned i = 0; i < w->tasks; i++) if (w->handles[i].task == t) return &w->handles[i];
    return NULL;
}

static int cancels_itself(const node *self) { return self->op == OP_SELF_ABORT || self->op == OP_SELF_KILL; }

static void self_cancel(node *self, exec_cx *cx) {
    exec_handle *h = handle_of(self->w, cx->task);
    if (test_below(2)) h = &self->w->handles[test_below(self->w->tasks)];     /* another one's, from here */
    if (!h || test_below(6)) return;    /* rarely, or no tree grows old */
    totals[SELF_ABORTS]++;
    if (self->op == OP_SELF_KILL) exec_handle_kill(h);
    else exec_handle_abort(h);
}

static exec_future *branches(node *self, unsigned op) {
    unsigned n = 1 + test_below(MAX_KIDS);
    exec_strand *strands = self->branches.inline_strands;
    exec_future *f[MAX_KIDS];
    for (unsigned i = 0; i < n; i++) f[i] = kid(self);
    totals[op == OP_JOIN ? JOINS : op == OP_FAIR ? FAIR_SELECTS : op == OP_RACE ? RACES : SELECTS]++;
    if (op == OP_JOIN) return exec_join_n(&self->branches, strands, f, n);
    if (op == OP_FAIR) return exec_select_fair_n(&self->branches, strands, f, n);
    if (op == OP_RACE) return exec_race_n(&self->branches, strands, f, n);
    return exec_select_n(&self->branches, strands, f, n);
}

static exec_future *timed(node *self, exec_future *inner) {
    totals[TIMEOUTS]++;
    return exec_timeout(&self->timeout, inner, EXEC_MS(test_below(20)));
}

static void group_set_up(node *self) {
    if (self->group.live) return;
    self->group.limit = test_below(3);
    self->group.collect = test_below(2) != 0;
}

static void group_grew(node *self, int status) {
    totals[GROUP_TASKS]++;
    self->w->grouped += status == 0;
    totals[HELD_BACK] += self->group.held != NULL;
}

/* What a body awaits. */
static exec_future *awaited(node *self) {
    switch (self->op) {
    case OP_LEAF: return leaf_wait(&self->leaf, self->w);
    case OP_SELECT: case OP_FAIR: case OP_RACE: case OP_JOIN: return branches(self, self->op);
    case OP_TIMEOUT: return timed(self, kid(self));
    case OP_TIMED_SELECT: return timed(self, branches(self, OP_SELECT + test_below(3)));
    case OP_GROUP_ROOM:
        totals[ROOMS]++;
        return exec_group_room(&self->group);
    case OP_GROUP_JOIN: return exec_group_join(&self->group);
    default: return kid(self);
    }
}

/* What a cleanup awaits: nothing of groups, and no join. */
static exec_future *awaited_in_cleanup(node *self) {
    if (self->op == OP_CALL || self->op == OP_GROUP || self->op == OP_TRY) return kid(self);
    if (self->op >= OP_SELECT && self->op <= OP_RACE) return branches(self, self->op);
    if (self->op == OP_TIMEOUT) return timed(self, kid(self));
    self->op = OP_LEAF;
    return leaf_wait(&self->leaf, self->w);
}

/* A kill ends a cleanup's own waits too. */
static void cleanup_goes_on(node *self, const exec_cx *cx) {
    int killed = exec_cancel_level(cx) == EXEC_KILL;
    if (self->op == OP_LEAF) assert_true(EXEC_RESULT(&self->leaf) == 0 || killed);
    if (self->op == OP_WAIT_UNTIL) assert_true(self->leaf.complete || killed);
    if (self->op == OP_WAIT_UNTIL) leaf_unlink(&self->leaf);
    kids_are_gone(self);
}

EXEC_ASYNC_DEFINE(node) {
    EXEC_BEGIN;
    body_begins(self);
    while (self->steps-- > 0) {
        choose(self);
        if (self->op == OP_RETURN) EXEC_RETURN(test_below(2) ? -EIO : 7);
        if (self->op == OP_YIELD) EXEC_YIELD;
        else if (cancels_itself(self)) self_cancel(self, cx);
        else if (self->op == OP_GROUP) {
            group_set_up(self);
            for (unsigned n = 1 + test_below(3); n > 0; n--)
                group_grew(self, EXEC_GROUP_SPAWN_OPTS(&self->group, test_opts(), node, .w = self->w, .boss = self,
                                                       .depth = self->depth + 1, .steps = test_below(4)));
        } else if (self->op == OP_WAIT_UNTIL) {
            condition_set_up(&self->leaf, self->w);
            EXEC_WAIT_UNTIL(condition(&self->leaf, cx));
            assert_true(self->leaf.complete);
            leaf_unlink(&self->leaf);
        } else if (self->op == OP_TRY) EXEC_TRY(self->awaited = awaited(self));
        else if (self->op == OP_SHIELD) EXEC_SHIELD(self->awaited = awaited(self));
        else EXEC_AWAIT(self->awaited = awaited(self));
        body_goes_on(self);
    }
    EXEC_FINALLY;
    cleanup_begins(self);
    for (self->steps = test_below(3); self->steps > 0; self->steps--) {
        choose(self);
        if (self->op == OP_YIELD) EXEC_YIELD;
        else if (cancels_itself(self)) self_cancel(self, cx);
        else if (self->op == OP_WAIT_UNTIL) {
            condition_set_up(&self->leaf, self->w);
            EXEC_WAIT_UNTIL(condition(&self->leaf, cx));
        } else if (self->op == OP_TRY) EXEC_TRY(awaited_in_cleanup(self));
        else EXEC_AWAIT(awaited_in_cleanup(self));
        cleanup_goes_on(self, cx);
    }
    cleanup_ends(self);
    EXEC_END;
}

/* ------------------------------------------------------------------------------------- the world */

static leaf *some_leaf(world *w) {
    unsigned n = test_below(w->leaf_count);
    leaf *l = w->leaves;
    while (n--) l = l->next;
    return l;
}

/* From outside, or from a poll of another task's: the same handle calls. */
static void random_event(world *w, int end) {
    exec_handle *h = &w->handles[test_below(w->tasks)];
    unsigned event = test_below(end ? 3 : 10);
    if (event < 3 && w->leaves) {
        leaf *l = some_leaf(w);
        l->complete = 1;
        exec_wake(l->task);
    } else if (event == 3 && w->leaves) {
        exec_wake(some_leaf(w)->task);
    } else if (event == 4) {
        totals[ABORTS] += exec_handle_abort(h) == 0;
    } else if (event == 5 && test_below(2)) {
        totals[KILLS] += exec_handle_kill(h) == 0;
    } else if (event == 6) {
        assert_int_equal(exec_clock_advance(&w->ex, EXEC_MS(test_below(10))), 0);
    }
}

/* A kill needs nobody's help, but that of what no cancel ends. */
static void kill_all(world *w) {
    unsigned stubborn = 0, left;
    for (unsigned i = 0; i < w->tasks; i++) exec_handle_kill(&w->handles[i]);
    for (unsigned turn = 0; turn < 5000; turn++) assert_true(exec_turn(&w->ex) >= 0);
    for (leaf *l = w->leaves; l; l = l->next) stubborn += l->stubborn != 0;
    left = stats(&w->ex).tasks;
    if (!stubborn && left) exec_dump(&w->ex);
    assert_true(stubborn || !left);
}

/* In the middle of it all: -ETIMEDOUT while something stubborn is out, then 0. */
static void destroy(world *w) {
    int status;
    while ((status = exec_destroy(&w->ex, EXEC_MS(test_below(30)))) != 0) {
        assert_int_equal(status, -ETIMEDOUT);
        assert_non_null(w->leaves);
        for (leaf *l = w->leaves; l; l = l->next) {
            l->complete = 1;
            exec_wake(l->task);
        }
    }
}

static void free_arena(world *w) {
    for (node *n = w->arena, *next; n; n = next) {
        next = n->all;
        assert_false(alive(n));
        assert_int_equal(n->cleanups, n->began);
        free(n);
    }
}

static void plant(world *w, unsigned number) {
    exec_config config;
    memset(w, 0, sizeof *w);
    memset(&config, 0, sizeof config);
    config.virtual_clock = 1;
    config.cleanup_ns = number % 4 == 0 ? EXEC_MS(50) : 0;
    config.tasks_per_turn = 1 + test_below(4);
    config.ops_per_poll = 1 + test_below(8);
    assert_int_equal(exec_init(&w->ex, &config), 0);
    assert_int_equal(exec_timers_attach(&w->timers, &w->ex), 0);
    w->tasks = 1 + test_below(3);
    w->budget = 10 + test_below(40);
    for (unsigned i = 0; i < w->tasks; i++) {
        exec_opts opts = test_opts_handle(&w->handles[i]);
        assert_int_equal(EXEC_SPAWN(&w->ex, &opts, node, .w = w, .steps = 1 + test_below(6)), 0);
    }
}

static void one_tree(unsigned number) {
    static world w;
    plant(&w, number);
    for (unsigned step = 0; stats(&w.ex).tasks; step++) {
        if (step > 100000) {
            exec_dump(&w.ex);
            fail_msg("tree %u hangs", number);
        }
        random_event(&w, step > 60);
        if (step == 20 && number % 5 == 0) kill_all(&w);
        if (step == 30 && number % 7 == 0) {
            destroy(&w);
            break;
        }
        assert_int_equal(exec_clock_advance(&w.ex, EXEC_MS(test_below(4))), 0);
        assert_true(exec_turn(&w.ex) >= 0);
        if (number % 16 == 0) assert_int_equal(exec_check(&w.ex), 0);
    }
    assert_int_equal(w.began, w.ended);
    assert_int_equal(w.grouped, w.grouped_began);
    assert_null(w.leaves);
    destroy(&w);
    free_arena(&w);
    totals[BEGAN] += w.began;
    totals[ENDED] += w.ended;
}

static void random_trees(void **state) {
    static const char *const names[] = { "bodies begun", "cleanups ended", "calls", "selects", "fair selects", "races",
        "joins", "timeouts", "expired", "shields", "group tasks", "held back", "rooms", "aborts", "kills",
        "self aborts" };
    const char *text = getenv("EXEC_TEST_TREES");
    unsigned trees = text ? (unsigned)strtoul(text, NULL, 0) : EXEC_DEBUG ? 20000 : 100000;
    uint64_t seed = test_seed(20261121);
    (void)state;
    for (unsigned i = 0; i < trees; i++) {
        /* each tree has its own seed, so that one can be replayed */
        test_random_state = (seed + i) * 0x9E3779B97F4A7C15ULL | 1;
        one_tree(i);
    }
    printf("%u trees:", trees);
    for (unsigned i = 0; i < COUNT(names); i++) if (totals[i]) printf(" %s %llu", names[i], totals[i]);
    printf("\n");
    assert_true(totals[BEGAN] == totals[ENDED] && totals[BEGAN] > trees);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_trees) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
