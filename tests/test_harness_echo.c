/* SPDX-License-Identifier: MIT
 * examples/echo.c in the harness: its server and one of its connections.
 * Its tasks live on the heap; not with: EXEC_NO_MALLOC */
#include "exec_harness.h"
#define main echo_main
#include "../examples/echo.c"
#undef main
#include "harness_client.h"

static const char lines[] = "one line\nanother line\nthe third one\n";

static void serves(harness *h) {
    static server frame;
    char text[EXEC_ADDRESS_BYTES];
    int listener;
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
    { "echo.c, server", serves },
    { "echo.c, connection", one_connection },
};

#include "harness_suite.h"
SUITE(scenarios)
