/* SPDX-License-Identifier: MIT
 * The wake protocol between threads: push, drain, park, and the lives of cells and port, as a Spin model.
 *
 * Each step stands for the code that its comment quotes:  @ function: code  . The test `spin` checks
 * that each quoted piece stands in that function of exec.h, and runs every interleaving: no assertion
 * fails, and nobody is left waiting (an invalid end state: a lost wake). Then it takes one step apart at a
 * time by the defines below, and each time Spin must find the fault.
 *
 *   FAULT_PARK         the compare-and-swap that parks becomes a load and a store
 *   FAULT_QUEUED       the exchange that clears `queued` may reach memory after the task was polled
 *   FAULT_SIGNAL       whoever pushes writes the eventfd only if it saw PARKED before its exchange
 *   FAULT_DROP         the pusher drops its reference before it writes the eventfd
 *   FAULT_OVER         the end of a task leaves cell->task as it is
 */
#ifndef WAKES
#define WAKES 2         /* of each pusher */
#endif
#define PUSHERS 2
#ifdef ONE_CELL
#define CELLS 1
#define CELL(p) 0
#else
#define CELLS 2
#define CELL(p) (p)
#endif

/* The head is a cell, or one of these; `next` is a cell or NONE. */
#define EMPTY 9
#define PARKED 10
#define CLOSED 11
#define NONE 12

byte head = EMPTY;
byte next[CELLS];
bit queued[CELLS];
byte references[CELLS];     /* the task's, one of each pusher, and the inbox's */
bit live[CELLS];            /* cell->task is set */
byte port_references;       /* the owner's, and one of each cell that is not freed */

byte event;                 /* writes of the eventfd that no wait has taken */
byte parks, writes;

byte said[PUSHERS];         /* what a pusher tells its task before it wakes it */
byte seen[PUSHERS];         /* what the task saw of that */
bit ready[CELLS];           /* the task is in the ready queue */
bit over[CELLS];

inline drop(cell) {
    /* @ exec__cell_drop: EXEC__SUB(&cell->references, 1) != 1 */
    atomic {
        assert(references[cell] > 0);
        references[cell]--;
        if
        :: references[cell] == 0 -> freed = 1
        :: else -> freed = 0
        fi
    }
    /* @ exec__port_drop: EXEC__SUB(&port->references, 1) != 1 */
    if
    :: freed -> atomic { assert(port_references > 0); port_references-- }
    :: else
    fi
}

inline signal() {
    /* @ exec__signal: EXEC_SYS_WRITE(exec__wake_end(port), &one, sizeof one) */
    atomic {
        assert(port_references > 0);    /* the descriptor is open */
        event++;
        writes++;
        assert(writes <= parks)         /* at most one a park */
    }
}

proctype pusher(byte me) {
    byte cell = CELL(me), old, wake = 0;
    bit was, freed;
    do
    :: wake == WAKES -> break
    :: else ->
        wake++;
        said[me] = wake;
        /* @ exec__push: if (exec__swap_queued(cell, 1)) return 1; */
        atomic { assert(references[cell] > 0); was = queued[cell]; queued[cell] = 1 }
        if
        :: was -> skip
        :: else ->
            /* @ exec__push: EXEC__ADD(&cell->references, 1); */
            references[cell]++;
            /* @ exec__push: head = EXEC__LOAD(&port->head); */
            old = head;
            do
            :: old == CLOSED ->
                /* @ exec__push: (void)EXEC__SUB(&cell->references, 1); */
                atomic { assert(references[cell] > 1); references[cell]-- }
                /* @ exec__push: exec__swap_queued(cell, 0); */
                queued[cell] = 0;
                break
            :: else ->
                /* @ exec__push: cell->next = head == EXEC__PARKED ? NULL : head; */
                next[cell] = ((old == PARKED || old == EMPTY) -> NONE : old);
                /* @ exec__push: while (!exec__replace_head(port, &head, cell)); */
                atomic {
                    if
                    :: head == old -> head = cell; was = 1
#ifdef FAULT_SIGNAL
                    :: head != old && head != CLOSED ->
                        next[cell] = ((head == PARKED || head == EMPTY) -> NONE : head); head = cell; was = 1
                    :: head == CLOSED -> old = head; was = 0
#else
                    :: else -> old = head; was = 0
#endif
                    fi
                }
                if
                :: was ->
#ifdef FAULT_DROP
                    drop(cell);
#endif
                    /* @ exec__push: if (head == EXEC__PARKED) exec__signal(port); */
                    if
                    :: old == PARKED -> signal()
                    :: else
                    fi;
#ifdef FAULT_DROP
                    references[cell]++;
#endif
                    break
                :: else
                fi
            od
        fi
    od;
    drop(cell)
}

/* @ exec__take_inbox: cell = exec__swap_head(ex->port, to), *oldest = NULL, *next; */
inline take_inbox(to) {
    atomic { chain = head; head = to }
    if
    :: chain == PARKED || chain == CLOSED || chain == EMPTY -> skip
    :: else ->
        /* (the order of the chain does not matter here) */
        do
        :: chain == NONE -> break
        :: else ->
            cell = chain;
            /* @ exec__take_inbox: next = cell->next; */
            assert(references[cell] > 0);
            chain = next[cell];
            /* @ exec__take_cell: exec__swap_queued(cell, 0); */
#ifndef FAULT_QUEUED
            queued[cell] = 0;
#endif
            /* @ exec__take_cell: exec_wake(cell->task); */
            if
            :: live[cell] -> assert(!over[cell]); ready[cell] = 1
            :: else
            fi;
#ifdef FAULT_QUEUED
            poll_tasks();
            queued[cell] = 0;
            looked = CELL(0);
#endif
            drop(cell)
        od
    fi
}

/* A poll sees what was said; the task is over when it has heard all. */
inline poll_tasks() {
    task = 0;
    do
    :: task == CELLS -> break
    :: else ->
        if
        :: ready[task] ->
            ready[task] = 0;
            all = 1;
            from = 0;
            do
            :: from == PUSHERS -> break
            :: else ->
                if
                :: CELL(from) == task -> seen[from] = said[from]; all = all && (seen[from] == WAKES)
                :: else
                fi;
                from++
            od;
            if
            :: all ->
                over[task] = 1;
                /* @ exec__task_over: t->cell->task = NULL; */
#ifndef FAULT_OVER
                live[task] = 0;
#endif
                done++;
                drop(task)
            :: else
            fi
        :: else
        fi;
        task++
    od
}

active proctype owner() {
    byte chain, cell, task, from, done = 0, looked;
    bit all, freed, armed;
    atomic {
        cell = 0;
        port_references = 1 + CELLS;
        do
        :: cell == CELLS -> break
        :: else -> references[cell] = 1; live[cell] = 1; cell++
        od;
        from = 0;
        do
        :: from == PUSHERS -> break
        :: else -> references[CELL(from)]++; run pusher(from); from++
        od
    }
    do
    :: take_inbox(EMPTY);       /* @ exec__drain: ex->port->take(ex, NULL) */
        poll_tasks();
        if
        :: done == CELLS -> break
        :: else
        fi;
        /* @ exec__arm: exec__replace_head(ex->port, &empty, EXEC__PARKED) || empty == EXEC__PARKED */
#ifdef FAULT_PARK
        armed = (head == EMPTY || head == PARKED);
        if
        :: armed -> head = PARKED; parks++
        :: else
        fi;
#else
        atomic {
            if
            :: head == EMPTY -> head = PARKED; parks++; armed = 1
            :: else -> armed = (head == PARKED)
            fi
        }
#endif
        if
        :: armed ->
            /* @ exec__park: return exec__wait(ex, timeout_ns); */
            if
            :: atomic { event > 0 -> event = 0 }
            :: parks < 3 -> skip        /* it woke for another cause */
            fi
        :: else
        fi
    od;
    /* @ exec__detach_all: ex->port->take(ex, EXEC__CLOSED); */
    take_inbox(CLOSED);
    /* @ exec__detach_all: exec__port_drop(ex->port); */
    atomic { assert(port_references > 0); port_references-- };
    /* All is freed once the last pusher has gone. */
    (_nr_pr == 1) -> assert(port_references == 0)
}
