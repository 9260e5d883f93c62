/* Sums over the layers of a network, as cost_models/totals.py describes them. */
#include <stdint.h>
#include <string.h>

typedef struct {
    int64_t function; /* equal for layers of one function */
    int64_t group;    /* equal for layers whose errors are one: those, and those that call the same shared functions */
    int64_t calls;    /* where the list of routines that the function calls begins: how many, then their numbers */
    double cycles, cycles_spread, reads, reads_spread, code, code_spread, stack;
    int64_t macs, constants, scratch, arguments;
} layer_t;

typedef struct {
    double code, variance;
} routine_t;

typedef struct {
    double cycles, cycles_variance, reads, reads_variance, code, code_variance, stack;
    int64_t macs, constants, scratch, arguments;
} sums_t;

/* What follows a layer: its demand of the memory plan, as plan_chain in codegen/memory_plan.c takes it. */
static const layer_t *next(const layer_t *layer) {
    const int64_t *demand = (const int64_t *)(layer + 1);
    return (const layer_t *)(demand + 3 + 2 * demand[2]);
}

void sum_layers(const layer_t *layers, int64_t count, const int64_t *lists, const routine_t *routines, int64_t known, sums_t *sums) {
    *sums = (sums_t){0};
    uint8_t seen[known + 1]; /* whether a routine is taken already */
    memset(seen, 0, sizeof seen);
    const layer_t *layer = layers;
    for (int64_t i = 0; i < count; i++, layer = next(layer)) {
        sums->macs += layer->macs;
        sums->constants += layer->constants;
        sums->arguments += layer->arguments;
        if (layer->scratch > sums->scratch) sums->scratch = layer->scratch;
        const layer_t *other = layers;
        while (other->group != layer->group) other = next(other);
        if (other == layer) {
            double cycles_error = 0, reads_error = 0;
            for (int64_t k = i; k < count; k++, other = next(other)) {
                if (other->group != layer->group) continue;
                cycles_error += other->cycles_spread;
                reads_error += other->reads_spread;
            }
            sums->cycles_variance += cycles_error * cycles_error;
            sums->reads_variance += reads_error * reads_error;
        }
        sums->cycles += layer->cycles;
        sums->reads += layer->reads;
        sums->stack = layer->stack > sums->stack ? layer->stack : sums->stack;
        other = layers;
        while (other->function != layer->function) other = next(other);
        if (other != layer) continue; /* its code is taken with the first call */
        sums->code += layer->code;
        sums->code_variance += layer->code_spread * layer->code_spread;
        const int64_t *calls_of = lists + layer->calls;
        for (int64_t k = 1; k <= calls_of[0]; k++) {
            const int64_t number = calls_of[k];
            if (seen[number]) continue;
            seen[number] = 1;
            sums->code += routines[number].code;
            sums->code_variance += routines[number].variance;
        }
    }
}
