/* SPDX-License-Identifier: MIT
 * Tasks in every state that exec_dump shows; dumps them into FILE and dies, so that gdb can be compared.
 * usage: dump FILE inside | outside | two | broken
 * inside: from a task; outside: while no executor runs; two: and another one on a second thread, dumped
 * into FILE.second; broken: and then the list of tasks is. What a type of this file says of itself begins
 * with ~, and what stands in a branch of its combinator is called hidden. */
#define EXEC_IMPLEMENTATION
#include "../../exec_net.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "second.h"

/* A leaf that nothing wakes, under any name. */
typedef struct { exec_future fut; } leaf;

static exec_poll leaf_poll(exec_cx *cx, exec_future *f) {
    return exec_canceled(f) ? exec_ready(f, -ECANCELED) : exec_pending(cx, f);
}
static void leaf_describe(const exec_future *f, char *buf, size_t size) {
    snprintf(buf, size, "~the %s of this file, which says more than the ninety-five characters that exec_dump "
             "takes of it", f->type->name);
}
static const exec_type plain_type = { leaf_poll, NULL, NULL, "plain", "dump.c", 0, 0, 0 };
static const exec_type hidden_type = { leaf_poll, NULL, NULL, "hidden", "dump.c", 0, 0, 0 };
static const exec_type read_type = { leaf_poll, leaf_describe, NULL, "read", "dump.c", 0, 0, 0 };

static exec_future *leaf_wait(leaf *l, const exec_type *type) {
    exec_future_init(&l->fut, type);
    return &l->fut;
}

/* A combinator of one branch. */
typedef struct { exec_future fut; exec_strand strand; leaf inner; } wrap;

static exec_poll wrap_poll(exec_cx *cx, exec_future *f) {
    wrap *w = (wrap *)(void *)f;
    if (exec_canceled(f)) exec_strand_cancel(&w->strand, EXEC_CANCEL);
    return exec_strand_poll(cx, &w->strand) ? exec_ready(f, 0) : exec_pending(cx, f);
}
static const exec_strand *wrap_branches(const exec_future *f, unsigned *count) {
    *count = 1;
    return &((const wrap *)(const void *)f)->strand;
}
static const exec_type wrap_type = { wrap_poll, NULL, wrap_branches, "wrap", "dump.c", 0, 0, 0 };

static exec_future *wrap_wait(wrap *w) {
    exec_future_init(&w->fut, &wrap_type);
    exec_strand_init(&w->strand, leaf_wait(&w->inner, &hidden_type));
    return &w->fut;
}

static int descriptors[2];

typedef struct { EXEC_FRAME; int fd; exec_io io; char buf[16]; } reader;
EXEC_ASYNC(reader) {
    EXEC_BEGIN;
    EXEC_TRY(exec_read_exact(&self->io, self->fd, self->buf, sizeof self->buf));
    EXEC_END;
}

typedef struct { EXEC_FRAME; int64_t ns; exec_sleep_op nap; } sleeper;
EXEC_ASYNC(sleeper) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, self->ns));
    EXEC_FINALLY;
    EXEC_AWAIT(exec_sleep(&self->nap, EXEC_SEC(20)));
    EXEC_END;
}

/* A select of a limit around a coroutine, a join of which one is over, and a descriptor. */
typedef struct {
    EXEC_FRAME; exec_select_op first; exec_join_op all; exec_timeout_op limit; sleeper child;
    exec_sleep_op none, far; exec_io io;
} chooser;
EXEC_ASYNC(chooser) {
    EXEC_BEGIN;
    EXEC_AWAIT(exec_select(&self->first,
        exec_timeout(&self->limit, EXEC_CALL(&self->child, sleeper, .ns = EXEC_US(20500)), EXEC_SEC(9)),
        exec_join(&self->all, exec_sleep(&self->none, 0), exec_sleep(&self->far, EXEC_NEVER)),
        exec_writable(&self->io, descriptors[1])));
    EXEC_END;
}

typedef struct { EXEC_FRAME; exec_handle *of; exec_handle_op op; } joiner;
EXEC_ASYNC(joiner) {
    EXEC_BEGIN;
    EXEC_TRY(exec_handle_join(&self->op, self->of));
    EXEC_END;
}

typedef struct { EXEC_FRAME; exec_group crew; } leader;
EXEC_ASYNC(leader) {
    EXEC_BEGIN;
    if (EXEC_GROUP_SPAWN(&self->crew, sleeper, .ns = EXEC_MS(700)) < 0) EXEC_RETURN(-ENOMEM);
    if (EXEC_GROUP_SPAWN(&self->crew, sleeper, .ns = EXEC_MS(70000)) < 0) EXEC_RETURN(-ENOMEM);
    EXEC_TRY(exec_group_join(&self->crew));
    EXEC_END;
}

typedef struct { EXEC_FRAME; leaf plain, other; wrap wrapped; int which; } odd;
EXEC_ASYNC(odd) {
    EXEC_BEGIN;
    if (self->which == 0) EXEC_AWAIT(leaf_wait(&self->plain, &plain_type));
    if (self->which == 1) EXEC_AWAIT(leaf_wait(&self->other, &read_type));
    if (self->which == 2) EXEC_AWAIT(wrap_wait(&self->wrapped));
    EXEC_END;
}

typedef struct { EXEC_FRAME; } busy;
EXEC_ASYNC(busy) {
    EXEC_BEGIN;
    for (;;) EXEC_YIELD;
    EXEC_END;
}

static FILE *out;
static const char *mode;

static void to_file(void *user, const char *line) { fprintf(user ? (FILE *)user : out, "%s\n", line); }

static void must(intptr_t status) {
    if (status >= 0) return;
    fprintf(stderr, "dump: %s\n", exec_strerror(status));
    exit(1);
}

static void die(exec *ex) {
    exec_dump(ex);
    fclose(out);
    if (strcmp(mode, "broken") == 0) ex->tasks[0].next->next->next->next = ex->tasks[0].next->next;
    abort();
}

typedef struct { EXEC_FRAME; } last;
EXEC_ASYNC(last) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_YIELD;
    if (strcmp(mode, "outside") != 0) die(cx->exec);
    EXEC_END;
}

static void spawn_all(exec *ex, exec_handle handles[4]) {
    static char name[300];
    exec_opts opts = { NULL, NULL, 0, &handles[0], "a reader", NULL };
    memset(name, 'n', sizeof name - 1);
    must(EXEC_SPAWN(ex, &opts, reader, .fd = descriptors[0]));
    opts.handle = &handles[1];
    opts.name = NULL;
    must(EXEC_SPAWN(ex, &opts, sleeper, .ns = EXEC_SEC(3)));
    exec_handle_copy(&handles[2], &handles[1]);
    opts.handle = &handles[3];
    opts.name = name;
    must(EXEC_SPAWN(ex, &opts, chooser));
    must(EXEC_SPAWN(ex, NULL, joiner, .of = &handles[0]));
    must(EXEC_SPAWN(ex, NULL, joiner, .of = &handles[1]));
    must(EXEC_SPAWN(ex, NULL, leader));
    for (int which = 0; which < 3; which++) must(EXEC_SPAWN(ex, NULL, odd, .which = which));
    must(EXEC_SPAWN(ex, NULL, busy));
    must(EXEC_SPAWN(ex, NULL, last));
}

int main(int argc, char **argv) {
    exec_config config;
    exec_handle handles[4];
    exec_net net;
    exec *ex = (exec *)malloc(sizeof *ex);
    char text[4096];
    if (argc != 3 || !ex || !(out = fopen(argv[1], "w")) || pipe(descriptors) < 0) return 1;
    mode = argv[2];
    if (strcmp(mode, "two") == 0) {
        snprintf(text, sizeof text, "%s.second", argv[1]);
        must(second_start(text));
    }
    while (write(descriptors[1], "12345", 5) < 0) {}
    memset(&config, 0, sizeof config);
    memset(handles, 0, sizeof handles);
    config.virtual_clock = 1;
    config.log = to_file;
    must(exec_init(ex, &config));
    must(exec_net_attach(&net, ex, NULL));
    must(exec_clock_advance(ex, EXEC_SEC(1000)));
    spawn_all(ex, handles);
    must(exec_turn(ex));
    must(exec_clock_advance(ex, EXEC_MS(5)));
    must(exec_handle_abort(&handles[1]));
    must(exec_turn(ex));
    must(exec_turn(ex));
    die(ex);
}
