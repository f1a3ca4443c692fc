/* SPDX-License-Identifier: MIT
 * The macros of coroutines, hand-written futures, the levels of cancel, select and join. */
#include "test.h"
#include "leaves.h"

/* ---------------------------------------------------------------------------------------- macros */

typedef struct { EXEC_FRAME; gate *gate; intptr_t got; } await_one;
EXEC_ASYNC(await_one) {
    EXEC_BEGIN;
    trace("before");
    EXEC_AWAIT(gate_wait(self->gate));
    self->got = EXEC_RESULT(self->gate);
    trace_number("after ", (long)self->got);
    EXEC_RETURN(self->got);
    EXEC_END;
}

static void await_goes_on_when_the_future_is_ready(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, await_one, .gate = &g), 0);
    assert_int_equal(exec_turn(&ex), 1);
    expect_trace("before");
    assert_int_equal(exec_handle_result(&h), -EAGAIN);
    gate_open(&g, 42);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("after 42");
    assert_int_equal(exec_handle_result(&h), 42);
    close_exec(&ex);
}

static void await_of_a_ready_future_does_not_suspend(void **state) {
    exec ex;
    gate g = { .open = 1, .value = 7 };
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), await_one, .gate = &g), 0);
    assert_int_equal(exec_turn(&ex), 1);
    expect_trace("before after 7");
    assert_int_equal(stats(&ex).tasks, 0);
    close_exec(&ex);
}

/* In the ISO form, where __COUNTER__ warns, this does not compile. */
#if !EXEC_LC_SWITCH || (defined __GNUC__ && !defined __clang__)
typedef struct { EXEC_FRAME; gate *a, *b; } one_line;
EXEC_ASYNC(one_line) {
    EXEC_BEGIN;
    EXEC_AWAIT(gate_wait(self->a)); trace("a"); EXEC_AWAIT(gate_wait(self->b)); trace("b");
    EXEC_YIELD; trace("c"); EXEC_YIELD; trace("d"); EXEC_TRY(gate_wait(self->a)); trace("e");
    EXEC_END;
}

static void trap_28_two_awaits_on_one_line(void **state) {
    exec ex;
    gate a = { 0 }, b = { 0 };
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), one_line, .a = &a, .b = &b), 0);
    exec_turn(&ex);
    gate_open(&a, 0);
    exec_turn(&ex);
    expect_trace("a");
    gate_open(&b, 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("b c d e");
    close_exec(&ex);
}
#endif

typedef struct { EXEC_FRAME; int a; gate *gate; } conditional;
EXEC_ASYNC(conditional) {
    EXEC_BEGIN;
    if (self->a) EXEC_AWAIT(gate_wait(self->gate));
    else trace("else");
    if (!self->a) trace("not a");
    else EXEC_YIELD;
    for (self->a = 0; self->a < 2; self->a++) EXEC_YIELD;
    while (self->a < 3) if (self->a++ == 2) EXEC_TRY(gate_wait(self->gate)); else break;
    do EXEC_WAIT_UNTIL(self->a == 3); while (0);
    if (self->a == 3) EXEC_RETURN(5); else trace("wrong");
    EXEC_END;
}

static void trap_28_an_await_is_one_statement(void **state) {
    exec ex;
    gate g = { 0 };
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), conditional, .a = 0, .gate = &g), 0);
    exec_turn(&ex);
    expect_trace("else not a");
    assert_int_equal(g.polls, 1);
    assert_non_null(g.task);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    g.open = g.polls = 0;
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), conditional, .a = 1, .gate = &g), 0);
    exec_turn(&ex);
    assert_int_equal(g.polls, 1);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("");
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; int kind; gate *gate; } switcher;
EXEC_ASYNC(switcher) {
    EXEC_BEGIN;
    switch (self->kind) {
    case 1:
        trace("one");
        EXEC_AWAIT(gate_wait(self->gate));
        trace("after");
        break;
    case 2:
        EXEC_YIELD;
        trace("two");
        break;
    default:
        trace("default");
        break;
    }
    trace("end");
    EXEC_END;
}

#if !EXEC_LC_SWITCH
static void trap_27_an_await_inside_a_users_switch(void **state) {
    exec ex;
    gate g = { 0 };
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), switcher, .kind = 1, .gate = &g), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), switcher, .kind = 2, .gate = &g), 0);
    exec_turn(&ex);
    expect_trace("one two end");
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("after end");
    close_exec(&ex);
}
#else
static void wrong_switch(void) {
    exec ex;
    gate g = { 0 };
    open_exec(&ex);
    if (EXEC_SPAWN(&ex, test_opts(), switcher, .kind = 1, .gate = &g) < 0) return;
    exec_turn(&ex);
    gate_open(&g, 0);
    exec_run(&ex);
}
static void trap_27_an_await_inside_a_users_switch_fails_loudly(void **state) {
    (void)state;
    dies_saying(wrong_switch, "an await inside a switch of yours cannot resume");
}
#endif

typedef struct { EXEC_FRAME; int times; } breaker;
EXEC_ASYNC(breaker) {
    EXEC_BEGIN;
    self->times++;
    if (self->times) break;
    EXEC_END;
}
static void wrong_break(void) {
    exec ex;
    open_exec(&ex);
    if (EXEC_SPAWN(&ex, test_opts(), breaker) < 0) return;
    exec_run(&ex);
}
static void a_break_outside_a_loop_says_so(void **state) {
    (void)state;
    dies_saying(wrong_break, "a break outside a loop of yours left the coroutine: use EXEC_RETURN");
}

/* A body that ends as it is told, and a cleanup that does as it is told. */
typedef struct {
    EXEC_FRAME; gate *body, *clean_a, *clean_b; intptr_t body_return, clean_return; int has_return;
} ending;
EXEC_ASYNC(ending) {
    EXEC_BEGIN;
    trace("body");
    if (self->body) EXEC_TRY(gate_wait(self->body));
    trace("on");
    EXEC_RETURN(self->body_return);
    trace("never");
    EXEC_FINALLY;
    trace("clean");
    if (self->clean_a) EXEC_TRY(gate_wait(self->clean_a));
    trace("clean_a");
    if (self->clean_b) EXEC_TRY(gate_wait(self->clean_b));
    trace("clean_b");
    if (self->has_return) EXEC_RETURN(self->clean_return);
    trace("fell");
    EXEC_END;
}

static intptr_t run_ending(ending fields) {
    exec ex;
    ending frame;
    frame = fields;
    open_exec(&ex);
    exec_future *f = EXEC_CALL(&frame, ending, .body = fields.body, .clean_a = fields.clean_a,
                               .clean_b = fields.clean_b, .body_return = fields.body_return,
                               .clean_return = fields.clean_return, .has_return = fields.has_return);
    assert_int_equal(exec_run_until(&ex, f), 0);
    assert_true(exec_is_ready(f));
    close_exec(&ex);
    return frame.fut.result;
}

static void the_first_error_stays(void **state) {
    gate good = { .open = 1, .value = 3 }, bad = { .open = 1, .value = -EPIPE };
    gate worse = { .open = 1, .value = -EBADF };
    (void)state;
    assert_int_equal(run_ending((ending){ .body = &good, .body_return = 9 }), 9);
    expect_trace("body on clean clean_a clean_b fell");
    assert_int_equal(run_ending((ending){ .body = &bad, .body_return = 9 }), -EPIPE);
    expect_trace("body clean clean_a clean_b fell");
    /* EXEC_TRY in the cleanup records the first error and goes on. */
    assert_int_equal(run_ending((ending){ .body_return = 9, .clean_a = &bad, .clean_b = &worse }), -EPIPE);
    expect_trace("body on clean clean_a clean_b fell");
    assert_int_equal(run_ending((ending){ .body = &bad, .clean_a = &worse, .clean_b = &good }), -EPIPE);
    expect_trace("body clean clean_a clean_b fell");
    /* EXEC_RETURN in the cleanup ends; it replaces a value, not an error. */
    assert_int_equal(run_ending((ending){ .body_return = 9, .has_return = 1, .clean_return = 4 }), 4);
    expect_trace("body on clean clean_a clean_b");
    assert_int_equal(run_ending((ending){ .body = &bad, .has_return = 1, .clean_return = 4 }), -EPIPE);
    assert_int_equal(run_ending((ending){ .body_return = -EIO, .has_return = 1, .clean_return = -EPERM }), -EIO);
    trace_reset();
}

static void a_cleanup_may_await(void **state) {
    exec ex;
    gate slow = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, ending, .clean_a = &slow, .body_return = 1), 0);
    exec_turn(&ex);
    expect_trace("body on clean");
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    gate_open(&slow, 5);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("clean_a clean_b fell");
    assert_int_equal(exec_handle_result(&h), 1);
    close_exec(&ex);
}

/* Without EXEC_FINALLY. */
typedef struct { EXEC_FRAME; int how; } bare;
EXEC_ASYNC(bare) {
    EXEC_BEGIN;
    if (self->how == 1) EXEC_RETURN(11);
    if (self->how == 2) EXEC_RETURN(-EIO);
    EXEC_YIELD;
    EXEC_END;
}
static void a_body_without_finally_ends(void **state) {
    exec ex;
    bare frame;
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, bare)), 0);
    assert_int_equal(frame.fut.result, 0);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, bare, .how = 1)), 0);
    assert_int_equal(frame.fut.result, 11);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, bare, .how = 2)), 0);
    assert_int_equal(frame.fut.result, -EIO);
    /* a finished future stays ready */
    assert_int_equal(exec_run_until(&ex, &frame.fut), 0);
    assert_int_equal(frame.fut.result, -EIO);
    close_exec(&ex);
}

static int condition_value, condition_asked;
static int condition(void) { condition_asked++; return condition_value; }
typedef struct { EXEC_FRAME; exec_task **task; } waits_until;
EXEC_ASYNC(waits_until) {
    EXEC_BEGIN;
    *self->task = cx->task;
    EXEC_WAIT_UNTIL(condition());
    trace("holds");
    EXEC_FINALLY;
    *self->task = NULL;
    EXEC_END;
}
static void wait_until_evaluates_on_each_wake_and_never_spins(void **state) {
    exec ex;
    exec_task *task = NULL;
    (void)state;
    open_exec(&ex);
    condition_value = condition_asked = 0;
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits_until, .task = &task), 0);
    assert_int_equal(exec_turn(&ex), 1);
    assert_int_equal(condition_asked, 1);
    for (int i = 0; i < 5; i++) assert_int_equal(exec_turn(&ex), 0);
    assert_int_equal(condition_asked, 1);
    exec_wake(task);
    exec_wake(task);
    assert_int_equal(exec_turn(&ex), 1);
    assert_int_equal(condition_asked, 2);
    condition_value = 1;
    assert_int_equal(exec_turn(&ex), 0);
    exec_wake(task);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(condition_asked, 3);
    expect_trace("holds");
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), waits_until, .task = &task), 0);
    assert_int_equal(exec_turn(&ex), 1);
    assert_int_equal(stats(&ex).tasks, 0);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; int zeroed; EXEC_SCRATCH; unsigned char big[64]; } scratchy;
EXEC_ASYNC(scratchy, scratch) {
    EXEC_BEGIN;
    self->zeroed++;
    EXEC_RETURN(self->big[63]);
    EXEC_END;
}
static void scratch_is_not_zeroed(void **state) {
    exec ex;
    scratchy frame;
    (void)state;
    open_exec(&ex);
    memset(&frame, 0xAA, sizeof frame);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, scratchy)), 0);
    assert_int_equal(frame.fut.result, 0xAA);
    assert_int_equal(frame.zeroed, 1);
    assert_int_equal(frame.big[0], 0xAA);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; int a, b, c, d, e, f, g, h, i, j, k, l; } many_fields;
EXEC_ASYNC(many_fields) {
    EXEC_BEGIN;
    EXEC_RETURN(self->a + self->b + self->c + self->d + self->e + self->f + self->g + self->h + self->i + self->j
                + self->k + self->l);
    EXEC_END;
}
static void call_and_spawn_set_the_fields_and_zero_the_rest(void **state) {
    exec ex;
    many_fields frame;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    int evaluated = 0;
    (void)state;
    open_exec(&ex);
    memset(&frame, 0xFF, sizeof frame);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, many_fields, .a = 1)), 0);
    assert_int_equal(frame.fut.result, 1);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, many_fields, .a = 1, .b = 2, .c = 3, .d = 4, .e = 5, .f = 6, .g = 7,
                                .h = 8, .i = 9, .j = 10, .k = 11, .l = (evaluated++, 12)), 0);
    assert_int_equal(evaluated, 1);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 78);
    close_exec(&ex);
}

static void an_op_never_awaited_leaves_nothing_behind(void **state) {
    exec ex;
    gate a = { 0 }, b = { 0 };
    exec_select_op sel;
    exec_join_op join;
    (void)state;
    open_exec(&ex);
    (void)!exec_select(&sel, gate_wait(&a), gate_wait(&b));
    (void)!exec_join(&join, gate_wait(&a), gate_wait(&b));
    assert_int_equal(a.polls + b.polls, 0);
    close_exec(&ex);
}

/* A declaration form for other files. */
typedef struct { EXEC_FRAME; int n; } shared_coroutine;
EXEC_ASYNC_DECLARE(shared_coroutine);
typedef struct { EXEC_FRAME; shared_coroutine child; } uses_shared;
EXEC_ASYNC(uses_shared) {
    EXEC_BEGIN;
    EXEC_TRY(EXEC_CALL(&self->child, shared_coroutine, .n = 20));
    EXEC_RETURN(EXEC_RESULT(&self->child) + 1);
    EXEC_END;
}
EXEC_ASYNC_DEFINE(shared_coroutine) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_RETURN(self->n * 2);
    EXEC_END;
}
static void a_coroutine_declared_elsewhere_is_called(void **state) {
    exec ex;
    uses_shared frame;
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, uses_shared)), 0);
    assert_int_equal(frame.fut.result, 41);
    close_exec(&ex);
}

/* -------------------------------------------------------------------------------------- the stack */

#define DEPTH 1000
typedef struct { EXEC_FRAME; int depth; gate *gate; } deep;
static deep deep_frames[DEPTH];
static uintptr_t deep_low, deep_high;
static void __attribute__((noinline)) deep_measure(void) {
    volatile char here = 0;
    uintptr_t address = (uintptr_t)&here;
    if (address < deep_low) deep_low = address;
    if (address > deep_high) deep_high = address;
}
EXEC_ASYNC(deep) {
    EXEC_BEGIN;
    if (self->depth + 1 == DEPTH) {
        EXEC_AWAIT(gate_wait(self->gate));
    } else {
        EXEC_TRY(EXEC_CALL(&deep_frames[self->depth + 1], deep, .depth = self->depth + 1, .gate = self->gate));
    }
    deep_measure();
    EXEC_YIELD;
    deep_measure();
    EXEC_RETURN(self->depth + 1 == DEPTH ? 1 : EXEC_RESULT(&deep_frames[self->depth + 1]) + 1);
    EXEC_FINALLY;
    deep_measure();
    EXEC_END;
}
static void deep_chain_resumes_on_a_flat_stack(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    for (int cancel = 0; cancel < 2; cancel++) {
        open_exec(&ex);
        deep_low = UINTPTR_MAX;
        deep_high = 0;
        g.open = 0;
        assert_int_equal(EXEC_SPAWN(&ex, &opts, deep, .gate = &g), 0);
        exec_turn(&ex);
        if (cancel) assert_int_equal(exec_handle_abort(&h), 0);
        else gate_open(&g, 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_handle_result(&h), cancel ? -ECANCELED : DEPTH);
        /* a thousand nested calls would take at least 16 bytes each */
        assert_true(deep_high - deep_low < DEPTH * 16);
        close_exec(&ex);
    }
}

/* ----------------------------------------------------------------------------- hand-written futures */

/* Awaits two gates, one behind the other: the sum. */
typedef struct { exec_future fut; gate *a, *b; } both;
static exec_poll both_poll(exec_cx *cx, exec_future *f) {
    both *self = (both *)(void *)f;
    exec_poll pends;
    if (f->resume == 0) {
        pends = exec_poll_child(cx, f, &self->a->fut);
        if (pends) return pends;
        if (exec_canceled(f)) return exec_ready(f, -ECANCELED);
        f->resume = 1;
    }
    pends = exec_poll_child(cx, f, &self->b->fut);
    return pends ? pends : exec_ready(f, self->a->fut.result + self->b->fut.result);
}
static const exec_type both_type = { both_poll, NULL, NULL, "both", "both.c", 0, 0, 0 };
static exec_future *both_wait(both *self, gate *a, gate *b) {
    exec_future_init(&self->fut, &both_type);
    self->a = a;
    self->b = b;
    gate_wait(a);
    gate_wait(b);
    return &self->fut;
}
typedef struct { EXEC_FRAME; gate *a, *b; both both; } awaits_both;
EXEC_ASYNC(awaits_both) {
    EXEC_BEGIN;
    EXEC_TRY(both_wait(&self->both, self->a, self->b));
    trace_number("sum ", (long)EXEC_RESULT(&self->both));
    EXEC_FINALLY;
    trace("clean");
    EXEC_END;
}
static void a_hand_written_future_awaits_children(void **state) {
    exec ex;
    gate a = { 0 }, b = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, awaits_both, .a = &a, .b = &b), 0);
    exec_turn(&ex);
    gate_open(&a, 3);
    exec_turn(&ex);
    assert_int_equal(a.polls, 2);
    assert_int_equal(b.polls, 1);
    gate_nudge(&b);
    exec_turn(&ex);
    assert_int_equal(a.polls, 2);       /* a wake resumes the leaf, not the root */
    gate_open(&b, 4);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("sum 7 clean");
    a.open = b.open = 0;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, awaits_both, .a = &a, .b = &b), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    expect_trace("clean");
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    assert_null(a.task);
    close_exec(&ex);
}

/* A combinator of one's own: ready when `enough` of its branches are. */
typedef struct { exec_future fut; exec_strand strands[6]; unsigned count, enough, ready; } quorum;
static exec_poll quorum_poll(exec_cx *cx, exec_future *f) {
    quorum *q = (quorum *)(void *)f;
    unsigned pending = 0;
    int over = exec_canceled(f) || q->ready >= q->enough;
    for (unsigned i = 0; i < q->count; i++) {
        exec_strand *s = &q->strands[i];
        if (exec_strand_done(s) || (over && !exec_strand_started(s))) continue;
        if (exec_canceled(f)) exec_strand_cancel(s, exec_cancel_level(cx));
        if (q->ready >= q->enough) exec_strand_cancel(s, EXEC_CANCEL);
        if (exec_strand_poll(cx, s)) q->ready++;
        else pending++;
        if (!over && q->ready >= q->enough) {
            for (unsigned j = 0; j < q->count; j++)
                if (exec_strand_started(&q->strands[j])) exec_strand_cancel(&q->strands[j], EXEC_CANCEL);
            return quorum_poll(cx, f);
        }
    }
    if (pending) return exec_pending(cx, f);
    return exec_ready(f, (intptr_t)q->ready);
}
static const exec_type quorum_type = { quorum_poll, NULL, NULL, "quorum", "quorum.c", 0, 0, 0 };
typedef struct { EXEC_FRAME; gate *gate; int id; } branch;
EXEC_ASYNC(branch) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(self->gate));
    EXEC_RETURN(EXEC_RESULT(self->gate));
    EXEC_FINALLY;
    trace_number(exec__f->result == -ECANCELED ? "lost " : "won ", self->id);
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *gates; branch branches[6]; quorum quorum; } wants_quorum;
EXEC_ASYNC(wants_quorum) {
    EXEC_BEGIN;
    exec_future_init(&self->quorum.fut, &quorum_type);
    self->quorum.count = 6;
    self->quorum.enough = 2;
    for (int i = 0; i < 6; i++)
        exec_strand_init(&self->quorum.strands[i],
                         EXEC_CALL(&self->branches[i], branch, .gate = &self->gates[i], .id = i));
    EXEC_TRY(&self->quorum.fut);
    EXEC_RETURN(EXEC_RESULT(&self->quorum));
    EXEC_FINALLY;
    trace("over");
    EXEC_END;
}
static void a_combinator_of_ones_own_on_strands(void **state) {
    exec ex;
    gate gates[6];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    memset(gates, 0, sizeof gates);
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, wants_quorum, .gates = gates), 0);
    exec_turn(&ex);
    gate_open(&gates[4], 1);
    exec_turn(&ex);
    gate_open(&gates[2], 1);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("won 4 won 2 lost 0 lost 1 lost 3 lost 5 over");
    for (int i = 0; i < 6; i++) assert_null(gates[i].task);
    gates[4].open = gates[2].open = 0;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, wants_quorum, .gates = gates), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    expect_trace("lost 0 lost 1 lost 2 lost 3 lost 4 lost 5 over");
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    close_exec(&ex);
}

/* --------------------------------------------------------------------------------- cancel levels */

static void a_level_never_falls(void **state) {
    exec_strand strand;
    gate g;
    (void)state;
    memset(&g, 0, sizeof g);
    exec_strand_init(&strand, gate_wait(&g));
    exec_strand_cancel(&strand, EXEC_KILL);
    exec_strand_cancel(&strand, EXEC_CANCEL);
    assert_int_equal(strand.level, EXEC_KILL);
}

/* Nested: each body awaits the next one or the gate, each cleanup its own gate. */
typedef struct nest { EXEC_FRAME; struct nest *inner; gate *gate, *clean; int id, depth; } nest;
EXEC_ASYNC(nest) {
    EXEC_BEGIN;
    trace_number("body ", self->id);
    if (self->depth)
        EXEC_TRY(EXEC_CALL(self->inner, nest, .inner = self->inner + 1, .gate = self->gate, .id = self->id + 1,
                           .depth = self->depth - 1));
    else EXEC_TRY(gate_wait(self->gate));
    trace_number("on ", self->id);
    EXEC_FINALLY;
    trace_number("clean ", self->id);
    if (self->clean) EXEC_AWAIT(gate_wait(self->clean));
    trace_number("done ", self->id);
    EXEC_END;
}
EXEC_ASYNC_DECLARE(nest_root);
typedef struct { EXEC_FRAME; nest a[4]; gate *gate, *clean[4]; int depth; } nest_root;
EXEC_ASYNC_DEFINE(nest_root) {
    EXEC_BEGIN;
    EXEC_TRY(EXEC_CALL(&self->a[0], nest, .gate = self->gate, .clean = self->clean[0], .id = 1));
    trace("root on");
    EXEC_FINALLY;
    trace("root clean");
    if (self->clean[3]) EXEC_AWAIT(gate_wait(self->clean[3]));
    trace("root done");
    EXEC_END;
}

static void abort_before_the_first_poll_runs_the_body_to_its_first_suspension(void **state) {
    exec ex;
    gate g = { 0 }, open = { .open = 1 };
    exec_handle h, k;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, nest, .gate = &g, .id = 1), 0);
    assert_int_equal(exec_handle_abort(&h), 0);
    expect_trace("body 1 clean 1 done 1");
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    assert_int_equal(g.canceled, 1);
    assert_int_equal(exec_run(&ex), 0);
    /* one that never suspends ends as ever */
    opts = test_opts_handle(&k);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, nest, .gate = &open, .id = 2), 0);
    assert_int_equal(exec_handle_abort(&k), 0);
    expect_trace("body 2 on 2 clean 2 done 2");
    assert_int_equal(exec_handle_state(&k), EXEC_STATE_COMPLETED);
    assert_int_equal(exec_handle_result(&k), 0);
    close_exec(&ex);
}

static void cancel_unwinds_innermost_first(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    nest inner[2];
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, nest, .inner = inner, .gate = &g, .id = 1, .depth = 2), 0);
    exec_turn(&ex);
    expect_trace("body 1 body 2 body 3");
    assert_int_equal(exec_handle_abort(&h), 0);
    expect_trace("clean 3 done 3 clean 2 done 2 clean 1 done 1");
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    close_exec(&ex);
}

static void abort_in_the_roots_cleanup_changes_nothing(void **state) {
    exec ex;
    gate slow = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, ending, .clean_a = &slow, .body_return = 6), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
    exec_turn(&ex);
    assert_int_equal(slow.canceled, 0);
    gate_open(&slow, 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_COMPLETED);
    assert_int_equal(exec_handle_result(&h), 6);
    close_exec(&ex);
}

static void abort_does_not_cut_an_inner_cleanup(void **state) {
    exec ex;
    gate g = { .open = 1 }, slow = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, nest_root, .gate = &g, .clean[0] = &slow), 0);
    exec_turn(&ex);
    expect_trace("body 1 on 1 clean 1");
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLING);
    exec_turn(&ex);
    assert_int_equal(slow.canceled, 0);
    expect_trace("");
    gate_open(&slow, 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("done 1 root clean root done");     /* not "root on": the mark was handed on */
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    close_exec(&ex);
}

/* A cleanup that awaits a coroutine whose own body waits: the outermost cleanup is what counts. */
typedef struct { EXEC_FRAME; gate *gate; nest child; } cleans_by_coroutine;
EXEC_ASYNC(cleans_by_coroutine) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_FINALLY;
    EXEC_AWAIT(EXEC_CALL(&self->child, nest, .gate = self->gate, .id = 7));
    trace_number("child ", (long)EXEC_RESULT(&self->child));
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *gate; cleans_by_coroutine child; } outer_of_cleanup;
EXEC_ASYNC(outer_of_cleanup) {
    EXEC_BEGIN;
    EXEC_AWAIT(EXEC_CALL(&self->child, cleans_by_coroutine, .gate = self->gate));
    trace("outer on");
    EXEC_FINALLY;
    trace("outer clean");
    EXEC_END;
}
static void abort_marks_the_outermost_cleanup(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, outer_of_cleanup, .gate = &g), 0);
    exec_turn(&ex);
    exec_turn(&ex);
    expect_trace("body 7");
    assert_int_equal(exec_handle_abort(&h), 0);
    exec_turn(&ex);
    assert_int_equal(g.canceled, 0);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("on 7 clean 7 done 7 child 0 outer clean");
    close_exec(&ex);
}

/* Cleanup, in it a body, in that a cleanup: the body in the middle is part of the outermost cleanup. */
typedef struct { EXEC_FRAME; gate *slow; gate now; nest child; } middle_body;
EXEC_ASYNC(middle_body) {
    EXEC_BEGIN;
    self->now.open = 1;
    EXEC_AWAIT(EXEC_CALL(&self->child, nest, .gate = &self->now, .clean = self->slow, .id = 9));
    EXEC_YIELD;
    trace("middle on");
    EXEC_FINALLY;
    trace("middle clean");
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *slow; middle_body child; } cleans_by_middle;
EXEC_ASYNC(cleans_by_middle) {
    EXEC_BEGIN;
    EXEC_FINALLY;
    EXEC_AWAIT(EXEC_CALL(&self->child, middle_body, .slow = self->slow));
    trace("cleaned");
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *slow; cleans_by_middle child; } outer_of_middle;
EXEC_ASYNC(outer_of_middle) {
    EXEC_BEGIN;
    EXEC_AWAIT(EXEC_CALL(&self->child, cleans_by_middle, .slow = self->slow));
    trace("outer on");
    EXEC_FINALLY;
    trace("outer clean");
    EXEC_END;
}
static void abort_does_not_cut_a_body_inside_a_cleanup(void **state) {
    exec ex;
    gate slow = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, outer_of_middle, .slow = &slow), 0);
    exec_turn(&ex);
    expect_trace("body 9 on 9 clean 9");
    assert_int_equal(exec_handle_abort(&h), 0);
    gate_open(&slow, 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("done 9 middle on middle clean cleaned outer clean");
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    close_exec(&ex);
}

static void kill_ends_the_awaits_of_cleanups(void **state) {
    exec ex;
    gate g = { 0 }, slow = { 0 }, slower = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, nest_root, .gate = &g, .clean[0] = &slow, .clean[3] = &slower), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    expect_trace("body 1 clean 1");
    assert_int_equal(slow.canceled, 0);
    assert_int_equal(exec_handle_kill(&h), 0);
    expect_trace("done 1 root clean root done");
    assert_int_equal(slow.canceled, 1);
    assert_int_equal(slower.canceled, 1);
    assert_int_equal(exec_handle_kill(&h), -EALREADY);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    /* in the root's cleanup abort does nothing, kill ends it; the result stays */
    assert_int_equal(EXEC_SPAWN(&ex, &opts, ending, .clean_a = &slow, .body_return = 6), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), -EALREADY);
    assert_int_equal(exec_handle_kill(&h), 0);
    /* EXEC_TRY in a cleanup records the -ECANCELED of its await */
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    trace_reset();
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; gate *gate; gate *again; int i; } long_cleanup;
EXEC_ASYNC(long_cleanup) {
    EXEC_BEGIN;
    EXEC_AWAIT(gate_wait(self->gate));
    EXEC_FINALLY;
    for (self->i = 0; self->i < 5; self->i++) {
        EXEC_WAIT_UNTIL(self->gate->open);
        EXEC_AWAIT(gate_wait(self->again));
        EXEC_YIELD;
    }
    trace("cleaned");
    EXEC_END;
}
static void kill_ends_every_await_and_wait_until_of_a_cleanup(void **state) {
    exec ex;
    gate g = { 0 }, again = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, long_cleanup, .gate = &g, .again = &again), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_kill(&h), 0);
    expect_trace("cleaned");
    assert_int_equal(again.canceled, 5);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    /* and when it is killed in the middle of its cleanup */
    assert_int_equal(EXEC_SPAWN(&ex, &opts, long_cleanup, .gate = &g, .again = &again), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    exec_turn(&ex);
    expect_trace("");
    assert_int_equal(exec_handle_kill(&h), 0);
    expect_trace("cleaned");
    assert_int_equal(exec_run(&ex), 0);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; int *stop; int *rounds; } endless_cleanup;
EXEC_ASYNC(endless_cleanup) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_FINALLY;
    while (!*self->stop) {
        ++*self->rounds;
        EXEC_YIELD;
    }
    EXEC_END;
}
typedef struct { EXEC_FRAME; int left; } counts_down;
EXEC_ASYNC(counts_down) {
    EXEC_BEGIN;
    for (; self->left > 0; self->left--) EXEC_YIELD;
    EXEC_END;
}
static void a_cleanup_that_yields_for_ever_under_kill_does_not_hang_others(void **state) {
    exec ex;
    int stop = 0, rounds = 0;
    exec_handle h, other;
    exec_opts opts = test_opts_handle(&h), others = test_opts_handle(&other);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, endless_cleanup, .stop = &stop, .rounds = &rounds), 0);
    assert_int_equal(EXEC_SPAWN(&ex, &others, counts_down, .left = 10), 0);
    assert_int_equal(exec_handle_kill(&h), 0);
    for (int i = 0; i < 11; i++) exec_turn(&ex);
    assert_int_equal(exec_handle_state(&other), EXEC_STATE_COMPLETED);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLING);
    assert_true(rounds > 10);
    stop = 1;
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; exec_handle *self_handle; unsigned level; gate *gate; int no_wait; } aborts_itself;
EXEC_ASYNC(aborts_itself) {
    EXEC_BEGIN;
    trace_number("abort ", self->level == EXEC_KILL ? exec_handle_kill(self->self_handle)
                                                    : exec_handle_abort(self->self_handle));
    trace_number("again ", exec_handle_abort(self->self_handle));
    if (!self->no_wait) EXEC_AWAIT(gate_wait(self->gate));
    trace("on");
    EXEC_RETURN(5);
    EXEC_FINALLY;
    trace("clean");
    EXEC_END;
}
static void self_abort_takes_effect_at_the_next_suspension(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    char expected[64];
    (void)state;
    for (unsigned level = EXEC_CANCEL; level <= EXEC_KILL; level++) {
        open_exec(&ex);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, aborts_itself, .self_handle = &h, .level = level, .gate = &g), 0);
        assert_int_equal(exec_run(&ex), 0);
        snprintf(expected, sizeof expected, "abort 0 again %d clean", -EALREADY);
        expect_trace(expected);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, aborts_itself, .self_handle = &h, .level = level, .no_wait = 1), 0);
        assert_int_equal(exec_run(&ex), 0);
        snprintf(expected, sizeof expected, "abort 0 again %d on clean", -EALREADY);
        expect_trace(expected);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_COMPLETED);
        assert_int_equal(exec_handle_result(&h), 5);
        close_exec(&ex);
    }
}

typedef struct { EXEC_FRAME; exec_handle *victim; } aborts_other;
EXEC_ASYNC(aborts_other) {
    EXEC_BEGIN;
    trace_number("abort ", exec_handle_abort(self->victim));
    trace_number("state ", (long)exec_handle_state(self->victim));
    EXEC_YIELD;
    trace_number("then ", (long)exec_handle_state(self->victim));
    EXEC_END;
}
static void abort_from_a_poll_unwinds_when_the_queue_reaches_the_target(void **state) {
    exec ex;
    gate g = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    char expected[128];
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, nest, .gate = &g, .id = 1), 0);
    exec_turn(&ex);
    expect_trace("body 1");
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), aborts_other, .victim = &h), 0);
    assert_int_equal(exec_run(&ex), 0);
    snprintf(expected, sizeof expected, "abort 0 state %d clean 1 done 1 then %d", EXEC_STATE_CANCELLING,
             EXEC_STATE_CANCELLED);
    expect_trace(expected);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; gate *gate, *after; } shielded;
EXEC_ASYNC(shielded) {
    EXEC_BEGIN;
    EXEC_SHIELD(gate_wait(self->gate));
    trace_number("kept ", (long)EXEC_RESULT(self->gate));
    EXEC_AWAIT(gate_wait(self->after));
    trace("on");
    EXEC_FINALLY;
    trace("clean");
    EXEC_END;
}
static void begin_shielded(exec *ex, exec_handle *h, gate *g, gate *after) {
    exec_opts opts = test_opts_handle(h);
    open_exec(ex);
    assert_int_equal(EXEC_SPAWN(ex, &opts, shielded, .gate = g, .after = after), 0);
    exec_turn(ex);
}

static void shield_holds_abort_off_until_its_await_is_over(void **state) {
    exec ex;
    gate g = { 0 }, after = { 0 };
    exec_handle h;
    (void)state;
    begin_shielded(&ex, &h, &g, &after);
    assert_int_equal(exec_handle_abort(&h), 0);
    exec_turn(&ex);
    assert_int_equal(g.canceled, 0);
    expect_trace("");
    gate_open(&g, 8);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("clean");
    assert_int_equal(g.fut.result, 8);
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    close_exec(&ex);
}

static void a_shield_that_is_over_shields_nothing_later(void **state) {
    (void)state;
    for (int pends = 0; pends < 2; pends++) {
        exec ex;
        gate g = { .open = !pends, .value = 8 }, after = { 0 };
        exec_handle h;
        begin_shielded(&ex, &h, &g, &after);
        if (pends) {
            expect_trace("");
            gate_open(&g, 8);
            exec_turn(&ex);
        }
        expect_trace("kept 8");
        assert_int_equal(exec_handle_abort(&h), 0);
        expect_trace("clean");
        close_exec(&ex);
    }
}

static void a_kill_goes_through_a_shield(void **state) {
    exec ex;
    gate g = { 0 }, after = { 0 };
    exec_handle h;
    (void)state;
    begin_shielded(&ex, &h, &g, &after);
    assert_int_equal(exec_handle_kill(&h), 0);
    expect_trace("clean");
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; nest child; gate *gate; } forgives;
EXEC_ASYNC(forgives) {
    EXEC_BEGIN;
    EXEC_AWAIT(EXEC_CALL(&self->child, nest, .gate = self->gate, .id = 1));
    trace_number("got ", (long)EXEC_RESULT(&self->child));
    EXEC_RETURN(-ECANCELED);
    EXEC_FINALLY;
    trace("clean");
    EXEC_END;
}
static int failed_calls;
static void count_failed(exec *ex, const exec_failure *f) {
    (void)ex;
    failed_calls++;
    trace(f->name);
}
static void ecanceled_as_a_result_is_not_the_mark(void **state) {
    exec ex;
    exec_config config = quiet_config();
    gate g = { .open = 1, .value = -ECANCELED };
    char expected[64];
    (void)state;
    failed_calls = 0;
    trace_reset();
    config.failed = count_failed;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), forgives, .gate = &g), 0);
    assert_int_equal(exec_run(&ex), 0);
    snprintf(expected, sizeof expected, "body 1 clean 1 done 1 got %d clean forgives", -ECANCELED);
    expect_trace(expected);
    assert_int_equal(failed_calls, 1);
    close_exec(&ex);
}

/* ------------------------------------------------------------------------------- select and join */

typedef struct { EXEC_FRAME; gate *a, *b, *clean; nest x, y; exec_select_op sel; } selects;
EXEC_ASYNC(selects) {
    EXEC_BEGIN;
    EXEC_TRY(exec_select(&self->sel, EXEC_CALL(&self->x, nest, .gate = self->a, .clean = self->clean, .id = 1),
                         EXEC_CALL(&self->y, nest, .gate = self->b, .id = 2)));
    trace_number("winner ", (long)EXEC_RESULT(&self->sel));
    EXEC_RETURN(EXEC_RESULT(&self->sel));
    EXEC_FINALLY;
    trace("over");
    EXEC_END;
}
static void losers_of_a_select_are_unwound_before_it_is_ready(void **state) {
    exec ex;
    gate a = { 0 }, b = { 0 }, clean = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, selects, .a = &a, .b = &b, .clean = &clean), 0);
    exec_turn(&ex);
    expect_trace("body 1 body 2");
    gate_open(&b, 0);
    exec_turn(&ex);
    expect_trace("on 2 clean 2 done 2 clean 1");
    assert_null(a.task);                                /* trap 05: not linked any more */
    /* an abort now is not the loser's second one: its cleanup goes on */
    assert_int_equal(exec_handle_abort(&h), 0);
    exec_turn(&ex);
    assert_int_equal(clean.canceled, 0);
    gate_open(&clean, 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("done 1 over");
    assert_int_equal(exec_handle_result(&h), -ECANCELED);
    close_exec(&ex);
}

static void trap_05_a_loser_or_a_cancelled_wait_leaves_nothing_registered(void **state) {
    exec ex;
    gate a = { 0 }, b = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    for (int i = 0; i < 4; i++) {
        a.open = b.open = 0;
        assert_int_equal(EXEC_SPAWN(&ex, &opts, selects, .a = &a, .b = &b), 0);
        exec_turn(&ex);
        assert_non_null(a.task);
        assert_non_null(b.task);
        if (i == 0) gate_open(&a, 0);
        if (i == 1) gate_open(&b, 0);
        if (i == 2) assert_int_equal(exec_handle_abort(&h), 0);
        if (i == 3) assert_int_equal(exec_handle_kill(&h), 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_null(a.task);
        assert_null(b.task);
    }
    close_exec(&ex);
}

/* Transfers as soon as it is polled without a mark. */
typedef struct { exec_future fut; gate *gate; exec_task *task; int *moved; } transfer;
static exec_poll transfer_poll(exec_cx *cx, exec_future *f) {
    transfer *t = (transfer *)(void *)f;
    if (exec_canceled(f)) return exec_ready(f, -ECANCELED);
    if (!t->gate->open) {
        t->gate->task = cx->task;
        return exec_pending(cx, f);
    }
    ++*t->moved;
    return exec_ready(f, 1);
}
static const exec_type transfer_type = { transfer_poll, NULL, NULL, "transfer", "t.c", 0, 0, 0 };
static exec_future *transfer_one(transfer *t, gate *g, int *moved) {
    exec_future_init(&t->fut, &transfer_type);
    t->gate = g;
    t->moved = moved;
    return &t->fut;
}
typedef struct { EXEC_FRAME; gate *gate; int *moved; transfer a, b, c; exec_select_op sel; int tail; } races;
EXEC_ASYNC(races) {
    EXEC_BEGIN;
    if (self->tail) {
        EXEC_AWAIT(exec_select(&self->sel, transfer_one(&self->a, self->gate, self->moved),
                               transfer_one(&self->b, self->gate, self->moved)));
    } else {
        EXEC_AWAIT(exec_select(&self->sel, transfer_one(&self->a, self->gate, self->moved),
                               transfer_one(&self->b, self->gate, self->moved),
                               transfer_one(&self->c, self->gate, self->moved)));
    }
    EXEC_RETURN(EXEC_RESULT(&self->sel));
    EXEC_END;
}
static void select_is_biased_and_losers_transfer_nothing(void **state) {
    exec ex;
    gate g = { 0 };
    races frame;
    int moved = 0;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, races, .gate = &g, .moved = &moved), 0);
    exec_turn(&ex);
    gate_open(&g, 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 0);
    assert_int_equal(moved, 1);
    /* ready at once: the branches behind the winner are never started */
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, races, .gate = &g, .moved = &moved, .tail = 1)), 0);
    assert_int_equal(moved, 2);
    assert_int_equal(frame.fut.result, 0);
    assert_false(exec_strand_started(&frame.sel.strands[1]));
    assert_false(exec_is_ready(&frame.b.fut));
    close_exec(&ex);
}

/* The first branch opens the gate that its neighbour waits for, and is ready: the neighbour is cancelled. */
typedef struct { EXEC_FRAME; gate *first, *second; } opens_then_ends;
EXEC_ASYNC(opens_then_ends) {
    EXEC_BEGIN;
    EXEC_AWAIT(gate_wait(self->first));
    gate_open(self->second, 77);
    EXEC_RETURN(1);
    EXEC_END;
}
typedef struct { EXEC_FRAME; gate *a, *b; opens_then_ends x; exec_select_op sel; } value_beside;
EXEC_ASYNC(value_beside) {
    EXEC_BEGIN;
    EXEC_TRY(exec_select(&self->sel, EXEC_CALL(&self->x, opens_then_ends, .first = self->a, .second = self->b),
                         gate_wait(self->b)));
    trace("on");
    EXEC_FINALLY;
    trace_number("b ", (long)EXEC_RESULT(self->b));
    trace_number("sel ", (long)EXEC_RESULT(&self->sel));
    EXEC_END;
}
static void a_value_beside_the_mark_stays_in_the_op(void **state) {
    exec ex;
    gate a = { 0 }, b = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    /* a loser that has its value: the op holds it */
    assert_int_equal(EXEC_SPAWN(&ex, &opts, value_beside, .a = &a, .b = &b), 0);
    exec_turn(&ex);
    gate_open(&a, 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("on b 77 sel 0");
    /* an abort that meets a value: the select is cancelled, the value is in the op */
    a.open = b.open = 0;
    assert_int_equal(EXEC_SPAWN(&ex, &opts, value_beside, .a = &a, .b = &b), 0);
    exec_turn(&ex);
    b.open = 1;
    b.value = 78;
    assert_int_equal(exec_handle_abort(&h), 0);
    {
        char expected[64];
        snprintf(expected, sizeof expected, "b 78 sel %d", -ECANCELED);
        expect_trace(expected);
    }
    assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
    assert_int_equal(exec_run(&ex), 0);
    close_exec(&ex);
}

/* select(join(a, b), join(c, select(d, e))) */
typedef struct {
    EXEC_FRAME; gate *g; nest n[5]; exec_join_op ab, cde; exec_select_op de, all; int level;
} tree;
#define TREE_NEST(i) EXEC_CALL(&self->n[i], nest, .gate = &self->g[i], .id = (i))
EXEC_ASYNC(tree) {
    EXEC_BEGIN;
    EXEC_TRY(exec_select(&self->all,
                         exec_join(&self->ab, TREE_NEST(0), TREE_NEST(1)),
                         exec_join(&self->cde, TREE_NEST(2),
                                   exec_select(&self->de, TREE_NEST(3), TREE_NEST(4)))));
    EXEC_RETURN(EXEC_RESULT(&self->all));
    EXEC_FINALLY;
    trace("over");
    EXEC_END;
}
static void nested_selects_and_joins(void **state) {
    exec ex;
    gate g[5];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    memset(g, 0, sizeof g);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, tree, .g = g), 0);
    exec_turn(&ex);
    expect_trace("body 0 body 1 body 2 body 3 body 4");
    gate_open(&g[0], 0);
    exec_turn(&ex);
    gate_open(&g[4], 0);
    exec_turn(&ex);
    expect_trace("on 0 clean 0 done 0 on 4 clean 4 done 4 clean 3 done 3");
    gate_open(&g[2], 0);
    assert_int_equal(exec_run(&ex), 0);
    expect_trace("on 2 clean 2 done 2 clean 1 done 1 over");
    assert_int_equal(exec_handle_result(&h), 1);
    memset(g, 0, sizeof g);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, tree, .g = g), 0);
    exec_turn(&ex);
    trace_reset();
    assert_int_equal(exec_handle_abort(&h), 0);
    expect_trace("clean 0 done 0 clean 1 done 1 clean 2 done 2 clean 3 done 3 clean 4 done 4 over");
    assert_int_equal(exec_run(&ex), 0);
    close_exec(&ex);
}

static void kill_reaches_every_branch_through_nested_combinators(void **state) {
    exec ex;
    gate a = { 0 }, b = { 0 }, clean = { 0 };
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, selects, .a = &a, .b = &b, .clean = &clean), 0);
    exec_turn(&ex);
    assert_int_equal(exec_handle_abort(&h), 0);
    expect_trace("body 1 body 2 clean 1 clean 2 done 2");
    assert_int_equal(exec_handle_kill(&h), 0);
    expect_trace("done 1 over");
    assert_int_equal(clean.canceled, 1);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; gate *g; unsigned count; int join; exec_strand strands[9]; exec_future *f[9];
                 exec_branches_op op; } many_branches;
EXEC_ASYNC(many_branches) {
    EXEC_BEGIN;
    for (unsigned i = 0; i < self->count; i++) self->f[i] = gate_wait(&self->g[i]);
    if (self->join) EXEC_TRY(exec_join_n(&self->op, self->strands, self->f, self->count));
    else EXEC_TRY(exec_select_n(&self->op, self->strands, self->f, self->count));
    EXEC_RETURN(EXEC_RESULT(&self->op));
    EXEC_END;
}
static void more_than_four_branches_on_strands_of_the_caller(void **state) {
    exec ex;
    gate g[9];
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    many_branches frame;
    (void)state;
    open_exec(&ex);
    memset(g, 0, sizeof g);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, many_branches, .g = g, .count = 9), 0);
    exec_turn(&ex);
    gate_open(&g[7], 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_handle_result(&h), 7);
    for (int i = 0; i < 9; i++) assert_int_equal(g[i].canceled, i != 7);
    memset(g, 0, sizeof g);
    assert_int_equal(EXEC_SPAWN(&ex, &opts, many_branches, .g = g, .count = 9, .join = 1), 0);
    exec_turn(&ex);
    for (int i = 8; i >= 0; i--) {
        assert_int_equal(exec_handle_result(&h), -EAGAIN);
        gate_open(&g[i], i == 3 ? -EIO : i == 2 ? -EPIPE : i);
        exec_turn(&ex);
    }
    assert_int_equal(exec_handle_result(&h), -EIO);      /* the first that came; the others ran on */
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, many_branches, .g = g)), 0);
    assert_int_equal(frame.fut.result, -EINVAL);        /* a select of nothing */
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, many_branches, .g = g, .join = 1)), 0);
    assert_int_equal(frame.fut.result, 0);
    close_exec(&ex);
}

/* The op budget is for what pends later: a cancel reaches all that pends when it comes. */
static void a_cancel_reaches_more_branches_than_the_budget_of_a_poll(void **state) {
    (void)state;
    for (int kill = 0; kill < 2; kill++) {
        exec ex;
        exec_config config = quiet_config();
        gate g[9];
        exec_handle h;
        exec_opts opts = test_opts_handle(&h);
        config.ops_per_poll = 1;
        assert_int_equal(exec_init(&ex, &config), 0);
        memset(g, 0, sizeof g);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, many_branches, .g = g, .count = 9, .join = 1), 0);
        exec_turn(&ex);
        assert_int_equal(kill ? exec_handle_kill(&h) : exec_handle_abort(&h), 0);
        for (int i = 0; i < 9; i++) assert_int_equal(g[i].canceled, 1);
        assert_int_equal(exec_handle_state(&h), EXEC_STATE_CANCELLED);
        close_exec(&ex);
    }
}

/* As many as a quota of 32 bits can count, and more: what is used up stays used up. */
typedef struct { EXEC_FRAME; int *granted; } asks_for_ever;
EXEC_ASYNC(asks_for_ever) {
    EXEC_BEGIN;
    for (long asked = 0; asked < 9000000; asked++) *self->granted += exec_spend(cx);
    EXEC_END;
}
static void a_poll_is_granted_its_budget_however_often_it_asks(void **state) {
    exec ex;
    exec_config config = quiet_config();
    int granted = 0;
    (void)state;
    config.ops_per_poll = 7;
    assert_int_equal(exec_init(&ex, &config), 0);
    assert_int_equal(EXEC_SPAWN(&ex, test_opts(), asks_for_ever, .granted = &granted), 0);
    exec_turn(&ex);
    assert_int_equal(granted, 7);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; gate *g; exec_join_op op; int n; } joins_four;
EXEC_ASYNC(joins_four) {
    EXEC_BEGIN;
    if (self->n == 1) EXEC_TRY(exec_join(&self->op, gate_wait(&self->g[0])));
    if (self->n == 2) EXEC_TRY(exec_join(&self->op, gate_wait(&self->g[0]), gate_wait(&self->g[1])));
    if (self->n == 3)
        EXEC_TRY(exec_join(&self->op, gate_wait(&self->g[0]), gate_wait(&self->g[1]), gate_wait(&self->g[2])));
    if (self->n == 4)
        EXEC_TRY(exec_join(&self->op, gate_wait(&self->g[0]), gate_wait(&self->g[1]), gate_wait(&self->g[2]),
                           gate_wait(&self->g[3])));
    EXEC_END;
}
static void join_waits_for_all_and_gives_the_first_error_that_came(void **state) {
    exec ex;
    exec_handle h;
    exec_opts opts = test_opts_handle(&h);
    (void)state;
    open_exec(&ex);
    for (int n = 1; n <= 4; n++) {
        gate g[4];
        memset(g, 0, sizeof g);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, joins_four, .g = g, .n = n), 0);
        exec_turn(&ex);
        for (int i = n - 1; i >= 0; i--) {
            assert_int_equal(exec_handle_state(&h), EXEC_STATE_IDLE);
            gate_open(&g[i], n == 4 ? -10 - i : 0);
            exec_turn(&ex);
        }
        assert_int_equal(exec_handle_result(&h), n == 4 ? -13 : 0);
        memset(g, 0, sizeof g);
        assert_int_equal(EXEC_SPAWN(&ex, &opts, joins_four, .g = g, .n = n), 0);
        exec_turn(&ex);
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_int_equal(exec_handle_result(&h), -ECANCELED);
        for (int i = 0; i < n; i++) assert_int_equal(g[i].canceled, 1);
    }
    close_exec(&ex);
}

/* A branch that was never started may be awaited afterwards, as it was prepared. */
typedef struct { EXEC_FRAME; gate *open, *later; bare child; exec_select_op sel; } later_await;
EXEC_ASYNC(later_await) {
    EXEC_BEGIN;
    EXEC_TRY(exec_select(&self->sel, gate_wait(self->open), EXEC_CALL(&self->child, bare)));
    EXEC_TRY(&self->child.fut);
    EXEC_RETURN(3);
    EXEC_END;
}
static void a_branch_that_never_started_may_be_awaited_later(void **state) {
    exec ex;
    gate open = { .open = 1 };
    later_await frame;
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, later_await, .open = &open)), 0);
    assert_int_equal(frame.fut.result, 3);
    close_exec(&ex);
}

/* ----------------------------------------------------------------------------------------- random */

/* Each kind of leaf; spurious wakes at random change no result. */
typedef struct {
    EXEC_FRAME; gate *g; exec_handle *other; exec_handle_op join; exec_select_op sel; exec_join_op both;
    exec_group crew; await_one child; int sum;
} leafy;
EXEC_ASYNC(leafy) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(&self->g[0]));
    self->sum += (int)EXEC_RESULT(&self->g[0]);
    EXEC_WAIT_UNTIL(self->g[1].open);
    self->sum += 10;
    EXEC_TRY(exec_handle_join(&self->join, self->other));
    self->sum += (int)EXEC_RESULT(&self->join);
    EXEC_TRY(exec_select(&self->sel, gate_wait(&self->g[2]), gate_wait(&self->g[3])));
    self->sum += 1000 * (int)EXEC_RESULT(&self->sel);
    EXEC_TRY(exec_join(&self->both, gate_wait(&self->g[4]), gate_wait(&self->g[5])));
    EXEC_GROUP_SPAWN_OPTS(&self->crew, test_opts(), await_one, .gate = &self->g[6]);
    EXEC_TRY(exec_group_join(&self->crew));
    EXEC_SHIELD(gate_wait(&self->g[7]));
    EXEC_TRY(EXEC_CALL(&self->child, await_one, .gate = &self->g[8]));
    self->sum += (int)EXEC_RESULT(&self->child);
    EXEC_RETURN(self->sum);
    EXEC_END;
}
static void trap_18_spurious_wakes_change_no_result(void **state) {
    (void)state;
    test_seed(18);
    for (int round = 0; round < 300; round++) {
        exec ex;
        gate g[9], join_gate = { 0 };
        exec_handle h, other;
        exec_opts opts = test_opts_handle(&h), others = test_opts_handle(&other);
        exec_task *task;
        leafy *frame;
        memset(g, 0, sizeof g);
        open_exec(&ex);
        assert_int_equal(EXEC_SPAWN(&ex, &others, await_one, .gate = &join_gate), 0);
        frame = EXEC_CLAIM(&ex, &opts, leafy);
        assert_non_null(frame);
        frame->g = g;
        frame->other = &other;
        EXEC_START(frame);
        task = h.task;
        for (int step = 0; step < 10; step++) {
            for (unsigned i = test_below(4); i > 0; i--) {
                if (h.task) exec_wake(task);
                exec_turn(&ex);
            }
            assert_int_equal(exec_check(&ex), 0);
            if (step == 2) gate_open(&join_gate, 100);
            else gate_open(&g[step < 2 ? step : step == 3 ? 3 : step > 8 ? 8 : step], step == 3 ? 0 : 1);
            if (step == 5) gate_open(&g[5], 0);
        }
        for (int i = 0; i < 9; i++) if (i != 2) gate_open(&g[i], 1);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_handle_result(&h), 1 + 10 + 100 + 1000 + 1);
        close_exec(&ex);
    }
    trace_reset();
}

typedef struct { EXEC_FRAME; always op; long *ops; long limit; } glutton;
EXEC_ASYNC(glutton) {
    EXEC_BEGIN;
    while (*self->ops < self->limit) {
        EXEC_TRY(always_ready(&self->op));
        ++*self->ops;
    }
    EXEC_END;
}
static void trap_37_an_always_ready_op_does_not_starve_others(void **state) {
    exec ex;
    exec_config config = quiet_config();
    long ops = 0;
    exec_handle other;
    exec_opts others = test_opts_handle(&other);
    (void)state;
    for (unsigned budget = 0; budget <= 7; budget += 7) {
        unsigned per_poll = budget ? budget : 128;
        ops = 0;
        config.ops_per_poll = budget;
        config.tasks_per_turn = 2;
        assert_int_equal(exec_init(&ex, &config), 0);
        assert_int_equal(EXEC_SPAWN(&ex, test_opts(), glutton, .ops = &ops, .limit = 10000), 0);
        assert_int_equal(EXEC_SPAWN(&ex, &others, counts_down, .left = 5), 0);
        for (unsigned turn = 1; turn <= 6; turn++) {
            exec_turn(&ex);
            assert_int_equal(ops, (long)(turn * per_poll));
        }
        assert_int_equal(exec_handle_state(&other), EXEC_STATE_COMPLETED);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(ops, 10000);
        close_exec(&ex);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(await_goes_on_when_the_future_is_ready),
    cmocka_unit_test(await_of_a_ready_future_does_not_suspend),
#if !EXEC_LC_SWITCH || (defined __GNUC__ && !defined __clang__)
    cmocka_unit_test(trap_28_two_awaits_on_one_line),
#endif
    cmocka_unit_test(trap_28_an_await_is_one_statement),
#if !EXEC_LC_SWITCH
    cmocka_unit_test(trap_27_an_await_inside_a_users_switch),
#else
    cmocka_unit_test(trap_27_an_await_inside_a_users_switch_fails_loudly),
#endif
    cmocka_unit_test(a_break_outside_a_loop_says_so),
    cmocka_unit_test(the_first_error_stays),
    cmocka_unit_test(a_cleanup_may_await),
    cmocka_unit_test(a_body_without_finally_ends),
    cmocka_unit_test(wait_until_evaluates_on_each_wake_and_never_spins),
    cmocka_unit_test(scratch_is_not_zeroed),
    cmocka_unit_test(call_and_spawn_set_the_fields_and_zero_the_rest),
    cmocka_unit_test(an_op_never_awaited_leaves_nothing_behind),
    cmocka_unit_test(a_coroutine_declared_elsewhere_is_called),
    cmocka_unit_test(deep_chain_resumes_on_a_flat_stack),
    cmocka_unit_test(a_hand_written_future_awaits_children),
    cmocka_unit_test(a_combinator_of_ones_own_on_strands),
    cmocka_unit_test(abort_before_the_first_poll_runs_the_body_to_its_first_suspension),
    cmocka_unit_test(a_level_never_falls),
    cmocka_unit_test(cancel_unwinds_innermost_first),
    cmocka_unit_test(abort_in_the_roots_cleanup_changes_nothing),
    cmocka_unit_test(abort_does_not_cut_an_inner_cleanup),
    cmocka_unit_test(abort_marks_the_outermost_cleanup),
    cmocka_unit_test(abort_does_not_cut_a_body_inside_a_cleanup),
    cmocka_unit_test(kill_ends_the_awaits_of_cleanups),
    cmocka_unit_test(kill_ends_every_await_and_wait_until_of_a_cleanup),
    cmocka_unit_test(a_cleanup_that_yields_for_ever_under_kill_does_not_hang_others),
    cmocka_unit_test(self_abort_takes_effect_at_the_next_suspension),
    cmocka_unit_test(abort_from_a_poll_unwinds_when_the_queue_reaches_the_target),
    cmocka_unit_test(shield_holds_abort_off_until_its_await_is_over),
    cmocka_unit_test(a_shield_that_is_over_shields_nothing_later),
    cmocka_unit_test(a_kill_goes_through_a_shield),
    cmocka_unit_test(ecanceled_as_a_result_is_not_the_mark),
    cmocka_unit_test(losers_of_a_select_are_unwound_before_it_is_ready),
    cmocka_unit_test(trap_05_a_loser_or_a_cancelled_wait_leaves_nothing_registered),
    cmocka_unit_test(select_is_biased_and_losers_transfer_nothing),
    cmocka_unit_test(a_value_beside_the_mark_stays_in_the_op),
    cmocka_unit_test(nested_selects_and_joins),
    cmocka_unit_test(kill_reaches_every_branch_through_nested_combinators),
    cmocka_unit_test(more_than_four_branches_on_strands_of_the_caller),
    cmocka_unit_test(a_cancel_reaches_more_branches_than_the_budget_of_a_poll),
    cmocka_unit_test(a_poll_is_granted_its_budget_however_often_it_asks),
    cmocka_unit_test(join_waits_for_all_and_gives_the_first_error_that_came),
    cmocka_unit_test(a_branch_that_never_started_may_be_awaited_later),
    cmocka_unit_test(trap_18_spurious_wakes_change_no_result),
    cmocka_unit_test(trap_37_an_always_ready_op_does_not_starve_others),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
