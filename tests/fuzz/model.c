/* SPDX-License-Identifier: MIT
 * Bytes become a program and a script (programs.h), run by the executor and by the reference interpreter: equal
 * traces. clang -fsanitize=fuzzer; see run.d/fuzz.sh. */
struct exec_task;
static void polled(struct exec_task *task);
static void over(struct exec_task *task, long result);
#define EXEC_TRACE_POLL(task) polled(task)
#define EXEC_TRACE_END(task, result) over(task, (long)(result))
#define EXEC_IMPLEMENTATION
#define EXEC_TIMER_TICK_NS 1
#include "../../exec_timer.h"

#include <stdio.h>
#include <stdlib.h>
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define PROGRAM_BAD(text) (fprintf(stderr, "%s\n", text), abort())

static struct { const uint8_t *at; size_t left; } input;

/* A byte each; 0 when they are used up. */
static unsigned choice(unsigned n) {
    unsigned byte;
    if (!input.left) return 0;
    byte = *input.at++;
    input.left--;
    return n <= 256 ? byte % n : byte * (n / 256);
}

static const exec_opts *test_opts(void) { return NULL; }
static exec_opts test_opts_handle(exec_handle *handle) {
    exec_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.handle = handle;
    return opts;
}
#include "../programs.h"

static void polled(exec_task *t) { program_traced(E_POLL, t, 0); }
static void over(exec_task *t, long result) { program_traced(E_OVER, t, (int)result); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input.at = data;
    input.left = size;
    one_program();
    return 0;
}
