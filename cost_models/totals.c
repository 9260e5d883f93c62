/* Sums over the layers of a network, as cost_models/totals.py describes them. */
#include <stdint.h>
#include <string.h>

typedef struct {
    int64_t function; /* equal for layers that share their function */
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
        while (other->function != layer->function) other = next(other);
        if (other != layer) continue; /* taken with the first call of this function */
        int64_t uses = 1;
        other = next(layer);
        for (int64_t k = i + 1; k < count; k++, other = next(other)) uses += other->function == layer->function;
        /* Calls of one function share its error; errors of different functions are independent. */
        const double n = (double)uses, cycles_error = n * layer->cycles_spread, reads_error = n * layer->reads_spread;
        sums->cycles += n * layer->cycles;
        sums->reads += n * layer->reads;
        sums->cycles_variance += cycles_error * cycles_error;
        sums->reads_variance += reads_error * reads_error;
        sums->code += layer->code;
        sums->code_variance += layer->code_spread * layer->code_spread;
        sums->stack = layer->stack > sums->stack ? layer->stack : sums->stack;
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
