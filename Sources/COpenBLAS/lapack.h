// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

// The part of LAPACK that is used, with sizes by value. OpenBLAS brings it along, but not every
// build its header. Matrices are column by column. Each function returns LAPACK's status, 0 for
// success.

void dgelqf_(
    const int *, const int *, double *, const int *, double *, double *, const int *, int *);
void dorglq_(
    const int *, const int *, const int *, double *, const int *, const double *, double *,
    const int *, int *);
void dgesdd_(
    const char *, const int *, const int *, double *, const int *, double *, double *, const int *,
    double *, const int *, double *, const int *, int *, int *, size_t);
void dposv_(
    const char *, const int *, const int *, double *, const int *, double *, const int *, int *,
    size_t);

// a[rows, columns] becomes l * q: l in its lower triangle, q as reflectors in the rest and in tau.
static inline int shim_lq(int rows, int columns, double *a, double *tau, double *work, int count) {
    int status = 0;
    dgelqf_(&rows, &columns, a, &rows, tau, work, &count, &status);
    return status;
}

// The first `kept` rows of q out of its reflectors, in the first rows of a[rows, columns].
static inline int shim_lq_rows(
    int rows, int columns, int kept, double *a, const double *tau, double *work, int count
) {
    int status = 0;
    dorglq_(&kept, &columns, &kept, a, &rows, tau, work, &count, &status);
    return status;
}

// a[rows, columns] = u * diagonal(s) * vt, with min(rows, columns) singular values; a is lost. With
// a count of -1 only work[0] is set: to the count that is wanted. `integers` has 8 for each value.
static inline int shim_singular_values(
    int rows, int columns, double *a, double *s, double *u, double *vt, double *work, int count,
    int *integers
) {
    int status = 0, size = rows < columns ? rows : columns;
    dgesdd_(
        "S", &rows, &columns, a, &rows, s, u, &rows, vt, &size, work, &count, integers, &status, 1);
    return status;
}

// b[size, sides] becomes the solution of a * x = b for a symmetric positive a, which is lost.
static inline int shim_solve_positive(int size, int sides, double *a, double *b) {
    int status = 0;
    dposv_("L", &size, &sides, a, &size, b, &size, &status, 1);
    return status;
}
