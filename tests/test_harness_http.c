/* SPDX-License-Identifier: MIT
 * examples/http.c in the harness: its server and one of its connections.
 * Its tasks live on the heap; not with: EXEC_NO_MALLOC */
#include "exec_harness.h"
#define main http_main
#include "../examples/http.c"
#undef main
#include "harness_client.h"

static const char requests[] =
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz"
    "GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/* The answers as far as they came: in order, each at most once. */
static int answers(const script *s) {
    static const char *const parts[] = { "HTTP/1.1 200 OK", "Hello from exec.h", "HTTP/1.1 200 OK",
                                         "abcdefghijklmnopqrstuvwxyz", "HTTP/1.1 404 Not Found" };
    const char *at = s->got;
    int n = 0;
    while (n < 5 && (at = strstr(at, parts[n])) != NULL) at += strlen(parts[n++]);
    return n == 5 && strstr(at, "HTTP/1.1") ? -1 : n;
}

static void serves(harness *h, unsigned limit) {
    static server frame;
    char text[EXEC_ADDRESS_BYTES];
    int fd;
    stopping = 0;
    h->config.cleanup_ns = EXEC_SEC(5);
    if (harness_open(h) < 0) return;
    if ((fd = script_listen(h, text)) >= 0) {
        for (int i = 0; i < 2; i++) scripts[i].says = requests;
        scripts_begin(h, 2, text, -1);
        harness_drive(h, EXEC_CALL(&frame, server, .listener = fd, .crew.limit = limit));
        for (int i = 0; i < 2; i++) HARNESS_CHECK(h, h->done ? answers(&scripts[i]) >= 0 : answers(&scripts[i]) == 5);
        HARNESS_CHECK(h, frame.crew.live == 0 && frame.crew.running == 0);
    }
    harness_close(h);
}
static void all_at_once(harness *h) { serves(h, 0); }
static void one_at_a_time(harness *h) { serves(h, 1); }

static void one_connection(harness *h) {
    static connection frame;
    int ends[2];
    stopping = 0;
    if (harness_open(h) < 0) return;
    if (script_pair(h, ends) == 0) {
        scripts[0].says = requests;
        scripts_begin(h, 1, NULL, ends[1]);
        harness_drive(h, EXEC_CALL(&frame, connection, .p.fd = ends[0]));
        HARNESS_CHECK(h, answers(&scripts[0]) >= 0);
        HARNESS_CHECK(h, h->done || answers(&scripts[0]) == 5);
    }
    harness_close(h);
}

static const harness_scenario scenarios[] = {
    { "http.c, server", all_at_once },
    { "http.c, --limit 1", one_at_a_time },
    { "http.c, connection", one_connection },
};

#include "harness_suite.h"
SUITE(scenarios)
