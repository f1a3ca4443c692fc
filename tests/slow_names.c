/* SPDX-License-Identifier: MIT */
/* For -Wl,--wrap=getaddrinfo: each call returns only when so many more have begun, as the environment says in
 * NAMES_BEHIND (the last ones never do). */
#define _GNU_SOURCE
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>

int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begun = PTHREAD_COND_INITIALIZER;
static int calls;

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
    const char *behind = getenv("NAMES_BEHIND");
    int own;
    pthread_mutex_lock(&mutex);
    own = ++calls;
    pthread_cond_broadcast(&begun);
    while (behind && calls < own + atoi(behind)) pthread_cond_wait(&begun, &mutex);
    pthread_mutex_unlock(&mutex);
    return __real_getaddrinfo(host, port, hints, found);
}
