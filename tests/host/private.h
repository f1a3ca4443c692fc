/* SPDX-License-Identifier: MIT
 * The body of first.c and second.c, which say COPY. */
#define EXEC_STATIC
#include "../../exec_net.h"
#include "copies.h"

static exec ex;
static exec_net net;
static exec_child child;
static exec_handle child_task, signal_task;

typedef struct { EXEC_FRAME; exec_child_op op; } parent;
EXEC_ASYNC(parent) {
    EXEC_BEGIN;
    EXEC_TRY(exec_child_wait(&self->op, &child));
    EXEC_RETURN(EXEC_RESULT(&self->op));
    EXEC_END;
}

typedef struct { EXEC_FRAME; int signo; exec_signal_op op; } listener;
EXEC_ASYNC(listener) {
    EXEC_BEGIN;
    EXEC_TRY(exec_signal(&self->op, self->signo));
    EXEC_RETURN(EXEC_RESULT(&self->op));
    EXEC_END;
}

static int open_copy(void) {
    int status = exec_init(&ex, NULL);
    return status < 0 ? status : exec_net_attach(&net, &ex, NULL);
}
static int start_child(const char *script) {
    const char *argv[] = { "sh", "-c", script, NULL };
    exec_opts opts = { .handle = &child_task };
    int status = exec_child_start(&ex, &child, argv, NULL);
    return status < 0 ? status : EXEC_SPAWN(&ex, &opts, parent);
}
static int child_result(void) { return (int)exec_handle_result(&child_task); }
static int await_signal(int signo) {
    exec_opts opts = { .handle = &signal_task };
    int status = EXEC_SPAWN(&ex, &opts, listener, .signo = signo);
    return status < 0 ? status : exec_turn(&ex) < 0;
}
static int signal_result(void) { return (int)exec_handle_result(&signal_task); }
static int release(int signo) { return exec_signal_release(&ex, signo); }
static int turn(void) {
    int status = exec_turn(&ex);
    return status < 0 ? status : 0;
}
static int close_copy(void) { return exec_destroy(&ex, EXEC_SEC(1)); }

const copy COPY = { open_copy, start_child, child_result, await_signal, signal_result, release, turn, close_copy };
