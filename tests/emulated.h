/* SPDX-License-Identifier: MIT
 * The configurations of other processors (armhf, arm64, mipsel, riscv64, s390x) run the tests in qemu-user: not the
 * kernel but qemu answers the system calls, and a few of them less than Linux does. What it cannot do is
 * left out by name; tests/run sets EXEC_TEST_QEMU there and prints the names. */
#ifndef EMULATED_H
#define EMULATED_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static inline int under_qemu(void) { return getenv("EXEC_TEST_QEMU") != NULL; }

/* First in a test. */
static inline void not_under_qemu(const char *why) {
    if (!under_qemu()) return;
    printf("not under qemu-user: %s\n", why);
    skip();
}
#define QEMU_SURPLUS "it drops descriptors that there is no room for without MSG_CTRUNC, and keeps them open"
#define QEMU_SPAWN "its vfork is a fork, so posix_spawn(3) does not hear that the exec failed"

/* The error of a connect that is refused. qemu hands SO_ERROR on in the numbers of the machine that it runs on. */
static inline int refused_by_so_error(void) { return under_qemu() ? -111 : -ECONNREFUSED; }
#endif
