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

/* Several ensembles on one row. */
typedef struct {
    int64_t count;
    const int64_t *trees; /* of each ensemble */
    const int32_t *features;
    const double *thresholds, *leaves;
} ensembles_t;

void sum_ensembles(const ensembles_t *ensembles, const double *row, double *sums) {
    const int32_t *features = ensembles->features;
    const double *thresholds = ensembles->thresholds, *leaves = ensembles->leaves;
    for (int64_t i = 0; i < ensembles->count; i++) {
        const int64_t trees = ensembles->trees[i];
        sums[i] = sum_leaves(features, thresholds, leaves, trees, row);
        features += trees * INNER, thresholds += trees * INNER, leaves += trees * LEAVES;
    }
}
