/* First fit of buffers into one arena, as codegen/memory_plan.py describes it. All numbers are bytes, or positions of operators
 * (-1: before the first one). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 4, PROMOTIONS = 24, NO_MEMORY = -1, NO_CHAIN = -2 };
#define NEVER INT64_MIN /* as a bound: output and input must be disjoint */

typedef struct {
    int64_t size, first, last;
    int64_t piece, pieces; /* the first of its pieces and how many there are */
} buffer_t;

typedef struct {
    int64_t begin, end, first, last;
} piece_t;

/* At operator `position` the target may run into bytes `begin` to `end` of the source where it begins at most `bound` behind it. */
typedef struct {
    int64_t source, target, position, begin, end, bound;
} overlap_t;

/* With `other` at offset o, a buffer may start up to o - below or from o + above on. */
typedef struct {
    int64_t other, below, above;
} conflict_t;

typedef struct {
    int64_t count, positions, overlap_count;
    const buffer_t *buffers;
    const piece_t *pieces;
    const overlap_t *overlaps;
    int64_t *head, *next;         /* overlaps by source, as linked lists; -1 ends one */
    int64_t *order, *start;       /* start: a buffer's conflicts begin here; the next one's end them */
    conflict_t *conflicts;
    int64_t *offsets, *best;
    int64_t (*taken)[2]; /* intervals of offsets that a buffer cannot have */
    int64_t lower_bound;
} problem_t;

typedef struct {
    int64_t a, b, below, above;
} pair_t;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t align(int64_t size) { return (size + (ALIGN - 1)) & ~(int64_t)(ALIGN - 1); }

/* Up to which `target - source` the target may run into a piece of the source that dies. */
static int64_t bound_of(const problem_t *p, int64_t source, int64_t target, const piece_t *piece, int64_t disjoint) {
    int64_t bound = INT64_MAX;
    for (int64_t k = p->head[source]; k >= 0; k = p->next[k]) {
        const overlap_t *o = &p->overlaps[k];
        if (o->target == target && o->position == piece->last && o->begin <= piece->begin && piece->end <= align(o->end))
            bound = least(bound, o->bound == NEVER ? disjoint : o->bound);
    }
    return bound == INT64_MAX ? disjoint : bound;
}

/* Open interval of `offset of b - offset of a` in which pieces meet that must not; false where there is none. */
static int forbidden(const problem_t *p, int64_t a, int64_t b, int64_t *lowest, int64_t *highest) {
    const buffer_t *x = &p->buffers[a], *y = &p->buffers[b];
    *lowest = *highest = 0;
    for (const piece_t *i = p->pieces + x->piece; i < p->pieces + x->piece + x->pieces; i++)
        for (const piece_t *j = p->pieces + y->piece; j < p->pieces + y->piece + y->pieces; j++) {
            if (i->last < j->first || j->last < i->first) continue;
            int64_t low = i->begin - j->end, high = i->end - j->begin;
            if (i->last == j->first) low = most(low, bound_of(p, a, b, i, low));
            if (j->last == i->first) high = least(high, -bound_of(p, b, a, j, -high));
            if (low >= high) continue;
            const int none = *lowest == *highest;
            *lowest = none ? low : least(low, *lowest);
            *highest = none ? high : most(high, *highest);
        }
    return *lowest != *highest;
}

/* Buffers in the order of `keys`, three of each; equal ones in the order of their numbers. */
static void sort(int64_t *order, int64_t count, const int64_t (*keys)[3]) {
    for (int64_t i = 0; i < count; i++) {
        int64_t at = i;
        for (; at > 0; at--) {
            const int64_t *mine = keys[i], *before = keys[order[at - 1]];
            int key = 0;
            while (key < 2 && mine[key] == before[key]) key++;
            if (mine[key] >= before[key]) break;
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}

static int find_conflicts(problem_t *p, int64_t (*keys)[3]) {
    int64_t alive_count = 0, pair_count = 0, capacity = 8 * p->count;
    int64_t *alive = malloc((size_t)p->count * sizeof *alive);
    pair_t *pairs = malloc((size_t)capacity * sizeof *pairs);
    for (int64_t i = 0; i < p->count; i++) keys[i][0] = p->buffers[i].first, keys[i][1] = keys[i][2] = 0;
    sort(p->order, p->count, (const int64_t(*)[3])keys);
    for (int64_t at = 0; alive && pairs && at < p->count; at++) {
        const int64_t i = p->order[at];
        const buffer_t *a = &p->buffers[i];
        int64_t still = 0;
        for (int64_t k = 0; k < alive_count; k++)
            if (p->buffers[alive[k]].last >= a->first) alive[still++] = alive[k];
        alive_count = still;
        if (pair_count + alive_count > capacity) {
            capacity = 2 * (pair_count + alive_count);
            pair_t *grown = realloc(pairs, (size_t)capacity * sizeof *pairs);
            if (!grown) free(pairs);
            pairs = grown;
        }
        for (int64_t k = 0; pairs && k < alive_count; k++) {
            const int64_t j = alive[k];
            int64_t low, high;
            if (forbidden(p, j, i, &low, &high)) pairs[pair_count++] = (pair_t){i, j, align(-low), align(high)};
        }
        alive[alive_count++] = i;
    }
    p->conflicts = pairs ? malloc((size_t)(2 * pair_count + 1) * sizeof *p->conflicts) : NULL;
    if (p->conflicts) {
        memset(p->start, 0, (size_t)(p->count + 1) * sizeof *p->start);
        for (int64_t k = 0; k < pair_count; k++) p->start[pairs[k].a]++, p->start[pairs[k].b]++;
        for (int64_t i = 0; i < p->count; i++) p->start[i + 1] += p->start[i];
        for (int64_t k = 0; k < pair_count; k++) {
            const pair_t *pair = &pairs[k];
            p->conflicts[--p->start[pair->a]] = (conflict_t){pair->b, pair->below, pair->above};
            p->conflicts[--p->start[pair->b]] = (conflict_t){pair->a, pair->above, pair->below};
        }
    }
    free(alive);
    free(pairs);
    return p->conflicts != NULL;
}

/* Bytes that must be in the arena while each operator runs: all that is alive, less the most that its overlaps can save. */
static void find_least_bytes(problem_t *p, int64_t *alive) {
    memset(alive, 0, (size_t)p->positions * sizeof *alive);
    int64_t before = 0; /* what begins before the first operator changes alive[0] */
    for (int64_t i = 0; i < p->count; i++)
        for (int64_t k = p->buffers[i].piece; k < p->buffers[i].piece + p->buffers[i].pieces; k++) {
            const piece_t *piece = &p->pieces[k];
            const int64_t bytes = piece->end - piece->begin;
            if (piece->first <= 0)
                before += bytes;
            else if (piece->first < p->positions)
                alive[piece->first] += bytes;
            if (piece->last < 0)
                before -= bytes;
            else if (piece->last + 1 < p->positions)
                alive[piece->last + 1] -= bytes;
        }
    for (int64_t position = 0; position < p->positions; position++) before = alive[position] += before;
    for (int64_t k = 0; k < p->overlap_count; k++) {
        const overlap_t *o = &p->overlaps[k];
        if (o->bound == NEVER) continue;
        const buffer_t *source = &p->buffers[o->source], *target = &p->buffers[o->target];
        int64_t dying = 0, fresh = 0;
        for (const piece_t *i = p->pieces + source->piece; i < p->pieces + source->piece + source->pieces; i++)
            if (i->last == o->position && o->begin <= i->begin && i->begin < o->end) dying += i->end - i->begin;
        for (const piece_t *i = p->pieces + target->piece; i < p->pieces + target->piece + target->pieces; i++)
            if (i->first == o->position) fresh += i->end - i->begin;
        /* The union of two whole buffers spans at least their distance and the input. */
        const int whole = source->pieces == 1 && target->pieces == 1;
        alive[o->position] -= least(least(dying, fresh), whole ? most(0, fresh + least(o->bound, 0)) : fresh);
    }
    p->lower_bound = 0;
    for (int64_t i = 0; i < p->positions; i++) p->lower_bound = most(p->lower_bound, alive[i]);
    for (int64_t i = 0; i < p->count; i++) p->lower_bound = most(p->lower_bound, p->buffers[i].size);
}

/* Place buffers in order, each as low as it can be (as high, where mirrored, offsets counting down from the arena's end); returns
 * the arena's size. */
static int64_t first_fit(problem_t *p, int mirrored) {
    int64_t top = 0;
    for (int64_t i = 0; i < p->count; i++) p->offsets[i] = -1;
    for (int64_t k = 0; k < p->count; k++) {
        const int64_t i = p->order[k], size = p->buffers[i].size;
        int64_t at = 0, before, count = 0;
        for (const conflict_t *c = p->conflicts + p->start[i]; c < p->conflicts + p->start[i + 1]; c++) {
            const int64_t other = p->offsets[c->other];
            if (other < 0) continue;
            const int64_t base = mirrored ? other + p->buffers[c->other].size - size : other;
            p->taken[count][0] = base - (mirrored ? c->above : c->below);
            p->taken[count++][1] = base + (mirrored ? c->below : c->above);
        }
        do {
            before = at;
            for (int64_t c = 0; c < count; c++)
                if (p->taken[c][0] < at && at < p->taken[c][1]) at = p->taken[c][1];
        } while (at != before);
        p->offsets[i] = at;
        top = most(top, at + size);
    }
    for (int64_t i = 0; mirrored && i < p->count; i++) p->offsets[i] = top - p->offsets[i] - p->buffers[i].size;
    return top;
}

/* The buffer that reaches farthest from where first fit began. */
static int64_t at_far_end(const problem_t *p, int64_t total, int mirrored) {
    int64_t found = 0, farthest = INT64_MIN;
    for (int64_t i = 0; i < p->count; i++) {
        const int64_t reach = mirrored ? total - p->offsets[i] : p->offsets[i] + p->buffers[i].size;
        if (reach > farthest) farthest = reach, found = i;
    }
    return found;
}

static void put_first(int64_t *order, int64_t index) {
    int64_t at = 0;
    while (order[at] != index) at++;
    memmove(order + 1, order, (size_t)at * sizeof *order);
    order[0] = index;
}

static int64_t search(problem_t *p, int64_t (*keys)[3]) {
    int64_t best = INT64_MAX;
    for (int attempt = 0; attempt < 3 && best > p->lower_bound; attempt++) {
        for (int64_t i = 0; i < p->count; i++) {
            const buffer_t *b = &p->buffers[i];
            const int64_t by[3][3] = {{-b->size, 0, 0}, {-b->last, -b->first, -b->size}, {b->first, b->last, -b->size}};
            memcpy(keys[i], by[attempt], sizeof *keys);
        }
        sort(p->order, p->count, (const int64_t(*)[3])keys);
        for (int mirrored = 0; mirrored < 2 && best > p->lower_bound; mirrored++) {
            int64_t total = first_fit(p, mirrored);
            /* What sticks out at the top was placed too late: give it the first choice and try again. */
            for (int promotion = 0; promotion < PROMOTIONS; promotion++) {
                if (total < best) {
                    best = total;
                    memcpy(p->best, p->offsets, (size_t)p->count * sizeof *p->best);
                }
                if (best <= p->lower_bound) break; /* no other order can do better */
                const int64_t last = at_far_end(p, total, mirrored);
                if (p->order[0] == last) break;
                put_first(p->order, last);
                total = first_fit(p, mirrored);
            }
        }
    }
    return best;
}

/* The arena's size; `offsets` (by buffer) where everything lies, `least_bytes` (by operator) what no plan can do without;
 * NO_MEMORY where the machine has none. */
int64_t plan_buffers(const buffer_t *buffers, int64_t count, const piece_t *pieces, const overlap_t *overlaps,
                     int64_t overlap_count, int64_t positions, int64_t *offsets, int64_t *least_bytes) {
    problem_t p = {.count = count, .positions = positions, .overlap_count = overlap_count, .buffers = buffers, .pieces = pieces,
                   .overlaps = overlaps, .best = offsets};
    int64_t total = NO_MEMORY;
    int64_t *room = malloc((size_t)(9 * count + overlap_count + 1) * sizeof *room);
    if (room) {
        int64_t(*keys)[3] = (int64_t(*)[3])room;
        p.order = room + 3 * count, p.offsets = room + 4 * count, p.head = room + 5 * count, p.start = room + 6 * count;
        p.next = p.start + count + 1;
        p.taken = (int64_t(*)[2])(p.next + overlap_count);
        for (int64_t i = 0; i < count; i++) p.head[i] = -1;
        for (int64_t k = 0; k < overlap_count; k++) {
            p.next[k] = p.head[overlaps[k].source];
            p.head[overlaps[k].source] = k;
        }
        find_least_bytes(&p, least_bytes);
        if (find_conflicts(&p, keys)) total = search(&p, keys);
    }
    free(p.conflicts);
    free(room);
    return total;
}

/* The same for a chain of operators, each the writer of one whole buffer. A link takes three numbers, behind `skipped` others: bytes
 * of its output, bytes of its scratch and how many inputs it has; then for each input how many links ago it was written and how far
 * the output may run into it (NEVER: not at all). `io_bytes` are those that the chain's input or output takes. NO_CHAIN where a
 * link reads what comes later or was never there. */
int64_t plan_chain(const int64_t *links, int64_t count, int64_t skipped, int64_t input_bytes, int64_t *io_bytes) {
    int64_t reads = 0;
    const int64_t *link = links + skipped;
    for (int64_t position = 0; position < count; position++, link += 3 + 2 * link[2] + skipped) {
        for (int64_t k = 0; k < link[2]; k++)
            if (link[3 + 2 * k] < 1 || link[3 + 2 * k] > position + 1) return NO_CHAIN;
        reads += link[2];
    }
    const int64_t most_buffers = 2 * count + 1;
    buffer_t *buffers = malloc((size_t)most_buffers * (sizeof *buffers + sizeof(piece_t) + sizeof(int64_t)) +
                               (size_t)(reads + 1) * sizeof(overlap_t) + (size_t)(count + 1) * sizeof(int64_t));
    if (!buffers) return NO_MEMORY;
    piece_t *pieces = (piece_t *)(buffers + most_buffers);
    overlap_t *overlaps = (overlap_t *)(pieces + most_buffers);
    int64_t *offsets = (int64_t *)(overlaps + reads + 1), *least_bytes = offsets + most_buffers;
    int64_t scratches = 0, overlap_count = 0, output_bytes = input_bytes;
    buffers[0] = (buffer_t){align(input_bytes), -1, -1, 0, 1};
    link = links + skipped;
    for (int64_t position = 0; position < count; position++, link += 3 + 2 * link[2] + skipped) {
        output_bytes = link[0];
        buffers[position + 1] = (buffer_t){align(output_bytes), position, position, position + 1, 1};
        if (link[1]) {
            const int64_t at = count + 1 + scratches++;
            buffers[at] = (buffer_t){align(link[1]), position, position, at, 1};
        }
        for (int64_t k = 0; k < link[2]; k++) {
            const int64_t source = position + 1 - link[3 + 2 * k], lead = link[4 + 2 * k];
            buffers[source].last = position;
            overlaps[overlap_count++] = (overlap_t){source, position + 1, position, 0, buffers[source].size,
                                                    lead == NEVER ? NEVER : -align(lead)};
        }
    }
    buffers[count].last = count;
    const int64_t buffer_count = count + 1 + scratches;
    for (int64_t i = 0; i < buffer_count; i++)
        pieces[i] = (piece_t){0, buffers[i].size, buffers[i].first, buffers[i].last};
    const int64_t total =
        plan_buffers(buffers, buffer_count, pieces, overlaps, overlap_count, count, offsets, least_bytes);
    const int64_t begin = most(offsets[0], offsets[count]);
    const int64_t end = least(offsets[0] + input_bytes, offsets[count] + output_bytes);
    *io_bytes = input_bytes + output_bytes - most(0, end - begin);
    free(buffers);
    return total;
}
