/* SPDX-License-Identifier: MIT
 * What each private copy of the library (first.c, second.c) does for the host program. */
#ifndef COPIES_H
#define COPIES_H

/* An executor of its own on the calling thread. 0 or a negated errno. */
typedef struct copy {
    int (*open)(void);
    int (*start_child)(const char *script);         /* a task awaits it */
    int (*child_result)(void);                      /* -EAGAIN while it runs */
    int (*await_signal)(int signo);                 /* a task does */
    int (*signal_result)(void);                     /* -EAGAIN until it came */
    int (*release)(int signo);
    int (*turn)(void);
    int (*close)(void);
} copy;
extern const copy first_copy, second_copy;
#endif
