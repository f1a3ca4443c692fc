/* SPDX-License-Identifier: MIT
 * Where a test's unix sockets listen, one or two: names without a file, or with EXEC_POSIX_ONLY files, each of which
 * is gone at the next call for it and at the end of the program. After exec_net.h. */
#ifndef UNIX_ADDRESS_H
#define UNIX_ADDRESS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char unix_paths[2][64];
static inline void unix_unlink(void) {
    for (int i = 0; i < 2; i++) if (unix_paths[i][0]) unlink(unix_paths[i] + strlen("unix:"));
}

static inline const char *unix_address(int i) {
    if (!EXEC_POSIX_ONLY) return "unix:@";
    if (!unix_paths[0][0] && !unix_paths[1][0] && atexit(unix_unlink) != 0) abort();
    snprintf(unix_paths[i], sizeof unix_paths[i], "unix:/tmp/exec-test-%d-%d", (int)getpid(), i);
    unlink(unix_paths[i] + strlen("unix:"));
    return unix_paths[i];
}
#endif
