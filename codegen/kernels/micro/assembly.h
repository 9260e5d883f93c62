/* What functions in assembly share. */
#ifndef NN_ASSEMBLY_H
#define NN_ASSEMBLY_H

#include "linkage.h"

/* A shared body that is assembly from its entry to its return, and parameters that it finds where the calling convention puts them. */
#define NN_ASSEMBLY NN_SHARED __attribute__((naked))
#define NN_UNNAMED __attribute__((unused))

/* Loops over cells are unrolled NN_UNROLLED times for groups of four cells. Where their number is no multiple of that, the first round
 * begins inside, which costs less than a second loop. So every group has the same size: wide instructions only. */
#if defined(__OPTIMIZE_SIZE__)
#define NN_UNROLLED "2"
#define NN_UNROLL(group) group group
#else
#define NN_UNROLLED "8"
#define NN_UNROLL(group) group group group group group group group group
#endif

#endif
