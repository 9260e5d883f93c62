/* Where a micro-kernel's code goes: expanded in place with its constants, or one body that all layers share. */
#ifndef NN_LINKAGE_H
#define NN_LINKAGE_H

#define NN_INLINE static inline __attribute__((always_inline))

/* A shared body must not depend on who else calls it: a compiler that fits it to the arguments of all calls makes every layer's
 * size, stack and time a matter of the other layers. What counts as used may have calls that the compiler does not see. */
#if defined(__clang__)
#define NN_SHARED static __attribute__((noinline, used))
#else
#define NN_SHARED static __attribute__((noipa, unused))
#endif

/* In front of a loop over register names: it has to be unrolled. */
#if defined(__clang__)
#define NN_STRAIGHT _Pragma("clang loop unroll(full)")
#else
#define NN_STRAIGHT _Pragma("GCC unroll 64")
#endif

/* In front of a loop: unrolled a few times where speed counts. Builds leave it to these words which loops are. */
#if defined(__OPTIMIZE_SIZE__)
#define NN_REPEATED
#elif defined(__clang__)
#define NN_REPEATED _Pragma("clang loop unroll_count(4)")
#else
#define NN_REPEATED _Pragma("GCC unroll 4")
#endif

/* In front of a loop: unrolled, rarely run code only takes flash and stack. */
#if defined(__clang__)
#define NN_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define NN_ROLLED
#endif

#endif
