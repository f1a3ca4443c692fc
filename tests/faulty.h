/* SPDX-License-Identifier: MIT
 * System calls that are counted, and fail when a test says so. Before it comes the list of them, behind it
 * what replaces each, and then test.h:
 *     enum { CALL_NONE, CALL_READ, CALL_CLOSE, CALLS };
 *     #include "faulty.h"
 *     #define EXEC_SYS_READ(...) (faulty(CALL_READ) ? -1 : read(__VA_ARGS__))
 *     #define EXEC_SYS_CLOSE(fd) faulty_close(CALL_CLOSE, fd) */
#ifndef FAULTY_H
#define FAULTY_H

#include <errno.h>
#include <unistd.h>

static unsigned calls[CALLS];
typedef struct fault_of { int call, error; unsigned skip, times; } fault_of;
static fault_of fault, second_fault;    /* of another call, while the first one lasts or after it */

static inline int is_due(fault_of *f, int call) {
    if (f->call != call || !f->times) return 0;
    if (f->skip) {
        f->skip--;
        return 0;
    }
    f->times--;
    errno = f->error;
    return 1;
}
static inline int faulty(int call) {
    calls[call]++;
    return is_due(&fault, call) || is_due(&second_fault, call);
}
static inline unsigned all_calls(void) {
    unsigned sum = 0;
    for (int i = 0; i < CALLS; i++) sum += calls[i];
    return sum;
}
/* The call fails `times` times, after `skip` that do not. */
static inline void fail_call(int call, int error, unsigned skip, unsigned times) {
    fault.call = call;
    fault.error = error;
    fault.skip = skip;
    fault.times = times;
}
/* What Linux does: the descriptor is gone, whatever it says. */
static inline int faulty_close(int call, int fd) {
    int failed = faulty(call), error = errno;
    int status = close(fd);
    if (failed) errno = error;
    return failed ? -1 : status;
}
#endif
