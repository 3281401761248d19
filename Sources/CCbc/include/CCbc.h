// SPDX-License-Identifier: Apache-2.0
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// A program to minimise: the matrix column by column, the rows of column c at
// starts[c] ..< starts[c + 1]. Bounds may be infinite.
typedef struct {
    int variables;
    int rows;
    const int *starts;
    const int *row_indices;
    const double *values;
    const double *lower;
    const double *upper;
    const double *prices;
    const double *row_lower;
    const double *row_upper;
    int integer_count;
    const int *integers;
} CbcProgram;

typedef enum {
    CBC_OPTIMAL,
    // The time was over: what was found is not known to be the best.
    CBC_STOPPED,
    // There is no solution, none was found in time, or the solver gave up.
    CBC_NOTHING,
} CbcOutcome;

// Solves a program in at most so many seconds, silently, on the calling thread; several may be
// solved at a time. `start` is a solution to begin with, or NULL. `solution` gets a value for each
// variable and `bound` what no solution can beat.
//
// The C interface of CBC runs its command line inside, whose state is global; hence the C++ one.
CbcOutcome cbc_minimise(
    const CbcProgram *program, const double *start, double seconds, double *solution,
    double *bound);

#ifdef __cplusplus
}
#endif
