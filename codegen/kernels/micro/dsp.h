/* One function per instruction of the DSP extension that compilers do not form by themselves. Each is a name for one instruction,
 * so that the micro-kernels below it read as C. */
#ifndef NN_DSP_H
#define NN_DSP_H

#include <stdint.h>

#include "linkage.h"

/* Where speed counts every call is expanded in place, with its constants; where size counts all layers share one body. */
#if defined(__OPTIMIZE_SIZE__)
#define NN_MICRO NN_SHARED
#else
#define NN_MICRO NN_INLINE
#endif

/* Armv6-M computes with eight registers. NN_IN_ORDER keeps compilers from collecting products there, which they could only spill. */
#if defined(__thumb__) && !defined(__thumb2__)
#define NN_FEW_REGISTERS 1
#define NN_IN_ORDER(a, b) __asm__("" : "+r"(a), "+r"(b))
#else
#define NN_FEW_REGISTERS 0
#define NN_IN_ORDER(a, b) (void)0
#endif

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define NN_HAS_DSP 1

/* Four bytes from any address. */
static inline uint32_t NN_load_word(const void *from)
{
    uint32_t word;
    __builtin_memcpy(&word, from, 4);
    return word;
}

/* Four bytes to any address. */
static inline void NN_store_word(void *to, uint32_t word)
{
    __builtin_memcpy(to, &word, 4);
}

/* Bytes 0 and 2 as two signed halfwords. */
static inline uint32_t NN_sxtb16(uint32_t x)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(x));
    return r;
}

/* Bytes 1 and 3 as two signed halfwords. */
static inline uint32_t NN_sxtb16_odd(uint32_t x)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(x));
    return r;
}

/* Bytes 0 and 2, added to the halfwords of base. */
static inline uint32_t NN_sxtab16(uint32_t base, uint32_t x)
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2" : "=r"(r) : "r"(base), "r"(x));
    return r;
}

/* Bytes 1 and 3, added to the halfwords of base. */
static inline uint32_t NN_sxtab16_odd(uint32_t base, uint32_t x)
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(base), "r"(x));
    return r;
}

/* sum + both products of halfwords. */
static inline int32_t NN_smlad(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t r;
    __asm__("smlad %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(sum));
    return r;
}

/* sum + (a * lower halfword of b >> 16). */
static inline int32_t NN_smlawb(int32_t a, uint32_t b, int32_t sum)
{
    int32_t r;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(sum));
    return r;
}

/* sum + (a * upper halfword of b >> 16). */
static inline int32_t NN_smlawt(int32_t a, uint32_t b, int32_t sum)
{
    int32_t r;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(sum));
    return r;
}

/* sum + ((a * b + 2^31) >> 32). */
static inline int32_t NN_smmlar(int32_t a, int32_t b, int32_t sum)
{
    int32_t r;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(sum));
    return r;
}

/* Sums of both halfwords. */
static inline uint32_t NN_sadd16(uint32_t a, uint32_t b)
{
    uint32_t r;
    __asm__("sadd16 %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

/* The greater (or lesser) of the four signed bytes of a and b. The two instructions share the flags, hence one statement. */
static inline uint32_t NN_greater_bytes(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b));
    return result;
}

static inline uint32_t NN_lesser_bytes(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b));
    return result;
}

/* sum becomes what a multiply-accumulate instruction makes of it. Compilers that may order many of these run out of registers. */
#define NN_MULTIPLY_ADD(instruction, a, b, sum) __asm__ volatile(instruction " %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b))
#else
#define NN_HAS_DSP 0
#endif

#endif
