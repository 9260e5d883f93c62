/* Index of the first greatest byte. */
#ifndef NN_ARG_MAX_H
#define NN_ARG_MAX_H

#include "linkage.h"

#include <stdint.h>

NN_INLINE int32_t NN_arg_max(const int8_t *x, int32_t length)
{
    int32_t best = 0;
    for (int32_t i = 1; i < length; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

#endif
