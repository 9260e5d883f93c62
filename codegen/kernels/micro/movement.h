/* Runs of bytes that are moved or filled. */
#ifndef NN_MOVEMENT_H
#define NN_MOVEMENT_H

#include <stdint.h>

#include "linkage.h"

/* to[i] = from[i] in ascending order: `to` may lie over `from` where it begins before it. */
NN_SHARED void NN_move_run(int8_t *to, const int8_t *from, int32_t bytes)
{
    if ((((uintptr_t)to | (uintptr_t)from) & 3U) == 0) {
        NN_ROLLED for (; bytes >= 4; bytes -= 4) {
            uint32_t word;
            __builtin_memcpy(&word, __builtin_assume_aligned(from, 4), 4);
            __builtin_memcpy(__builtin_assume_aligned(to, 4), &word, 4);
            to += 4;
            from += 4;
        }
    }
    NN_ROLLED for (; bytes > 0; --bytes) {
        *to++ = *from++;
    }
}

/* to[i] = value */
NN_SHARED void NN_fill_run(int8_t *to, int32_t value, int32_t bytes)
{
    NN_ROLLED for (; bytes > 0; --bytes) {
        *to++ = (int8_t)value;
    }
}

#endif
