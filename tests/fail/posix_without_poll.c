/* SPDX-License-Identifier: MIT
 * expect: error.*exec_net.h: POSIX has no epoll: compile EXEC_POSIX_ONLY with EXEC_BACKEND_POLL
 * with: gcc -std=c11 -DEXEC_POSIX_ONLY=1 -DEXEC_BACKEND=EXEC_BACKEND_EPOLL
 * with: clang -std=c11 -DEXEC_POSIX_ONLY=1 -DEXEC_BACKEND=EXEC_BACKEND_EPOLL
 * EXEC_POSIX_ONLY and a backend of Linux exclude each other. */
#ifdef RIGHT
#undef EXEC_BACKEND
#define EXEC_BACKEND EXEC_BACKEND_POLL
#endif
#define EXEC_IMPLEMENTATION
#include "../../exec_net.h"
#include "fail.h"

typedef struct { EXEC_FRAME; } work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_END;
}
RUN_WORK;
