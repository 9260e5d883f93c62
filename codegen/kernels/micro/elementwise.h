/* One to four neighbouring elements of an operand. A step of 0 repeats its first element. */
#ifndef NN_ELEMENTWISE_H
#define NN_ELEMENTWISE_H

#include "dsp.h"
#include "linkage.h"
#include "requantize.h"

#if NN_HAS_DSP
/* Four elements, each a byte of the word. */
NN_INLINE uint32_t NN_load_elements(const int8_t *x, int32_t step)
{
    return step == 0 ? (uint32_t)(uint8_t)*x * UINT32_C(0x01010101) : NN_load_word(x);
}
#endif

#endif
