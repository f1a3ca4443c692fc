/* SPDX-License-Identifier: MIT
 * Hand-written futures and helpers that several test programs use. After test.h. */
#ifndef LEAVES_H
#define LEAVES_H

#include <signal.h>
#include <sys/wait.h>

/* A future that is ready with `value` once it is open. */
typedef struct gate {
    exec_future fut;
    exec_task *task;        /* that waits, or NULL */
    intptr_t value;
    int open, refuse;       /* refuse: does not end when it is cancelled */
    int polls, canceled;    /* how often */
} gate;

static exec_poll gate_poll(exec_cx *cx, exec_future *f) {
    gate *g = (gate *)(void *)f;
    g->polls++;
    if (exec_canceled(f)) g->canceled++;
    if (g->open || (exec_canceled(f) && !g->refuse)) {
        g->task = NULL;
        return exec_ready(f, g->open ? g->value : -ECANCELED);
    }
    g->task = cx->task;
    return exec_pending(cx, f);
}
static void gate_describe(const exec_future *f, char *buf, size_t size) {
    const gate *g = (const gate *)(const void *)f;
    snprintf(buf, size, "polled %d times", g->polls);
}
static const exec_type gate_type = { gate_poll, gate_describe, NULL, "gate", "gate.c", sizeof(gate), sizeof(gate),
                                     EXEC__ALIGNOF(gate) };
static inline exec_future *gate_wait(gate *g) {
    exec_future_init(&g->fut, &gate_type);
    return &g->fut;
}
static inline void gate_open(gate *g, intptr_t value) {
    g->open = 1;
    g->value = value;
    if (g->task) exec_wake(g->task);
}
/* A wake without cause. */
static inline void gate_nudge(gate *g) {
    if (g->task) exec_wake(g->task);
}

/* Is always ready, as a socket full of data is: takes from the op budget. */
typedef struct always { exec_future fut; int polls; } always;
static exec_poll always_poll(exec_cx *cx, exec_future *f) {
    always *a = (always *)(void *)f;
    a->polls++;
    if (exec_canceled(f)) return exec_ready(f, -ECANCELED);
    if (!exec_spend(cx)) return exec_pending(cx, f);
    return exec_ready(f, 0);
}
static const exec_type always_type = { always_poll, NULL, NULL, "always", "always.c", sizeof(always), sizeof(always),
                                       EXEC__ALIGNOF(always) };
static inline exec_future *always_ready(always *a) {
    exec_future_init(&a->fut, &always_type);
    return &a->fut;
}

/* A clock that is moved by hand, and how often it was read. */
static struct { int64_t now; unsigned reads; } hand;
static inline int64_t hand_clock(void *user) {
    (void)user;
    hand.reads++;
    return hand.now;
}

/* What happened, as one string. */
static char trace_text[16384];
static size_t trace_length;
static inline void trace_reset(void) { trace_text[trace_length = 0] = 0; }
static inline void trace(const char *what) {
    size_t n = strlen(what);
    if (trace_length + n + 2 >= sizeof trace_text) return;
    if (trace_length) trace_text[trace_length++] = ' ';
    memcpy(trace_text + trace_length, what, n + 1);
    trace_length += n;
}
static inline void trace_number(const char *what, long number) {
    char text[96];
    snprintf(text, sizeof text, "%s%ld", what, number);
    trace(text);
}
static inline void expect_trace(const char *expected) {
    assert_string_equal(trace_text, expected);
    trace_reset();
}

/* The log hook: collects the lines. */
static char log_text[32768];
static inline void log_collect(void *user, const char *line) {
    size_t n = strlen(log_text);
    (void)user;
    snprintf(log_text + n, sizeof log_text - n, "%s\n", line);
}
static inline exec_config quiet_config(void) {
    exec_config config;
    memset(&config, 0, sizeof config);
    config.log = log_collect;
    config.stall_ns = EXEC_DEBUG ? EXEC_NEVER : 0;  /* a slow machine is no fault */
    log_text[0] = 0;
    return config;
}

/* An executor with nothing but the defaults, and its end: every list is right, nothing is left. */
static inline void open_exec(exec *ex) {
    exec_config config = quiet_config();
    trace_reset();
    assert_int_equal(exec_init(ex, &config), 0);
}
static inline void close_exec(exec *ex) {
    exec_counters counters;
    assert_int_equal(exec_check(ex), 0);
    assert_int_equal(exec_destroy(ex, EXEC_SEC(1)), 0);
    exec_stats(ex, &counters);
    assert_int_equal(counters.tasks, 0);
    assert_int_equal(counters.cells, 0);
    assert_null(exec_current());
}
static inline exec_counters stats(const exec *ex) {
    exec_counters counters;
    exec_stats(ex, &counters);
    return counters;
}

/* Whether a process ended as a programming error ends it. A trap is one signal or the other by machine. */
static inline int died_of_an_error(int status) {
    int signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return signo == SIGABRT || (EXEC_SMALL && (signo == SIGILL || signo == SIGTRAP));
}
/* What the child process says to stderr in which `wrong` runs; it is to die of an error. */
static inline void hear_it_die(void (*wrong)(void), char *said, size_t size) {
    size_t length = 0;
    ssize_t n;
    int ends[2], status = 0;
    pid_t child;
    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        signal(SIGILL, SIG_DFL);                /* of cmocka, which goes on with the next test */
        wrong();
        _exit(0);
    }
    close(ends[1]);
    while (length + 1 < size && (n = read(ends[0], said + length, size - 1 - length)) > 0)
        length += (size_t)n;
    said[length] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!died_of_an_error(status)) fail_msg("it was not refused: ended with status %d, said \"%s\"", status, said);
}
/* The programming error in `wrong` ends the process, and the message has `text`; with EXEC_SMALL there is none. */
static inline void dies_saying(void (*wrong)(void), const char *text) {
    char said[4096];
    hear_it_die(wrong, said, sizeof said);
    if (EXEC_SMALL) assert_string_equal(said, "");
    else if (!strstr(said, text)) fail_msg("said \"%s\", not \"%s\"", said, text);
}
#endif
