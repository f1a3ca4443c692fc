/* SPDX-License-Identifier: MIT
 * expect: the_first_member_is_EXEC_FRAME_in_work
 * with: gcc -std=c11
 * with: clang -std=c11
 * EXEC_FRAME is the first member of a frame. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include "fail.h"

#ifdef RIGHT
typedef struct { EXEC_FRAME; int before; } work;
#else
typedef struct { int before; EXEC_FRAME; } work;
#endif
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    self->before = 1;
    EXEC_END;
}
RUN_WORK;
