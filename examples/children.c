/* cc -O2 -o children examples/children.c && ./children -j 2 -t 5 'sleep 1' 'sleep 9' false
 * Runs shell commands, so many at a time, from the arguments or a line each from stdin; ends those over the
 * time limit; passes SIGINT and SIGTERM on to all and ends. */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <stdio.h>

static char *commands[4096 + 1], lines[65536];      /* to run, then NULL; room for those of stdin */
static char **next_command = commands;
static int64_t limit = EXEC_NEVER;
static int failed, stopping;

/* One of the jobs: takes the next command until none is left. */
typedef struct { EXEC_FRAME; char *command; exec_child child; exec_child_op end; exec_timeout_op late; } worker;

EXEC_ASYNC(worker) {
    EXEC_BEGIN;
    while (*next_command && !stopping) {
        const char *argv[] = { "sh", "-c", *next_command, NULL };
        int status = exec_child_start(cx->exec, &self->child, argv, NULL);
        self->command = *next_command++;
        if (status < 0) EXEC_RETURN(status);
        EXEC_AWAIT(exec_timeout(&self->late, exec_child_wait(&self->end, &self->child), limit));
        if (self->late.expired) {
            exec_child_kill(&self->child, SIGTERM);
            EXEC_AWAIT(exec_timeout(&self->late, exec_child_wait(&self->end, &self->child), EXEC_SEC(1)));
            if (self->late.expired) exec_child_kill(&self->child, SIGKILL);
            EXEC_AWAIT(exec_child_wait(&self->end, &self->child));
        }
        printf("%d %s\n", (int)EXEC_RESULT(&self->end), self->command), fflush(stdout);
        if (EXEC_RESULT(&self->end) != 0) failed = 1;
    }
    EXEC_FINALLY;                                   /* cancelled by `all`: the child has a second to end */
    exec_child_kill(&self->child, SIGTERM);
    EXEC_AWAIT(exec_timeout(&self->late, exec_child_wait(&self->end, &self->child), EXEC_SEC(1)));
    exec_child_kill(&self->child, SIGKILL);
    EXEC_AWAIT(exec_child_wait(&self->end, &self->child));
    EXEC_END;
}

typedef struct { EXEC_FRAME; int jobs; exec_group crew; exec_select_op first; exec_signal_op term, interrupt; } all;

EXEC_ASYNC(all) {
    EXEC_BEGIN;
    while (self->jobs-- > 0) EXEC_GROUP_SPAWN(&self->crew, worker);
    EXEC_TRY(exec_select(&self->first, exec_group_join(&self->crew), exec_signal(&self->term, SIGTERM),
                         exec_signal(&self->interrupt, SIGINT)));
    stopping = EXEC_RESULT(&self->first) > 0;       /* the loser, the join, has cancelled the crew */
    if (!stopping) EXEC_RETURN(EXEC_RESULT(&self->crew));
    EXEC_END;
}

/* The commands from stdin, a line each. */
static void read_commands(void) {
    size_t count = 0;
    lines[fread(lines, 1, sizeof lines - 1, stdin)] = 0;
    for (char *line = strtok(lines, "\n"); line && count < 4096; line = strtok(NULL, "\n")) commands[count++] = line;
}

int main(int argc, char **argv) {
    exec ex;
    exec_net net;
    int status, jobs = 4, seconds = 0;
    for (; argc > 2 && argv[1][0] == '-' && strchr("jt", argv[1][1]); argc -= 2, argv += 2) {
        *(argv[1][1] == 'j' ? &jobs : &seconds) = atoi(argv[2]);
    }
    if ((argc > 1 && argv[1][0] == '-') || jobs < 1 || seconds < 0) {
        int asked = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        fprintf(asked ? stdout : stderr, "usage: children [-j N] [-t SECONDS] [COMMAND...]    (or lines of stdin)\n");
        return !asked;
    }
    if (seconds) limit = EXEC_SEC(seconds);
    if (argc > 1) next_command = argv + 1;
    else read_commands();
    if ((status = exec_init(&ex, NULL)) == 0 && (status = exec_net_attach(&net, &ex, NULL)) == 0
        && (status = EXEC_SPAWN(&ex, NULL, all, .jobs = jobs)) == 0) status = exec_run(&ex);
    exec_destroy(&ex, EXEC_SEC(3));
    if (status < 0) fprintf(stderr, "children: %s\n", exec_strerror(status));
    return status < 0 || failed || stopping;
}
