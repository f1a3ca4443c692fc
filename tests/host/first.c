/* SPDX-License-Identifier: MIT */
#define COPY first_copy
#include "private.h"
