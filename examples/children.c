/* SPDX-License-Identifier: MIT */
/* cc -O2 -o children examples/children.c && ./children -j 2 -t 5 'sleep 1' 'sleep 9' false
 * Runs shell commands, so many at a time: the arguments, or the lines of stdin, which is read as they are begun.
 * Ends those over the time limit, and all of them at SIGINT and SIGTERM: the shell and what it started. */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { char text[16384]; } line;                  /* of stdin, with a zero at its end */
static int64_t limit; static int failed, nothing;           /* nothing: /dev/null */

typedef struct {
    EXEC_FRAME; const char *command; line input; exec_child child; exec_child_op end; exec_timeout_op late, grace;
} job;

static void signal_all(exec_child *child, int signo) {      /* while it was not waited for, the number is its own */
    if (exec_child_kill(child, 0) == 0) (void)kill(-child->pid, signo);
}

EXEC_ASYNC(job) {
    EXEC_BEGIN;
    const char *argv[] = { "sh", "-c", self->command ? self->command : (self->command = self->input.text), NULL };
    int status = exec_child_start(cx->exec, &self->child, argv, &(exec_child_opts){ .in = nothing, .own_group = 1 });
    if (status < 0) EXEC_RETURN(status);                    /* ends the others too */
    EXEC_AWAIT(exec_timeout(&self->late, exec_child_wait(&self->end, &self->child), limit));
    EXEC_FINALLY;                                           /* also late or cancelled: it has a second to end */
    signal_all(&self->child, SIGTERM);
    EXEC_AWAIT(exec_timeout(&self->grace, exec_child_wait(&self->end, &self->child), EXEC_SEC(1)));
    signal_all(&self->child, SIGKILL);
    EXEC_AWAIT(exec_child_wait(&self->end, &self->child));
    if (EXEC_RESULT(&self->end) != 0 || self->late.expired) failed = 1;
    if (EXEC_RESULT(&self->end) >= 0)
        printf("%d %s%s\n", (int)EXEC_RESULT(&self->end), self->command,
               self->late.expired ? " (time limit)" : ""), fflush(stdout);
    EXEC_END;
}

typedef struct {        /* `at` and `have` are of `buf`; `length` is of the line, as far as it has come */
    EXEC_FRAME; char **argv; exec_group crew; exec_io io; int over; size_t at, have, length; char buf[4096]; line input;
} feeder;

/* Takes what was read, up to the end of a line that is a command: is there one? An empty line is none. */
static int take_command(feeder *self) {
    while (self->at < self->have) {
        size_t n = self->length, room = sizeof self->input;
        char c = self->buf[self->at++];
        if (n < room) self->input.text[n] = c == '\n' ? 0 : c;
        self->length = c == '\n' ? 0 : c ? n + 1 : room;
        if (c == '\n' && n > 0 && n < room) return 1;
        if (c == '\n' && n > 0) failed = 1, fprintf(stderr, "children: not run, as it has more than %zu bytes, or a "
                                                   "zero: %.40s...\n", room - 1, self->input.text);
    }
    return 0;
}

EXEC_ASYNC(feeder) {
    EXEC_BEGIN;
    for (self->over = *self->argv != NULL; *self->argv; self->argv++) {
        EXEC_TRY(exec_group_room(&self->crew));
        EXEC_GROUP_SPAWN(&self->crew, job, .command = *self->argv);
    }
    while (!self->over) {
        EXEC_TRY(exec_read(&self->io, 0, self->buf, sizeof self->buf));
        self->at = 0, self->have = (size_t)EXEC_RESULT(&self->io);
        if (!self->have) self->buf[self->have++] = '\n', self->over = 1;    /* the last line may lack its end */
        while (take_command(self)) {
            EXEC_TRY(exec_group_room(&self->crew));
            EXEC_GROUP_SPAWN(&self->crew, job, .input = self->input);
        }
    }
    EXEC_TRY(exec_group_join(&self->crew));
    EXEC_END;
}

static int parse_number(const char *s) {                    /* 0: not a whole number, or too large */
    return strspn(s, "0123456789") == strlen(s) && strlen(s) < 10 ? atoi(s) : 0;
}

int main(int argc, char **argv) {
    exec ex; exec_net net; feeder feed; exec_select_op first; exec_signal_op s[2]; int status, jobs = 4, seconds = 0;
    for (; argc > 2 && (!strcmp(argv[1], "-j") || !strcmp(argv[1], "-t")); argc -= 2, argv += 2)
        if (!(*(argv[1][1] == 'j' ? &jobs : &seconds) = parse_number(argv[2]))) break;
    if (argc > 1 && *argv[1] == '-') {
        int asked = argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
        fprintf(asked ? stdout : stderr, "usage: children [-j 4] [-t SECONDS] [COMMAND...]    or lines of stdin;"
                " -j and -t: at least 1\n");
        return asked ? 0 : 2;
    }
    limit = seconds ? EXEC_SEC(seconds) : EXEC_NEVER;
    nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if ((status = exec_init(&ex, NULL)) == 0 && (status = exec_net_attach(&net, &ex, NULL)) == 0) {
        exec_future *f = EXEC_CALL(&feed, feeder, .argv = argv + 1, .crew.limit = (unsigned)jobs);
        status = exec_run_until(&ex, exec_select(&first, f, exec_signal(&s[0], SIGTERM), exec_signal(&s[1], SIGINT)));
        if (status == 0) status = first.winner ? -ECANCELED : (int)f->result;
        exec_destroy(&ex, EXEC_SEC(3));
    }
    const char *why = status == -ENOSYS ? "EXEC_POSIX_ONLY, or this kernel, has no children" : exec_strerror(status);
    return status < 0 ? fprintf(stderr, "children: %s\n", why), 1 : failed;
}
