/* SPDX-License-Identifier: MIT
 * Pools that grow, which there are not without a heap. (Fixed ones: test_tasks.c.) not with: EXEC_NO_MALLOC */
#include "test.h"
#include "leaves.h"

/* An allocator that knows what it gave, and fails when told. */
typedef struct { void *memory; size_t bytes, align; } block;
typedef struct { block blocks[64]; unsigned allocations, out, mismatches; int fail; } ledger;

static void *ledger_allocate(void *user, size_t bytes, size_t align) {
    ledger *l = (ledger *)user;
    size_t round = align < sizeof(void *) ? sizeof(void *) : align;
    unsigned i = 0;
    if (l->fail) return NULL;
    l->allocations++;
    while (l->blocks[i].memory) assert_true(++i < COUNT(l->blocks));
    l->blocks[i].memory = aligned_alloc(round, (bytes + round - 1) / round * round);
    l->blocks[i].bytes = bytes;
    l->blocks[i].align = align;
    l->out++;
    return l->blocks[i].memory;
}
static void ledger_release(void *user, void *memory, size_t bytes, size_t align) {
    ledger *l = (ledger *)user;
    unsigned i = 0;
    while (l->blocks[i].memory != memory) assert_true(++i < COUNT(l->blocks));
    if (l->blocks[i].bytes != bytes || l->blocks[i].align != align) l->mismatches++;
    l->blocks[i].memory = NULL;
    l->out--;
    free(memory);
}
static void open_with(exec *ex, ledger *l) {
    exec_config config = quiet_config();
    memset(l, 0, sizeof *l);
    config.user = l;
    config.allocate = ledger_allocate;
    config.release = ledger_release;
    assert_int_equal(exec_init(ex, &config), 0);
}

typedef struct { EXEC_FRAME; gate *gate; } sits;
EXEC_ASYNC(sits) {
    EXEC_BEGIN;
    EXEC_TRY(gate_wait(self->gate));
    EXEC_END;
}
typedef EXEC_SLOT(sits) sits_slot;

static int sit(exec *ex, exec_pool *pool, gate *g, exec_handle *h) {
    exec_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.pool = pool;
    opts.handle = h;
    return EXEC_SPAWN(ex, &opts, sits, .gate = g);
}

static void a_pool_grows_by_chunks_up_to_its_limit(void **state) {
    exec ex;
    exec_pool pool;
    ledger l;
    gate g[7];
    (void)state;
    open_with(&ex, &l);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(sits_slot), 3, 7), 0);
    assert_int_equal(l.allocations, 0);             /* nothing before the first claim */
    for (unsigned round = 0; round < 3; round++) {
        memset(g, 0, sizeof g);
        for (unsigned i = 0; i < 7; i++) {
            assert_int_equal(sit(&ex, &pool, &g[i], NULL), 0);
            if (round == 0) assert_int_equal(l.allocations, i / 3 + 1);
        }
        assert_int_equal(sit(&ex, &pool, &g[0], NULL), -ENOMEM);
        assert_int_equal(exec_pool_free(&pool), -EBUSY);
        exec_turn(&ex);
        for (unsigned i = 0; i < 7; i++) gate_open(&g[i], 0);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(pool.live, 0);
        assert_int_equal(l.allocations, 3);         /* the slots are used again */
    }
    assert_int_equal(l.blocks[0].bytes - 3 * sizeof(sits_slot), l.blocks[2].bytes - sizeof(sits_slot));
    assert_int_equal(exec_pool_free(&pool), 0);
    assert_int_equal(l.out, 0);
    assert_int_equal(l.mismatches, 0);
    close_exec(&ex);
}

static void a_pool_that_was_freed_is_as_new(void **state) {
    exec ex;
    exec_pool pool;
    ledger l;
    gate g = { .open = 1 };
    (void)state;
    open_with(&ex, &l);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(sits_slot), 2, 2), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sit(&ex, &pool, &g, NULL), 0);
        assert_int_equal(sit(&ex, &pool, &g, NULL), 0);
        assert_int_equal(sit(&ex, &pool, &g, NULL), -ENOMEM);
        assert_int_equal(exec_run(&ex), 0);
        assert_int_equal(exec_pool_free(&pool), 0);
        assert_int_equal(exec_pool_free(&pool), 0);
        assert_int_equal(l.out, 0);
    }
    close_exec(&ex);
}

static void no_memory_for_a_chunk_is_enomem_and_no_end(void **state) {
    exec ex;
    exec_pool pool;
    ledger l;
    gate g = { .open = 1 };
    (void)state;
    open_with(&ex, &l);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(sits_slot), 1, 0), 0);
    assert_int_equal(sit(&ex, &pool, &g, NULL), 0);
    l.fail = 1;
    assert_int_equal(sit(&ex, &pool, &g, NULL), -ENOMEM);
    l.fail = 0;
    assert_int_equal(sit(&ex, &pool, &g, NULL), 0);
    assert_int_equal(exec_run(&ex), 0);
    assert_int_equal(exec_pool_free(&pool), 0);
    close_exec(&ex);
}

/* Over, but still linked in the ready queue: its slot is free as far as anybody can see. */
static void tasks_that_are_over_but_queued_do_not_keep_the_pool(void **state) {
    exec ex;
    exec_pool pool;
    exec_handle h;
    ledger l;
    gate g = { .open = 0 };
    (void)state;
    open_with(&ex, &l);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(sits_slot), 1, 0), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(sit(&ex, &pool, &g, &h), 0);
        assert_int_equal(exec_handle_abort(&h), 0);
        assert_int_equal(exec_handle_result(&h), -ECANCELED);
    }
    assert_int_equal(l.allocations, 1);             /* no new chunk for what is only waiting to be buried */
    assert_int_equal(pool.live, 1);
    assert_int_equal(exec_pool_free(&pool), 0);
    assert_int_equal(l.out, 0);
    assert_int_equal(exec_check(&ex), 0);
    assert_int_equal(exec_run(&ex), 0);
    close_exec(&ex);
}

/* Each chunk goes back to whom it came from, also when that executor is gone. */
static void a_pool_serves_one_executor_after_another(void **state) {
    exec ex[2];
    ledger l[2];
    exec_pool pool;
    gate g[4] = { { .open = 1 }, { .open = 1 }, { .open = 1 }, { .open = 1 } };
    (void)state;
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(sits_slot), 2, 0), 0);
    open_with(&ex[0], &l[0]);
    open_with(&ex[1], &l[1]);
    assert_int_equal(sit(&ex[0], &pool, &g[0], NULL), 0);
    assert_int_equal(sit(&ex[1], &pool, &g[0], NULL), -EINVAL);
    assert_int_equal(exec_run(&ex[0]), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(sit(&ex[1], &pool, &g[i], NULL), 0);
    assert_int_equal(exec_run(&ex[1]), 0);
    assert_int_equal(l[0].out, 1);
    assert_int_equal(l[1].out, 1);
    close_exec(&ex[0]);
    close_exec(&ex[1]);
    assert_int_equal(exec_pool_free(&pool), 0);
    assert_int_equal(l[0].out + l[1].out, 0);
    assert_int_equal(l[0].mismatches + l[1].mismatches, 0);
}

/* A slot is aligned as its frame, wherever in the chunk it stands. */
typedef struct { EXEC_FRAME; _Alignas(64) unsigned char line[64]; int misplaced; } aligned;
EXEC_ASYNC(aligned) {
    EXEC_BEGIN;
    self->misplaced += (uintptr_t)self->line % 64 != 0;
    EXEC_YIELD;
    EXEC_RETURN(self->misplaced ? -EINVAL : 0);
    EXEC_END;
}
static void slots_are_aligned_for_their_frames(void **state) {
    exec ex;
    exec_pool pool;
    exec_handle h[7];
    (void)state;
    open_exec(&ex);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(EXEC_SLOT(aligned)), 3, 0), 0);
    for (unsigned i = 0; i < COUNT(h); i++) {
        exec_opts opts;
        memset(&opts, 0, sizeof opts);
        opts.pool = &pool;
        opts.handle = &h[i];
        assert_int_equal(EXEC_SPAWN(&ex, &opts, aligned), 0);
    }
    assert_int_equal(exec_run(&ex), 0);
    for (unsigned i = 0; i < COUNT(h); i++) assert_int_equal(exec_handle_result(&h[i]), 0);
    assert_int_equal(exec_pool_free(&pool), 0);
    close_exec(&ex);
}

typedef struct { EXEC_FRAME; exec_pool *pool; gate *gate; unsigned i, count; exec_group crew; } crowd;
EXEC_ASYNC(crowd) {
    EXEC_BEGIN;
    for (; self->i < self->count; self->i++) {
        exec_opts opts;
        memset(&opts, 0, sizeof opts);
        opts.pool = self->pool;
        EXEC_GROUP_SPAWN_OPTS(&self->crew, &opts, sits, .gate = self->gate);
    }
    EXEC_TRY(exec_group_join(&self->crew));
    EXEC_END;
}
static void without_a_limit_it_grows_as_long_as_memory_lasts(void **state) {
    exec ex;
    exec_pool pool;
    ledger l;
    gate g = { .open = 1 };
    crowd frame;
    (void)state;
    open_with(&ex, &l);
    memset(&frame, 0, sizeof frame);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(sits_slot), 100, 0), 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(exec_run_until(&ex, EXEC_CALL(&frame, crowd, .pool = &pool, .gate = &g, .count = 2050)), 0);
        assert_int_equal(frame.fut.result, 0);
        assert_int_equal(l.allocations, 21);
    }
    assert_int_equal(exec_pool_free(&pool), 0);
    assert_int_equal(l.out, 0);
    close_exec(&ex);
}

static void what_is_no_growing_pool_is_refused(void **state) {
    exec ex;
    exec_pool pool;
    ledger l;
    sits_slot slot;
    gate g = { .open = 1 };
    (void)state;
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(exec_task), 1, 0), -EINVAL);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(sits_slot) + 1, 1, 0), -EINVAL);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(sits_slot), 0, 0), -EINVAL);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(sits_slot), SIZE_MAX / sizeof(sits_slot), 0), -EINVAL);
    memset(&slot, 0, sizeof slot);
    assert_int_equal(exec_pool_init(&pool, &slot, sizeof slot, sizeof slot), 0);
    assert_int_equal(exec_pool_free(&pool), -EINVAL);
    open_with(&ex, &l);
    assert_int_equal(exec_pool_init_growing(&pool, sizeof(exec_task) + sizeof(void *), 1, 0), 0);
    assert_int_equal(sit(&ex, &pool, &g, NULL), -EINVAL);       /* no room for the frame: no chunk either */
    assert_int_equal(l.allocations, 0);
    close_exec(&ex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_grows_by_chunks_up_to_its_limit),
        cmocka_unit_test(a_pool_that_was_freed_is_as_new),
        cmocka_unit_test(no_memory_for_a_chunk_is_enomem_and_no_end),
        cmocka_unit_test(tasks_that_are_over_but_queued_do_not_keep_the_pool),
        cmocka_unit_test(a_pool_serves_one_executor_after_another),
        cmocka_unit_test(slots_are_aligned_for_their_frames),
        cmocka_unit_test(without_a_limit_it_grows_as_long_as_memory_lasts),
        cmocka_unit_test(what_is_no_growing_pool_is_refused)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
