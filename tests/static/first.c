/* SPDX-License-Identifier: MIT */
#define PRIVATE first_private
#define COPY first_copy
#define EXTRA 0
#include "private.h"
