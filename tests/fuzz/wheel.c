/* SPDX-License-Identifier: MIT
 * Bytes become operations on a wheel of 3 levels of 4 slots, beside wheel_oracle.h. Each is two bytes:
 * what and with which timer, then a number. clang -fsanitize=fuzzer; see run.d/fuzz.sh. */
#define EXEC_IMPLEMENTATION
#define EXEC_TIMER_BITS 2
#define EXEC_TIMER_LEVELS 3
#define EXEC_TIMER_TICK_NS 1000
#include "../../exec_timer.h"

#include <stdio.h>
#include <stdlib.h>
#define ORACLE_NODES 32
#define ORACLE_BAD(text) (fprintf(stderr, "%s\n", text), abort())
#include "../wheel_oracle.h"

static oracle fuzzed;

/* Up to four turns of the wheel; the lowest bits choose a part of a tick. */
static int64_t time_of(unsigned char number) { return number * ORACLE_TICK - (number & 3); }

static int64_t deadline_of(int64_t now, unsigned char number, unsigned kind) {
    switch (kind) {
    case 0: return now > EXEC_NEVER - 256 * ORACLE_TICK ? EXEC_NEVER : now + time_of(number);
    case 1: return now - time_of(number);
    case 2: return EXEC_NEVER - time_of(number) - 1;
    default: return (int64_t)((uint64_t)number << (number % 56));
    }
}

static void operate(oracle *o, unsigned what, unsigned char number) {
    int64_t now = exec_now(&o->ex);
    unsigned node = what / 8;
    switch (what % 8) {
    case 0: case 1: oracle_arm(o, node, deadline_of(now, number, 0)); break;
    case 2: oracle_arm(o, node, deadline_of(now, number, 1 + number % 3)); break;
    case 3: oracle_cancel(o, node); break;
    case 4: oracle_turn(o, number); break;
    case 5: oracle_turn(o, ORACLE_TICK * (1 + (number & 63)) - now % ORACLE_TICK); break;
    case 6: oracle_turn(o, (int64_t)((uint64_t)number << (node + 8 * (number & 3)))); break;
    default: (void)oracle_follow(o);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memset(&fuzzed, 0, sizeof fuzzed);
    if (size < 2) return 0;
    oracle_open(&fuzzed, (int64_t)((uint64_t)data[0] << data[1] % 55), NULL);
    for (size_t i = 2; i + 1 < size; i += 2) {
        operate(&fuzzed, data[i], data[i + 1]);
        oracle_check(&fuzzed);
    }
    while (oracle_follow(&fuzzed)) oracle_check(&fuzzed);
    oracle_close(&fuzzed);
    return 0;
}
