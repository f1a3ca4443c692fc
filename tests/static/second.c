/* SPDX-License-Identifier: MIT */
#define PRIVATE second_private
#define COPY second_copy
#define EXTRA 1000
#include "private.h"
