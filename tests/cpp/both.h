/* SPDX-License-Identifier: MIT
 * Coroutines that a C file and a C++ file share. Each is defined in one of them and used in the other.
 * The implementation is in main.c, or with IMPLEMENTATION_IN_CPP in coroutines.cpp. */
#ifndef BOTH_H
#define BOTH_H

#include "../../exec_net.h"

typedef struct { EXEC_FRAME; int from; int *cleanups; } cpp_count;     /* in coroutines.cpp */
EXEC_ASYNC_DECLARE(cpp_count);

typedef struct { EXEC_FRAME; int value; } c_double;                    /* in main.c */
EXEC_ASYNC_DECLARE(c_double);

typedef struct { EXEC_FRAME; int value; c_double child; } cpp_calls_c; /* in coroutines.cpp */
EXEC_ASYNC_DECLARE(cpp_calls_c);

/* Sleeps; a limit ends its second sleep. In coroutines.cpp. */
typedef struct { EXEC_FRAME; exec_sleep_op nap; exec_timeout_op limit; } cpp_naps;
EXEC_ASYNC_DECLARE(cpp_naps);

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
