/* Hooks that the emulator calls for every basic block, for single instructions whose time depends on data, and (in a
 * separate pass) for every memory access. They only count; what the counts mean in cycles is decided in Python. */
#include <stdint.h>

enum { NO_BLOCK = UINT32_MAX, MEMORY_READ = 16, IT_STATE = 0x0600FC00 /* bits of CPSR */ };
enum { UNSIGNED_DIVIDE = 1, SIGNED_DIVIDE = 2, CONDITIONAL = 3, STACK_POINTER = 4 };

typedef struct {
    uint8_t kind, dividend, divisor, unused; /* the two in the middle are register numbers */
    uint32_t cycles;                         /* added when a conditional instruction is executed */
} watch_t;

typedef struct {
    uint64_t executed, taken; /* taken: left by a jump, not by falling through */
} counter_t;

typedef struct {
    uint64_t code_start, code_bytes;
    uint32_t *block_of;    /* by halfword of code: number of the block that starts there */
    uint64_t *block_start; /* by block */
    uint32_t *block_bytes;
    uint8_t *layer_entry;   /* by halfword: 1 where a layer's function starts */
    uint64_t *layer_address; /* by layer, in call order */
    counter_t *counters;    /* [layers + 1][capacity]; the last row is time outside every layer */
    uint64_t *extra_cycles, *unaligned_cycles, *flash_bytes; /* [layers + 1] */
    uint8_t *unaligned;     /* by halfword: 1 where an instruction made an unaligned access */
    watch_t *watched;       /* by halfword */
    int32_t *register_ids;  /* r0 ... r15, as the emulator numbers them */
    int32_t (*register_read)(void *machine, int32_t id, void *value);
    int32_t (*register_write)(void *machine, int32_t id, const void *value);
    int32_t (*stop)(void *machine);
    uint64_t capacity, layers, blocks, budget;
    uint64_t enabled, current, next, return_address, unexpected_layer, resized;
    uint64_t previous_end, lowest_stack, unaligned_even_cycles, unaligned_odd_cycles, flash_end, cpsr_id;
    counter_t *previous;
} profile_t;

static uint32_t read_register(const profile_t *p, void *machine, int number) {
    uint64_t value = 0;
    p->register_read(machine, p->register_ids[number], &value);
    return (uint32_t)value;
}

static void follow_layers(profile_t *p, void *machine, uint64_t address, uint64_t at) {
    if (p->current != p->layers) {
        if (address != p->return_address) return;
        p->current = p->layers;
    }
    if (!p->layer_entry[at] || p->unexpected_layer) return;
    if (p->next < p->layers && p->layer_address[p->next] == address) {
        p->current = p->next++;
        p->return_address = read_register(p, machine, 14) & ~(uint64_t)1;
    } else {
        p->unexpected_layer = address;
    }
}

void on_block(void *machine, uint64_t address, uint32_t bytes, void *data) {
    profile_t *p = data;
    if (p->budget == 0 || --p->budget == 0) p->stop(machine);
    if (!p->enabled) return;
    if (p->previous && address != p->previous_end) p->previous->taken++;
    p->previous = 0;
    uint64_t offset = address - p->code_start;
    if (offset >= p->code_bytes) return;
    uint64_t at = offset >> 1;
    follow_layers(p, machine, address, at);
    uint32_t block = p->block_of[at];
    if (block == NO_BLOCK) {
        block = p->block_of[at] = (uint32_t)p->blocks++;
        p->block_start[block] = address;
        p->block_bytes[block] = bytes;
    }
    if (p->block_bytes[block] != bytes) p->resized = address;
    counter_t *counter = &p->counters[p->current * p->capacity + block];
    counter->executed++;
    p->previous = counter;
    p->previous_end = address + bytes;
}

static int bit_length(uint32_t value) {
    int n = 0;
    for (; value; value >>= 1) n++;
    return n;
}

/* Cycles beyond the shortest division; the model is stated in timing/cortex_m3_m4.py. */
static uint64_t division_cycles(uint32_t dividend, uint32_t divisor, int is_signed) {
    if (is_signed) {
        if (dividend >> 31) dividend = 0u - dividend;
        if (divisor >> 31) divisor = 0u - divisor;
    }
    if (divisor == 0 || dividend < divisor) return 0;
    int quotient_bits = bit_length(dividend) - bit_length(divisor) + 1;
    return (uint64_t)(2 + (quotient_bits + 3) / 4);
}

/* Called only when the instruction's condition, if it has one, holds. */
void on_watched(void *machine, uint64_t address, uint32_t bytes, void *data) {
    profile_t *p = data;
    uint64_t offset = address - p->code_start;
    (void)bytes;
    if (!p->enabled || offset >= p->code_bytes) return;
    const watch_t *watch = &p->watched[offset >> 1];
    if (watch->kind == STACK_POINTER) {
        uint64_t stack = read_register(p, machine, 13);
        if (stack < p->lowest_stack) p->lowest_stack = stack;
        return;
    }
    p->extra_cycles[p->current] += watch->cycles;
    if (watch->kind != CONDITIONAL)
        p->extra_cycles[p->current] += division_cycles(read_register(p, machine, watch->dividend),
                                                       read_register(p, machine, watch->divisor), watch->kind == SIGNED_DIVIDE);
}

/* Before it calls a memory hook the emulator loads the state of the instruction's IT block into CPSR, and then takes it for that of
 * the next translation block, whose first instructions it skips. Translated code holds its conditions itself, so the state can go. */
static void leave_it_block(const profile_t *p, void *machine) {
    uint64_t status = 0;
    p->register_read(machine, (int32_t)p->cpsr_id, &status);
    if (!(status & IT_STATE)) return;
    status &= ~(uint64_t)IT_STATE;
    p->register_write(machine, (int32_t)p->cpsr_id, &status);
}

void on_memory(void *machine, int32_t kind, uint64_t address, int32_t bytes, int64_t value, void *data) {
    profile_t *p = data;
    unsigned low = (unsigned)address & (unsigned)(bytes - 1);
    (void)value;
    leave_it_block(p, machine);
    if (!p->enabled) return;
    if (kind == MEMORY_READ && address < p->flash_end) p->flash_bytes[p->current] += (uint64_t)bytes;
    if (!low) return;
    uint64_t offset = read_register(p, machine, 15) - p->code_start;
    if (offset < p->code_bytes) p->unaligned[offset >> 1] = 1;
    if (kind != MEMORY_READ) return;
    p->unaligned_cycles[p->current] += bytes == 4 && (low & 1) ? p->unaligned_odd_cycles : p->unaligned_even_cycles;
}
