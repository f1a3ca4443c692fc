/* SPDX-License-Identifier: MIT
 * expect: error.*exec.h: EXEC_DEBUG is made of the words that EXEC_SMALL leaves out: choose one
 * with: gcc -std=c11 -DEXEC_SMALL=1 -DEXEC_DEBUG=1
 * with: clang -std=c11 -DEXEC_SMALL=1 -DEXEC_DEBUG=1
 * What a debug build refuses it tells in words. */
#ifdef RIGHT
#undef EXEC_DEBUG
#define EXEC_DEBUG 0
#endif
#define EXEC_IMPLEMENTATION
#include "../../exec.h"

int main(void) {
    exec ex;
    return exec_init(&ex, NULL) < 0 || exec_destroy(&ex, 0) < 0;
}
