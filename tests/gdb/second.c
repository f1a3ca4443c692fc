/* SPDX-License-Identifier: MIT */
#define EXEC_STATIC
#include "../../exec_timer.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include "second.h"

static FILE *out;
static sem_t dumped;

static void to_file(void *user, const char *line) {
    (void)user;
    fprintf(out, "%s\n", line);
}

typedef struct { EXEC_FRAME; exec_oneshot_op op; exec_oneshot *from; } waiter;
EXEC_ASYNC(waiter) {
    EXEC_BEGIN;
    EXEC_TRY(exec_oneshot_recv(&self->op, self->from));
    EXEC_END;
}

typedef struct { EXEC_FRAME; } reporter;
EXEC_ASYNC(reporter) {
    EXEC_BEGIN;
    EXEC_END;
}

/* On the thread that runs the executor: from now on it is found there. */
static void runs(exec *ex, void *arg) {
    (void)ex; (void)arg;
    sem_post(&dumped);
}

static void *run(void *unused) {
    exec_config config;
    exec_oneshot never;
    exec_timers timers;
    exec_remote remote;
    exec_post told;
    exec ex;
    (void)unused;
    memset(&told, 0, sizeof told);
    memset(&config, 0, sizeof config);
    config.log = to_file;
    exec_oneshot_init(&never);
    if (exec_init(&ex, &config) < 0 || exec_timers_attach(&timers, &ex) < 0) return NULL;
    if (EXEC_SPAWN(&ex, NULL, waiter, .from = &never) < 0 || EXEC_SPAWN(&ex, NULL, reporter) < 0) return NULL;
    exec_turn(&ex);
    exec_dump(&ex);
    fclose(out);
    if (exec_remote_get(&ex, &remote) < 0 || exec_remote_post(&remote, &told, runs, NULL) < 0) return NULL;
    exec_remote_drop(&remote);
    exec_run(&ex);
    return NULL;
}

int second_start(const char *file) {
    pthread_t thread;
    if (!(out = fopen(file, "w")) || sem_init(&dumped, 0, 0) < 0) return -errno;
    if (pthread_create(&thread, NULL, run, NULL) != 0) return -EAGAIN;
    return sem_wait(&dumped) < 0 ? -errno : 0;
}
