/* Sums of the leaves that regression trees lead to; the layout is that of cost_models/trees.py. */
#include <stdint.h>

enum { DEPTH = 3, INNER = 7, LEAVES = 8 };

/* `features` and `thresholds` by tree and node, `leaves` by tree, `row` by feature. */
double sum_leaves(const int32_t *features, const double *thresholds, const double *leaves, int64_t trees, const double *row) {
    double sum = 0;
    for (int64_t tree = 0; tree < trees; tree++, features += INNER, thresholds += INNER, leaves += LEAVES) {
        int32_t node = 0;
        for (int level = 0; level < DEPTH; level++) node = 2 * node + 1 + (row[features[node]] > thresholds[node]);
        sum += leaves[node - INNER];
    }
    return sum;
}
