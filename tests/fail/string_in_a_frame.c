/* SPDX-License-Identifier: MIT
 * bare
 * expect: exec__a_frame_is_plain_data_as_work
 * with: g++ -std=c++17 -x c++
 * with: clang++ -std=c++17 -x c++
 * A frame is zeroed memory, in which nothing is constructed or destroyed. */
#define EXEC_IMPLEMENTATION
#include "../../exec.h"
#include <string>

typedef struct {
    EXEC_FRAME;
#ifdef RIGHT
    const char *name;
#else
    std::string name;
#endif
} work;
EXEC_ASYNC(work) {
    EXEC_BEGIN;
    EXEC_YIELD;
    EXEC_END;
}

int main() {
    exec ex;
    int status = exec_init(&ex, NULL);
    if (status == 0) status = EXEC_SPAWN(&ex, NULL, work);
    if (status == 0) status = exec_run(&ex);
    if (status == 0) status = exec_destroy(&ex, 0);
    return status < 0;
}
