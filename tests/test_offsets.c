/* SPDX-License-Identifier: MIT
 * Files where off_t may have 32 bits: a system header came first, without _GNU_SOURCE, and the C library's calls with
 * 64-bit offsets are hidden. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { CALL_NONE, CALLS };
#include "faulty.h"

#define TEST_HEADER "../exec_net.h"
#include "test.h"
#include "leaves.h"
#include "reactor.h"
#include "awaits.h"

/* An offset that does not fit is refused, not cut; by sendfile, and by what stands for it to a socket that blocks. */
static void an_offset_is_refused_or_exact(void **state) {
    static const int64_t far = INT64_C(5) << 30;
    intptr_t of_far = EXEC_POSIX_ONLY ? -ENOSYS : sizeof(off_t) < sizeof far ? -EOVERFLOW : 0;
    intptr_t of_near = EXEC_POSIX_ONLY ? -ENOSYS : 4;
    FILE *file = tmpfile();
    exec_sendfile_op op;
    (void)state;
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), 1 << 20), 0);
    for (int type = SOCK_STREAM | SOCK_NONBLOCK, i = 0; i < 2; type = SOCK_STREAM, i++) {
        int ends[2];
        begin();
        assert_int_equal(socketpair(AF_UNIX, type, 0, ends), 0);
        assert_int_equal(run(exec_sendfile(&op, ends[1], fileno(file), far, 10)), of_far);
        assert_int_equal(op.io.done, 0);
        assert_int_equal(run(exec_sendfile(&op, ends[1], fileno(file), (1 << 20) - 4, 10)), of_near);
        assert_int_equal(exec_close_fd(&ex, ends[0]), 0);
        assert_int_equal(exec_close_fd(&ex, ends[1]), 0);
        end();
    }
    fclose(file);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_offset_is_refused_or_exact),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
