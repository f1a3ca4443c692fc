/* SPDX-License-Identifier: MIT */
#ifndef SECOND_H
#define SECOND_H

/* An executor of a private copy of exec.h, on a thread of its own, where it waits for ever. Returns when
   it has dumped itself into the file. 0 or a negated errno. */
int second_start(const char *file);

#endif
