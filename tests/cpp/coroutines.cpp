// SPDX-License-Identifier: MIT
// Coroutines in C++17: for main.c, which holds the tests.
#ifdef IMPLEMENTATION_IN_CPP
#define EXEC_IMPLEMENTATION
#endif
#include "both.h"

EXEC_ASYNC_DEFINE(cpp_count) {
    EXEC_BEGIN;
    while (self->from > 0) {
        self->from--;
        EXEC_YIELD;
    }
    EXEC_RETURN(7);
    EXEC_FINALLY;
    ++*self->cleanups;
    EXEC_END;
}

EXEC_ASYNC_DEFINE(cpp_calls_c) {
    EXEC_BEGIN;
    EXEC_TRY(EXEC_CALL(&self->child, c_double, .value = self->value));
    EXEC_RETURN(EXEC_RESULT(&self->child) + 1);
    EXEC_END;
}

EXEC_ASYNC_DEFINE(cpp_naps) {
    EXEC_BEGIN;
    EXEC_TRY(exec_sleep(&self->nap, EXEC_MS(5)));
    EXEC_AWAIT(exec_timeout(&self->limit, exec_sleep(&self->nap, EXEC_SEC(3600)), EXEC_SEC(1)));
    EXEC_RETURN(self->limit.expired);
    EXEC_END;
}

typedef struct { EXEC_FRAME; int *ran; } adds_one;
EXEC_ASYNC(adds_one) {
    EXEC_BEGIN;
    EXEC_YIELD;
    ++*self->ran;
    EXEC_END;
}

static char own_key;
typedef struct { EXEC_FRAME; } adds_beside;
EXEC_ASYNC(adds_beside) {
    EXEC_BEGIN;
    ++*static_cast<int *>(exec_local_get(cx, &own_key));
    EXEC_END;
}

// Classes that have members and methods are frames as long as they have standard layout.
struct everything {
    EXEC_FRAME;
    int ran;
    int asked;
    adds_one a, b, c;
    c_double child;
    exec_select_op select;
    exec_join_op join;
    exec_race_op race;
    exec_select_op fair;
    exec_group crew;
    exec_local local;
    int beside;
    int twice() const { return 2 * ran; }
};
EXEC_ASYNC(everything) {
    EXEC_BEGIN;
    if (self->ran == 0) EXEC_AWAIT(EXEC_CALL(&self->a, adds_one, .ran = &self->ran)); else self->ran = 100;
    EXEC_AWAIT(EXEC_CALL(&self->a, adds_one, .ran = &self->ran));
    EXEC_SHIELD(EXEC_CALL(&self->a, adds_one, .ran = &self->ran));
    EXEC_TRY(exec_join(&self->join, EXEC_CALL(&self->a, adds_one, .ran = &self->ran),
                       EXEC_CALL(&self->b, adds_one, .ran = &self->ran)));
    EXEC_TRY(exec_select(&self->select, EXEC_CALL(&self->a, adds_one, .ran = &self->ran),
                         EXEC_CALL(&self->b, adds_one, .ran = &self->ran)));
    self->crew.limit = 1;
    self->crew.collect = 1;
    exec_local_set(&self->crew, &self->local, &own_key, &self->beside);
    EXEC_GROUP_SPAWN(&self->crew, adds_one, .ran = &self->ran);
    EXEC_GROUP_SPAWN(&self->crew, adds_beside);
    EXEC_TRY(exec_group_room(&self->crew));
    EXEC_TRY(exec_group_join(&self->crew));
    EXEC_TRY(exec_race(&self->race, EXEC_CALL(&self->a, adds_one, .ran = &self->beside)));
    EXEC_TRY(exec_select_fair(&self->fair, EXEC_CALL(&self->a, adds_one, .ran = &self->beside)));
    EXEC_YIELD_IF_NEEDED;
    if (self->beside != 3) EXEC_RETURN(-EINVAL);
    EXEC_WAIT_UNTIL(self->asked++ >= 0);
    EXEC_TRY(EXEC_CALL(&self->child, c_double, .value = self->twice()));
    EXEC_RETURN(EXEC_RESULT(&self->child));
    EXEC_FINALLY;
    EXEC_YIELD;
    self->ran = -1;
    EXEC_END;
}

extern "C" intptr_t cpp_uses_every_macro(exec *ex) {
    exec_handle handle = {};
    exec_opts opts = {};
    int status;
    opts.handle = &handle;
    status = EXEC_SPAWN(ex, &opts, everything);
    if (status < 0) return status;
    status = exec_run(ex);
    return status < 0 ? status : exec_handle_result(&handle);
}

extern "C" int cpp_spawn(exec *ex, const exec_opts *opts, int from, int *cleanups) {
    return EXEC_SPAWN(ex, opts, cpp_count, .from = from, .cleanups = cleanups);
}
