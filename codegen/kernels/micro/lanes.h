/* Words of four int8 lanes, and the DSP extension's instructions on them.
 *
 * Loads and stores go through memory copies of four bytes: where the core allows unaligned words the compiler makes one instruction
 * of them, elsewhere it takes bytes. */
#ifndef NN_LANES_H
#define NN_LANES_H

#include <stdint.h>

#if defined(__GNUC__)
#define NN_INLINE static inline __attribute__((always_inline))
#define NN_SHARED static inline __attribute__((noinline)) /* one copy for all layers: small flash counts more than the call */
#else
#define NN_INLINE static inline
#define NN_SHARED static inline
#endif

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define NN_DSP 1

NN_INLINE uint32_t NN_load_lanes(const int8_t *from)
{
    uint32_t word;
    __builtin_memcpy(&word, from, 4);
    return word;
}

NN_INLINE void NN_store_lanes(int8_t *to, uint32_t word)
{
    __builtin_memcpy(to, &word, 4);
}

/* Lanes 0 and 2 as two int16. */
NN_INLINE uint32_t NN_even_lanes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

/* Lanes 1 and 3 as two int16. */
NN_INLINE uint32_t NN_odd_lanes(uint32_t word)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

/* sum + a.low * b.low + a.high * b.high; the others take one product, of the halves they name. */
NN_INLINE int32_t NN_add_both(int32_t sum, uint32_t a, uint32_t b)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

NN_INLINE int32_t NN_add_low_low(int32_t sum, uint32_t a, uint32_t b)
{
    int32_t result;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

NN_INLINE int32_t NN_add_high_low(int32_t sum, uint32_t a, uint32_t b)
{
    int32_t result;
    __asm__("smlatb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}
#endif

#endif
