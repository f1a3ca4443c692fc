/* SPDX-License-Identifier: MIT
 * Three files of one program: two keep the whole library private to themselves, the third shares its own. */
#ifndef SHARED_H
#define SHARED_H
#include <stdint.h>
/* Each runs an executor of its own to the end: the result of its task, `turns` after its yields. */
intptr_t first_private(int turns);
intptr_t second_private(int turns);
/* Where each file's copy of one function is: they differ. */
typedef const char *(*text_of)(intptr_t);
text_of first_copy(void);
text_of second_copy(void);
#endif
