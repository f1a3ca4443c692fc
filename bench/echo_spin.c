/* SPDX-License-Identifier: MIT
 * examples/echo.c, unchanged, with a spin before it parks: BENCH_SPIN_NS of the environment.
 * cc -O2 -o echo_spin echo_spin.c && BENCH_SPIN_NS=50000 ./echo_spin 127.0.0.1:0 */
#define EXEC_IMPLEMENTATION
#include "../exec_net.h"
#include <stdlib.h>

static int init_with_spin(exec *ex) {
    const char *spin = getenv("BENCH_SPIN_NS");
    exec_config config;
    memset(&config, 0, sizeof config);
    config.spin_ns = spin ? strtoll(spin, NULL, 10) : 0;
    return exec_init(ex, &config);
}

#undef EXEC_IMPLEMENTATION
#define exec_init(ex, config) init_with_spin(ex)
#include "../examples/echo.c"
