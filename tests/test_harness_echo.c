/* SPDX-License-Identifier: MIT
 * examples/echo.c in the harness, or where there is no heap examples/static.c: its server, and one of its
 * connections. */
#include "exec_harness.h"
#if EXEC_NO_MALLOC
#define EXAMPLE "static.c"
#else
#define EXAMPLE "echo.c"
#endif
#define main example_main
#if EXEC_NO_MALLOC
#include "../examples/static.c"
#else
#include "../examples/echo.c"
#endif
#undef main
#include "harness_client.h"

static const char lines[] = "one line\nanother line\nthe third one\n";

/* What its main would do. */
static void make_pool(harness *h) {
    (void)h;
#if EXEC_NO_MALLOC
    HARNESS_CHECK(h, exec_pool_init(&pool, clients, sizeof clients, sizeof *clients) == 0);
#endif
}

static void serves(harness *h) {
    static server frame;
    char text[EXEC_ADDRESS_BYTES];
    int listener;
    make_pool(h);
    if (harness_open(h) < 0) return;
    if ((listener = script_listen(h, text)) >= 0) {
        for (int i = 0; i < 2; i++) scripts[i].says = lines;
        scripts_begin(h, 2, text, -1);
        harness_drive(h, EXEC_CALL(&frame, server, .listener = listener));
        for (int i = 0; i < 2; i++) {
            HARNESS_CHECK(h, script_got(&scripts[i], lines));
            HARNESS_CHECK(h, h->done || scripts[i].have == strlen(lines));
        }
    }
    harness_close(h);
}

static void one_connection(harness *h) {
    static echo frame;
    int ends[2];
    if (harness_open(h) < 0) return;
    if (script_pair(h, ends) == 0) {
        scripts[0].says = lines;
        scripts_begin(h, 1, NULL, ends[1]);
        harness_drive(h, EXEC_CALL(&frame, echo, .fd = ends[0]));
        HARNESS_CHECK(h, script_got(&scripts[0], lines));
        HARNESS_CHECK(h, h->done || h->result == 0);
    }
    harness_close(h);
}

static const harness_scenario scenarios[] = {
    { EXAMPLE ", server", serves },
    { EXAMPLE ", connection", one_connection },
};

#include "harness_suite.h"
SUITE(scenarios)
