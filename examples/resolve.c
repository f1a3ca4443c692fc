/* SPDX-License-Identifier: MIT */
/* cc -O2 -pthread -o resolve examples/resolve.c && ./resolve localhost:22 example.org:443
 * Who answers? Looks names up side by side and tries the addresses of each, one after the other, until one takes the
 * connection. getaddrinfo(3) blocks, so it has a thread of its own for each name. What that works on is no part of a
 * frame, and belongs to the thread until it is sent: the time limit does not wait for the thread. */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#if EXEC_NO_THREADS || EXEC_NO_MALLOC
#error "resolve.c has threads and a heap: compile it without EXEC_NO_THREADS and EXEC_NO_MALLOC"
#endif
#include <ctype.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

typedef struct { char host[256], port[32]; } endpoint;
typedef struct { exec_oneshot *answer; endpoint name; struct addrinfo *found; int error, system; } lookup;

static void forget(lookup *l) {
    if (l && l->found) freeaddrinfo(l->found);
    free(l);
}

static void *look_up(void *arg) {                       /* the thread */
    lookup *l = (lookup *)arg;
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    l->error = getaddrinfo(l->name.host, l->name.port, &hints, &l->found);
    l->system = l->error == EAI_SYSTEM ? -errno : -ENODATA;
    if (exec_oneshot_send(l->answer, (intptr_t)l) < 0) forget(l);       /* it was given up */
    return NULL;
}

/* 0, and the receiver's end in *answer; or a negative errno. */
static int begin_lookup(exec *ex, const endpoint *name, exec_oneshot **answer) {
    pthread_t thread;
    int status = -ENOMEM;
    lookup *l = (lookup *)calloc(1, sizeof *l);
    if (!l || exec_oneshot_create(ex, &l->answer) < 0) goto none;
    l->name = *name;
    *answer = l->answer;
    if ((status = -pthread_create(&thread, NULL, look_up, l)) == 0) return -pthread_detach(thread);
    exec_oneshot_abandon(l->answer);
none:
    forget(l);
    return status;
}

/* Looks a name up. What is found is the caller's to forget, also after an error or a cancel. */
typedef struct { EXEC_FRAME; const endpoint *name; exec_oneshot *answer; exec_oneshot_op op; lookup *found; } resolve;

EXEC_ASYNC(resolve) {
    intptr_t value;
    int status;
    EXEC_BEGIN;
    if ((status = begin_lookup(cx->exec, self->name, &self->answer)) < 0) EXEC_RETURN(status);
    EXEC_TRY(exec_oneshot_recv(&self->op, self->answer));
    EXEC_FINALLY;
    if (self->answer && exec_oneshot_close(self->answer, &value)) self->found = (lookup *)value;
    EXEC_END;
}

/* Connects to the first address of a name that takes it, which is in `address` then. */
typedef struct {
    EXEC_FRAME; const endpoint *name; resolve names; const struct addrinfo *next; exec_io io; exec_timeout_op each;
    char address[EXEC_ADDRESS_BYTES]; intptr_t status; int error;       /* for gai_strerror(3) */
} reach;

static int as_text(const struct addrinfo *a, char *text, size_t bytes) {
    exec_address address = { .size = a->ai_addrlen };
    if (address.size > sizeof address.bytes) return -EAFNOSUPPORT;
    memcpy(address.bytes, a->ai_addr, address.size);
    return exec_address_text(&address, text, bytes);
}

EXEC_ASYNC(reach) {
    EXEC_BEGIN;
    EXEC_TRY(EXEC_CALL(&self->names, resolve, .name = self->name));
    if (self->names.found->error) EXEC_RETURN(self->names.found->system);
    for (self->next = self->names.found->found; self->next; self->next = self->next->ai_next) {
        if ((self->status = as_text(self->next, self->address, sizeof self->address)) < 0) continue;
        EXEC_AWAIT(exec_timeout(&self->each, exec_connect(&self->io, self->address, NULL), EXEC_SEC(2)));
        if ((self->status = EXEC_RESULT(&self->each)) < 0) continue;
        exec_close_fd(cx->exec, (int)self->status);
        EXEC_RETURN(0);
    }
    EXEC_RETURN(self->status);                          /* of the last one */
    EXEC_FINALLY;
    if (self->names.found) self->error = self->names.found->error;
    forget(self->names.found);
    EXEC_END;
}

typedef struct {
    EXEC_FRAME; const char *text; int64_t limit, began; endpoint name; reach job; exec_timeout_op late;
} report;
static int failed;

/* "name:80", "127.0.0.1:http", "[::1]:80"; getaddrinfo(3) would take any number. */
static int parse(const char *text, endpoint *n) {
    const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : "";
    size_t digits = strspn(port, "0123456789"), bracket, length;
    int number = digits && digits < 6 ? atoi(port) : 0;
    if (port[digits] ? !isalpha((unsigned char)*port) : number < 1 || number > 65535) return -EINVAL;
    bracket = *text == '[' && colon[-1] == ']';
    length = (size_t)(colon - text) - 2 * bracket;
    if (length == 0 || length >= sizeof n->host || strlen(port) >= sizeof n->port) return -EINVAL;
    memcpy(n->host, text + bracket, length);
    n->host[length] = 0;
    strcpy(n->port, port);
    return 0;
}

EXEC_ASYNC(report) {
    EXEC_BEGIN;
    parse(self->text, &self->name);                     /* main has tried */
    self->began = exec_now(cx->exec);
    EXEC_AWAIT(exec_timeout(&self->late, EXEC_CALL(&self->job, reach, .name = &self->name), self->limit));
    int error = self->job.error;
    if (EXEC_RESULT(&self->late) < 0) failed = 1;       /* no result: it would cancel the others */
    printf("%s %s, %.1f ms\n", self->text, EXEC_RESULT(&self->late) >= 0 ? self->job.address :
           error && error != EAI_SYSTEM ? gai_strerror(error) : exec_strerror(EXEC_RESULT(&self->late)),
           (double)(exec_now(cx->exec) - self->began) / 1e6);
    fflush(stdout);
    EXEC_END;
}

typedef struct { EXEC_FRAME; char **names; int64_t limit; exec_group crew; } reporter;

EXEC_ASYNC(reporter) {
    EXEC_BEGIN;
    for (; *self->names; self->names++) {
        EXEC_TRY(exec_group_room(&self->crew));         /* so many threads at once, but for those given up */
        EXEC_GROUP_SPAWN(&self->crew, report, .text = *self->names, .limit = self->limit);
    }
    EXEC_TRY(exec_group_join(&self->crew));
    EXEC_END;
}

int main(int argc, char **argv) {
    exec ex; exec_net net; reporter all; endpoint n; int status, seconds = 10, right = 1;
    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        size_t digits = strspn(argv[2], "0123456789");
        seconds = digits < 10 && !argv[2][digits] ? atoi(argv[2]) : 0;
        argc -= 2, argv += 2;
    }
    for (int i = 1; i < argc; i++) right = right && *argv[i] != '-' && parse(argv[i], &n) == 0;
    if (argc < 2 || !right || seconds < 1) {
        int asked = argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
        fprintf(asked ? stdout : stderr, "usage: resolve [-t SECONDS] NAME:PORT...    who answers there; the time for"
                " each: 10, at least 1; [::1]:PORT\n");
        return asked ? 0 : 2;
    }
    if ((status = exec_init(&ex, NULL)) == 0 && (status = exec_net_attach(&net, &ex, NULL)) == 0) {
        exec_future *f = EXEC_CALL(&all, reporter, .names = argv + 1, .limit = EXEC_SEC(seconds), .crew.limit = 16);
        if ((status = exec_run_until(&ex, f)) == 0) status = (int)f->result;
        exec_destroy(&ex, EXEC_SEC(1));
    }
    return status < 0 ? fprintf(stderr, "resolve: %s\n", exec_strerror(status)), 1 : failed;
}
