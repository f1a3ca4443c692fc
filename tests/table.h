/* SPDX-License-Identifier: MIT
 * What a reactor has in place of a heap. After exec_net.h and test.h. */
#ifndef TABLE_H
#define TABLE_H

static exec_fd_slot table[512];
static struct pollfd pollfds[COUNT(table) + 1];

static inline exec_net_config table_config(void) {
    exec_net_config config;
    memset(&config, 0, sizeof config);
    config.slots = table;
    config.slot_count = COUNT(table);
    config.pollfds = pollfds;
    config.pollfd_count = COUNT(pollfds);
    return config;
}
#endif
