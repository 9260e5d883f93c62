/* Where a micro-kernel's code goes: expanded in place with its constants, or one body that all layers share. */
#ifndef NN_LINKAGE_H
#define NN_LINKAGE_H

#define NN_INLINE static inline __attribute__((always_inline))
#define NN_SHARED static __attribute__((noinline, unused))

#endif
