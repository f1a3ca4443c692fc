/* SPDX-License-Identifier: MIT
 * runs
 * expect: await inside a switch of yours cannot resume
 * with: gcc -std=c11
 * with: clang -std=c11
 * with: tcc -DEXEC_NO_THREADS=1
 * In the ISO form it fails when it should resume; with labels as values it is right. (tcc has only
 * the ISO form here: there the right form uses if.) */
#ifndef RIGHT
#define EXEC_LC_SWITCH 1
#endif
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

typedef struct { EXEC_FRAME; int kind; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
#if defined RIGHT && EXEC_LC_SWITCH
    if (self->kind == 0) EXEC_YIELD;
#else
    switch (self->kind) {
    case 0: EXEC_YIELD; break;
    default: break;
    }
#endif
    EXEC_END;
}
RUN_WORK;
