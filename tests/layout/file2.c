/* SPDX-License-Identifier: MIT
 * The other file. */
#include "layout.h"

EXEC_ASYNC_DEFINE(work) {
    EXEC_BEGIN;
    for (; self->left > 0; self->left--) EXEC_YIELD;
    EXEC_END;
}
