/* SPDX-License-Identifier: MIT
 * examples/chat.c in the harness: its server, and one of its clients beside another one.
 * Its tasks live on the heap; not with: EXEC_NO_MALLOC */
#include "exec_harness.h"
#define main chat_main
#include "../examples/chat.c"
#undef main
#include "harness_client.h"

static void begin_scripts(void) {
    scripts[0].says = "one\ntwo\nthree\n";
    scripts[1].says = "eins\nzwei\ndrei\n";
    scripts[2].says = "uno\ndue\ntre\n";
}

/* Each line at most once, in order, and none of its own. */
static int heard(const script *s, const script *from) {
    const char *say = from->says, *at = s->got;
    int lines = 0;
    while (*say) {
        char line[32];
        size_t length = strcspn(say, "\n");
        snprintf(line, sizeof line, ": %.*s\n", (int)length, say);
        if ((at = strstr(at, line)) == NULL) break;
        at += strlen(line);
        if (strstr(at, line)) return -1;
        lines++;
        say += length + 1;
    }
    return lines;
}

static void serves(harness *h) {
    static server frame;
    char text[EXEC_ADDRESS_BYTES];
    int fd;
    members = NULL;
    if (harness_open(h) < 0) return;
    if ((fd = script_listen(h, text)) >= 0) {
        begin_scripts();
        scripts_begin(h, SCRIPTS, text, -1);
        harness_drive(h, EXEC_CALL(&frame, server, .listener = fd));
        for (int i = 0; i < SCRIPTS; i++)
            for (int k = 0; k < SCRIPTS; k++) HARNESS_CHECK(h, heard(&scripts[i], &scripts[k]) >= 0);
        HARNESS_CHECK(h, h->done || heard(&scripts[0], &scripts[1]) == 3);
        for (int i = 0; i < SCRIPTS; i++) HARNESS_CHECK(h, heard(&scripts[i], &scripts[i]) == 0);
    }
    harness_close(h);
    HARNESS_CHECK(h, !members);
}

static void one_client(harness *h) {
    static client frame;
    static EXEC_SLOT(client) slot;
    exec_opts opts = { .storage = &slot, .storage_bytes = sizeof slot };
    int ends[2], other[2];
    members = NULL;
    memset(&slot.task, 0, sizeof slot.task);
    if (harness_open(h) < 0) return;
    if (script_pair(h, ends) == 0) {
        if (script_pair(h, other) == 0) {
            begin_scripts();
            HARNESS_CHECK(h, EXEC_SPAWN(&h->ex, &opts, client, .fd = other[0]) == 0);
            scripts_begin(h, 1, NULL, ends[1]);
            harness_drive(h, EXEC_CALL(&frame, client, .fd = ends[0]));
            scripts[1].fd = other[1];
            scripts[1].have = 0;
            script_take(&scripts[1]);
            HARNESS_CHECK(h, h->done ? heard(&scripts[1], &scripts[0]) >= 0 : heard(&scripts[1], &scripts[0]) == 3);
            if (scripts[1].fd >= 0) close(other[1]);
        } else {
            exec_close_fd(&h->ex, ends[0]);
            close(ends[1]);
        }
    }
    harness_close(h);
    HARNESS_CHECK(h, !members);
}

static const harness_scenario scenarios[] = {
    { "chat.c, server", serves },
    { "chat.c, client", one_client },
};

#include "harness_suite.h"
SUITE(scenarios)
