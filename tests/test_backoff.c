/* SPDX-License-Identifier: MIT
 * Backoff and retry against tables computed by hand. Times are ns. */
#define EXEC_TIMER_TICK_NS 1
#include "timed.h"

static exec_backoff make_backoff(int64_t first, int64_t max, uint32_t percent) {
    exec_backoff b;
    memset(&b, 0, sizeof b);
    b.first_ns = first;
    b.max_ns = max;
    b.factor_percent = percent;
    b.no_jitter = 1;
    return b;
}

/* -------------------------------------------------------------------------------------- sequences */

static void expect_delays(exec_backoff b, const int64_t *delays, unsigned count) {
    world w;
    open_virtual(&w, 0);
    for (int again = 0; again < 2; again++) {
        for (unsigned i = 0; i < count; i++) {
            int64_t delay = exec_backoff_next(&b, &w.ex);
            if (delay != delays[i]) fail_msg("delay %u is %lld, not %lld", i, (long long)delay, (long long)delays[i]);
            assert_int_equal(b.count, i + 1);
        }
        exec_backoff_reset(&b);
    }
    close_empty(&w);
}
#define EXPECT_DELAYS(b, delays) expect_delays((b), (delays), COUNT(delays))

static void by_default_from_100_ms_doubled_to_30_s(void **state) {
    static const int64_t delays[] = {
        EXEC_MS(100), EXEC_MS(200), EXEC_MS(400), EXEC_MS(800), EXEC_MS(1600), EXEC_MS(3200),
        EXEC_MS(6400), EXEC_MS(12800), EXEC_MS(25600), EXEC_SEC(30), EXEC_SEC(30) };
    (void)state;
    EXPECT_DELAYS(make_backoff(0, 0, 0), delays);
}

/* Also where the cap divided by the factor is as many whole hundreds of nanoseconds as the delay has. */
static void the_cap_cuts_no_delay_below_it(void **state) {
    static const int64_t delays[] = { 100, 200, 250, 250 };
    (void)state;
    EXPECT_DELAYS(make_backoff(100, 250, 200), delays);
}

static void factors_are_percents_rounded_up(void **state) {
    /* 100 150 225 337.5 507 760.5 1141.5 1713 */
    static const int64_t half[] = { 100, 150, 225, 338, 507, 761, 1142, 1713 };
    static const int64_t small[] = { 1, 2, 3, 5, 8, 12, 18, 27 };
    static const int64_t same[] = { 250, 250, 250 };
    static const int64_t thrice[] = { 7, 21, 63, 189, 567, 1000, 1000 };
    static const int64_t capped[] = { 50, 50 };
    (void)state;
    EXPECT_DELAYS(make_backoff(100, 0, 150), half);
    EXPECT_DELAYS(make_backoff(1, 0, 150), small);
    EXPECT_DELAYS(make_backoff(250, 0, 100), same);
    EXPECT_DELAYS(make_backoff(7, 1000, 300), thrice);
    EXPECT_DELAYS(make_backoff(70, 50, 0), capped);
}

static void nothing_overflows_at_2_to_the_63(void **state) {
    static const int64_t twice[] = { INT64_C(1) << 62, INT64_MAX, INT64_MAX };
    static const int64_t half[] = { INT64_C(1) << 62, INT64_C(6917529027641081856), INT64_MAX };  /* 1.5 * 2^62 */
    static const int64_t most[] = { INT64_MAX, INT64_MAX };
    static const int64_t steep[] = { 1, 42949673, INT64_C(1844674408659446), INT64_MAX };   /* * 42949672.95 */
    static const int64_t near_end[] = { INT64_MAX - 1, INT64_MAX - 1 };
    (void)state;
    EXPECT_DELAYS(make_backoff(INT64_C(1) << 62, INT64_MAX, 200), twice);
    EXPECT_DELAYS(make_backoff(INT64_C(1) << 62, INT64_MAX, 150), half);
    EXPECT_DELAYS(make_backoff(INT64_MAX, INT64_MAX, UINT32_MAX), most);
    EXPECT_DELAYS(make_backoff(1, INT64_MAX, UINT32_MAX), steep);
    EXPECT_DELAYS(make_backoff(INT64_MAX - 1, INT64_MAX - 1, 100), near_end);
}

static void bad_options_are_refused(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++) {
        exec_backoff b = make_backoff(10, 0, 0);
        exec ex;
        if (i == 0) b.first_ns = -1;
        if (i == 1) b.max_ns = INT64_MIN;
        if (i == 2) b.limit_ns = -1;
        if (i == 3) b.deadline_ns = INT64_MIN;
        if (i == 4) b.factor_percent = 99;
        if (i == 5) b.factor_percent = 1;
        open_exec(&ex);
        assert_int_equal(exec_backoff_next(&b, &ex), -EINVAL);
        assert_int_equal(b.count, 0);
        close_exec(&ex);
    }
}

/* -------------------------------------------------------------------------------------- exhausted */

static void retries_are_counted(void **state) {
    static const int64_t delays[] = { 10, 20, 40, -EDQUOT, -EDQUOT };
    exec_backoff b = make_backoff(10, 0, 0);
    exec ex;
    (void)state;
    b.retries = 3;
    open_exec(&ex);
    for (int again = 0; again < 2; again++) {
        for (unsigned i = 0; i < COUNT(delays); i++) assert_int_equal(exec_backoff_next(&b, &ex), delays[i]);
        assert_int_equal(b.count, 3);
        exec_backoff_reset(&b);
    }
    assert_string_equal(exec_strerror(-EDQUOT), "a quota is used up; of a backoff: no retry is left");
    close_exec(&ex);
}

/* Sleeps each delay: the clock at each call, and what it says. */
static void a_deadline_and_a_limit_end_it(void **state) {
    static const struct { int64_t deadline, limit, from, says[5]; } rows[] = {
        /* calls at 0 10 30 70, or 100 and so on: the fourth delay is 80 */
        {   0,   0,   0, { 10, 20, 40, 80, 160 } },
        {  70,   0,   0, { 10, 20, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT } },      /* 30 + 40 is not before 70 */
        {  71,   0,   0, { 10, 20, 40, -ETIMEDOUT, -ETIMEDOUT } },
        {   1,   0,   0, { -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT } },
        {  50,   0, 100, { -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT } },      /* is past */
        {   0,  70, 100, { 10, 20, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT } },
        {   0,  71, 100, { 10, 20, 40, -ETIMEDOUT, -ETIMEDOUT } },
        { 171, 999, 100, { 10, 20, 40, -ETIMEDOUT, -ETIMEDOUT } },
        { 999,  71, 100, { 10, 20, 40, -ETIMEDOUT, -ETIMEDOUT } },
        {   0, INT64_MAX, 100, { 10, 20, 40, 80, 160 } } };
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        exec_backoff b = make_backoff(10, 0, 0);
        world w;
        b.deadline_ns = rows[i].deadline;
        b.limit_ns = rows[i].limit;
        open_virtual(&w, rows[i].from);
        for (unsigned k = 0; k < 5; k++) {
            int64_t delay = exec_backoff_next(&b, &w.ex);
            if (delay != rows[i].says[k]) fail_msg("row %u, call %u: %lld", i, k, (long long)delay);
            if (delay > 0) assert_int_equal(exec_clock_advance(&w.ex, delay), 0);
        }
        close_empty(&w);
    }
}

static void a_limit_begins_anew_with_a_reset(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    world w;
    (void)state;
    b.limit_ns = 15;
    open_virtual(&w, 100);
    assert_int_equal(exec_backoff_next(&b, &w.ex), 10);
    assert_int_equal(exec_backoff_next(&b, &w.ex), -ETIMEDOUT);
    assert_int_equal(exec_clock_advance(&w.ex, 900), 0);
    assert_int_equal(exec_backoff_next(&b, &w.ex), -ETIMEDOUT);
    exec_backoff_reset(&b);
    assert_int_equal(exec_backoff_next(&b, &w.ex), 10);
    close_empty(&w);
}

static void the_clock_is_read_where_it_is_needed(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        static const unsigned first[] = { 0, 0, 1, 1, 2 }, later[] = { 0, 0, 0, 1, 1 };
        exec_backoff b = make_backoff(10, 0, 0);
        world w;
        open_by_hand(&w, 50);
        b.no_jitter = i != 1 && i != 2;
        b.seed = i == 1;
        if (i == 3) b.deadline_ns = 1000;
        if (i == 4) b.limit_ns = 1000;
        hand.reads = 0;
        assert_true(exec_backoff_next(&b, &w.ex) >= 0);
        assert_int_equal(hand.reads, first[i]);
        hand.reads = 0;
        assert_true(exec_backoff_next(&b, &w.ex) >= 0);
        assert_int_equal(hand.reads, later[i]);
        close_empty(&w);
    }
}

/* ----------------------------------------------------------------------------------------- jitter */

/* Each delay lies within 0 .. the bare one; by a fixed seed, so always with the same outcome. */
static void jitter_stays_below_the_bare_delay(void **state) {
    exec ex;
    (void)state;
    open_exec(&ex);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        exec_backoff b = make_backoff(100, 3000, 0);
        int64_t bare = 100;
        b.no_jitter = 0;
        b.seed = seed;
        for (int i = 0; i < 10; i++, bare = bare * 2 < 3000 ? bare * 2 : 3000)
            assert_in_range(exec_backoff_next(&b, &ex), 0, bare);
    }
    close_exec(&ex);
}

/* Counts in which of `buckets` ranges of 0 .. most the delays fall, and compares by chi-square. */
static double chi_square(int64_t most, unsigned buckets, unsigned draws) {
    unsigned counts[16] = { 0 };
    double expected = (double)draws / buckets, sum = 0;
    exec_backoff b = make_backoff(most, most, 100);
    exec ex;
    b.no_jitter = 0;
    b.seed = 4711;
    open_exec(&ex);
    for (unsigned i = 0; i < draws; i++) {
        int64_t delay = exec_backoff_next(&b, &ex);
        assert_true(delay >= 0 && delay <= most);
        counts[(uint64_t)delay / (((uint64_t)most + 1) / buckets)]++;
    }
    for (unsigned i = 0; i < buckets; i++) sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    close_exec(&ex);
    return sum;
}

/* The bounds are those of 1 in 1000. Where 2^64 is 2 2/3 times the range, a plain remainder would
   favour its first two thirds. */
static void jitter_is_even(void **state) {
    (void)state;
    assert_true(chi_square(15999, 16, 16000) < 37.7);
    assert_true(chi_square(EXEC_SEC(30) - 1, 16, 16000) < 37.7);
    assert_true(chi_square(3, 4, 4000) < 16.3);     /* both ends are reached */
    assert_true(chi_square(1, 2, 4000) < 10.9);
    assert_true(chi_square((INT64_C(3) << 61) - 1, 3, 6000) < 13.9);
    assert_true(chi_square(INT64_MAX, 16, 16000) < 37.7);
}

static void a_seed_gives_one_sequence(void **state) {
    exec_backoff a = make_backoff(EXEC_SEC(1), 0, 0), b, other;
    unsigned same = 0;
    exec ex;
    (void)state;
    open_exec(&ex);
    a.no_jitter = 0;
    a.seed = 7;
    b = other = a;
    other.seed = 8;
    for (int i = 0; i < 20; i++) {
        int64_t delay = exec_backoff_next(&a, &ex);
        assert_true(delay == exec_backoff_next(&b, &ex));
        same += delay == exec_backoff_next(&other, &ex);
    }
    assert_true(same < 3);
    close_exec(&ex);
}

/* Without a seed two backoffs of the same moment differ, and one differs from moment to moment. A reset
   does not begin the sequence anew. */
static void without_a_seed_sequences_differ(void **state) {
    exec_backoff b[3];
    int64_t delays[3];
    world w;
    (void)state;
    open_virtual(&w, 1000);
    for (int i = 0; i < 3; i++) {
        b[i] = make_backoff(EXEC_SEC(3600), EXEC_SEC(3600), 0);
        b[i].no_jitter = 0;
    }
    delays[0] = exec_backoff_next(&b[0], &w.ex);
    delays[1] = exec_backoff_next(&b[1], &w.ex);
    b[0].random = 0;
    assert_int_equal(exec_clock_advance(&w.ex, 1), 0);
    delays[2] = exec_backoff_next(&b[0], &w.ex);
    assert_true(delays[0] != delays[1] && delays[0] != delays[2] && delays[1] != delays[2]);
    exec_backoff_reset(&b[0]);
    assert_true(exec_backoff_next(&b[0], &w.ex) != delays[2]);
    close_empty(&w);
}

/* ------------------------------------------------------------------------------------------- wait */

typedef struct { EXEC_FRAME; exec_backoff *b; exec_backoff_op op; int64_t *at; unsigned count; } waits;

EXEC_ASYNC(waits) {
    EXEC_BEGIN;
    for (;;) {
        EXEC_TRY(exec_backoff_wait(&self->op, self->b));
        self->at[self->count++] = exec_now(cx->exec);
    }
    EXEC_END;
}

static void a_wait_sleeps_each_delay_and_says_that_it_is_exhausted(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    int64_t at[4], end;
    waits one;
    (void)state;
    b.retries = 3;
    assert_int_equal(run_alone(EXEC_CALL(&one, waits, .b = &b, .at = at), 5, &end), -EDQUOT);
    assert_int_equal(one.count, 3);
    assert_int_equal(at[0], 15);
    assert_int_equal(at[1], 35);
    assert_int_equal(at[2], 75);
    assert_int_equal(end, 75);
    exec_backoff_reset(&b);
    b.limit_ns = 65;
    assert_int_equal(run_alone(EXEC_CALL(&one, waits, .b = &b, .at = at), 5, &end), -ETIMEDOUT);
    assert_int_equal(one.count, 2);
    assert_int_equal(end, 35);
    b.first_ns = -1;
    assert_int_equal(run_alone(EXEC_CALL(&one, waits, .b = &b, .at = at), 5, &end), -EINVAL);
    assert_int_equal(end, 5);
}

static void a_cancelled_wait_counts_no_delay(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    exec_backoff_op op;
    exec_handle h;
    world w;
    (void)state;
    b.retries = 1;
    open_virtual(&w, 0);
    (void)!exec_backoff_wait(&op, &b);
    assert_int_equal(b.begun, 0);               /* preparing does nothing */
    spawn_waiter(&w, &h, &op.fut, NULL);
    run_to(&w, 9);
    assert_true(exec_timer_armed(&op.nap.timer));
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(EXEC_RESULT(&op), -ECANCELED);
    assert_int_equal(b.count, 0);
    close_empty(&w);
    assert_int_equal(run_alone(exec_backoff_wait(&op, &b), 0, NULL), 0);
    assert_int_equal(b.count, 1);
}

/* -------------------------------------------------------------------------------------- attempts */

/* How each attempt goes; what happened is noted. */
typedef struct script {
    struct { int64_t takes; intptr_t result; } steps[8];
    int64_t began[8];
    unsigned prepared;
    int cleaned, null_at, limited, gated;
    int asked;                      /* retryable was */
    exec *ex;
    worker one;
    exec_timeout_op limit;
    gate g;
} script;

static exec_future *prepare(void *arg) {
    script *s = (script *)arg;
    unsigned i = s->prepared++;
    exec_future *f;
    s->began[i] = exec_now(s->ex);
    if (s->null_at == (int)i + 1) return NULL;
    if (s->gated) return gate_wait(&s->g);
    f = EXEC_CALL(&s->one, worker, .takes = s->steps[i].takes, .value = s->steps[i].result, .cleaned = &s->cleaned);
    return s->limited ? exec_timeout(&s->limit, f, 5) : f;
}

static int only_eio(intptr_t result, void *arg) {
    ((script *)arg)->asked++;
    return result == -EIO;
}

static int each_error(intptr_t result, void *arg) {
    ((script *)arg)->asked++;
    return result < 0;
}

/* Runs it on a virtual clock that begins at `from`. */
static intptr_t run_retry(exec_retry_op *op, script *s, int64_t from, int64_t *at) {
    world w;
    intptr_t status;
    open_virtual(&w, from);
    s->ex = &w.ex;
    status = exec_run_until(&w.ex, &op->fut);
    *at = exec_now(&w.ex);
    close_empty(&w);
    return status < 0 ? -EDEADLK : op->fut.result;
}

/* Three failures of 1 ns each, then 7. Delays 10, 20, 40. */
static script make_script(void) {
    script s;
    memset(&s, 0, sizeof s);
    for (unsigned i = 0; i < 8; i++) {
        s.steps[i].takes = 1;
        s.steps[i].result = i < 2 ? -EIO : i == 2 ? -EPIPE : 7;
    }
    return s;
}

static void a_retry_prepares_each_attempt_anew(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    script s = make_script();
    exec_retry_op op;
    int64_t at;
    (void)state;
    (void)!exec_retry(&op, &b, prepare, &s);
    assert_int_equal(s.prepared, 0);
    assert_int_equal(run_retry(&op, &s, 0, &at), 7);
    /* 0 fails at 1, 11 fails at 12, 32 fails at 33, 73 succeeds at 74 */
    assert_int_equal(op.attempts, 4);
    assert_int_equal(s.prepared, 4);
    assert_int_equal(s.began[0], 0);
    assert_int_equal(s.began[1], 11);
    assert_int_equal(s.began[2], 32);
    assert_int_equal(s.began[3], 73);
    assert_int_equal(at, 74);
    assert_int_equal(op.exhausted, 0);
    assert_int_equal(s.cleaned, 4);
}

static void a_retry_that_is_exhausted_says_so_with_the_last_error(void **state) {
    static const struct {
        uint32_t retries;
        int64_t deadline, limit;
        int exhausted;
        unsigned attempts;
        intptr_t result;
        int64_t at;
    } rows[] = {
        { 2,    0,  0, -EDQUOT,   3, -EPIPE, 1033 },
        { 1,    0,  0, -EDQUOT,   2, -EIO,   1012 },
        { 3,    0,  0, 0,         4, 7,      1074 },
        { 0, 1073,  0, -ETIMEDOUT, 3, -EPIPE, 1033 },       /* it does not sleep in vain */
        { 0, 1074,  0, 0,         4, 7,      1074 },
        { 0,    0, 73, -ETIMEDOUT, 3, -EPIPE, 1033 },       /* from its first poll */
        { 0,    0, 74, 0,         4, 7,      1074 },
        { 0,   10,  0, -ETIMEDOUT, 1, -EIO,   1001 },       /* is past: one attempt */
        { 1, 1005,  0, -ETIMEDOUT, 1, -EIO,   1001 },
        { 0,   -1,  0, -EINVAL,   1, -EIO,   1001 } };
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        exec_backoff b = make_backoff(10, 0, 0);
        script s = make_script();
        exec_retry_op op;
        int64_t at;
        b.retries = rows[i].retries;
        b.deadline_ns = rows[i].deadline;
        b.limit_ns = rows[i].limit;
        (void)!exec_retry(&op, &b, prepare, &s);
        assert_int_equal(run_retry(&op, &s, 1000, &at), rows[i].result);
        assert_int_equal(op.exhausted, rows[i].exhausted);
        assert_int_equal(op.attempts, rows[i].attempts);
        assert_int_equal(at, rows[i].at);
    }
}

static void which_errors_are_worth_another_attempt(void **state) {
    static const struct {
        intptr_t first;
        int (*retryable)(intptr_t, void *);
        intptr_t result;
        unsigned attempts;
    } rows[] = {
        { -EIO,       NULL,       7,          2 },
        { -ECANCELED, NULL,       -ECANCELED, 1 },      /* as a mere result */
        { -EIO,       only_eio,   7,          2 },
        { -EPIPE,     only_eio,   -EPIPE,     1 },
        { -ECANCELED, each_error, 7,          2 },
        { 0,          each_error, 0,          1 } };
    (void)state;
    for (unsigned i = 0; i < COUNT(rows); i++) {
        exec_backoff b = make_backoff(10, 0, 0);
        script s = make_script();
        exec_retry_op op;
        int64_t at;
        s.steps[0].result = rows[i].first;
        s.steps[1].result = 7;
        (void)!exec_retry_if(&op, &b, prepare, rows[i].retryable, &s);
        assert_int_equal(run_retry(&op, &s, 0, &at), rows[i].result);
        assert_int_equal(op.attempts, rows[i].attempts);
        assert_int_equal(op.exhausted, 0);
        assert_int_equal(s.asked, rows[i].retryable && rows[i].first < 0);
    }
}

static void an_attempt_that_cannot_be_prepared_has_failed(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    script s = make_script();
    exec_retry_op op;
    int64_t at;
    (void)state;
    s.null_at = 2;
    (void)!exec_retry(&op, &b, prepare, &s);
    assert_int_equal(run_retry(&op, &s, 0, &at), 7);
    assert_int_equal(op.attempts, 4);
    assert_int_equal(at, 73);           /* the second took no time */
    s = make_script();
    s.null_at = 1;
    (void)!exec_retry_if(&op, &b, prepare, only_eio, &s);
    assert_int_equal(run_retry(&op, &s, 0, &at), -ENOMEM);
    assert_int_equal(op.attempts, 1);
}

/* The same backoff serves one retry after another. */
static void a_retry_begins_with_the_first_delay(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    (void)state;
    b.retries = 3;
    b.limit_ns = 74;
    for (int i = 0; i < 3; i++) {
        script s = make_script();
        exec_retry_op op;
        int64_t at;
        (void)!exec_retry(&op, &b, prepare, &s);
        assert_int_equal(run_retry(&op, &s, 500 * i, &at), 7);
        assert_int_equal(at, 500 * i + 74);
    }
}

/* The backoff's time does not cut an attempt; a timeout in it or around does. */
static void limits_of_an_attempt_and_of_all(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    script s = make_script();
    exec_retry_op op;
    exec_timeout_op limit;
    int64_t at;
    world w;
    (void)state;
    b.limit_ns = 50;
    s.steps[1].takes = 100;
    (void)!exec_retry(&op, &b, prepare, &s);
    assert_int_equal(run_retry(&op, &s, 0, &at), -EIO);
    assert_int_equal(at, 111);
    assert_int_equal(op.exhausted, -ETIMEDOUT);
    s.prepared = 0;
    s.limited = 1;
    b.limit_ns = 0;
    (void)!exec_retry(&op, &b, prepare, &s);
    assert_int_equal(run_retry(&op, &s, 0, &at), 7);
    assert_int_equal(op.attempts, 4);
    assert_int_equal(s.began[2], 36);           /* 11 + 5 + 20 */
    assert_int_equal(at, 78);
    s.prepared = 0;
    open_virtual(&w, 0);
    s.ex = &w.ex;
    assert_int_equal(exec_run_until(&w.ex, exec_timeout(&limit, exec_retry(&op, &b, prepare, &s), 20)), 0);
    assert_int_equal(EXEC_RESULT(&limit), -ETIMEDOUT);
    assert_int_equal(limit.expired, 1);
    assert_int_equal(exec_now(&w.ex), 20);
    assert_int_equal(op.exhausted, 0);
    close_empty(&w);
}

/* ------------------------------------------------------------------------------ cancel of a retry */

/* At each moment of the sequence above, in attempts of 5 and in pauses of 10, 20, 40. */
static void a_cancel_at_each_point(void **state) {
    (void)state;
    for (int64_t when = 0; when < 90; when++)
        for (int kill = 0; kill < 2; kill++) {
            exec_backoff b = make_backoff(10, 0, 0);
            script s = make_script();
            exec_retry_op op;
            exec_handle h;
            int64_t at = -1;
            unsigned begun = when < 15 ? 1 : when < 40 ? 2 : when < 85 ? 3 : 4;
            world w;
            for (unsigned i = 0; i < 8; i++) s.steps[i].takes = 5;
            open_virtual(&w, 0);
            s.ex = &w.ex;
            spawn_waiter(&w, &h, exec_retry(&op, &b, prepare, &s), &at);
            run_to(&w, when);
            assert_int_equal(kill ? exec_handle_kill(&h) : exec_handle_abort(&h), 0);
            assert_int_equal(at, when);
            assert_int_equal(exec_handle_result(&h), -ECANCELED);
            assert_int_equal(EXEC_RESULT(&op), -ECANCELED);
            assert_int_equal(op.exhausted, 0);
            assert_int_equal(op.attempts, begun);
            assert_int_equal(s.cleaned, begun);
            close_empty(&w);
        }
}

/* An attempt that fails, or has its value, while it is cancelled is the last one. */
static void an_attempt_that_ends_while_it_is_cancelled_is_the_last(void **state) {
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        exec_backoff b = make_backoff(10, 0, 0);
        script s = make_script();
        exec_retry_op op;
        exec_handle h;
        world w;
        s.gated = s.g.refuse = 1;
        open_virtual(&w, 0);
        s.ex = &w.ex;
        spawn_waiter(&w, &h, exec_retry(&op, &b, prepare, &s), NULL);
        run_to(&w, 5);
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_true(exec_canceled(&s.g.fut) && !exec_is_ready(&op.fut));
        gate_open(&s.g, fails ? -EIO : 9);
        assert_int_equal(exec_run(&w.ex), 0);
        assert_int_equal(EXEC_RESULT(&op), fails ? -EIO : 9);
        assert_int_equal(op.attempts, 1);
        assert_int_equal(exec_handle_result(&h), -ECANCELED);
        close_empty(&w);
    }
}

/* The pause is over in the moment of the cancel: no further attempt begins. */
static void a_cancel_at_the_end_of_a_pause(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    script s = make_script();
    exec_retry_op op;
    exec_handle h;
    world w;
    (void)state;
    open_virtual(&w, 0);
    s.ex = &w.ex;
    spawn_waiter(&w, &h, exec_retry(&op, &b, prepare, &s), NULL);
    run_to(&w, 10);
    exec_timer_cancel(&w.timers, &op.pause.nap.timer);          /* as an expiry leaves it */
    assert_int_equal(exec_clock_advance(&w.ex, 5), 0);
    assert_int_equal(exec_handle_abort(&h), 0);
    assert_int_equal(EXEC_RESULT(&op), -ECANCELED);
    assert_int_equal(op.attempts, 1);
    assert_int_equal(s.prepared, 1);
    close_empty(&w);
}

static void trap_05_a_retry_leaves_no_node(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    (void)state;
    for (int64_t when = 0; when < 75; when++) {
        script s = make_script();
        exec_retry_op op;
        exec_handle h;
        world w;
        memset(&op, 0, sizeof op);          /* (no pause was prepared yet) */
        open_virtual(&w, 0);
        s.ex = &w.ex;
        spawn_waiter(&w, &h, exec_retry(&op, &b, prepare, &s), NULL);
        run_to(&w, when);
        assert_int_equal(exec_destroy(&w.ex, EXEC_NEVER), 0);       /* in the middle */
        assert_false(exec_timer_armed(&op.pause.nap.timer) || exec_timer_armed(&s.one.nap.timer));
        assert_int_equal(exec_handle_result(&h), when < 74 ? -ECANCELED : 7);
        assert_int_equal(s.cleaned, op.attempts);
    }
}

static void trap_18_spurious_wakes_hurry_no_retry(void **state) {
    (void)state;
    test_seed(182);
    for (int round = test_rounds(50); round > 0; round--) {
        exec_backoff b = make_backoff(10, 0, 0);
        script s = make_script();
        exec_retry_op op;
        exec_handle h;
        int64_t at = -1;
        world w;
        open_virtual(&w, 0);
        s.ex = &w.ex;
        spawn_waiter(&w, &h, exec_retry(&op, &b, prepare, &s), &at);
        for (int64_t now = 0; now < 80; now++) {
            if (h.task && test_below(2)) exec_wake(h.task);
            run_to(&w, now);
        }
        assert_int_equal(at, 74);
        assert_int_equal(op.attempts, 4);
        close_empty(&w);
    }
}

/* A long poll before it: the limit counts from the clock. */
typedef struct { EXEC_FRAME; exec_backoff *b; script *s; exec_retry_op op; } tardy;

EXEC_ASYNC(tardy) {
    EXEC_BEGIN;
    if (exec_clock_advance(cx->exec, 500) < 0) fail();
    EXEC_AWAIT(exec_retry(&self->op, self->b, prepare, self->s));
    EXEC_RETURN(EXEC_RESULT(&self->op));
    EXEC_END;
}

static void trap_24_a_limit_counts_from_the_clock(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    script s = make_script();
    tardy one;
    world w;
    (void)state;
    b.limit_ns = 74;
    open_virtual(&w, 0);
    s.ex = &w.ex;
    assert_int_equal(exec_run_until(&w.ex, EXEC_CALL(&one, tardy, .b = &b, .s = &s)), 0);
    assert_int_equal(EXEC_RESULT(&one), 7);
    assert_int_equal(exec_now(&w.ex), 574);
    close_empty(&w);
}

static exec_future *fails_at_once(void *arg) {
    ++*(unsigned *)arg;
    return NULL;
}

/* Delays of 0 or 1 and attempts that fail at once: both make progress, and each turn ends. */
static void an_endless_retry_starves_nobody(void **state) {
    exec_backoff b[2];
    exec_retry_op ops[2];
    exec_handle h[2];
    unsigned counts[2] = { 0, 0 };
    world w;
    (void)state;
    open_virtual(&w, 0);
    for (int i = 0; i < 2; i++) {
        b[i] = make_backoff(1, 1, 0);
        b[i].no_jitter = 0;
        b[i].seed = 3;
        spawn_waiter(&w, &h[i], exec_retry(&ops[i], &b[i], fails_at_once, &counts[i]), NULL);
    }
    for (int step = 0; step < 1000; step++) {
        assert_in_range(exec_turn(&w.ex), 0, 64);
        assert_int_equal(exec_clock_advance(&w.ex, 1), 0);
    }
    for (int i = 0; i < 2; i++) assert_in_range(counts[i], 1500, 3000);
    assert_int_equal(exec_destroy(&w.ex, EXEC_NEVER), 0);
}

static void without_a_wheel_nothing_is_prepared(void **state) {
    exec_backoff b = make_backoff(10, 0, 0);
    script s = make_script();
    exec_backoff_op wait;
    exec_retry_op op;
    exec ex;
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_run_until(&ex, exec_backoff_wait(&wait, &b)), 0);
    assert_int_equal(EXEC_RESULT(&wait), -ENOSYS);
    assert_int_equal(b.count, 0);
    assert_int_equal(exec_run_until(&ex, exec_retry(&op, &b, prepare, &s)), 0);
    assert_int_equal(EXEC_RESULT(&op), -ENOSYS);
    assert_int_equal(s.prepared, 0);
    close_exec(&ex);
}

static void a_dump_shows_the_pause(void **state) {
    exec_backoff b = make_backoff(EXEC_MS(12), 0, 0);
    script s = make_script();
    exec_retry_op op;
    exec_handle h;
    world w;
    (void)state;
    open_virtual(&w, 0);
    s.ex = &w.ex;
    s.null_at = 1;
    spawn_waiter(&w, &h, exec_retry(&op, &b, prepare, &s), NULL);
    assert_int_equal(exec_turn(&w.ex), 1);
    exec_dump(&w.ex);
    assert_non_null(strstr(log_text, "retry"));
    assert_non_null(strstr(log_text, "backoff"));
    expect_words(log_text, "until +12 ms");
    assert_int_equal(exec_handle_abort(&h), 0);
    close_empty(&w);
}

static void sizes_are_as_promised(void **state) {
    (void)state;
    assert_true(sizeof(exec_backoff) <= 88);
    assert_true(sizeof(exec_backoff_op) <= (sizeof(void *) == 8 ? 104 : 80));
    assert_true(sizeof(exec_retry_op) <= (sizeof(void *) == 8 ? 184 : 128));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_from_100_ms_doubled_to_30_s),
        cmocka_unit_test(the_cap_cuts_no_delay_below_it),
        cmocka_unit_test(factors_are_percents_rounded_up),
        cmocka_unit_test(nothing_overflows_at_2_to_the_63),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(retries_are_counted),
        cmocka_unit_test(a_deadline_and_a_limit_end_it),
        cmocka_unit_test(a_limit_begins_anew_with_a_reset),
        cmocka_unit_test(the_clock_is_read_where_it_is_needed),
        cmocka_unit_test(jitter_stays_below_the_bare_delay),
        cmocka_unit_test(jitter_is_even),
        cmocka_unit_test(a_seed_gives_one_sequence),
        cmocka_unit_test(without_a_seed_sequences_differ),
        cmocka_unit_test(a_wait_sleeps_each_delay_and_says_that_it_is_exhausted),
        cmocka_unit_test(a_cancelled_wait_counts_no_delay),
        cmocka_unit_test(a_retry_prepares_each_attempt_anew),
        cmocka_unit_test(a_retry_that_is_exhausted_says_so_with_the_last_error),
        cmocka_unit_test(which_errors_are_worth_another_attempt),
        cmocka_unit_test(an_attempt_that_cannot_be_prepared_has_failed),
        cmocka_unit_test(a_retry_begins_with_the_first_delay),
        cmocka_unit_test(limits_of_an_attempt_and_of_all),
        cmocka_unit_test(a_cancel_at_each_point),
        cmocka_unit_test(an_attempt_that_ends_while_it_is_cancelled_is_the_last),
        cmocka_unit_test(a_cancel_at_the_end_of_a_pause),
        cmocka_unit_test(trap_05_a_retry_leaves_no_node),
        cmocka_unit_test(trap_18_spurious_wakes_hurry_no_retry),
        cmocka_unit_test(trap_24_a_limit_counts_from_the_clock),
        cmocka_unit_test(an_endless_retry_starves_nobody),
        cmocka_unit_test(without_a_wheel_nothing_is_prepared),
        cmocka_unit_test(a_dump_shows_the_pause),
        cmocka_unit_test(sizes_are_as_promised) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
