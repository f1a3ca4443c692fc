/* SPDX-License-Identifier: MIT */
/* cc -O2 -pthread -o resolve examples/resolve.c && ./resolve localhost:22 example.org:443
 * Who answers? Looks names up side by side and tries the addresses of each until one takes the connection.
 * getaddrinfo(3) blocks, so it has a thread of its own for each name; what it works on belongs to that thread until
 * it is posted back, never to a frame: the time limit does not wait for the thread. */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

typedef struct lookup lookup;

/* The answer is the caller's: freeaddrinfo(found), also if this was cancelled. `error` is one of gai_strerror(3). */
typedef struct {
    EXEC_FRAME; const char *host, *port; lookup *asked; struct addrinfo *found; int error;
    exec_waker waker;                                   /* while there is one, nobody calls this wait a deadlock */
} resolve;

struct lookup {
    exec_post done; exec_remote home;
    resolve *asker;                                     /* NULL: has given up; the owner's thread alone looks at it */
    struct addrinfo *found; int error; char host[256], port[32];
};

static void forget(lookup *l) {
    if (l->found) freeaddrinfo(l->found);
    free(l);
}

static void answered(exec *ex, void *arg) {             /* on the executor's thread; ex is NULL if it has gone */
    lookup *l = (lookup *)arg;
    (void)ex;
    if (l->asker) {
        l->asker->error = l->error;
        l->asker->found = l->found;
        l->asker->asked = NULL;
        exec_waker_wake(&l->asker->waker);
        l->found = NULL;
    }
    forget(l);
}

static void *look_up(void *arg) {                       /* the thread */
    lookup *l = (lookup *)arg;
    exec_remote home = l->home;                         /* ours, while the post may have freed *l */
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    l->error = getaddrinfo(l->host, l->port, &hints, &l->found);
    if (exec_remote_post(&home, &l->done, answered, l) < 0) forget(l);      /* the executor is gone */
    exec_remote_drop(&home);
    return NULL;
}

static int begin_lookup(exec *ex, resolve *self) {
    pthread_t thread;
    int status;
    lookup *l = (lookup *)calloc(1, sizeof *l);
    if (!l) return -ENOMEM;
    snprintf(l->host, sizeof l->host, "%s", self->host);
    snprintf(l->port, sizeof l->port, "%s", self->port);
    l->asker = self;
    if ((status = exec_remote_get(ex, &l->home)) == 0 && (status = -pthread_create(&thread, NULL, look_up, l)) == 0) {
        pthread_detach(thread);
        self->asked = l;
        return 0;
    }
    exec_remote_drop(&l->home);
    forget(l);
    return status;
}

EXEC_ASYNC(resolve) {
    int status;
    EXEC_BEGIN;
    if ((status = exec_waker_get(cx, &self->waker)) < 0) EXEC_RETURN(status);
    if ((status = begin_lookup(cx->exec, self)) < 0) EXEC_RETURN(status);
    EXEC_WAIT_UNTIL(!self->asked);
    if (self->error) EXEC_RETURN(-ENODATA);
    EXEC_FINALLY;
    if (self->asked) self->asked->asker = NULL;         /* the answer finds nobody, and is forgotten */
    exec_waker_drop(&self->waker);
    EXEC_END;
}

typedef struct {
    EXEC_FRAME; const char *host, *port; resolve names; const struct addrinfo *next; char address[EXEC_ADDRESS_BYTES];
    exec_io io; int status;
} reach;

/* As exec_connect takes it. */
static int numeric(const struct addrinfo *a, char *text, size_t bytes) {
    char host[64], port[8];
    if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
        return -EAFNOSUPPORT;
    snprintf(text, bytes, a->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

EXEC_ASYNC(reach) {
    EXEC_BEGIN;
    EXEC_TRY(EXEC_CALL(&self->names, resolve, .host = self->host, .port = self->port));
    for (self->next = self->names.found; self->next; self->next = self->next->ai_next) {
        if ((self->status = numeric(self->next, self->address, sizeof self->address)) < 0) continue;
        EXEC_AWAIT(exec_connect(&self->io, self->address, NULL));
        self->status = (int)EXEC_RESULT(&self->io);
        if (self->status < 0) continue;
        exec_close_fd(cx->exec, self->status);
        EXEC_RETURN(0);
    }
    EXEC_RETURN(self->status);                          /* of the last one */
    EXEC_FINALLY;
    if (self->names.found) freeaddrinfo(self->names.found);
    EXEC_END;
}

/* "name:80", "127.0.0.1:80", "[::1]:80" */
static int split(const char *name, char *host, size_t host_bytes, char *port, size_t port_bytes) {
    const char *colon = strrchr(name, ':');             /* main has seen that there is one */
    size_t bracket = *name == '[' && colon[-1] == ']', n = (size_t)(colon - name) - 2 * bracket;
    if (n >= host_bytes || strlen(colon + 1) >= port_bytes) return -ENAMETOOLONG;
    memcpy(host, name + bracket, n);
    host[n] = 0;
    strcpy(port, colon + 1);
    return 0;
}

typedef struct {
    EXEC_FRAME; const char *name; int64_t limit, began; char host[256], port[32]; reach job; exec_timeout_op late;
    intptr_t status;
} report;
static int failed;

EXEC_ASYNC(report) {
    EXEC_BEGIN;
    self->began = exec_now(cx->exec);
    self->status = split(self->name, self->host, sizeof self->host, self->port, sizeof self->port);
    if (self->status == 0) {
        EXEC_AWAIT(exec_timeout(&self->late, EXEC_CALL(&self->job, reach, .host = self->host, .port = self->port),
                                self->limit));
        self->status = EXEC_RESULT(&self->late);
    }
    const char *said = self->job.names.error ? gai_strerror(self->job.names.error)
                     : self->status < 0 ? exec_strerror(self->status) : self->job.address;
    printf("%s %s, %.1f ms\n", self->name, said, (double)(exec_now(cx->exec) - self->began) / 1e6);
    fflush(stdout);
    if (self->status < 0) failed = 1;                   /* no result: it would cancel the others */
    EXEC_END;
}

typedef struct { EXEC_FRAME; char **names; int64_t limit; exec_group crew; } reporter;

EXEC_ASYNC(reporter) {
    EXEC_BEGIN;
    for (; *self->names; self->names++) {
        EXEC_TRY(exec_group_room(&self->crew));         /* so many threads at once, but for those given up */
        EXEC_GROUP_SPAWN(&self->crew, report, .name = *self->names, .limit = self->limit);
    }
    EXEC_TRY(exec_group_join(&self->crew));
    EXEC_END;
}

int main(int argc, char **argv) {
    exec ex; exec_net net; reporter all; int status, seconds = 10, right = argc > 1;
    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        size_t digits = strspn(argv[2], "0123456789");
        seconds = digits < 10 && !argv[2][digits] ? atoi(argv[2]) : 0;
        argc -= 2, argv += 2;
    }
    for (int i = 1; i < argc; i++) right = right && *argv[i] != '-' && strchr(argv[i], ':');
    if (argc < 2 || !right || seconds < 1) {
        int asked = argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
        fprintf(asked ? stdout : stderr, "usage: resolve [-t SECONDS] NAME:PORT...    who answers there; the time for"
                " each: 10, at least 1\n");
        return asked ? 0 : 2;
    }
    if ((status = exec_init(&ex, NULL)) == 0 && (status = exec_net_attach(&net, &ex, NULL)) == 0) {
        exec_future *f = EXEC_CALL(&all, reporter, .names = argv + 1, .limit = EXEC_SEC(seconds), .crew.limit = 16);
        if ((status = exec_run_until(&ex, f)) == 0) status = (int)f->result;
        exec_destroy(&ex, EXEC_SEC(1));
    }
    return status < 0 ? fprintf(stderr, "resolve: %s\n", exec_strerror(status)), 1 : failed;
}
