/* SPDX-License-Identifier: MIT
 * The sizes of the types as those of symbols: tools/size reads them with nm, so nothing has to run. The
 * smallest wheel stands in structs_small.c. */
#include "../../exec_net.h"

#define SIZE_OF(name, bytes) char size_of_##name[bytes] = { 1 }

typedef struct { EXEC_FRAME; } empty;
typedef struct { EXEC_FRAME; int fd; exec_io io; } connection;      /* as in the README, but for its buffer */

SIZE_OF(future, sizeof(exec_future));
SIZE_OF(strand, sizeof(exec_strand));
SIZE_OF(task, sizeof(exec_task));
SIZE_OF(idle_task, sizeof(EXEC_SLOT(empty)));
SIZE_OF(idle_connection, sizeof(exec_task) + sizeof(connection) + sizeof(exec_fd_slot));
SIZE_OF(handle, sizeof(exec_handle));
SIZE_OF(group, sizeof(exec_group));
SIZE_OF(cell, sizeof(exec_cell));
SIZE_OF(port, sizeof(exec_port));
SIZE_OF(executor, sizeof(exec));
SIZE_OF(timer, sizeof(exec_timer));
SIZE_OF(sleep_op, sizeof(exec_sleep_op));
SIZE_OF(timeout_op, sizeof(exec_timeout_op));
SIZE_OF(select_op, sizeof(exec_select_op));
SIZE_OF(wheel, sizeof(exec_timers));
SIZE_OF(io, sizeof(exec_io));
SIZE_OF(fd_slot, sizeof(exec_fd_slot));
SIZE_OF(net, sizeof(exec_net));
