/* SPDX-License-Identifier: MIT
 * expect: error.*exec_net.h: the io_uring backend is not built yet
 * with: gcc -std=c11 -DEXEC_BACKEND=EXEC_BACKEND_URING
 * with: clang -std=c11 -DEXEC_BACKEND=EXEC_BACKEND_URING
 * A backend that does not exist is an error that says so, and what to choose. */
#ifdef RIGHT
#undef EXEC_BACKEND
#define EXEC_BACKEND EXEC_BACKEND_EPOLL
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
