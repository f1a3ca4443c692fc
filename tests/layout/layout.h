/* SPDX-License-Identifier: MIT
 * What both files include: the library with the most parts that is there. */
#if __has_include("../../exec_net.h")
#include "../../exec_net.h"
#elif __has_include("../../exec_timer.h")
#include "../../exec_timer.h"
#else
#include "../../exec.h"
#endif

typedef struct { EXEC_FRAME; int left; } work;
