/* SPDX-License-Identifier: MIT
 * Coroutines that a C file and a C++ file share. Each is defined in one of them and used in the other. */
#ifndef BOTH_H
#define BOTH_H

#include "../../exec.h"

typedef struct { EXEC_FRAME; int from; int *cleanups; } cpp_count;     /* in coroutines.cpp */
EXEC_ASYNC_DECLARE(cpp_count);

typedef struct { EXEC_FRAME; int value; } c_double;                    /* in main.c */
EXEC_ASYNC_DECLARE(c_double);

typedef struct { EXEC_FRAME; int value; c_double child; } cpp_calls_c; /* in coroutines.cpp */
EXEC_ASYNC_DECLARE(cpp_calls_c);

#ifdef __cplusplus
extern "C" {
#endif
/* Every statement macro once, in C++: the result of the task that used them. */
intptr_t cpp_uses_every_macro(exec *ex);
/* Spawns cpp_count from C++. */
int cpp_spawn(exec *ex, const exec_opts *opts, int from, int *cleanups);
#ifdef __cplusplus
}
#endif
#endif
