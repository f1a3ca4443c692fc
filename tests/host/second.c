/* SPDX-License-Identifier: MIT */
#define COPY second_copy
#include "private.h"
